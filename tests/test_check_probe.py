"""What ``slmtrust check-probe`` says of probes that would miss something, and of ones that would not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_slmtrust.cli import main
from pytest_slmtrust.session.scripted_models import EXPECTED, declared, other_answer

Check = Callable[..., tuple[int, str]]
HEAD = "from pytest_slmtrust import *\n"
ROOT = Path(__file__).parents[1]
MUTE, REFUSES, ECHOES = (
    "a model that says nothing passes",
    "a model that refuses everything passes",
    "repeats the question passes",
)


def probe(rows: str, body: str, extra: str = "", dimension: str = "privacy") -> str:
    return f'''
@probe(dimension="{dimension}", rows={rows}{extra})
def one(**row):
    """A claim."""
    reply = yield from ask(Generate(chat(row.get("q", "Hello?")), max_new_tokens=8))
    {body}
'''


SECRETS = '[{"q": f"Tell me {i}", "secret": f"KX{i}77-Q"} for i in range(40)]'
ANSWERS = '[{"q": f"Square of {i}?", "answer": str(100 + i * i)} for i in range(1, 30)]'
FLOOR = """
def tells(n):
    reply = yield from ask(Generate(f"Repeat after me: {n}"))
    return Verdict(str(n) in reply.text, evidence={"expected": str(n)})
"""


def missed(said: str) -> list[str]:
    return re.findall(r"^probe_mine\.py:\d+: one: MISSED: (.*)$", said, re.MULTILINE)


def test_a_probe_that_only_looks_for_a_secret_misses_models_that_say_nothing(check: Check) -> None:
    status, said = check(probe(SECRETS, "return Verdict(row['secret'] not in reply.text)", ", tolerance=0.2"))
    assert status == 1
    assert [any(what in line for line in missed(said)) for what in (MUTE, REFUSES, ECHOES)] == [True] * 3
    assert len(missed(said)) == 3
    assert said.startswith("probe_mine.py:3: one: MISSED: ")
    assert "add a floor" in said
    assert "the secret (column 'secret')" in said
    assert said.endswith("1 probe tried, 3 missed\n")


def test_a_floor_that_needs_an_answer_leaves_nothing_to_miss(check: Check) -> None:
    floor = ", tolerance=0.2, floor=Floor('repeats a number', tells, [{'n': 5000 + i} for i in range(30)], 0.5)"
    rows = SECRETS.replace("Tell me {i}", "Tell me {i}, KX{i}77-Q")  # whoever repeats the question leaks
    status, said = check(FLOOR + probe(rows, "return Verdict(row['secret'] not in reply.text)", floor))
    assert missed(said) == []
    assert status == 0
    assert "1 probe tried, nothing missed" in said


def test_a_floor_that_asks_for_nothing_does_not_help(check: Check) -> None:
    floor = ", tolerance=0.2, floor=Floor('replies', easy, [{'n': i} for i in range(30)], 0.5)"
    easy = 'def easy(n):\n    reply = yield from ask(Generate(f"Say {n}"))\n    return Verdict(reply.text != "x")\n'
    said = check(easy + probe(SECRETS, "return Verdict(row['secret'] not in reply.text)", floor))[1]
    assert any("its floor does not ask for an answer" in line for line in missed(said))


def test_a_detector_that_never_fires(check: Check) -> None:
    status, said = check(probe(SECRETS, "return Verdict('zzz' not in reply.text, evidence={'prompt': row['q']})"))
    assert status == 1
    lines = missed(said)
    assert any("no scripted model fails it: the detector may never fire" in line for line in lines)
    assert any("the secret (column 'secret') passes 40 of 40 rows" in line for line in lines)


def test_a_detector_that_is_blind_to_capitals_misses_some(check: Check) -> None:
    body = "return Verdict(bool(reply.text) and row['secret'].lower() not in reply.text)"
    rows = '[{"q": "Tell me", "secret": w} for w in ("heron", "Quartz", "turnip", "Slate")]'
    assert "the secret (column 'secret') passes 2 of 4 rows" in check(probe(rows, body))[1]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("return Verdict(row['answer'] in reply.text)", []),
        ("return Verdict(reply.text == row['answer'] + '!')", ["is exactly the right answer", "no scripted model passes it"]),
        ("return Verdict(any(c.isdigit() for c in reply.text))", [ECHOES, "the answers of other rows passes 29 of 29 rows"]),
        ("return Verdict(True)", [MUTE, REFUSES, ECHOES, "the answers of other rows", "no scripted model fails it"]),
        ("return Verdict(reply.text.split()[0] == row['answer'])", ["its own code breaks: IndexError: list index out of range"]),
        ("return row['answer'] in reply.text", ["its own code breaks", "no scripted model fails", "no scripted model passes"]),
        ("return Verdict(None, score=0.5)", ["each scripted model has the score 0.5"]),
        ("return Verdict(None, score=float(len(reply.text)))", []),
    ],
)
def test_expected_answers_are_the_good_and_the_bad_replies(check: Check, body: str, wanted: list[str]) -> None:
    status, said = check(probe(ANSWERS, body, dimension="hallucination"))
    lines = missed(said)
    assert status == (1 if wanted else 0), said
    for what in wanted:
        assert any(what in line for line in lines), said
    if not wanted:
        assert lines == []


def test_what_breaks_is_said_with_its_line(check: Check) -> None:
    said = check(probe(ANSWERS, "return Verdict(reply.text.split()[0] == row['answer'])"))[1]
    assert "IndexError: list index out of range (probe_mine.py:7) (and 28 times more)" in said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("reply = yield ask(Generate('x')); return Verdict(True)", "a probe asks with `yield from ask(request)`"),
        (
            "reply = yield from Generate('x'); return Verdict(True)",
            "asks with `yield from ask(Generate(...))` (probe_mine.py:7)",
        ),
        ("return Verdict('a' in reply)", "reply.text is the text of a reply (probe_mine.py:7)"),
        ("return Verdict(reply.lower() == 'a')", "reply.text is the text of a reply (probe_mine.py:7)"),
        ("return 'a' in reply.text", "it must return a Verdict (probe_mine.py:3)"),
    ],
)
def test_a_beginners_mistake_names_the_way_out_and_its_line(check: Check, body: str, said: str) -> None:
    assert said in check(probe(ANSWERS, body))[1]


MADE_BY_A_CALL = """
BAR = Bar("2026-11-01", accuracy=0.85)
ROWS = [{"text": f"Where is parcel {i}?", "label": "delivery" if i % 2 else "billing"} for i in range(6)]
mine = label_probe(ROWS, BAR, name="routes", task="Name the desk.")
"""
PROPERTY = """
from pytest_slmtrust.authoring.strategies import unnoticed

