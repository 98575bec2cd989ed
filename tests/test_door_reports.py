"""No key leaves by what plugins add to reports, by subtests, by a reporter's own records, or by what ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import run

from pytest_slmtrust.plugin.outlet import _value

KEY = "sk-proj-" + "hR4kT9wZ2mX7qLb5" * 3
CONFTEST = f'''
import copy, json, logging
import pytest
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend

def model():
    return FakeBackend("the key {KEY} of jane.quarrendon@harbour-mail.org\\x1b[2J", name="m")

@pytest.fixture
def reply(slm):
    return slm.ask(Generate("say it")).text

class Kept(logging.Handler):
    """Keeps what a test logs, as pytest-json-report does."""
    def __init__(self):
        super().__init__()
        self.records = []
    def emit(self, record):
        self.records.append(record)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    item.kept = Kept()
    logging.getLogger().addHandler(item.kept)
    try:
        return (yield)
    finally:
        logging.getLogger().removeHandler(item.kept)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    report.extra_stage = {{"log": getattr(item, "kept", Kept()).records, "said": [item.name, (getattr(item, "said", ""),)]}}
    return report

def pytest_runtest_logfinish(nodeid, location):
    """A plugin that makes a report by itself."""
    if MADE and nodeid.endswith("test_props"):
        CONFIG.hook.pytest_runtest_logreport(report=MADE[0])

def pytest_exception_interact(call):
    """As flaky keeps exceptions, and writes their words at the end."""
    SAID.append(str(call.excinfo.value))

def pytest_terminal_summary(terminalreporter):
    for said in SAID:
        terminalreporter.write_line(f"kept: {{said}}")

MADE = []
SAID = []
CONFIG = None

def pytest_configure(config):
    global CONFIG
    CONFIG = config

def pytest_keyboard_interrupt(excinfo):
    with open("stages.log", "a", encoding="utf-8") as log:
        log.write(f"{{excinfo.value}} {{vars(excinfo.value)}}\\n")

def pytest_runtest_logreport(report):
    stage = getattr(report, "extra_stage", {{"log": []}})
    stage = {{**stage, "log": [vars(one) for one in stage["log"]]}}
    lines = [json.dumps({{**vars(report), "extra_stage": stage}}, default=str), report.longreprtext]
    with open("stages.log", "a", encoding="utf-8") as log:
        log.write("\\n".join(lines) + "\\n")
'''
TESTS = """
import copy, logging
import pytest
import conftest
from _pytest.reports import TestReport

def test_logs(reply, request):
    request.node.said = reply
    logging.getLogger("own").warning("it said %s", reply)
    try:
        raise ValueError(reply)
    except ValueError:
        logging.getLogger("own").exception("broken")

def test_fails(reply):
    raise ValueError(reply)

def test_props(reply, request, record_property, record_xml_attribute, record_testsuite_property):
    record_property("list", [reply, {"in": (reply,)}])
    record_xml_attribute("said", reply)
    record_testsuite_property("suite", reply)
    conftest.MADE.append(TestReport("made.py::test_made", ("made.py", 1, "made"), {}, "failed", reply, "call", [("out", reply)]))
"""
SUBTESTS = """
def test_parts(reply, subtests):
    with subtests.test(msg=reply, said=reply):
        print(reply)
        assert reply == "harmless"
"""
ENDS = """
def end(with_text):
    raise {end}(with_text)

def test_ends(reply):
    end(reply)
"""
OPTIONS = [
    ("-rA", "--junitxml=junit.xml", "-o", "junit_family=xunit1"), ("-v", "--full-trace"),
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_no_key_leaves_by_what_others_add(tmp_path: Path, options: tuple[str, ...]) -> None:
    ends = ENDS.format(end="KeyboardInterrupt" if "--full-trace" in options else "pytest.exit.Exception")
    parts = SUBTESTS if hasattr(pytest, "Subtests") else ""
    for name, text in {"pytest.ini": "[pytest]\n", "conftest.py": CONFTEST, "test_own.py": TESTS + parts + ends}.items():
        (tmp_path / name).write_text(text)
    done = run(tmp_path, "--slm=conftest:model", "--slm-packs=none", *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout
    assert "made.py::test_made" in done.stdout
    assert "kept: the key [credential]" in done.stdout
    files = {path.name: path.read_text(encoding="utf-8") for path in (*tmp_path.glob("*.xml"), *tmp_path.glob("*.log"))}
    assert files["stages.log"].count("[credential]") >= 10
    for name, text in {"stdout": done.stdout, "stderr": done.stderr, **files}.items():
        assert not [one for one in (KEY[:16], KEY[-8:], "quarrendon", "\x1b[2J") if one in text], name


def test_what_is_no_text_stays_as_it_is() -> None:
    picture = {"format_type": "image", "content": "aGFsbG8=" * 400_000}
    held = {"n": 1, "x": None, "pictures": [picture], "pair": (True, 2.5)}
    assert _value(held) == held
    assert _value(held)["pictures"][0] is picture
    endless: list[object] = []
    endless.append(endless)
    assert isinstance(_value(endless), list)
