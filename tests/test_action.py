"""The composite action as the shell sees it: its steps in order, twice, the second time from the cache."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust.cli import main
from pytest_slmtrust.engine.sealing import VARIABLE, seal, unseal
from pytest_slmtrust.engine.store import FILE, Store
from pytest_slmtrust.engine.store_admin import CacheError

yaml = pytest.importorskip("yaml")
ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
pytestmark = pytest.mark.skipif(not ACTION.exists(), reason="the action is not part of the wheel")
SECRET = "a passphrase of the repository"
REPLY = "Thank you, we look into parcel number 77182."
CONFTEST = f"""
import pathlib
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer
class Logged(FakeBackend):
    def run(self, requests):
        with (pathlib.Path(__file__).parent / "calls.log").open("a") as log:
            log.write(f"{{len(requests)}}\\n")
        yield from FakeBackend.run(self, requests)
def model():
    return Logged({REPLY!r}, name="scripted")
def pytest_slm_scorer(config):
    return WordListScorer()
"""
PROBE = '''
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"i": i} for i in range(60)], tolerance=0.2)
def holds(i):
    """A claim."""
    reply = yield from ask(Generate(f"say {i}"))
    return Verdict(i >= BAD, evidence={"prompt": f"say {i}", "reply": reply.text})
'''


def steps() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
    return made


class Runner:
    """A workspace on a runner: shell steps run as GitHub runs ``shell: bash``; steps of other actions are the caches here."""

    def __init__(self, folder: Path, inputs: Mapping[str, str], cache: Path) -> None:
        self.folder, self.inputs, self.cache = folder, inputs, cache
        folder.mkdir()
        (folder / "conftest.py").write_text(CONFTEST)
        programs = folder / "bin"
        programs.mkdir()
        python = f'#!/bin/sh\nif [ "$2" = pip ]; then exit 0; fi\nexec {sys.executable} "$@"\n'
        slmtrust = (
            f"#!/bin/sh\nexec {sys.executable} -c 'from pytest_slmtrust.cli import main; import sys; sys.exit(main())' \"$@\"\n"
        )
        for name, text in (("python", python), ("slmtrust", slmtrust)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.status: dict[str, int] = {}
        self.said: dict[str, str] = {}

    def run(self, only: Collection[str] = ()) -> None:
        for step in steps():
            name, failed = step["id"], any(self.status.values())
            if only and name not in only:
                continue
            condition = step.get("if", "success()")
            if (failed and "always()" not in condition) or not self._holds(condition):
                continue
            if "run" in step:
                self._shell(name, step)
            elif step["uses"].startswith("actions/cache/restore@") and self.cache.exists():
                (self.folder / step["with"]["path"]).write_bytes(self.cache.read_bytes())
            elif step["uses"].startswith("actions/cache/save@"):
                self.cache.write_bytes((self.folder / step["with"]["path"]).read_bytes())

    def _holds(self, condition: str) -> bool:
        for part in condition.split("&&"):
            text = part.strip()
            file = re.fullmatch(r"hashFiles\('([^']+)'\) != ''", text)
            if file and not (self.folder / file[1]).exists():
                return False
            given = re.fullmatch(r"inputs\.([\w-]+) (==|!=) '([^']*)'", text)
            if given and (self.inputs.get(given[1], "") == given[3]) is not (given[2] == "=="):
                return False
            assert file or given or text in ("always()", "success()"), text
        return True

    def _shell(self, name: str, step: Mapping[str, Any]) -> None:
        assert "${{" not in step["run"], "a value of others in a script is code"
        script = self.folder / f"{name}.sh"
        script.write_text(step["run"])
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "SLMTRUST"))}
        env |= {"PATH": f"{self.folder / 'bin'}:{env['PATH']}", "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md")}
        env |= {"GITHUB_ACTION_PATH": str(ROOT), "PYTEST_ADDOPTS": "-p no:randomly -p no:hypothesispytest -p no:anyio"}
        for key, value in step.get("env", {}).items():
            found = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", value)
            assert found, value
            env[key] = self.inputs.get(found[1], "")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=300)
        self.status[name], self.said[name] = done.returncode, done.stdout + done.stderr


def runner(folder: Path, cache: Path, secret: str = SECRET) -> Runner:
    inputs = {"model": "conftest:model", "toxicity": "profanity-check", "profile": "ci", "cache-key": secret, "sarif": "true"}
    return Runner(folder, {**inputs, "options": "--slm-packs=none -q"}, cache)


@pytest.mark.slow
def test_the_steps_run_twice_and_the_second_time_from_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache.bin"
    first = runner(tmp_path / "first", cache)
    (first.folder / "probe_mine.py").write_text(PROBE.replace("BAD", "0"))
    first.run()
    assert set(first.status.values()) == {0}, first.said
    assert (first.folder / "calls.log").exists()
    sealed = cache.read_bytes()
    assert b"parcel" not in sealed
    assert b"SQLite" not in sealed
    for name in ("audit.json", "audit.html", "comment.md", "audit.sarif", "junit.xml"):
        assert (first.folder / "slmtrust-report" / name).exists()
    assert (first.folder / "summary.md").read_text().startswith("## slmtrust: PASS")
    assert not list((first.folder / "slmtrust-report").rglob(FILE))
    # the next push: another workspace, a red audit, and nothing is asked again
    assert main(["accept", str(first.folder / "slmtrust-report" / "audit.json"), "--output", str(tmp_path / "lock")]) == 0
    second = runner(tmp_path / "second", cache)
    (second.folder / "probe_mine.py").write_text(PROBE.replace("BAD", "40"))
    (second.folder / "slmtrust.lock.json").write_bytes((tmp_path / "lock").read_bytes())
    second.run()
    assert second.status["audit"] == 1
    assert not (second.folder / "calls.log").exists(), second.said
    comment = (second.folder / "slmtrust-report" / "comment.md").read_text()
    assert comment.startswith("## slmtrust: FAIL")
    assert "holds" in comment.partition("audit.json sha256")[2]  # the difference to the lock
    assert {name: code for name, code in second.status.items() if name != "audit"} == dict.fromkeys(
        ("install", "open", "texts", "seal"), 0
    )


def test_another_secret_is_said_and_no_secret_keeps_nothing(tmp_path: Path) -> None:
    cache = tmp_path / "cache.bin"
    cache.write_bytes(b"slmtrust sealed store 1\n" + b"x" * 200)  # somebody wrote into the cache
    made = runner(tmp_path / "one", cache)
    made.run(["restore", "open"])
    assert made.status == {"open": 0}
    assert "was sealed with another SLMTRUST_CACHE_KEY, or changed since" in made.said["open"]
    assert not (made.folder / ".slmtrust").exists()
    without = runner(tmp_path / "two", cache, secret="")
    without.run(["restore", "open", "texts", "seal", "save"])
    assert without.status == {"texts": 0}  # no audit, and no failure for want of one
    assert not (without.folder / "slmtrust-store.sealed").exists()


def test_the_cache_has_a_key_that_is_renewed_and_holds_no_store() -> None:
    by = {step["id"]: step for step in steps()}
    assert by["restore"]["with"]["key"] == by["save"]["with"]["key"]
    assert "github.run_id" in by["save"]["with"]["key"]
    assert by["save"]["with"]["key"].startswith(by["restore"]["with"]["restore-keys"])
    uploaded = [step["with"].get("path") for step in steps() if "uses" in step]
    assert not any(".slmtrust" in str(path) for path in uploaded)
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert ".slmtrust" not in file.read_text()


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    store = Store(tmp_path / "store", "run")
    store.put([("k" * 64, '{"text":"a secret reply"}')])
    store.close()
    return tmp_path / "store"


def test_a_sealed_store_comes_back_whole(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    sealed = tmp_path / "sealed"
    assert "1 answers sealed" in seal(filled, sealed)
    assert b"secret reply" not in sealed.read_bytes()
    unseal(sealed, tmp_path / "other")
    store = Store(tmp_path / "other", "run")
    assert store.get(["k" * 64]) == {"k" * 64: '{"text":"a secret reply"}'}
    store.close()
    assert (tmp_path / "other" / FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(CacheError, match="has a store already"):
        unseal(sealed, tmp_path / "other")


@pytest.mark.parametrize("place", [0, 30, 45, -1])
def test_a_changed_byte_is_found(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    seal(filled, tmp_path / "sealed")
    data = bytearray((tmp_path / "sealed").read_bytes())
    data[place] ^= 1
    (tmp_path / "sealed").write_bytes(data)
    with pytest.raises(CacheError, match="nothing was opened"):
        unseal(tmp_path / "sealed", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_sealed_or_opened_is_one_line(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str) -> str:
        assert main(["cache", *arguments]) == 2
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    file = f"--file={tmp_path / 'sealed'}"
    monkeypatch.delenv(VARIABLE, raising=False)
    assert "SLMTRUST_CACHE_KEY is not set" in said("seal", file, f"--store={filled}")
    monkeypatch.setenv(VARIABLE, "short")
    assert "has 5 characters" in said("seal", file, f"--store={filled}")
    monkeypatch.setenv(VARIABLE, SECRET)
    assert "holds no store" in said("seal", file, f"--store={tmp_path / 'nothing'}")
    assert "No such file" in said("open", file, f"--store={tmp_path / 'other'}")
    (tmp_path / "sealed").write_bytes(b"SQLite format 3")
    assert "not a sealed store" in said("open", file, f"--store={tmp_path / 'other'}")
    assert "--file" in said("seal", f"--store={filled}")


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documentation is not part of the wheel")
def test_the_snippets_of_the_guide_are_yaml_and_name_real_commands() -> None:
    text = (ROOT / "docs" / "guides" / "ci.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    assert len(blocks) >= 3
    given = {
        name for block in blocks if isinstance(block, dict) for step in block.get("steps", ()) for name in step.get("with", ())
    }
    assert {"model", "cache-key", "sarif"} <= given
    assert given - {"python-version"} <= yaml.safe_load(ACTION.read_text())["inputs"].keys()
    outputs = re.findall(r"steps\.audit\.outputs\.([\w-]+)", text)
    assert set(outputs) <= yaml.safe_load(ACTION.read_text())["outputs"].keys()
    from pytest_slmtrust.plugin.options import OPTIONS

    flags = {word.partition("=")[0].strip("`,.") for word in re.findall(r"--slm[\w-]*", text)}
    assert flags <= {option.flag for option in OPTIONS}
