"""Rows from files: every form, and what is said of a file that is not what it should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust import DataFile, Profile, from_csv, from_json
from pytest_slmtrust.authoring.datafiles import LARGEST_FIELD, DataError, DataMissing, read

WANTED = {"question": str, "year": int}


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def profile(folder: Path | str) -> Profile:
    return Profile("ci", 6, 10, 2, 0.1, 0.05, True, inputs={"data": str(folder)})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "question,year,other\nWho?,1999,x\n\"What, now?\n\",2000,y\n"),
        ("a.tsv", "question\tyear\nWho?\t1999\n\"What, now?\n\"\t2000\n"),
        ("a.csv", "\ufeffquestion,year\r\nWho?,1999\r\n\"What, now?\n\",2000\r\n"),
        ("a.csv", 'question,year\nWho?,1999\n"What, now?\n",2000\n'.encode("utf-16")),
        ("a.jsonl", '{"question": "Who?", "year": 1999}\n\n{"question": "What, now?\\n", "year": "2000"}\n'),
        ("a.json", '{"question": "Who?", "year": 1999}\n{"question": "What, now?\\n", "year": 2000.0}'),
        ("a.json", '[{"question": "Who?", "year": 1999}, {"question": "What, now?\\n", "year": 2000, "other": null}]'),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_rows(tmp_path: Path, name: str, content: str | bytes) -> None:
    expected = [{"question": "Who?", "year": 1999}, {"question": "What, now?\n", "year": 2000}]
    assert read(written(tmp_path, name, content), WANTED) == expected


def test_lines_of_text_and_rows_under_a_key(tmp_path: Path) -> None:
    lines = written(tmp_path, "a.txt", "one\r\n\ntwo\u2028half\n")
    assert read(lines, {"text": str}) == [
        {"text": "one"},
        {"text": "two\u2028half"},
    ]
    nested = written(tmp_path, "a.json", json.dumps({"dev": {"sst2": [{"label": 1}]}}))
    assert from_json(nested, {"label": int}, key="dev/sst2") == [{"label": 1}]
    with pytest.raises(DataError, match="no 'test' in it"):
        from_json(nested, {"label": int}, key="test/sst2")


def test_a_field_that_may_be_absent_is_none(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"a": null}\n{}\n{"a": "x"}')
    assert [row["a"] for row in read(path, {"a": str | None})] == [None, None, "x"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "question;year\nWho?;1\n", r"separated by ';': expected ',' in a \.csv"),
        ("a.csv", "question\nWho?\n", r"a\.csv: row 1 \(line 2\) has no field 'year'; it has 'question'"),
        ("a.csv", "question,year\nWho?,1\nWho?,soon\n", r"row 2 \(line 3\), field 'year': 'soon' is not int"),
        ("a.csv", "question,year\nWho?,1.5\n", "'1.5' is not int"),
        ("a.csv", "question,year\nWho?,1,2\n", r"row 1 \(line 2\) has 3 cells; the header has 2"),
        ("a.csv", "question,year,year\nWho?,1,2\n", "the header names 'year' twice"),
        ("a.csv", ",".join(f"c{n}" for n in range(100_000)) + ",c7\n", "the header names 'c7' twice"),
        ("a.csv", f"{','.join('abcdefghijklmno')}\n{'1,' * 14}1\n", r"no field 'question'; it has 'a', .*, 'l', \.\.\.$"),
        ("a.json", '[{"question": "Who?", "year": 1, "year": 2}]', "an object names 'year' twice"),
        ("a.jsonl", '{"question": "Who?", "year": "1e400"}', "field 'year': '1e400' is not int"),
        ("a.jsonl", '{"question": "Who?", "year": 3.5}', "field 'year': 3.5 is not int"),
        ("a.csv", 'question,year\n"Who?,1\n', "unexpected end of data"),
        ("a.csv", "question,year\n", "no rows"),
        ("a.csv", "", "no rows"),
        ("a.csv", b"question,year\nWho\x92s,1\n", r"line 2 is not utf-8 \(byte 0x92\)"),
        ("a.jsonl", '{"question": "Who?", "year": 1}\n{"question"\n', "line 2 is not JSON"),
        ("a.jsonl", '{"question": "Who?", "year": NaN}', "NaN is not a number"),
        ("a.jsonl", '{"question": "Who?", "year": true}', "field 'year': True is not int"),
        ("a.jsonl", '{"question": "Who?", "year": 1e999}', "field 'year': inf is not int"),
        ("a.jsonl", '{"question": 7, "year": 1}', "field 'question': 7 is not str"),
        ("a.jsonl", '["Who?", 1]', "line 1 is list; expected an object with question, year"),
        ("a.json", '{"question": "Who?", "year": 1}', "the whole is dict; expected a list of objects"),
        ("a.json", "[" * 200_000, "nested too deeply|not JSON|Expecting"),
        ("a.json", '[{"question": "Who?", "year": ' + "9" * 5000 + "}]", "digits"),
        ("a.parquet", "x", r"\.parquet is not a form of rows; expected \.csv"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_its_row_and_field(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        read(written(tmp_path, name, content), WANTED)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_whole_numbers_keep_every_digit(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("n\n12345678901234567891\n 7 \n8.0\n")
    assert [row["n"] for row in from_csv(file, {"n": int})] == [12345678901234567891, 7, 8]
    (tmp_path / "a.json").write_text('[{"n": 9007199254740993}, {"n": 3.0}]')
    assert [row["n"] for row in from_json(tmp_path / "a.json", {"n": int})] == [9007199254740993, 3]


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        from_csv(tmp_path / "absent.csv", WANTED)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="not a plain file"):
        from_csv(tmp_path / "folder.csv", WANTED)


def test_sizes_are_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = written(tmp_path, "a.jsonl", json.dumps({"question": "x" * (LARGEST_FIELD + 1), "year": 1}))
    with pytest.raises(DataError, match=r"field 'question': 1,000,001 characters; at most 1,000,000"):
        read(long, WANTED)
    with pytest.raises(DataError, match="field larger than field limit"):
        read(written(tmp_path, "a.csv", "question,year\n" + "x" * (LARGEST_FIELD + 1) + ",1\n"), WANTED)
    monkeypatch.setattr("pytest_slmtrust.authoring.datafiles.LARGEST_FILE", 10)
    with pytest.raises(DataError, match="larger than"):
        read(long, WANTED)
    monkeypatch.setattr("pytest_slmtrust.authoring.datafiles.LARGEST_FILE", 10**6)
    monkeypatch.setattr("pytest_slmtrust.authoring.datafiles.MOST_ROWS", 1)
    with pytest.raises(DataError, match="more than 1 rows"):
        read(written(tmp_path, "b.csv", "question,year\nA,1\nB,2\n"), WANTED)


def test_an_encoding_may_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "question,year\nWhoâs,1\n".encode("cp1252"))
    assert from_csv(path, WANTED, encoding="cp1252")[0]["question"] == "Whoâs"


def test_a_public_set_comes_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "pairs").mkdir()
    written(tmp_path / "pairs", "rows.csv", "question,year\nWho?,1\n")
    assert DataFile("pairs/rows.csv", WANTED).rows(profile(tmp_path)) == [{"question": "Who?", "year": 1}]
    with pytest.raises(DataMissing, match="is not there"):
        DataFile("pairs/other.csv", WANTED).rows(profile(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        DataFile("pairs/rows.csv", WANTED).rows(profile(tmp_path / "absent"))


def test_a_public_set_comes_from_the_hub_through_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder stands in for the hub's repository: ``datasets`` reads both the same way."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "set").mkdir()
    written(tmp_path / "set", "train.jsonl", '{"question": "Who?", "year": 1}\n{"question": "What?", "year": 2}\n')
    found = DataFile("pairs/rows.csv", WANTED, hub=f"{tmp_path / 'set'}:train").rows(profile("hub"))
    assert found == [{"question": "Who?", "year": 1}, {"question": "What?", "year": 2}]
    with pytest.raises(DataError, match=r"row 1 has no field 'month'; it has 'question', 'year'"):
        DataFile("pairs/rows.csv", {"month": int}, hub=f"{tmp_path / 'set'}:train").rows(profile("hub"))
    with pytest.raises(DataMissing, match="the hub has no data set"):
        DataFile("pairs/rows.csv", WANTED).rows(profile("hub"))


def test_a_hub_that_does_not_answer_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def fails(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route\nto it")

    monkeypatch.setattr(datasets, "load_dataset", fails)
    with pytest.raises(DataError, match=r"cannot be loaded \(ConnectionError: no route\): .*--slm-data DIR"):
        DataFile("pairs/rows.csv", WANTED, hub="org/pairs:test").rows(profile("hub"))


PROBE = """
from pytest_slmtrust import DataFile, Generate, Row, Verdict, ask, probe

