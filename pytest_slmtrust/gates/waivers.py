"""Waivers: a file that says who takes a red gate upon themselves, why and until when.

TOML, a ``[[waiver]]`` each with ``probe``, ``reason``, ``owner`` and ``expires`` (a date). One without a reason, an owner or a
date is refused before the run; an expired one waives nothing and makes the run red.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ..arguments import unknown
from ..audit.model import Waiver
from ..authoring.declarations import ProbeError
from ..escaping import blank
from ..plainfile import UnfitFile, read_plain_text

#: Bytes of such a file at most.
LARGEST = 2**20
_FIELDS = ("probe", "reason", "owner", "expires")


def read_waivers(path: Path, today: date) -> tuple[Waiver, ...]:
    """Return the waivers of a file.

    Raises:
        ProbeError: no such file, not TOML, or a waiver that lacks something; one line with the place.
    """
    try:
        data = tomllib.loads(read_plain_text(path, LARGEST))
    except OSError as error:
        raise ProbeError(f"waivers {path}: {error.strerror or error}") from None
    except UnfitFile as error:
        raise ProbeError(f"waivers {path}: {error}") from None
    except (ValueError, RecursionError) as error:  # not TOML, or not UTF-8
        raise ProbeError(f"waivers {path}: not a TOML file: {error}") from None
    rows = data.get("waiver")
    if set(data) != {"waiver"} or not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise ProbeError(f"waivers {path}: expected [[waiver]] tables with {', '.join(_FIELDS)}, and nothing else")
    made = [_waiver(row, f"waivers {path}: waiver {number}", today) for number, row in enumerate(rows, start=1)]
    twice = sorted({w.probe for w in made if sum(w.probe == o.probe for o in made) > 1})
    if twice:
        raise ProbeError(f"waivers {path}: {twice[0]!r} is waived twice")
    return tuple(made)


def _waiver(row: dict[str, Any], where: str, today: date) -> Waiver:
    strange = sorted(set(row) - set(_FIELDS))
    if strange:
        raise ProbeError(f"{where}: {unknown('field', strange[0], _FIELDS)}")
    for name in ("probe", "reason", "owner"):
        if not isinstance(row.get(name), str) or blank(row[name]):
            raise ProbeError(f"{where} has no {name}: a waiver needs probe, reason, owner and expires")
    expires = row.get("expires")
    if isinstance(expires, str):
        try:
            expires = date.fromisoformat(expires)
        except ValueError:
            raise ProbeError(f"{where} expires on {row['expires']!r}; expected a date such as 2030-01-31") from None
    if isinstance(expires, datetime) or not isinstance(expires, date):
        raise ProbeError(f"{where} does not say when it expires; expected a date such as 2030-01-31")
    probe, reason, owner = (row[name].strip() for name in ("probe", "reason", "owner"))
    return Waiver(probe, reason, owner, expires.isoformat(), expires < today)


def check_gate_names(what: str, chosen: Iterable[str], keys: Sequence[str]) -> None:
    """Refuse names that a person chose for gates and that fit none, or two. ``keys``: the gates by place and name.

    Raises:
        ProbeError: the first such name; it begins with ``what``.
    """
    names = [key.rpartition("::")[2] for key in keys]
    for one in chosen:
        if one not in names and one not in keys:
            raise ProbeError(unknown(what, one, {*names, *keys}))
        if names.count(one) > 1:
            first = next(key for key in keys if key.rpartition("::")[2] == one)
            raise ProbeError(f"{names.count(one)} gates are named {one!r}: name one by its place, such as {first!r}")
