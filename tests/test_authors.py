"""What authors of probes get wrong, and what hostile replies try: one clear failure, in the right place."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from runs import audit

MAKER = "from pytest_slmtrust.backends.fake import FakeBackend\ndef make(): return FakeBackend('no')\n"
Make = Callable[..., pytest.Pytester]
CUSTOM = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
PROBE = """
@probe(dimension="privacy", rows=[{"n": 0}]@EXTRA@)
def @NAME@(n):
    "Holds."
    yield from ask(Generate("x"))
    return Verdict(@VERDICT@)
"""


def body(name: str = "one", extra: str = "", verdict: str = "True") -> str:
    return PROBE.replace("@NAME@", name).replace("@EXTRA@", extra).replace("@VERDICT@", verdict)


def write_probe(project: pytest.Pytester, text: str, name: str = "probe_more") -> None:
    project.makepyfile(**{name: "from pytest_slmtrust import *\n" + text})


def test_two_probes_of_one_name_are_refused(project: Make) -> None:
    made = project()
    write_probe(made, body("one", ", name='same'") + body("two", ", name='same'", "False"))
    result = made.runpytest(*CUSTOM, "probe_more.py")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*two probes of probe_more.py are named 'same'*"])


def test_an_alias_is_the_same_probe(project: Make) -> None:
    made = project()
    write_probe(made, body() + "other = one\n")
    made.runpytest(*CUSTOM, "probe_more.py").assert_outcomes(passed=1)


def test_a_helper_module_may_make_a_probe(project: Make) -> None:
    made = project()
    inner = body(verdict="False").replace("\n", "\n    ")
    made.makepyfile(maker=f"from pytest_slmtrust import *\ndef make():\n{inner}\n    return one\n")
    made.makepyfile(probe_made="from maker import make\nmine = make()\n")
    made.runpytest_subprocess(*CUSTOM, "probe_made.py").assert_outcomes(failed=1)


def test_no_rows_are_a_mistake(project: Make) -> None:
    made = project()
    write_probe(made, body().replace('[{"n": 0}]', "[]"))
    result = made.runpytest(*CUSTOM, "probe_more.py")
    assert result.ret == 2
    result.stdout.fnmatch_lines(["probe_more.py:3: probe 'one' has no rows*"])


def test_a_file_without_a_probe_is_named(project: Make) -> None:
    made = project()
    write_probe(made, "def one(n):\n    'Holds.'\n    yield from ask(Generate('x'))\n")
    result = made.runpytest(*CUSTOM, "-W", "default", "probe_more.py")
    assert result.ret == 5
    result.stdout.fnmatch_lines(["*probe_more.py: it holds no probe; expected a function with @probe(*"])


def test_a_row_with_the_id_of_a_control_takes_nothing_from_it(project: Make) -> None:
    made = project()
    text = """
@probe(dimension="toxicity", rows=[Row({"t": str(i)}, f"control-{i}") for i in range(60)], tolerance=0.1,
       controls=[Control({"t": "c"}, "you idiot", True)])
def polite(t):
    "Polite."
    reply = yield from ask(Generate(t))
    labels = yield from ask(Classify(reply.text))
    return Verdict(labels["toxicity"] < 0.5)
