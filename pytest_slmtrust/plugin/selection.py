"""The selection that a user named: node ids, ``-k`` and ``-m``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import pytest
from _pytest.mark.expression import Expression

from ..arguments import unknown
from ..audit.dimension import Dimension
from ..audit.model import GateResult
from ..audit.nodeids import PACKS, gate_key
from ..authoring.declarations import ProbeError

PREFIX = "slm"


def lift_arguments(config: pytest.Config) -> list[str]:
    """Take ``slm::...`` node ids out of the arguments: pytest would look for files of that name.

    ``slm::`` alone is the whole built-in audit and nothing else.
    """
    chosen = [a for a in config.args if a.startswith(f"{PREFIX}::")]
    if chosen:
        config.args[:] = [a for a in config.args if a not in chosen]
    return [a.rstrip(":") for a in chosen]


def check_chosen(chosen: Sequence[str], nodeids: Sequence[str]) -> None:
    """Refuse a node id that names nothing.

    Raises:
        ProbeError: the first such id.
    """
    for one in chosen:
        if not any(is_chosen(nodeid, [one]) for nodeid in nodeids):
            raise ProbeError(unknown("node id", one, nodeids))


def check_marker(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Refuse a marker of ``-m`` that nothing has and that is nearly the name of a dimension.

    Raises:
        ProbeError: the first such marker.
    """
    named = set(re.findall(r"[A-Za-z_]\w*", config.getoption("markexpr", "") or "")) - {"and", "or", "not"}
    named -= {str(line).partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    dimensions = [str(one) for one in Dimension]
    near = sorted(name for name in named if get_close_matches(name.lower(), dimensions, n=1, cutoff=0.75))
    if near and not any(mark.name in near for item in items for mark in item.iter_markers()):
        raise ProbeError(f"-m: {unknown('marker', near[0], dimensions)}")


def is_chosen(nodeid: str, chosen: Sequence[str]) -> bool:
    """Return whether a node id is one of those chosen, or lies below one; without any, all are."""
    return not chosen or any(nodeid == c or nodeid.startswith((f"{c}::", f"{c}[")) for c in chosen)


def names_a_part(config: pytest.Config, chosen: Sequence[str]) -> bool:
    """Return whether the user named a part of the tests, by words or by node ids."""
    return not config.getoption("stepwise", False) and (_by_words(config) or _by_ids(config, chosen))


def outside(
    config: pytest.Config, chosen: Sequence[str], gates: Iterable[str], selected: Collection[str], announced: Collection[str]
) -> list[str]:
    """Return the gates outside the selection that the user named.

    A gate that is missing for another reason is not among them: ``--deselect``, ``--lf`` and ``--sw`` name no part of the
    audit, and other plugins may drop items without a word. ``announced``: what pytest said to be deselected, as ``-k`` and
    ``-m`` do; node ids leave out what lies below none of them.
    """
    if not names_a_part(config, chosen):
        return []
    dropped, ids = tuple(config.getoption("deselect", None) or ()), _by_ids(config, chosen)
    gone = [nodeid for nodeid in gates if nodeid not in selected and not nodeid.startswith(dropped)]
    named = [*chosen, *config.args]
    return [nodeid for nodeid in gone if nodeid in announced or (ids and not is_chosen(nodeid, named))]


def accepted_outside(config: pytest.Config, chosen: Sequence[str], gone: Iterable[GateResult]) -> list[str]:
    """Return those of the gates that a lock accepted and no file has any more which the user's selection would have left out.

    A path leaves out what was neither it nor below it, so ``.`` leaves out nothing. ``--ignore`` and ``--deselect`` name no part
    of the audit.
    """
    if config.getoption("stepwise", False):
        return []
    return [g.nodeid for g in gone if not (_placed_inside(config, chosen, g.nodeid) and _fits_words(config, g))]


def _placed_inside(config: pytest.Config, chosen: Sequence[str], nodeid: str) -> bool:
    """Return whether the paths and node ids of the command line hold the place of a gate; what a pack brings has no path."""
    if nodeid.startswith(PACKS):
        return is_chosen(nodeid, chosen)
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return True
    file = (config.rootpath / nodeid.partition("::")[0]).resolve()
    folder = config.invocation_params.dir
    for argument in config.args:
        path, _, below = argument.partition("::")
        place = (folder / path).resolve()
        if not place.exists():  # a module's name, as --pyargs takes it: nobody knows what it leaves out
            return True
        if not below and place in (file, *file.parents):
            return True
    return False


def _fits_words(config: pytest.Config, gate: GateResult) -> bool:
    """Return whether ``-k`` and ``-m`` would have selected a gate that is gone, of which its place and dimension are known."""
    place, _, probe = gate_key(gate.nodeid).rpartition("::")
    named = f"{place} {gate.nodeid} gate[{probe}] {gate.dimension}".lower()

    def in_name(text: str, /, **_: Any) -> bool:
        return text.lower() in named

    def is_marker(text: str, /, **_: Any) -> bool:
        return text == gate.dimension

    words = ((config.getoption("keyword", ""), in_name), (config.getoption("markexpr", ""), is_marker))
    return all(Expression.compile(text).evaluate(fits) for text, fits in words if text)


def _by_words(config: pytest.Config) -> bool:
    return bool(config.getoption("keyword", "") or config.getoption("markexpr", ""))


def _by_ids(config: pytest.Config, chosen: Sequence[str]) -> bool:
    return bool(chosen) or any("::" in argument for argument in config.args)


def asks_last_failed(config: pytest.Config) -> bool:
    """Return whether ``--lf`` leaves something out: of files without a failure not even the gates are known.

    The cache holds the failures of the run before until this one's session has finished.
    """
    return bool(config.getoption("lf", False) and config.cache is not None and config.cache.get("cache/lastfailed", {}))
