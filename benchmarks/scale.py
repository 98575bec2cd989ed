"""How well an audit is shared among 1 to 64 engines: a simulation by events over the code that splits waves (scale/chunks.py).

    python benchmarks/scale.py --page docs/results/scale.md

The requests are those that the built-in probes ask of a scripted model in the ci profile. An engine has a known speed, and works
off a chunk one unit after the other; each chunk costs a call in addition. A wave begins when the one before has ended.
Efficiency: the work, over the engines times the time that all waves take.
"""

from __future__ import annotations

import argparse
import heapq
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import results_page
from sessions import builtin_probes
from ways import run_ways, table

from pytest_slmtrust import Case, Generate, Probe, Request
from pytest_slmtrust.authoring.datafiles import DataMissing
from pytest_slmtrust.backends.fake import FakeBackend, SwapPerturber, WordListScorer
from pytest_slmtrust.engine.work_estimate import WRITTEN
from pytest_slmtrust.gates.policy import Policy, load_policy
from pytest_slmtrust.scale.chunks import Chunks, costs_of

ENGINES = (1, 2, 4, 8, 16, 32, 64)
#: Units a second of one engine: SmolLM2-135M on one core writes about 100 tokens a second, at 5 units each.
SPEED = 500.0
#: Seconds that a call costs in addition to its work.
CALL = 0.02
BAR = 0.85

Wave = Sequence[Request[Any]]


def waves_of(profile: str) -> list[list[Request[Any]]]:
    """Return the requests to the model, wave by wave, each once, as the engine asks them."""
    policy = load_policy(profile, (), {})
    waves: list[dict[str, Request[Any]]] = []
    seen: set[str] = set()
    for case in [case for p in builtin_probes() if not p.inputs for case in cases_of(policy.fitted(p), policy)]:
        for number, wave in enumerate(steps_of(case)):
            if number == len(waves):
                waves.append({})
            waves[number] |= {r.key: r for r in wave}
    kept = []
    for one in waves:
        kept.append([request for key, request in one.items() if key not in seen])
        seen |= one.keys()
    return [wave for wave in kept if wave]


def cases_of(probe: Probe, policy: Policy) -> list[Case]:
    """Return a probe's cases; none where a data set is not on this machine."""
    try:
        return [*probe.cases(policy.profile, policy.limit(probe)), *probe.floor_cases()]
    except DataMissing:
        return []


def steps_of(case: Case) -> Iterator[Wave]:
    """Yield what a case asks of the model, step by step; steps that ask something else are empty."""
    backends: dict[str, Any] = {"generate": FakeBackend(), "loglikelihood": FakeBackend(), "classify": WordListScorer()}
    steps = case.steps()
    try:
        wave = next(steps)
        while True:
            yield [r for r in wave if r.kind in ("generate", "loglikelihood")]
            wave = steps.send([next(iter(backends.get(r.kind, _PERTURBER).run([r])))[1] for r in wave])
    except Exception:  # its end, or a case that the scripted replies do not suit
        return


_PERTURBER = SwapPerturber()


def took(requests: Wave, whole: bool = False) -> list[float]:
    """Return the true work of each request: a reply ends somewhere before its limit, which nobody knows before, or at it."""
    made = costs_of(requests)
    for i, request in enumerate(requests):
        if isinstance(request, Generate) and not whole:
            made[i] -= WRITTEN * request.max_new_tokens * random.Random(request.seed).uniform(0.0, 0.9)
    return made


def duration(requests: Wave, true: Sequence[float], speeds: Sequence[float]) -> float:
    """Return the seconds of one wave on engines of these speeds, in units a second: an idle one takes the next chunk."""
    chunks = Chunks(requests, len(speeds))
    idle = [(0.0, engine) for engine in range(len(speeds))]
    end = 0.0
    while chunks:
        now, engine = heapq.heappop(idle)
        now += CALL + sum(true[i] for i in chunks.take()) / speeds[engine]
        end = max(end, now)
        heapq.heappush(idle, (now, engine))
    return end


def efficiency(waves: Sequence[Wave], speeds: Sequence[float], whole: bool = False) -> float:
    """Return the share of the engines' time that is work."""
    true = [took(requests, whole) for requests in waves]
    spent = sum(duration(requests, one, speeds) for requests, one in zip(waves, true, strict=True))
    return sum(map(sum, true)) / (sum(speeds) * spent)


