"""Every built-in row was read by two readers who did not see its label, and both agree with it."""

import row_readings


def test_two_readers_agree_with_every_row() -> None:
    read = row_readings.readings()
    assert sorted(read) == ["a", "b"]
    ids = {row.id for row in row_readings.rows()}
    assert len(ids) > 2000
    assert all(set(labels) == ids for labels in read.values()), "a row has no reading: let two readers label the new rows"
    assert row_readings.disputed() == []


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
