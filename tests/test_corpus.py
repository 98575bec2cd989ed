"""The corpus: written once, read again, damaged files are left out; replayed first in the next run, and not hidden from git."""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drive import drive
from runs import audit

from pytest_slmtrust import Generate, Profile, Steps, Verdict, ask, holds_under, probe
from pytest_slmtrust.authoring.strategies import unnoticed
from pytest_slmtrust.session.corpus import Corpus, CorpusWarning
from pytest_slmtrust.session.corpus import edited as edited_text
from pytest_slmtrust.session.corpus import pieces as corpus_pieces

CI = Profile("ci", 60, 180, 5, 0.10, 0.05, True)
TEXT = "The food was wonderful and the waiter was very kind."


@probe(dimension="robustness", rows=[{"text": TEXT}, {"text": "The soup was cold and the waiter was very rude."}])
@holds_under(unnoticed)
def stays(text: str) -> Steps[str]:
    """The answer stays."""
    return (yield from ask(Generate(text))).text


def bad(request: Any) -> str:
    return "yes" if "waiter" in request.prompt else "no"


def broken() -> tuple[Any, Verdict]:
    case = stays.cases(CI)[0]
    return case, drive(case, bad)


def edited(text: str, pieces: Sequence[Sequence[Any]]) -> str:
    """The text with an edit of the corpus, last piece first."""
    for start, left_out, put_in in reversed(pieces):
        text = text[:start] + put_in + text[start + left_out :]
    return text


def test_a_counterexample_is_kept_and_tried_again(tmp_path: Path) -> None:
    corpus, (case, verdict) = Corpus(tmp_path), broken()
    corpus.keep(case, verdict)
    [path] = (tmp_path / "stays").glob("*")
    entry = json.loads(path.read_text())
    assert (entry["form"], entry["probe"], entry["case"]) == (2, "stays", case.id)
    assert edited(TEXT, entry["edit"]) == verdict.evidence["perturbed"]
    before = path.stat().st_mtime_ns
    corpus.keep(case, verdict)
    assert [p.stat().st_mtime_ns for p in (tmp_path / "stays").iterdir()] == [before]
    again = corpus.attach(stays)
    assert [c.id for c in again.cases(CI)] == [c.id for c in stays.cases(CI)]
    found = drive(again.cases(CI)[0], bad)
    assert found.evidence["found"] == "kept by an earlier run"
    assert found.evidence["kept by earlier runs"] == "1 of 1 still break"
    assert "kept by earlier runs" not in drive(again.cases(CI)[1], bad).evidence


PRIVATE = ["jane.quarrendon@harbour-mail.org", "+44 20 7946 0958", "gh" + "p_" + "aB3dE6gH9" * 4, "password=hunter2"]


@pytest.mark.parametrize("private", PRIVATE)
def test_a_file_holds_no_text_no_answer_and_no_private_data(tmp_path: Path, private: str) -> None:
    text = f"The waiter wrote {private} on the bill."

    @probe(dimension="robustness", rows=[{"text": text}])
    @holds_under(unnoticed)
    def noted(text: str) -> Steps[str]:
        """The answer stays."""
        return (yield from ask(Generate(text))).text

    def says(request: Any) -> str:
        return f"Ask {private}" if "waiter" in request.prompt else f"He is Bob Farrow, {private}"

    case = noted.cases(CI)[0]
    verdict = drive(case, says)
    assert verdict.passed is False
    corpus = Corpus(tmp_path)
    corpus.keep(case, verdict)
    [path] = (tmp_path / "noted").iterdir()
    kept = path.read_text()
    words = {*re.findall(r"[\w.@=+-]{3,}", f"{text} {verdict.evidence['answer']} {verdict.evidence['answer when perturbed']}")}
    assert [word for word in words if word in kept] == []
    again = corpus.attach(noted).cases(CI)[0]
    assert drive(again, says).evidence["found"] == "kept by an earlier run"


