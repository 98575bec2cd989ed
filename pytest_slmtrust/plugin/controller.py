"""What ``--slm`` switches on: one object, registered as a plugin, that joins pytest and the audit."""

from __future__ import annotations

import gc
import json
import secrets
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from .. import door
from ..archive.files import PREVIOUS
from ..audit.clauses import check_names
from ..audit.model import AuditError
from ..audit.nodeids import VERSUS, gate_key
from ..audit.notes import has_builtin, of_expired, of_optional, of_packs
from ..authoring.declarations import ProbeError
from ..authoring.probe import Case, Probe
from ..backends.endpoint.notes import notes as endpoint_notes
from ..catalog.registry import clauses_of, entries_of
from ..engine.store import Store
from ..engine.store_place import local
from ..envelope.limits import read_limits
from ..gates.baseline import release
from ..gates.bundles import check_parts, named_bundles, with_limits
from ..gates.policy import load_policy, untested
from ..gates.waivers import check_gate_names
from ..redaction import Mask
from ..requests import BackendError
from ..session.accepted import vanished
from ..session.asking import ask_all_of, late_note
from ..session.assemble import resources
from ..session.bars import FILE as BARS
from ..session.bars import compared
from ..session.live_baseline import Live
from ..session.session import Suite, selected_cases
from ..thinking import notes as thinking_notes
from .fixture import Slm
from .limits import Limits
from .locking import Updated, held_to, update_lock
from .nodes import SESSION, SETTINGS, UNFIT, BuiltIn, CaseItem, GateItem, ProbeFile, arrived, is_probe_file, marked, send
from .outlet import clean_exit, usage_error
from .packs import probes_of_packs
from .parts import DONE, check_batch, part_of
from .payload import process_payload
from .progress import ProgressLine
from .quiet import quiet
from .record import Record
from .scorers import check_scorer
from .selection import PREFIX, accepted_outside, asks_last_failed, check_chosen, check_marker, is_chosen, lift_arguments, outside
from .stopped import SAID, Terminator
from .values import check_values, limits_given, model_spec, read_settings
from .wiring import Setup