"""
    write_probe(made, text)
    made.runpytest(*CUSTOM, "probe_more.py").assert_outcomes(passed=60, failed=1)
    assert audit(made.path)["gates"][0]["status"] == "INVALID"


@pytest.mark.parametrize("wrong", ["yield Generate('x')", "yield (r for r in ())", "yield ['x']", "yield [Generate(b'x')]"])
def test_a_probe_that_asks_wrongly_is_its_own_failure(project: Make, wrong: str) -> None:
    made = project()
    write_probe(made, body().replace('yield from ask(Generate("x"))', wrong))
    made.runpytest(*CUSTOM).assert_outcomes(passed=5, failed=1)


def test_a_verdict_that_is_no_verdict_is_its_own_failure(project: Make) -> None:
    made = project()
    write_probe(made, body(verdict="passed='no'"))
    made.runpytest(*CUSTOM).assert_outcomes(passed=5, failed=1)


def test_what_was_required_and_did_not_run_is_red(project: Make) -> None:
    made = project()
    result = made.runpytest(*CUSTOM, "--slm-require=fairness")
    assert result.ret == 1
    assert any(n.startswith("REQUIRED AND NOT TESTED: fairness") for n in audit(made.path)["notes"])


def test_a_gate_that_cannot_be_tested_keeps_its_name(project: Make) -> None:
    made = project()
    text = body(extra=", tolerance=0.1, extras=['no_such_module']")
    write_probe(made, text.replace('[{"n": 0}]', '[{"n": i} for i in range(60)]'))
    result = made.runpytest(*CUSTOM, "probe_more.py", "-rs")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no_such_module is not installed*", "*--slm-optional=one*"])
    assert audit(made.path)["gates"][0]["nodeid"] == "probe_more.py::gate[one]"


def test_a_reply_begins_no_line_and_rules_no_terminal(project: Make) -> None:
    made = project("return 'you idiot \\n::error::pwned\\n\\x1b]0;title\\x07'")
    result = made.runpytest(*CUSTOM, "-v", "-rA")
    assert "::error::pwned" in result.stdout.str()
    assert not [line for line in result.outlines if line.startswith("::error::")]
    assert "\x1b]0;" not in result.stdout.str()


def test_personal_data_in_a_traceback_is_masked(project: Make) -> None:
    made = project("return 'jane.roe@corp-mail.org'")
    write_probe(
        made,
        body().replace('yield from ask(Generate("x"))', 'reply = yield from ask(Generate("x"))\n    assert reply.text == ""'),
    )
    result = made.runpytest(*CUSTOM, "probe_more.py", "-vv", "--showlocals")
    result.assert_outcomes(failed=1)
    assert "jane.roe@" not in result.stdout.str()


def test_a_resumed_run_judges_as_the_first_one(project: Make) -> None:
    made = project()
    made.makeconftest("""
        from pytest_slmtrust import Completion
        from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

        class Breaks(FakeBackend):
            def run(self, requests):
                for i, r in enumerate(requests):
                    if "complaint 0" not in r.prompt:
                        raise RuntimeError("broken")
                    yield i, Completion("fine")

        def pytest_slm_backend(config):
            return Breaks()

        def pytest_slm_scorer(config):
            return WordListScorer()
    """)
    for _ in range(2):
        made.runpytest(*CUSTOM).assert_outcomes(passed=1, failed=4)


def test_a_mistake_under_workers_is_one_message(project: Make) -> None:
    result = project(n=60, extra=", tolerance=0.1").runpytest(*CUSTOM, "-n2", "--slm-gate=nope=0.1")
    assert result.ret != 0
    assert "Unknown gate 'nope'" in result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str()


HOOK = "def pytest_slm_probes(): {}"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(0)", "the pack raises SystemExit: 0"),
        ("import pytest; pytest.exit('bye', 0)", "the pack raises Exit"),
        ("raise RuntimeError('boom\\x1b[2J\\n::error::x')", "the pack raises RuntimeError: boom"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "the pack raises Odd: odd"),
        ("import pytest; pytest.skip('no', allow_module_level=True)", "the pack skips itself (no)"),
        ("import nothing_like_it", "nothing_like_it"),
        ("x = (", "SyntaxError"),
        (HOOK.format("raise SystemExit(0)"), "pytest_slm_probes: the pack raises SystemExit: 0"),
        (HOOK.format("return 5"), "pytest_slm_probes: the pack raises TypeError"),
        (HOOK.format("return [1]"), "a pack brings int; expected probes"),
    ],
)
def test_a_pack_that_breaks_is_one_line_and_no_audit(pytester: pytest.Pytester, code: str, said: str) -> None:
    pytester.makepyfile(maker=MAKER, broken_pack=code)
    done = pytester.runpytest_inprocess("--slm=maker:make", "--slm-packs=broken_pack", "-p", "no:randomly", syspathinsert=True)
    text = done.stdout.str() + done.stderr.str()
    assert done.ret == 4, text
    assert said in text
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert "\x1b[2J" not in text
    assert not re.search("^::error", text, re.MULTILINE)
    assert audit(pytester.path)["verdict"] == "INCOMPLETE"
