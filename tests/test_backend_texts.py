"""Texts that are hard on the way: stop texts of many tokens, halves of characters, half precision, and the plain engine."""

from __future__ import annotations

from typing import Any

import lm_families as families
import pytest
import tiny
import torch

from pytest_slmtrust import Completion, Failure, Generate, Loglikelihood, chat
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend, wrap_loaded
from pytest_slmtrust.backends.transformers import engine, generate  # noqa: F401  (imported before anything is patched)
from pytest_slmtrust.backends.transformers.backend import Settings, TransformersBackend
from pytest_slmtrust.backends.transformers.model import UNBOUNDED, Sharing
from pytest_slmtrust.backends.transformers.tokens import Codec, make_codec
from pytest_slmtrust.backends.transformers.ways import limits_of


def backend(model: Any, tokenizer: Any = None, **settings: Any) -> TransformersBackend:
    made = wrap_loaded(model, tokenizer or families.tokenizer(), "tiny", Settings(threads=1, **settings))
    assert isinstance(made, TransformersBackend)
    return made


def answers(made: TransformersBackend, asked: list[Any]) -> list[Any]:
    return [answer for _, answer in sorted(made.run(asked))]


def byte_fallback() -> Any:
    """As SentencePiece makes them: words begin with a mark, and a character without a token is written in bytes."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256)), *"▁abcdefghijklmnopqrstuvwxyz"]
    raw = Tokenizer(
        models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=[], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.mark.parametrize("tokenizer", [families.tokenizer, byte_fallback])
@pytest.mark.parametrize(
    ("text", "stops", "kept"),
    [
        ("one two 回答終 three", ("回答終",), "one two "),
        ("one 🛑🛑🛑 three", ("🛑🛑🛑",), "one "),
        ("one 🛑🛑 three", ("🛑🛑🛑", "three"), "one 🛑🛑 "),
        ("まず 終了しました それから", ("終了しました",), "まず "),
        ("we 👩‍👩‍👧‍👦👩‍👩‍👧‍👦 go", ("👩‍👩‍👧‍👦👩‍👩‍👧‍👦",), "we "),
        ("नमस्ते समाप्त और", ("समाप्त",), "नमस्ते "),
        ("abc def", ("STOP",), None),
    ],
)
def test_stop_texts_of_any_script_are_found(tokenizer: Any, text: str, stops: tuple[str, ...], kept: str | None) -> None:
    codec = make_codec(tokenizer(), [])
    ids = codec.plain(text)
    found = [cut for n in range(len(ids) + 1) if (cut := codec.stopped((), ids[:n], stops)) is not None]
    assert found[:1] == ([] if kept is None else [kept])


@pytest.mark.parametrize(
    ("text", "stops", "kept"),
    [
        ("one<|user|>two", ("<|user|>",), "one"),
        ("one<|end|>\n<|user|>two", ("<|end|>\n<|user|>", "two"), "one"),
        ("one<|system|> two<|user|>", ("<|user|>",), "one two"),
        ("go on|stop<|user|>x", ("stop<|user|>",), "go on|"),
        ("one<|assistant|>two", ("onetwo",), ""),
        ("one<|user|>two", ("<|system|>",), None),
    ],
)
def test_stop_texts_with_special_tokens_are_found(text: str, stops: tuple[str, ...], kept: str | None) -> None:
    codec = make_codec(tiny.tokenizer(), [])
    ids = codec.plain(text)
    found = [cut for n in range(len(ids) + 1) if (cut := codec.stopped((), ids[:n], stops)) is not None]
    assert found[:1] == ([] if kept is None else [kept])


def writes(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model write a text, whatever its logits are."""
    script = families.tokenizer().encode(text, add_special_tokens=False)
    monkeypatch.setattr(generate, "choose", lambda _, rows: ([script[len(row.out)] for row in rows], [True] * len(rows)))


def test_a_reply_ends_before_a_stop_text_of_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    writes("fine 終わり🛑 and on", monkeypatch)
    made = backend(families.model("llama"))
    assert answers(made, [Generate("say:", 30, stop=("終わり🛑",))]) == [Completion("fine ", 18, True)]


HALF = "\ud83d"


