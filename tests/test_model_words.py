"""What a model's folder says of itself reaches terminal and files as one harmless line."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
from runs import run

#: A title for the terminal, a command of a CI service, and a key.
KEY = "sk-proj-9fK2mQ7xVb4TzR8wLc3YhN6d"
WORDS = f"\x1b]0;x\x07\n::error::y\r##[error]z\u202e {KEY}"
COMMANDS = re.compile(r"^[^\S\n]*::|##\[", re.MULTILINE)
PROBE = """
from pytest_slmtrust import Generate, Verdict, ask, chat, probe

@probe(dimension="privacy", rows=[{"n": n} for n in range(2)])
def answers(n):
    "It answers."
    reply = yield from ask(Generate(chat(f"the fox {n}"), 2))
    return Verdict(True, evidence={"reply": reply.text})
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("model") / "m")


def _indexed(folder: Path) -> None:
    """Weights in a shard that is not there."""
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": f"{WORDS}.safetensors"}}))


def _templated(template: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "chat_template.jinja").write_text(template, "utf-8")


#: What is changed, and whether the model can be audited all the same.
PLACES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "architectures": (lambda m: tiny.edit(m / "config.json", architectures=[WORDS]), False),
    "the model's type": (lambda m: tiny.edit(m / "config.json", model_type=WORDS), False),
    "a type of numbers": (lambda m: tiny.edit(m / "config.json", dtype=WORDS, torch_dtype=WORDS), False),
    "the activation": (lambda m: tiny.edit(m / "config.json", hidden_act=WORDS), False),
    "a shard of the index": (_indexed, False),
    "a file": (lambda m: (m / f"{WORDS}.safetensors").write_text("x"), True),
    "an error of the template": (_templated("{{ raise_exception(" + json.dumps(WORDS) + ") }}"), False),
    "a template that is none": (_templated("{% " + WORDS + " %}"), False),
    "a token": (
        lambda m: tiny.edit(m / "tokenizer_config.json", eos_token=WORDS, added_tokens_decoder=None),
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_word_of_a_models_folder_is_said_raw(place: str, whole: Path, tmp_path: Path) -> None:
    change, audited = PLACES[place]
    change(Path(shutil.copytree(whole, tmp_path / "m")))
    (tmp_path / "probe_own.py").write_text(PROBE)
    done = run(tmp_path, "--slm=m", "--slm-packs=none", "-rA", "--junitxml=junit.xml")
    assert (done.returncode == 0) is audited, done.stdout + done.stderr
    report = tmp_path / "slmtrust-report"
    said = done.stdout + "\n" + done.stderr
    assert [sign for sign in "\x1b\x07\r\u202e" if sign in said] == []
    assert COMMANDS.findall(said) == []
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    for text in (said, *((report / name).read_text("utf-8") for name in ("audit.json", "audit.html"))):
        assert KEY not in text
        assert "\x1b" not in text
