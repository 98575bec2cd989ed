"""No text that a run shows holds a key, an escape sequence or a command of a CI service, wherever it comes from."""

from __future__ import annotations

import io
import logging
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from runs import run

from pytest_slmtrust import Generate, Row, Steps, Verdict, ask, door, probe
from pytest_slmtrust.cli import main
from pytest_slmtrust.escaping import block, one_line, said
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask

KEY = "sk-proj-9fK2mQ7xVb4TzR8wLc3YhN6d"
PASSWORD = "Vb4TzR8wLc"
PAYLOAD = (
    f"401 for key {KEY} at https://ada:{PASSWORD}@api.example/v1\x1b[2J\x1b]0;x\x07\n::error file=a::x\n  ::stop-commands::y\n"
    "##vso[task.complete]z\n##[error]w\n##teamcity[message]v\r\nsection_start:1:u\u202e\u200b mail "
    "jane.quarrendon@harbour-mail.org"
)
SECRETS = (KEY, PASSWORD, "jane.quarrendon", "harbour-mail.org")
#: What a CI service reads in a log: GitHub after blanks and at "##[", GitLab, Azure and TeamCity.
COMMANDS = re.compile(r"^[^\S\n]*(?:::|section_(?:start|end):)|##\[|##\w+\[", re.MULTILINE)


def faults(text: str, *, log: bool = True) -> list[str]:
    """What a text holds that must not leave."""
    found = [secret for secret in SECRETS if secret in text]
    found += [repr(c) for c in "\x1b\x07\u202e\u200b\x9b" if c in text]
    return found + (COMMANDS.findall(text) if log else [])


@pytest.mark.parametrize(("raw", "shown"), [
    ("::error::x", r"\::error::x"),
    ("\u00a0::error::x", "\u00a0\\::error::x"),
    ("\u3000\u2003 ::stop-commands::x", "\u3000\u2003 \\::stop-commands::x"),
    ("\u202fsection_start:1:x", "\u202f\\section_start:1:x"),
    ("a\n \t::add-mask::b", "a\n \t\\::add-mask::b"),
    ("std::vector a::b", "std::vector a::b"),
    ("x ##vso[task]y", r"x #\#vso[task]y"),
    ("##[section]y ##teamcity[z]", r"#\#[section]y #\#teamcity[z]"),
    ("## a heading\n#[x]", "## a heading\n#[x]"),
    ("section_start:1:a\nin section_start:1:a", "\\section_start:1:a\nin section_start:1:a"),
    ("travis_fold:start:a", r"\travis_fold:start:a"),
    ("a\r\n::set-output::b", "a\\x0d\n\\::set-output::b"),
    ("a\u2028::error::b\x0b::error::c", r"a\u2028::error::b\x0b::error::c"),
])  # fmt: skip
def test_no_line_is_a_command(raw: str, shown: str) -> None:
    assert block(raw) == shown
    assert block(shown) == shown
    assert "\n" not in one_line(raw)
    assert not COMMANDS.search(one_line(raw))


def test_a_payload_leaves_as_one_harmless_line() -> None:
    for shown in (door.line(PAYLOAD), door.line(door.line(PAYLOAD)), door.error(ValueError(PAYLOAD))):
        assert faults(shown) == []
        assert "\n" not in shown
        assert "401 for key [credential] at https://" in shown
    assert faults(door.lines(PAYLOAD)) == []
    assert len(door.line("word " * 10_000)) < 4100
    assert len(door.lines("a line\n" * 1_000_000)) < 1_100_000


def test_personal_data_is_shown_where_the_run_reveals_it_and_keys_are_not() -> None:
    before = door.use(Mask(secrets.token_bytes(16), reveal=True))
    try:
        shown = door.line(PAYLOAD)
    finally:
        door.use(before)
    assert "jane.quarrendon@harbour-mail.org" in shown
    assert KEY not in shown
    assert PASSWORD not in shown


@pytest.mark.parametrize("before", [0, 8, len(KEY) - 8, len(KEY)])
def test_a_key_where_a_long_text_is_cut_is_masked(before: int) -> None:
    after = "y " * 500_000
    shown = door.lines("x " * 20 + KEY + " " + after[: 1_000_000 - 1 - before])
    assert not [at for at in range(len(KEY) - 8) if KEY[at : at + 8] in shown]
    assert shown.startswith("[")
    assert len(shown) < 1_000_100


