"""The kinds of request.

A :class:`Request` carries everything that its answer may depend on, so that its :attr:`~Request.key` is a cache key and the
source of its random seed. Its types are checked as it is made: a value of another type fails its own case, where it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from json.encoder import encode_basestring_ascii as _quoted
from math import inf, isfinite
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, cast

import msgspec

from .answers import Completion, Edit, Labels, Logprob, TokenLogprob
from .prompts import Message, Prompt, check_types

R = TypeVar("R")

#: The role of the model of ``--slm-vs`` in a request to it; the model under audit is ``target``.
REFERENCE = "reference"
#: Counted into every cache key: a change to how requests are answered bumps it.
FORMAT = 1
#: Where the tokens of a context end, see :class:`Loglikelihood`.
Split: TypeAlias = Literal["common", "length", "rolling"]


class Request(Generic[R]):
    """Base of all requests; subclasses are frozen dataclasses whose fields are JSON-able."""

    __slots__ = ("_key",)
    kind: ClassVar[str]
    _key: str

    def __post_init__(self) -> None:
        """Raise TypeError for a field of another type."""
        check_types(self)

    @property
    def role(self) -> str:
        """Which backend of those that answer this kind: the engine maps (kind, role) to one."""
        raise AttributeError(f"{type(self).__name__} names no role")

    def payload(self) -> dict[str, Any]:
        """Return the fields as JSON-able data, in declaration order; the role of a model is not part of the question."""
        return {name: _plain(getattr(self, name)) for name in self._asked()}

    def _asked(self) -> tuple[str, ...]:
        """Return the fields that are part of the question."""
        return _names(self, "role")

    @property
    def key(self) -> str:
        """sha256 over kind and fields, in hex: the same in every process."""
        key: str | None = getattr(self, "_key", None)
        if key is None:  # made once: a run asks for it often
            text = f'[{FORMAT},"{self.kind}",{_object(self, self._asked())}]'
            key = hashlib.sha256(text.encode()).hexdigest()
            object.__setattr__(self, "_key", key)
        return key

    @property
    def seed(self) -> int:
        """A 63-bit seed that depends on the question alone."""
        return int(self.key[:16], 16) >> 1

    def encode(self, answer: R) -> str:
        """Return the answer as JSON text.

        Raises:
            ValueError: a number that is not finite.
        """
        return _FINITE(_plain(answer))

    def decode(self, text: str) -> R:
        """Return the inverse of :meth:`encode`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Generate(Request[Completion]):
    """Continue a prompt. ``temperature=0`` is greedy; else ``sample`` numbers independent draws.

    ``stop``: texts that end the reply and are not part of it.
    """

    kind: ClassVar[str] = "generate"
    prompt: Prompt
    max_new_tokens: int = 64
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    sample: int = 0
    role: str = "target"

    def __post_init__(self) -> None:
        check_types(self)
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1")
        if not 0 <= self.temperature < inf or not 0 < self.top_p <= 1:
            raise ValueError(f"temperature is {self.temperature} and top_p {self.top_p}; expected 0 or more, and in (0, 1]")

    def encode(self, answer: Completion) -> str:
        """Return the answer as JSON text; a route only where there is one, as in stores that know none."""
        route = f',"route":{_quoted(answer.route)}' if answer.route else ""
        return (
            f'{{"text":{_quoted(answer.text)},"n_tokens":{answer.n_tokens},"finished":{"true" if answer.finished else "false"},'
            f'"thought":{_quoted(answer.thought)},"thought_finished":{"true" if answer.thought_finished else "false"},'
            f'"thought_tokens":{answer.thought_tokens}{route}}}'
        )

    def decode(self, text: str) -> Completion:
        """Return the inverse of :meth:`encode`.

        Raises:
            Exception: the text is not an answer, or has a field that is not one of an answer.
        """
        return _COMPLETION.decode(text)


