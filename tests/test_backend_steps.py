"""Steps of decoding: the same numbers as transformers' own caches and attention, in any order of appending and leaving."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import model as tiny_model
from tiny import tokenizer as tiny_tokenizer
from transformers import masking_utils
from transformers.cache_utils import DynamicCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pytest_slmtrust import Failure, Generate, Loglikelihood
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.cache import drop_columns, joined, lent, make_room
from pytest_slmtrust.backends.transformers.prefixes import Columns, Job, Parent, Segments, Work, held, pick
from pytest_slmtrust.backends.transformers.steps import ROOM, Keep, Roomy, _grouped, cheap_forwards
from pytest_slmtrust.backends.transformers.trie import Node

PLACE_BY_PLACE = "_vmap_for_bhqkv"
before_5 = pytest.mark.skipif(not hasattr(masking_utils, PLACE_BY_PLACE), reason="transformers 5 makes masks at once itself")


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
    given = lent([[(one, first, None)], [(two, second, None)]], keep)
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


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_cheap_forwards_give_the_library_s_logits(family: str, padded: bool, tokens: int) -> None:
    model = tiny_model(family)
    assert model.config._attn_implementation == "sdpa"
    assert model.config.num_key_value_heads < model.config.num_attention_heads
    ids = torch.arange(12).reshape(3, 4) + 5
    mask = torch.ones_like(ids)
    if padded:
        mask[1, :2] = 0

    def last() -> torch.Tensor:
        cache = model(input_ids=ids, attention_mask=mask, use_cache=True).past_key_values
        whole = torch.cat([mask, torch.ones(3, tokens, dtype=torch.long)], dim=1)
        found: torch.Tensor = model(input_ids=ids[:, :tokens], attention_mask=whole, past_key_values=cache).logits
        return found

    before = ALL_ATTENTION_FUNCTIONS["sdpa"], vars(masking_utils).get(PLACE_BY_PLACE)
    with torch.inference_mode():
        plain = last()
        with cheap_forwards():
            ours = last()
    assert torch.allclose(ours, plain, rtol=0, atol=1e-5)
    assert (ALL_ATTENTION_FUNCTIONS["sdpa"], vars(masking_utils).get(PLACE_BY_PLACE)) == before


LEFT = torch.arange(6) % 4
PACKED = torch.arange(32).expand(6, 32) // (LEFT[:, None] + 3)


@before_5
@pytest.mark.parametrize("tokens", [1, 5, 32])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    "sees",
    [
        masking_utils.causal_mask_function, masking_utils.sliding_window_causal_mask_function(7),
        masking_utils.chunked_causal_mask_function(8, LEFT),
        masking_utils.and_masks(masking_utils.causal_mask_function, masking_utils.packed_sequence_mask_function(PACKED)),
        masking_utils.or_masks(masking_utils.causal_mask_function, lambda row, head, query, key: key < 3),
    ],
)  # fmt: skip
def test_a_mask_that_is_made_at_once_is_the_library_s(sees: Any, padded: bool, tokens: int) -> None:
    seen = torch.rand(6, 32, generator=torch.Generator().manual_seed(1)) > (0.4 if padded else -1)
    asked = {
        "batch_size": 6, "cache_position": torch.arange(32 - tokens, 32), "kv_length": 32, "kv_offset": 0, "mask_function": sees,
        "attention_mask": seen, "allow_is_causal_skip": False,
    }  # fmt: skip
    plain = masking_utils.sdpa_mask(**asked)
    with cheap_forwards():
        ours = masking_utils.sdpa_mask(**asked)
    assert ours.shape == (6, 1, tokens, 32)
    assert torch.equal(ours, plain)


@before_5
def test_no_mask_of_an_answer_is_made_place_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    backend, made = wrap_loaded(tiny_model("llama"), tiny_tokenizer()), list[Any]()
    assert len(dict(backend.run([Generate("one", max_new_tokens=1)]))) == 1  # what a model can do is tried plainly, once
    monkeypatch.setattr(masking_utils, PLACE_BY_PLACE, lambda *given: made.append(given))
    texts = ["one", "one two three", "two one two"]
    answers = dict(
        backend.run([*(Generate(text, max_new_tokens=3) for text in texts), *(Loglikelihood(t, " two") for t in texts)])
    )
    assert len(answers) == 6
    assert not any(isinstance(one, Failure) for one in answers.values())
    assert made == []


def test_keys_are_shared_where_that_takes_less_memory_than_repeated_keys() -> None:
    def attend(length: int, heads: int, groups: int, mask: torch.Tensor | None) -> bool:
        """Whether the library's function was left out."""
        asked = []
        query, key = torch.randn(2, heads, length, 8), torch.randn(2, groups, 40, 8)
        found, _ = _grouped(lambda *_, **__: asked.append(1) or (None, None), None, query, key, key, mask)
        if found is not None:
            seen = torch.ones(2, 1, length, 40, dtype=torch.bool) if mask is None else mask
            many = key.repeat_interleave(heads // groups, 1)
            plain = torch.nn.functional.scaled_dot_product_attention(query, many, many, attn_mask=seen)
            assert torch.allclose(found, plain.transpose(1, 2), atol=1e-5)
        return not asked

    seen = torch.rand(2, 1, 200, 40) > 0.3
    seen[..., 0] = True
    assert attend(3, 8, 2, seen[:, :, :3])
    assert attend(24, 8, 2, seen[:, :, :24])
    assert not attend(25, 8, 2, seen[:, :, :25])  # 4 masks of 25 tokens, beside 6 heads of 8 keys and values
    assert not attend(3, 8, 8, seen[:, :, :3])
    assert not attend(3, 8, 2, seen[:, :, :3].expand(-1, 8, -1, -1))
    assert attend(1, 8, 2, None)
    assert not attend(2, 8, 2, None)


def test_columns_of_several_batches_stand_one_below_another() -> None:
    one, two, three = filled(3, 5), filled(2, 4), filled(2, 7)
    a, b, c = (
        Segments(cache, torch.ones(rows, width, dtype=torch.long))
        for cache, rows, width in ((one, 3, 5), (two, 2, 4), (three, 2, 7))
    )
    b.mask[1, 3] = 0
    zero = torch.zeros(2, dtype=torch.long)

    def parent(part: Segments, rows: list[int]) -> Parent:
        return Parent([Columns([a], zero, torch.tensor(rows)), Columns([part], zero, torch.tensor([0, 1]))])

    node = Node(0, (1,), [])
    waiting = [
        Work(parent(b, [0, 1]), [Job(1, node)]),
        Work(None, [Job(0, node)]),
        Work(parent(c, [2, 0]), [Job(0, node), Job(1, node)]),
    ]
    assert held(waiting) == 15 + 8 + 14
    assert pick(waiting, 100, 13).parent is None
    work = pick(waiting, 100, 13)
    assert not waiting
    assert work.parent is not None
    assert [job.row for job in work.jobs] == [1, 2, 3]
    assert work.parent.columns == 5 + 7
    first, second = work.parent.at(torch.tensor([3, 1, 2]))
    assert first.parts == [a]
    assert first.rows.tolist() == [0, 1, 2]
    assert second.mask().tolist() == [[1] * 7, [0, 0, 0, 1, 1, 1, 0], [1] * 7]
    given = lent([[(part.cache, *where) for part, *where in columns.places()] for columns in (first, second)], Keep.ALL)
    new = torch.randn(3, 3, 2, 4)
    assert given.get_seq_length() == 12
    keys, _ = given.update(new, new, 0)
    parts = [three.layers[0].keys[1], torch.nn.functional.pad(two.layers[0].keys[1], (0, 0, 3, 0)), three.layers[0].keys[0]]
    assert torch.equal(keys, torch.cat([one.layers[0].keys, torch.stack(parts), new], dim=2))
    (narrow,) = (columns for columns in work.parent.at(torch.tensor([1]))[1:])
    assert (narrow.parts, narrow.width) == ([b], 4)  # a part that no row uses is left out


def test_with_much_held_the_last_work_is_next() -> None:
    part = Segments(filled(2, 5), torch.ones(2, 5))
    zero = torch.zeros(1, dtype=torch.long)
    waiting = [Work(None, []), Work(Parent([Columns([part], zero, zero)]), [])]
    assert pick(list(waiting), 9, 100).parent is not None
    assert pick(list(waiting), 10, 100).parent is None


def test_works_are_read_apart_where_together_they_are_too_wide() -> None:
    zero = torch.zeros(1, dtype=torch.long)
    first, second = (Segments(filled(1, width), torch.ones(1, width)) for width in (9, 3))
    works = [Work(Parent([Columns([part], zero, zero)]), [Job(0, Node(0, (1, 2), []))]) for part in (first, second)]
    waiting = list(works)
    assert pick(waiting, 100, 10) is works[1]
    assert waiting == works[:1]
    assert len(pick(list(works), 100, 11).jobs) == 2
