"""Steps of decoding: the same numbers as transformers' own caches and attention, in any order of appending and leaving."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import model as tiny_model
from transformers.cache_utils import DynamicCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pytest_slmtrust.backends.transformers.cache import drop_columns, joined, lent, make_room
from pytest_slmtrust.backends.transformers.steps import ROOM, Keep, Roomy, shared_keys


def filled(rows: int, columns: int) -> Any:
    cache, source = DynamicCache(), torch.Generator().manual_seed(rows)
    for layer in range(2):
        cache.update(*(torch.randn(rows, 3, columns, 4, generator=source) for _ in range(2)), layer)
    return cache


def test_a_roomy_cache_holds_what_a_plain_one_holds() -> None:
    plain, roomy = filled(4, 5), filled(4, 5)
    make_room(roomy)
    source = torch.Generator().manual_seed(0)
    for step in range(3 * ROOM):
        for layer in range(2):
            new = [torch.randn(len(plain.layers[layer].keys), 3, 1, 4, generator=source) for _ in range(2)]
            for ours, theirs in zip(roomy.update(*new, layer), plain.update(*new, layer), strict=True):
                assert torch.equal(ours, theirs)
        if step in (3, ROOM, 2 * ROOM + 1):  # one row leaves, the others change places
            kept = torch.tensor(list(range(len(plain.layers[0].keys)))[:0:-1])
            for cache in (plain, roomy):
                cache.batch_select_indices(kept)
        if step == ROOM + 3:
            drop_columns(roomy, 4)
            for layer in plain.layers:
                layer.keys, layer.values = layer.keys[:, :, 4:], layer.values[:, :, 4:]
    assert roomy.get_seq_length() == plain.get_seq_length() == 5 + 3 * ROOM - 4
    assert all(type(layer) is Roomy for layer in roomy.layers)


def test_appending_copies_the_cache_once_in_many_steps() -> None:
    cache = filled(2, 5)
    make_room(cache)
    places = set()
    for _ in range(2 * ROOM):
        keys, _ = cache.update(torch.zeros(2, 3, 1, 4), torch.zeros(2, 3, 1, 4), 0)
        places.add(keys.data_ptr())
    assert len(places) <= 3


@pytest.mark.parametrize("keep", Keep)
def test_lent_rows_are_those_of_the_caches_and_what_is_kept_is_as_asked(keep: Keep) -> None:
    one, two = filled(3, 5), filled(2, 4)
    first, second = torch.tensor([2, 0, 0, 1]), torch.tensor([1, 1, 0, 1])
    given = lent([(one, first), (two, second)], keep)
    new = torch.randn(4, 9, 2, 4)[:, 3:6]  # as a fused projection gives it
    assert given.get_seq_length() == 9
    for number, (a, b) in enumerate(zip(one.layers, two.layers, strict=True)):
        keys, values = given.update(new, 2 * new, number)
        assert torch.equal(keys, torch.cat([a.keys[first], b.keys[second], new], dim=2))
        assert torch.equal(values, torch.cat([a.values[first], b.values[second], 2 * new], dim=2))
        held = given.layers[number].keys
        want = {Keep.ALL: keys, Keep.OWN: new, Keep.NONE: None}[keep]
        assert held is None if want is None else torch.equal(held, want)
        assert keep is not Keep.OWN or held.untyped_storage().nbytes() == held.nbytes
    assert given.get_seq_length() == (11 if keep is Keep.ALL else 9)
    assert [len(layer.keys) for layer in (*one.layers, *two.layers)] == [3, 3, 2, 2]
    if keep is Keep.ALL:
        keys, _ = given.update(new[:, :, :1], new[:, :, :1], 0)
        assert torch.equal(keys[:, :, -1:], new[:, :, :1])
        assert keys.shape[2] == 12


def test_joining_two_caches_holds_one_layer_twice_and_no_more() -> None:
    one, two = filled(2, 3), filled(1, 5)
    before = [[layer.keys.clone() for layer in cache.layers] for cache in (one, two)]
    both = joined(one, two)
    for number, layer in enumerate(both.layers):
        assert torch.equal(layer.keys[:2, :, 2:], before[0][number])
        assert torch.equal(layer.keys[2:], before[1][number])
        assert not layer.keys[:2, :, :2].any()
    assert one.layers == two.layers == [None, None]


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_shared_keys_give_the_library_s_logits(family: str, padded: bool) -> None:
    model = tiny_model(family)
    assert model.config._attn_implementation == "sdpa"
    assert model.config.num_key_value_heads < model.config.num_attention_heads
    ids = torch.arange(12).reshape(3, 4) + 5
    mask = torch.ones_like(ids)
    if padded:
        mask[1, :2] = 0

    def last() -> torch.Tensor:
        cache = model(input_ids=ids, attention_mask=mask, use_cache=True).past_key_values
        whole = torch.cat([mask, torch.ones(3, 1, dtype=torch.long)], dim=1)
        found: torch.Tensor = model(input_ids=ids[:, :1], attention_mask=whole, past_key_values=cache).logits[:, -1]
        return found

    before = ALL_ATTENTION_FUNCTIONS["sdpa"]
    with torch.inference_mode():
        plain = last()
        with shared_keys():
            ours = last()
    assert torch.allclose(ours, plain, rtol=0, atol=1e-5)
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is before
