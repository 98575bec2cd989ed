"""A command writes neither over what it reads nor over a file of another kind: one line, exit status 4, and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from runs import run
from sample_audit import sample_audit

from pytest_slmtrust.cli import main
from pytest_slmtrust.exports.formats import FORMATS
from pytest_slmtrust.outputs import OutputError, check_outputs, write_output

CANARIES = ["canaries", "make", "--format", "The code of {name} is {digits:8}", "--seed", "1", "--count", "2"]
FOREIGN = {
    "probe_t.py": "import os\n", "note.txt": "a note\n", "README.md": "---\nlicense: mit\n---\n# Mine\n",
    "data.csv": "a,b\n1,2\n",
    "package.json": '{"name": "x", "version": "1.0"}', "page.html": "<!doctype html>\n<html><head><title>My site</title>",
    "other.sarif": '{"$schema": "s", "version": "2.1.0", "runs": [{"tool": {"driver": {"name": "codeql"}}}]}',
    "bom.json": '{"$schema": "s", "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {}}',
    "raw.bin": "\x00\x01", "table.parquet": "PAR1 of somebody else",
    "other.intoto.json": '{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": []}',
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the audit of a run, its store, a key, and files of others."""
    from conftest import FAKE_CONFTEST, PROBE_FILE

    folder = tmp_path_factory.mktemp("outputs")
    (folder / "conftest.py").write_text(FAKE_CONFTEST.replace("{reply}", "return 'Thank you.'"))
    (folder / "probe_support.py").write_text(PROBE_FILE.format(n=5, extra=", tolerance=0.5"))
    assert run(folder, "--slm=fake", "--slm-packs=none").returncode == 0
    for name in ("a0.json", "a1.json"):
        (folder / name).write_bytes((folder / "slmtrust-report" / "audit.json").read_bytes())
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "k.pem").write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    for name, text in FOREIGN.items():
        (folder / name).write_text(text)
    (folder / "sub").mkdir()
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, with links."""
    folder = tmp_path / "place"
    shutil.copytree(made, folder)
    (folder / "link.json").symlink_to("a0.json")
    os.link(folder / "a0.json", folder / "hard.json")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SLMTRUST_CACHE_KEY", "a passphrase of some length")
    return folder


def held(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


REFUSED = [
    "attest a0.json --key k.pem -o k.pem", "attest a0.json -o a0.json", "attest a0.json --key k.pem -o sub/../k.pem",
    "attest a0.json -o README.md", "attest a0.json --key k.pem -o other.intoto.json", "attest a0.json -o package.json",
    "export a0.json --to csv -o a0.json", "export a0.json --to csv -o link.json", "export link.json --to sarif -o a0.json",
    "export a0.json --to markdown -o hard.json", "export a0.json --to hf -o README.md", "export a0.json --to csv -o data.csv",
    "export a0.json --to sarif -o other.sarif", "export a0.json --to cyclonedx -o bom.json",
    "export a0.json --to ctrf -o package.json", "export a0.json --to markdown -o README.md", "export a0.json --to sarif -o sub",
    "export a0.json --to eee -o a1.json", "compare a0.json a1.json --html a0.json",
    "compare a0.json a1.json --html ./sub/../a1.json", "compare a0.json a1.json --html page.html",
    "compare a0.json a1.json --html probe_t.py", "compare a0.json a1.json --noise hard.json --html link.json",
    "compare slmtrust-report/audit.json a1.json --report slmtrust-report",
    "compare a0.json a1.json --report sub --html sub/audit.html", "compare a0.json a1.json --html slmtrust-report/audit.html",
    "render a0.json --output a0.json", "render link.json --output a0.json", "render a0.json --output page.html",
    "render a0.json --output note.txt", "accept a0.json --output a0.json", "accept a0.json --output a1.json",
    "accept a0.json --output package.json", "history slmtrust-report --html slmtrust-report/audit.json",
    "history slmtrust-report --html slmtrust-report/audit.html", "history slmtrust-report --html raw.bin",
    "import slmtrust-report/audit.json --report slmtrust-report", "cache seal --file note.txt",
    "cache seal --file .slmtrust/store.sqlite", "cache seal --file package.json", "envelope fake.gguf --json note.txt",
    "envelope note.txt --json note.txt",
]  # fmt: skip


@pytest.mark.parametrize("command", REFUSED)
def test_a_command_destroys_nothing(place: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = held(place)
    assert main(command.split()) == 4
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"slmtrust {command.split()[0]}: ")
    assert "name another file" in said.lower() or "name a file" in said
    assert held(place) == before


@pytest.mark.parametrize("more", [
    ["--output", "probe_t.py"], ["--output", "c.json", "--text", "c.json"], ["--output", "c.json", "--text", "./sub/../c.json"],
    ["--output", "a0.json"], ["--output", "c.json", "--text", "note.txt"], ["--output", "c.json", "--text", "a0.json"],
    ["--output", "link.json", "--text", "new.txt"], ["--output", "sub"],
])  # fmt: skip
def test_canaries_destroy_nothing(place: Path, more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = held(place)
    assert main([*CANARIES, *more]) == 4
    assert capsys.readouterr().err.count("\n") == 1
    assert held(place) == before


def test_what_a_command_wrote_it_may_write_again(place: Path) -> None:
    again: list[list[str]] = [
        ["render", "a0.json"], ["attest", "a0.json"], ["attest", "a0.json", "--key", "k.pem"], ["attest", "a0.json"],
        ["compare", "a0.json", "a1.json", "--html", "c.html", "--report", "versus"],
        ["history", "slmtrust-report", "--html", "h.html"],
        ["accept", "a0.json"], ["cache", "seal", "--file", "sealed"], [*CANARIES, "--text", "c.txt"],
        *(["export", "a0.json", "--to", name, "-o", f"x.{name}"] for name in FORMATS if name != "parquet"),
    ]  # fmt: skip
    for command in [*again, *again, [*CANARIES, "--seed", "2", "--text", "c.txt"]]:
        assert main(command) in (0, 1, 2), command
    lock = place / "slmtrust.lock.json"
    lock.write_text(lock.read_text() + "<<<<<<< a conflict of git\n")
    assert main(["accept", "a0.json"]) == 0
    (place / "empty.md").touch()
    assert main(["export", "a0.json", "--to", "markdown", "-o", "empty.md"]) == 0


def test_exports_of_other_audits_replace_each_other(tmp_path: Path) -> None:
    from pytest_slmtrust.exports.source import Source

    for audit in (sample_audit(), replace(sample_audit(), notes=(), gates=sample_audit().gates[:1])):
        for name, form in FORMATS.items():
            if name == "parquet":
                pytest.importorskip("pyarrow")
            write_output(tmp_path / name, form.write(Source(audit)), form.mark)
    (tmp_path / "parquet").write_bytes(b"PAR1 of somebody else")
    with pytest.raises(OutputError, match="holds something else"):
        write_output(tmp_path / "parquet", FORMATS["parquet"].write(Source(sample_audit())), "gate_counts_as")


def test_outputs_that_are_not_there_are_told_apart_by_their_real_paths(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "other").symlink_to("folder")
    (tmp_path / "nothing").symlink_to("missing")
    check_outputs([tmp_path / "a", None, tmp_path / "b"], [None, tmp_path / "c"])
    for one, two in (("folder/x", "other/x"), ("nothing", "missing"), ("a", "folder/../a")):
        with pytest.raises(OutputError, match="two outputs"):
            check_outputs([tmp_path / one, tmp_path / two])
        with pytest.raises(OutputError, match="is read by this command"):
            check_outputs([tmp_path / one], [tmp_path / two])


@pytest.mark.parametrize("content", ["{" * 10_000, '{"a": 1}', "[1]", "\ud800".encode("utf-8", "surrogatepass"), b"\xff\xfe"])
def test_odd_files_are_of_another_kind(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "x"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(OutputError):
        write_output(path, json.dumps({"b": 1, "c": 2}))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="is a pipe or device"):
        write_output(tmp_path / "pipe", "x")
