"""What pytest prints of an audit: a pack's cases make no line of dots, and gates are in the summary only. ``-v`` shows all."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..audit.nodeids import PACKS, is_gate
from ..redaction import scrub_spec
from ..report.durations import spent, table_lines
from ..session.corpus import FOLDER
from .controller import Controller
from .junit import COUNTED
from .nodes import ATTRIBUTE, is_probe_file
from .options import INPUTS, OPTIONS

#: Options that change what one case asks or how it is judged and shown; ini values are read again anyway.
_OF_A_CASE = frozenset({
    "", "profile", "packs", "toxicity", "dtype", "device", "engine", "chat-template", "thinking", "thought-tokens",
    "allow-pickle", "allow-unused-weights", "store", "include-harmful", "reveal", *INPUTS,
})  # fmt: skip
#: What pytest's last line calls cases that failed and that a gate counts.
FAILING = "failing cases"
#: What pytest lists at the end if ``-r`` is not given.
_DEFAULT_LIST = "fE"


class Display:
    """Hooks that shorten pytest's own output and end it with the summary."""

    def __init__(self, controller: Controller) -> None:
        self.controller, self.config = controller, controller.config
        self.verbose = self.config.get_verbosity() > 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """Print no letter for a case of a pack: its gate says more. A failing case that a gate counts was not expected to fail,
        and is counted as what it is."""
        counted = getattr(report, COUNTED, False) and report.skipped and hasattr(report, "wasxfail")
        if counted and (self.verbose or not _is_case(report)):
            return FAILING, "x", "COUNTED"
        if self.verbose or report.failed or not _is_case(report):
            return None
        if report.when != "call" and report.passed:
            return None
        if hasattr(report, "wasxfail"):
            return FAILING if counted else "xfailed", "", "COUNTED"
        return ("skipped", "", "SKIPPED") if report.skipped else ("passed", "", "PASSED")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, Any, Any]:
        """Write the summary after everything that pytest says."""
        record = self.controller.record
        if record is None or record.audit is None:
            return (yield)
        from .terminal import Summary

        with self._gates_left_out(terminalreporter), _listed_with_x(terminalreporter):
            result = yield
        folder = self.controller.settings.report
        where = record.unwritten or f"Report: {folder}/audit.html"
        corpus = Path(self.controller.settings.store) / FOLDER
        Summary(terminalreporter, record.audit, self.command, self.verbose, corpus).write(where)
        most = self.controller.settings.durations
        for line in table_lines(spent(record.audit), int(most)) if most else ():
            terminalreporter.write_line(line)
        for line in self.controller.updated.lines if self.controller.updated else ():
            terminalreporter.write_line(line)
        return result

    @contextmanager
    def _gates_left_out(self, reporter: Any) -> Iterator[None]:
        """Keep red gates out of pytest's lists of failures, for the summary says more of them in less."""
        failed = reporter.stats.get("failed", [])
        if self.verbose or not failed or self.config.getoption("reportchars", "") != _DEFAULT_LIST:
            yield
            return
        said = {id(one): one.longrepr for one in failed}
        reporter.stats["failed"] = _once([one for one in failed if "gate" not in _payload(one)])
        try:
            yield
        finally:
            reporter.stats["failed"] = failed
            for one in failed:
                one.longrepr = said[id(one)]

    def command(self, nodeid: str) -> str:
        """Say how one case is run alone, with all that it said."""
        given = []
        for option in OPTIONS:
            value = self.config.getoption(option.dest)
            if option.name in _OF_A_CASE and value is not None:
                given.append(option.flag if option.kind == "flag" else f"{option.flag}={scrub_spec(str(value))}")
        plugins = [f"-p{name}" for name in self.config.option.plugins if not name.startswith("no:")]
        return shlex.join(["pytest", *plugins, *given, "--slm-strict", self._from_here(nodeid)])

    def _from_here(self, nodeid: str) -> str:
        """Return a node id as the shell must name it: its file seen from where pytest was started."""
        file, colons, name = nodeid.partition("::")
        if nodeid.startswith(PACKS):
            return nodeid
        return os.path.relpath(self.config.rootpath / file, self.config.invocation_params.dir) + colons + name


@contextmanager
def _listed_with_x(reporter: Any) -> Iterator[None]:
    """Let ``-rx`` and ``-ra`` list failing cases as they list what is expected to fail."""
    before = reporter.stats.get("xfailed")
    counted = reporter.stats.get(FAILING, [])
    if counted:
        reporter.stats["xfailed"] = [*(before or []), *counted]
    try:
        yield
    finally:
        if counted and before is None:
            del reporter.stats["xfailed"]
        elif counted:
            reporter.stats["xfailed"] = before


def _once(failed: list[Any]) -> list[Any]:
    """Return the failures with an author's mistake once, however many rows of the probe it breaks."""
    found: dict[tuple[str, str], list[Any]] = {}
    for one in failed:
        place = one.nodeid.partition("[")[0]
        alike = isinstance(one.longrepr, str) and is_probe_file(Path(place.partition("::")[0])) and "\n" not in one.longrepr
        found.setdefault((place, one.longrepr) if alike else (one.nodeid, one.when), []).append(one)
    for same in found.values():
        if len(same) > 1:
            same[0].longrepr = f"{same[0].longrepr} (so do {len(same) - 1} more rows; -v shows all)"
    return [same[0] for same in found.values()]


def _payload(report: Any) -> dict[str, Any]:
    text = getattr(report, ATTRIBUTE, None)
    found: dict[str, Any] = json.loads(text) if isinstance(text, str) else {}
    return found


def _is_case(report: Any) -> bool:
    return report.nodeid.startswith(PACKS) and not is_gate(report.nodeid)