def test_what_is_logged_to_a_guarded_stream_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for raised in (False, True):
        raw = io.StringIO()
        monkeypatch.setattr(sys, "stderr", raw)
        handler = logging.StreamHandler()
        logger = logging.getLogger("guarded")
        logger.addHandler(handler)
        with suppress(ZeroDivisionError), door.guarded_streams():
            logger.warning("the key %s", KEY)
            if raised:
                raise ZeroDivisionError
        assert raw.getvalue() == "the key [credential]\n"
        assert handler.stream is raw
        logger.removeHandler(handler)


def test_an_exception_without_words_has_a_name() -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError(PAYLOAD)

    assert said(Unspeakable()) == "Unspeakable: it has no readable message"
    assert door.error(KeyError()) == "KeyError"


def test_a_description_keeps_what_identifies_a_model() -> None:
    digest = "sha256:" + "1234567890" * 6
    made = door.description({"sha": digest, "n": 4539148803436467, "note": PAYLOAD, "fingerprint": f"api:{KEY}", "l": [PAYLOAD]})
    assert (made["sha"], made["n"]) == (digest, 4539148803436467)
    assert re.fullmatch("sha256:[0-9a-f]{64}", made["fingerprint"])
    assert door.description({"fingerprint": "stub:1"}) == {"fingerprint": "stub:1"}
    assert [s for s in SECRETS if s in str(made)] == []


