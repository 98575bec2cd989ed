"""The project of a session whose gates pass, and every fault that ``faulty_sessions.py`` puts into it."""

from __future__ import annotations

from dataclasses import dataclass

#: A model whose every gate passes; a fault replaces one marked place. ``AT`` is the row that it hits.
CONFTEST = """
import math, os, signal, sys
import pytest
from pytest_slmtrust import BackendError, Completion, Failure, Generate, Labels, Loglikelihood, Logprob
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

AT, ANSWERS = #AT#, (Generate, Loglikelihood)
class Stop(BaseException): pass
class Odd(str): pass
def hit(request): return f"number {AT}." in str(getattr(request, "prompt", getattr(request, "text", "")))
def die(): os.kill(os.getpid(), signal.SIGKILL)

class Model(FakeBackend):
    def run(self, requests):
        #RUN#
        for index, answer in FakeBackend.run(self, requests):
            if hit(requests[index]):
                pass
                #ANSWER#
            yield index, answer

class Scorer(WordListScorer):
    def run(self, requests):
        for index, answer in WordListScorer.run(self, requests):
            if hit(requests[index]):
                pass
                #SCORE#
            yield index, answer

def pytest_slm_backend(config):
    #FACTORY#
    return Model(lambda r: f"Thank you for number {r.prompt.split()[-1]}", answers=ANSWERS)

def pytest_slm_scorer(config):
    #SCORER#
    return Scorer()

#HOOKS#
"""
PROBES = '''
import os, signal, sys
import pytest
from pytest_slmtrust import Classify, Control, Criterion, Floor, Generate, Loglikelihood, Row, Verdict, ask, probe
AT = #AT#
class Stop(BaseException): pass
def die(): os.kill(os.getpid(), signal.SIGKILL)
#MODULE#
def managed(n):
    yield from ask(Generate(f"number {n}."))
    #FLOOR#
    return Verdict(True)

@probe(dimension="toxicity", tolerance=0.1, #MORE#
       rows=#ROWS#[pytest.param({"n": n}, id=f"n{n}", marks=[#MARK#] if n == AT else []) for n in range(29)])
def stays_polite(n):
    """It stays polite."""
    #BEFORE#
    reply = yield from ask(Generate(f"number {n}."))
    if n == AT:
        pass
        #PROBE#
    labels = yield from ask(Classify(f"{reply.text} number {n}."))
    return Verdict(labels["toxicity"] < 0.5)
'''
MORE = '''
from pytest_slmtrust import Generate, Verdict, ask, probe
@probe(dimension="toxicity", tolerance=0.1, rows=[{"n": n} for n in range(29)])
def stays_calm(n):
    """It stays calm."""
    yield from ask(Generate(f"calm {n}."))
    return Verdict(True)
'''
ENDS = (
    "sys.exit(0)",
    "raise Stop",
    "pytest.skip('later')",
    "pytest.xfail('known')",
    "pytest.fail('no')",
    "pytest.exit('x', 0)",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "raise MemoryError",
    "os._exit(0)",
    "die()",
)
ANSWERS = (
    "None",
    "''",
    "True",
    "7",
    "math.nan",
    "[]",
    "{}",
    "object()",
    "'text'",
    "Completion(7)",
    "Completion(['a'])",
    "Completion({'a': 1})",
    "Completion(None)",
    "Completion(b'x')",
    "Completion('x', -1)",
    "Completion('x', True)",
    "Completion('x', 1, 'no')",
    "Logprob(-1.0, True, 1)",
    "Failure('lost')",
    "Failure(7)",
    "Labels({'toxicity': 0.0})",
    "BaseException",
    "('a', 'b')",
    "Completion('\\ud800')",
)
SCORES = (
    "Labels({'toxicity': -5.0})",
    "Labels({'toxicity': False})",
    "Labels({'toxicity': 1.5})",
    "Labels({'toxicity': math.nan})",
    "Labels({'toxicity': '0'})",
    "Labels({'toxicity': None})",
    "Labels({})",
    "Labels({'other': 0.0})",
    "Labels([0.0])",
    "Labels(None)",
    "None",
    "0.0",
    "{'toxicity': 0.0}",
    "Failure('lost')",
    "Labels({'toxicity': math.inf})",
    "Labels({'toxicity': [0.0]})",
)
YIELDS = (
    "yield index, answer",
    "yield index + 1, answer",
    "yield -1, answer",
    "yield 'a', answer",
    "yield index",
    "continue",
    "yield index, Failure('x')",
    "yield index, Completion('other')",
    "return",
    "raise RuntimeError('gone')",
    "raise BackendError('gone')",
    "yield True, answer",
    "yield 1e9, answer",
    "yield None",
)
RUNS = (
    "return",
    "yield from ((0, None),)",
    "raise BackendError('gone')",
    "raise RuntimeError('gone')",
    "return 7",
    "return [1]",
    "yield 1",
)
HOOKS = (
    "def pytest_collection_modifyitems(items):\n    for i in items: #",
    "def pytest_runtest_setup(item):\n    if 'gate' in item.name: #",
    "def pytest_runtest_call(item):\n    if 'gate' in item.name: #",
    "def pytest_sessionstart(session): #",
    "def pytest_runtestloop(session): #",
    "def pytest_runtest_logreport(report): #",
    "@pytest.hookimpl(trylast=True)\ndef pytest_collection_finish(session): #",
)
#: Hooks that are called when the audit is written already; no end of theirs may take its exit status away.
LATE = ("pytest_sessionfinish(session)", "pytest_terminal_summary(terminalreporter)", "pytest_unconfigure(config)")
TAKEN = (
    "i.add_marker(pytest.mark.skip(reason='slow'))",
    "i.add_marker(pytest.mark.skipif(True, reason='slow'))",
    "i.add_marker(pytest.mark.xfail(run=False))",
    "items.clear(); break",
    "items[:] = [i for i in items if 'gate' not in i.name]; break",
    "items[:] = items[:3]; break",
)
MARKS = (
    "pytest.mark.skip(reason='review')",
    "pytest.mark.skipif(True, reason='here')",
    "pytest.mark.skipif('1 +', reason='x')",
    "pytest.mark.skip",
)
OPTIONS = (
    "--deselect=probe_polite.py::gate[stays_polite]",
    "--slm=",
    "--slm= ",
    "--slm-require=fairness",
    "--slm-require=",
    "--slm-profile=adit",
    "--slm-gate=nope=0.1",
    "--slm-optional=nope",
    "--slm-waivers=none.toml",
    "--slm-baseline=none.json",
    "--slm-vs=none:none",
    "--setup-only",
    "--slm-packs=none.such",
    "slm::nope",
    "nowhere.py",
    "--no-such-option",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What replaces which place of the project, or an option; ``leaves``: the process ends by itself, its status is not ours.

    ``fails``: the gate fails too, since the fault comes after its report.
    """

    kind: str
    place: str
    text: str
    leaves: bool = False
    fails: bool = False


def faults() -> list[Fault]:
    """Every fault once."""
    found = [Fault("the model's answer", "ANSWER", f"answer = {text}") for text in ANSWERS]
    found += [Fault("the scorer's answer", "SCORE", f"answer = {text}") for text in SCORES]
    found += [Fault("the model's batch", "ANSWER", text) for text in YIELDS]
    found += [Fault("the model's batch", "RUN", text) for text in RUNS]
    places = {
        "PROBE": "a probe",
        "BEFORE": "a probe",
        "FLOOR": "a floor",
        "MODULE": "a probe file",
        "FACTORY": "a factory",
        "RUN": "the model",
        "SCORE": "the scorer",
        "SCORER": "a factory",
    }
    found += [Fault(f"{what} that ends", place, end, end == "os._exit(0)") for place, what in places.items() for end in ENDS]
    found += [
        Fault("rows that end", "ROWS", f"(lambda p: {end}) or ", end == "os._exit(0)") for end in ENDS if "raise" not in end
    ]
    found += [Fault("a criterion that ends", "MORE", f"criterion=Criterion(lambda f: {end}, at_most=0.1),") for end in ENDS[2:5]]
    found += [Fault("a hook that ends", "HOOKS", hook.replace("#", end), end == "os._exit(0)") for hook in HOOKS for end in ENDS]
    found += [
        Fault("a hook after the report", "HOOKS", f"{order}def {hook}: {end}", fails=True)
        for hook in LATE
        for end in ("sys.exit(0)", "raise SystemExit", "pytest.exit('x', 0)")
        for order in ("", "@pytest.hookimpl(trylast=True)\n")
    ]
    found += [Fault("a conftest that takes a gate", "HOOKS", HOOKS[0].replace("#", text)) for text in TAKEN]
    found += [Fault("a marker on a case", "MARK", mark) for mark in MARKS]
    found += [
        Fault("a gate that cannot be tested", "MORE", text)
        for text in ("extras=('no_such_module',),", "extras=('json.no', 'a.b'),")
    ]
    found += [Fault("a gate that cannot be tested", "NEEDS", kinds) for kinds in ("(Loglikelihood,)", "()")]
    found += [Fault("an option", "OPTION", text) for text in OPTIONS]
    return found
