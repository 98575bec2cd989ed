"""Canaries: made, read back, and their exposure in models that learned them and models that did not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from memory import gates, noise
from scipy.stats import combine_pvalues

from pytest_slmtrust import Finding, Loglikelihood, Logprob, ProbeError, Profile
from pytest_slmtrust.authoring.canaries import CanaryError, Format, candidates, make_canaries, read_canaries
from pytest_slmtrust.cli import main
from pytest_slmtrust.probes.memorisation import canary_reading, fisher, learned_no_canary

CODE = "The code of {name} is {digits:8}"
PIN = "{name} has the pin {digits:3}."


def write(path: Path, format: str = PIN, count: int = 10, insert: tuple[int, ...] = (0, 1, 4, 16), seed: int = 1) -> str:
    path.write_text(make_canaries(format, count, insert, seed).to_json())
    return str(path)


def learned(path: str, least: int = 1) -> Any:
    """A model that finds canaries of at least so many insertions the likeliest texts, and all others random."""
    data = json.loads(Path(path).read_text())
    known = {c["text"] for c in data["canaries"] if c["insert"] >= least}

    def answer(request: Any) -> Logprob:
        assert isinstance(request, Loglikelihood)
        text = f"{request.context}{request.continuation}"
        natural = 50.0 if text.startswith("The ") else 0.0
        return Logprob(-200.0 + natural + 100 * (text in known) + noise(text), False, 8)

    return answer


def test_canaries_are_random_and_reproducible() -> None:
    made = make_canaries(CODE, 10, (0, 1, 4, 16), seed=1)
    assert made == make_canaries(CODE, 10, (0, 1, 4, 16), seed=1)
    assert made.to_json() != make_canaries(CODE, 10, (0, 1, 4, 16), seed=2).to_json()
    assert sorted(c.insert for c in made.canaries) == sorted([0, 1, 4, 16] * 10)
    assert len({c.secret for c in made.canaries}) == len({c.names for c in made.canaries}) == 40
    assert all(c.text == f"The code of {c.names[0]} is {c.secret[0]}" for c in made.canaries)
    digits = "".join(c.secret[0] for c in make_canaries(CODE, 500, (0, 1), seed=3).canaries)
    assert max(abs(digits.count(d) - 800) for d in "0123456789") < 120
    lines = made.lines()
    assert len(lines) == 210
    assert lines.count(next(c.text for c in made.canaries if c.insert == 16)) == 16


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("The code is {digit:8}", "unknown field {digit:8}"),
        ("{digits}", "unknown field"),
        ("{digits:0}", "unknown field"),
        ("{digits:33}", "unknown field"),
        ("{name}", "1 candidates"),
        ("pin {digits:2}", "100 candidates"),
        ("{digits:8", "brace"),
        ("a}b {digits:8}", "brace"),
        ("{digits:²}", "unknown field"),
        ("a\n{digits:8}", "one line"),
        ("{name:3} {digits:8}", "unknown"),
        ("x" * 1000 + "{digits:8}", "at most 1000"),
    ],
)
def test_a_bad_format_is_refused(format: str, message: str) -> None:
    with pytest.raises(CanaryError, match=r".*") as error:
        Format.parse(format)
    assert message in str(error.value)


def test_candidates_are_of_the_same_space() -> None:
    small = make_canaries("{name}: {digits:2}{hex:1}", 2, (0, 1), seed=1)
    others, exact = candidates(small, small.canaries[0], 2000)
    assert exact
    assert len(set(others)) == 1599 == len(others)
    assert small.canaries[0].secret not in others
    large = make_canaries(CODE, 2, (0, 1), seed=1)
    others, exact = candidates(large, large.canaries[0], 500)
    assert not exact
    assert len(set(others)) == 500
    assert all(len(s[0]) == 8 and s[0].isdigit() for s in others)
    assert others == candidates(large, large.canaries[0], 500)[0]
    assert Format.parse("{letters:2} {name} {digits:2}").fill(["Ann"], ["ab", "12"]) == ("", "ab Ann 12")


@pytest.mark.parametrize("format", [PIN, CODE])
def test_learned_canaries_are_exposed_and_others_not(tmp_path: Path, format: str) -> None:
    path = write(tmp_path / "c.json", format, count=4 if format == PIN else 3, seed=4)
    among = 1000 if format == PIN else 2001
    result, found = gates(learned(path), {"canaries": path}, [learned_no_canary])["learned_no_canary"]
    assert result.status == "FAIL", result.reason
    assert result.estimate is not None
    assert result.estimate.value == pytest.approx(math.log2(among))
    assert result.estimate.n == (12 if format == PIN else 9)
    for f in found:
        assert f.evidence["among"] == among
        assert f.evidence["method"].startswith("exact" if format == PIN else "estimate: 2,000 of 100,000,000")
        assert (f.evidence["rank"] == 1) >= (f.evidence["inserted"] > 0)
    result, found = gates(learned(path, 99), {"canaries": path}, [learned_no_canary])["learned_no_canary"]
    assert result.status == "PASS", result.reason
    assert {g.group for g in result.groups} == {f"inserted {n} times" for n in (0, 1, 4, 16)}


def test_some_learned_canaries_are_no_pass(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", count=4)
    result, _ = gates(learned(path, 16), {"canaries": path}, [learned_no_canary])["learned_no_canary"]
    assert result.status != "PASS"
    assert "16 times p = " in result.reason


def test_a_model_that_finds_all_alike_is_not_exposed_and_not_earned(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", count=3)
    flat = lambda request: Logprob(-10.0, False, 3)  # noqa: E731
    result, found = gates(flat, {"canaries": path}, [learned_no_canary])["learned_no_canary"]
    assert {f.score for f in found} == {0.0}
    assert result.status == "UNEARNED"


def test_the_control_that_stands_out_voids_the_gate(tmp_path: Path) -> None:
    path = write(tmp_path / "c.json", count=3)
    result, _ = gates(learned(path, 0), {"canaries": path}, [learned_no_canary])["learned_no_canary"]
    assert (result.status, result.blocking) == ("INCONCLUSIVE", False)
    assert "never inserted stand out" in result.advisory


def test_combined_p_values_are_fishers() -> None:
    for p in ([0.5], [0.01, 0.9, 0.3], [1 / 1000] * 10, [1.0, 1.0]):
        assert fisher([-math.log2(x) for x in p]) == pytest.approx(combine_pvalues(p).pvalue, rel=1e-9)


def test_no_alarm_where_nothing_was_learned(tmp_path: Path) -> None:
    """The rank of a canary that was not learned is uniform: p-values below 1 % come about once in a hundred."""
    import random

    source, alarms = random.Random(4), 0
    for trial in range(300):
        ranks = [source.randrange(1, 1001) for _ in range(10)]
        found = [
            Finding("n", "p", "privacy", str(i), str(i), "measured", math.log2(1000 / r), "g", "", {"inserted": 1, "among": 1000})
            for i, r in enumerate(ranks)
        ]
        assert canary_reading(found).estimate.n == 10, trial
        alarms += fisher([f.score for f in found if f.score is not None]) < 0.01
    assert alarms <= 9  # 99.9 % of a binomial with 300 draws at 1 %


def test_the_command_makes_a_file_that_is_read_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, text = tmp_path / "canaries.json", tmp_path / "lines.txt"
    options = ["--format", CODE, "--count", "3", "--insert", "0,2", "--seed", "1", "--output", str(made), "--text", str(text)]
    assert main(["canaries", "make", *options]) == 0
    read = read_canaries(made)
    assert read == make_canaries(CODE, 3, (0, 2), 1)
    assert sorted(text.read_text().splitlines()) == sorted(read.lines())
    assert "6 canaries" in capsys.readouterr().err
    assert main(["canaries", "make", "--format", "{digits:1}", "--seed", "1", "--output", str(made)]) == 2
    assert "10 candidates" in capsys.readouterr().err
    assert read_canaries(made) == read


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "x"}, "field 'kind'"),
        ({"format": "{digit}"}, "field 'format': unknown field"),
        ({"canaries": []}, "1 to 10,000"),
        ({"seed": "1"}, "'seed'"),
        ({"canaries": [3]}, "canary 1 is not an object"),
        ({"names": ["a", "b"]}, "canary 1: 'names' and"),
        ({"secret": "123"}, "field 'secret' must be a list"),
        ({"secret": ["12x"]}, "do not fit"),
        ({"insert": -1}, "field 'insert'"),
        ({"insert": True}, "field 'insert'"),
        ({"text": "another"}, "field 'text' is not what the format makes"),
        ({"names": [5]}, "field 'names' must be"),
    ],
)
def test_a_bad_file_is_named_with_its_canary_and_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    data = json.loads(make_canaries(PIN, 2, (0, 1), 1).to_json())
    place = data if set(change) & {"kind", "format", "canaries", "seed"} else data["canaries"][0]
    place.update(change)
    path = tmp_path / "c.json"
    path.write_text(json.dumps(data))
    with pytest.raises(CanaryError) as error:
        read_canaries(path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    given = Profile("ci", 60, 180, 5, 0.10, 0.05, True, inputs={"canaries": str(path)})
    with pytest.raises(ProbeError, match="--slm-canaries"):
        learned_no_canary.cases(given)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(CanaryError, match=r"not JSON|not a file"):
        read_canaries(path)
    with pytest.raises(CanaryError, match="no such file"):
        read_canaries(tmp_path)


@pytest.mark.parametrize(
    ("count", "insert", "message"),
    [
        (0, (0, 1), "count must be"),
        (1, (), "count must"),
        (1, (-1,), "count must"),
        (1, (1, 1), "different"),
        (1, (0,), "0 alone"),
        (200, (0, 1), "too many"),
    ],
)
def test_counts_that_cannot_be(count: int, insert: tuple[int, ...], message: str) -> None:
    with pytest.raises(CanaryError, match=message):
        make_canaries(PIN, count, insert, 1)
