"""Thoughts of reasoning models: separated from the answer that follows, at one place for every backend.

A reply is parted by its text alone, by these rules:

1. A reply that *begins* with the opening mark of a thought holds one, up to the first closing mark that is not in quotes. A
   closing mark that never comes leaves the thought unfinished: there is no answer.
2. A closing mark that nothing opened ends a thought that the prompt opened, if it ends its line or follows the end of a
   sentence or a word without a space; in the middle of a sentence, or in quotes, it is a quotation.
3. After other text, a mark opens a thought only where it has its line for itself, outside a code block.
4. Everything else is the answer: prose that quotes ``<think>`` stays whole.

The marks: ``<think>`` and its kin (DeepSeek-R1, Qwen3, SmolLM3, Nemotron, EXAONE, Granite 3.3, GLM, Seed-OSS, OpenThinker,
Marco-o1), ``[THINK]`` (Magistral), ``<|START_THINKING|>`` (Command A), ``<|inner_prefix|>`` (Apertus), ``<|channel>thought``
(Gemma 4), the channels of gpt-oss (harmony), and the two sentences of Granite 3.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from .requests import Completion, Failure, Generate, Request, RequestFailed, ThoughtUnfinished

#: Tokens that a thought may have before it counts as unfinished; the answer has its limit in the request.
LIMIT = 1024
#: Thoughts that one reply may hold; one with more has no answer.
MOST_THOUGHTS = 64
#: The highest limit that may be set, and the longest thought that is taken from any backend.
MOST_TOKENS = 32768
#: The key of a finding's evidence that holds the thoughts before the answers of its case.
EVIDENCE = "thoughts"

_WORDS = r"think(?:ing)?|thoughts?|reason(?:ing)?|inner(?=_prefix)|scratchpad|inner_monologue|analysis"
_OPEN_TAG = (
    r"(?P<left><\|?|◁)(?P<space>[a-z]+:)?(?:(?:begin|start)_(?:of_)?)?(?P<word>" + _WORDS + r")(?:_(?:start|begin|prefix))?"
    r"(?P<right>\|?>|▷)"
)
_FINAL = r"<\|channel\|>\s*final[^<>]*(?:<\|constrain\|>[^<>]*)?<\|message\|>"
#: Opening mark and closing mark of the forms that are no tags.
_FORMS = (
    (re.compile(r"\[THINK\]"), re.compile(r"\[/THINK\]")),
    (re.compile(r"(?:<\|start\|>\s*assistant\s*)?<\|channel\|>(?!\s*final)"), re.compile(_FINAL)),
    (re.compile(r"analysis(?=[A-Z])"), re.compile(r"assistant\s?final")),  # the same channels, their special tokens left out
    (re.compile(r"<\|channel>\s*(?:thought|thinking|analysis)\b"), re.compile(r"<channel\|>")),
    (
        re.compile(r"here(?: is|['’]s) my thought process:", re.IGNORECASE),
        re.compile(r"^[ \t]*here(?: is|['’]s) my response:", re.IGNORECASE | re.MULTILINE),
    ),
)
_OPEN = re.compile(_OPEN_TAG, re.IGNORECASE)
#: A closing mark alone.
_CLOSE = re.compile(
    r"(?:<\|?|◁)(?:/(?:[a-z]+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|inner_monologue|scratchpad)"
    r"|end_(?:of_)?(?:think(?:ing)?|thoughts?|reason(?:ing)?)|(?:think(?:ing)?|thought|reasoning|inner)_(?:end|suffix))(?:\|?>|▷)"
    r"|\[/THINK\]|" + _FINAL,
    re.IGNORECASE,
)
#: What Solar writes between thought and answer.
_SOLAR = re.compile(r"<\|end\|>\s*<\|begin\|>\s*assistant\s*<\|content\|>")
_NO_THOUGHT = re.compile(rf"(?:<\|start\|>\s*assistant\s*)?{_FINAL}")
_KIN = (r"think(?:ing)?|thoughts?", r"reason(?:ing)?")
#: What a turn begins with in many templates; some servers leave it in the reply.
_HEADER = re.compile(
    r"(?:<\|(?:im_start|start_header_id|start|assistant|turn)\|?>|<start_of_turn>)\s*(?:assistant|model)?\s*"
    r"(?:<\|(?:end_header_id|im_sep|message|content)\|>)?\s*"
)
#: What may enclose the answer after a thought.
_WRAPPERS = tuple(
    (re.compile(rf"\s*{start}", re.IGNORECASE), re.compile(rf"{end}\s*\Z", re.IGNORECASE))
    for start, end in (
        (r"<(response|answer|output|solution|final_answer)>", r"</(?:response|answer|output|solution|final_answer)>"),
        (r"<\|start_(response|answer|text)\|>", r"<\|end_(?:response|answer|text)\|>"),
        (r"<\|begin_of_(solution|answer|response)\|>", r"<\|end_of_(?:solution|answer|response)\|>"),
    )
)
_BLANK = " \t\r\n\f\v\u00a0\u200b\u2060\ufeff"
#: Blanks that may be on the line of a mark.
_INDENT = 80
_QUOTES = "`\"'“”‘’«»"
_SENTENCE_ENDS = ".!?…。！？"
#: Beginnings that may yet become an opening mark; and a reply that was cut inside its opening mark.
_NOT_YET = re.compile(
    r"[<\[◁][\w|:/]{0,30}|<\|start\|>\s*(?:assistant\s*)?(?:<[\w|]{0,12})?|(?:<\|start\|>\s*assistant\s*)?<\|channel\|?>\s*\w{0,8}"
    r"|a(?:n(?:a(?:l(?:y(?:s(?:i(?:s)?)?)?)?)?)?)?|here(?: is|['’]s)?[a-z ]{0,19}|",
    re.IGNORECASE,
)
_CUT_MARK = re.compile(r"<\|?(?:think(?:ing)?|thoughts?|reasoning|channel)\|?\Z|\[THINK\Z")


@dataclass(frozen=True, slots=True)
class Parted:
    """A reply as thought and answer. ``thinks``: whether there is a thought at all, an empty one included."""

    thought: str
    answer: str
    finished: bool = True
    thinks: bool = False


def part(text: str, inside: bool = False, after: bool = False) -> Parted:
    """Part a reply. ``inside``: it begins within a thought that its prompt opened; ``after``: a thought was parted already."""
    thoughts: list[str] = []
    rest, finished, thinks = text, True, inside
    if inside:
        close = _closing(rest, 0, _CLOSE)
        if close is None:
            return Parted(_bare(rest), "", False, True)
        thoughts, rest = [rest[: close.start()]], rest[close.end() :]
    while finished:
        if len(thoughts) > MOST_THOUGHTS:
            return Parted(_bare(thoughts[0]), "", False, True)
        found = _leading(rest) or _lone_close(rest) or _in_lines(rest)
        if found is None:
            break
        before, thought, rest, finished = found
        thoughts, thinks = [*thoughts, thought], True
        rest = before + rest
    if not finished:
        rest = ""
    if thinks or after:
        rest = _unwrapped(rest)
    kept = "\n\n".join(bare for one in thoughts if (bare := _bare(one)))
    return Parted(kept, rest.lstrip(_BLANK) if thinks else rest, finished, thinks)


def opens(text: str) -> bool:
    """Return whether a prompt ends within a thought: its last mark opens one, and nothing but blanks follows."""
    end = text.rstrip(_BLANK)
    tail = end[-200:]
    marks = [mark for pattern in (_OPEN, *(opening for opening, _ in _FORMS[:1])) for mark in pattern.finditer(tail)]
    if any(mark.end() == len(tail) for mark in marks):
        return True
    return re.search(r"<\|channel\|>\s*analysis\s*<\|message\|>\Z|<\|channel>\s*thought\Z", tail) is not None


def mentions(text: str) -> bool:
    """Return whether a chat template, or the tokens of a tokenizer, know the mark of a thought."""
    return any(pattern.search(text) for pattern in (_OPEN, re.compile(r"\[THINK\]|<\|channel\|>|<\|channel>")))


def closing(text: str) -> str:
    """Return what closes at once the thought in which a prompt ends, as an empty one; empty where it ends in none."""
    end = text.rstrip(_BLANK)
    if not opens(end):
        return ""
    if re.search(r"<\|channel\|>[^<]*<\|message\|>\Z", end):
        return "<|end|><|start|>assistant<|channel|>final<|message|>"
    if end.endswith("thought") and "<|channel>" in end[-40:]:
        return "<channel|>"
    mark = next(m.group() for p in (_OPEN, _FORMS[0][0]) for m in p.finditer(end) if m.end() == len(end))
    for opened, closed in (("prefix", "suffix"), ("begin", "end"), ("start", "end")):
        found = re.search(opened, mark, re.IGNORECASE)
        if found is not None:
            closed = closed.upper() if found.group().isupper() else closed
            return f"{mark[: found.start()]}{closed}{mark[found.end() :]}\n\n"
    left = re.match(r"<\|?|◁|\[", mark)
    place = left.end() if left else 0
    return f"{'' if text.endswith(chr(10)) else chr(10)}\n{mark[:place]}/{mark[place:]}\n\n"


def may_begin(text: str) -> bool | None:
    """Return whether a reply that begins like this begins with a thought; None while it may still become one."""
    start = text.lstrip(_BLANK)
    if _opening(start) is not None:
        return True
    return None if _NOT_YET.fullmatch(start) and not _NO_THOUGHT.match(start) else False


def closes(text: str) -> bool:
    """Return whether the end of a text may hold the mark that closes a thought; :func:`part` says it for certain."""
    return _CLOSE.search(text) is not None or any(close.search(text) for _, close in _FORMS) or _SOLAR.search(text) is not None


def settled(request: Request[Any], answer: Any) -> Any:
    """Return an answer with the thought separated from its text, whichever backend it comes from."""
    if not isinstance(request, Generate) or not isinstance(answer, Completion) or not isinstance(answer.text, str):
        return answer
    if not answer.thought_finished:
        return replace(answer, text="")
    inside = isinstance(request.prompt, str) and not answer.thought and opens(request.prompt)
    parted = part(answer.text, inside, after=bool(answer.thought))
    if not parted.thinks and parted.answer == answer.text:
        return answer
    thought = "\n\n".join(one for one in (answer.thought, parted.thought) if one)
    return replace(answer, text=parted.answer, thought=thought, thought_finished=parted.finished)


def refused(answers: Sequence[Any]) -> RequestFailed | None:
    """Say why a probe cannot go on with these answers: one that failed, else one whose thought never ended."""
    for answer in answers:
        if isinstance(answer, Failure):
            return RequestFailed(answer.message)
    for answer in answers:
        if isinstance(answer, Completion) and not answer.thought_finished:
            return ThoughtUnfinished(answer.thought)
    return None


def thoughts_of(answers: Sequence[Any]) -> list[str]:
    """Return the thoughts before these answers, in their order."""
    return [answer.thought for answer in answers if isinstance(answer, Completion) and answer.thought]


def with_thoughts(evidence: Mapping[str, Any], thoughts: Sequence[str]) -> Mapping[str, Any]:
    """Evidence with the thoughts in it; a key that its author used stays the author's."""
    return evidence if not thoughts or EVIDENCE in evidence else {**evidence, EVIDENCE: list(thoughts)}