@pytest.mark.parametrize("put_in", PRIVATE)
def test_an_edit_that_brings_private_data_is_not_kept(tmp_path: Path, put_in: str) -> None:
    case, verdict = broken()
    brings = replace(verdict, evidence={**verdict.evidence, "perturbed": f"{TEXT} {put_in}"})
    with pytest.warns(CorpusWarning, match="puts in personal data or a credential") as caught:
        Corpus(tmp_path).keep(case, brings)
    assert put_in not in str(caught[0].message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("original", "perturbed"),
    [
        ("", "x"), ("x", ""), ("abc", "abc"), ("a b c", "c b a"), ("The food was good.", "The  fo0d wasgood!"),
        ("猫が好き", "猫は 好き"),
        ("one two three", "three one two two"), ("a" * 50, "a" * 49 + "b"), ("line\none", "line one\n"),
    ],
)  # fmt: skip
def test_any_edit_can_be_made_again(original: str, perturbed: str) -> None:
    pieces = corpus_pieces(original, perturbed)
    assert edited_text(original, pieces) == perturbed == edited(original, pieces)


@pytest.mark.parametrize("pieces", [[(40, 1, "x")], [(3, 1, "a"), (1, 1, "b")], [(-1, 1, "x")], [(0, -1, "x")], [(2, 9, "")]])
def test_an_edit_of_another_text_is_left_out(pieces: list[tuple[int, int, str]]) -> None:
    assert edited_text("short", pieces) is None


def test_a_file_of_the_first_form_is_read_and_replaced(tmp_path: Path) -> None:
    """It held the texts and the answers as they were."""
    corpus, (case, verdict) = Corpus(tmp_path), broken()
    corpus.keep(case, verdict)
    [path] = (tmp_path / "stays").iterdir()
    shown = {key: verdict.evidence[key] for key in ("original", "perturbed", "answer")}
    path.write_text(json.dumps({"probe": "stays", "params": dict(case.params), **shown}))
    with pytest.warns(CorpusWarning, match="is of an older form"):
        again = corpus.attach(stays)
    found = drive(again.cases(CI)[0], bad)
    assert found.evidence["found"] == "kept by an earlier run"
    corpus.keep(case, found)
    assert "waiter" not in path.read_text()
    assert json.loads(path.read_text())["form"] == 2


def test_only_failures_of_properties_are_kept(tmp_path: Path) -> None:
    @probe(dimension="robustness", rows=[{"text": TEXT}])
    def plain(text: str) -> Steps[Verdict]:
        """No property."""
        yield from ask(Generate(text))
        return Verdict(False)

    corpus = Corpus(tmp_path)
    assert corpus.attach(plain) is plain
    assert corpus.attach(stays) is stays
    corpus.keep(plain.cases(CI)[0], Verdict(False))
    case, verdict = broken()
    corpus.keep(case, Verdict(True))
    corpus.keep(case, Verdict.unscored("x"))
    assert list(tmp_path.iterdir()) == []
    del verdict


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"params": {}}',
        '{"params": [], "perturbed": "x"}',
        '{"params": {}, "perturbed": 3}',
        '{"params_sha256": 1, "edit": []}',
        '{"params_sha256": "x", "edit": {}}',
        '{"params_sha256": "x", "edit": [[1, 2]]}',
        '{"params_sha256": "x", "edit": [[true, 2, "a"]]}',
        '{"params_sha256": "x", "edit": [[1, 2, 3]]}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_none_is_left_out_with_a_warning(tmp_path: Path, text: str) -> None:
    corpus, (case, verdict) = Corpus(tmp_path), broken()
    corpus.keep(case, verdict)
    (tmp_path / "stays" / "0.json").write_text(text)
    (tmp_path / "stays" / "1.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "stays" / "2.json").mkdir()
    with pytest.warns(CorpusWarning, match="is not a counterexample"):
        kept = corpus.read("stays")
    [[pieces]] = kept.values()
    assert edited(TEXT, pieces) == verdict.evidence["perturbed"]


def test_a_folder_that_cannot_be_written_costs_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "stays").write_text("a file in the way")
    with pytest.warns(CorpusWarning, match="could not be kept"):
        Corpus(tmp_path).keep(*broken())


