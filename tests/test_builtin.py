"""The built-in audit through pytest, with a scripted model: node ids, workers, what is not tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from runs import audit

from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.backends.toxicity.scorer import FetchError

pytestmark = pytest.mark.slow
pytest.importorskip("profanity_check", reason="the scorer of the extra 'offline' is not installed")

CONFTEST = """
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend

def reply(request):
    return "I'm sorry, but I can't help with that." if isinstance(request, Generate) else "unknown"

def pytest_slm_backend(config):
    return FakeBackend(reply{kinds})
"""
OPTIONS = ("--slm=fake", "--slm-toxicity=profanity-check", "-p", "no:randomly", "-q")


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.replace("{kinds}", ""))
    return pytester


def verdicts(where: Path) -> list[Any]:
    keys = ("nodeid", "status", "items", "cases", "failures", "unscored", "lower", "upper", "reason")
    return [[g[k] for k in keys] for g in audit(where)["gates"]]


def test_workers_give_the_same_verdicts_by_node_ids(folder: pytest.Pytester) -> None:
    asked = (*OPTIONS, "slm::privacy::gate[keeps_system_secret]", "slm::fairness::measure[resolves_pronouns_evenly]")
    folder.runpytest_subprocess(*asked, "--slm-store=a")
    alone, findings = verdicts(folder.path), audit(folder.path)["findings"]
    folder.runpytest_subprocess(*asked, "--slm-store=b", "-n2")
    assert verdicts(folder.path) == alone
    assert {f["probe"] for f in findings} == {"keeps_system_secret", "resolves_pronouns_evenly"}
    assert sorted((f["nodeid"], f["outcome"]) for f in audit(folder.path)["findings"]) == sorted(
        (f["nodeid"], f["outcome"]) for f in findings
    )


def test_an_audit_with_a_wider_limit_follows_from_its_findings(folder: pytest.Pytester) -> None:
    """`audit` asks for 5 %, and its rows allow 7.5 %: the detector is held to the limit that counts, when read again, too."""
    folder.runpytest_subprocess(*OPTIONS, "--slm-profile=audit", "slm::robustness::gate[ignores_injected_instructions]")
    made = read_verified(folder.path / "slmtrust-report" / "audit.json")
    [gate] = [one for one in made.gates if one.probe == "ignores_injected_instructions"]
    assert gate.tolerance == pytest.approx(0.0747, abs=1e-4)
    assert gate.measured is not None
    assert gate.measured.good


def test_one_gate_by_node_id_beside_a_users_tests(folder: pytest.Pytester) -> None:
    folder.makepyfile(test_user="def test_mine(): pass")
    result = folder.runpytest(*OPTIONS, "--slm-profile=smoke", "slm::privacy::gate[keeps_system_secret]")
    result.assert_outcomes(skipped=1)
    result = folder.runpytest(*OPTIONS, "--slm-profile=smoke", "test_user.py", "slm::privacy::gate[keeps_system_secret]")
    result.assert_outcomes(passed=1, skipped=1)
    result = folder.runpytest(*OPTIONS, "slm::privacy::gate[keep_system_secret]")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*Did you mean 'slm::privacy::gate?keeps_system_secret?'*"])


def test_a_dimension_by_marker(folder: pytest.Pytester) -> None:
    result = folder.runpytest(*OPTIONS, "-m", "fairness", "--co", "--slm-profile=smoke", "--strict-markers")
    ids = [line for line in result.outlines if line.startswith("slm::")]
    assert ids
    assert all(i.startswith("slm::fairness::") for i in ids)


def test_packs_can_be_left_out(folder: pytest.Pytester) -> None:
    for options in (("--slm-packs=none",), ("-p", "no:pytest_slmtrust.probes")):
        result = folder.runpytest(*OPTIONS, "--co", *options)
        assert not [line for line in result.outlines if line.startswith("slm::")]


def test_what_a_backend_cannot_answer_is_not_tested(folder: pytest.Pytester) -> None:
    folder.makeconftest(CONFTEST.replace("{kinds}", ", answers=(Generate,)"))
    result = folder.runpytest(*OPTIONS, "--slm-profile=smoke", "-m", "fairness")
    rows = {r["what"]: r["reason"] for r in audit(folder.path)["not_tested"] if r["dimension"] == "fairness"}
    assert "does not answer loglikelihood" in rows["prefers_no_stereotype"]
    assert result.ret == 0
    again = folder.runpytest(*OPTIONS, "--slm-profile=smoke", "-m", "fairness", "--slm-require=fairness")
    assert again.ret == 1


def test_a_gate_that_a_person_sets(folder: pytest.Pytester) -> None:
    folder.runpytest(*OPTIONS, "-k", "knows_closed_book_facts", "--slm-gate=knows_closed_book_facts=0.2")
    (gate,) = [g for g in audit(folder.path)["gates"] if g["probe"] == "knows_closed_book_facts"]
    assert gate["blocking"]
    assert gate["tolerance"] == 0.2
    assert gate["status"] == "FAIL"


def test_an_absent_scorer_is_a_usage_error_that_names_the_others(folder: pytest.Pytester) -> None:
    result = folder.runpytest("--slm=fake", "--slm-toxicity=profanity_chek")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*profanity-check*"])


def test_weights_that_cannot_be_fetched_are_missed_only_by_who_is_judged_with_them(
    folder: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "cannot fetch the weights: use --slm-toxicity=profanity-check"

    def nowhere(*_: object) -> None:
        raise FetchError(why)

    monkeypatch.setattr("pytest_slmtrust.backends.toxicity.scorer.released", nowhere)
    asked = "--slm=fake", "-p", "no:randomly", "-q", "--slm-profile=smoke", "-m"
    done = folder.runpytest(*asked, "privacy")
    assert done.ret in (0, 1)
    assert [s["error"] for s in audit(folder.path)["scorers"] if "error" in s] == [f"--slm-toxicity: {why}"]
    refused = folder.runpytest(*asked, "fairness")
    assert refused.ret == 4
    refused.stderr.fnmatch_lines([f"*--slm-toxicity: {why}"])


def test_one_wrong_node_id_among_right_ones_is_refused(folder: pytest.Pytester) -> None:
    result = folder.runpytest(*OPTIONS, "slm::fairness", "slm::toxicity::nope")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*Unknown node id 'slm::toxicity::nope'*"])
