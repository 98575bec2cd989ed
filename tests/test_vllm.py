"""Models as vLLM runs them: what it is given and how its answers are read, with a stand-in for the package."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
import vllm_script
from runs import audit, run
from safetensors.torch import load_file, save_file

from pytest_slmtrust import BackendError, Completion, Failure, Generate, Loglikelihood, Logprob, Message, chat
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend
from pytest_slmtrust.backends.transformers.files import CacheError
from pytest_slmtrust.backends.vllm import backend as vllm_backend
from pytest_slmtrust.backends.vllm.arguments import KNOWN, ArgumentsError, read_arguments
from pytest_slmtrust.engine.admission import admitted

LONG = " ".join(f"the river ends {n * 7 % 13} times" for n in range(12))
SCORED: list[Any] = [
    Loglikelihood("the quick", " brown fox"), Loglikelihood("the quick ", "brown fox"), Loglikelihood("", "I don't pay 45678"),
    Loglikelihood("東京は", "晴れ"), Loglikelihood(chat("Is it so?"), " Yes"), Loglikelihood(LONG, " a grey sea"),
    Loglikelihood((Message("system", "Be brief."), Message("user", "Is it so?")), "No, it isn't."),
    Loglikelihood("question:", " where", split="length"), Loglikelihood("", f"{LONG} {LONG}", split="rolling"),
]  # fmt: skip
WRITTEN: list[Any] = [
    Generate("the quick", 12), Generate(chat("Say it", system="Be brief."), 12), Generate("in 1987 and", 9),
    Generate(chat("hello"), 24, stop=("e", "th")), Generate("numbers such as", 20, stop=("<|end|>", " a")), Generate("東京は", 7),
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("vllm") / "tiny", add_bos=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: what was tried of a tokenizer is not tried again."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch, cache: Path) -> dict[str, list[Any]]:
    monkeypatch.setenv("SLMTRUST_CACHE", str(cache))
    vllm_script.install(monkeypatch)
    return vllm_script.GIVEN


def asked(one: Any, requests: list[Any]) -> list[Any]:
    found = dict(admitted(one).run(requests))
    return [found[i] for i in range(len(requests))]


def backend(folder: Path, *arguments: str, chats: bool = False, **more: Any) -> Any:
    """``chats``: put by the model's template, which takes a process of its own."""
    template = None if chats else False
    return load_backend(ModelSpec(str(folder), threads=1, engine="vllm", vllm=arguments, template=template, **more))


def plain(folder: Path, chats: bool = False) -> Any:
    return load_backend(ModelSpec(str(folder), threads=1, template=None if chats else False))


# -- the same answers as in transformers ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def right(model: Path, cache: Path) -> list[Any]:
    """What the backend for transformers answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLMTRUST_CACHE", str(cache))
        return asked(plain(model, chats=True), SCORED + WRITTEN)


@pytest.mark.parametrize("piece", [10**6, 3])
def test_scores_and_texts_are_those_of_transformers(
    piece: int, model: Path, right: list[Any], vllm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where vLLM writes a few tokens at a time, because it saw a stop text where there is none."""
    monkeypatch.setattr(vllm_script, "PIECE", piece)
    one = backend(model, chats=True)
    for request, ours, theirs in zip(SCORED + WRITTEN, asked(one, SCORED + WRITTEN), right, strict=True):
        if isinstance(theirs, Logprob):
            assert (ours.n_tokens, ours.greedy) == (theirs.n_tokens, theirs.greedy), request
            assert ours.sum == pytest.approx(theirs.sum, abs=2e-4), request
        else:
            assert ours == theirs, request
    one.close()


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "mistral"])
def test_families(family: str, vllm: Any, tmp_path: Path) -> None:
    folder = tiny.save(tmp_path / family, family, seed=5)
    requests = [Loglikelihood("a small model", " writes"), Loglikelihood("", "both may be wrong"), Generate(chat("hello"), 10)]
    ours, theirs = asked(backend(folder), requests), asked(plain(folder), requests)
    assert [one.sum for one in ours[:2]] == pytest.approx([one.sum for one in theirs[:2]], abs=2e-4)
    assert ours[2].text == theirs[2].text


def test_a_chat_is_sent_as_token_ids_with_one_beginning(tmp_path: Path, vllm: Any) -> None:
    template = "{{ bos_token }}" + tiny.TEMPLATE
    folder = tiny.save(tmp_path / "bos", add_bos=True, template=template)
    asked(backend(folder, chats=True), [Generate(chat("hello"), 2), Generate("hello", 2), Loglikelihood(chat("hello"), "you")])
    starts = [ids[:2].count(0) for ids in vllm["prompts"]]
    assert starts == [1, 1, 1]