class Controller:
    """Hooks of a run with ``--slm``, on the only process, the xdist controller or a worker."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.settings = read_settings(config)
        self.worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        lifted = lift_arguments(config)  # xdist hands workers the raw arguments again
        self.chosen = self.worker["slm_chosen"] if self.worker else lifted
        key = bytes.fromhex(self.worker["slm_key"]) if self.worker else secrets.token_bytes(16)
        run = self.worker["slm_run"] if self.worker else secrets.token_hex(8)
        self.shared = {"slm_chosen": self.chosen, "slm_key": key.hex(), "slm_run": run}
        self.progress = None if self.worker else ProgressLine(config)
        self.failed = ""
        self.ran = self.finished = self.crashed = False
        self.updated: Updated | None = None
        self.selected: list[CaseItem | GateItem] = []
        self.announced: set[str] = set()  # node ids that pytest said to be deselected
        mask = Mask(key, self.settings.reveal, self.settings.include_harmful)
        self.unmasked = door.use(mask)
        self.record = Record(config, self.settings, mask) if Record.wanted(config, self.settings) else None
        self.terminator = Terminator() if self.record is not None else None
        if self.record is not None:
            self.record.begin()
        try:
            check_values(self.settings, config)
            if self.record is not None and self.record.unusable:
                raise ProbeError(f"--slm-report {self.settings.report}: {self.record.unusable}")
            policy = load_policy(self.settings.profile, self.settings.gate, self.settings.inputs())
            self.builtin = probes_of_packs(config, self.settings.packs)
            self.bundles = named_bundles((one.text, one.folder) for one in self.settings.bundle)
            if self.record is not None:
                self.record.bundles = self.bundles
            named = [(one.text, one.folder) for one in self.settings.tasks]
            self.tasks = entries_of(named, self.settings.chat_template == "on")
            self.store = Store(local(config.rootpath / self.settings.store), run, self.progress.note if self.progress else None)
            if not self.worker:
                self.store.forget_failures()
            self.part = part_of(config, self.settings, self.store.path.parent)
            self.setup = Setup(config, self.settings, self.store, self.progress)
            self.clauses = (*self.setup.clauses(), *clauses_of(self.tasks))
            self.budget = self.setup.budget
            self.limits = Limits(read_limits(self.settings.limit), run)
            compared_with = bool(self.settings.vs or self.settings.baseline or self.setup.lock)
            self.session = self.setup.session(with_limits(policy, self.bundles, compared_with), mask)
            check_batch(self.part, self.session.engine.model)
        except (ProbeError, BackendError, AuditError, pytest.UsageError) as error:
            if self.record is not None:
                self.record.refuse(str(error))
            if self.terminator is not None:
                self.terminator.close()
            raise usage_error(error) from None
        config.stash[SESSION], config.stash[SETTINGS] = self.session, self.settings

    @property
    def is_red(self) -> bool:
        """Whether this process writes the audit, and it is not green, or not written."""
        return self.record is not None and not self.record.green

    def fixture(self) -> Slm:
        return Slm(self.session.engine)

    # -- pytest hooks ---------------------------------------------------------------------------------------------

    def pytest_unconfigure(self) -> None:
        if self.worker is None:
            self.limits.forget(self.store)
        if self.terminator is not None:
            self.terminator.close()
        self.store.close()
        door.use(self.unmasked)

    def pytest_report_header(self) -> list[str]:
        against = self.settings.vs or self.settings.baseline
        versus = f", against {door.spec(str(against))}" if against else ""
        thinking = self.settings.thinking
        asked = "" if thinking == "auto" else f", thinking {thinking}"
        lines = [f"slm: {door.spec(model_spec(self.config))}{versus}, profile {self.session.policy.profile.name}{asked}"]
        hosts = [host for one in self._models() for host in getattr(getattr(one, "address", None), "hosts", ())]
        lines += [f"slm: prompts are sent to {door.line(', '.join(hosts))}"] if hosts else []
        lines += held_to(self.setup)
        return lines if has_builtin(self.settings.packs) else [*lines, "slm: NO BUILT-IN AUDIT"]

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
        found = yield
        if is_probe_file(file_path) and not any(isinstance(node, ProbeFile) for node in found):
            found = [*found, ProbeFile.from_parent(parent, path=file_path)]
        return found

    def pytest_pycollect_makemodule(self, module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        """pytest reads a probe file as a module where it is named on the command line, or fits ``python_files``."""
        if not is_probe_file(module_path):
            return None
        node: ProbeFile = ProbeFile.from_parent(parent, path=module_path)
        return node

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        collector: BuiltIn = BuiltIn.from_parent(session, name=PREFIX, nodeid=PREFIX)
        collector.suites = []
        try:
            for p, place in self._packed():
                if self._asked_for(p):
                    collector.suites.append(self.session.add(p, place))
                else:
                    self.session.leave_out(p, place)
            if unfit := self.config.stash.get(UNFIT, []):
                raise ProbeError(unfit[0])
            if not session.testsfailed:  # a file that could not be read may hold the probe that a gate names
                self.session.policy.check({*self.session.left_out, *(s.key for s in self.session.suites.values())})
                keys = self._gate_keys()
                lock = self.session.lock
                gone = lock.lock.red if lock else ()  # what a lock waives may be gone: its comparison says so
                check_gate_names("waived gate", [name for name in self.session.waivers if name not in gone], keys)
                check_gate_names("optional gate", self.session.optional, keys)
                check_parts(self.bundles, [gate_key(s.gate_id) for s in self.session.suites.values() if s.has_gate])
                check_names(self.clauses, (key.rpartition("::")[2].removesuffix(VERSUS) for key in keys))
            every = list(session.genitems(collector))
            check_chosen(self.chosen, [i.nodeid for i in every])
            check_marker(self.config, [*items, *every])
        except (ProbeError, AuditError) as error:
            self.failed = door.line(error)
            if self.worker is None:
                raise usage_error(error) from None
            return  # a worker that raises here is a crash to xdist
        items[:] = [*items, *(i for i in every if is_chosen(i.nodeid, self.chosen))]

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.announced.update(item.nodeid for item in items)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionstart(self) -> Generator[None, None, None]:
        """A plugin that ends the session here ends it before our last hook: the exit status is red all the same."""
        try:
            yield
        except pytest.exit.Exception as end:
            end.returncode = end.returncode or pytest.ExitCode.TESTS_FAILED
            raise clean_exit(end) from None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, Any]:
        option = session.config.option
        looks = option.collectonly or session.config.getoption("setuponly", False)  # no test runs then
        if looks or (session.testsfailed and not option.continue_on_collection_errors):
            return (yield)
        if self.settings.plan:
            from .plan import show_plan

            show_plan(self.config, self._selection(session), self.session, self.settings.early_stop, self.budget)
            self.setup.check_planned_scorer(i.suite for i in self._selection(session))
            option.collectonly = True  # a wrapper cannot keep the loop from running, this can
            return (yield)
        self.ran = True
        gc.freeze()  # items and probes live until the end: the collector need not look at each of them again and again
        if self.failed:
            session.shouldstop = self.failed
        else:
            self._prefetch(session)
        option.collectonly = self.part is not None  # a part decides nothing: no test runs
        result = yield
        option.collectonly = False
        self.finished = True
        gc.collect()  # what tests left behind speaks up while pytest still listens
        gc.freeze()  # so do findings and reports: neither pytest's last collections nor the interpreter's look at them
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        report = yield
        if isinstance(item, (CaseItem, GateItem)) and call.when == "call" and item.payload:
            send(item, report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self.failed and isinstance(item, (CaseItem, GateItem)):
            pytest.fail(self.failed, pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        payload = arrived(self.config, report)
        if payload is not None and self.record is not None:
            self.record.collected.add(payload)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """xdist: what every worker must know to make the same cases."""
        node.workerinput.update(self.shared)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        self.crashed = self.crashed or bool(error)
        text = getattr(node, "workeroutput", {}).get("slm")
        if text and self.record is not None:
            self.record.collected.add_process(json.loads(text))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A probe file that skips itself hides its gates as one that breaks does."""
        hidden = report.failed or (report.skipped and is_probe_file(Path(report.nodeid)))
        if hidden and self.record is not None:
            self.record.uncollected.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.worker is not None and self.ran and not self.failed:
            cast(Any, self.config).workeroutput["slm"] = json.dumps(self._process())
        if self.record is None:
            return
        if self.ran and not self.failed and not self.config.pluginmanager.hasplugin("dsession"):
            with door.guarded_streams():
                self.record.collected.add_process(self._process())
        waivers = list(self.session.waivers.values())
        audit = self.record.assembled(
            self._unfinished(session, exitstatus), self.session.policy, self._notes(),
            untested() if has_builtin(self.settings.packs) else (), waivers, self.clauses, self.limits.unmeasured(self.session),
        )  # fmt: skip
        held = [self.record.folder / PREVIOUS, self.settings.baseline.path]
        audit = compared(audit, self.store.path.parent / BARS, held, self.session.lock.lock if self.session.lock else None)
        red = self.record.finish(audit, waivers)
        if self.settings.update_lock:
            self.updated = update_lock(self.setup.lock_path, audit)
            red = red or not self.updated.written
        if red and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = DONE if self.record.part else pytest.ExitCode.TESTS_FAILED

    # -- what the hooks do ----------------------------------------------------------------------------------------

    def _asked_for(self, probe: Probe) -> bool:
        """Return whether a probe is of a dimension that the user asked for."""
        return not self.settings.dimensions or str(probe.dimension) in self.settings.dimensions

    def _packed(self) -> list[tuple[Probe, str]]:
        """Return the probes of packs and catalogues, each with the place of its node ids."""
        own = [(probe, f"{PREFIX}::{probe.dimension}") for probe in self.builtin]
        return [*own, *((entry.probe, entry.place) for entry in self.tasks)]

    def _models(self) -> list[Any]:
        """Return the model under audit, and that of ``--slm-vs``."""
        reference = self.session.reference
        return [self.session.engine.model, *([reference.backend] if isinstance(reference, Live) else [])]

    def _gate_keys(self) -> list[str]:
        suites = self.session.suites.values()
        asked = [gate_key(s.gate_id) for s in suites if s.has_gate] + [gate_key(s.versus_id) for s in suites if s.versus]
        return [*asked, *self.session.left_out, *self.limits.nodeids(self.session)]

    def _selection(self, session: pytest.Session) -> list[Any]:
        return [i for i in session.items if isinstance(i, (CaseItem, GateItem))]

    def _prefetch(self, session: pytest.Session) -> None:
        items = self.selected = self._selection(session)
        try:
            with quiet(self.config):
                check_scorer(self.session, (i.suite for i in items))
                if self.part is None and not self.config.pluginmanager.hasplugin("dsession"):  # its workers measure
                    self.limits.measure(self.session, self.progress)
        except BackendError as error:
            return self._stop(session, error)
        self.session.marked = marked(self.config)
        cases = selected_cases(((i.suite, i.case if isinstance(i, CaseItem) else None) for i in items), self.session.marked)
        if not cases:
            return
        gates = [i for i in items if isinstance(i, GateItem)]
        watched = [i.suite for i in gates if self.settings.early_stop and self.session.watchable(i.suite)]
        try:
            with quiet(self.config):
                self.session.noise = self.setup.noise_floor(self.session)
                compared = [i.suite for i in gates if i.versus and not i.suite.missing]
                if self.part is not None:
                    self.part.ask(self.session, cases, [c for s in compared for c in _of_baseline(s)])
                    return
                ask_all_of(self.session, cases, watched, self.budget)
                self._prefetch_baseline(compared)
        except (BackendError, AuditError) as error:
            self._stop(session, error)
        finally:
            if self.progress is not None:
                self.progress.close()

    def _stop(self, session: pytest.Session, error: Exception) -> None:
        """End a run whose model answers nothing, or that cannot be compared."""
        self.failed = door.line(error)
        if self.worker is None:
            raise usage_error(error) from None
        session.shouldstop = self.failed

    def _prefetch_baseline(self, suites: Sequence[Suite]) -> None:
        """After the target: one model is in memory at a time."""
        reference = self.session.reference
        if isinstance(reference, Live) and suites:
            release(self.session.engine.model)
            reference.session.engine.prefetch([c for s in suites for c in _of_baseline(s)])
            release(reference.backend)

    def _process(self) -> dict[str, Any]:
        return process_payload(self.session, self.tasks, self.limits, self._outside(), limits_given(self.config))

    def _outside(self) -> list[str]:
        suites = self.session.suites.values()
        gates = [nodeid for s in suites for nodeid in (s.gate_id, s.versus_id)]
        found = outside(self.config, self.chosen, gates, {i.nodeid for i in self.selected}, self.announced)
        lock = self.session.lock
        return [*found, *(accepted_outside(self.config, self.chosen, vanished(self.session, lock)) if lock else ())]

    def _unfinished(self, session: pytest.Session, exitstatus: int) -> str:
        """Say why a run did not reach its end; empty if it did. ``-x`` and ``--maxfail`` end a run: its gates say NOT RUN."""
        assert self.record is not None
        broken = self.record.uncollected
        if self.failed:
            return self.failed
        if broken:
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            return f"{broken[0]}{more} could not be collected"
        if not self.ran:
            return f"pytest ended with exit status {int(exitstatus)} before the first question"
        if self.crashed:
            return "a worker crashed"
        if not self.finished and not session.shouldfail:
            return SAID if self.terminator is not None and self.terminator.came else "it was interrupted"
        if asks_last_failed(self.config):
            return "--lf asks what failed last time, and does not read the other files"
        if self.part is not None:
            self.record.part = self.part.title if self.part.said else ""
            return self.part.said or "nothing is selected that could be asked"
        return "" if self.record.collected.processes else "no worker came to its end"

    def _notes(self) -> list[str]:
        notes = of_packs(self.settings.packs)
        processes = self.record.collected.processes if self.record is not None else []
        model = processes[0].get("model", {}) if processes else {}
        notes += thinking_notes(self.settings.thinking, model, resources(processes))
        notes += endpoint_notes(model)
        notes += late_note(processes[0].get("unasked", {}) if processes else {}, self.settings.budget)
        return [*notes, *of_optional(self.settings.optional), *of_expired([*self.session.waivers.values()])]


def _of_baseline(suite: Suite) -> list[Case]:
    """Return the cases that the model of ``--slm-vs`` is asked."""
    return [*suite.cases, *suite.probe.floor_cases()]
