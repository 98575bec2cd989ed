"""``--slm-plan``: what would run and what it could decide, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .backends.fake import FakeBackend, SwapPerturber, WordListScorer
from .engine import Engine
from .requests import Generate, Loglikelihood, Message, Prompt, Request
from .session import AuditSession, Suite, selected_cases

#: Tokens a second of a 135M model in fp32 on two cores, prefill and batched decoding alike; a plan is an estimate.
_TOKENS_PER_SECOND = 300.0
_CHARACTERS_PER_TOKEN = 4.0


def plan_lines(suites: Sequence[Suite], session: AuditSession) -> Iterator[str]:
    """A table of cases, gates and cost. Requests are counted by driving the probes with a model that knows nothing."""
    yield f"plan: profile {session.policy.profile.name}, {len(suites)} probes"
    yield f"{'probe':44} {'cases':>6} {'items':>6} {'requests':>8}  gate"
    asked: Counter[str] = Counter()
    tokens = 0.0
    for suite in suites:
        requests = _requests(suite)
        asked.update(r.kind for r in requests)
        tokens += sum(map(_cost, requests))
        yield f"{suite.gate_id:44.44} {len(suite.cases):6d} {suite.gate.n:6d} {len(requests):8d}  {_gate(suite)}"
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(asked.items()))
    minutes = tokens / _TOKENS_PER_SECOND / 60
    yield f"requests: {kinds or 'none'}; about {tokens:,.0f} tokens, some {minutes:.0f} min for a 135M model on two cores"


def _gate(suite: Suite) -> str:
    if suite.missing:
        return f"NOT TESTED: {suite.missing}"
    gate, design = suite.gate, suite.gate.design()
    if not suite.has_gate:
        return "ordinary tests, no gate"
    if gate.tolerance is None:
        return gate.note or "measured, blocks nothing"
    if not design:
        return "NOT DECIDABLE in this profile"
    return (
        f"blocks at {gate.tolerance:.1%}: passes up to {design['largest_pass']} failures, fails from {design['smallest_fail']}; "
        f"power {design['power']:.0%} at half the tolerance" + (f"; {gate.note}" if gate.note else "")
    )


def _requests(suite: Suite) -> list[Request[Any]]:
    import tempfile

    from .store import Store

    target = FakeBackend()
    others = (WordListScorer(), SwapPerturber())
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(
            {("generate", "target"): target, ("loglikelihood", "target"): target,
             ("classify", "toxicity"): others[0], ("perturb", "perturb"): others[1]},
            Store(Path(folder), "plan"),
        )  # fmt: skip
        engine.prefetch(selected_cases([(suite, None)]))
        engine.store.close()
    return [r for call in target.calls for r in call]


def _cost(request: Request[Any]) -> float:
    if isinstance(request, Generate):
        return _length(request.prompt) + request.max_new_tokens
    if isinstance(request, Loglikelihood):
        return _length(request.context) + len(request.continuation) / _CHARACTERS_PER_TOKEN
    return 0.0


def _length(prompt: Prompt) -> float:
    texts = [prompt] if isinstance(prompt, str) else [m.content for m in prompt if isinstance(m, Message)]
    return sum(map(len, texts)) / _CHARACTERS_PER_TOKEN
