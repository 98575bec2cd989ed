"""Scoring: the numbers of the plain way, whatever is shared and batched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_slmtrust import Failure, Loglikelihood, chat
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.backend import Settings, TransformersBackend
from pytest_slmtrust.backends.transformers.memory import Limits
from pytest_slmtrust.backends.transformers.prefixes import Columns, Job, Parent, Segments
from pytest_slmtrust.backends.transformers.score import _split
from pytest_slmtrust.backends.transformers.trie import Item, Node, plan

PREAMBLE = "question: where does the river end? answer: the river ends in a wide grey sea\nquestion: "
ASKED = ("where does the fox jump?", "where do the wizards brew?", "who writes small words, and who writes large words?")
OPTIONS = (" over the dog", " over the hills", " in a wide grey sea", " so", " a potion of honey and thyme")


def backend(family: str = "llama", rows: int = 64, tokens: int = 4096, **options: Any) -> TransformersBackend:
    made = wrap_loaded(
        tiny.model(family), tiny.tokenizer(**options), "tiny", Settings(batch_rows=rows, batch_tokens=tokens, threads=1)
    )
    assert isinstance(made, TransformersBackend)
    return made


def requests(detail: bool = False) -> list[Loglikelihood]:
    shared = [Loglikelihood(f"{PREAMBLE}{q} answer:", o, detail=detail) for q in ASKED for o in OPTIONS]
    return [*shared, Loglikelihood("a small", " model"), Loglikelihood("the", " quick brown fox jumps"), shared[2]]


def plain(made: TransformersBackend, ids: list[int], context: int) -> tuple[float, bool, list[tuple[float, float, float]]]:
    """Sum, greediness, and (logp, mean, var) of each token, from one whole forward in double precision."""
    assert made.pair is not None
    with torch.inference_mode():
        logp = torch.log_softmax(made.pair[0](torch.tensor([ids])).logits[0].double(), -1)
    rows = []
    for place in range(context, len(ids)):
        line = logp[place - 1]
        mean = (line.exp() * line).sum()
        rows.append((float(line[ids[place]]), float(mean), float((line.exp() * (line - mean) ** 2).sum())))
    greedy = all(int(logp[p - 1].argmax()) == ids[p] for p in range(context, len(ids)))
    return sum(row[0] for row in rows), greedy, rows


def split(made: TransformersBackend, request: Loglikelihood) -> tuple[list[int], int]:
    assert made.pair is not None
    encode = made.pair[1].encode
    head, whole = encode(request.context), encode(f"{request.context}{request.continuation}")
    context = 0
    while context < min(len(head), len(whole)) and head[context] == whole[context]:
        context += 1
    return whole, context


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_scores_as_one_whole_forward_does(family: str) -> None:
    made = backend(family)
    asked = requests()
    answers = dict(made.run(asked))
    for i, request in enumerate(asked):
        total, greedy, rows = plain(made, *split(made, request))
        assert answers[i].sum == pytest.approx(total, abs=1e-4)
        assert (answers[i].greedy, answers[i].n_tokens) == (greedy, len(rows))
    shares = family not in ("mamba", "mistral")
    assert (made.counters.shared > 300) == shares


@pytest.mark.parametrize(("rows", "tokens"), [(1, 4096), (3, 4096), (8, 64), (32, 4096), (32, 1)])
def test_batches_change_nothing(rows: int, tokens: int) -> None:
    made = backend("llama", rows, tokens)
    asked = requests(detail=True)
    answers = dict(made.run(asked))
    assert sorted(answers) == list(range(len(asked)))
    for i, request in enumerate(asked):
        _, _, want = plain(made, *split(made, request))
        got = [(t.logp, t.mean, t.var) for t in answers[i].tokens]
        if request.detail:
            assert got == [pytest.approx(row, abs=1e-4) for row in want]
        else:
            assert got == []


def test_a_shared_preamble_is_prefilled_once() -> None:
    made = backend()
    assert made.pair is not None
    asked = requests()
    dict(made.run(asked))
    fed = sum(len(split(made, r)[0]) - 1 for r in asked)
    assert made.counters.prefilled + made.counters.shared == fed
    assert made.counters.prefilled < 0.35 * fed
    assert made.counters.forwards <= 4


def test_the_greedy_continuation_is_known_as_such() -> None:
    from pytest_slmtrust import Generate

    made = backend()
    assert made.pair is not None
    reply = dict(made.run([Generate("the quick", max_new_tokens=1)]))[0].text
    answers = dict(made.run([Loglikelihood("the quick", reply), Loglikelihood("the quick", " potion")]))
    assert answers[0].greedy
    assert not answers[1].greedy


def test_spaces_that_end_the_context_move_to_the_continuation() -> None:
    made = backend()
    one, two = dict(made.run([Loglikelihood("the quick  ", "brown fox"), Loglikelihood("the quick", "  brown fox")])).values()
    assert one == two


def test_an_empty_context_stands_for_the_start_token() -> None:
    for bos in (False, True):
        made = backend(add_bos=bos)
        assert made.pair is not None
        answer = dict(made.run([Loglikelihood("", "the quick")]))[0]
        ids = [0, *made.pair[1].encode("the quick", add_special_tokens=False)]
        assert answer.sum == pytest.approx(plain(made, ids, 1)[0], abs=1e-4)


def test_a_token_across_the_boundary_belongs_to_the_continuation() -> None:
    made = backend()
    request = Loglikelihood("the qui", "ck brown")
    ids, context = split(made, request)
    assert made.pair is not None
    assert context < len(made.pair[1].encode("the qui"))
    assert dict(made.run([request]))[0].sum == pytest.approx(plain(made, ids, context)[0], abs=1e-4)


def test_a_chat_context_is_rendered_and_the_reply_scored_after_it() -> None:
    made = backend()
    assert made.pair is not None
    answer = dict(made.run([Loglikelihood(chat("the fox"), "jumps")]))[0]
    head = made.pair[1].encode("<|user|>the fox<|end|><|assistant|>")
    ids = made.pair[1].encode("<|user|>the fox<|end|><|assistant|>jumps")
    assert answer.sum == pytest.approx(plain(made, ids, len(head))[0], abs=1e-4)
    made.close()
    bare = backend(template=None)
    answer = dict(bare.run([Loglikelihood(chat("the fox"), "jumps")]))[0]
    assert bare.pair is not None
    head, ids = (bare.pair[1].encode(f"User: the fox\nAssistant:{reply}") for reply in ("", " jumps"))
    assert answer.sum == pytest.approx(plain(bare, ids, len(head))[0], abs=1e-4)


def test_a_head_that_is_no_module_is_read_after_the_forward() -> None:
    made = backend()
    assert made.pair is not None
    model = made.pair[0]
    asked = requests()
    want = dict(backend().run(asked))
    for head in (None, model.model.embed_tokens):
        model.get_output_embeddings = lambda head=head: head
        made.close()
        answers = dict(made.run(asked))
        assert [answers[i].sum for i in sorted(want)] == pytest.approx([want[i].sum for i in sorted(want)], abs=1e-4)


def test_too_long_is_a_failure() -> None:
    answers = dict(backend().run([Loglikelihood("word " * 300, " x"), Loglikelihood("the", " fox")]))
    assert isinstance(answers[0], Failure)
    assert "the model takes 256" in answers[0].message
    assert answers[1].n_tokens


@pytest.mark.parametrize("most", [0, 1, 3])
def test_out_of_memory_halves_the_batch(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = backend()
    assert made.pair is not None
    asked = requests()
    dict(made.run(asked[:1]))
    forward = made.pair[0].forward

    def scarce(*args: Any, **kwargs: Any) -> Any:
        if len(kwargs["input_ids"]) > most:
            raise MemoryError("no more")
        return forward(*args, **kwargs)

    monkeypatch.setattr(made.pair[0], "forward", scarce)
    answers = list(made.run(asked))
    monkeypatch.undo()
    assert sorted(i for i, _ in answers) == list(range(len(asked)))
    for i, answer in answers:
        if most:
            assert answer.sum == pytest.approx(plain(made, *split(made, asked[i]))[0], abs=1e-4)
        else:
            assert isinstance(answer, Failure)


TOKENS = st.lists(st.integers(0, 2), min_size=2, max_size=30)


@given(st.lists(TOKENS, min_size=1, max_size=25), st.booleans())
@settings(deadline=None, max_examples=200, database=None)
def test_every_path_of_the_trie_spells_its_items(rows: list[list[int]], long: bool) -> None:
    head = [9] * 40 if long else []
    items = [Item(i, tuple(head + row), len(head) + 1) for i, row in enumerate(rows)]
    roots = plan(items, share=True)
    spelt: dict[int, tuple[int, ...]] = {}
    needed: dict[int, set[int]] = {item.index: set() for item in items}

    def walk(node: Node, before: tuple[int, ...]) -> None:
        assert node.offset == len(before)
        path = before + node.segment
        for item in node.members:
            spelt[item.index] = max(spelt.get(item.index, ()), path, key=len)
            wanted = {node.offset + p for p in node.needed()}
            needed[item.index] |= {p for p in wanted if item.context - 1 <= p < len(item.ids) - 1}
        for child in node.children:
            walk(child, path)

    for root in roots:
        walk(root, ())
    assert all(spelt[item.index] == item.feed for item in items)
    assert all(needed[item.index] == set(range(item.context - 1, len(item.ids) - 1)) for item in items)
    assert sum(root.cost() for root in roots) <= sum(len(item.feed) for item in items)


def test_a_small_cache_changes_no_number_and_costs_few_forwards() -> None:
    words = ["river", "fox", "wizard", "dog", "hill", "sea", "potion", "honey", "thyme", "wide", "grey", "quick"]
    asked = [Loglikelihood(f"{PREAMBLE}where does the {w} jump? answer:", f" over the {w} {o}") for w in words for o in words]
    made, small = backend(), backend()
    wanted = dict(made.run(asked))
    small._ready(64).limits.cache_tokens = 600
    found = dict(small.run(asked))
    assert [found[i].sum for i in range(len(asked))] == pytest.approx([wanted[i].sum for i in range(len(asked))], abs=1e-4)
    assert small.counters.prefilled == made.counters.prefilled
    assert small.counters.forwards <= 3 * made.counters.forwards


@pytest.mark.parametrize("grows", [False, True])
def test_what_is_held_for_others_leaves_no_single_rows(grows: bool) -> None:
    """Thirty layers: what stands before is copied one layer at a time, and an eighth of the cache is for whoever comes."""
    cache: Any = SimpleNamespace(layers=[None] * 30)
    loaded: Any = SimpleNamespace(alone=False, vocabulary=100, device=torch.device("cpu"))
    first = torch.zeros(1, dtype=torch.long)
    parent = Parent([Columns([Segments(cache, torch.ones(1, 200))], first, first)])
    item = Item(0, tuple(range(206)), 200)
    leaf = Node(200, (1, 2, 3, 4, 5), [item], [Node(205, (6,), [item])] if grows else [])
    batch, rest = _split(parent, [Job(0, leaf)] * 60, Limits(64, 2048, 5760), loaded, held=5760)
    assert len(batch) == 60
    assert not rest
