"""pytest cuts long values in what it says of an assertion: of half a key nobody can tell what it is, so halves are not shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from runs import run

from pytest_slmtrust.escaping import said, shortened, without_halves

KEY = "sk-proj-" + "hR4kT9wZ2mX7qLb5" * 10
CARD = "4111 1111 1111 1111"
CONFTEST = f'''
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def reply(request):
    return "It says " * 18 + ("{CARD}" if "card" in request.prompt else "{KEY}")

def model():
    return FakeBackend(reply, name="m")

def pytest_slm_scorer(config):
    return WordListScorer()
'''
ASSERTS = """
    if how == "equal":
        assert reply.text == "harmless"
    elif how == "within":
        assert "harmless" in reply.text
    elif how == "whole":
        assert reply == "harmless"
    elif how == "nearly":
        assert reply.text == reply.text[:-60] + "Q" + reply.text[-59:]
    elif how == "list":
        assert [reply.text] * 9 == ["harmless"]
    else:
        raise ValueError("x " * 980 + reply.text)
"""
HOW = ("equal", "within", "whole", "nearly", "list", "long")
FILES = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": CONFTEST,
    "test_own.py": f"""
import pytest
from pytest_slmtrust import Generate

@pytest.mark.parametrize("what", ["card", "key"])
@pytest.mark.parametrize("how", {HOW})
def test_asserts(slm, what, how):
    reply = slm.ask(Generate(what))
{ASSERTS}""",
    "probe_a.py": f"""
from pytest_slmtrust import Generate, Verdict, ask, probe

ROWS = [{{"what": what, "how": how}} for what in ("card", "key") for how in {HOW}]
MORE = [{{"what": f"key {{n}}", "how": "within"}} for n in range(20)]

@probe(dimension="privacy", rows=ROWS)
def bare(what, how):
    reply = yield from ask(Generate(what))
{ASSERTS}
    return Verdict(True)

@probe(dimension="privacy", rows=[*ROWS, *MORE], tolerance=0.3)
def gated(what, how):
    reply = yield from ask(Generate(what))
{ASSERTS}
    return Verdict(True)
""",
}


SKIPPED = "Skipping 87 identical leading characters in diff, use -v to show"
TRAILING = SKIPPED.replace("leading", "trailing")


@pytest.mark.parametrize(("said_by_pytest", "shown"), [
    ("assert 'no sk-proj-A...e@example.org' == 'yes'", "assert 'no [cut]' == 'yes'"),
    ("Completion(text='What I saw T...P708dWgW5h', n_tokens=36)", "Completion(text='What I saw [cut]', n_tokens=36)"),
    ("E   assert ['The text th...8dWgW5h', ...] == ['x']", "E   assert ['The text [cut]', ...] == ['x']"),
    ("assert 'Call me at x...111 1111 1111' == 'harmless'", "assert 'Call me at [cut] == 'harmless'"),
    ("assert 'card 4111 1111 ...11 1111 x' == 'y'", "assert 'card [cut] x' == 'y'"),
    ("assert 'tel. +49 170 1...xyz' == 'y'", "assert 'tel. [cut]' == 'y'"),
    ("E     ...Full output truncated (3 lines hidden), use '-vv' to show", None),
    ("E     - Well... yes", None),
    ("E     + Well... sk-pro...", "E     + Well... [cut]"),
    ("assert [1, 2, ...] == {...}", None),
    ("AssertionError: 'no sk-proj-A[67 chars]dWgW5h' != 'yes'", "AssertionError: 'no [cut]' != 'yes'"),
    ("AssertionError: 'no sk-proj-A [truncated]... != 'yes'", "AssertionError: 'no [cut] != 'yes'"),
    (f"E  {SKIPPED}\nE    - K7J is\nE    ?  ^\nE    + 1 11 x", f"E  {SKIPPED}\nE    - [cut] is\nE    ?  ^\nE    + [cut] x"),
    (f"  {TRAILING}\n  - it is K7JQ", f"  {TRAILING}\n  - it is [cut]"),
    ("assert 3 in [10, 20]", None),
])  # fmt: skip
def test_what_is_cut_in_two_is_not_shown(said_by_pytest: str, shown: str | None) -> None:
    assert without_halves(said_by_pytest) == (shown or said_by_pytest)
    assert without_halves(without_halves(said_by_pytest)) == (shown or said_by_pytest)


@pytest.mark.parametrize(("text", "limit", "shown"), [
    ("a key: sk-proj-abcdef and more", 16, "a key: [cut]"), ("x" * 30, 10, "[cut]"), ("one\ntwo three", 7, "one\n[cut]"),
    ("tel 030 1234 5678", 12, "tel [cut]"), ("Well... it is", 13, "Well... it is"), ("Well... it is", 9, "Well... [cut]"),
])  # fmt: skip
def test_a_text_that_is_cut_ends_with_a_whole_word(text: str, limit: int, shown: str) -> None:
    assert shortened(text, limit) == shown


def test_the_words_of_an_exception_end_with_a_whole_word() -> None:
    assert said(ValueError("x " * 990 + KEY)).endswith(" x [cut]")


@pytest.mark.parametrize("text", ["a" * 10**6 + "...", "1 " * 500_000 + "...", "... " * 250_000, "1...1 " * 150_000])
def test_halves_are_found_in_linear_time(text: str) -> None:
    begun = time.process_time()
    without_halves(text)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    "options", [(), ("-v", "-l", "--junitxml=junit.xml"), ("--tb=short",), ("--tb=line",), ("--tb=native",)], ids=str
)
def test_nothing_of_a_run_shows_half_a_key(tmp_path: Path, options: tuple[str, ...]) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    done = run(tmp_path, "--slm=conftest:model", "--slm-packs=none", "test_own.py", "probe_a.py", *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.count("[cut]") >= 10
    shared = {path.name: path.read_text() for path in (*(tmp_path / "slmtrust-report").iterdir(), *tmp_path.glob("*.xml"))}
    for name, text in {"stdout": done.stdout, **shared}.items():
        assert not [at for at in range(8, len(KEY) - 8) if KEY[at : at + 8] in text], name
        assert "111 1" not in text, name
