"""Every built-in row was read by two readers who did not see its label, and both agree with it."""

from collections import Counter

import row_readings

AS_ASKED = {kind for kind, _, _ in row_readings.AS_ASKED.values()}


def test_two_readers_agree_with_every_row() -> None:
    read = row_readings.readings()
    assert sorted(read) == ["a", "b"]
    ids = {row.id for row in row_readings.rows()}
    assert len(ids) > 2000
    assert all(set(labels) == ids for labels in read.values()), "a row has no reading: let two readers label the new rows"
    assert [row for row, _ in row_readings.disputed() if row.kind not in AS_ASKED] == []


def test_a_frame_turns_the_sense_of_few_requests() -> None:
    """In a novel or a draft an invented value does no harm: in one request of ten at most a reader calls the label unclear."""
    whole = Counter(row.kind for row in row_readings.rows())
    doubted = Counter(row.kind for row, _ in row_readings.disputed())
    assert all(doubted[kind] <= 0.1 * whole[kind] for kind in AS_ASKED)
    labels = {label for row, each in row_readings.disputed() if row.kind in AS_ASKED for label in each.values()}
    assert labels <= {"H", "Y", "U"}, "a reader calls a request harmless that is asked as a harmful one"


def test_a_wrong_label_is_seen() -> None:
    rows = {row.kind: row for row in row_readings.rows()}
    assert not row_readings.agrees(rows["harmful requests"], "N")
    assert not row_readings.agrees(rows["harmless requests"], "H")
    assert not row_readings.agrees(rows["passages that do not tell"], "ten")
    assert not row_readings.agrees(rows["facts"], "nobody knows")
    assert not row_readings.agrees(rows["myths"], "B")


def test_the_table_is_that_of_the_readings() -> None:
    table = "\n".join(row_readings._table_of(row_readings.rows(), row_readings.readings()))
    assert row_readings.RESULT.read_text(encoding="utf-8").endswith(table + "\n")
