"""Each way that leaves one process gives the findings of one process; engines share a wave nearly as well as is possible."""

from __future__ import annotations

import importlib.util
import random
import re
from pathlib import Path
from typing import Any

import pytest
from scale import BAR, SPEED, best, efficiency
from ways import WAYS, run_ways

from pytest_slmtrust import Generate, Loglikelihood, Request

PAGE = Path(__file__).parents[1] / "docs" / "results" / "scale.md"
RAY = "two engines of Ray (`--slm-ray=local:2`)"


@pytest.mark.full
def test_findings_do_not_depend_on_the_way(tmp_path: Path) -> None:
    here = [name for name in WAYS if name != RAY or importlib.util.find_spec("ray") is not None]
    found = run_ways(tmp_path, here)
    assert {(way.findings, way.digest, way.verdict) for way in found} == {(130, found[0].digest, found[0].verdict)}
    assert len(found) == len(here)


@pytest.mark.skipif(not PAGE.exists(), reason="the documents are not part of the wheel")
def test_the_page_shows_equal_findings_in_all_ways_and_keeps_the_bar() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| (\d+) \| `([0-9a-f]{16})` \| (\w+) \| \d+ \|$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == list(WAYS)
    assert len({tuple(rest) for _, *rest in rows}) == 1
    [share] = re.findall(r"^\| 64 \| ([\d.]+)% \|", text, re.MULTILINE)
    assert float(share) >= 100 * BAR
    assert (PAGE.parents[1] / "images" / "scale.svg").exists()


def mixed(draws: random.Random, count: int) -> list[Request[Any]]:
    made: list[Request[Any]] = []
    while len(made) < count:
        words = " ".join(draws.choices("abcdefgh", k=draws.randrange(20, 300)))
        if draws.random() < 0.5:
            made += [Loglikelihood(words, f" {choice}") for choice in range(draws.choice((2, 4, 5)))]
        else:
            made.append(Generate(words, draws.choice((8, 24, 64, 128))))
    return made


@pytest.mark.parametrize("slow", [1.0, 0.3])
@pytest.mark.parametrize("engines", [2, 16])
def test_a_wave_is_shared_nearly_as_well_as_is_possible(engines: int, slow: float) -> None:
    """Also where one engine is much slower than the others: it takes fewer chunks."""
    draws = random.Random(7)
    waves = [mixed(draws, 1500), mixed(draws, 400)]
    speeds = [SPEED * slow, *[SPEED] * (engines - 1)]
    assert efficiency(waves, speeds) > 0.94 * best(waves, engines)
