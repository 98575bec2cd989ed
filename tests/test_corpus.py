"""The corpus: written once, read again, damaged files are left out; replayed first in the next run, and not hidden from git."""

from __future__ import annotations

import json
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drive import drive
from runs import audit

from pytest_slmtrust import Generate, Profile, Steps, Verdict, ask, holds_under, probe
from pytest_slmtrust.authoring.strategies import unnoticed
from pytest_slmtrust.session.corpus import Corpus, CorpusWarning

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


def test_a_counterexample_is_kept_and_tried_again(tmp_path: Path) -> None:
    corpus, (case, verdict) = Corpus(tmp_path), broken()
    corpus.keep(case, verdict)
    [path] = (tmp_path / "stays").glob("*")
    entry = json.loads(path.read_text())
    assert entry["params"] == {"text": TEXT}
    assert entry["perturbed"] == verdict.evidence["perturbed"]
    assert entry["probe"] == "stays"
    before = path.stat().st_mtime_ns
    corpus.keep(case, verdict)
    assert [p.stat().st_mtime_ns for p in (tmp_path / "stays").iterdir()] == [before]
    again = corpus.attach(stays)
    assert [c.id for c in again.cases(CI)] == [c.id for c in stays.cases(CI)]
    found = drive(again.cases(CI)[0], bad)
    assert found.evidence["found"] == "kept by an earlier run"
    assert found.evidence["kept by earlier runs"] == "1 of 1 still break"
    assert "kept by earlier runs" not in drive(again.cases(CI)[1], bad).evidence


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
        "[" * 100_000,
    ],
)
def test_a_file_that_is_none_is_left_out_with_a_warning(tmp_path: Path, text: str) -> None:
    corpus, (case, verdict) = Corpus(tmp_path), broken()
    corpus.keep(case, verdict)
    (tmp_path / "stays" / "0.json").write_text(text)
    (tmp_path / "stays" / "1.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "stays" / "2.json").mkdir()
    with pytest.warns(CorpusWarning, match="is no counterexample"):
        kept = corpus.read("stays")
    assert list(kept.values()) == [(verdict.evidence["perturbed"],)]


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
    assert json.loads(kept.read_text())["perturbed"] == first["perturbed"]

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
