"""Texts as token ids: special tokens, the split of context and continuation, and replies back to text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..untrusted.panics import panics_are_errors
from .files import ModelError

#: Prompt tokens decoded before a reply, so that a word-initial space survives SentencePiece.
TAIL = 4
#: Letters of a reply at most: these, and so many for each token. The longest tokens known are runs of 128 spaces.
SPARE_LETTERS, TOKEN_LETTERS = 1024, 128
#: Tokens that one character of a stop text may consist of: the bytes of its UTF-8 form.
BYTES = 4
#: Tokens at the end of a reply that are searched for stop texts, beyond those that the longest may consist of.
SLACK = 4
_HALF_PAIR = re.compile("[\ud800-\udfff]")


class Unreadable(ValueError):
    """A text that the tokenizer cannot turn into tokens, or tokens that it cannot turn into a text: one line that says why."""


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Inside, a panic of the tokenizer's library becomes :class:`Unreadable`."""
    try:
        with panics_are_errors(f"this {what}"):
            yield
    except ModelError as error:
        raise Unreadable(str(error)) from None


def _bounded(text: str, tokens: int) -> str:
    most = SPARE_LETTERS + TOKEN_LETTERS * tokens
    if len(text) > most:
        raise Unreadable(f"the reply has {len(text)} letters in {tokens} tokens; at most {most} are taken")
    return text


@dataclass(frozen=True, slots=True)
class Codec:
    """A tokenizer with its special tokens settled.

    ``prefix``: what it puts before every text (BOS or nothing). ``start``: the token that stands for an empty
    context. ``eos``: the ids that end a reply. ``special``: the texts of the tokens that a reply is shown without, by id.
    """

    tokenizer: Any
    prefix: tuple[int, ...]
    start: int | None
    eos: tuple[int, ...]
    special: Mapping[int, str] = field(default_factory=dict)

    def plain(self, text: str) -> list[int]:
        """Ids of the text alone. Special tokens written out in it, as templates do, become their ids."""
        with _readable("text"):
            return list(self.tokenizer.encode(text, add_special_tokens=False, verbose=False))

    def prompt(self, text: str, rendered: bool) -> list[int]:
        """Ids of a prompt; a ``rendered`` chat brings its own BOS. An empty one is the start token alone."""
        ids = ([] if rendered else list(self.prefix)) + self.plain(text)
        return ids or ([self.start] if self.start is not None else [])

    def pair(self, context: str, continuation: str, rendered: bool, by_length: bool = False) -> tuple[list[int], int]:
        """Joint ids of context and continuation, and how many are context.

        Spaces that end the context move to the continuation; both are encoded as one text and split after their longest
        common token prefix, since merges cross the boundary. ``by_length`` splits as lm-evaluation-harness 0.4 does: after as
        many tokens as the context has alone, and these come before the rest.
        """
        if not rendered or by_length:
            kept = context.rstrip()
            context, continuation = kept, context[len(kept) :] + continuation
        head = self.prompt(context, rendered)
        if not context:
            return head + self.plain(continuation), len(head)
        whole = self.prompt(context + continuation, rendered)
        if by_length:
            return head + whole[len(head) :], len(head)
        common = common_prefix(head, whole)
        return whole, min(common, len(whole) - 1)

    def text(self, prompt: Sequence[int], reply: Sequence[int]) -> str:
        """Return the reply as text, without special tokens.

        Raises:
            Unreadable: the tokenizer breaks, or writes more than any honest one.
        """
        before = list(prompt[-TAIL:])
        head, whole = self._decode(before), self._decode([*before, *reply])
        text = whole[len(head) :] if head and whole.startswith(head) else self._decode(reply)
        return _bounded(text, len(reply))

    def raw(self, reply: Sequence[int]) -> str:
        """Return the same with special tokens: some of them are the marks of thoughts."""
        return _bounded(self._decode(reply, skip=False), len(reply))

    def is_special(self, text: str) -> bool:
        """Return whether a text holds a special token's."""
        return any(token in text for token in self.special.values())

    def stopped(self, prompt: Sequence[int], reply: Sequence[int], stops: Sequence[str]) -> str | None:
        """Return the reply up to the first stop text; None if its last tokens complete none.

        A stop text that holds a special token is looked for with special tokens shown, any other without them.
        """
        if not stops:
            return None
        reach = BYTES * max(map(len, stops)) + SLACK
        found: list[str | None] = []
        if cut_at_stop(self._decode([i for i in reply if i not in self.special][-reach:]), stops) is not None:
            found.append(cut_at_stop(self.text(prompt, reply), stops))
        for stop in stops:
            if self.is_special(stop) and stop in self.raw(reply[-reach:]):
                found.append(self._before(prompt, reply, stop))
        return min((text for text in found if text is not None), key=len, default=None)

    def _before(self, prompt: Sequence[int], reply: Sequence[int], stop: str) -> str | None:
        """Return the reply as text up to a stop text with special tokens in it."""
        whole = self.raw(reply)
        place, n = whole.find(stop), len(reply)
        if place < 0:
            return None
        while len(self.raw(reply[:n])) > place:
            n -= 1
        begun = "" if reply[n] in self.special else whole[len(self.raw(reply[:n])) : place]
        return self.text(prompt, reply[:n]) + begun

    def _decode(self, ids: Sequence[int], skip: bool = True) -> str:
        with _readable("reply"):
            options = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": False, "spaces_between_special_tokens": False}
            return str(self.tokenizer.decode(list(ids), **options))


def make_codec(tokenizer: Any, eos: Sequence[int]) -> Codec:
    """Find out what a tokenizer adds, by encoding one text both ways.

    A suffix (EOS after every text) is left out: a prompt is to be continued.
    """
    bare = list(tokenizer.encode("a", add_special_tokens=False))
    full = list(tokenizer.encode("a", add_special_tokens=True))
    places = [i for i in range(len(full) - len(bare) + 1) if full[i : i + len(bare)] == bare]
    prefix = tuple(full[: places[0]]) if places else ()
    bos, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    start = bos if bos is not None else end
    ends = tuple(sorted({int(i) for i in (*eos, *([] if end is None else [end]))}))
    return Codec(tokenizer, prefix, start, ends, _special(tokenizer))


def _special(tokenizer: Any) -> dict[int, str]:
    named = zip(tokenizer.all_special_ids, map(str, tokenizer.all_special_tokens), strict=False)
    added = getattr(tokenizer, "added_tokens_decoder", {}).items()
    both = [*named, *((i, str(token)) for i, token in added if getattr(token, "special", False))]
    return {int(i): text for i, text in both if i is not None and text}


def half_pair(text: str) -> str | None:
    """Return where a text holds half of a surrogate pair, which no encoding has: ``U+D83D at character 7``; None if it does
    not."""
    found = _HALF_PAIR.search(text)
    return f"U+{ord(found.group()):04X} at character {found.start() + 1}" if found else None


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return i
    return min(len(a), len(b))


def cut_at_stop(text: str, stops: Sequence[str]) -> str | None:
    """Return the text before the first stop text in it; None if there is none."""
    places = [place for place in (text.find(stop) for stop in stops if stop) if place >= 0]
    return text[: min(places)] if places else None