def test_half_a_surrogate_pair_fails_its_own_request_and_no_other() -> None:
    sound = [Generate(f"number {n} is", 4) for n in range(12)] + [Loglikelihood(f"say {n}", " yes") for n in range(6)]
    broken = [
        Generate(f"bad {HALF}", 4), Generate(chat("hello", system=f"{HALF}be brief"), 4), Generate("x", 4, stop=(f"a{HALF}",)),
        Loglikelihood(f"a{HALF}b", " yes"), Loglikelihood("a", f" ye{HALF}"), Loglikelihood(chat("\udc00"), "no"),
    ]  # fmt: skip
    alone, mixed = backend(families.model("llama")), backend(families.model("llama"))
    want = answers(alone, [*sound])
    found = answers(mixed, [*broken[:3], *sound, *broken[3:]])
    assert found[3:-3] == want
    assert mixed.counters.forwards == alone.counters.forwards
    failed = [*found[:3], *found[-3:]]
    assert all(isinstance(a, Failure) and "half a surrogate pair (U+" in a.message and HALF not in a.message for a in failed)
    assert "the prompt" in failed[0].message
    assert "U+D83D at character 5" in failed[0].message
    assert "a stop text" in failed[2].message
    assert "the continuation" in failed[4].message


@pytest.mark.parametrize("error", [ValueError("no such piece"), TypeError("expected a text")])
def test_a_text_that_the_tokenizer_refuses_fails_alone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    made = backend(families.model("llama"))
    answers(made, [Generate("a", 1)])
    assert made._engine is not None
    kind = Codec
    plain = kind.plain

    def picky(self: Any, text: str) -> list[int]:
        if "poison" in text:
            raise error
        return plain(self, text)

    monkeypatch.setattr(kind, "plain", picky)
    found = answers(made, [Generate("fine", 2), Generate("poison", 2), Loglikelihood("poison", " yes"), Loglikelihood("a", "b")])
    assert [isinstance(a, Failure) for a in found] == [False, True, True, False]
    assert type(error).__name__ in found[1].message


ASKED = [Generate(f"{'once more ' * (n % 4)}{n} and then", 9) for n in range(9)]
ASKED_SCORES = [Loglikelihood(f"{'once more ' * (n % 4)}the answer is", f" {n}") for n in range(5)]


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_in_half_precision_a_text_depends_on_itself_alone(kind: str) -> None:
    model = families.model("llama", spread=0.15, hidden_size=128, intermediate_size=256, num_hidden_layers=3)
    made = backend(model.to(getattr(torch, kind)))
    together = answers(made, [*ASKED, *ASKED_SCORES])
    assert together == [answers(made, [request])[0] for request in (*ASKED, *ASKED_SCORES)]
    assert (made.describe()["batched"], made.describe()["dtype"]) == (False, kind)


def test_a_half_precision_model_says_so_before_it_is_loaded(tmp_path: Any) -> None:
    tiny.save(tmp_path / "m")
    half, whole = (load_backend(ModelSpec(str(tmp_path / "m"), dtype=kind)) for kind in ("bfloat16", "float32"))
    assert half.describe()["batched"] is False
    assert half.describe()["engine"] == whole.describe()["engine"] == "fast"
    assert "batched" not in whole.describe()


def test_the_plain_engine_gives_the_same_answers_and_says_so() -> None:
    asked = [
        *ASKED[:6],
        Generate("warm", 6, temperature=0.8, top_p=0.9),
        *ASKED_SCORES[:4],
        Loglikelihood("a", "bc", detail=True),
    ]
    fast, plain = backend(families.model("gemma3")), backend(families.model("gemma3"), engine="plain")
    for one, other in zip(answers(fast, asked), answers(plain, asked), strict=True):
        if isinstance(one, Completion):
            assert one == other
        else:
            assert (one.sum, one.greedy, one.n_tokens) == (pytest.approx(other.sum, abs=1e-4), other.greedy, other.n_tokens)
            assert [(t.logp, t.mean, t.var) for t in one.tokens] == [
                pytest.approx((t.logp, t.mean, t.var), abs=1e-4) for t in other.tokens
            ]
    assert plain.counters.padded == plain.counters.shared == 0
    assert (fast.describe()["engine"], plain.describe()["engine"], plain.describe()["batched"]) == ("fast", "plain", False)
    assert fast.fingerprint == plain.fingerprint  # the same numbers: one store


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(SpecError, match="fast, plain"):
        load_backend(ModelSpec("smollm2-135m-instruct", engine="quick"))


