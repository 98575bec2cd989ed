"""Scripted models that remember training data or do not, and what the memorisation gates say of them."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sessions import engine_of

from pytest_slmtrust import Completion, Finding, Generate, Loglikelihood, Logprob, Probe, Request, TokenLogprob
from pytest_slmtrust.audit.model import GateResult
from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session.session import AuditSession

_WORDS = [
    f"{a}{b}{c}" for a in ("ba", "lo", "mi", "te", "ru", "sa") for b in ("n", "r", "l", "st") for c in ("a", "e", "o", "in", "um")
]


def documents(count: int, key: str, words: int = 90) -> list[str]:
    """Random documents of one style; another key gives others."""
    source = random.Random(key)
    return [" ".join(source.choice(_WORDS) for _ in range(words)) for _ in range(count)]


def write(path: Path, texts: Sequence[str], counts: Sequence[int] = ()) -> str:
    rows = [{"text": t, **({"count": counts[i]} if counts else {})} for i, t in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def noise(text: str) -> float:
    """In [0, 1), the same for the same text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 0x100000000


def model(known: Sequence[str] = (), gain: float = 2.0, hard: float = 0.0, seed: str = "") -> Callable[[Request[Any]], Any]:
    """A model that copies what it has just read, finds sentences likelier than their words in reverse, and remembers ``known``:
    it continues these texts and finds each of their tokens ``gain`` nats likelier. ``hard``: how much the texts differ in what
    every model makes of them, in nats a token; ``seed``: another one makes other noise."""

    def answer(request: Request[Any]) -> Any:
        if isinstance(request, Generate):
            prompt = str(request.prompt)
            told = next((text for text in known if text.startswith(prompt)), "")
            if told:
                return _words(told[len(prompt) :], request.max_new_tokens)
            head, _, last = prompt.rpartition("\n")
            line = head.split("\n")[-1]
            return _words(line[len(last) :] if line.startswith(last) and last else "I cannot say", request.max_new_tokens)
        assert isinstance(request, Loglikelihood)
        text = f"{request.context}{request.continuation}"
        bonus = gain if text in known else 0.5 if text.startswith("The ") else 0.0
        level = -4 + bonus - hard * noise(text)
        tokens = [TokenLogprob(level + noise(f"{seed}{text}{i}"), -4.0, 1.0) for i, _ in enumerate(request.continuation.split())]
        total = sum(t.logp for t in tokens)
        return Logprob(total, False, len(tokens), tuple(tokens) if request.detail else ())

    return answer


def _words(text: str, most: int) -> Completion:
    kept = text.split()[:most]
    return Completion(" " + " ".join(kept), len(kept))


def gates(
    reply: Any, inputs: Mapping[str, str], probes: Sequence[Probe], profile: str = "ci", reveal: bool = False,
    reference: Any = None,
) -> dict[str, tuple[GateResult, list[Finding]]]:  # fmt: skip
    """What each probe's gate says, with the findings of its rows; ``reference`` answers for the model of ``--slm-vs``."""
    with tempfile.TemporaryDirectory() as folder:
        beside = None if reference is None else FakeBackend(reference, name="reference")
        inputs = inputs if beside is None else {**inputs, "vs": "reference"}
        engine = engine_of(FakeBackend(reply), WordListScorer(), Store(Path(folder), "scripted"), beside)
        session = AuditSession(load_policy(profile, inputs=inputs), engine, Mask(b"scripted", reveal))
        suites = [session.add(probe, f"slm::{probe.dimension}") for probe in packed(probes)]
        engine.prefetch([case for suite in suites if not suite.missing for case in suite.everything()])
        return {suite.probe.name: session.gate_result(suite) for suite in suites}
