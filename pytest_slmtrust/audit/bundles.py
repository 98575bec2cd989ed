"""Bundles: gates that are read together under one name, such as attack success beside over-refusal and utility."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from ..escaping import blank
from ..plainfile import UnfitFile, read_plain_text
from .encoding import AuditError, read
from .fields import Level, Name, about
from .status import Status

#: Bytes of a file of bundles, bundles in it, parts of one, and characters of a text.
LARGEST, MOST_BUNDLES, MOST_PARTS, LONGEST = 2**16, 20, 12, 500


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bundle: the gate of a probe.

    ``limit`` and ``margin`` are its own; without them the gate's are those of the run. ``baseline``: the comparison with the
    baseline counts where the run has one, and the probe's own gate where it has none.
    """

    title: Annotated[Name, about("What the number is called.")]
    probe: Annotated[Name, about("The probe by its name, or by place and name.")]
    limit: Annotated[Level | None, about("Limit of the probe's own gate; null: that of the run.")] = None
    baseline: Annotated[bool, about("The comparison with the baseline counts, where there is one.")] = False
    margin: Annotated[Level | None, about("Margin of that comparison; null: that of the run.")] = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """Gates that are read together. It passes only if each of its parts passes."""

    name: Annotated[Name, about("Its name.")]
    claim: Annotated[Name, about("What a PASS says.")]
    parts: Annotated[tuple[Part, ...], about("Its gates.")]
    source: Annotated[str, about("Where the set of measures comes from.")] = ""


@dataclass(frozen=True, slots=True)
class BundleResult:
    """What a bundle says. ``gates``: the gate of each part, empty where the audit has none."""

    bundle: Bundle
    status: Status
    reason: Annotated[str, about("Each part with its number, limit and status.")]
    gates: tuple[str, ...]


def read_bundles(path: Path) -> tuple[Bundle, ...]:
    """Return the bundles of a TOML file: ``[[bundle]]`` tables, each with ``[[bundle.part]]`` tables.

    Raises:
        AuditError: no such file, too large, not TOML, or a field that is missing, unknown or of another type; one line.
    """
    try:
        return bundles_of(tomllib.loads(read_plain_text(path, LARGEST)))
    except OSError as error:
        raise AuditError(f"bundles {path}: {error.strerror or error}") from None
    except (AuditError, UnfitFile) as error:
        raise AuditError(f"bundles {path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise AuditError(f"bundles {path}: not a TOML file: {error}") from None


def bundles_of(data: Mapping[str, Any]) -> tuple[Bundle, ...]:
    """Return the bundles of parsed TOML.

    Raises:
        AuditError: what is wrong with them.
    """
    rows = data.get("bundle")
    if set(data) != {"bundle"} or not isinstance(rows, list) or not rows:
        raise AuditError("expected [[bundle]] tables, each with [[bundle.part]] tables, and nothing else")
    if len(rows) > MOST_BUNDLES:
        raise AuditError(f"more than {MOST_BUNDLES} bundles")
    made = tuple(_bundle(row, f"bundle {number}") for number, row in enumerate(rows, start=1))
    if len({one.name for one in made}) < len(made):
        raise AuditError("two bundles have the same name")
    return made


def _bundle(row: Any, where: str) -> Bundle:
    if not isinstance(row, dict) or not isinstance(row.get("part"), list):
        raise AuditError(f"{where} has no [[bundle.part]] tables")
    whole = _whole({name: value for name, value in row.items() if name != "part"}, Bundle)
    try:
        made = read(Bundle, {**whole, "parts": [_whole(one, Part) for one in row["part"]]})
    except AuditError as error:
        raise AuditError(f"{where}: {error}") from None
    texts = [made.name, made.claim, made.source, *(text for part in made.parts for text in (part.title, part.probe))]
    if max(map(len, texts)) > LONGEST:
        raise AuditError(f"{where}: a text of more than {LONGEST} characters")
    if any(map(blank, filter(None, texts))):
        raise AuditError(f"{where}: a text that holds nothing that can be seen")
    if not 2 <= len(made.parts) <= MOST_PARTS:
        raise AuditError(f"{where} has {len(made.parts)} part{'' if len(made.parts) == 1 else 's'}; expected 2 to {MOST_PARTS}")
    if len({part.probe.rpartition("::")[2] for part in made.parts}) < len(made.parts):
        raise AuditError(f"{where}: two parts name the same probe")
    if any(part.margin is not None and not part.baseline for part in made.parts):
        raise AuditError(f"{where}: a margin is that of a comparison; add baseline = true to its part")
    return made


def _whole(row: Any, kind: type) -> Any:
    """Return a table with the fields that it leaves out at their defaults; whole numbers as such that may have a fraction."""
    if not isinstance(row, dict):
        return row
    defaults = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    return {**defaults, **row}
