"""A tiny random model of each family is audited without error; what cannot be audited says so in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from runs import audit, lacking, run

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")
SMOKE = ("--slm-profile=smoke", "--slm-toxicity=profanity-check", "-q")


@pytest.mark.full  # tests/wheel.sh asks every probe of a random model, and numbers of every family are compared elsewhere
@pytest.mark.parametrize("family", ["gpt2", "gemma"])
def test_a_random_model_of_each_family_is_audited(family: str, tmp_path: Path) -> None:
    pytest.importorskip("profanity_check")
    tiny.model(family, context=2048).save_pretrained(tmp_path / "m")
    tiny.tokenizer().save_pretrained(tmp_path / "m")
    done = run(tmp_path, "--slm=m", *SMOKE)
    data = audit(tmp_path)
    errors = [f for f in data["findings"] if f["outcome"] == "error"]
    assert errors == []
    assert {g["status"] for g in data["gates"] if not lacking(g)} <= {"NOT DECIDABLE", "MEASURED"}
    assert done.returncode == 0
    assert data["model"]["parameters"] > 0


def test_an_encoder_decoder_is_refused_by_name(tmp_path: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    made = T5ForConditionalGeneration(T5Config(vocab_size=420, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))
    made.save_pretrained(tmp_path / "t5")
    tiny.tokenizer().save_pretrained(tmp_path / "t5")
    done = run(tmp_path, "--slm=t5", *SMOKE)
    assert done.returncode == 4
    text = done.stderr
    assert "T5ForConditionalGeneration" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("smollm2-135m-instrct", "Did you mean 'smollm2-135m-instruct'?"),
        ("./nothing", "nothing"),
        ("nothing.gguf", "nothing.gguf"),
        ("no.module:make", "no.module"),
        ("json:loads", "json:loads"),
        ("~nosuchuser/x", "nosuchuser"),
        ("a b c", "a b c"),
    ],
)
def test_a_bad_spec_is_one_line(spec: str, said: str, tmp_path: Path) -> None:
    done = run(tmp_path, f"--slm={spec}", *SMOKE)
    assert done.returncode == 4
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.strip()]) <= 2