CONFTEST = f"""
import logging, sys, warnings
from pytest_slmtrust import BackendError, Completion, Failure, Generate, Loglikelihood
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

PAYLOAD = {PAYLOAD!r}

class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError(PAYLOAD)

class Model(FakeBackend):
    name = PAYLOAD[:190]

    def run(self, requests):
        print(PAYLOAD)
        print(PAYLOAD, end="\\r", file=sys.stderr)
        warnings.warn(PAYLOAD)
        logging.getLogger("model").error(PAYLOAD)
        for index, request in enumerate(requests):
            if "break" in request.prompt:
                try:
                    raise RuntimeError(PAYLOAD)
                except RuntimeError as error:
                    raise ValueError(PAYLOAD) from error
            if "silent" in request.prompt:
                raise Unspeakable()
            yield index, Failure(PAYLOAD) if "fail" in request.prompt else Completion(PAYLOAD, 9)

    def describe(self):
        print(PAYLOAD)
        return {{"name": PAYLOAD, "fingerprint": "x" + PAYLOAD, PAYLOAD: [PAYLOAD, {{"a": PAYLOAD}}], "architecture": PAYLOAD}}

def model():
    return Model(name=Model.name)

def pytest_slm_scorer(config):
    made = WordListScorer()
    made.name = PAYLOAD[:190]
    return made
"""
PROBES = """
import warnings, logging, sys
import pytest
from conftest import PAYLOAD, Unspeakable
from pytest_slmtrust import (Control, Criterion, Estimate, Floor, Generate, Measure, Reading, Row, Verdict, ask, probe)

FLAT = PAYLOAD.replace("\\n", " ").replace("\\r", " ")
ABOUT = dict(detector=PAYLOAD, estimand=PAYLOAD, metric=PAYLOAD, paper=PAYLOAD)

def benign(n):
    reply = yield from ask(Generate(f"floor {n}"))
    return Verdict(False, reason=PAYLOAD)

def made(name, judge, word="say", **options):
    rows = [Row({"n": n, "note": PAYLOAD}, id=f"{n} {FLAT}", source=f"{n} {FLAT}") for n in range(6)]
    def run(n, note):
        reply = yield from ask(Generate(f"{word} {n}"))
        return judge(reply.text)
    run.__doc__ = FLAT
    return probe(dimension="privacy", rows=rows, name=name, **options)(run)

def shown(text):
    print(text)
    print(text, file=sys.stderr)
    logging.getLogger("probes").warning(text)
    warnings.warn(text)
    return Verdict(False, 0.5, {"prompt": text, "reply": text, text: [text, {"x": text}]}, group=text, reason=text)

def measured(found):
    return [Measure(PAYLOAD, Estimate(0.5, 0.4, 0.6, 6, PAYLOAD, 0.95), PAYLOAD)]

def crash(text):
    held = text
    raise ValueError(text)

def chained(text):
    try:
        crash(text)
    except ValueError as error:
        raise KeyError(text) from error

def silent(text):
    raise Unspeakable()

def exits(text):
    raise SystemExit(text)

def reading(note="", void=""):
    return Criterion(lambda found: Reading(Estimate(0.5, 0.4, 0.6, 6, PAYLOAD, 0.95), note, void), at_most=0.45)

def broken_metric(found):
    raise ValueError(PAYLOAD)

red = made("red", shown, tolerance=0.6, measures=measured, **ABOUT)
bare = made("bare", shown, **ABOUT)
unsure = made("unsure", lambda t: Verdict.unscored(t, reply=t), tolerance=0.6, floor=Floor(PAYLOAD, benign, [{"n": 1}], 0.5))
crashed = made("crashed", crash, tolerance=0.6)
chain = made("chain", chained)
mute = made("mute", silent)
exit_ = made("exit_", exits)
odd = made("odd", lambda t: Verdict(t))
failed = made("failed", lambda t: Verdict(True), "fail", tolerance=0.6)
broke = made("broke", lambda t: Verdict(True), "break", tolerance=0.6)
silence = made("silence", lambda t: Verdict(True), "silent")
noted = made("noted", lambda t: Verdict(None, 0.5), criterion=reading(note=PAYLOAD))
void = made("void", lambda t: Verdict(None, 0.5), criterion=reading(void=PAYLOAD))
metric = made("metric", lambda t: Verdict(None, 0.5), criterion=Criterion(broken_metric, at_most=1))
count = made("count", lambda t: Verdict(True), tolerance=0.6, measures=broken_metric)
label = made("label", lambda t: Verdict(True), controls=[Control({"n": 1, "note": "x"}, "x", False)] , tolerance=0.6)
"""
TESTS = """
import logging, warnings
import pytest
from conftest import PAYLOAD, Unspeakable
from pytest_slmtrust import Generate

@pytest.fixture
def reply(slm):
    return slm.ask(Generate("say it")).text

def test_shows(reply, record_property, capsys):
    record_property("reply", reply)
    logging.getLogger("tests").error("it said %s", reply)
    try:
        raise ValueError(reply)
    except ValueError:
        logging.getLogger("tests").exception(reply)
    warnings.warn(reply)
    long = "x" * 300 + " " + reply + " " + "y" * 300
    print(reply)
    assert reply == "harmless"

def test_prints_and_passes(reply):
    print(reply)

def test_skips(reply):
    pytest.skip(reply)

def test_expects(reply):
    pytest.xfail(reply)

def test_raises(reply):
    try:
        raise ValueError(reply)
    except ValueError as error:
        raise Unspeakable() from error

def test_fails_in_its_own_words(reply):
    pytest.fail(reply, pytrace=False)

@pytest.fixture
def broken(reply):
    yield
    raise RuntimeError(reply)

def test_teardown(broken):
    pass

def test_refused(slm):
    slm.ask(Generate("fail it"))
"""
EVERY = ("-vv", "-rA", "--tb=long", "--showlocals", "--durations=3", "--junitxml=junit.xml", "-W", "always", "--log-file=run.log",
         "--log-level=DEBUG", "-o", "log_cli=true")  # fmt: skip

WORKERS = ("-n", "2", "-q", "--slm-strict", "--junitxml=junit.xml")


def outputs(folder: Path, *options: str) -> dict[str, str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "probe_all.py").write_text(PROBES)
    (folder / "test_own.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\njunit_family = xunit1\n")
    done = run(folder, "--slm=conftest:model", "--slm-packs=none", *options)
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    files = [*folder.glob("*.xml"), *folder.glob("*.log"), *(folder / "slmtrust-report").iterdir()]
    return {"stdout": done.stdout, "stderr": done.stderr, **{f.name: f.read_text(encoding="utf-8") for f in files}}


@pytest.mark.parametrize(
    "options",
    [EVERY, ("-n", "2", "-q", "--slm-strict", "--junitxml=junit.xml"), ("-v", "-s", "--tb=native", "--runxfail")],
    ids=str,
)
def test_no_output_of_a_run_holds_a_payload(tmp_path: Path, options: tuple[str, ...]) -> None:
    made = outputs(tmp_path, *options)
    assert {"stdout", "stderr", "audit.json", "audit.html"} <= set(made)
    found = {name: faults(text, log=name.startswith("std") or name.endswith(".log")) for name, text in made.items()}
    assert {name: held for name, held in found.items() if held} == {}
    assert "INTERNALERROR" not in made["stdout"]
    assert made["stdout"].count("[credential]") > 10
    assert "metric broke: ValueError: 401 for key [credential]" in made["audit.json"]


