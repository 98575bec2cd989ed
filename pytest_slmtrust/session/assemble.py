"""From what the processes of a run collected to one audit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from typing import Any, cast

from ..audit.dimension import Dimension
from ..audit.encoding import own, read
from ..audit.envelope import Envelope
from ..audit.merkle import answers_root
from ..audit.model import Audit, Baseline, Finding, GateResult, NotTested, Status, Waiver
from ..audit.notes import of_absent
from ..audit.row_tests import notes_of_rows
from ..audit.sections import Provenance, Resources, RunSettings, Spent
from ..audit.verdict import adjusted, decided, not_tested
from ..engine.costs import added

#: Counters that every process of a run has whole.
_OF_ANY_PROCESS = (
    "peak_bytes", "unique", "thoughts", "thoughts_unfinished", "latency_p50", "latency_p95", "latency_p99", "first_token_p50",
    "first_token_p95", "first_token_p99", "most_under_way", "tokens_per_second", "replicas_lost",
)  # fmt: skip
_PACKAGES = ("pytest-slmtrust", "pytest", "torch", "transformers", "detoxify", "textattack", "scipy", "numpy")


@dataclass(slots=True)
class Collected:
    """What arrived: gates and findings by node id, and one description for each process. ``expected``: failing rows that a marker
    expects to fail, where each row is a test."""

    gates: dict[str, GateResult] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    baseline: dict[str, Finding] = field(default_factory=dict)
    processes: list[Mapping[str, Any]] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    started: datetime = field(default_factory=lambda: now())

    def add(self, payload: Mapping[str, Any]) -> None:
        if "finding" in payload:
            self._finding(payload["finding"])
            if payload.get("expected"):
                self.expected.add(payload["finding"]["nodeid"])
        if "gate" in payload:
            gate = own(GateResult, payload["gate"])
            self.gates[gate.nodeid] = gate
            for one in payload["findings"]:
                self._finding(one)
            for one in payload.get("baseline", ()):
                self.baseline[one["nodeid"]] = own(Finding, one)

    def add_process(self, description: Mapping[str, Any] | None) -> None:
        if description is not None:
            self.processes.append(description)

    def _finding(self, data: Mapping[str, Any]) -> None:
        found = own(Finding, data)
        self.findings[found.nodeid] = found


def assemble(
    collected: Collected, settings: RunSettings, notes: Sequence[str], untested: Iterable[Mapping[str, str]] = (),
    waivers: Sequence[Waiver] = (), incomplete: str = "", unmeasured: Envelope | None = None,
) -> Audit:  # fmt: skip
    """Return the audit of everything that was collected; gates that did not run are in it as such, and what nobody wrote a probe
    for.

    ``incomplete``: why the run did not reach its end. ``unmeasured``: the envelope, if no process measured it.
    """
    first = collected.processes[0] if collected.processes else {}
    pending = {g.nodeid: g for g in (read(GateResult, one) for one in first.get("pending", []))}
    gates = [collected.gates.get(nodeid, gate) for nodeid, gate in pending.items()]
    gates += [g for nodeid, g in collected.gates.items() if nodeid not in pending]
    gates = adjusted(gates)
    gates.sort(key=lambda g: (list(Dimension).index(Dimension(g.dimension)), g.versus, not g.blocking))
    measured = [read(Envelope, process["envelope"]) for process in collected.processes if process.get("envelope")]
    envelope = measured[0] if measured else unmeasured
    made = Audit(
        verdict=Status.INCOMPLETE,
        sentence="",
        profile=settings["profile"]["name"],
        gates=tuple(gates),
        findings=tuple(collected.findings.values()),
        not_tested=(
            *not_tested(gates, {f.dimension for f in collected.findings.values()}),
            *(NotTested(**row) for row in untested),
        ),
        model=first.get("model", {}),
        scorers=first.get("scorers", []),
        settings={
            **settings,
            "rows_sha256": first.get("rows", {}),
            "asked": first.get("asked", {}),
            "judged": first.get("judged", {}),
            "unasked": first.get("unasked", {}),
            **({"limits_from": first["limits_from"]} if first.get("limits_from") else {}),
            **({"bars": first["bars"]} if first.get("bars") else {}),
            **({"envelope": envelope} if envelope is not None else {}),
            **({"expected": sorted(collected.expected)} if collected.expected else {}),
        },
        resources=resources(collected.processes),
        baseline=_baseline(collected, first.get("baseline")),
        waivers=tuple(waivers),
        provenance={
            **provenance(collected.started),
            "probes_sha256": first.get("probes", ""),
            **({"catalogues": first["catalogues"]} if first.get("catalogues") else {}),
            "spent": cast(list[Spent], added([process.get("spent", []) for process in collected.processes])),
        },
        notes=(*notes, *of_absent(gates)),
        incomplete=incomplete,
    )
    made = decided(replace(made, answers_root=answers_root(made)))
    return made if incomplete else replace(made, notes=(*notes_of_rows(made), *made.notes))


def _baseline(collected: Collected, about: Mapping[str, Any] | None) -> Baseline | None:
    return None if about is None else Baseline(about["model"], tuple(collected.baseline.values()), about["origin"])


def resources(processes: Sequence[Mapping[str, Any]]) -> Resources:
    """Counters summed over processes (the largest for memory)."""
    total: dict[str, int | float] = {}
    for process in processes:
        baseline = (process.get("baseline") or {}).get("counters", {})
        counters = {**process["counters"], **{f"baseline_{name}": value for name, value in baseline.items()}}
        for name, value in counters.items():
            if isinstance(value, (int, float)):
                total[name] = (
                    max(total.get(name, 0), value)
                    if name.removeprefix("baseline_") in _OF_ANY_PROCESS
                    else total.get(name, 0) + value
                )
    if total.get("seconds"):
        total["processes"] = len(processes)
    return total


def provenance(started: datetime) -> Provenance:
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
    """Return the time that an audit bears: the clock's, or that of ``SOURCE_DATE_EPOCH``."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    with suppress(ValueError, OverflowError, OSError):  # digits that are none of ours, and times beyond the calendar
        return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return datetime.now(UTC)


@cache
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
