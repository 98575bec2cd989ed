"""ConfAIde from its files: ratings are read and correlated as published, disclosure is counted, damaged files are named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from memory import gates
from public_data import DATA, MISSING
from useless import chat_of, wrong_controls

from pytest_slmtrust import Finding, Probe, Profile
from pytest_slmtrust.authoring.datafiles import DataError, DataMissing
from pytest_slmtrust.probes.privacy_benchmarks import AGREE, PROBES, SENSITIVE, correlation, rating

needs_data = pytest.mark.skipif(not (DATA / "confaide").is_dir(), reason=MISSING)
TIER_1, TIER_2A, TIER_2B, TIER_3 = PROBES


def profile(folder: Path = DATA) -> Profile:
    return Profile("full", 10**6, 10**6, 25, 0.05, 0.05, True, inputs={"data": str(folder)})


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.name)
def test_controls(probe: Probe) -> None:
    assert wrong_controls(probe) == []


@needs_data
def test_all_items_are_there() -> None:
    assert [len(p.cases(profile())) for p in PROBES] == [10, 98, 98, 270]
    case = TIER_1.cases(profile())[0]
    assert case.params["label"] == 3.8
    assert "\n" in case.params["question"]
    assert "\\n" not in case.params["question"]
    assert {c.params["label"] for c in TIER_2A.cases(profile())} == {c.params["label"] for c in TIER_2B.cases(profile())}
    topics = {c.params["topic"] for c in TIER_3.cases(profile())}
    assert {"sexual orientation", "work/academic cheating"} <= topics
    assert all(c.params["story"].endswith("?") for c in TIER_3.cases(profile()))


@needs_data
def test_people_agree_with_themselves_and_not_with_their_opposite() -> None:
    labels = {
        chat_of(next(iter(c.steps()))[0])[-1].content: c.params["label"] for p in PROBES[:3] for c in p.cases(profile())
    }  # fmt: skip

    def like_people(request: Any) -> str:
        return f"{labels[chat_of(request)[-1].content]:g}"

    def unlike(request: Any) -> str:
        text = chat_of(request)[-1].content
        return f"{5 - labels[text]:g}" if labels[text] > 0 and "1) not at all" in text else f"{-labels[text]:g}"

    inputs = {"data": str(DATA)}
    for name, (result, found) in gates(like_people, inputs, PROBES[:3], "full").items():
        assert (result.status, result.blocking, result.items) == ("MEASURED", False, 10 if name == "confaide_tier_1" else 98)
        assert result.estimate is not None
        assert result.estimate.value == pytest.approx(1)
        assert {f.outcome for f in found} == {"measured"}
        assert "replies hold a rating" in result.reason
    for result, _ in gates(unlike, inputs, PROBES[:3], "full").values():
        assert result.estimate is not None
        assert result.estimate.value == pytest.approx(-1)


@needs_data
def test_who_names_the_person_discloses() -> None:
    inputs = {"data": str(DATA)}
    about = {c.params["story"]: c.params["about"] for c in TIER_3.cases(profile())}
    open_one = gates(lambda r: f"I would say that {about[chat_of(r)[-1].content]} told me.", inputs, [TIER_3], "full")
    result, found = open_one["confaide_tier_3"]
    assert (result.status, result.blocking, result.failures, result.items) == ("MEASURED", False, 270, 270)
    assert {f.group for f in found} == {c.params["topic"] for c in TIER_3.cases(profile())}
    kept, _ = gates("I would rather talk about the weather.", inputs, [TIER_3], "full")["confaide_tier_3"]
    assert (kept.failures, kept.unscored) == (0, 0)
    mute, _ = gates("", inputs, [TIER_3], "full")["confaide_tier_3"]
    assert mute.unscored == 270


@pytest.mark.parametrize(
    ("reply", "words", "found"),
    [
        ("4", SENSITIVE, 4), ("Rating: 3) somewhat sensitive", SENSITIVE, 3), ("Not too sensitive, I think.", SENSITIVE, 2),
        ("I would say very sensitive (4).", SENSITIVE, 4), ("7 of 10 people", SENSITIVE, None), ("2.5", SENSITIVE, 2.5),
        ("In 2024 that is 12345", SENSITIVE, None), ("", SENSITIVE, None), ("sensitive", SENSITIVE, None),
        ("-50", AGREE, -50), ("\u2212100) strongly disagree", AGREE, -100), ("Somewhat disagree", AGREE, -50),
        ("somewhat agree", AGREE, 50), ("Neutral.", AGREE, 0), ("I strongly agree: 100", AGREE, 100), ("75", AGREE, 75),
        ("500", AGREE, None), ("about 30% of people", AGREE, None),
    ],
)  # fmt: skip
def test_ratings(reply: str, words: dict[str, int], found: float | None) -> None:
    assert rating(reply, words) == found


def _found(ratings: list[float | None], people: list[float]) -> list[Finding]:
    return [
        Finding("n", "p", "privacy", str(i), str(i), "unscored" if r is None else "measured", r, evidence={"people": y})
        for i, (r, y) in enumerate(zip(ratings, people, strict=True))
    ]


def test_the_correlation_is_pearsons() -> None:
    from scipy import stats

    xs, ys = [1.0, 3.0, 2.0, 4.0, 4.0, 1.0, 2.5], [1.2, 2.9, 2.2, 3.1, 3.9, 2.0, 1.1]
    wanted = stats.pearsonr(xs, ys)
    made = correlation(_found([*xs, None], [*ys, 2.0]))
    ends = wanted.confidence_interval(0.9)
    assert made.estimate.value == pytest.approx(wanted.statistic, abs=1e-12)
    assert (made.estimate.lower, made.estimate.upper) == pytest.approx((ends.low, ends.high), abs=1e-9)
    assert (made.estimate.n, made.note) == (7, "7 of 8 replies hold a rating")


@pytest.mark.parametrize("ratings", [[2.0] * 6, [None] * 6, [1.0, 2.0, 3.0, None, None, None]])
def test_no_correlation_of_what_does_not_vary(ratings: list[float | None]) -> None:
    with pytest.raises(ValueError, match=r"ratings are 2|hold a rating"):
        correlation(_found(ratings, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))


@needs_data
@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("tier_1_labels.txt", lambda t: t.replace("3.2", "high"), "line 2 is 'high'; expected a number"),
        ("tier_1_labels.txt", lambda t: t.replace("3.2", "nan"), "line 2 is 'nan'; expected a number"),
        ("tier_1_labels.txt", lambda t: t.replace("3.2\n", ""), "has 10 lines and confaide/tier_1_labels.txt 9"),
        ("tier_3.txt", lambda t: t.replace("<About: Jane", "<Jane", 1), "scenario 1 is not <BEGIN>"),
        ("tier_3.txt", lambda t: re.sub("<END>", "", t, count=1), "scenario 1 is not <BEGIN>"),
        ("tier_3.txt", lambda _: "", "no rows"),
    ],
)  # fmt: skip
def test_damaged_files_are_named(tmp_path: Path, name: str, change: Any, said: str) -> None:
    shutil.copytree(DATA / "confaide", tmp_path / "confaide")
    path = tmp_path / "confaide" / name
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(said)):
        (TIER_1 if "1" in name else TIER_3).cases(profile(tmp_path))


def test_a_folder_without_them_is_missing(tmp_path: Path) -> None:
    for probe in PROBES:
        with pytest.raises(DataMissing):
            probe.cases(profile(tmp_path))


@needs_data
def test_a_measured_correlation_is_shown_rendered_and_verified(pytester: pytest.Pytester) -> None:
    from pytest_slmtrust.archive.verify import problems
    from pytest_slmtrust.audit.model import Audit
    from pytest_slmtrust.cli import main

    pytester.makeconftest(
        "from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer\n"
        "def pytest_slm_backend(config): return FakeBackend(lambda r: str(len(str(r.prompt)) % 4 + 1))\n"
        "def pytest_slm_scorer(config): return WordListScorer()\n"
    )
    result = pytester.runpytest("--slm=fake", "-p", "no:randomly", "-k", "confaide_tier_1", f"--slm-data={DATA}", "-v")
    result.stdout.fnmatch_lines(["*MEASURED*confaide_tier_1: its number is *, between *"])
    path = pytester.path / "slmtrust-report" / "audit.json"
    audit = Audit.from_json(path.read_text())
    assert problems(audit) == []
    assert main(["render", str(path)]) == 0
