"""The backend for a model behind a server: nothing is asked before the first question, or before :meth:`EndpointBackend.make`."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...requests import BackendError, Completion, Counters, Failure, Generate, Loglikelihood, Request, text_of
from ...thinking import LIMIT
from ..transformers.tokens import half_pair
from .address import Address
from .crew import Job, many, one
from .fault import Fault
from .identity import CANARIES, Identity, check_again, check_same, identify, remembered
from .pace import Pace
from .plainly import TEMPLATE_SHA256, plainly
from .replicas import Patience, Replica
from .stream import STREAMED
from .trials import Abilities, Trials
from .wire import ReplicaGone, Wire, opened

#: Counted into the fingerprint: a change to how a server is asked bumps it.
FORMAT = 3
#: What a description says where chats are put as plain texts.
_PLAIN = {"chat_template": "plain", "template_sha256": TEMPLATE_SHA256}
#: Of a start: a server that takes no connection is given up sooner.
_START_ATTEMPTS, _START_DOWN = 4, 5.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the start found: the model's name, the abilities, the identity, and the replicas that did not answer."""

    model: str
    abilities: Abilities
    identity: Identity
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class EndpointBackend:
    """Answers :class:`Generate`, and :class:`Loglikelihood` where the server gives log-probabilities of prompts.

    ``key``: sent to the hosts of the address and written nowhere. ``thinking``, ``thought_tokens``: as for a model here.
    ``alone``: one request at a time, of a server that is known by other means than its replies. ``more``: further entries of
    each question for a reply. ``stream_one_in``: of so many questions one is streamed, if the server streams, so that the time
    to the first token is known; which ones, their own seeds say. To stream all of them would cost a fast server's pace.
    ``plain``: chats are put as plain texts, without the server's template.
    """

    address: Address
    key: str = field(default="", repr=False)
    thinking: str = "auto"
    thought_tokens: int = LIMIT
    patience: Patience = field(default_factory=Patience)
    progress: Callable[[str], None] | None = None
    alone: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    stream_one_in: int = 8
    plain: bool = False
    answers: tuple[type[Request[Any]], ...] = (Generate, Loglikelihood)
    counters: Counters = field(default_factory=Counters)
    known: Known | None = None
    changed: str = ""
    _replicas: list[Replica] = field(default_factory=list)
    _pace: Pace | None = None

    @property
    def name(self) -> str:
        """The model's name at its first host."""
        model = self.known.model if self.known else self.address.model
        return f"{_placeless(model) or 'the model'} at {self.address.hosts[0]}"

    @property
    def fingerprint(self) -> str:
        """sha256 over addresses, model, what the server says of itself, its replies to known texts, and how it is asked.

        Raises:
            BackendError: no server answers.
        """
        known = self.make()
        told: dict[str, Any] = {"format": FORMAT, "urls": sorted(self.address.urls), "model": known.model, **known.identity.told}
        found = known.abilities.found
        told |= {"asked": [found["system_role"], found["raw"], found["log_probabilities"], found["tokenisation"]]}
        told |= {"thinking": [self.thinking, known.abilities.dialect.thought, known.abilities.dialect.inside]}
        told |= {"chat_template": "plain"} if self.plain else {}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def lacks(self) -> Mapping[str, str]:
        """Why forms of requests cannot be answered, by the form; empty before the start."""
        return self.known.abilities.lacks if self.known else {}

    def refusal(self, request: Request[Any]) -> str:
        """Say why this server cannot answer a request; empty if it can."""
        return next((self.lacks[form] for form in _forms(self._put(request)) if form in self.lacks), "")

    def _put(self, request: Request[Any]) -> Request[Any]:
        """Return a request as the server gets it."""
        return plainly(request) if self.plain else request

    def make(self) -> Known:
        """Find out what the server can do and who it is, once.

        Raises:
            BackendError: no server answers, or not as the model that was named; one line.
        """
        if self.known is None:
            _check_key(self.key)
            if self.progress:
                self.progress(f"asking {', '.join(self.address.hosts)} what it can do")
            self._replicas = [Replica(url) for url in self.address.urls]
            start = replace(
                self.patience, attempts=min(self.patience.attempts, _START_ATTEMPTS), late=1, silent=10**9,
                down=min(self.patience.down, _START_DOWN),
            )  # fmt: skip
            try:
                self.known = one(lambda: opened(self.address, self._replicas, start, Pace(), self.key), self._start)
            except Fault as fault:
                raise BackendError(f"the server cannot be audited: {fault}") from None
            self.answers = tuple(
                kind for kind, forms in ((Generate, ("raw",) if self.plain else ("chat", "raw")), (Loglikelihood, ("scores",)))
                if not all(form in self.lacks for form in forms)
            )  # fmt: skip
            self._pace = Pace(sum(one.alive for one in self._replicas), most=1 if self.alone else 0)
        return self.known

    def compare_with_last(self, path: Path) -> None:
        """Find out whether the endpoint changed since the last start; ``path``: where starts are kept."""
        self.changed = remembered(path, self.address.text, self.make().identity)

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """See :class:`pytest_slmtrust.requests.Backend`."""
        known = self.make()
        jobs: list[tuple[int, Job]] = []
        for index, request in enumerate(map(self._put, requests)):
            why = self.refusal(request) or _unsent(request)
            if why or not isinstance(request, self.answers):
                yield index, Failure(why or f"this server does not answer {type(request).__name__}")
            else:
                jobs.append((index, self._job(request, known.abilities)))
        started = time.monotonic()
        try:
            for place, found in many(self._opened, [job for _, job in jobs]) if jobs else ():
                yield jobs[place][0], self._counted(found)
        finally:
            self._measure(time.monotonic() - started)

    def timed(self, request: Generate) -> tuple[Any, float, float | None]:
        """Answer one request alone, as a stream where the server streams: the answer, seconds to its end and to its first piece.

        Both are the client's, from the first attempt on: waits before further attempts are in them.
        """
        self.make()
        pace, usual = self._pace, self.stream_one_in
        assert pace is not None
        replies, firsts = len(pace.latencies), len(pace.first_tokens)
        self.stream_one_in = 1
        try:
            ((_, answer),) = self.run([request])
        finally:
            self.stream_one_in = usual
        if len(pace.latencies) == replies:
            return answer, 0.0, None
        whole = pace.last_whole
        first = whole - pace.latencies[-1] + pace.first_tokens[-1] if len(pace.first_tokens) > firsts else None
        return answer, whole, first

    def describe(self) -> dict[str, Any]:
        """JSON-able provenance: hosts, what the server can do, what it says of itself, and how alike it answers.

        Raises:
            BackendError: no server answers.
        """
        known = self.make()
        about, found = known.identity, known.abilities.found
        template = (about.about.get("/props") or {}).get("chat_template")
        return {
            "name": self.name, "kind": "endpoint", "spec": self.address.text, "model": _placeless(known.model),
            "fingerprint": self.fingerprint, "hosts": list(self.address.hosts), "remote": bool(self.address.remote),
            **(_PLAIN if self.plain else _templated(template, found["chat"])),
            "thinking": self.thinking, "thought_tokens": self.thought_tokens,
            "thoughts": {"switch": "chat_template_kwargs" if self.thinking != "auto" else None, "known": found["thinks"]},
            "abilities": dict(found), "lacks": dict(self.lacks), "server": _placeless(about.about),
            "canaries": {"asked": len(CANARIES), "unstable": len(about.unstable), "deterministic": not about.unstable},
            "changed": self.changed, "left_out": [*known.left_out, *(r.host for r in self._lost())],
        }  # fmt: skip

    def close(self) -> None:
        """Connections are closed after each call already."""

    def _opened(self) -> AbstractAsyncContextManager[Wire]:
        assert self._pace is not None
        return opened(self.address, self._replicas, self.patience, self._pace, self.key, self._check_again)

    async def _check_again(self, wire: Wire, replica: Replica) -> None:
        known = self.make()
        await check_again(wire, replica, known.abilities.dialect, "chat" not in known.abilities.lacks, known.identity)

    async def _start(self, wire: Wire) -> Known:
        listed = {replica.base: await wire.reach(replica) for replica in wire.replicas}
        while True:
            wire.check_alive()
            with suppress(ReplicaGone):  # it died in the middle: the others are asked anew
                return await self._found(wire, listed)

    async def _found(self, wire: Wire, listed: Mapping[str, Any]) -> Known:
        """Ask the first replica what it can do, and each one who it is."""
        alive = [replica for replica in wire.replicas if replica.alive]
        first = alive[0]
        model = self.address.model or _only_model(listed[first.base], first.host)
        abilities = await Trials(wire, first, model, self.thinking, self.thought_tokens).abilities()
        chats = "chat" not in abilities.lacks
        abilities = replace(abilities, dialect=replace(abilities.dialect, more=self.more))
        identity = await identify(wire, first, abilities.dialect, chats, listed[first.base], asks=not self.alone)
        for other in alive[1:]:
            check_same(first, identity, other, await identify(wire, other, abilities.dialect, chats, listed[other.base]))
        left = tuple(replica.host for replica in wire.replicas if not replica.alive)
        return Known(model, abilities, identity, left)

    def _job(self, request: Request[Any], abilities: Abilities) -> Job:
        if isinstance(request, Loglikelihood):
            scorer, asked = abilities.scorer, request
            assert scorer is not None

            async def score(wire: Wire) -> Any:
                return await scorer.over(wire).score(asked.context, asked.continuation, asked.split)

            return score
        assert isinstance(request, Generate)
        path, body = abilities.dialect.question(request)
        read = abilities.dialect.reader(request)
        if path in abilities.streams and request.seed % self.stream_one_in == 0:
            body |= STREAMED

        async def write(wire: Wire) -> Completion:
            with wire.pace.writing():
                return await wire.ask(path, body, read)

        return write

    def _counted(self, found: Any) -> Any:
        self.counters.forwards += 1
        if isinstance(found, Completion):
            self.counters.generated += found.n_tokens + found.thought_tokens
        if isinstance(found, Fault):
            self.counters.failed += 1
            return Failure(str(found))
        return found

    def _measure(self, seconds: float) -> None:
        assert self._pace is not None
        self.counters.seconds += seconds
        self.counters.extra |= {**self._pace.quantiles(), "most_under_way": float(self._pace.most_used)}
        if self._pace.writing_seconds > 0:
            self.counters.extra["tokens_per_second"] = round(self.counters.generated / self._pace.writing_seconds, 2)
        self.counters.extra["replicas_lost"] = float(len(self._lost()))

    def _lost(self) -> list[Replica]:
        left = self.known.left_out if self.known else ()
        return [replica for replica in self._replicas if not replica.alive and replica.host not in left]


