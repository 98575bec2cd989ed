"""Families of models, beyond every window: the numbers of plain forwards, one text at a time, in float32 and without a cache."""

from __future__ import annotations

from typing import Any

import lm_families as families
import pytest
import torch

from pytest_slmtrust import BackendError, Failure, Generate, Loglikelihood
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.backend import Settings, TransformersBackend

NEAR, FAR = "the boat", "a long way over the cold hills"
#: Within a window of 16 tokens and beyond it: shared beginnings, middles of unequal length (holes), options of unequal length.
SCORED = [
    Loglikelihood(f"{start}{middle}", option)
    for start, middles, options in (
        (NEAR, (" one", " three"), ("x", "no", "ask", "of", "so", "and I")),
        (FAR, (";", ", and so", ", by night and day"), ("x", "s go", "out we")),
    )
    for middle in middles
    for option in options
] + [Loglikelihood("ab", "c"), Loglikelihood("q" * 40, " and so on")]
WRITTEN = [
    Generate(text, max_new_tokens=new)
    for text, new in (
        (f"{NEAR} A", 5), (f"{NEAR} is", 3), (f"{NEAR} was", 4), ("it", 6), ("so we", 11), (FAR, 6), (f"{FAR} and back", 3),
        (f"{FAR}; then to the sea", 6),
    )
]  # fmt: skip
#: Families that some versions of transformers let look ahead: refused by name as they are loaded.
REFUSED = {"doge", "zamba2"}
#: Families whose layers look back 16 tokens, or scale positions by the longest text.
WINDOWED = {
    "afmoe", "cohere2", "cwm", "exaone4", "gemma2", "gemma3", "gemma3n", "gpt_neo", "gpt_oss", "llama4", "ministral", "mistral",
    "modernbert_decoder", "olmo3", "phi3_long", "phi3_window", "qwen2_window", "starcoder2", "vaultgemma",
}  # fmt: skip
#: One or more of each way in which layers remember and look back. The wheel's environment and make test-full ask all families.
SAMPLE = WINDOWED | {
    "bloom", "deepseek_v3", "diffllama", "falcon_h1", "gpt2", "gptj", "jamba", "jetmoe", "lfm2", "llama", "mamba", "mamba2",
    "minimax", "mixtral", "mpt", "opt", "qwen3_moe", "qwen3_next", "recurrent_gemma", "rwkv", "xglm",
} | REFUSED  # fmt: skip


def ids_of(text: str) -> list[int]:
    return list(families.tokenizer().encode(text, add_special_tokens=False))


def plain_sum(model: Any, request: Loglikelihood) -> tuple[float, bool]:
    head, ids = ids_of(str(request.context)), ids_of(f"{request.context}{request.continuation}")
    with torch.inference_mode():
        logp = model(torch.tensor([ids[:-1]]), use_cache=False).logits[0].double().log_softmax(-1)
    places = range(len(head), len(ids))
    return float(sum(logp[p - 1, ids[p]] for p in places)), all(int(logp[p - 1].argmax()) == ids[p] for p in places)


def plain_text(model: Any, request: Generate) -> str:
    ids = ids_of(str(request.prompt))
    out: list[int] = []
    with torch.inference_mode():
        while len(out) < request.max_new_tokens:
            out.append(int(model(torch.tensor([ids + out]), use_cache=False).logits[0, -1].argmax()))
            if out[-1] == 257:
                out.pop()
                break
    return str(families.tokenizer().decode(out, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def asked(model: Any, **settings: Any) -> tuple[TransformersBackend, list[Any]]:
    made = wrap_loaded(model, families.tokenizer(), "tiny", Settings(threads=1, **settings))
    assert isinstance(made, TransformersBackend)
    return made, [answer for _, answer in sorted(made.run([*SCORED, *WRITTEN]))]


def check(model: Any, answers: list[Any]) -> None:
    assert [a.message for a in answers if isinstance(a, Failure)] == []
    for request, answer in zip(SCORED, answers, strict=False):
        total, greedy = plain_sum(model, request)
        assert answer.sum == pytest.approx(total, abs=1e-4), request
        assert answer.greedy == greedy
    assert [a.text for a in answers[len(SCORED) :]] == [plain_text(model, request) for request in WRITTEN]


@pytest.mark.filterwarnings("ignore")  # what modules of old families say as they are imported
@pytest.mark.parametrize(
    "family", [pytest.param(one, marks=() if one in SAMPLE else pytest.mark.full) for one in families.FAMILIES]
)
def test_a_family_answers_as_plain_forwards_do(family: str) -> None:
    try:
        model = families.model(family)
    except LookupError as error:
        pytest.skip(str(error))
    try:
        made, answers = asked(model)
    except BackendError as error:
        if family not in REFUSED:
            raise
        pytest.skip(str(error))
    check(model, answers)
    about = made.describe()
    assert about["cache"] in ("prefixes", "rows", "none")
    assert (made.counters.shared > 60) == (about["cache"] == "prefixes")
    assert (about["cache_shared_up_to"] is None) == (family not in WINDOWED or about["cache"] != "prefixes")