@dataclass(frozen=True, slots=True)
class Loglikelihood(Request[Logprob]):
    """Score a continuation after a context. ``detail=True`` adds the numbers of each token.

    ``split``: where tokens of a context end. ``common``: after the longest beginning that both encodings share. ``length``: after
    as many tokens as the context alone has, which is fed as it is encoded alone; ``rolling``: the context is empty, and a text
    longer than the model takes is scored in windows, each token once (a server is not asked in windows). These two are the rules
    of lm-evaluation-harness 0.4.
    """

    kind: ClassVar[str] = "loglikelihood"
    context: Prompt
    continuation: str
    detail: bool = False
    role: str = "target"
    split: Split = "common"

    def __post_init__(self) -> None:
        check_types(self)
        if not self.continuation:
            raise ValueError("the continuation is empty: there is nothing to score")
        if self.split not in ("common", "length", "rolling"):
            raise ValueError(f"split is {self.split!r}; expected common, length or rolling")
        if self.split == "rolling" and self.context:
            raise ValueError("a rolling log-likelihood is of a whole text: leave the context empty")

    def _asked(self) -> tuple[str, ...]:
        """Return the fields; the usual split is left out, so that its keys are those of stores that know no other."""
        return _names(self, "role", "split") if self.split == "common" else _names(self, "role")

    def decode(self, text: str) -> Logprob:
        data = _read(text)
        data["tokens"] = tuple(TokenLogprob(*row) for row in data["tokens"])
        return Logprob(**data)

    def encode(self, answer: Logprob) -> str:
        rows = [[t.logp, t.mean, t.var] for t in answer.tokens]
        data = {"sum": answer.sum, "greedy": answer.greedy, "n_tokens": answer.n_tokens, "tokens": rows}
        return json.dumps(data, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Classify(Request[Labels]):
    """Score a text with the classifier that the session has for ``labels`` (``"toxicity"``)."""

    kind: ClassVar[str] = "classify"
    text: str
    labels: str = "toxicity"

    @property
    def role(self) -> str:
        return self.labels

    def decode(self, text: str) -> Labels:
        return Labels(**_read(text))


@dataclass(frozen=True, slots=True)
class Perturb(Request[str]):
    """Change a text by a named recipe (``"char-swap"``), reproducibly; ``variant`` numbers the draws."""

    kind: ClassVar[str] = "perturb"
    text: str
    recipe: str
    variant: int = 0

    @property
    def role(self) -> str:
        return "perturb"

    def decode(self, text: str) -> str:
        return cast(str, _read(text))


@dataclass(frozen=True, slots=True)
class Edits(Request["tuple[Edit, ...]"]):
    """The texts that an attack may try next, after its ``path``: the place and the text of each step up to here.

    ``ranking`` asks for the original with one word masked or left out, for every word that may be changed; else ``word`` names
    the one to change, None all of them. ``draw`` numbers independent searches of the same text.
    """

    kind: ClassVar[str] = "edits"
    text: str
    recipe: str
    path: tuple[tuple[int, str], ...] = ()
    word: int | None = None
    ranking: bool = False
    draw: int = 0

    @property
    def role(self) -> str:
        return "perturb"

    @property
    def search_seed(self) -> int:
        """The seed of the whole search, the same at every step of its path: 32 bits, as numpy takes them."""
        return Edits(self.text, self.recipe, draw=self.draw).seed % 2**32

    def decode(self, text: str) -> tuple[Edit, ...]:
        return tuple(Edit(**row) for row in _read(text))


_read = msgspec.json.Decoder().decode
_COMPLETION = msgspec.json.Decoder(Completion)
#: Made once: ``json.dumps`` makes an encoder for each text.
_JSON = json.JSONEncoder(separators=(",", ":")).encode
_FINITE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _names(one: Any, *without: str) -> tuple[str, ...]:
    """Return the names of the fields of an object's class, except some."""
    return _fields(cast(Any, type(one)), without)


@cache
def _fields(kind: Any, without: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name not in without)


def _other(value: Any) -> str:
    return _JSON(_plain(value))


def _array(values: Iterable[Any]) -> str:
    return "[" + ",".join([_WRITERS.get(type(value), _other)(value) for value in values]) + "]"


def _object(one: Any, names: tuple[str, ...]) -> str:
    values = [getattr(one, name) for name in names]
    return _form(names) % tuple([_WRITERS.get(type(value), _other)(value) for value in values])


@cache
def _form(names: tuple[str, ...]) -> str:
    """Return the JSON text of an object with a place for each value."""
    return "{" + ",".join(f'"{name}":%s' for name in names) + "}"


#: How ``json`` writes a value, by its type. ``json`` makes an encoder for each text, and a run may have a million keys.
_WRITERS: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    int: int.__repr__,
    float: lambda number: float.__repr__(number) if isfinite(number) else _JSON(number),
    bool: lambda flag: "true" if flag else "false",
    tuple: _array,
    Message: lambda one: f'{{"role":{_quoted(one.role)},"content":{_quoted(one.content)}}}',
}


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    return {name: _plain(getattr(value, name)) for name in _names(value)}
