"""Canaries: random texts to be put into training data, and what a model that learned one of them gives away.

Carlini et al. 2019, The Secret Sharer, USENIX Security: a canary's exposure is log2 of the size of its space over its rank among
all candidates of the same format.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: Kinds of secret fields, and the characters that they are drawn from.
ALPHABETS: Mapping[str, str] = {
    "digits": "0123456789",
    "hex": "0123456789abcdef",
    "letters": "abcdefghijklmnopqrstuvwxyz",
}
#: Characters of a field, characters of a format, canaries of a file, and bytes of a file, at most.
LONGEST, FORMAT_CHARACTERS, MOST, FILE_BYTES = 32, 1000, 10_000, 16 * 2**20
#: Below this size of the space not even the first rank would be remarkable.
SMALLEST_SPACE = 1000

#: What tells a file of canaries.
MARK = "slmtrust canaries"

_FIELD = re.compile(r"\{([^{}]*)\}")
_SYLLABLES = ("bar", "cal", "den", "fir", "gol", "hav", "jun", "kel", "lor", "mun", "nor", "pel", "quil", "ros", "tam", "vel")


class CanaryError(ValueError):
    """A format or a file of canaries that cannot be used; one line that says what was expected."""


@dataclass(frozen=True, slots=True)
class Format:
    """Texts with fields between them: ``texts`` has one entry more than ``fields`` (kind and size)."""

    texts: tuple[str, ...]
    fields: tuple[tuple[str, int], ...]

    @classmethod
    def parse(cls, text: str) -> Format:
        """``The code of {name} is {digits:8}``: ``{name}`` tells canaries apart, the other fields are the secret.

        Raises:
            CanaryError: an unknown field, no secret, or a space of fewer than 1,000 candidates.
        """
        if len(text) > FORMAT_CHARACTERS or "\n" in text:
            raise CanaryError(f"a format is one line of at most {FORMAT_CHARACTERS} characters")
        parts = _FIELD.split(text)
        if any("{" in part or "}" in part for part in parts[::2]):
            raise CanaryError("a format has a brace without its partner")
        made = cls(tuple(parts[::2]), tuple(_field(part) for part in parts[1::2]))
        if made.space < SMALLEST_SPACE:
            raise CanaryError(
                f"the format has {made.space} candidates; it needs at least {SMALLEST_SPACE:,}, such as {{digits:8}}"
            )
        return made

    @property
    def space(self) -> int:
        """How many secrets there are."""
        return math.prod(len(ALPHABETS[kind]) ** size for kind, size in self.fields if kind in ALPHABETS)

    def fill(self, names: Sequence[str], secret: Sequence[str]) -> tuple[str, str]:
        """Return the text up to the first secret, and the rest: the part that candidates differ in."""
        name, hidden = iter(names), iter(secret)
        split, text = -1, self.texts[0]
        for (kind, _), after in zip(self.fields, self.texts[1:], strict=True):
            if kind in ALPHABETS and split < 0:
                split = len(text)
            text += (next(hidden) if kind in ALPHABETS else next(name)) + after
        return text[:split], text[split:]

    def draw(self, source: random.Random) -> tuple[str, ...]:
        """Return a secret, each equally likely."""
        return tuple(
            "".join(source.choice(ALPHABETS[kind]) for _ in range(size)) for kind, size in self.fields if kind in ALPHABETS
        )

    def secret(self, number: int) -> tuple[str, ...]:
        """Return the secret of that number, from 0 to ``space - 1``, in the order of the alphabets."""
        found = []
        for kind, size in reversed([field for field in self.fields if field[0] in ALPHABETS]):
            signs = []
            for _ in range(size):
                number, place = divmod(number, len(ALPHABETS[kind]))
                signs.append(ALPHABETS[kind][place])
            found.append("".join(reversed(signs)))
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Canary:
    """One canary: what fills its format, and how often it is put into the training data."""

    names: tuple[str, ...]
    secret: tuple[str, ...]
    insert: int
    text: str


@dataclass(frozen=True, slots=True)
class Canaries:
    """A file of canaries."""

    format: str
    seed: int
    canaries: tuple[Canary, ...]

    @property
    def shape(self) -> Format:
        return Format.parse(self.format)

    def to_json(self) -> str:
        return json.dumps({"kind": MARK, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    def lines(self) -> list[str]:
        """Return every canary as often as it is to be inserted, in a random order."""
        texts = [canary.text for canary in self.canaries for _ in range(canary.insert)]
        random.Random(f"{self.seed}/order").shuffle(texts)
        return texts

    def are_lines(self, content: bytes) -> bool:
        """Return whether a file holds nothing but lines of this format, which earlier canaries may have written."""
        parts = [part.encode() for part in self.shape.texts if part.strip()]
        return bool(parts) and all(all(part in line for part in parts) for line in content.splitlines())


def make_canaries(format: str, count: int, insert: Sequence[int], seed: int) -> Canaries:
    """``count`` random canaries for each number of insertions, no two with the same names or secret.

    Raises:
        CanaryError: a format that cannot be used, counts that are not positive, or fewer secrets than canaries.
    """
    shape = Format.parse(format)
    if count < 1 or not insert or min(insert) < 0 or len(set(insert)) < len(insert):
        raise CanaryError("count must be 1 or more, and insert different numbers of 0 or more, such as 0,1,4,16")
    if not max(insert):
        raise CanaryError("insert has 0 alone; canaries that are never inserted are the control of those that are")
    total = count * len(insert)
    if total > MOST or total * 10 > shape.space:
        raise CanaryError(f"{total} canaries are too many: at most {min(MOST, shape.space // 10):,} of this format")
    source = random.Random(f"{seed}/{format}")
    secrets: dict[tuple[str, ...], None] = {}
    while len(secrets) < total:
        secrets[shape.draw(source)] = None
    names: dict[tuple[str, ...], None] = {}
    wanted = sum(kind == "name" for kind, _ in shape.fields)
    while wanted and len(names) < total:
        names[tuple(_name(source) for _ in range(wanted))] = None
    made = []
    for number, secret in enumerate(secrets):
        own = list(names)[number] if wanted else ()
        made.append(Canary(own, secret, insert[number % len(insert)], "".join(shape.fill(own, secret))))
    return Canaries(format, seed, tuple(made))


def candidates(canaries: Canaries, canary: Canary, most: int) -> tuple[list[tuple[str, ...]], bool]:
    """Secrets to rank a canary's among, without its own: all others if they are at most ``most``, else that many drawn at
    random without repeats; and whether they are all."""
    shape = canaries.shape
    if shape.space <= most + 1:
        every = (shape.secret(number) for number in range(shape.space))
        return [secret for secret in every if secret != canary.secret], True
    source = random.Random(f"candidates/{canary.text}")
    drawn: dict[tuple[str, ...], None] = {}
    while len(drawn) < most:
        secret = shape.draw(source)
        if secret != canary.secret:
            drawn[secret] = None
    return list(drawn), False


def read_canaries(path: Path) -> Canaries:
    """Return a file that :func:`make_canaries` wrote.

    Raises:
        CanaryError: the file, canary and field that cannot be used.
    """
    try:
        if not path.is_file() or path.stat().st_size > FILE_BYTES:
            raise CanaryError(f"{path}: no such file, or more than {FILE_BYTES:,} bytes")
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, CanaryError) else f"{path}: not JSON in UTF-8"
        raise CanaryError(said) from None
    if not isinstance(data, dict) or data.get("kind") != MARK:
        raise CanaryError(f"{path}: not a file of `slmtrust canaries make` (field 'kind')")
    format, seed, rows = data.get("format"), data.get("seed"), data.get("canaries")
    if not isinstance(format, str) or not isinstance(seed, int) or not isinstance(rows, list) or not 0 < len(rows) <= MOST:
        raise CanaryError(f"{path}: expected the fields 'format' (text), 'seed' (whole number) and 'canaries' (1 to {MOST:,})")
    try:
        shape = Format.parse(format)
    except CanaryError as error:
        raise CanaryError(f"{path}: field 'format': {error}") from None
    made = Canaries(format, seed, tuple(_canary(row, shape, f"{path}: canary {i}") for i, row in enumerate(rows, start=1)))
    if len({canary.text for canary in made.canaries}) < len(made.canaries):
        raise CanaryError(f"{path}: the same canary is listed twice")
    if not any(canary.insert for canary in made.canaries):
        raise CanaryError(f"{path}: no canary was inserted (field 'insert'); there is nothing to find")
    return made


def _canary(row: Any, shape: Format, at: str) -> Canary:
    if not isinstance(row, dict):
        raise CanaryError(f"{at} is not an object")
    names, secret, insert, text = (row.get(name) for name in ("names", "secret", "insert", "text"))
    for name, value in (("names", names), ("secret", secret)):
        if not isinstance(value, list) or not all(isinstance(v, str) and len(v) <= 100 for v in value):
            raise CanaryError(f"{at}: field {name!r} must be a list of short texts")
    if isinstance(insert, bool) or not isinstance(insert, int) or not 0 <= insert <= 10**6:
        raise CanaryError(f"{at}: field 'insert' must be a whole number, 0 or more")
    assert isinstance(names, list)
    assert isinstance(secret, list)
    hidden = [field for field in shape.fields if field[0] in ALPHABETS]
    fits = len(secret) == len(hidden) and all(
        len(part) == size and set(part) <= set(ALPHABETS[kind]) for part, (kind, size) in zip(secret, hidden, strict=True)
    )
    if not fits or len(names) != len(shape.fields) - len(hidden):
        raise CanaryError(f"{at}: 'names' and 'secret' do not fit the format")
    if "".join(shape.fill(names, secret)) != text:
        raise CanaryError(f"{at}: field 'text' is not what the format makes of 'names' and 'secret'")
    return Canary(tuple(names), tuple(secret), insert, text)


def _field(part: str) -> tuple[str, int]:
    kind, _, size = part.partition(":")
    if kind == "name" and not size:
        return kind, 0
    if kind not in ALPHABETS or not size.isascii() or not size.isdecimal() or not 1 <= int(size[:4]) <= LONGEST or len(size) > 2:
        known = ", ".join(f"{{{name}:N}}" for name in ALPHABETS)
        raise CanaryError(f"unknown field {{{part}}}: expected {{name}}, or a secret of 1 to {LONGEST} characters: {known}")
    return kind, int(size)


def _name(source: random.Random) -> str:
    first, last = ("".join(source.choice(_SYLLABLES) for _ in range(2)).capitalize() for _ in range(2))
    return f"{first} {last}"
