"""Tokenizers that lose what a model is asked, or that cut it at random: refused, whatever else of the model is sound."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import tiny
from tokenizers import Regex, models, normalizers, pre_tokenizers, processors

from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.model import codec_and_limits


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny.model("llama")


def _words(tokenizer: Any) -> None:
    tokenizer.model = models.WordLevel({"[UNK]": 0, ".": 1}, "[UNK]")
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()


def _late_prefix(tokenizer: Any) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(single="<p> $A", special_tokens=[("<p>", 10**6)])


FAULTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "merges dropped": (lambda t: setattr(t.model, "dropout", 0.3), r"at random \(dropout 0\.3\)"),
    "merges dropped now and then": (lambda t: setattr(t.model, "dropout", 1e-6), r"at random \(dropout 1e-06\)"),
    "no letter is kept": (lambda t: setattr(t, "normalizer", normalizers.Replace(Regex("."), "")), "the same 0 tokens"),
    "no word is kept": (
        lambda t: setattr(t, "pre_tokenizer", pre_tokenizers.Split(Regex(r"\w+"), "removed")), r"the same \d+ tokens"),
    "every text is one": (lambda t: setattr(t, "normalizer", normalizers.Replace(Regex(".+"), "yes")), r"the same \d+ tokens"),
    "no word is known": (_words, r"the same 5 tokens"),
    "a prefix without a row": (_late_prefix, "ids up to 1000000, the model embeds"),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_tokenizer_that_loses_a_text_is_refused_in_one_line(fault: str, model: Any) -> None:
    change, said = FAULTS[fault]
    tokenizer = copy.deepcopy(tiny.tokenizer())  # the one of all tests stays as it is
    change(tokenizer.backend_tokenizer)
    with pytest.raises(ModelError, match=said) as caught:
        codec_and_limits(model, tokenizer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: None,
        lambda t: setattr(t.model, "dropout", 0.0),
        lambda t: setattr(t, "normalizer", normalizers.Lowercase()),
        lambda t: t.enable_truncation(3),
        lambda t: t.enable_padding(length=500),
    ],
)
def test_a_tokenizer_that_tells_texts_apart_is_taken_and_no_text_is_cut(change: Callable[[Any], object], model: Any) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer())  # the one of all tests stays as it is
    change(tokenizer.backend_tokenizer)
    codec, _, _ = codec_and_limits(model, tokenizer)
    assert 12 < len(codec.plain("the dog and the cat and the bird and the house " * 3)) < 200