def test_what_vllm_is_given(model: Path, vllm: Any) -> None:
    draw = Generate("the quick", 5, stop=("x", "<|pad|>", ""), temperature=0.7, top_p=0.9, sample=3)
    one = backend(model, "tensor-parallel-size=2", "gpu_memory_utilization=0.5", "enforce_eager=false")
    asked(one, [draw, Generate("hi", 6), Loglikelihood("a", " b")])
    given = vllm["arguments"][0]
    assert (given["tensor_parallel_size"], given["gpu_memory_utilization"], given["enforce_eager"]) == (2, 0.5, False)
    assert (given["trust_remote_code"], given["load_format"], given["dtype"]) == (False, "safetensors", "float32")
    score, text, drawn = sorted(vllm["params"], key=lambda p: (p.prompt_logprobs is None, p.temperature))
    assert (score.prompt_logprobs, score.max_tokens) == (1, 1)
    assert (text.max_tokens, text.temperature, text.seed, text.stop_token_ids, text.ignore_eos) == (6, 0.0, None, [1], True)
    assert (drawn.seed, drawn.top_p, drawn.stop, drawn.skip_special_tokens) == (draw.seed, 0.9, ["x", "<|pad|>"], False)


def test_a_draw_depends_on_its_own_seed(model: Path, vllm: Any) -> None:
    draws = [Generate("the quick", 12, temperature=1.0, sample=n) for n in range(4)]
    one = backend(model)
    together = asked(one, draws)
    assert [asked(one, [draw])[0] for draw in reversed(draws)] == together[::-1]
    assert len({answer.text for answer in together}) == 4


def test_only_inspected_files_are_shown_to_vllm(model: Path, tmp_path: Path, vllm: Any) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "more"))
    weights = load_file(folder / "model.safetensors")
    save_file({name: value * 0 for name, value in weights.items()}, folder / "zz.safetensors")
    for name in ("params.json", "consolidated.safetensors", "modeling_x.py"):
        (folder / name).write_bytes(b"{}")
    assert asked(backend(folder), SCORED[:1])[0].sum == pytest.approx(asked(plain(model), SCORED[:1])[0].sum, abs=2e-4)
    files = vllm["arguments"][0]["files"]
    assert "model.safetensors" in files
    assert not {"zz.safetensors", "params.json", "consolidated.safetensors", "modeling_x.py"} & set(files)
    again = vllm["arguments"][0]["model"]
    asked(backend(folder), SCORED[:1])
    assert vllm["arguments"][1]["model"] == again


def test_a_cache_that_cannot_be_written_is_done_without(model: Path, vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise CacheError("no cache")

    monkeypatch.setattr(vllm_backend, "cache_folder", none)
    assert isinstance(asked(backend(model), SCORED[:1])[0], Logprob)
    assert not os.path.exists(vllm["arguments"][0]["model"])


# -- limits and refusals ----------------------------------------------------------------------------------------


def test_a_text_that_is_too_long_fails_alone(model: Path, vllm: Any) -> None:
    fits = " a" * 20
    one = backend(model, "max_model_len=32")
    found = asked(one, [Loglikelihood("a", fits), Loglikelihood("a", fits * 4), Generate(fits * 4, 3), Generate("a", 32)])
    assert [type(answer) for answer in found] == [Logprob, Failure, Failure, Failure]
    assert "the model takes" in found[1].message
    long = asked(one, [Loglikelihood("", fits * 4, split="rolling")])[0]
    assert long.n_tokens == 1 + 80 * len(plain_ids(" a"))  # the tokenizer puts a token before every text


def plain_ids(text: str) -> list[int]:
    return list(tiny.tokenizer().encode(text, add_special_tokens=False))


def test_what_vllm_refuses_fails_alone(model: Path, vllm: Any) -> None:
    hot = Generate("the quick", 4, temperature=3.0)
    found = asked(backend(model), [WRITTEN[0], hot, WRITTEN[2]])
    assert isinstance(found[1], Failure)
    assert "temperature must be in [0, 2]" in found[1].message
    assert [type(found[0]), type(found[2])] == [Completion, Completion]


def test_numbers_of_each_token_are_not_to_be_had(model: Path, vllm: Any) -> None:
    one = backend(model)
    detail = Loglikelihood("the quick", " brown fox", detail=True)
    assert "mean and variance" in one.refusal(detail)
    assert one.refusal(SCORED[0]) == ""
    found = asked(one, [detail, SCORED[0], detail, WRITTEN[0]])
    assert [type(answer) for answer in found] == [Failure, Logprob, Failure, Completion]


def test_logits_that_are_no_numbers_fail(model: Path, vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_script.LLM, "_logits", lambda self, ids: torch.full((len(ids), 420), float("nan")))
    assert all("not finite" in answer.message for answer in asked(backend(model), [SCORED[0], WRITTEN[0]]))


def broken(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    edit(weights)
    save_file(weights, path, metadata={"format": "pt"})


UP, HEAD = "model.layers.1.mlp.up_proj.weight", "lm_head.weight"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda w: w.pop(UP), UP),
        (lambda w: w.update({"model.layers.1.mlp.up_projection.weight": w.pop(UP)}), UP),
        (lambda w: w.update({UP: w[UP][:-1].contiguous()}), UP),
        (lambda w: w.update({UP: w[UP].to(torch.int8)}), UP),
        (lambda w: w.update({"model.layers.2.mlp.up_proj.weight": w[UP].clone()}), "model.layers.2.mlp.up_proj.weight"),
        (lambda w: w[UP][3].fill_(float("inf")), UP),
    ],
)
def test_a_model_that_is_not_whole_never_reaches_vllm(
    edit: Callable[[dict[str, torch.Tensor]], object], said: str, model: Path, tmp_path: Path, vllm: Any
) -> None:  # fmt: skip
    folder = Path(shutil.copytree(model, tmp_path / "broken"))
    broken(folder, edit)
    with pytest.raises((BackendError, SpecError), match=said.replace(".", r"\.")) as error:
        asked(backend(folder), SCORED[:1])
    assert "\n" not in str(error.value)
    assert not vllm["arguments"]


