"""Runs next to plugins that rerun tests, keep, replace or copy reports; and without plugins that pytest brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from runs import audit, run

from pytest_slmtrust.archive.verify import read_verified

KEY = "sk-proj-" + "A1b2C3d4E5f6G7h8I9j0" * 3
CONFTEST = f"""
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def reply(request):
    return "no, {KEY} of ada@example.org" if "bad" in request.prompt else "yes"

def model():
    return FakeBackend(reply, name="m")

def pytest_slm_scorer(config):
    return WordListScorer()
"""
PROBES = '''
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="robustness", rows=[{"q": f"{'bad' if i < 9 else 'good'} {i}"} for i in range(40)], tolerance=0.1)
def says_yes(q):
    """It says yes."""
    reply = yield from ask(Generate(f"say {q}"))
    return Verdict(reply.text == "yes", evidence={"prompt": q, "reply": reply.text})
'''
#: What a plugin of others does, as a conftest's hook.
RUNS_ALONE = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    {body}
    return True
"""
RERUNS = """for again in (True, False):
        for report in runtestprotocol(item, log=False, nextitem=nextitem):
            item.ihook.pytest_runtest_logreport(report=report)"""
KEEPS = """reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports if "gate[" in item.nodeid else ():
        item.ihook.pytest_runtest_logreport(report=report)"""
REPLACES = """
import copy
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    new = copy.copy(report)
    vars(new).pop("slmtrust", None)
    return new
"""
PLUGINS = {"reruns": RUNS_ALONE.format(body=RERUNS), "keeps": RUNS_ALONE.format(body=KEEPS), "replaces": REPLACES}
COPIES = """
import copy, json, pickle

TEXTS = []

def pytest_runtest_logreport(report):
    if report.when == "call":
        forms = copy.copy(report), copy.deepcopy(report), pickle.loads(pickle.dumps(report))
        written = json.loads(json.dumps(vars(report), default=str))
        TEXTS.append([report.longreprtext, *(one.longreprtext for one in forms), written["longrepr"] or ""])

def pytest_unconfigure():
    print("SAID", sum(len(set(texts)) > 1 for texts in TEXTS), sum("outcome: failed" in texts[0] for texts in TEXTS))
"""


def made(folder: Path, plugin: str = "", **files: str) -> Path:
    """A folder with a model that fails 9 of 40 rows, and a plugin."""
    own = {"pytest.ini": "[pytest]\n", "conftest.py": CONFTEST, "probe_a.py": PROBES, "other.py": plugin}
    for name, text in {**own, **files}.items():
        (folder / name).write_text(text)
    return folder


def asked(folder: Path, *options: str) -> Any:
    return run(folder, "--slm=conftest:model", "--slm-packs=none", *options)


@pytest.mark.parametrize("plugin", PLUGINS.values(), ids=PLUGINS)
@pytest.mark.parametrize("workers", [(), pytest.param(("-n2",), marks=pytest.mark.full)], ids=["none", "n2"])
def test_an_audit_holds_what_it_counts(tmp_path: Path, plugin: str, workers: tuple[str, ...]) -> None:
    done = asked(made(tmp_path, plugin), "-p", "other", "--junitxml=junit.xml", *workers)
    assert done.returncode == 1, done.stdout + done.stderr
    assert [(gate["status"], gate["items"], gate["failures"]) for gate in audit(tmp_path)["gates"]] == [("FAIL", 40, 9)]
    assert len(read_verified(tmp_path / "slmtrust-report" / "audit.json").findings) == 40
    gates = [one for one in ElementTree.parse(tmp_path / "junit.xml").iter("testcase") if one.attrib["name"].startswith("gate")]
    names = {tuple(one.attrib["name"] for one in gate.iter("property")) for gate in gates}
    assert names == {("status", "items", "failures", "unscored", "limit", "failing cases")}


def test_a_copy_of_a_report_says_what_the_report_says(tmp_path: Path) -> None:
    done = asked(made(tmp_path, COPIES), "-p", "other")
    assert "SAID 0 9" in done.stdout, done.stdout + done.stderr
    assert "ada@" not in done.stdout
    assert KEY[:16] not in done.stdout


@pytest.mark.parametrize("without", ["terminal", "skipping", "junitxml", "cacheprovider", "logging", "capture", "warnings"])
def test_a_run_needs_no_plugin_that_can_be_left_out(tmp_path: Path, without: str) -> None:
    done = asked(made(tmp_path), "-p", f"no:{without}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr
    assert [(gate["status"], gate["failures"]) for gate in audit(tmp_path)["gates"]] == [("FAIL", 9)]
    if without == "skipping":  # without it nothing is an xfail: findings are red, and say what they are
        assert done.stdout.count("outcome: failed") == 9


@pytest.mark.parametrize("option", ["--setup-only", "--setup-plan"])
def test_a_run_without_tests_asks_nothing_and_leaves_the_report(tmp_path: Path, option: str) -> None:
    asked(made(tmp_path))
    before = (tmp_path / "slmtrust-report" / "audit.json").read_bytes()
    done = asked(made(tmp_path, **{"conftest.py": CONFTEST.replace("    return", "    raise SystemExit  #", 1)}), option)
    assert done.returncode in (0, 5), done.stdout + done.stderr
    assert (tmp_path / "slmtrust-report" / "audit.json").read_bytes() == before


def test_a_question_that_fails_in_a_test_shows_the_test_and_not_our_code(tmp_path: Path) -> None:
    test = "from pytest_slmtrust import Generate\n\ndef test_asks(slm):\n    slm.ask(Generate('bad'))\n"
    broken = CONFTEST.replace("def reply(request):", "def reply(request):\n    return 7", 1)
    done = asked(made(tmp_path, **{"conftest.py": broken, "test_own.py": test}), "test_own.py")
    assert "test_own.py:4: RequestFailed" in done.stdout, done.stdout
    assert "fixture.py" not in done.stdout
    assert json.loads((tmp_path / "slmtrust-report" / "audit.json").read_text())["findings"] == []