SET = DataFile("pairs/rows.csv", {"question": str})

@probe(dimension="fairness", inputs=(SET.need,), rows=lambda p: [Row(r) for r in SET.rows(p)])
def answers(question):
    reply = yield from ask(Generate(question))
    return Verdict(True, 1.0, {"prompt": question, "reply": reply.text})
"""


@pytest.mark.parametrize(
    ("content", "arguments", "outcomes", "said"),
    [
        (None, [], {"skipped": 1}, "needs --slm-data"),
        (None, ["--slm-data=data"], {"skipped": 1}, "rows.csv is not there"),
        ("question\nWho?\nWhat?\n", ["--slm-data=data"], {"passed": 2}, ""),
        ("other\nWho?\n", ["--slm-data=data"], {"errors": 1}, "has no field 'question'; it has 'other'"),
    ],
)
def test_a_probe_over_a_public_set(
    pytester: pytest.Pytester, content: str | None, arguments: list[str], outcomes: dict[str, int], said: str
) -> None:
    pytester.makeconftest("from pytest_slmtrust.backends.fake import FakeBackend\ndef pytest_slm_backend(): return FakeBackend()")
    folder = pytester.mkdir("data")
    if content is not None:
        (folder / "pairs").mkdir()
        written(folder / "pairs", "rows.csv", content)
    pytester.makepyfile(probe_set=PROBE)
    result = pytester.runpytest("--slm=fake", "--slm-packs=none", "-rs", "probe_set.py", *arguments)
    result.assert_outcomes(**outcomes)
    if said:
        assert said in result.stdout.str().replace("\n", "") or said in (pytester.path / "slmtrust-report/audit.json").read_text()
