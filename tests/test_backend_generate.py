"""Generation: the same text as plain ``generate`` one by one, whatever the batch."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest
import tiny

from pytest_slmtrust import Completion, Failure, Generate, Message, chat
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.backends.transformers.backend import Settings, TransformersBackend

PROMPTS = (
    "the quick brown",
    "question: where does the river end? answer:",
    "a small",
    "numbers such as 12, 305 and 4711 stand between letters; so do",
    "a small model writes",
    "a small model writes small words, and a large",
    "User: hello there\nAssistant:",
    "wizards brew a potion of honey and thyme while the lazy dog",
)


def backend(family: str = "llama", rows: int = 64, **options: Any) -> TransformersBackend:
    made = wrap_loaded(tiny.model(family), tiny.tokenizer(**options), "tiny", Settings(batch_rows=rows, threads=1))
    assert isinstance(made, TransformersBackend)
    return made


@cache
def plain_ids(family: str, prompt: str, new: int) -> tuple[int, ...]:
    """What transformers writes for one prompt alone, as ids."""
    import torch

    model, ids = tiny.model(family), torch.tensor([tiny.tokenizer().encode(prompt)])
    # with its cache, transformers' own Mamba goes wrong on prompts shorter than its convolution
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, pad_token_id=2, use_cache=family != "mamba"
    )
    return tuple(out[0, ids.shape[1] :].tolist())


def plain(prompt: str, new: int, family: str = "llama") -> str:
    """The same as text; a shorter greedy reply begins a longer one."""
    ids = plain_ids(family, prompt, max(new, 20))[:new]
    return str(tiny.tokenizer().decode(ids, skip_special_tokens=True))


def requests() -> list[Generate]:
    return [Generate(p, max_new_tokens=new) for p in PROMPTS for new in (3, 12, 20)]


@pytest.mark.parametrize("rows", [1, 3, 8, 32])
def test_greedy_text_is_that_of_generate_one_by_one(rows: int) -> None:
    made = backend("llama", rows)
    asked = requests()
    answers = dict(made.run(asked))
    assert [answers[i].text for i in range(len(asked))] == [plain(str(r.prompt), r.max_new_tokens) for r in asked]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_writes_what_generate_writes(family: str) -> None:
    made = backend(family, 5)
    asked = requests()
    answers = dict(made.run(asked))
    want = [plain(str(r.prompt), r.max_new_tokens, family) for r in asked]
    assert [answers[i].text for i in range(len(asked))] == want
    cache = {"mamba": "none", "mistral": "rows"}.get(family, "prefixes")
    assert made.describe()["cache"] == cache


def test_rows_that_end_leave_the_batch() -> None:
    made = backend()
    made.run([])
    short = [Generate(f"{p} {i}", max_new_tokens=2) for i, p in enumerate(PROMPTS)]
    dict(made.run([*short, Generate("the lazy dog", max_new_tokens=40)]))
    assert made.counters.generated <= 2 * len(short) + 40


def test_waiting_rows_join_a_running_batch() -> None:
    made = backend(rows=4)
    asked = [Generate(f"{p} {i}", max_new_tokens=4 + 2 * i) for i, p in enumerate(PROMPTS)]
    answers = dict(made.run(asked))
    assert [answers[i].text for i in range(8)] == [plain(str(r.prompt), r.max_new_tokens) for r in asked]
    lone = sum(answers[i].n_tokens for i in range(8))
    assert made.counters.forwards < lone / 2


def test_equal_prompts_and_common_beginnings_are_prefilled_once() -> None:
    made = backend()
    text = PROMPTS[3]
    n = len(made.pair[1].encode(text))  # type: ignore[index]
    dict(made.run([Generate(text, max_new_tokens=3, temperature=1.0, sample=i) for i in range(10)]))
    assert (made.counters.prefilled, made.counters.shared) == (n, 9 * n)
    before = made.counters.prefilled
    dict(made.run([Generate(text + tail, max_new_tokens=3) for tail in (" x", " y", " zebra")]))
    assert made.counters.prefilled - before < 2 * n


def test_sampled_text_depends_on_the_request_alone() -> None:
    asked = [
        Generate(p, max_new_tokens=12, temperature=1.2, top_p=q, sample=i) for p in PROMPTS for q in (1.0, 0.8) for i in (0, 1)
    ]
    first = dict(backend(rows=32).run(asked))
    turned = asked[::-1]
    second = dict(backend(rows=3).run(turned))
    by_request = {turned[i]: answer for i, answer in second.items()}
    assert all(by_request[asked[i]] == answer for i, answer in first.items())
    assert len({answer.text for answer in first.values()}) > len(PROMPTS)


def test_samples_follow_the_distribution() -> None:
    import torch

    from pytest_slmtrust.backends.transformers.generate import sample

    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    p = torch.softmax(logits / 0.7, -1)
    grid = [sample(logits, 0.7, 1.0, (k + 0.5) / 2000) for k in range(2000)]
    assert all(abs(grid.count(i) / 2000 - float(p[i])) < 2e-3 for i in range(4))
    nucleus = [sample(logits, 0.7, 0.9, (k + 0.5) / 2000) for k in range(2000)]
    assert set(nucleus) == {1, 2}
    assert abs(nucleus.count(2) / 2000 - float(p[2] / (p[1] + p[2]))) < 2e-3
    assert sample(logits, 0.7, 1e-9, 0.999) == 2


@pytest.mark.parametrize("size", [5, 255, 257, 5000])
@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.3])
@pytest.mark.parametrize("spread", [0.01, 1.0, 12.0])
def test_draws_are_those_of_a_whole_distribution_in_double_precision(size: int, top_p: float, spread: float) -> None:
    import torch

    from pytest_slmtrust.backends.transformers.generate import sample

    source = torch.Generator().manual_seed(size)
    differ = 0
    for _ in range(60):
        logits = spread * torch.randn(size, generator=source)
        logits[3] = -torch.inf
        uniform = float(torch.rand(1, generator=source, dtype=torch.float64))
        ordered, ids = torch.softmax(logits.double() / 0.7, -1).sort(descending=True, stable=True)
        mass = ordered.cumsum(-1)
        if top_p >= 1:
            ordered, ids = torch.softmax(logits.double() / 0.7, -1), torch.arange(size)
            mass = ordered.cumsum(-1)
        else:
            mass = mass[: int((mass < top_p).sum()) + 1]
        want = int(ids[int((mass <= uniform * mass[-1]).sum())])
        differ += sample(logits, 0.7, top_p, uniform) != want
    # where the nucleus is nearly flat, its end is a matter of rounding, and with it a draw in a few hundred
    assert differ <= (2 if spread < 0.1 and top_p < 1 else 0)


@pytest.mark.parametrize("top_p", [1.0, 0.5])
def test_no_draw_is_a_token_that_cannot_be(top_p: float) -> None:
    import torch

    from pytest_slmtrust.backends.transformers.generate import sample

    logits = torch.full((1000,), -torch.inf)
    logits[[2, 600, 999]] = torch.tensor([1.0, 3.0, 2.0])
    ends = (0.0, 1e-300, 0.25, 0.5, 0.75, math.nextafter(1.0, 0.0))
    drawn = {sample(logits, 1.0, top_p, u) for u in ends}
    assert drawn <= {2, 600, 999}
    assert 600 in drawn
    assert (len(drawn) == 3) == (top_p == 1.0)


def test_a_stop_text_ends_the_reply_and_is_not_part_of_it() -> None:
    made = backend()
    whole = plain(PROMPTS[0], 20)
    stop = whole[10:13]
    answer = dict(made.run([Generate(PROMPTS[0], max_new_tokens=20, stop=("never", stop))]))[0]
    assert answer.text == whole[: whole.index(stop)]
    assert answer.finished
    assert answer.n_tokens < 20


def test_the_end_token_ends_the_reply() -> None:
    made = backend()
    free = dict(made.run([Generate(PROMPTS[0], max_new_tokens=20)]))[0]
    assert made.pair is not None
    tokens = made.pair[1].encode(PROMPTS[0] + free.text)
    again = backend()
    assert again.pair is not None
    again.pair[0].generation_config.eos_token_id = [1, tokens[-1]]
    cut = dict(again.run([Generate(PROMPTS[0], max_new_tokens=20)]))[0]
    assert cut.finished
    assert free.text.startswith(cut.text)
    assert cut.n_tokens < free.n_tokens
    assert again.describe()["eos"]["ids"] == [1, tokens[-1]]


def test_a_prompt_too_long_is_a_failure_and_never_cut() -> None:
    made = backend()
    long = "word " * 300
    answers = dict(made.run([Generate(long, max_new_tokens=8), Generate("the quick", max_new_tokens=4)]))
    assert isinstance(answers[0], Failure)
    assert "the model takes 256" in answers[0].message
    assert isinstance(answers[1], Completion)
    assert made.counters.failed == 1


def test_chats_take_the_models_own_template() -> None:
    made = backend()
    answer = dict(made.run([Generate(chat("the fox", system="be kind"), max_new_tokens=9)]))[0]
    assert answer.text == plain("<|system|>be kind<|end|><|user|>the fox<|end|><|assistant|>", 9)
    about = made.describe()
    assert (about["chat_template"], about["system_role"]) == ("own", "own")
    made.close()


def test_a_template_without_a_system_role_gets_the_text_before_the_users() -> None:
    refusal = "{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
    template = "{% for m in messages %}" + refusal + "<|user|>{{ m.content }}{% endfor %}"
    made = backend(template=template)
    answer = dict(made.run([Generate(chat("the fox", system="be kind"), max_new_tokens=9)]))[0]
    assert answer.text == plain("<|user|>be kind\n\nthe fox", 9)
    assert made.describe()["system_role"] == "merged"
    made.close()


def test_a_model_without_a_template_gets_a_plain_form_that_stops_at_the_next_turn() -> None:
    made = backend(template=None)
    turns = (Message("system", "Be kind."), *chat("the fox"), Message("assistant", "yes"), Message("user", "why"))
    answer = dict(made.run([Generate(turns, max_new_tokens=9)]))[0]
    text = plain("Be kind.\n\nUser: the fox\nAssistant: yes\nUser: why\nAssistant:", 9)
    assert answer.text == text.split("\nUser:")[0]
    assert made.describe()["chat_template"] == "plain"


def test_bos_stands_before_every_text_where_the_tokenizer_says_so() -> None:
    made = backend(add_bos=True)
    answer = dict(made.run([Generate("the fox", max_new_tokens=9)]))[0]
    assert answer.text == plain("<|start|>the fox", 9)
    assert answer.text != plain("the fox", 9)
    assert made.describe()["bos"]["before_every_text"] is True


def test_logits_that_are_not_finite_fail_that_prompt_alone() -> None:
    import torch

    made = backend()
    assert made.pair is not None
    model, tokenizer = made.pair
    dict(made.run([Generate("a", max_new_tokens=1)]))
    token = tokenizer.encode(" zebra")[-1]
    with torch.no_grad():
        model.get_input_embeddings().weight[token] = float("nan")
        model.lm_head.weight[token] = 0.0
    answers = dict(made.run([Generate("the fox zebra", max_new_tokens=3), Generate("the fox", max_new_tokens=3)]))
    assert isinstance(answers[0], Failure)
    assert "not finite" in answers[0].message
    assert isinstance(answers[1], Completion)


class Scarce:
    """A forward that runs out of memory for more than ``most`` rows."""

    def __init__(self, forward: Any, most: int) -> None:
        self.forward, self.most, self.refused = forward, most, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(kwargs["input_ids"]) > self.most:
            self.refused += 1
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return self.forward(*args, **kwargs)


@pytest.mark.parametrize("most", [3, 1])
def test_out_of_memory_halves_the_batch_and_remembers(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = backend()
    asked = requests()
    assert made.pair is not None
    dict(made.run([Generate("a", max_new_tokens=1)]))
    scarce = Scarce(made.pair[0].forward, most)
    monkeypatch.setattr(made.pair[0], "forward", scarce)
    answers = list(made.run(asked))
    assert sorted(i for i, _ in answers) == list(range(len(asked)))
    refused = scarce.refused
    dict(made.run(asked))
    assert scarce.refused == refused
    monkeypatch.undo()
    assert all(a.text == plain(str(asked[i].prompt), asked[i].max_new_tokens) for i, a in answers)


def test_out_of_memory_for_one_row_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    made = backend()
    assert made.pair is not None
    dict(made.run([Generate("a", max_new_tokens=1)]))
    monkeypatch.setattr(made.pair[0], "forward", Scarce(made.pair[0].forward, 0))
    answers = dict(made.run(requests()[:4]))
    assert all(isinstance(a, Failure) and "out of memory" in a.message for a in answers.values())
    assert len(answers) == 4
