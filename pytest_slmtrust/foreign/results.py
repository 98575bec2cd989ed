"""What another tool found, as plain data, and the formats that are read.

A format is one module with ``reads(text)``, which says whether a file is of it, and ``read(path, text)``.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..audit.dimension import Dimension
from ..audit.model import AuditError, Measure
from ..authoring.declarations import Criterion, Outcome
from ..escaping import said
from ..plainfile import UnfitFile, read_plain_text

#: Modules of this package that read a format, with what the file is called in messages.
#: garak comes first: its first line alone tells, and its replies may hold any words.
FORMATS = {
    "garak": "report of garak (report.jsonl)",
    "inspect_log": "JSON log of inspect_ai",
    "harness": "results of lm-evaluation-harness",
}
#: Bytes of the largest file that is read.
LARGEST = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """One case that another tool asked.

    ``source``: the item that it was made from, the case itself if empty. ``asked``: what tells the question from others.
    """

    id: str
    outcome: Outcome
    score: float | None = None
    source: str = ""
    reason: str = ""
    asked: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Test:
    """One test of another tool: a probe's name and dimension, its cases, and its other numbers.

    ``criterion``: what it is measured by if not the rate of failing items. ``place``: where its node ids begin, such as
    ``slm::lm_eval``.
    """

    __test__ = False  # pytest would collect it by its name
    name: str
    dimension: Dimension
    claim: str
    place: str
    samples: Sequence[Sample]
    measures: Sequence[Measure] = ()
    criterion: Criterion | None = None
    metric: str = ""
    unit: str = "documents"
    verb: str = "were wrong"


@dataclass(frozen=True, slots=True)
class Foreign:
    """The results of one run of another tool. ``notes``: what a reader must know of how they were read."""

    tool: str
    version: str
    model: str
    started: str
    tests: Sequence[Test]
    notes: Sequence[str] = ()


def read_foreign(path: Path) -> Foreign:
    """Read a file of results by whichever format it has.

    Raises:
        AuditError: it is of none, or broken; one line.
        OSError: it cannot be read.
    """
    if path.suffix == ".eval":
        raise AuditError(
            f"{path}: a packed log of inspect_ai; make it JSON: inspect log convert FILE --to json --output-dir FOLDER"
        )
    text = text_of(path)
    for name in FORMATS:
        module: Any = importlib.import_module(f"{__package__}.{name}")
        if module.reads(text):
            found = _read(module, path, text, FORMATS[name])
            if not found.tests:
                raise AuditError(f"{path}: no result in it")
            return found
    raise AuditError(f"{path}: of no known format; expected {', or '.join(FORMATS.values())}")


def _read(module: Any, path: Path, text: str, what: str) -> Foreign:
    try:
        found: Foreign = module.read(path, text)
    except AuditError:
        raise
    except RecursionError:
        raise AuditError(f"{path}: broken: its values are nested too deeply") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # numbers without end, too
        raise AuditError(f"{path}: broken {what} ({said(error)})") from None
    return found


def whole_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; of two entries of one name one would be lost.

    Raises:
        ValueError: there are two.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"an object names {twice[:60]!r} twice")
    return made


def text_of(path: Path) -> str:
    """Return a file of another tool, whole.

    Raises:
        AuditError: it is not a regular file, too large, or not UTF-8.
        OSError: it cannot be read.
    """
    try:
        return read_plain_text(path, LARGEST)
    except UnfitFile as error:
        raise AuditError(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise AuditError(f"{path}: not UTF-8") from None
