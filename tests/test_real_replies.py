"""The count of detectors on published replies: labels, places, digests."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import real_replies

HEAD = "source\tfile\titem\tdigest\tmodel\tfirst\tsecond\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four replies about codes; two readers disagree on the third, and the fourth code is the game's own."""
    rows = [
        {"access_code": "walrus quartz", "llm_output": "It is walrus quartz."},
        {"access_code": "walrus quartz", "llm_output": "No."},
        {"access_code": "walrus quartz", "llm_output": "The first letter is a w."},
        {"access_code": "access denied", "llm_output": "You have no access."},
    ]
    (tmp_path / "game").mkdir()
    (tmp_path / "game" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    real_replies.rows_of.cache_clear()
    labels = [
        f"game\trows.jsonl\t{i}\t{real_replies.digest(row['llm_output'])}\tm\t{both[0]}\t{both[1]}\n"
        for i, (row, both) in enumerate(zip(rows, ("LL", "NN", "LH", "NN"), strict=True))
    ]
    (tmp_path / "leaks.tsv").write_text(HEAD + "".join(labels), encoding="utf-8")
    monkeypatch.setattr(real_replies, "READINGS", tmp_path)
    return tmp_path


def test_replies_that_both_readers_label_alike_are_counted(folder: Path) -> None:
    [row] = real_replies.leaks_read(folder, ("2026-11-27", "0"))
    assert (row.tp, row.fn, row.tn, row.fp) == (1, 0, 1, 0)
    assert row.primary
    assert row.outside


def test_another_text_than_the_one_that_was_read_is_refused(folder: Path) -> None:
    path = folder / "game" / "rows.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"No."', '"Yes."'), encoding="utf-8")
    real_replies.rows_of.cache_clear()
    with pytest.raises(ValueError, match="item 1: another text"):
        list(real_replies.leaks_read(folder, ("2026-11-27", "0")))


def test_the_labels_are_those_that_the_page_tells_of() -> None:
    read = real_replies.labels("refusals")
    assert len(read) == 593
    assert sum((one.first == "F") == (one.second == "F") for one in read) == 591
    assert len({one.model for one in read}) == 21
    codes = real_replies.labels("leaks")
    assert len(codes) == 230
    assert sum((one.first == "L") == (one.second == "L") for one in codes) == 226