@pytest.mark.parametrize(("id_", "shown"), [
    ("##vso[task.complete]z", r"#\#vso[task.complete]z"), ("a\x1b[2J\nb", r"a\x1b[2J\nb"), (f"row of {KEY}", None),
    (f"https://ada:{PASSWORD}@api.example", None), ("section_start:1:a", r"\section_start:1:a"),
])  # fmt: skip
def test_an_id_is_no_command_and_holds_no_key(id_: str, shown: str | None) -> None:
    @probe(dimension="privacy", rows=[Row({"n": 1}, id=id_)])
    def asks(n: int) -> Steps[Verdict]:
        """It asks."""
        yield from ask(Generate("x"))
        return Verdict(True)

    [case] = asks.cases(load_policy("full").profile)
    assert case.id == shown or (shown is None and re.fullmatch("[0-9a-f]{6}", case.id))


FATAL = {
    "run": "class M(F):\n    def run(self, requests):\n        raise BackendError(PAYLOAD)\n",
    "an exception of run": "class M(F):\n    def run(self, requests):\n        raise OSError(PAYLOAD) from ValueError(PAYLOAD)\n",
    "describe": "class M(F):\n    def describe(self):\n        raise BackendError(PAYLOAD)\n",
    "an exception of describe": "class M(F):\n    def describe(self):\n        raise KeyError(PAYLOAD)\n",
    "fingerprint": "class M(F):\n    @property\n    def fingerprint(self):\n        raise BackendError(PAYLOAD)\n",
    "factory": "def M():\n    raise BackendError(PAYLOAD)\n",
    "an exception of a factory": "def M():\n    raise RuntimeError(PAYLOAD)\n",
    "an exit of a factory": "def M():\n    raise SystemExit(PAYLOAD)\n",
    "backend hook": "M = F\ndef pytest_slm_backend(config):\n    raise LookupError(PAYLOAD)\n",
    "usage error of a hook": "M = F\ndef pytest_slm_backend(config):\n    raise pytest.UsageError(PAYLOAD)\n",
    "scorer hook": "M = F\ndef pytest_slm_scorer(config):\n    raise BackendError(PAYLOAD)\n",
    "probes hook": "M = F\ndef pytest_slm_probes():\n    raise pytest.UsageError(PAYLOAD)\n",
}


@pytest.mark.parametrize("place", FATAL)
def test_what_ends_a_run_is_one_clean_line(pytester: pytest.Pytester, place: str) -> None:
    scorer = "" if "scorer" in place else "def pytest_slm_scorer(config):\n    return WordListScorer()\n"
    pytester.makeconftest(
        "import pytest\nfrom pytest_slmtrust import BackendError\n"
        "from pytest_slmtrust.backends.fake import FakeBackend as F, WordListScorer\n"
        f"PAYLOAD = {PAYLOAD!r}\n{scorer}{FATAL[place]}"
    )
    pytester.makepyfile(
        probe_one="""
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"n": n} for n in range(6)], tolerance=0.6)
def passes(n):
    "It passes."
    yield from ask(Generate(str(n)))
    return Verdict(True)
"""
    )
    result = pytester.runpytest_inprocess("--slm=conftest:M", "--slm-packs=none")
    text = result.stdout.str() + "\n" + result.stderr.str()
    assert result.ret == pytest.ExitCode.USAGE_ERROR, text[-2000:]
    assert faults(text) == []
    assert sum("401 for key [credential]" in one for one in text.splitlines()) >= 1
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text


@pytest.mark.parametrize("arguments", [
    ["render", f"no-{PAYLOAD}"[:200]], ["compare", f"{KEY}\x1b[2J\n::error::x", "b"],
    ["cache", "info", "--store", f"{KEY}\n::error::x"],
    ["prepare", "--model", f"./{KEY}\x1b[2J\n::error::x"], ["render", "a", f"::error::{KEY}\x1b"],
])  # fmt: skip
def test_the_command_says_nothing_raw(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with suppress(SystemExit):
        main(arguments)
    said_ = capsys.readouterr()
    assert faults(said_.out + "\n" + said_.err) == []
