"""Audits as JSON text, and back: one canonical form, and one reader that goes by the types of the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..escaping import visible

if TYPE_CHECKING:
    from .model import Finding

T = TypeVar("T")
#: How msgspec ends an error that has a place.
_PLACE = re.compile(r" - at (?:`key` in )?`(\$[^`]*)`$")


class AuditError(ValueError):
    """An audit file that cannot be read; one line that says why."""


def read(kind: type[T], data: Any) -> T:
    """Make a dataclass of parsed JSON, as the types of its fields say.

    Raises:
        AuditError: a value of another type or out of its limits, or a field that is missing or unknown; the message begins with
            the JSON path of the first fault.
    """
    try:
        made = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        place = _PLACE.search(text)
        raise _fault(place[1] if place else "$", _PLACE.sub("", text)) from None
    _check_names(data, made, "$")
    return made


def own(kind: type[T], data: Any) -> T:
    """Return :func:`read` of data that a process of this run wrote: they hold no field but ours.

    Raises:
        msgspec.ValidationError: a value of another type or out of its limits.
    """
    return msgspec.convert(data, kind)


def _check_names(data: Any, made: Any, place: str) -> None:
    """Check that the fields of each dataclass are those that the data name: converting passes over unknown ones."""
    if made == data:  # of plain data nothing is passed over, and most of an audit is plain
        return
    if isinstance(made, tuple):
        for number, (one, own) in enumerate(zip(data, made, strict=True)):
            _check_names(one, own, f"{place}[{number}]")
    elif isinstance(made, dict):
        strange = sorted(map(str, data.keys() - made.keys()))
        if strange:
            raise _fault(place, f"unknown field {strange[0]!r}")
        for name, own in made.items():
            _check_names(data[name], own, f"{place}.{name}")
    elif is_dataclass(made) and not isinstance(made, type):
        _check_fields(data, made, _names(type(made)), place)


def _check_fields(data: Any, made: object, names: Sequence[str], place: str) -> None:
    if data.keys() != set(names):
        missing, strange = sorted(set(names) - data.keys()), sorted(map(str, data.keys() - set(names)))
        raise _fault(place, f"the field {missing[0]!r} is missing" if missing else f"unknown field {strange[0]!r}")
    for name in names:
        own = getattr(made, name)
        if own is not data[name] and not isinstance(own, (str, float)):
            _check_names(data[name], own, f"{place}.{name}")


def _fault(place: str, what: str) -> AuditError:
    path = visible(place, one_line=True)
    return AuditError(f"{path}: {visible(what if len(what) <= 300 else f'{what[:300]} …', one_line=True)}")


def plain(value: Any) -> Any:
    """Return what json writes of a dataclass, as its ``default``: the fields. Anything else that has no JSON form becomes
    text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    return str(value)


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


#: The C encoder takes no indent: with it a text takes half of the time.
_ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=True, allow_nan=False, default=plain).encode


def canonical(data: Mapping[str, Any]) -> str:
    """Return an audit's data as text: a line for each field, and one for each entry of a field that is a list.

    Raises:
        ValueError: a number that is not finite.
    """
    return "{\n" + ",\n".join(f"{_ENCODE(key)}: {_lines(data[key])}" for key in sorted(data)) + "\n}\n"


def as_written(finding: Finding) -> Finding:
    """Return a finding with its evidence as it is read back from an audit, so that a number made of it is made alike by every
    reader."""
    return replace(finding, evidence=json.loads(_ENCODE(finding.evidence)))


def _lines(value: Any) -> str:
    if not isinstance(value, (list, tuple)) or not value:
        return _ENCODE(value)
    return "[\n" + ",\n".join(map(_ENCODE, value)) + "\n]"
