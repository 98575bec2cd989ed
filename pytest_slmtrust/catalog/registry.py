"""The catalogues of ``--slm-tasks``: one word names tests of another tool, and becomes probes.

A catalogue is one entry of :data:`CATALOGS` and one module with a function ``probes_of(name, choice)``. It returns a probe for
each test; one that cannot be asked here is a probe of :func:`untested`, which is NOT TESTED by name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata, util
from pathlib import Path
from typing import Any, NoReturn

from ..arguments import unknown
from ..audit.clauses import Framework
from ..audit.dimension import Dimension
from ..audit.nodeids import PACKS
from ..audit.sections import Catalogue
from ..authoring.datafiles import NotAskable
from ..authoring.declarations import ProbeError, Profile, Verdict
from ..authoring.probe import Probe
from ..requests import Steps

OPTION = "--slm-tasks"


@dataclass(frozen=True, slots=True)
class Choice:
    """How the tests of one word are asked: the user's dimension or None, whether chats go through the model's template, and the
    folder that a relative path is seen from."""

    dimension: Dimension | None = None
    template: bool = False
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class Catalog:
    """One tool: the module that reads it, the package that must be installed, our extra with it, and its licence.

    ``refuses``: says in one line why the installed package cannot be used; empty if it can. ``apart``: what its extra does not
    go with.
    """

    module: str
    package: str
    extra: str
    licence: str
    refuses: Callable[[], str] = str
    apart: str = ""


def _garak_refusal() -> str:
    from .garak_host import refusal  # with what hosts garak, which few runs need

    return refusal()


#: By the prefix of a word. A path that ends in .yaml or .yml is a task of the first.
CATALOGS = {
    "lm_eval": Catalog("pytest_slmtrust.catalog.harness", "lm_eval", "lm-eval", "MIT"),
    "garak": Catalog(
        "pytest_slmtrust.catalog.garak_probes",
        "garak",
        "garak",
        "Apache-2.0",
        _garak_refusal,
        "in an environment without [attack]: garak needs transformers 5, TextAttack needs 4.57",
    ),
}
_FILES = (".yaml", ".yml")
#: How a word ends that is a file of any catalogue.
_SOURCES = (*_FILES, ".json")


@dataclass(frozen=True, slots=True)
class Entry:
    """One probe of a catalogue, and the place of its node ids: ``slm::lm_eval``."""

    catalog: str
    probe: Probe

    @property
    def place(self) -> str:
        return f"{PACKS}{self.catalog}"


def entries_of(values: Iterable[tuple[str, Path]], template: bool = False) -> list[Entry]:
    """Return the probes that the values of ``--slm-tasks`` name, each once. ``values``: a text and the folder it is seen from.

    Raises:
        ProbeError: no such catalogue or test, a word that stands for none, two tests of one name, or a package that is missing;
            one line.
    """
    found: dict[tuple[str, str], tuple[Entry, str]] = {}
    for value, folder in values:
        for catalog, name, dimension in _words(value):
            probes = list(_reader(catalog)(name, Choice(dimension, template, folder)))
            if not probes:
                raise ProbeError(f"{OPTION} {name[:80]}: it holds no test")
            source = str((folder / name).resolve()) if name.endswith(_SOURCES) else ""
            for probe in probes:
                entry = Entry(catalog, replace(probe, packed=True, foreign=True))
                known, where = found.setdefault((catalog, probe.name), (entry, source))
                if where != source or _identity(known.probe) != _identity(probe):
                    raise ProbeError(
                        f"{OPTION} {name[:80]}: two tests that are not the same have the name {probe.name} here, or one is asked "
                        "for two dimensions: ask one of them, or name the other one otherwise in its file"
                    )
    return [entry for entry, _ in found.values()]


def _identity(probe: Probe) -> tuple[object, ...]:
    """Return what tells a test from another one whose name is written alike here."""
    return probe.claim, probe.detector, probe.estimand, probe.dimension


def described(entries: Sequence[Entry]) -> list[Catalogue]:
    """Return name, version and licence of each tool whose tests are asked, and the names of these."""
    made = []
    for name in dict.fromkeys(entry.catalog for entry in entries):
        tool = CATALOGS[name]
        own = [entry.probe.name for entry in entries if entry.catalog == name]
        made.append(Catalogue(name=name, version=metadata.version(tool.package), licence=tool.licence, tests=own))
    return made


def clauses_of(entries: Sequence[Entry]) -> list[Framework]:
    """Return a map of clauses for each tool that tags its tests and says what its tags mean."""
    made = []
    for name in dict.fromkeys(entry.catalog for entry in entries):
        own = [entry.probe for entry in entries if entry.catalog == name]
        framework = getattr(importlib.import_module(CATALOGS[name].module), "framework_of", None)
        made.append(framework(own) if framework is not None else None)
    return [one for one in made if one is not None]


def untested(name: str, dimension: Dimension, claim: str, reason: str) -> Probe:
    """Return a probe that is NOT TESTED, for a test that cannot be asked here, with the reason."""

    def rows(profile: Profile) -> NoReturn:  # noqa: ARG001
        raise NotAskable(reason)

    return Probe(name, dimension, _nothing, rows, claim)


def _nothing() -> Steps[Verdict]:
    """Ask nothing: its probe has no rows."""
    yield []
    return Verdict.unscored("it has no rows")


def _words(value: str) -> list[tuple[str, str, Dimension | None]]:
    """Return catalogue, name and dimension of each part of ``lm_eval:a,b@fairness``; a part without a prefix has the last one."""
    parts, made, prefix = [part.strip() for part in value.split(",")], [], ""
    if not any(parts):
        raise ProbeError(f"{OPTION} is empty: {_expected()}")
    for part in filter(None, parts):
        text, _, dimension = part.rpartition("@") if _has_dimension(part) else (part, "", "")
        if text.endswith(_FILES) and text.partition(":")[0] not in CATALOGS:
            made.append((next(iter(CATALOGS)), text, Dimension(dimension) if dimension else None))
            continue
        head, colon, name = text.partition(":")
        if colon:
            prefix = head
        else:
            name = text
        if not prefix:
            raise ProbeError(f"{OPTION} {part[:80]!r}: {_expected()}")
        if prefix not in CATALOGS:
            raise ProbeError(f"{OPTION} {part[:80]!r}: {unknown('catalogue', prefix, CATALOGS)}")
        if not name:
            raise ProbeError(f"{OPTION} {part[:80]!r} names no test: {_expected()}")
        made.append((prefix, name, Dimension(dimension) if dimension else None))
    return made


def _has_dimension(part: str) -> bool:
    """Return whether a part ends in ``@dimension``.

    Raises:
        ProbeError: no such dimension.
    """
    _, at, name = part.rpartition("@")
    if not at or "/" in name:
        return False
    if name not in Dimension.__members__.values():
        raise ProbeError(f"{OPTION} {part[:80]!r}: {unknown('dimension', name, map(str, Dimension))}")
    return True


def _expected() -> str:
    return "expected lm_eval:NAME, garak:MODULE, or the path of a task's .yaml"


def _reader(name: str) -> Callable[[str, Choice], Iterable[Probe]]:
    tool = CATALOGS[name]
    if util.find_spec(tool.package) is None:
        raise ProbeError(
            f"{OPTION} {name}: {tool.package} is not installed: reinstall this package with its extra [{tool.extra}]"
            + (f", {tool.apart}" if tool.apart else "")
        )
    refused = tool.refuses()
    if refused:
        raise ProbeError(f"{OPTION} {name}: {refused}")
    module: Any = importlib.import_module(tool.module)
    reader: Callable[[str, Choice], Iterable[Probe]] = module.probes_of
    return reader
