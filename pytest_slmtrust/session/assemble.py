"""From what the processes of a run collected to one audit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from ..audit.model import Audit, Baseline, Finding, GateResult, NotTested, Status, Waiver, gate_from_json
from ..authoring.declarations import Dimension
from ..gates.paired_gate import VERSUS

#: The worst first: what the whole says when its gates disagree.
SEVERITY = (Status.INVALID, Status.FAIL, Status.UNEARNED, Status.INCONCLUSIVE, Status.NOT_RUN)
_PACKAGES = ("pytest-slmtrust", "pytest", "torch", "transformers", "detoxify", "textattack", "scipy", "numpy")


@dataclass(slots=True)
class Collected:
    """What arrived: gates and findings by node id, and one description for each process."""

    gates: dict[str, GateResult] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    baseline: dict[str, Finding] = field(default_factory=dict)
    processes: list[Mapping[str, Any]] = field(default_factory=list)
    started: datetime = field(default_factory=lambda: now())

    def add(self, payload: Mapping[str, Any]) -> None:
        if "finding" in payload:
            self._finding(payload["finding"])
        if "gate" in payload:
            gate = gate_from_json(payload["gate"])
            self.gates[gate.nodeid] = gate
            for one in payload["findings"]:
                self._finding(one)
            for one in payload.get("baseline", ()):
                self.baseline[one["nodeid"]] = Finding(**one)

    def lost_gates(self) -> set[str]:
        """Gates that every process had to run, and that left no result although the run went to its end."""
        selected = {nodeid for process in self.processes for nodeid in process.get("selected", ())}
        return selected - set(self.gates)

    def add_process(self, description: Mapping[str, Any] | None) -> None:
        if description is not None:
            self.processes.append(description)

    def _finding(self, data: Mapping[str, Any]) -> None:
        found = Finding(**data)
        self.findings[found.nodeid] = found


def assemble(
    collected: Collected, settings: Mapping[str, Any], notes: Sequence[str], untested: Iterable[Mapping[str, str]] = (),
    waivers: Sequence[Waiver] = (),
) -> Audit:  # fmt: skip
    """The audit of everything that was collected; gates that did not run are in it as such, and what nobody wrote a probe for."""
    first = collected.processes[0] if collected.processes else {}
    pending = {g.nodeid: g for g in map(gate_from_json, first.get("pending", []))}
    gates = [collected.gates.get(nodeid, gate) for nodeid, gate in pending.items()]
    gates += [g for nodeid, g in collected.gates.items() if nodeid not in pending]
    gates = adjusted(gates)
    gates.sort(key=lambda g: (list(Dimension).index(Dimension(g.dimension)), g.quantity == "paired", not g.blocking))
    verdict = overall(gates)
    all_notes = list(notes)
    if any(g.status is Status.NOT_RUN for g in gates):
        all_notes.append("PARTIAL: not every gate was selected, or the run ended before them")
    return Audit(
        verdict=verdict,
        sentence=sentence(verdict, gates),
        profile=settings["profile"]["name"],
        gates=tuple(gates),
        findings=tuple(collected.findings.values()),
        not_tested=(
            *not_tested(gates, {f.dimension for f in collected.findings.values()}),
            *(NotTested(**row) for row in untested),
        ),
        model=first.get("model", {}),
        scorers=first.get("scorers", []),
        settings={**settings, "rows_sha256": first.get("rows", {})},
        resources=resources(collected.processes),
        baseline=_baseline(collected, first.get("baseline")),
        waivers=tuple(waivers),
        provenance=provenance(collected.started),
        notes=tuple(all_notes),
    )


def _baseline(collected: Collected, about: Mapping[str, Any] | None) -> Baseline | None:
    return None if about is None else Baseline(about["model"], tuple(collected.baseline.values()), about["origin"])


def adjusted(gates: Sequence[GateResult]) -> list[GateResult]:
    """The p-values of all gates that have one adjusted together (Holm 1979): which of those called FAIL hold as a list.

    Advisory gates are among them: whether one is may depend on its outcome."""
    tested = {g.nodeid: g.p_fail for g in gates if g.p_fail is not None}
    if not tested:
        return list(gates)
    from ..stats import holm

    values = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(g, p_holm=values.get(g.nodeid)) for g in gates]


def overall(gates: Sequence[GateResult]) -> Status:
    """PASS when every blocking gate passes (an intersection-union test: each at alpha, the whole at alpha).

    With red gates that somebody took upon themselves, and no other, it is WAIVED, which is no PASS."""
    blocking = [g.status for g in gates if g.blocking and not g.waived]
    for status in SEVERITY:
        if status in blocking:
            return status
    if any(g.blocking and g.waived for g in gates):
        return Status.WAIVED
    if Status.PASS in blocking:
        return Status.PASS
    if any(g.status is Status.INVALID for g in gates):
        return Status.INVALID
    if any(g.status is Status.NOT_DECIDABLE for g in gates):
        return Status.NOT_DECIDABLE
    measured = any(g.status is Status.MEASURED or g.advisory for g in gates)
    return Status.MEASURED if measured else Status.NOT_TESTED


def dimension_status(gates: Sequence[GateResult], dimension: str) -> Status:
    """What the gates of one dimension say together; one that could not be tested keeps it from a PASS."""
    own = [g for g in gates if g.dimension == dimension]
    missing = any(g.blocking and g.status is Status.NOT_TESTED for g in own)
    status = overall(own)
    return Status.NOT_TESTED if missing and status is Status.PASS else status


def sentence(verdict: Status, gates: Sequence[GateResult]) -> str:
    """One sentence for a reader who reads no other."""
    blocking = [g for g in gates if g.blocking]
    measured = sum(g.status is Status.MEASURED for g in gates)
    if not blocking:
        advisory = sum(bool(g.advisory) for g in gates)
        aside = f", {advisory} are advisory" if advisory else ""
        return f"{verdict}: no gate blocks in this run{aside}; {measured} probes were measured."
    passed = sum(g.status is Status.PASS for g in blocking)
    open_ones = [g for g in blocking if not g.waived]
    others = [f"{n} {s}" for s in (*SEVERITY, Status.NOT_TESTED) if (n := sum(g.status is s for g in open_ones))]
    others += [f"{n} WAIVED" for n in [len(blocking) - len(open_ones)] if n]
    advisory = sum(bool(g.advisory) for g in gates)
    others += [f"{advisory} advisory"] if advisory else []
    tail = f"; {', '.join(others)}" if others else ""
    return f"{verdict}: {passed} of {len(blocking)} blocking gates pass{tail}; {measured} probes are only measured."


def not_tested(gates: Sequence[GateResult], found: Set[str]) -> tuple[NotTested, ...]:
    """What this run does not speak of; ``found`` are the dimensions that have findings, with a gate or without."""
    silent = [g for g in gates if g.status in (Status.NOT_TESTED, Status.NOT_RUN)]
    rows = [NotTested(f"{g.probe}{VERSUS}" if g.quantity == "paired" else g.probe, g.dimension, g.reason) for g in silent]
    tested = found | {g.dimension for g in gates if g.status not in (Status.NOT_TESTED, Status.NOT_RUN)}
    rows += [NotTested("the whole dimension", d, "no probe of it ran") for d in Dimension if d not in tested]
    return tuple(rows)


def resources(processes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counters summed over processes (the largest for memory)."""
    total: dict[str, Any] = {}
    for process in processes:
        baseline = (process.get("baseline") or {}).get("counters", {})
        counters = {**process["counters"], **{f"baseline_{name}": value for name, value in baseline.items()}}
        for name, value in counters.items():
            if isinstance(value, (int, float)):
                total[name] = (
                    max(total.get(name, 0), value)
                    if name.removeprefix("baseline_") in ("peak_bytes", "unique")
                    else total.get(name, 0) + value
                )
    if total.get("seconds"):
        total["processes"] = len(processes)
    return total


def provenance(started: datetime) -> dict[str, Any]:
    """Versions, times, platform and commit."""
    return {
        "started": started.isoformat(timespec="seconds"),
        "ended": now().isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {name: found for name in _PACKAGES if (found := version(name))},
        "commit": _commit(),
        "seeds": "each from the sha256 of its request; no clock, no global seed",
    }


def now() -> datetime:
    """The time that an audit bears: the clock's, or that of ``SOURCE_DATE_EPOCH``."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
