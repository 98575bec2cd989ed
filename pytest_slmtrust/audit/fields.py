"""Types of an audit's fields, with the limits that the published schema gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from .dimension import Dimension

OUTCOMES = ("passed", "failed", "measured", "unscored", "error")


def _whole(pattern: str) -> str:
    """Return a pattern of a whole text: in Python ``$`` alone also fits before a last line end."""
    return rf"^({pattern})(?!\n)$"


def _one_of(names: Iterable[str]) -> Meta:
    """Text that is one of these names, in the schema an enumeration."""
    every = list(names)
    return Meta(pattern=_whole("|".join(every)), extra_json_schema={"enum": every})


def about(text: str) -> Meta:
    """Return what the published schema says of a field."""
    return Meta(description=text)


Count = Annotated[int, Meta(ge=0)]
#: From 0 to 1, both included.
Share = Annotated[float, Meta(ge=0, le=1)]
#: Between 0 and 1, both excluded.
Level = Annotated[float, Meta(gt=0, lt=1)]
#: Not negative.
Size = Annotated[float, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1)]
DimensionName = Annotated[str, _one_of(map(str, Dimension))]
OutcomeName = Annotated[str, _one_of(OUTCOMES)]
Side = Annotated[str, _one_of(("at most", "at least"))]
#: A SHA-256, in hexadecimal digits; half of two, and one that may be empty.
Digest = Annotated[str, Meta(pattern=_whole("[0-9a-f]{64}"))]
HalfDigest = Annotated[str, Meta(pattern=_whole("[0-9a-f]{32}"))]
NoDigest = Annotated[str, Meta(pattern=_whole("[0-9a-f]{64}|"))]