def notes(asked: str, model: Mapping[str, Any], counters: Mapping[str, Any]) -> list[str]:
    """Return what a reader must know: that the model thinks, and that ``--slm-thinking`` (``asked``) reached no switch of it."""
    found, about = [], model.get("thoughts")
    known = (
        model.get("kind") not in ("transformers", "vllm") or about is not None
    )  # a model that was not loaded in this run tells nothing
    if asked != "auto" and model and known and not (about or {}).get("switch"):
        found.append(f"--slm-thinking={asked}: this model has no switch for it, and thinks or not as it likes")
    if counters.get("thoughts"):
        said = f"THINKS: {counters['thoughts']} replies begin with a thought, which is shown and not judged"
        unfinished = counters.get("thoughts_unfinished", 0)
        limit = f" (limit: {model['thought_tokens']} tokens, --slm-thought-tokens)" if "thought_tokens" in model else ""
        found.append(f"{said}; {unfinished} thoughts were not finished{limit if unfinished else ''}: their cases are unscored")
    return found


#: Thoughts of one finding, and characters of each, that an audit keeps.
MOST, LONGEST = 8, 2000


def shortened(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    """Evidence whose thoughts are cut in their middle; cut after masking, which must see whole texts."""
    thoughts = evidence.get(EVIDENCE)
    if not isinstance(thoughts, list) or not all(isinstance(one, str) for one in thoughts):
        return evidence
    half = LONGEST // 2
    cut = [one if len(one) <= LONGEST else f"{one[:half]} […] {one[-half:]}" for one in thoughts[:MOST]]
    more = [f"[{len(thoughts) - MOST} more]"] if len(thoughts) > MOST else []
    return {**evidence, EVIDENCE: [*cut, *more]}


def _opening(start: str) -> tuple[re.Match[str], re.Pattern[str]] | None:
    """Return the opening mark at the beginning of a text, after the header of a turn if there is one, and what closes it."""
    header = _HEADER.match(start)
    return _mark_at(start) or (_mark_at(start, header.end()) if header else None)


def _mark_at(start: str, place: int = 0) -> tuple[re.Match[str], re.Pattern[str]] | None:
    mark = _OPEN.match(start, place)
    if mark is not None:
        return mark, _closer(mark["left"], mark["space"] or "", mark["word"].lower())
    for opening, closing in _FORMS:
        mark = opening.match(start, place)
        if mark is not None:
            return mark, closing
    return None


@lru_cache(maxsize=64)
def _closer(left: str, space: str, word: str) -> re.Pattern[str]:
    """Return what closes a tag: the same word, or its kin, with a slash, or with ``end`` or ``suffix`` in its place."""
    kin = next((group for group in _KIN if re.fullmatch(group, word)), word)
    open_, name = re.escape(left), re.escape(space) + f"(?:{kin})"
    right = {"<|": r"\|>", "<": ">", "◁": "▷"}[left]
    tags = rf"{open_}(?:/{name}|end_(?:of_)?{name}|{name}_(?:end|suffix)|end_?{name}){right}"
    return re.compile(f"{tags}|{_SOLAR.pattern}" if left == "<|" else tags, re.IGNORECASE)


def _leading(text: str) -> tuple[str, str, str, bool] | None:
    """Rule 1: what comes before, the thought, the rest, and whether the thought ended."""
    start = text.lstrip(_BLANK)
    none = _NO_THOUGHT.match(start)
    if none is not None:
        return "", "", start[none.end() :], True
    if _CUT_MARK.match(start):
        return "", "", "", False
    found = _opening(start)
    if found is None:
        return None
    mark, closer = found
    close = _closing(start, mark.end(), closer)
    if close is None:
        return "", start[mark.end() :], "", False
    return "", start[mark.end() : close.start()], start[close.end() :], True


def _closing(text: str, place: int, closer: re.Pattern[str]) -> re.Match[str] | None:
    """Return the first closing mark from a place on that is not in quotes."""
    return next((m for m in closer.finditer(text, place) if not _quoted(text, m)), None)


def _quoted(text: str, mark: re.Match[str]) -> bool:
    before, after = text[max(0, mark.start() - 1) : mark.start()], text[mark.end() : mark.end() + 1]
    return bool(before) and before in _QUOTES and bool(after) and after in _QUOTES


def _lone_close(text: str) -> tuple[str, str, str, bool] | None:
    """Rule 2: a closing mark that nothing in the text opened."""
    close = _closing(text, 0, _CLOSE)
    if close is None or _OPEN.search(text, 0, close.start()) or "[THINK]" in text[: close.start()]:
        return None
    line, following = text[: close.start()].rpartition("\n")[2], text[close.end() :]
    before = line.rstrip(" \t")
    ends_line = not following.lstrip(" \t") or following.lstrip(" \t")[0] in "\r\n"
    ends_sentence = not before or before[-1] in _SENTENCE_ENDS
    joined = before == line and not (before and before[-1] in _QUOTES + "([{")
    if (ends_line or ends_sentence or joined) and not _fenced(text, close.start()):
        return "", text[: close.start()], following, True
    return None


def _in_lines(text: str) -> tuple[str, str, str, bool] | None:
    """Rule 3: an opening mark that has its line for itself, after other text."""
    for mark in _OPEN.finditer(text):
        if not _alone(text, mark) or _fenced(text, mark.start()):
            continue
        closer = _closer(mark["left"], mark["space"] or "", mark["word"].lower())
        close = _closing(text, mark.end(), closer)
        if close is None:
            return text[: mark.start()], text[mark.end() :], "", False
        return text[: mark.start()], text[mark.end() : close.start()], text[close.end() :].lstrip("\n"), True
    return None


def _alone(text: str, mark: re.Match[str]) -> bool:
    before, after = text[max(0, mark.start() - _INDENT) : mark.start()], text[mark.end() : mark.end() + _INDENT]
    return not before.rpartition("\n")[2].strip(_BLANK) and not after.partition("\n")[0].strip(_BLANK)


def _fenced(text: str, place: int) -> bool:
    """Return whether a place is inside a code block."""
    return len(re.findall(r"^[ \t]*(?:```|~~~)", text[:place], re.MULTILINE)) % 2 == 1


def _unwrapped(text: str) -> str:
    for start, end in _WRAPPERS:
        mark = start.match(text)
        if mark is not None:
            return end.sub("", text[mark.end() :])
    return re.sub(r"(?:<\|(?:return|end|call)\|>|<turn\|>)\s*\Z", "", text)


def _bare(thought: str) -> str:
    return re.sub(r"<\|message\|>", "\n", thought).strip(_BLANK)