def test_a_head_beside_tied_embeddings(model: Path, tmp_path: Path, vllm: Any) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "tied"))
    tiny.edit(folder / "config.json", tie_word_embeddings=True)
    with pytest.raises(BackendError, match=r"lm_head\.weight"):
        asked(backend(folder), SCORED[:1])
    assert not vllm["arguments"]
    one = backend(folder, allow_unused=True)
    asked(one, SCORED[:1])
    assert one.describe()["unused_weights"] == [HEAD]


def test_pickles_and_code_never_reach_vllm(model: Path, tmp_path: Path, vllm: Any) -> None:
    pickled = Path(shutil.copytree(model, tmp_path / "pickled"))
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    code = Path(shutil.copytree(model, tmp_path / "code"))
    tiny.edit(code / "config.json", auto_map={"AutoModelForCausalLM": "evil.Model"})
    for folder, said in ((pickled, "pickled weights"), (code, "auto_map")):
        with pytest.raises((BackendError, SpecError), match=said):
            asked(backend(folder), SCORED[:1])
    assert not vllm["arguments"]
    assert isinstance(asked(backend(pickled, allow_pickle=True), SCORED[:1])[0], Logprob)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tensor_paralel_size=2", "did you mean 'tensor_parallel_size'"), ("quantisation=awq", "did you mean 'quantization'"),
        ("trust_remote_code=true", "known:"), ("dtype=half", "use --slm-dtype"), ("tensor_parallel_size=0", "whole number"),
        ("max_model_len", "expected max_model_len=VALUE"), ("gpu_memory_utilization=1.5", "at most 1"), ("=3", "known:"),
        ("enforce_eager=yes", "true or false"), ("quantization=../x", "a word"), ("hf_overrides={}", "known:"),
    ],
)  # fmt: skip
def test_arguments_that_are_refused(given: str, said: str, model: Path, vllm: Any) -> None:
    with pytest.raises(SpecError, match=said) as error:
        backend(model, given)
    assert "--slm-vllm" in str(error.value)
    assert "\n" not in str(error.value)


def test_arguments_are_read_by_their_kind() -> None:
    found = read_arguments(
        ["--max-model-len=4096", "cpu_offload_gb = 2.5", "enable-prefix-caching=False", "quantization=awq_marlin"]
    )
    assert found == {"max_model_len": 4096, "cpu_offload_gb": 2.5, "enable_prefix_caching": False, "quantization": "awq_marlin"}
    with pytest.raises(ArgumentsError, match="given twice"):
        read_arguments(["max_model_len=1", "max-model-len=2"])
    assert set(KNOWN) - {"data_parallel_size"} <= vllm_script.ARGUMENTS


def test_what_does_not_go_with_vllm(model: Path, vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for spec, said in (
        (ModelSpec("http://h/v1", engine="vllm"), "vLLM runs a model folder"),
        (ModelSpec("batch:m", engine="vllm"), "vLLM runs a model folder"),
        (ModelSpec("some.module:factory", engine="vllm"), "vLLM runs a model folder"),
        (ModelSpec(str(model), engine="vllm", device="cuda:1"), "CUDA_VISIBLE_DEVICES"),
        (ModelSpec(str(model), vllm=("max_model_len=9",)), "--slm-engine=vllm"),
    ):
        with pytest.raises(SpecError, match=said):
            load_backend(spec)
    monkeypatch.delitem(sys.modules, "vllm")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SpecError, match="vLLM is not installed: install the package vllm"):
        backend(model)