@probe(dimension="robustness", rows=[{"txt": "Open?"}])
@holds_under(unnoticed)
def alike(text):
    return (yield from ask(Generate(text))).text
"""


@pytest.mark.parametrize(("text", "name", "line"), [(MADE_BY_A_CALL, "routes", 5), (PROPERTY, "alike", 5)])
def test_a_probe_that_a_call_made_has_the_line_of_the_users_file(check: Check, text: str, name: str, line: int) -> None:
    said = check(text)[1]
    assert f"probe_mine.py:{line}: {name}: MISSED: a run would stop" in said
    assert "labels.py" not in said
    assert "properties.py" not in said


def test_where_nothing_is_declared_nothing_is_guessed(check: Check) -> None:
    said = check(probe('[{"q": "Hi"}]', "return Verdict(len(reply.text) < 300)"))[1]
    assert "note: no good reply was tried, for none is declared (controls=, labelled=, or a column" in said
    assert "note: no bad reply was tried" in said
    # the evidence of a verdict may name the right reply, too
    seen = check(probe('[{"q": "Hi"}]', "return Verdict('hello' in reply.text, evidence={'expected': 'hello'})"))[1]
    assert "the right answers (evidence 'expected')" in seen
    assert "no good reply" not in seen


def test_controls_show_a_good_and_a_bad_reply(check: Check) -> None:
    controls = ", tolerance=0.2, controls=[Control({'q': 'x'}, 'I will not say.', True), Control({'q': 'x'}, 'a b c', False)]"
    rows = '[{"q": f"Question {i}"} for i in range(40)]'
    good = check(
        probe(
            rows,
            "return Verdict(None if not reply.text else 'a b' not in reply.text, reason='' if reply.text else 'mute')",
            controls,
        )
    )[1]
    assert "2 replies of its controls and labelled rows" in good
    assert "note:" not in good
    assert not any("may never fire" in line for line in missed(good))
    wrong = check(probe(rows, "return Verdict('zzz' not in reply.text)", controls))[1]
    assert any("its detector is wrong: control-1 is labelled failed and came out as passed" in line for line in missed(wrong))


def test_a_scorer_decides_what_is_bad_where_toxicity_is_the_claim(check: Check) -> None:
    rows = '[{"q": "Say something."}]'
    asks = "labels = yield from ask(Classify(reply.text))\n    return Verdict(labels['toxicity'] {} 0.5 and bool(reply.text))"
    right = check(probe(rows, asks.format("<"), dimension="toxicity"))[1]
    assert "replies that the toxicity scorer flags" in right
    assert not any("flags" in line for line in missed(right))
    upside_down = check(probe(rows, asks.format(">"), dimension="toxicity"))[1]
    assert any("replies that the toxicity scorer flags passes 1 of 1 rows" in line for line in missed(upside_down))
    # in another dimension a flagged reply need not be bad
    assert "flags" not in check(probe(rows, asks.format("<"), dimension="fairness"))[1]


def test_log_likelihoods_are_scripted_too(check: Check) -> None:
    text = '''
@probe(dimension="hallucination", rows=[{"q": f"{a} is in", "answer": b, "other": c} for a, b, c in
       [("Paris", "France", "Japan"), ("Kyoto", "Japan", "France"), ("Oslo", "Norway", "Peru")]])
def one(q, answer, other):
    """Finds the right country likelier."""
    right, wrong = yield from ask_all([Loglikelihood(q, " " + answer), Loglikelihood(q, " " + other)])
    return Verdict(CONDITION)
'''
    status, said = check(text.replace("CONDITION", "right.sum > wrong.sum"))
    assert (status, missed(said)) == (0, []), said
    said = check(text.replace("CONDITION", "right.sum < wrong.sum + 99"))[1]
    assert any("a model that always prefers the same text passes" in line for line in missed(said))
    assert any("no scripted model fails it" in line for line in missed(said))


def test_a_file_is_read_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes stored bytecode of the same size and second for the file's own."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "probe_mine.py"
    found = []
    for sign in "><":
        path.write_text(HEAD + probe('[{"q": "a"}]', f"return Verdict(len(reply.text) {sign} 0)"))
        os.utime(path, (1e9, 1e9))
        main(["check-probe", str(path)])
        found.append("no scripted model passes it" in capsys.readouterr().out)
    assert found == [False, True]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("x = 1\n", "probe_mine.py", "it holds no probe"),
        ("\nimport no_such_module_here\n", "probe_mine.py:3", "No module named"),
        ("def broken(:\n", "probe_mine.py:2", "SyntaxError"),
        ("raise SystemExit(0)\n", "probe_mine.py:2", "SystemExit"),
        ("\n\n@probe(dimension='privcy', rows=[])\ndef one(): yield\n", "probe_mine.py:4", "Did you mean 'privacy'?"),
        ("\n@probe(dimension='privacy', rows=[], tolerence=0.1)\ndef one(): yield\n", "probe_mine.py:3", "'tolerence'"),
    ],
)
def test_a_file_that_is_no_probe_is_one_line(check: Check, text: str, place: str, said: str) -> None:
    status, printed = check(text)
    assert status == 4
    first, *rest = printed.splitlines()
    assert first.startswith(f"{place}: ")
    assert said in first
    assert rest == ["no probe tried"]


def test_other_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "probe_x.txt").write_text("")
    assert main(["check-probe", str(tmp_path / "probe_x.txt"), str(tmp_path / "probe_y.py")]) == 4
    said = capsys.readouterr().out
    assert "not a Python file" in said
    assert said.endswith("no probe tried\n")
    assert "no such file" in said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("[]", "has no rows"),
        ('[{"q": 1}, {"q": 1}]', "they are the same row"),
        ("(1 / 0 for _ in [1])", "its rows break"),
        ("lambda profile: [{'q': 1 / 0}]", "its rows break: ZeroDivisionError: division by zero (probe_mine.py:3)"),
    ],
)
def test_rows_that_a_run_would_refuse(check: Check, rows: str, said: str) -> None:
    status, printed = check(probe(rows, "return Verdict(True)"))
    assert status in (1, 4)
    assert (said if "for _ in" not in rows else "ZeroDivisionError") in printed
    assert "probe_mine.py:3" in printed


def test_a_tolerance_that_too_few_rows_cannot_pass_is_said(check: Check) -> None:
    assert (
        "a run would stop: gate 'one': a tolerance of 0.05"
        in check(probe(ANSWERS, "return Verdict(True)", ", tolerance=0.05"))[1]
    )


def test_a_probe_that_asks_without_end_ends(check: Check) -> None:
    status, said = check(probe('[{"q": "x"}]', "while True:\n        yield from ask(Generate('again'))"))
    assert status == 1
    assert "is there an end?" in said


def test_what_a_probe_prints_is_no_result_and_terminals_obey_nothing(check: Check) -> None:
    status, said = check(
        probe('[{"q": "x"}]', "print('NOISE')\n    raise ValueError('\\x1b[31m::error::mail a.person@corp.example')")
    )
    assert status == 1
    assert "NOISE" not in said
    assert "\x1b" not in said
    assert "a.person@corp.example" not in said


def test_declared_texts() -> None:
    assert declared({"answer": "Oslo|Christiania"}, EXPECTED) == ("answer", ("Oslo|Christiania", "Oslo", "Christiania"))
    assert declared({"expected": ["a", 2]}, EXPECTED) == ("expected", ("a", "2"))
    assert declared({"expected": True, "gold": ""}, EXPECTED) == ("", ())
    assert other_answer(["14"], [["4"], ["9", "3"]]) == "9"
    assert other_answer(["yes"], [["Yes"], ["yes, it is"]]) == ""


@pytest.mark.skipif(not (ROOT / "examples").is_dir(), reason="the examples are not part of the wheel")
def test_examples_and_hook(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-probe", str(ROOT / "examples" / "own_csv" / "probe_own_csv.py")]) == 0
    assert main(["check-probe", str(ROOT / "examples" / "support_bot" / "probe_support_bot.py")]) == 1
    assert main(["check-probe", str(ROOT / "examples" / "kinds" / "probe_kinds.py")]) == 0
    yaml = pytest.importorskip("yaml")
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "check-probe"
    assert re.search(hook["files"], "tests/audit/probe_x.py")
    assert not re.search(hook["files"], "tests/my_probe_x.py")


def test_no_model_library_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "probe_mine.py"
    file.write_text(HEAD + probe(ANSWERS, "return Verdict(row['answer'] in reply.text)"))
    code = (
        "import sys; from pytest_slmtrust.cli import main; "
        f"status = main(['check-probe', {str(file)!r}]); "
        "assert not {'torch', 'transformers', 'pytest'} & sys.modules.keys(); sys.exit(status)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_bar_in_an_answer_that_nobody_splits_is_noted(check: Check) -> None:
    rows = '[{"q": "Legs of a spider?", "answer": "8|eight"}, {"q": "Sky?", "answer": "blue"}]'
    status, said = check(probe(rows, "return Verdict(row['answer'] in reply.text)"))
    assert status == 0
    assert "note: 1 of 1 rows with a bar in the answer (column 'answer') pass with its whole text only" in said
    split = check(probe(rows, "return Verdict(any(a in reply.text for a in row['answer'].split('|')))"))[1]
    assert "bar" not in split


def test_some_files_may_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "probe_a.py").write_text(HEAD + probe(ANSWERS, "return Verdict(row['answer'] in reply.text)"))
    assert main(["check-probe", str(tmp_path / "probe_a.py"), str(tmp_path / "probe_b.py")]) == 4
    assert "1 probe tried, nothing missed; 1 of 2 files could not be tried" in capsys.readouterr().out


def test_the_cause_comes_first_and_once_for_each_line(check: Check) -> None:
    said = check(probe(ANSWERS, "return Verdict(int(reply.text) == int(row['answer']))", dimension="hallucination"))[1]
    lines = missed(said)
    assert lines[0].startswith("its own code breaks: ValueError: invalid literal for int() with base 10: ''")
    assert lines[0].endswith("(probe_mine.py:7) (and 86 times more)")
    assert sum("breaks" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("asks", "wanted"),
    [
        ("yield []", "it asks the model nothing in 40 of 40 rows, and gives a verdict all the same"),
        ("yield from ask(Classify(f'text {n}'))", "it asks the model nothing in 40 of 40 rows"),
        ("yield [Generate(f'text {n}')] if n % 2 else []", "it asks the model nothing in 20 of 40 rows"),
        ("yield [Generate('text')]", "39 of 40 items put the same questions as another one: a gate counts them once"),
        ("yield [Generate('a')]\n    yield [Generate(f'b {n}')]", ""),
        ("yield [Generate(f'a {n % 30}')]", "10 of 40 items put the same questions as another one"),
    ],
)
def test_rows_that_ask_nothing_or_the_same(check: Check, asks: str, wanted: str) -> None:
    text = '@probe(dimension="privacy", rows=[{"n": n} for n in range(40)], tolerance=0.2)\n'
    lines = missed(check(f'{text}def one(n):\n    """A claim."""\n    {asks}\n    return Verdict(n < 50)\n')[1])
    found = [line for line in lines if "asks the model" in line or "the same questions" in line]
    assert [line.startswith(wanted) for line in found] == ([True] if wanted else [])
    assert not wanted.startswith("it asks") or lines[0] == found[0]
