"""What names a model may be an address with a password in it: it is printed nowhere and stored nowhere, whatever its form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from runs import run

from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.cli import main
from pytest_slmtrust.redaction import Mask, scrub_spec
from pytest_slmtrust.scale.sweep import SweepError, read_sweep

HIDDEN = [
    "bob:S3cretPassw@127.0.0.1:8765/v1", "S3cretPassw@127.0.0.1:8765/v1", "S3cretPassw@localhost/v1",
    "bob:S3cretPassw@server/v1", "bob:S3cretPassw@gpu-box:8000", "S3cretPassw@[::1]:8765/v1", "S3cretPassw@api.example.com/v1",
    "bob:S3@cretPassw@127.0.0.1:80/v1", "bob:S3/cretPassw@127.0.0.1:8765/v1", "bob:S3,cretPassw@127.0.0.1:8765/v1",
    "bob:S3cretPassw@127.0.0.1:80/v1#org/m@rev", "http//bob:S3cretPassw@127.0.0.1:8765/v1", "http:/bob:S3cretPassw@h/v1",
    "http:bob:S3cretPassw@h/v1", "htp://S3cretPassw@h/v1", "https//S3cretPassw@h/v1", "HTTP://S3cretPassw@127.0.0.1:8765/v1",
    "http://S3cretPassw@127.0.0.1:8765/v1", "ftp://S3cretPassw@h", "http:\\\\bob:S3cretPassw@h/v1",
    "http://bob:S3#cretPassw@h/v1", "http://bob:S3/cretPassw@127.0.0.1:8765/v1", "http://bob:S3cretPassw%40127.0.0.1:8765/v1",
    " bob:S3cretPassw@127.0.0.1:8765/v1", "batch:bob:S3cretPassw@127.0.0.1:8765/v1", "h1:80/v1,bob:S3cretPassw@h2:80/v1",
    "http://h1/v1,http://S3cretPassw@h2/v1", "S3cretPassw@h1:80/v1,S3cretPassw@h2:80/v1", "localhost:8765/v1?key=S3cretPassw",
    "localhost:8765/v1?a=1&api-key=S3cretPassw", "localhost:8765/v1;key=S3cretPassw", "http://h/v1;token=S3cretPassw",
    "http://h/v1?access_token=S3cretPassw#m", "h/v1?password=S3cretPassw", "h/v1;x=1;secret=S3cretPassw",
    "localhost:8765/v1?S3cretPassw", "http://h/v1#m;key=S3cretPassw", "h:80/v1?X-Amz-Signature=S3cretPassw",
    "http//h/v1?pwd=S3cretPassw",
]  # fmt: skip
KEPT = [
    "org/model@main", "org/model", "gpt2@refs/pr/1", "org/model@v1.0", "model@1.2.0", "gpt2@release-2", "hf:org/model@main",
    "./a@b/c", "/data/models@v2/llama", "~/m@127.0.0.1:80", "C:\\models\\a@b", "C:/models/a@localhost", "D:\\m;key\\x",
    "\\\\share\\m@x", "models/a@b", "smollm2-135m-instruct", "module:factory", "batch:gpt-4o@2024", "batch:org/model@v1",
    "base+adapter@main", "http://127.0.0.1:8765/v1", "http://h:8000/api/@team/v1", "http://h/v1#org/model@main",
    "http://h1/v1,http://h2/v1#m", "localhost:8765/v1", "org/model-7b-key=value", "./what?", "/data/a,b/c@d",
    "--slm-tasks=harness:arc_easy,garak:x", "-k", "not slow", "tests/x.py::test[a@b]", "--slm-gate=name=0.01",
    "--slm-toxicity=detoxify:unbiased", "--slm=org/model@main",
]  # fmt: skip


@pytest.mark.parametrize("spec", HIDDEN)
def test_what_is_secret_in_a_spec_is_hidden(spec: str) -> None:
    for before in ("", "--slm=", "--slm-vs=", "slm="):
        shown = scrub_spec(before + spec)
        assert shown.startswith(before)
        assert not any(part in shown for part in ("S3", "cretPassw"))
        assert "[credential]" in shown
        assert scrub_spec(shown).count("[credential]") == shown.count("[credential]")
    with pytest.raises(SpecError) as caught:
        load_backend(ModelSpec(spec))
    assert not any(part in str(caught.value) for part in ("S3", "cretPassw"))


@pytest.mark.parametrize("spec", KEPT)
def test_names_folders_and_paths_stay(spec: str) -> None:
    assert scrub_spec(spec) == spec


def test_a_folder_that_is_there_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a@host:8000").mkdir()
    with pytest.raises(SpecError) as caught:
        load_backend(ModelSpec("a@host:8000"))
    assert "a password" not in str(caught.value)


FORMS = (
    "bob:S3cretPassw@127.0.0.1:8765/v1", "localhost:8765/v1?key=S3cretPassw", "http//bob:S3cretPassw@127.0.0.1:8765/v1",
    "http://S3cretPassw@127.0.0.1:8765/v1", "http://h:1/v1;key=S3cretPassw",
)  # fmt: skip


@pytest.mark.parametrize("options", [*((f"--slm={one}",) for one in FORMS), ("--slm", FORMS[0]), ("-o", f"slm={FORMS[3]}")])
def test_a_run_shows_and_stores_no_secret_of_its_model(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = run(tmp_path, *options, "--slm-packs=none")
    made = {path.name: path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()}
    assert {"audit.json", "audit.html"} <= set(made)
    assert done.returncode != 0
    assert [name for name, text in {**made, "stdout": done.stdout, "stderr": done.stderr}.items() if "S3cretPassw" in text] == []


@pytest.mark.parametrize("spec", FORMS)
def test_nor_of_the_model_that_it_is_compared_with(project: Callable[..., pytest.Pytester], spec: str) -> None:
    made = project(n=5, extra=", tolerance=0.5")
    done = run(made.path, "--slm=fake", f"--slm-vs={spec}", "--slm-packs=none")
    shown = {path.name: path.read_text(errors="replace") for path in (made.path / "slmtrust-report").iterdir()}
    assert done.returncode != 0
    assert [name for name, text in {**shown, "out": done.stdout, "err": done.stderr}.items() if "S3cretPassw" in text] == []


@pytest.mark.parametrize("reply", ["fine", "you idiot"])
def test_nor_of_a_name_beside_a_model_that_a_hook_gives(project: Callable[..., pytest.Pytester], reply: str) -> None:
    made = project(f"return {reply!r}", n=5, extra=", tolerance=0.5")
    done = run(made.path, f"--slm={FORMS[0]}", "--slm-packs=none", "-v")
    shown = {path.name: path.read_text(errors="replace") for path in (made.path / "slmtrust-report").iterdir()}
    assert done.returncode == (reply != "fine")
    assert [name for name, text in {**shown, "out": done.stdout, "err": done.stderr}.items() if "S3cretPassw" in text] == []


@pytest.mark.parametrize("spec", FORMS)
def test_commands_say_no_secret_of_a_model(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["envelope", spec]) == 2
    assert main(["prepare", "--model", spec]) == 2
    shown = capsys.readouterr()
    assert "S3cretPassw" not in shown.out + shown.err
    for text in (f"[models]\na = {spec!r}\n", f"options = ['--slm-vs={spec}']\n[models]\na = 'x'\n"):
        (tmp_path / "sweep.toml").write_text(text)
        with pytest.raises(SweepError) as caught:
            read_sweep(tmp_path / "sweep.toml")
        assert "S3cretPassw" not in str(caught.value)


def test_other_masks_apply_to_a_spec_as_well() -> None:
    assert Mask(b"k" * 16).spec("--slm=x --password=hunter2x") == "--slm=x --password=[credential]"