# -- identity ---------------------------------------------------------------------------------------------------


def test_the_fingerprint_loads_nothing_and_tells_engines_apart(model: Path, vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = [
        backend(model).fingerprint, backend(model, "tensor_parallel_size=2").fingerprint, plain(model).fingerprint,
        backend(model, dtype="bfloat16").fingerprint,
    ]  # fmt: skip
    assert backend(model).fingerprint == prints[0]
    monkeypatch.setattr(vllm_backend, "version", lambda: "0.33.1")
    assert len({*prints, backend(model).fingerprint}) == 5
    assert not vllm["arguments"]


def test_what_it_says_of_itself(model: Path, vllm: Any) -> None:
    one = backend(model, "max_model_len=128")
    cold = one.describe()
    assert (cold["kind"], cold["engine"], cold["arguments"]) == ("vllm", "vllm", {"max_model_len": 128})
    asked(one, SCORED[:2])
    warm = one.describe()
    assert (warm["context_length"], warm["vocabulary"], warm["architecture"]) == (128, 420, "LlamaForCausalLM")
    assert warm["files"] == plain(model).describe()["files"]
    assert json.loads(json.dumps(warm)) == warm


# -- thoughts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "limit", "want"),
    [
        ("<think>hm, seven wizards</think> the river", 64, ("the river", "hm, seven wizards", True)),
        ("<think>hm, seven wizards</think> the river", 3, ("", None, False)),
        ("the river", 64, ("the river", "", True)),
    ],
)
def test_a_thought_has_its_own_limit(
    script: str, limit: int, want: tuple[str, str | None, bool], model: Path, vllm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    ids, begins = [*plain_ids(script), 1], list[int]()

    def written(self: Any, prompt: list[int], params: Any) -> tuple[list[int], float]:
        begins.append(len(prompt))
        done = len(prompt) - begins[0]
        return ids[done : done + params.max_tokens], -1.0

    monkeypatch.setattr(vllm_script.LLM, "_written", written)
    found = asked(backend(model, thought_tokens=limit), [Generate("where", 12, stop=("wizards",))])[0]
    assert (found.text, found.thought_finished) == (want[0], want[2])
    assert want[1] is None or found.thought == want[1]
    assert len(begins) == (1 if "think" not in script or limit == 3 else 2)
    assert all(not params.stop for params in vllm["params"][1:])


# -- a run ------------------------------------------------------------------------------------------------------

PROBES = """
from pytest_slmtrust import Generate, Loglikelihood, Verdict, ask, chat, probe

ROWS = [{"n": n} for n in range(12)]


@probe(dimension="robustness", rows=ROWS, tolerance=0.5)
def writes(n):
    reply = yield from ask(Generate(chat(f"number {n}"), 4))
    return Verdict(True, evidence={"reply": reply.text})


@probe(dimension="robustness", rows=ROWS, tolerance=0.5)
def spreads(n):
    score = yield from ask(Loglikelihood("the quick", f" brown {n}", detail=True))
    return Verdict(score.tokens[0].var > 0)
"""


@pytest.mark.slow
def test_a_run_is_quiet_and_names_what_it_could_not_ask(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))
    paths = [str(vllm_script.write_package(tmp_path / "path")), str(Path(__file__).parent)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    (tmp_path / "probe_words.py").write_text(PROBES)
    options = (f"--slm={model}", "--slm-engine=vllm", "--slm-packs=none", "--slm-optional=spreads", "-p", "no:cacheprovider")
    done = run(tmp_path, *options, "--slm-vllm=max_model_len=64", "--slm-vllm", "enforce_eager=false", fresh=True)
    data = audit(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a line of its log" not in done.stdout + done.stderr
    gates = {gate["probe"]: gate for gate in data["gates"]}
    assert gates["writes"]["status"] != "NOT TESTED"
    assert gates["spreads"]["status"] == "NOT TESTED"
    assert "mean and variance" in json.dumps(gates["spreads"])
    assert data["model"]["arguments"] == {"max_model_len": 64, "enforce_eager": False}
    broken = run(tmp_path, *options, "--slm-vllm=quantization=broken", fresh=True)
    assert "vLLM cannot load it (ValueError: Unknown quantization method: broken. Must be one of many.)" in broken.stdout
    assert "Traceback" not in broken.stdout + broken.stderr
