"""What a negation in a reply means, given the question. All texts are plain: lower case, one space, "do not" for "don't"."""

from __future__ import annotations

import re

#: A "no" to one of these is an answer.
YES_OR_NO = re.compile(r"(?:is|are|am|was|were|do|does|did|can|could|has|have|had|will|would|should|must|may|might)\b")
_CHOICE = re.compile(r"(?!\w+ there\b)[^.!?]*\bor (?!not\b|no\b)")
_NEITHER = re.compile(
    r"\W*(?:(?:no|actually|well|in fact|i believe|i think)\W+)*(?:neither\b|none(?: of (?:them|these|those|the)\b|[.,;!]|\Z))"
)
_REQUEST = re.compile(r"(?:can|could|will|would|may|might) (?:you|i|we)\b")
_BARE_NO = re.compile(
    r"\W*(?:no|nope|never|(?:no,? |absolutely |certainly |definitely |of course )(?:not|never|way))\s*(?:[.!;]|\Z)", re.I
)
_ASKED = re.compile(r"(who|when|where|why)\b")
_WHICH = re.compile(r"\b(?:who|when|where|why)\b")
_ABOUT = re.compile(
    r"[^.!?]{0,40}?\bnot (?:\w+ )?(?:known|clear|certain|sure)(?: exactly| precisely| for sure)? (who|when|where|why)\b"
)
_INNER = re.compile(
    r"(who|what|when|where|why|how|which) [^.!?]{3,80}? (?:is|are|was|remains) (?:\w+ )?(?:un|not |disputed|debated)"
)
_QUESTION_WORD = re.compile(r"\b(who|what|when|where|why|how|which)\b")
_NEGATED = re.compile(r"\b(?:not|cannot|never|no|none|nobody|nothing|without|lacks?)\b")
#: Questions for a reason, for the sense of a word or for what follows.
_FOR_REASON = re.compile(
    r"(?:why|how come|for what reason)\b|[^.!?]{0,200}\bmean\b|[^.!?]{0,60}\bwhat (?:\w+ )?(?:happens?|does [^.!?]{0,40} tell)\b"
)
#: "They do not see blue": what is denied follows.
_DENIED = re.compile(
    r"(?:\A|[^.!?;,]{0,60}? )(?:do|does|did|can|could|has|have|had|will|would|(should|must|need))(?: not|not| never) ([^.!?;,]+)"
)
#: "It has no edge", "Nobody discovered that", "Beethoven only completed nine": what there is none of, or no more.
_NO_SUCH = re.compile(
    r"(?:\W*(?:no|nobody|no one)|[^.!?]{0,120}?\b(?:has|have|had) no|[^.!?]{0,60}?(?<!the )\bonly(?: ever)?) ([a-z]{3,})\b"
)
_MORE_THAN = re.compile(r"\b(?:more\b[^?]{0,60}?|(?!fewer|lower|smaller|other|rather)[a-z]{3,}er) than (?:the |in )?(\w+)")
#: "Why is Sydney the capital of Australia?": what is said of what.
_WHY_IT_IS = re.compile(
    r"(?:why (?:is|are|was|were)|how come) (?:the )?(\w{3,})(?: is| are| was| were|) the (\w{4,}(?: \w{4,})?)"
)
_SUPERLATIVE = re.compile(
    r"\b(?:most|least|record|(?!best|rest|west|east|guest|forest|interest|test|latest|second|third)[a-z]{3,}est)\b"
)
_HOLDS_MOST = (
    r"(?: \w+)? (?:has|have|holds?|is|are|carries|gets?|works?|may \w+)\b(?![^.!?]*\b(?:second|third)\b)[^.!?,;]{0,20}"
    + _SUPERLATIVE.pattern
)
_ACTUALLY = re.compile(
    r"\W*(?:the |an? )?\w+(?: \w+){0,3} (?:is|are|was|were) (?:actually|in fact) (?:(?:the|one of the"
    r"|among the) )?((?:[a-z]{3,}est|most)\b)"
)
#: "Mozart died in 1791, nearly a century before the gramophone was invented"
_TOO_EARLY = re.compile(
    r"\W*[^.!?]{0,60}\b(?:died|lived)\b[^.!?]{0,60}\b(?:decades?|centur(?:y|ies)|millennia|long) (?:before"
    r"|ahead of) ([^.!?]{3,80})"
)
_FOR_TIME = re.compile(r"(?:when|how (?:long|old|many years)|in (?:what|which) (?:year|century)|what (?:year|century))\b")
#: Words that show nothing when question and reply share them.
_COMMON = frozenset(
    {
        "the",
        "and",
        "for",
        "who",
        "what",
        "which",
        "when",
        "where",
        "why",
        "how",
        "did",
        "does",
        "one",
        "are",
        "was",
        "were",
        "has",
    }
)


