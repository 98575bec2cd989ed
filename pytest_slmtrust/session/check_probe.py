"""``slmtrust check-probe``: what a probe would miss, found with scripted models and without loading one.

Each probe is tried with a model that says nothing, one that refuses, one that repeats the question, and with replies that the
probe itself declares to be good or bad: controls and labelled rows, expected answers, secrets, and texts that the toxicity
scorer flags where toxicity is the claim. Where a probe declares none, nothing is guessed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import door
from ..audit.dimension import Dimension
from ..audit.model import Finding, Status
from ..authoring.datafiles import DataMissing
from ..authoring.declarations import TOXICITY, ProbeError
from ..authoring.mistakes import explained
from ..authoring.probe import Case, Probe
from ..backends.fake import SwapPerturber, WordListScorer
from ..engine.engine import Engine
from ..engine.store import Store
from ..escaping import blank
from ..gates.gate import Beside, Gate, check_controls, finding
from ..gates.policy import load_policy
from ..requests import Backend, Generate, Request, RequestFailed, asks_model
from .probe_file import line_of, probe_line, read_probes
from .scripted_models import EXPECTED, FLAGGED, REFUSAL, SECRET, Script, declared, echoes, other_answer, prefers_always, says

#: Source items of a probe that are tried, and requests after which a case is said to ask without end.
_ITEMS, _MOST_REQUESTS = 200, 5_000
_PROFILE = "ci"
_UNSCORED = "leave such a reply without a verdict (Verdict.unscored), or add a floor"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a probe says of one scripted model: a finding for each row, and the status of its gate (None without a gate)."""

    findings: tuple[Finding, ...]
    status: Status | None = None

    def count(self, outcome: str) -> int:
        return sum(one.outcome == outcome for one in self.findings)

    @property
    def passes(self) -> bool:
        if self.status in (None, Status.MEASURED, Status.NOT_DECIDABLE):
            return bool(self.findings) and self.count("passed") == len(self.findings)
        return self.status is Status.PASS


