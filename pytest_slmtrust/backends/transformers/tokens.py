"""Texts as token ids: special tokens, the split of context and continuation, and replies back to text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Prompt tokens decoded before a reply, so that a word-initial space survives SentencePiece.
TAIL = 4


@dataclass(frozen=True, slots=True)
class Codec:
    """A tokenizer with its special tokens settled.

    ``prefix``: what it puts before every text by itself (BOS or nothing). ``start``: the token that stands for an empty
    context. ``eos``: the ids that end a reply.
    """

    tokenizer: Any
    prefix: tuple[int, ...]
    start: int | None
    eos: tuple[int, ...]

    def plain(self, text: str) -> list[int]:
        """Ids of the text alone. Special tokens written out in it, as templates do, become their ids."""
        return list(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def prompt(self, text: str, rendered: bool) -> list[int]:
        """Ids of a prompt; a ``rendered`` chat brings its own BOS. An empty one is the start token alone."""
        ids = ([] if rendered else list(self.prefix)) + self.plain(text)
        return ids or ([self.start] if self.start is not None else [])

    def pair(self, context: str, continuation: str, rendered: bool) -> tuple[list[int], int]:
        """Joint ids of context and continuation, and how many are context.

        Spaces that end the context move to the continuation; both are encoded as one text and split after their longest
        common token prefix, since merges cross the boundary (the semantics of lm-evaluation-harness 0.4).
        """
        if not rendered:
            kept = context.rstrip()
            context, continuation = kept, context[len(kept) :] + continuation
        head = self.prompt(context, rendered)
        if not context:
            return head + self.plain(continuation), len(head)
        whole = self.prompt(context + continuation, rendered)
        common = common_prefix(head, whole)
        return whole, min(common, len(whole) - 1)

    def text(self, prompt: Sequence[int], reply: Sequence[int]) -> str:
        """The reply as text, without special tokens."""
        before = list(prompt[-TAIL:])
        head, whole = self._decode(before), self._decode([*before, *reply])
        return whole[len(head) :] if head and whole.startswith(head) else self._decode(reply)

    def raw(self, reply: Sequence[int]) -> str:
        """The same with special tokens: some of them are the marks of thoughts."""
        return str(self.tokenizer.decode(list(reply), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def make_codec(tokenizer: Any, eos: Sequence[int]) -> Codec:
    """Settle what a tokenizer adds by itself, by encoding one text both ways.

    A suffix (EOS after every text) is left out: a prompt is to be continued.
    """
    bare = list(tokenizer.encode("a", add_special_tokens=False))
    full = list(tokenizer.encode("a", add_special_tokens=True))
    places = [i for i in range(len(full) - len(bare) + 1) if full[i : i + len(bare)] == bare]
    prefix = tuple(full[: places[0]]) if places else ()
    bos, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    start = bos if bos is not None else end
    return Codec(tokenizer, prefix, start, tuple(sorted({int(i) for i in (*eos, *([] if end is None else [end]))})))


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def cut_at_stop(text: str, stops: Sequence[str]) -> str | None:
    """The text before the first stop text in it; None if there is none."""
    places = [place for place in (text.find(stop) for stop in stops if stop) if place >= 0]
    return text[: min(places)] if places else None