def negation_answers(reply: str, question: str) -> bool:
    """Return whether a negated reply may be the answer: the question holds a negation itself, or it asks for a reason and the
    reply denies something else than the question speaks of."""
    denied = _DENIED.match(reply)
    reason = denied is not None and _FOR_REASON.match(question) is not None and not _shares(denied[2], question)
    return reason or _NEGATED.search(question) is not None


def doubts_else(doubt: str, question: str, at: int) -> bool:
    """Return whether a doubt that follows an answer is about something else than the question: "It is not known exactly when.",
    asked who painted it. ``at``: the number of characters before it."""
    about, asked = _ABOUT.match(doubt), _ASKED.match(question)
    return at > 0 and about is not None and asked is not None and asked[1] not in _WHICH.findall(doubt)


def doubts_aside(reply: str, question: str, at: int) -> bool:
    """Return whether the doubt at this place is the end of a later sentence about something that was not asked: "What the Incas
    called it is uncertain.", asked where it is."""
    start = reply.rfind(". ", 0, at) + 2
    inner, asked = _INNER.match(reply, start), _QUESTION_WORD.search(question)
    return start > 1 and inner is not None and asked is not None and inner[1] != asked[1]


def without_bare_no(reply: str, question: str) -> str:
    """Return a reply without the bare "No." that it begins with, where the question asks for a yes or no: it answers there, and
    declines nothing. "Can you tell me ...?" is a request."""
    answers = YES_OR_NO.match(question) and not _REQUEST.match(question)
    bare = _BARE_NO.match(reply) if answers else None
    return reply[bare.end() :] if bare else reply


def takes_neither(reply: str, question: str) -> bool:
    """Return whether a reply rejects both sides of a choice: "Neither. It is white.", asked "Is snow black or green?"."""
    return _CHOICE.match(question) is not None and _NEITHER.match(reply) is not None


def denies_asked(reply: str, question: str) -> bool:
    """Return whether a reply forbids or denies in the question's own words: "You should not wait", asked how long to wait; "No
    cities get more rain"."""
    denied, none = _DENIED.match(reply), _NO_SUCH.match(reply)
    if denied and denied[1] and _shares(denied[2], question):
        return True
    return none is not None and none[1][:5] in _stems(question) and "only" not in question


def other_fact(reply: str, question: str) -> bool:
    """Return whether a first sentence states a fact that contradicts what the question takes for granted.

    "Brazil holds the record", asked who has won more than Brazil; "The Pacific is actually the largest ocean", asked why it is
    the smallest; "Mozart died a century before it was invented".
    """
    first = reply.partition(". ")[0]
    asked = question.rsplit(". ", 1)[-1]  # a passage may stand before the question
    more, called = _MORE_THAN.search(asked), _WHY_IT_IS.match(asked)
    if more and re.match(rf"\W*(?:the )?{re.escape(more[1])}\b{_HOLDS_MOST}", first):
        return True
    if called and re.match(
        rf"\W*(?!he\b|she\b|it\b|this\b|that\b|they\b|the reason)[\w ]{{2,30}} is the {re.escape(called[2])}\b", first
    ):
        return re.search(rf"\b{re.escape(called[1])}\b", first) is None
    most, contrary = _SUPERLATIVE.search(asked), _ACTUALLY.match(first)
    if most and contrary and _FOR_REASON.match(question) and contrary[1] != most[0]:
        return _shares(first, question)
    early = _TOO_EARLY.match(reply)
    return early is not None and _shares(early[1], question) and not _FOR_TIME.match(question)


def _shares(said: str, question: str) -> bool:
    """Return whether what is said has a longer word of the question, endings aside, or has no longer word at all."""
    stems = {stem for stem in _stems(said) if len(stem) > 3}
    return bool(stems & _stems(question)) or not stems


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"[a-z]{3,}", text)} - _COMMON