def _templated(template: Any, chats: bool) -> dict[str, Any]:
    """Return what a description says of the server's template."""
    digest = hashlib.sha256(json.dumps(template).encode()).hexdigest() if isinstance(template, str) else None
    return {"chat_template": "server" if chats else "plain", "template_sha256": digest}


def _check_key(key: str) -> None:
    if not re.fullmatch(r"[\x21-\x7e]{0,4096}", key):
        raise BackendError("the key of the environment holds blanks or letters that no key has; it was not sent")


def _only_model(listed: Any, host: str) -> str:
    entries = listed.get("data") if isinstance(listed, dict) else None
    names = (
        [e["id"] for e in entries if isinstance(e, dict) and isinstance(e.get("id"), str)] if isinstance(entries, list) else []
    )
    if len(names) == 1 and names[0]:
        return str(names[0])
    said = f"it serves {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else "it does not list its models"
    raise BackendError(f"{host}: name the model after the address, as in http://HOST/v1#MODEL ({said})")


def _placeless(value: Any) -> Any:
    """Without the folders of files: no report says where they lie on a server, or in whose home."""
    if isinstance(value, str):
        return value.rsplit("/", 1)[-1] if value.startswith("/") and "\n" not in value else value
    if isinstance(value, Mapping):
        return {key: _placeless(one) for key, one in value.items()}
    return [_placeless(one) for one in value] if isinstance(value, (list, tuple)) else value


def _forms(request: Request[Any]) -> tuple[str, ...]:
    """Return the forms that a request has; see :class:`Abilities`."""
    if isinstance(request, Generate):
        return ("raw",) if isinstance(request.prompt, str) else ("chat",)
    if isinstance(request, Loglikelihood):
        chats, empty = not isinstance(request.context, str), isinstance(request.context, str) and not request.context.strip()
        return ("scores", *["scores_chat"] * chats, *["scores_empty"] * empty, *["scores_detail"] * request.detail)
    return ()


def _unsent(request: Request[Any]) -> str:
    """Say why a text cannot be sent at all."""
    texts = [text_of(request.prompt)] if isinstance(request, Generate) else []
    texts += [text_of(request.context), request.continuation] if isinstance(request, Loglikelihood) else []
    half = next((found for found in map(half_pair, texts) if found), None)
    return f"the text holds half of a surrogate pair ({half})" if half else ""
