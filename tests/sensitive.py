"""Texts with made-up credentials or personal data, and look-alikes, put together from the tables in this folder."""

from __future__ import annotations

import base64
import json
import random
import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_ALPHABETS = {
    "an": string.ascii_letters + string.digits, "lo": string.ascii_lowercase + string.digits, "hex": "0123456789abcdef",
    "up": string.ascii_uppercase + string.digits, "UP": string.ascii_uppercase + "234567", "az": string.ascii_letters,
    "b64": string.ascii_letters + string.digits + "+/", "url": string.ascii_letters + string.digits + "-_", "dig": string.digits,
}  # fmt: skip
_PLACE = re.compile(r"\{(?:(\w+):(\d+)|(basic|jwt))\}")


@dataclass(frozen=True, slots=True)
class Sample:
    """A text of a kind, and where it holds what must be hidden (nowhere: a look-alike)."""

    kind: str
    text: str
    spots: tuple[tuple[int, int], ...]


def table(name: str, side: str) -> Mapping[str, list[str]]:
    rows: Mapping[str, list[str]] = tomllib.loads((HERE / name).read_text("utf-8"))[side]
    return rows


def sample(kind: str, text: str) -> Sample:
    """What stands between « and » must be hidden."""
    plain, spots, start = "", [], 0
    for sign in text:
        if sign == "«":
            start = len(plain)
        elif sign == "»":
            spots.append((start, len(plain)))
        else:
            plain += sign
    return Sample(kind, plain, tuple(spots))


def credentials(side: str, draws: int = 2, seed: str = "credentials") -> Iterator[Sample]:
    """Each row of the table, filled in ``draws`` times; a row without placeholders once."""
    source = random.Random(seed)
    for kind, rows in table("credentials.toml", side).items():
        for row in rows:
            for _ in range(draws if _PLACE.search(row) else 1):
                yield sample(kind, _PLACE.sub(lambda found: _drawn(source, found), row.replace("{}", "")))


def _drawn(source: random.Random, found: re.Match[str]) -> str:
    def draw(alphabet: str, n: int) -> str:
        return "".join(source.choice(_ALPHABETS[alphabet]) for _ in range(n))

    name, size, whole = found.groups()
    if whole == "basic":
        return base64.b64encode(f"{draw('lo', 6)}:{draw('an', 10)}".encode()).decode()
    if whole == "jwt":
        parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": draw("dig", 8), "name": draw("lo", 6)})]
        return ".".join([*(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts), draw("url", 43)])
    if name == "pem":
        return "\n".join([*(draw("b64", 64) for _ in range(int(size) - 1)), draw("b64", 20) + "=="])
    return draw(name, int(size))


def hidden(spots: list[tuple[int, int]], wanted: tuple[int, int]) -> bool:
    """Whether these spots cover all of it."""
    at = wanted[0]
    for start, end in sorted(spots):
        if start <= at < end:
            at = end
    return at >= wanted[1]


def personal_data(side: str) -> Iterator[Sample]:
    """Each row of the table of personal data."""
    for kind, rows in table("personal_data.toml", side).items():
        yield from (sample(kind, row) for row in rows)
