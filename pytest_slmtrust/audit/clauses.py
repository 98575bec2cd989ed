"""The clauses of laws and standards that gates give evidence towards: the built-in map, and a reviewer's own in the same form.

Evidence is not conformity. Each framework says which edition its entries are about, since when it applies, and whether its text
was read or only what others wrote of it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date, datetime
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from ..escaping import blank
from ..plainfile import UnfitFile, read_plain_text
from .encoding import AuditError, read
from .fields import DimensionName, Name, about

#: Bytes of a map, and entries of it.
LARGEST, MOST_FRAMEWORKS, MOST_CLAUSES, LONGEST = 2**18, 40, 400, 2_000


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause. Gates of its ``dimensions`` whose names fit ``probes`` count; a clause with neither has no test here."""

    clause: Annotated[Name, about("Its number.")]
    title: Annotated[Name, about("Its title.")]
    summary: Annotated[Name, about("What it asks for, in our own words.")]
    dimensions: Annotated[tuple[DimensionName, ...], about("Every gate of these counts.")] = ()
    probes: Annotated[tuple[Name, ...], about("Names or patterns of gates that count.")] = ()
    groups: Annotated[tuple[Name, ...], about("Groups of their rows that the clause is about: names or patterns.")] = ()
    cannot: Annotated[str, about("What such an audit cannot show of it.")] = ""
    applies_from: Annotated[str, about("Since when it applies, where it differs from the framework.")] = ""
    amended: Annotated[str, about("What changed it.")] = ""


@dataclass(frozen=True, slots=True)
class Framework:
    """One law or standard in one edition, of which ``date`` is the day. On ``read_on`` we read what ``read`` names."""

    id: Annotated[Name, about("Short name.")]
    title: Annotated[Name, about("Title.")]
    source: Annotated[Name, about("Where it was published.")]
    date: Annotated[str, about("Date of the edition.")]
    clause: Annotated[tuple[Clause, ...], about("Its clauses.")]
    note: Annotated[str, about("What it is about.")] = ""
    applies_from: Annotated[str, about("Date from which it applies; empty for a voluntary one.")] = ""
    amended: Annotated[str, about("What changed it since.")] = ""
    read_on: Annotated[str, about("Day on which it was read.")] = ""
    read: Annotated[
        Literal["source", "secondary", "not read"], about("Whether its own text was read, only what others wrote of it, or none.")
    ] = "source"

    @property
    def known_from(self) -> str:
        """Say how far the entries can be trusted."""
        when = f" on {self.read_on}" if self.read_on else ""
        if self.read == "source":
            return f"Read at its source{when}." if when else ""
        if self.read == "secondary":
            return f"Known from secondary sources only{when}: check it at its source before you rely on it."
        return "Not read: nothing here is about its text."


@cache
def built_in() -> tuple[Framework, ...]:
    """Return the map that comes with this package."""
    text = resources.files("pytest_slmtrust.reports").joinpath("clauses.toml").read_text(encoding="utf-8")
    return _frameworks(tomllib.loads(text))


def read_clauses(path: Path) -> tuple[Framework, ...]:
    """Return a reviewer's own map: a TOML file of the form of ``reports/clauses.toml``.

    Raises:
        AuditError: no such file, too large, not TOML, or a field that is missing, unknown or of another type; one line.
    """
    try:
        return _frameworks(tomllib.loads(read_plain_text(path, LARGEST)))
    except OSError as error:
        raise AuditError(f"clauses {path}: {error.strerror or error}") from None
    except (AuditError, UnfitFile) as error:
        raise AuditError(f"clauses {path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise AuditError(f"clauses {path}: not a TOML file: {error}") from None


def check_names(frameworks: Iterable[Framework], probes: Iterable[str]) -> None:
    """Refuse a map that names a gate which is in no run of these probes.

    Raises:
        AuditError: the first such name.
    """
    from difflib import get_close_matches

    known = sorted(set(probes))
    for framework in frameworks:
        for row in framework.clause:
            for pattern in row.probes:
                if not any(fnmatchcase(name, pattern) for name in known):
                    near = get_close_matches(pattern, known, 1)
                    hint = f"; did you mean {near[0]!r}?" if near else ""
                    raise AuditError(f"clauses: {framework.id} {row.clause}: no gate fits {pattern[:80]!r}{hint}")


def fits(row: Clause, probe: str, dimension: str) -> bool:
    """Return whether a gate gives evidence towards a clause."""
    if not row.probes:
        return dimension in row.dimensions
    in_dimension = not row.dimensions or dimension in row.dimensions
    return in_dimension and any(fnmatchcase(probe, pattern) for pattern in row.probes)


def _frameworks(data: Mapping[str, Any]) -> tuple[Framework, ...]:
    rows = data.get("framework")
    if not data.keys() <= {"framework", "version"} or not isinstance(rows, list) or not rows:
        raise AuditError("expected [[framework]] tables, each with [[framework.clause]] tables, and nothing else")
    whole = [_whole(row, Framework) for row in rows]
    made = read(_Map, {"framework": whole}).framework
    if len(made) > MOST_FRAMEWORKS or sum(len(one.clause) for one in made) > MOST_CLAUSES:
        raise AuditError(f"more than {MOST_FRAMEWORKS} frameworks or {MOST_CLAUSES} clauses")
    if len({one.id for one in made}) < len(made):
        raise AuditError("two frameworks have the same id")
    return made


@dataclass(frozen=True, slots=True)
class _Map:
    framework: tuple[Framework, ...]


def _whole(row: Any, kind: type) -> Any:
    """Return a table with every field of its class: a date as text, and what is absent by its default."""
    if not isinstance(row, dict):
        return row
    made = {name: _plain(value, name) for name, value in row.items()}
    if isinstance(made.get("clause"), list) and kind is Framework:
        made["clause"] = [_whole(one, Clause) for one in made["clause"]]
    defaults = {f.name: f.default for f in fields(kind) if f.default is not MISSING}
    return {**{name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}, **made}


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and len(value) > LONGEST:
        raise AuditError(f"{name}: more than {LONGEST} characters")
    if isinstance(value, str) and value and blank(value):
        raise AuditError(f"{name}: holds nothing that can be seen")
    return value
