"""The table of two readers follows from their labels, and most probes agree with them."""

import agreement


def test_the_table_is_that_of_the_readings() -> None:
    page = agreement.RESULT.read_text(encoding="utf-8")
    for model, heading in agreement.MODELS.items():
        table = "\n".join(agreement.table(*agreement.readings(model)))
        assert f"## {heading}\n\n{table}\n" in page


def test_the_counts_by_hand() -> None:
    read = {"a": {"1": "F", "2": "P", "3": "P", "4": "U", "5": "F"}, "b": {"1": "F", "2": "P", "3": "F", "4": "U", "5": "F"}}
    said = [("1", "failed", "failed"), ("2", "failed", "passed"), ("3", "passed", "passed"), ("4", "failed", "failed")]
    verdicts = [agreement.Verdicts(i, "p", then, now) for i, then, now in [*said, ("5", "passed", "unscored")]]
    row = agreement.table(read, verdicts)[-1]
    assert row == "| p | 5 | 4 | 3 | 1 (0.01 to 0.91) | 1 | 1 | 1 | 2 | 2 (0.16 to 1.00) | 1 |"
