"""A sweep: an audit a task, taken up after a kill, and one comparison with the base."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import ggufs
import numpy as np
import pytest
import tiny
import torch
import transformers

from pytest_slmtrust.archive.files import read_audit, write_reports
from pytest_slmtrust.audit.envelope import Envelope, EnvelopeReading, Load, decided
from pytest_slmtrust.audit.model import Audit, Status
from pytest_slmtrust.audit.verdict import sentence
from pytest_slmtrust.backends.transformers.pretokenizers import KNOWN, pre_tokenizer
from pytest_slmtrust.cli import main
from pytest_slmtrust.envelope.limits import read_limits
from pytest_slmtrust.scale import sweep as sweeps
from pytest_slmtrust.scale.sweep import Ended, SweepError, Task, read_sweep, table

sys.path.append(str(Path(__file__).parents[1] / "examples" / "sweep"))

SWEEP = """
base = "good"
profiles = ["smoke"]
options = [
  "-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:anyio",
  "--slm-packs=none", "--slm-toxicity=profanity-check", "probe_replies.py",
]
[models]
good = "scripted:good"
worse = "scripted:worse"
broken = "scripted:broken"
same = {model = "scripted:same"}
"""
SCRIPTED = """
import os, time
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend

def made(name, bad=()):
    def reply(request):
        with open("asked.log", "a") as log:
            log.write(f"{name} {request.key}" + chr(10))
        time.sleep(float(os.environ.get("SLOW", "0")))
        return "" if any(f"row {n}." in request.prompt for n in bad) else "a reply"
    return FakeBackend(reply, name=name, answers=(Generate,))

def good(): return made("good", range(3))
def same(): return made("same", range(3))
def worse(): return made("worse", range(60))
def broken(): raise RuntimeError("no weights here")
"""
PROBE = """
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="robustness", rows=[{"n": i} for i in range(120)], tolerance=0.2)
def replies(n: int):
    reply = yield from ask(Generate(f"Say something about row {n}."))
    return Verdict(passed=bool(reply.text))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("sweep.toml", SWEEP), ("scripted.py", SCRIPTED), ("probe_replies.py", PROBE)):
        (tmp_path / name).write_text(text)
    return tmp_path