@dataclass(slots=True)
class Checked:
    """What was tried of one probe, what it would miss, and what could not be tried or will not be used."""

    path: Path
    probe: Probe
    missed: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return one line for each thing, with the place of the probe."""
        place = f"{self.path}:{probe_line(self.probe, self.path)}: {self.probe.name}: "
        said = [f"tried: {', '.join(self.tried)}"] if self.tried else []
        said += [f"note: {one}" for one in self.aside]
        return [place + one for one in (*(f"MISSED: {one}" for one in self.missed), *said)]


def check_file(path: Path) -> list[Checked]:
    """Try each probe of a file.

    Raises:
        NoProbeFile: it holds none, or breaks.
    """
    source = read_probes(path)
    with tempfile.TemporaryDirectory() as folder:
        perturber = SwapPerturber()
        answers: dict[tuple[str, str], Backend] = {(kind.kind, "perturb"): perturber for kind in perturber.answers}
        answers["classify", "toxicity"] = WordListScorer()
        engine = Engine(answers, Store(Path(folder), "check"))
        try:
            return [_Check(path, probe, engine).run() for probe in source.probes]
        finally:
            engine.store.close()


class _Check:
    """One probe with its rows, as scripted models meet it."""

    def __init__(self, path: Path, probe: Probe, engine: Engine) -> None:
        self.probe, self.engine, self.before = probe, engine, engine.counters.planned
        self.made = Checked(path, probe)
        self.kinds: set[type[Request[Any]]] = set()
        self.broke: dict[tuple[type, int], list[str]] = {}  # what was said, by the kind of error and its line
        self.asked: dict[Case, set[str]] = {}  # keys of all questions to the model that a case put
        self.silent: set[Case] = set()  # cases with a verdict on a model that they asked nothing
        self.cases: list[Case] = []
        self.gate: Gate | None = None

    def run(self) -> Checked:
        try:
            ready = self._plan()
        except ProbeError as error:
            self.made.missed.append(f"a run would stop: {door.line(error)}")
            return self.made
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit or a skip in a function of rows
            self.made.missed.append(f"its rows break: {self._said(error)}")
            return self.made
        if ready:
            self._try_all()
        return self.made

    def _plan(self) -> bool:
        """Make cases and gate; return False for a probe that cannot be asked here."""
        probe, policy = self.probe, load_policy(_PROFILE)
        wanted = [f"--slm-{name}" for name in probe.inputs if name not in policy.profile.inputs]
        if wanted:
            self.made.missed.append(f"it cannot be tried here: it needs {', '.join(wanted)}")
            return False
        try:
            cases = every = probe.cases(policy.profile, policy.limit(probe))
            if len({case.source for case in every}) > _ITEMS:
                cases = probe.cases(policy.profile, _ITEMS)
        except DataMissing as error:
            self.made.missed.append(f"it cannot be tried here: {door.line(error)}")
            return False
        self.cases = cases
        if probe.packed or policy.tolerance(probe) is not None:
            self.gate = Gate.plan(probe, policy, every)
            self.cases = every  # of a part of them a strict tolerance would decide nothing
        return bool(self.cases)

    def _try_all(self) -> None:
        mute = self._trial(lambda _: says(""), "a model that says nothing")
        trials = [mute, *self._fixed(mute)]
        fired, passed = self._scripted_cases()
        for trial in (*trials, *self._good(mute), *self._bad(mute)):
            fired = fired or trial.count("failed") > 0
            passed = passed or trial.count("passed") > 0
        self._report_extremes(trials, fired, passed)
        self._report_unused()
        self.made.missed[:0] = [*self._broken(), *self._unasked()]  # causes first: the rest may follow from them
        self._report_alike()

    def _broken(self) -> list[str]:
        """Return one line for each kind of error and each line that it comes from."""
        more = {place: f" (and {len(said) - 1} times more)" if len(said) > 1 else "" for place, said in self.broke.items()}
        return [f"its own code breaks: {said[0]}{more[place]}" for place, said in self.broke.items()]

    def _unasked(self) -> list[str]:
        """Say where a verdict was given on a model that was asked nothing, which is an error in a run."""
        found = []
        for what, cases in (("", self.cases), ("its floor: ", self.probe.floor_cases())):
            n = sum(case.kind == cases[0].kind for case in self.silent) if cases else 0
            if n:
                found.append(f"{what}it asks the model nothing in {n} of {len(cases)} rows, and gives a verdict all the same")
        return found

    def _report_alike(self) -> None:
        """Say how many items put the same questions as another one, which a gate counts as one."""
        items: dict[str, set[str]] = {}
        for case in self.cases:
            items.setdefault(case.source, set()).update(self.asked.get(case, ()))
        asked = [frozenset(keys) for keys in items.values() if keys]
        alike = len(asked) - len(set(asked))
        if alike:
            said = f"{alike} of {len(items)} items put the same questions as another one: a gate counts them once"
            (self.made.aside if self.gate is None else self.made.missed).append(said)

    def _fixed(self, mute: Trial) -> list[Trial]:
        """Try the models that need nothing of the probe; report those that pass."""
        help_ = _UNSCORED if self.gate or self.probe.packed else f"{_UNSCORED} with a tolerance"
        if Generate not in self.kinds:
            self.made.tried[:] = ["a model with log-likelihoods by chance"]
            constant = self._trial(lambda _: prefers_always, "one that always prefers the same text")
            for trial, what in ((mute, "has log-likelihoods by chance"), (constant, "always prefers the same text")):
                if trial.passes:
                    self.made.missed.append(f"a model that {what} passes this probe: add a floor")
            return [constant]
        refusing = self._trial(lambda _: says(REFUSAL), "one that refuses everything")
        echo = self._trial(lambda _: echoes, "one that repeats the question")
        if mute.passes:
            self.made.missed.append(f"a model that says nothing passes this probe: {help_}")
        if refusing.passes:
            what = "add a floor" if self.probe.floor is None else "its floor does not ask for an answer"
            what += "" if self.gate else " and a tolerance"
            self.made.missed.append(f"a model that refuses everything passes this probe: {what}, benign rows that need a reply")
        if echo.passes:
            self.made.missed.append(f"a model that repeats the question passes this probe: {help_}")
        return [refusing, echo]

    def _scripted_cases(self) -> tuple[bool, bool]:
        """Try controls and labelled rows; return whether one of them failed and one passed, as declared."""
        pairs = [(c, self._found(c, c.script)) for c in (*self.probe.control_cases(), *self.probe.labelled_cases())]
        if pairs:
            self.made.tried.append(f"{len(pairs)} replies of its controls and labelled rows")
        controls = [(c, f) for c, f in pairs if c.kind == "control"]
        for wrong in check_controls(controls).wrong:
            self.made.missed.append(f"its detector is wrong: {wrong}")
        as_said = [c for c, f in pairs if f.outcome == ("passed" if c.expected else "failed")]
        return any(c.expected is False for c in as_said), any(c.expected for c in as_said)

    def _good(self, mute: Trial) -> list[Trial]:
        name, answers = self._declared(EXPECTED, mute)
        shown = any(one.passes for one in (*self.probe.controls, *self.probe.labelled))
        if not answers:
            if not shown:
                columns = _or(EXPECTED)
                self.made.aside.append(
                    f"no good reply was tried, for none is declared (controls=, labelled=, or a column {columns})"
                )
            return []
        trial = self._best({case: [says(one, likely=True) for one in texts] for case, texts in answers.items()})
        self.made.tried.append(f"the right answers ({name})")
        wrong, rows = len(answers) - trial.count("passed"), len(answers)
        self._note_whole(name, answers)
        if wrong and trial.count("measured") < rows and not shown:
            self.made.missed.append(
                f"a reply that is exactly the right answer ({name}) does not pass in {wrong} of {rows} rows: the detector is too "
                "strict, or a good reply says something else: then declare one (Control(params, reply, True))"
            )
        return [trial]

    def _note_whole(self, name: str, answers: Mapping[Case, Sequence[str]]) -> None:
        """Say where only the whole of ``a|b`` passes: whether the bar stands between two answers, the probe alone knows."""
        parted = {case: [t for t in texts if "|" not in t] for case, texts in answers.items() if "|" in texts[0]}
        scripts = {case: [says(one, likely=True) for one in texts] for case, texts in parted.items() if texts}
        failed = len(scripts) - self._best(scripts).count("passed")
        if failed and self._best({case: [says(answers[case][0], likely=True)] for case in scripts}).count("passed"):
            self.made.aside.append(
                f"{failed} of {len(scripts)} rows with a bar in the answer ({name}) pass with its whole text only, and with no "
                "part of it: if the bar stands between answers, split it (answer.split('|'))"
            )

    def _bad(self, mute: Trial) -> list[Trial]:
        """Try replies that are bad by what the probe declares; report those that pass."""
        found = []
        name, secrets = self._declared(SECRET, None)
        if secrets:
            found.append(self._bad_trial({c: says(f"It is {t[0]}.") for c, t in secrets.items()}, f"the secret ({name})"))
        _, answers = self._declared(EXPECTED, mute)
        wrong = {c: other_answer(texts, [t for o, t in answers.items() if o is not c]) for c, texts in answers.items()}
        scripts = {c: says(text, likely=True) for c, text in wrong.items() if text}
        if scripts:
            found.append(self._bad_trial(scripts, "the answers of other rows", only_whole=True))
        judged = self.probe.judge is not None and self.probe.judge.name == TOXICITY
        if self._asks_scorer and (judged or self.probe.dimension == Dimension.TOXICITY):
            found.append(self._bad_trial(dict.fromkeys(self.cases, says(FLAGGED)), "replies that the toxicity scorer flags"))
        if not found and not any(one.passes is False for one in (*self.probe.controls, *self.probe.labelled)):
            columns = _or((SECRET[0], EXPECTED[0]))
            self.made.aside.append(f"no bad reply was tried, for none is declared (controls=, labelled=, or a column {columns})")
        return found

    def _bad_trial(self, scripts: Mapping[Case, Script], what: str, only_whole: bool = False) -> Trial:
        trial = self._best({case: [script] for case, script in scripts.items()})
        self.made.tried.append(what)
        passed, rows = trial.count("passed"), len(scripts)
        if passed == rows or (passed and not only_whole):
            self.made.missed.append(f"a model that says {what} passes {passed} of {rows} rows")
        return trial

    def _report_extremes(self, trials: Sequence[Trial], fired: bool, passed: bool) -> None:
        measured = all(one.outcome in ("measured", "unscored", "error") for t in trials for one in t.findings)
        if measured and trials and any(t.count("measured") for t in trials):
            scores = {one.score for t in trials for one in t.findings if one.outcome == "measured"}
            if len(scores) == 1:
                self.made.missed.append(f"each scripted model has the score {scores.pop():g}: it may not depend on the reply")
            return
        if not fired:
            self.made.missed.append(
                "no scripted model fails it: the detector may never fire; declare a bad reply (Control(params, reply, False))"
            )
        if not passed:
            self.made.missed.append(
                "no scripted model passes it: nothing may ever pass; declare a good reply (Control(params, reply, True))"
            )

    def _report_unused(self) -> None:
        if blank(self.probe.doc):
            self.made.aside.append("it has no docstring: its first line is the claim that the report prints")
        unused = [name for name in ("controls", "labelled", "floor") if getattr(self.probe, name)]
        if unused and self.gate is None:
            names = " and ".join(unused)
            self.made.aside.append(f"it has no tolerance and no criterion: only a comparison with a baseline uses its {names}")

    # -- how rows are driven --------------------------------------------------------------------------------------

    def _declared(self, names: Sequence[str], seen: Trial | None) -> tuple[str, dict[Case, tuple[str, ...]]]:
        """Return what rows declare under one of these names, in their columns or in the evidence of a verdict."""
        found: dict[Case, tuple[str, ...]] = {}
        named: dict[str, None] = {}
        for number, case in enumerate(self.cases):
            where, texts = declared(case.params, names)
            where = f"column {where!r}" if texts else ""
            if not texts and seen is not None:
                where, texts = declared(seen.findings[number].evidence, names[:1])
                where = f"evidence {where!r}" if texts else ""
            if texts:
                found[case] = texts
                named[where] = None
        return ", ".join(named), found

    @property
    def _asks_scorer(self) -> bool:
        return self.engine.counters.planned > self.before

    def _trial(self, model: Callable[[Case], Script], name: str) -> Trial:
        """Try a model on all rows, and on the floor where a gate decides."""
        self.made.tried.append(name)
        rows = tuple(self._found(case, model(case)) for case in self.cases)
        if self.gate is None:
            return Trial(rows)
        floor = [self._found(case, model(case)) for case in self.probe.floor_cases()]
        return Trial(rows, self.gate.check(self.probe.name, rows, [], floor, Beside()).status)

    def _best(self, scripts: Mapping[Case, Sequence[Script]]) -> Trial:
        """Try the scripts of each row in turn until one passes."""
        found = []
        for case, some in scripts.items():
            for script in some:
                one = self._found(case, script)
                if one.outcome == "passed":
                    break
            found.append(one)
        return Trial(tuple(found))

    def _found(self, case: Case, script: Any) -> Finding:
        asked = set[str]()
        counted = script if isinstance(script, str) else self._counted(script, asked)
        try:
            verdict = self.engine.run(replace(case, script=counted))
        except KeyboardInterrupt:
            raise
        except RequestFailed as error:
            return finding(case, case.id, None, str(error))
        except BaseException as error:  # SystemExit or a skip in a probe: an error of that row
            said, line = self._said(error), self._line(error)
            self.broke.setdefault((type(error), line), []).append(said)
            return finding(case, case.id, None, said)
        self.asked.setdefault(case, asked)
        if not asked and case.kind in ("case", "floor") and verdict.outcome != "unscored":
            self.silent.add(case)
        return finding(case, case.id, verdict)

    def _counted(self, script: Script, asked: set[str]) -> Script:
        n = 0

        def answer(request: Request[Any]) -> Any:
            nonlocal n
            n += 1
            if asks_model(request):
                asked.add(request.key)
            if n > _MOST_REQUESTS:
                raise ProbeError(f"it asks more than {_MOST_REQUESTS} questions for one row: is there an end?")
            self.kinds.add(type(request))
            return script(request)

        return answer

    def _line(self, error: BaseException) -> int:
        return line_of(error, self.made.path, probe_line(self.probe, self.made.path))

    def _said(self, error: BaseException) -> str:
        return f"{door.error(explained(error))} ({self.made.path.name}:{self._line(error)})"


def _or(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names[:2]))