def best(waves: Sequence[Wave], n: int) -> float:
    """Return the efficiency that no way of splitting exceeds: a wave takes its longest request, and an even share, at least."""
    true = [took(requests) for requests in waves]
    return sum(map(sum, true)) / (n * sum(max(max(one), sum(one) / n) for one in true))


def uneven(n: int) -> list[float]:
    """Return speeds of which every fourth is half."""
    return [SPEED / 2 if i % 4 == 3 else SPEED for i in range(n)]


def plot(rows: Sequence[Sequence[float]]) -> str:
    """Return the efficiencies over the number of engines as SVG: one line a column after the first."""
    colours = ("#00796b", "#e65100", "#5e35b1", "#9e9e9e")
    lines = []
    for column, colour in enumerate(colours, 1):
        places = " ".join(f"{60 + 70 * i},{220 - 200 * row[column]:.1f}" for i, row in enumerate(rows))
        lines.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>')
    marks = [f'<text x="{60 + 70 * i}" y="240" text-anchor="middle">{row[0]:.0f}</text>' for i, row in enumerate(rows)]
    marks += [f'<text x="50" y="{224 - 2 * p}" text-anchor="end">{p} %</text>' for p in (0, 50, 85, 100)]
    marks += ['<line x1="60" x2="480" y1="50" y2="50" stroke="#888" stroke-dasharray="4"/>']
    names = ("alike", "every fourth at half speed", "replies at their limits", "the bound")
    for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
        marks.append(f'<text x="70" y="{130 + 18 * i}" fill="{colour}">{name}</text>')
    marks += ['<text x="270" y="258" text-anchor="middle">engines</text>']
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 500 265" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="500" height="265" fill="white"/>', *marks, *lines, "</svg>\n"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="ci")
    parser.add_argument("--page", type=Path)
    chosen = parser.parse_args()
    waves = waves_of(chosen.profile)
    rows = []
    for n in ENGINES:
        alike = [SPEED] * n
        rows.append((n, efficiency(waves, alike), efficiency(waves, uneven(n)), efficiency(waves, alike, True), best(waves, n)))
        print(*rows[-1])
    print([len(wave) for wave in waves])
    if chosen.page:
        write(chosen.page, chosen.profile, waves, rows)


def write(path: Path, profile: str, waves: Sequence[Wave], rows: Sequence[tuple[float, ...]]) -> None:
    """Write the page, its plot, and the table of all ways to run an audit."""
    (path.parents[1] / "images" / "scale.svg").write_text(plot(rows), encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        ways = table(run_ways(Path(place)))
    sizes = [len(wave) for wave in waves]
    results_page.page(
        path, "Many engines", f"A simulation of the {sum(sizes):,} requests of the {profile} audit in {len(sizes)} waves, shared "
        "among engines by the code that splits waves. ![efficiency](../images/scale.svg)",
        "benchmarks/scale.py", ("engines", "efficiency", "every fourth at half speed", "replies at their limits", "bound"),
        [(n, *(f"{share:.1%}" for share in shares)) for n, *shares in rows],
        f"An engine does {SPEED:.0f} units of work a second, one request after the other, and a call costs {CALL * 1000:.0f} ms "
        "(a call of Ray took 2.4 ms in the median on the machine of this page; the rest is for a network). "
        "The length of a reply is drawn at random up to its limit; the engines know the limit only. The bound is what no way of "
        "splitting exceeds while a wave waits for the one before: its longest request, and an even share, at least. "
        f"The waves have {', '.join(map(str, sizes))} requests: those with fewer requests than engines leave engines idle, "
        "which alone costs most of what the bound is below 100 %. The rest of the loss is calls, and replies that end early. "
        f"The aim is {BAR:.0%} at 64 engines. What the simulation leaves out: an engine that answers many texts in one batch "
        "is faster a text, so that the small chunks at the end of a wave cost more than here.",
        "## The same audit in all ways",
        "One scripted model and two probes, run as a user would. Findings, gates and verdict must be equal to the letter.",
        ways,
    )  # fmt: skip


if __name__ == "__main__":
    main()