def asked(project: Path) -> list[str]:
    log = project / "asked.log"
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.slow
def test_a_sweep_is_taken_up_after_a_kill_and_an_error_stops_no_other(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("SLOW", "0.015")
    code = "import sys; from pytest_slmtrust.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "sweep", "sweep.toml"]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    while not any(line.startswith("worse") for line in asked(project)) and running.poll() is None:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    assert running.wait(60) == -signal.SIGKILL
    monkeypatch.setenv("SLOW", "0")
    before = asked(project)
    assert main(["sweep", "sweep.toml"]) == 2
    said = capfd.readouterr()
    assert "good-smoke-fast: finished before, verified" in said.err
    assert "worse-smoke-fast: finished before" not in said.err
    assert len([line for line in asked(project)[len(before) :] if line.startswith("good")]) == 0
    again = set(before) & set(asked(project)[len(before) :])
    assert len(again) < 60  # what was answered but not yet committed; half a second of it at most
    rows = {row["model"]: row for row in json.loads(Path("slmtrust-sweep/comparison.json").read_text())["tasks"]}
    assert "no weights here" in Path("slmtrust-sweep/broken-smoke-fast/output.txt").read_text()
    assert rows["broken"]["error"].startswith("exit status 4")
    assert rows["same"]["flips"] == {"robustness": {"worse": 0, "better": 0}}
    assert rows["worse"]["flips"]["robustness"]["worse"] > 0
    assert {name: row["red"] for name, row in rows.items()}["same"] is False
    assert "worse" in Path("slmtrust-sweep/comparison-smoke.html").read_text()
    assert "broken-smoke-fast" in said.out


@pytest.mark.slow
def test_a_sweep_that_is_told_to_end_ends_its_task_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI system sends SIGTERM to the command alone."""
    monkeypatch.setenv("SLOW", "0.05")
    code = "import sys; from pytest_slmtrust.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "sweep", "sweep.toml"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not asked(project) and running.poll() is None:
        time.sleep(0.05)
    running.terminate()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert said.splitlines()[-1] == "slmtrust sweep: interrupted"
    before = len(asked(project))
    time.sleep(1)
    assert len(asked(project)) == before


def test_a_limit_that_could_not_be_tested_makes_a_task_red() -> None:
    [limit] = read_limits(["energy=1J/tok"])
    found = decided(limit, EnvelopeReading("energy", "J/tok", lacking="this machine has no meter"), 0.05)
    settings: Any = {"envelope": Envelope(Load("cpu"), (), (found,))}
    audit = Audit(Status.NOT_TESTED, "", "smoke", (), (), (), {"name": "m"}, settings=settings)
    assert Ended(Task("m-smoke-fast", "m", "m", "smoke", "fast"), audit).red


def test_an_audit_of_another_build_is_made_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (task, *_) = read_sweep(project / "sweep.toml").tasks
    before = task.made_of(project)
    monkeypatch.setattr("pytest_slmtrust.scale.sweep.package_sha256", lambda: "of another build")
    assert task.made_of(project) != before


def test_why_a_task_is_not_compared_is_one_line() -> None:
    audit = Audit(Status.PASS, "", "smoke", (), (), (), {"name": "m"})
    [_, row] = table([Ended(Task("m-smoke-fast", "m", "m", "smoke", "fast"), audit, refused="cannot be compared:\n  cases: two")])
    assert row.endswith("cannot be compared: cases: two")


@pytest.mark.parametrize("place", ["folder/model.safetensors", "folder/deep/tokenizer.json", "small.gguf", "made/models.py"])
def test_an_audit_of_other_files_is_made_again(project: Path, place: str) -> None:
    (project / place).parent.mkdir(parents=True, exist_ok=True)
    (project / place).write_text("as audited")
    spec = {"folder": "folder", "small.gguf": "small.gguf", "made": "made.models:small"}[place.partition("/")[0]]
    (project / "sweep.toml").write_text(f'[models]\nsmall = "{spec}"\nother = "hub/other"\n')
    small, other = read_sweep(project / "sweep.toml").tasks
    before = [task.made_of(project) for task in (small, other)]
    assert [task.made_of(project) for task in (small, other)] == before
    (project / place).write_text("as changed")
    assert small.made_of(project) != before[0]
    assert other.made_of(project) == before[1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("base = 'a'", r"expected a table \[models\]"),
        ("[models]\na = 7", "models.a: expected a model"),
        ("base = 'b'\n[models]\na = 'x'", "base is 'b'; expected one of a"),
        ("profile = 'ci'\n[models]\na = 'x'", "'profile' is unknown; expected base"),
        ("[models]\na = {model = 'x', engine = 'fast'}", "'engine' is unknown"),
        ("[models]\n'../a' = 'x'", "a name has letters"),
        ("profiles = 'ci'\n[models]\na = 'x'", "profiles is 'ci'; expected a list"),
        ("profiles = ['../../x']\n[models]\na = 'x'", "is no name of a profile"),
        ("options = ['--slm-store=x']\n[models]\na = 'x'", "the sweep sets --slm-store itself"),
        ("[models", "cannot be read"),
        ("base = ['a']\n[models]\na = 'x'", r"base is \['a'\]; expected one of a"),
        ("base = {}\n[models]\na = 'x'", "base is {}; expected one of a"),
        ("base = 0\n[models]\na = 'x'", "base is 0; expected one of a"),
        ("[models]\na = '\u3164'", "expected a model as in"),
        ("profiles = []\n[models]\na = 'x'", "profiles is empty"),
        ("[models]\na = {model = 'x', engines = []}", "engines is empty"),
        ("profiles = ['ci', 'ci']\n[models]\na = 'x'", "two tasks have the folder a-ci-fast"),
        ("[models]\na = {model = 'x', profiles = ['b-c']}\na-b = {model = 'y', profiles = ['c']}", "the folder a-b-c-fast"),
        ("[models]\nA = 'x'\na = 'y'", "the folder a-ci-fast"),
        ('[models]\na = "x\\u0000y"', "has a character that no name of a model has"),
        ('[models]\na = "x\\u001b[2J"', "has a character that no name of a model has"),
        ('options = ["a\\u0000b"]\n[models]\na = "x"', "a NUL character"),
    ],
)
def test_a_sweep_that_is_none_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "sweep.toml").write_text(text)
    with pytest.raises(SweepError, match=why):
        read_sweep(tmp_path / "sweep.toml")
    assert main(["sweep", str(tmp_path / "sweep.toml"), "--into", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def scripted_run(monkeypatch: pytest.MonkeyPatch, verdict: str = "MEASURED") -> list[str]:
    """Let each task write a small audit in place of a run of pytest; return the tasks that ran."""
    ran = list[str]()

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        report = Path(next(one for one in command if one.startswith("--slm-report=")).partition("=")[2])
        ran.append(report.parent.name)
        made = Audit(Status.NOT_TESTED, "", "smoke", (), (), (), {"name": report.parent.name})
        write_reports(replace(made, sentence=sentence(made.verdict, ())), report)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(sweeps.subprocess, "run", run)
    monkeypatch.setattr(sweeps, "read_verified", read_audit)  # the audits say too little to be verified
    return ran


@pytest.mark.parametrize("spec", ["~nobody-has-this-home/x", "x" * 5000, "/", "loop", "locked"])
def test_a_model_whose_files_cannot_be_read_stops_no_other(tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = scripted_run(monkeypatch)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "config.json").mkdir()
    (tmp_path / "sweep.toml").write_text(f'[models]\na = "{spec}"\nb = "hub/b"\n')
    assert main(["sweep", str(tmp_path / "sweep.toml"), "--into", str(tmp_path / "out")]) in (0, 2)
    assert "b-ci-fast" in ran
    assert (tmp_path / "out" / "comparison.json").exists()


@pytest.mark.parametrize("edit", ["text", "deleted"])
def test_an_audit_that_was_changed_is_made_again(tmp_path: Path, edit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = scripted_run(monkeypatch)
    (tmp_path / "sweep.toml").write_text('[models]\na = "."\n')  # its folder lies in that of the model
    command = ["sweep", str(tmp_path / "sweep.toml"), "--into", str(tmp_path / "out")]
    for _ in range(3):
        main(command)
    assert ran == ["a-ci-fast"]
    path = tmp_path / "out" / "a-ci-fast" / "report" / "audit.json"
    if edit == "text":
        path.write_text(path.read_text().replace('"name": "a-ci-fast"', '"name": "another"'))
    else:
        path.unlink()
    main(command)
    assert ran == ["a-ci-fast", "a-ci-fast"]


def test_two_sweeps_do_not_work_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sweep.toml").write_text('[models]\na = "x"\n')
    with sweeps.alone(tmp_path / "out"):
        assert main(["sweep", str(tmp_path / "sweep.toml"), "--into", str(tmp_path / "out")]) == 2
    assert "another sweep works in this folder" in capsys.readouterr().err


def test_a_comparison_of_an_earlier_sweep_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_run(monkeypatch)
    (tmp_path / "out").mkdir()
    for name in ("comparison.json", "comparison-ci-2.html"):
        (tmp_path / "out" / name).write_text("of another sweep")
    (tmp_path / "sweep.toml").write_text('[models]\na = "x"\n')
    main(["sweep", str(tmp_path / "sweep.toml"), "--into", str(tmp_path / "out")])
    assert "of another sweep" not in (tmp_path / "out" / "comparison.json").read_text()
    assert not (tmp_path / "out" / "comparison-ci-2.html").exists()


def test_a_variant_that_cannot_be_compared_is_red() -> None:
    audit = Audit(Status.MEASURED, "", "smoke", (), (), (), {"name": "m"})
    task = Task("m-smoke-fast", "m", "m", "smoke", "fast")
    assert not Ended(task, audit).red
    assert Ended(task, audit, refused="the base has no audit of this profile").red


def test_another_form_of_a_task_is_another_task(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text("profiles = ['ci', 'smoke']\nengines = ['fast', 'plain']\n[models]\na = 'x'\nb = 'y'")
    tasks = read_sweep(tmp_path / "sweep.toml").tasks
    assert len({task.name for task in tasks}) == len({task.identity for task in tasks}) == 8
    (tmp_path / "sweep.toml").write_text("[models]\na = {model = 'x', options = ['-v']}")
    assert read_sweep(tmp_path / "sweep.toml").tasks[0].identity not in {task.identity for task in tasks}


def test_the_example_has_at_least_eight_variants() -> None:
    import shrunk

    sweep = read_sweep(Path(__file__).parents[1] / "examples" / "sweep" / "sweep.toml")
    factories = [task.spec.partition(":")[2] for task in sweep.tasks if task.spec.startswith("shrunk:")]
    assert len(factories) >= 8
    assert all(callable(getattr(shrunk, name)) for name in factories)


def written(model: Any, tokenizer: Any, prompt: str) -> str:
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    out = model.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=model.config.eos_token_id)
    return str(tokenizer.decode(out[0][ids.shape[1] :]))


@pytest.mark.parametrize("prompt", ["the quick brown fox", "numbers such as 12, 305", "Question: are größer, 你好 & ok?"])
def test_a_cut_vocabulary_writes_the_same_text_with_kept_tokens(prompt: str) -> None:
    from shrunk import cut_vocabulary

    model, tokenizer = tiny.model(vocabulary=400), tiny.tokenizer()
    with torch.inference_mode():
        reply = written(model, tokenizer, prompt)
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        out = model.generate(ids, max_new_tokens=12, do_sample=False, pad_token_id=model.config.eos_token_id)
        used = [tokenizer.convert_ids_to_tokens(int(i)) for i in out[0]]
        small, fewer = cut_vocabulary(model, tokenizer, [prompt], used)
        assert len(fewer) < len(tokenizer)
        assert small.get_input_embeddings().weight.shape[0] == small.config.vocab_size == len(fewer)
        assert fewer.tokenize(prompt) == tokenizer.tokenize(prompt)
        assert written(small, fewer, prompt) == reply


def test_narrow_and_low_rank_keep_what_they_say() -> None:
    from shrunk import low_rank, narrowed

    model = narrowed(tiny.model(), 0.25)
    assert model.config.intermediate_size == model.model.layers[0].mlp.up_proj.weight.shape[0] == 36
    assert model(torch.tensor([[1, 2, 3]])).logits.isfinite().all()
    weight = torch.randn(12, 8, generator=torch.Generator().manual_seed(1))
    assert torch.linalg.matrix_rank(low_rank(weight, 0.5)) == 4
    torch.testing.assert_close(low_rank(weight, 1.0), weight)


@pytest.mark.parametrize(("kind", "steps", "share"), [("Q8_0", 127.0, 0.35), ("Q4_0", 8.0, 0.2)])
def test_a_file_in_other_blocks_is_the_same_model_within_half_a_step(
    kind: str, steps: float, share: float, tmp_path: Path
) -> None:  # fmt: skip
    from quantised import quantised

    words = ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))
    tensors = ggufs.weights(len(words["tokens"]), seed=3)
    source = ggufs.write(tmp_path / "full.gguf", tensors, **words, pre="llama-bpe", more={"tokenizer.chat_template": "{{ x }}"})
    made = quantised(source, tmp_path / "made.gguf", kind)
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(made)
    assert [one.name for one in after.tensors] == [one.name for one in before.tensors]
    kept = {name for name in before.fields if not name.startswith("GGUF.")}
    assert {name for name in after.fields if name in kept} == kept
    assert all(after.fields[name].contents() == before.fields[name].contents() for name in kept)
    matrices = 0
    for one in after.tensors:
        full = tensors[one.name]
        back = gguf.quants.dequantize(one.data, one.tensor_type).reshape(full.shape)
        if full.ndim == 1 or full.shape[1] % 32:
            assert one.tensor_type == gguf.GGMLQuantizationType.F32
            np.testing.assert_array_equal(back, full)
            continue
        matrices += 1
        assert one.tensor_type == gguf.GGMLQuantizationType[kind]
        blocks = full.reshape(-1, 32)
        step = np.abs(blocks).max(1, keepdims=True) / steps  # kept as float16, which adds to the half
        off = np.abs(back.reshape(-1, 32) - blocks)
        assert (off <= step * (0.57 if kind == "Q8_0" else 1.01)).all()
    assert matrices >= 10
    weights = sum(one.n_bytes for one in after.tensors) / sum(one.n_bytes for one in before.tensors)
    assert weights < share


@pytest.mark.parametrize("name", ["torchao_int8", "torchao_int4"])
def test_torchao_leaves_the_head_and_answers_alike_in_any_batch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchao", reason="torchao is not installed")
    import shrunk

    config = tiny.config("llama", 420, 256)
    config.hidden_size, config.intermediate_size, config.head_dim = 64, 128, 64 // config.num_attention_heads
    small = transformers.AutoModelForCausalLM.from_config(config).eval()
    before = small.lm_head.weight.detach().clone()
    monkeypatch.setattr(shrunk, "parent", lambda: (small, tiny.tokenizer()))
    model, _ = getattr(shrunk, name)()
    assert type(model.model.layers[0].mlp.up_proj.weight).__name__ != "Parameter"
    torch.testing.assert_close(model.lm_head.weight.detach(), before)
    ids = torch.arange(24).reshape(4, 6)
    with torch.inference_mode():
        together = model(ids).logits
        alone = torch.cat([model(row[None]).logits for row in ids])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