def test_nothing_there_is_nothing_kept(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Corpus(tmp_path / "nowhere").read("stays") == {}


PROBE = '''
from pytest_slmtrust import Generate, ask, holds_under, probe
from pytest_slmtrust.authoring.strategies import unnoticed

@probe(dimension="robustness", rows=[{"text": "The food was wonderful and the waiter was very kind."}])
@holds_under(unnoticed)
def stays_the_same(text: str):
    """An edit that a reader does not notice leaves the answer as it was."""
    reply = yield from ask(Generate(text))
    return reply.text
'''
GOOD = "return 'yes'"
BAD = "return 'yes' if 'waiter' in request.prompt else 'no'"


def finding(folder: Path) -> dict[str, Any]:
    [found] = audit(folder)["findings"]
    evidence: dict[str, Any] = found["evidence"]
    return {"outcome": found["outcome"], **evidence}


def test_a_run_keeps_what_it_found_and_the_next_one_tries_it(project: Callable[..., pytest.Pytester]) -> None:
    folder = project(BAD)
    (folder.path / "probe_support.py").write_text(PROBE)
    options = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
    folder.runpytest(*options).assert_outcomes(failed=1)
    first = finding(folder.path)
    assert (first["outcome"], first["found"]) == ("failed", "drawn in this run")
    [kept] = (folder.path / ".slmtrust" / "corpus" / "stays_the_same").glob("*.json")
    page = (folder.path / "slmtrust-report" / "audit.html").read_text()
    assert "original against perturbed" in page
    assert "<del>waiter</del>" in page
    assert first["difference"].startswith("'waiter' -> ")
    assert edited(first["original"], json.loads(kept.read_text())["edit"]) == first["perturbed"]

    # fewer edits than it takes to find it anew: what was kept finds it
    (folder.path / "probe_support.py").write_text(
        PROBE.replace("(unnoticed)", "(lambda text: unnoticed(text, ['space']), tries=1)")
    )
    folder.runpytest(*options).assert_outcomes(failed=1)
    again = finding(folder.path)
    assert (again["found"], again["kept by earlier runs"]) == ("kept by an earlier run", "1 of 1 still break")
    assert again["perturbed"] == first["perturbed"]

    folder.makeconftest((folder.path / "conftest.py").read_text().replace(BAD, GOOD))
    folder.runpytest(*options, "--slm-store=.slmtrust").assert_outcomes(failed=1)  # the store answers for the old model
    (folder.path / ".slmtrust" / "store.sqlite").unlink()
    folder.runpytest(*options).assert_outcomes(passed=1)
    assert finding(folder.path)["kept by earlier runs"] == "0 of 1 still break"


def test_git_sees_the_corpus_and_not_the_store(project: Callable[..., pytest.Pytester]) -> None:
    folder = project(BAD)
    (folder.path / "probe_support.py").write_text(PROBE)
    folder.runpytest("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
    subprocess.run(["git", "init", "-q"], cwd=folder.path, check=True)
    listed = subprocess.run(
        ["git", "status", "--porcelain", "-uall", ".slmtrust"], cwd=folder.path, capture_output=True, text=True, check=True
    ).stdout
    assert "corpus/stays_the_same/" in listed
    assert "store.sqlite" not in listed


def test_a_comparison_leaves_the_corpus_out(project: Callable[..., pytest.Pytester]) -> None:
    folder = project(BAD)
    (folder.path / "probe_support.py").write_text(PROBE)
    options = ("--slm=fake", "--slm-packs=none", "-p", "no:randomly")
    folder.runpytest(*options)
    (folder.path / "slmtrust-report" / "audit.json").rename(folder.path / "before.json")
    folder.runpytest(*options, "--slm-baseline=before.json")
    assert "kept by earlier runs" not in finding(folder.path)
