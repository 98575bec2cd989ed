"""``--slm-plan``: what would run and what it could decide, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from .. import door
from ..audit.model import Lack
from ..gates.early_stop import FEWEST, ROUND
from ..gates.paired_gate import FLIPS, PairedGate, power_of
from ..requests import CHARACTERS, Generate, Loglikelihood, Request, text_of
from ..session.accepted import matched
from ..session.asking import Budget, decides
from ..session.live_baseline import Live
from ..session.rehearsal import rehearsed
from ..session.session import AuditSession, Suite, selected_cases
from .outlet import usage_error

#: Tokens a second of a 135M model in fp32 on two cores, prefill and batched decoding alike; a plan is an estimate.
_TOKENS_PER_SECOND = 300.0
#: Probes that a line names before it counts the others.
_NAMED = 4


def show_plan(
    config: pytest.Config, items: Sequence[Any], session: AuditSession, early_stop: bool, budget: Budget | None
) -> None:  # fmt: skip
    """Print the plan of the selected items to pytest's terminal.

    Raises:
        pytest.UsageError: there is no terminal, or several processes would print.
    """
    if config.pluginmanager.hasplugin("dsession"):
        raise usage_error("--slm-plan runs in one process: leave out -n")
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        raise usage_error("--slm-plan prints to pytest's terminal: leave out -p no:terminal")
    suites = {i.suite.gate_id: i.suite for i in items}
    for line in plan_lines(list(suites.values()), session, early_stop, budget):
        reporter.write_line(line)


def plan_lines(
    suites: Sequence[Suite], session: AuditSession, early_stop: bool = False, budget: Budget | None = None
) -> Iterator[str]:
    """Yield a table of cases, gates and cost. Requests are counted by driving the probes with a model that knows nothing."""
    live = isinstance(session.reference, Live)
    yield f"plan: profile {door.line(session.policy.profile.name)}, {len(suites)} {'probe' if len(suites) == 1 else 'probes'}"
    wide = max((len(door.line(name)) for s in suites for name in (s.gate_id, s.versus_id)), default=0)
    yield f"{'probe':{wide}} {'cases':>6} {'items':>6} {'requests':>8}  gate"
    asked: Counter[str] = Counter()
    tokens: dict[str, float] = {}
    absent = [s for s in suites if s.missing and not (s.versus is not None and s.versus.accepted and s.versus.misses)]
    for suite in suites:
        if suite in absent:
            continue
        requests, _ = rehearsed(selected_cases([(suite, None)]))
        watched = early_stop and session.watchable(suite)
        asked.update(r.kind for r in requests)
        tokens[suite.gate_id] = sum(map(_cost, requests))
        counts = f"{len(suite.cases):6d} {suite.gate.n:6d} {len(requests):8d}"
        yield f"{door.line(suite.gate_id):{wide}} {counts}  {door.line(_gate(suite, watched, session.weak(suite)))}"
        if suite.versus is not None:
            said = _versus(session, suite, suite.versus)
            yield f"{door.line(suite.versus_id):{wide}} {'':6} {suite.versus.n:6d} {'':8}  {door.line(said)}"
    yield from _absent(absent)
    kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(asked.items()))
    every = sum(tokens.values())
    minutes = every / _TOKENS_PER_SECOND / 60
    yield f"requests: {kinds or 'none'}; about {every:,.0f} tokens, {_minutes(minutes)} for a 135M model on two cores"
    if live:
        yield f"the baseline is asked the same: {_minutes(2 * minutes)} for two such models"
    if budget is not None:
        yield _within(budget, tokens, [s for s in suites if s not in absent])
    if early_stop:
        yield f"early stop: gates of {FEWEST} items and more ask in rounds of {ROUND} and may end with fewer"


def _within(budget: Budget, tokens: Mapping[str, float], suites: Sequence[Suite]) -> str:
    """Say which probes a budget of time would leave out at the pace of the estimate: blocking gates come first."""
    room, left = budget.seconds * _TOKENS_PER_SECOND, []
    for suite in sorted(suites, key=lambda s: (not decides(s), tokens[s.gate_id], s.gate_id)):
        room -= tokens[suite.gate_id]
        if room < 0:
            left.append(suite.probe.name)
    said = f"not asked, or not asked whole: {', '.join(left[:_NAMED])}" if left else "all are asked whole"
    more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
    return f"budget {budget.text}, blocking gates first; at that pace {door.line(said)}{more}"


def _absent(suites: Sequence[Suite]) -> Iterator[str]:
    """Yield one line for each reason why probes cannot be asked."""
    found: dict[str, list[str]] = {}
    for suite in suites:
        if suite.missing:
            given = "needs data sets (--slm-data)" if suite.probe.inputs else "needs data sets that are not installed"
            reason = given if suite.missing.kind is Lack.DATA else suite.missing.reason
            found.setdefault(reason, []).append(suite.probe.name)
    for reason, names in found.items():
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        yield f"NOT TESTED: {door.line(', '.join(names[:2]))}{more}: {door.line(reason)}"


def _versus(session: AuditSession, suite: Suite, gate: PairedGate) -> str:
    lock = session.lock
    if lock is not None and lock.knows(suite.gate_id):
        refusal = suite.missing.reason if suite.missing else matched(session, lock, suite).refusal
        if refusal:
            return f"red: {refusal}"
    if gate.margin is None:
        return gate.note or "measured, blocks nothing"
    other = "accepted" if gate.accepted else "the baseline"
    power = power_of(gate.n, gate.margin, gate.about.alpha, FLIPS, gate.grouping)
    shown = f"power {power:.0%} for a model that flips {FLIPS:.0%} each way"
    return f"blocks at {gate.margin:.1%} more failures than {other}; {shown}" + (f"; {gate.note}" if gate.note else "")


def _gate(suite: Suite, watched: bool, weak: bool) -> str:
    if suite.missing:
        return f"NOT TESTED: {suite.missing.reason}"
    gate, design = suite.gate, suite.gate.design()
    if not suite.has_gate:
        return "ordinary tests, no gate"
    if gate.tolerance is None:
        return gate.note or "measured, blocks nothing"
    if not gate.quantity.counted and gate.decidable:
        return f"blocks on the {gate.quantity.name}, limit {gate.tolerance:g}"
    if not design:
        return "NOT DECIDABLE in this profile"
    if weak:
        return f"advisory at {gate.tolerance:.1%}, unless it fails even after correction for its detector's errors"
    if watched:
        return f"blocks at {gate.tolerance:.1%}, asked in rounds until it is decided"
    return (
        f"blocks at {gate.tolerance:.1%}: passes up to {design['largest_pass']} failures, fails from {design['smallest_fail']}; "
        f"power {design['power']:.0%} at half the tolerance" + (f"; {gate.note}" if gate.note else "")
    )


def _cost(request: Request[Any]) -> float:
    if isinstance(request, Generate):
        return len(text_of(request.prompt)) / CHARACTERS + request.max_new_tokens
    if isinstance(request, Loglikelihood):
        return (len(text_of(request.context)) + len(request.continuation)) / CHARACTERS
    return 0.0


def _minutes(minutes: float) -> str:
    return "less than a minute" if minutes < 1 else f"some {minutes:.0f} min"