def test_a_window_family_shares_and_joins_while_texts_fit_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    writes("words and more words", monkeypatch)
    shared = "what follows is asked of everybody who came by the ferry: "
    asked: list[Any] = [Loglikelihood(f"{shared}{q}?", o) for q in ("who", "where to", "how long") for o in (" a", " be", " see")]
    asked += [Generate(f"{shared}{'so ' * n}", 4 + 3 * (n % 3)) for n in range(9)]
    full, window = (
        backend(families.model("llama"), batch_rows=4),
        backend(families.model("gemma3", sliding_window=90), batch_rows=4),
    )
    for made in (full, window):
        assert not [a for a in answers(made, asked) if isinstance(a, Failure)]
    assert window.describe()["cache_shared_up_to"] == 90
    assert window.counters.prefilled <= 1.2 * full.counters.prefilled
    assert window.counters.forwards <= 1.2 * full.counters.forwards + 2


@pytest.mark.parametrize(("written", "more"), [("\n" * 90, 0), (" " * 90, 0), ("no" + " " * 90, 0), (" <thi" * 20, 6)])
def test_blank_replies_end_with_the_tokens_that_were_asked_for(written: str, more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    writes(written, monkeypatch)
    asked = [Generate(f"what follows is asked of all: {n}", 3 + n) for n in range(4)]
    for model in (families.model("gemma3", sliding_window=44), families.model("llama")):
        made = backend(model)
        assert [a.n_tokens for a in answers(made, asked)] == [3, 4, 5, 6]
        assert 18 <= made.counters.generated <= 18 + more


@pytest.mark.parametrize(("family", "changes"), [("llama", {}), ("gemma3", {"sliding_window": 90}), ("mistral", {})])
def test_a_running_batch_holds_no_more_than_its_limit(
    family: str, changes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_slmtrust.backends.transformers.state import Cached

    writes("words and more words", monkeypatch)
    held: list[int] = []
    step = Cached.step
    monkeypatch.setattr(Cached, "step", lambda s, tokens, c: (held.append(len(tokens) * s.columns), step(s, tokens, c))[1])
    made = backend(families.model(family, **changes))
    answers(made, [Generate("a", 1)])
    assert made._engine is not None
    made._engine.limits.cache_tokens = 200
    asked = [Generate(f"{'so ' * (n % 5)}all of it, {n}", 8 + n % 4) for n in range(24)]
    assert not [a for a in answers(made, asked) if isinstance(a, Failure)]
    assert 100 < max(held) <= 200


def test_replies_that_outgrow_the_window_are_written_again_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    writes("<think>" + "so " * 12 + "</think>yes, all of it is", monkeypatch)
    asked = [Generate(f"what follows is asked of all: {n}", 6) for n in ("who", "whereto", "when")]
    made = backend(families.model("gemma3", sliding_window=44))
    assert [(a.text, a.thought_tokens > 40) for a in answers(made, asked)] == [("yes, a", True)] * 3


def test_a_batch_is_never_wider_than_the_model_takes() -> None:
    asked = [Generate("a" * (80 - n), 6 + n) for n in range(4)] + [Generate(f"{n}", 94) for n in range(4)]
    made = backend(families.model("gpt_neo", window_size=128), batch_rows=4)
    found = answers(made, asked)
    assert [a.message for a in found if isinstance(a, Failure)] == []
    assert found == [answers(made, [request])[0] for request in asked]


def test_a_window_that_no_config_names_is_found_by_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_slmtrust.backends.transformers import ways

    monkeypatch.setattr(ways, "limits_of", lambda _: (UNBOUNDED, UNBOUNDED))
    made = backend(families.model("gpt_neo"))
    answers(made, [Generate("a", 1)])
    assert made._engine is not None
    assert made._engine.loaded.sharing == Sharing.ROWS


@pytest.mark.parametrize(
    ("config", "limits"),
    [
        ({"num_local_experts": 4, "sliding_window_pattern": 6, "max_window_layers": 28, "sliding_window": None}, None),
        ({"sliding_window": 512, "use_sliding_window": True}, (512, UNBOUNDED)),
        ({"text_config": {"attention_chunk_size": 8192, "floor_scale": 4096}}, (8192, 4096)),
        ({"rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 4096}}, None),
        ({"rope_scaling": {"type": "longrope", "original_max_position_embeddings": 4096}}, (UNBOUNDED, 4096)),
        ({"rope_parameters": {"full_attention": {"rope_type": "llama3", "original_max_position_embeddings": 8192}}}, None),
        ({"attention_window": 64, "block_size": 32}, (32, UNBOUNDED)),
    ],
)
def test_limits_are_read_from_a_config(config: dict[str, Any], limits: tuple[int, int] | None) -> None:
    assert limits_of(config) == (limits or (UNBOUNDED, UNBOUNDED))
