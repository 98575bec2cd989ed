"""Requests: frozen questions for a backend, their answers, and the two verbs that ask them.

A :class:`Request` carries everything that its answer may depend on, so that its :attr:`~Request.key`
is a cache key and the source of its random seed. Answers are plain data that survive a round trip
through JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from json.encoder import encode_basestring_ascii as _quoted
from math import isfinite
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar, cast

import msgspec

R = TypeVar("R")
T = TypeVar("T")

#: The role of the model of ``--slm-vs`` in a request to it; the model under audit is ``target``.
REFERENCE = "reference"
#: Counted into every cache key: a change to how requests are answered bumps it.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


#: Text that is continued unchanged, or a chat that the model's own template renders.
Prompt: TypeAlias = str | tuple[Message, ...]
#: Where the tokens of a context end, see :class:`Loglikelihood`.
Split: TypeAlias = Literal["common", "length", "rolling"]


#: Characters of English text a token, for vocabularies of 32k to 150k tokens: an estimate where nothing is tokenised yet.
CHARACTERS = 4


def text_of(prompt: Prompt) -> str:
    """Return all that a prompt says, as one text."""
    return prompt if isinstance(prompt, str) else "\n".join(message.content for message in prompt)


def chat(user: str, *, system: str | None = None) -> tuple[Message, ...]:
    """Return one user turn, with an optional system prompt before it."""
    head = (Message("system", system),) if system is not None else ()
    return (*head, Message("user", user))


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote: the answer without the prompt, its length, and whether the model ended it.

    ``thought``: what a reasoning model wrote before its answer; it is evidence and never judged. ``thought_finished`` False: it
    never came to an answer, and ``text`` is empty. ``n_tokens`` counts the answer, ``thought_tokens`` the thought where the
    backend knows it. A backend may leave a thought in ``text``: the engine parts the two. ``route``: the model of a composed
    system that answered.
    """

    text: str
    n_tokens: int = 0
    finished: bool = True
    thought: str = ""
    thought_finished: bool = True
    thought_tokens: int = 0
    route: str = ""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One scored token: its log-probability (nats), and mean and variance of the log-probabilities of the
    whole vocabulary at its place under the model's own distribution (Min-K%++, Zhang et al. 2024)."""

    logp: float
    mean: float
    var: float


@dataclass(frozen=True, slots=True)
class Logprob:
    """Log-likelihood of a continuation in nats, whether it is the greedy one, and its length in tokens."""

    sum: float
    greedy: bool
    n_tokens: int
    tokens: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """Scores in [0, 1] by label, from one classifier."""

    scores: Mapping[str, float]

    def __getitem__(self, label: str) -> float:
        try:
            return self.scores[label]
        except KeyError:
            raise KeyError(f"no label {label!r}; this classifier gives: {', '.join(sorted(self.scores))}") from None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that could not be answered. Never stored: the next run asks again."""

    message: str


class RequestFailed(Exception):
    """Raised in a probe whose request could not be answered; its case becomes an error."""


class ThoughtUnfinished(RequestFailed):
    """Raised in a probe whose model thought until its tokens ended and gave no answer; its case becomes unscored.

    ``thoughts``: all that the model thought for this case.
    """

    def __init__(self, thought: str) -> None:
        super().__init__("the model's thought was not finished: there is no answer to judge")
        self.thoughts: list[str] = [thought] if thought else []


class BackendError(Exception):
    """A backend that can answer nothing at all: the session ends with this one message."""


class Request(Generic[R]):
    """Base of all requests; subclasses are frozen dataclasses whose fields are JSON-able."""

    __slots__ = ("_key",)
    kind: ClassVar[str]
    _key: str

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
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}; it must be at least 1")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature must be 0 or more, and top_p in (0, 1]")
        if isinstance(self.stop, str):
            raise TypeError(f"stop is the text {self.stop!r}; it must be a tuple of texts")

    def encode(self, answer: Completion) -> str:
        """Return the answer as JSON text; a route only where there is one, as in stores that know none."""
        route = f',"route":{_quoted(answer.route)}' if answer.route else ""
        return (
            f'{{"text":{_quoted(answer.text)},"n_tokens":{answer.n_tokens},"finished":{"true" if answer.finished else "false"},'
            f'"thought":{_quoted(answer.thought)},"thought_finished":{"true" if answer.thought_finished else "false"},'
            f'"thought_tokens":{answer.thought_tokens}{route}}}'
        )

    def decode(self, text: str) -> Completion:
        """Return the inverse of :meth:`encode`. A store gives a million answers: they are read in one step, which passes over
        fields that it does not know, so a text that is not as :meth:`encode` writes it is read again, field by field.

        Raises:
            Exception: the text is not an answer, or has a field that is not one of an answer.
        """
        made = _COMPLETION.decode(text)
        return made if text == self.encode(made) else Completion(**json.loads(text))


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
class Edit:
    """A text that a search may try next, and the place of the word that it changes (counted as TextAttack counts; -1: no one)."""

    word: int
    text: str


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


class Backend(Protocol):
    """What answers requests. ``fingerprint`` is the identity of the answers: everything that changes one
    changes it, and reading it loads no weights."""

    @property
    def name(self) -> str:
        """What a reader of the report calls it."""

    @property
    def answers(self) -> tuple[type[Request[Any]], ...]:
        """The kinds of request that it can answer."""

    @property
    def fingerprint(self) -> str: ...

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """Yield ``(index, answer or Failure)`` for every request, in any order, as batches end; for each of them once.

        What is yielded is checked (:mod:`pytest_slmtrust.engine.gatekeeper`): an answer of another type or out of range is a
        :class:`Failure` of its request, and so is one that is given twice.

        Raises:
            BackendError: nothing can be answered.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance for the report: identity, files with hashes, settings."""
        ...


#: Kinds of request that no model under audit answers.
BESIDE_MODEL: tuple[type[Request[Any]], ...] = (Classify, Perturb, Edits)

Steps: TypeAlias = Generator[Sequence[Request[Any]], list[Any], T]


def ask(request: Request[R]) -> Steps[R]:
    """Ask one request from a probe: ``reply = yield from ask(Generate(...))``."""
    answers = yield [request]
    return cast(R, answers[0])


def ask_all(requests: Sequence[Request[R]]) -> Steps[list[R]]:
    """Ask several at once; they travel in one wave."""
    return cast("list[R]", (yield list(requests))) if requests else []


@dataclass(slots=True)
class Counters:
    """What answering cost, summed over the session. Tokens are the target model's."""

    planned: int = 0
    unique: int = 0
    cached: int = 0
    failed: int = 0
    forwards: int = 0
    prefilled: int = 0
    shared: int = 0
    padded: int = 0
    generated: int = 0
    seconds: float = 0.0
    load_seconds: float = 0.0
    peak_bytes: int = 0
    extra: dict[str, float] = field(default_factory=dict)
