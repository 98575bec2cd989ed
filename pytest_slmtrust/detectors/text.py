"""Readings of a reply that need no model: does it hold the answer, abstain, correct, or stay on topic?

Every function is linear in the length of the reply and reads at most :data:`MAX_CHARS` of it. The word lists are English; plain
words of not knowing and of denial are read in thirteen other languages too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from .abroad import DENIED_ABROAD, UNKNOWN_ABROAD
from .refusal import declines

#: A reply is read up to this length; what follows cannot change a reading.
MAX_CHARS = 20_000

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u2212": "-", "\u2013": " ", "\u2014": " "})
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TOKEN = re.compile(r"(?:(?<![\w)])-)?\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)*")
_PREFIX = re.compile(r"\A(?:\W{0,4}(?:answer|assistant|response|reply|ai|bot|agent|a)\W{0,4}[:：]\s*)+", re.IGNORECASE)
_ARTICLES = frozenset({"a", "an", "the"})
_NEGATIONS = frozenset({"not", "never", "nor", "neither", "without", "than", "isnt", "wasnt"})

_UNITS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def folded(text: str) -> str:
    """Return the part of a text that is read, in plain signs."""
    plain = unicodedata.normalize("NFKC", text[:MAX_CHARS]).translate(_QUOTES)
    return _INVISIBLE.sub("", plain)[:MAX_CHARS]


def _tokens(text: str) -> list[str]:
    plain = _THOUSANDS.sub("", _PREFIX.sub("", folded(text).lstrip())).casefold()
    return [t.removesuffix("'s") for t in _TOKEN.findall(plain)]


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Words and numbers in lower case, one space apart: no punctuation, articles, invisible characters, thousands commas or
    prefix such as ``Answer:``. A sign or decimal point stays with its number."""
    return " ".join(t for t in _tokens(text) if t not in _ARTICLES)


def contains_answer(reply: str, aliases: Sequence[str]) -> bool:
    """Return whether the reply states one of the aliases, as whole words and not right after a negation.

    ``Paris`` is in "It's Paris." and not in "Comparison" or "not Paris"; ``12`` is in "twelve" and "12.0", and not in "120",
    "12.5" or "one hundred and twelve". Articles are left out, so that the letter ``A`` is found only where it is the whole reply:
    read the letter of a choice yourself.

    Raises:
        ValueError: no alias, or one without a word or number in it.
    """
    if not aliases:
        raise ValueError("no aliases: there is nothing to look for")
    tokens = _said(reply) or _tokens(reply)  # a reply of nothing but an article is the answer "A"
    return any(_states(tokens, _wanted(alias)) and _meant(reply, alias) for alias in aliases)


#: Names that are everyday words as well: written small, or before a verb's partner, they are the word.
_EVERYDAY = frozenset(
    {"may", "march", "august", "turkey", "china", "polish", "nice", "reading", "bath", "will", "mark", "rose", "us"}
)
_SMALL = "in|of|since|until|till|by|during|month|from|last|next|early|late|mid|is|was|answer"


def _meant(reply: str, alias: str) -> bool:
    """Return whether a name that is an everyday word too is there as the name: "It may be June." holds no May, "they march" no
    March."""
    word = alias.strip()
    if word.casefold() not in _EVERYDAY or word == word.lower():
        return True
    text = folded(reply)
    verb = r"(?! (?:be|i|we|you|he|she|it|they|have|not|the|on|to|well|also)\b)"
    named = re.search(rf"\b(?:{word.capitalize()}|{word.upper()})\b(?i:{verb})", text)
    small = re.search(rf"(?i:\b(?:{_SMALL})[ :]+{word}\b)|(?:\A\W*|\d(?:st|nd|rd|th)? (?:of )?){word.lower()}\b{verb}", text)
    return bool(named or small)


# a reply is held against many answers, and an answer against many replies
@lru_cache(maxsize=256)
def _said(reply: str) -> list[str]:
    return _folded([t for t in _tokens(reply) if t not in _ARTICLES])


@lru_cache(maxsize=4096)
def _wanted(alias: str) -> list[str]:
    tokens = [t for t in _tokens(alias) if t not in _ARTICLES] or _tokens(alias)
    if not tokens:
        raise ValueError(f"the alias {alias!r} holds no word or number")
    return _folded(tokens)


def in_figures(text: str) -> str:
    """Return the words and numbers of a text, numbers in figures: "one hundred and eight" is "108"."""
    return " ".join(_folded(_tokens(text)))


def _states(tokens: Sequence[str], wanted: Sequence[str]) -> bool:
    size, first = len(wanted), wanted[0]
    for i, token in enumerate(tokens):
        if token == first and tokens[i : i + size] == wanted:
            before = tokens[max(0, i - 2) : i]
            if not any(b in _NEGATIONS or b.endswith("n't") for b in before):
                return True
    return False


def _folded(tokens: Sequence[str]) -> list[str]:
    """Return the tokens with each number in figures: "one hundred and eight" is 108, and 12.50 is 12.5."""
    made: list[str] = []
    at = 0
    while at < len(tokens):
        value, used = _number_at(tokens, at)
        token = tokens[at]
        figures = token.rstrip("0").rstrip(".") if "." in token else token
        made.append(str(value) if used else figures)
        at += used or 1
    return made


def _number_at(tokens: Sequence[str], start: int) -> tuple[int, int]:
    """Return the number that is written in words from there on, below a million, and how many words it takes: none if there is
    none."""
    thousands, below, last, used = 0, 0, "", 0
    for place in range(start, len(tokens)):
        word = tokens[place]
        if word == "and" and last in ("hundred", "thousand"):
            continue  # it belongs to the number if more of it follows
        if word in _UNITS:
            value = _UNITS.index(word)
            if not (last in ("", "hundred", "thousand") or (last == "ten" and 0 < value < 10)) or (last and not value):
                break
            below, last = below + value, "unit" if value else "zero"
        elif word in _TENS and last in ("", "hundred", "thousand"):
            below, last = below + 20 + 10 * _TENS.index(word), "ten"
        elif word == "hundred" and last in ("", "unit", "ten", "thousand") and below < 100:
            below, last = max(below, 1) * 100, "hundred"
        elif word == "thousand" and not thousands and last != "zero":
            thousands, below, last = max(below, 1), 0, "thousand"
        else:
            break
        used = place - start + 1
    return thousands * 1000 + below, used


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(patterns) + r")\b")


# All are written for plain text: lower case, one space, "do not" for "don't" (see _plain).
_ABSTAINS = _any(
    r"i (?:\w+ )?(?:do not|dont|cannot|can not|cant|could not) (?:\w+ ){0,2}?(?:know|find|recall|remember|recogni[sz]e|see"
    r"|tell|say|provide|answer|determine|confirm|identify|verify|locate|predict|foresee|forecast|be (?:sure"
    r"|certain))\b(?! (?:that|how much) i)",
    r"i (?:do not|dont) have (?:\w+ )?(?:access|enough|any|information|knowledge|that|data|details|opinions?|capability|ability)",
    r"(?:i am|im|i was) (?:\w+ )?(?:not (?:sure|certain|aware|familiar)|unsure|uncertain|unaware|unfamiliar)"
    r"(?! what you are asking,? but)",
    r"(?:i am|im|i was) (?:\w+ )?(?:not able|unable|not (?:equipped|designed|capable|programmed)) (?:to|of)",
    r"i (?:have )?forg[eo]t(?:ten)?|i have (?:no (?:idea|information|knowledge|record|data)|never (?:heard|come across)"
    r"|not (?:heard|come across))",
    r"(?<!who )(?<!which )(?<!that )(?:is|are|was|were|been|be|it|answer|information) (?:not|never) (?:\w+ )?(?:known"
    r"|recorded|documented|disclosed|clear"
    r"|specified|mentioned|stated|given|provided|determined|certain|revealed|available|answerable|in the (?:passage|text))"
    r"(?! (?:to be|for|as)\b)",
    r"not (?:mentioned|stated|given|specified|provided|known|enough|sufficient)(?! (?:to be|for|as)\b)",
    r"insufficient (?:information|context|details?)|unanswerable|undetermined|indeterminate|unknowable",
    r"(?:is|are|was|were|be|been|remains?|stays?|still|largely|currently) (?:\w+ly |still |as yet |yet )?(?:unknown"
    r"|unclear|uncertain)(?! to (?:many|most|some))",
    r"(?:is|are|was|were|been|be) (?:\w+ )?lost (?:to|in) (?:\w+ )?(?:history|time)",
    r"(?:your|anyone's|anybody's|my) guess(?: is as good as|\b)|beats me|who knows|who can (?:say|tell)|search me",
    r"(?:remains|yet) to be (?:seen|found|determined)|too (?:early|soon) to (?:say|tell|know)|only time (?:will|can) tell",
    r"(?:will|would|do|can|could) not (?:want to )?(?:speculate|guess)|(?:need|require|give me|tell me"
    r"|provide) (?:\w+ )?more (?:information"
    r"|context|details?)",
    r"(?:you have|you) not (?:told|said|given|mentioned|named|shared)|(?:history|nobody|no one|science) (?:does|did|has"
    r"|have|is) (?:not )?"
    r"(?:not tell|not record|not say|never|not know|yet)",
    r"(?:have|has) not (?:come down|survived|been (?:found|recorded|kept|preserved|discovered|established|identified"
    r"|released|named))",
    r"(?:cannot|can not|could not) be (?:known|determined|answered|said|predicted|inferred|verified|found|established)",
    r"(?<!if )(?:no one|nobody|no-one) (?:\w+ )?(?:knows?|say|tell|predict|foresee|forecast)(?! better| how to| more)",
    r"no comment|no idea|dra(?:w|wing|wn) a blank"
    r"|how (?:would|should|could|can) (?:i|anyone|anybody) (?:possibly )?(?:know|tell)|if i knew"
    r"|crystal ball|guesswork|too many (?:variables|factors|unknowns|possibilities)|not sure(?=[,.!;]|\Z)",
    r"(?:sources?|writers?|records?|history|historians|texts?|books?) (?:\w+ )?(?:is|are|was|were|remains?"
    r"|stays?) (?:\w+ )?silent"
    r"|silent on (?:the|this|that)|(?:that|it|this) is (?:\w+ )?(?:something|for|a thing) (?:that )?only you"
    r"|only you (?:can|could|know|would)|i would (?:be|only be|just be) (?:inventing|guessing|making)",
    r"i would (?:need|have) to (?:look (?:this|that|it) up|check|search)|(?<![\w,] )could not tell you"
    r"|i not (?:have|know|sure|find|aware)|i (?:have |have got |got )(?:nothing|no \w+|little) (?:on|about|regarding) (?:that"
    r"|this"
    r"|it|him|her|them)|(?:name|title|term|word|place|person|topic|that|this|it|he|she) is (?:\w+ )?(?:new|unfamiliar) to me",
    r"(?:we|i|they|historians|scholars) (?:have|has|possess|lack) (?:no |any )?(?:\w+ )?(?:sources?|accounts?|way of knowing)",
    r"(?:no one|nobody) has (?:ever |yet )?(?:found|known|seen|recorded|counted|measured|discovered|worked|written)",
    r"you(?: would|'d| will|'ll| should) (?:have to|need to|better) ask",
    r"(?<!with )no (?:\w+ )?(?:information|data|records?|evidence|mention|answer|details|consensus|way to (?:know|tell))",
    r"(?:does|do|did) not (?:\w+ )?(?:mention|say|state|specify|tell|contain|include|provide|give|indicate|reveal|answer)",
    r"(?:hard|difficult|impossible|not possible) (?:for \w+ )?to (?:\w+ )?(?:know|say|tell|determine|predict|answer|prove"
    r"|provide)",
    r"(?:there is|theres) no way (?:to|of|for)|(?:has|have) not (?:yet )?(?:taken place|happened|occurred|been (?:held|played"
    r"|decided))",
    r"you \w* ?know (?:\w+ )?better than (?:i|me)|only you(?: or (?:\w+ ){1,3}?)(?:can|know|could)|nothing (?:matches|comes up"
    r"|came up)",
    r"as (?:an? )?(?:\w+ )?(?:ai|chatbot|digital assistant|language model|artificial intelligence)"
    r"(?: \w+){0,6},? (?:and )?(?:i|my|it is (?:not|beyond))\b"
    r"(?! (?:can (?:say|tell|confirm|answer)|know|think|believe|would say))",
)
# A doubt that is followed by the answer all the same: "I'm not sure whether you ask, but it is Oslo."
_ANSWERS_ALL_THE_SAME = re.compile(
    r"[^.!?]{0,60}[,;:] but (?:(?:it|he|she|they|the \w+(?: \w+){0,3}) (?:is|was|are|were) (?!not |un|also not)"
    r"|i (?:do )?(?:know|think|believe) (?:that )?(?!(?:it|this|that) (?:is|was) (?:not|un)|nobody|no one)\w)"
    # "I'm not sure what you mean. If you mean rain, ..."
    r"|(?<=not sure)[^.!?]{0,30} you(?: are|'re)? (?:mean|ask|refer|talk)\w*[^.!?]{0,120}[.!?]"
    r" if you (?:do |are )?(?:mean|ask|drink|want|just)"
)
# What leaves a question open without a word of not knowing; _SETTLES takes it back.
_OPEN = _any(
    r"(?:topic|subject|matter|question) of (?:\w+ ){0,2}(?:debate|speculation|dispute)",
    r"debated (?:for|by|among|since|over|topic|question)|(?:age-old|eternal|profound|ongoing|unresolved|much) (?:debate|mystery)",
    r"(?:philosophical|eternal|age-old) (?:conundrum|question|enigma)|puzzled (?:\w+ ){1,4}for (?:centuries|decades|years|ages)",
    r"(?:shrouded in|remains an?|is an?) (?:\w+ )?mystery|open question|up for debate|matter of (?:opinion|taste|belief)",
    r"i am (?:just |only )?an? (?:\w+ )?(?:ai|chatbot|language model|virtual assistant)",
    r"i am here to (?:help|assist|support|provide)|(?:glad|happy) (?:you are here|to help)|i am afraid (?:i|that|this)",
)
# After which the question is answered all the same.
_SETTLES = _any(
    r"answer (?:\w+ )?lies", r"(?:widely|generally) (?:accepted|believed|agreed)", r"believed to have", r"attributed to"
)
_BARE_UNKNOWN = re.compile(r"\W*(?:unknown|unclear|uncertain|not known)\b")
_CORRECTS = _any(
    r"there (?:is|was|are|were|has never been|have never been|has been|have been) (?:no|not|never|none)",
    r"(?:does|do|did) not (?:\w+ )?(?:exist|happen|have|take place|occur|win|write|invent|build|visit|live|fly|use|own)",
    r"(?:has|have|had|was|were|is|are) never|never (?:existed|happened|took place|won|wrote|had|lived|went|met|visited)",
    r"(?:is|was|are|were) not (?:\w+ )?(?:a |an |the )?(?:real|true|correct|accurate|possible|right|case|fact)",
    r"nothing (?:in particular |special |bad |unusual |at all )?(?:(?:will|would|should|actually|really|ever) )*happen(?:s|ed)?\b"
    r"(?! (?:until|unless|before|without|but|except|more))",
    r"but (?:is |are |was |were )?(?:not any ?more|no longer)",
    r"no (?:one|single) (?:individual|person|man|woman|company|country|nation)\b",
    r"contrary to|no \w+ could(?: ever)? (?:\w+ )?(?:there|exist|live|be|have)",
    r"(?:\A|[.!?] )(?:no, |well, )?(?:actually|in fact|in reality)",
)
# ... wherever it is said
_CORRECTS_OUTRIGHT = _any(
    r"no such|fictional|fictitious|imaginary|made[- ]up|nonexistent|non-existent|hypothetical",
    r"there (?:\w+ ){1,5}(?:misunderstanding|confusion|error)|incorrect|false|mistaken?|wrong|misconception|mix-?up|mixed up"
    r"|science fiction|pure (?:fiction|fantasy)|uninhabited"
    r"|(?:only|just|except) in (?:\w+ )?(?:myths?|fiction|legends?|stories|fairy tales|tales|films|movies|cartoons|novels|dreams)"
    r"|you (?:may|might|must|are probably|are perhaps) (?:be )?(?:thinking|mean|meaning)\b|mythical|legendary creature|(?:is|are"
    r"|was|were) hardly"
    r"|without (?:any|a single)|(?:is|are|was|only) an? (?:\w+ )?myth|trick question|premise",
    r"you (?:are|may be|might be|seem to be) (?:\w+ )?confus(?:ed|ing)",
    r"(?:does|do|did|has|have) not (?:\w+ )?exist(?:ed)?|never existed",
)
# A first sentence that speaks of the question only.
_FILLER = re.compile(
    r"(?:that|this|your|good|great|interesting|well|hmm|sorry|unfortunately|i|it seems|there seems|thank|what an?)\b"
)
# "None.", "Neither. ...", "No woman has ...", "Horses have no wings.", "a planet without moons", "in physics, not literature".
_CLAUSE = r"(?:(?! (?:and|but|because|which|that|who|since|so) )[^.!?:;,]){0,60}?"
_NONE_OF_IT = re.compile(
    r"\W*+(?:0|zero)(?: [a-z]+)?[.!]*\Z"
    rf"|\W*+{_CLAUSE}\b(?:is|are|was|were) (?!(?:un|end|care|rest|use|need|home|price|time|help|hope|fear|count|bound|worth"
    rf"|tire)less)[a-z]{{3,}}less\b"
    rf"|\W*+{_CLAUSE}\b(?:won|got|received|was|were|has|had|have|wrote|invented|lived|studied|played) [^.!?]{{0,40}}\binstead\b"
    r"|\W*+(?:none|neither|zero|nothing|nobody|no one|nowhere|never|not one|nil|no)(?:[.,;!:]|\Z| of (?:them|these|those|it)\b)"
    r"|\W*+neither\b|\W*+no (?!one\b|idea\b|doubt\b|problem\b|wonder\b|matter\b)[a-z]+(?: \w+){0,2} (?:has|have|had|is|are"
    r"|was|were|can|ever|did|does|exists?)\b"
    rf"|\W*+{_CLAUSE}\b(?:has|have|had|contains?|wears?|needs?|grows?|lays?|makes?|got|with) (?:none\b|no (?!idea|doubt|choice)"
    rf"|trouble|problem)"
    r"|\W*+(?:almost|virtually|practically|hardly|next to) (?:no|any|none|nothing)\b"
    rf"|\W*+{_CLAUSE}\b(?:(?:is|are|was|were) (?:\w+ ){{0,2}}without|lacks?|never)\b"
    r"|\W*+(?:so far |to date |until now |to this day )?only [a-z]+ (?:has|have|had|can|could|did)\b"
    r"|[^.!?]{3,80}, not (?:in |for |by |a |an |the |from |of |on )?(?!only|just|even|long|far|to|because|many|much"
    r"|all)[a-z]+(?:[.!]|\Z)"
)
# A reply that opens with a negation denies something; later on it may only add to a story. "It is not a town, but a lake" denies
# nothing of the question, and "sorry that you could not find him" nothing of the matter.
_NEGATED_OPENING = re.compile(
    r"(?!(?:i am )?(?:\w+ )?(?:sorry|glad|happy) (?:to hear|(?:that )?you)\b)(?!i (?:\w+ )?(?:do|did|can|could)(?:not"
    r"| not) (?:\w+ )?(?:know|remember|recall|understand|mind)\b)(?!(?:if|when|unless|while) )(?:(?! (?:and|but"
    r"|because|told|said|whispered|thought|wrote|hoped|warned|asked|whether|who|which|that"
    r"|so that|if|when|unless) )[^.!?:;,]){0,60}?"
    r"\b(?:(?:did|does|do|has|have|had|can|could) (?:not(?! (?:doubt|hesitate|mind|expect|know (?:that|of|how|who|about)"
    r"|see (?:it|that)))|never)"
    r"|cannot(?! (?:wait|see it))"
    r"|(?:was|were|is|are) (?:never|not(?! [^.!?;]{0,60}\b(?:but|the same)\b)(?! (?:just|only|entirely|easy|that simple))))\b"
)
_STRAIGHT = str.maketrans({"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"'})
_CONTRACTIONS = [
    ("can't", "cannot"), ("n't", " not"), ("'m ", " am "), ("'ve ", " have "), ("'re ", " are "), ("there's", "there is"),
    ("it's", "it is"), ("i'd ", "i would "), ("i'd've ", "i would have "),
]  # fmt: skip


def abstains(reply: str) -> bool:
    """Return whether the reply says that the answer is not known, not given, undecided or cannot be known, or tells what it is
    itself.

    "I don't know", "the passage does not say", "nobody knows", "a topic of debate", "I am only a chatbot". A correction of the
    question is :func:`corrects_premise`.
    """
    plain = _plain(reply)
    open_ = _ABSTAINS.search(plain) or _BARE_UNKNOWN.match(plain) or UNKNOWN_ABROAD.search(plain)
    if open_:
        return not _ANSWERS_ALL_THE_SAME.match(plain, open_.end())
    left = _OPEN.search(plain)
    return left is not None and not _SETTLES.search(plain, left.end())


def corrects_premise(reply: str) -> bool:
    """Return whether the reply denies what the question takes for granted: "there is no ...", "he did not ...", "Neither.",
    "None.".

    What only denies something counts in the first sentence, or in a second one after a first that says nothing of the matter; "a
    trick question" and the like count anywhere.
    """
    plain = _plain(reply)
    first, _, rest = plain.partition(". ")
    if _NEGATED_OPENING.match(plain) or _NONE_OF_IT.match(plain) or _CORRECTS_OUTRIGHT.search(plain):
        return True
    if DENIED_ABROAD.search(first):
        return True
    second = rest.partition(". ")[0] if _FILLER.match(first) else ""
    return bool(_CORRECTS.search(first) or (second and (_CORRECTS.search(second) or _NEGATED_OPENING.match(second))))


#: What somebody in a reply says, and a doubt about a detail of an answer: they say nothing of the question.
_SPEECH = re.compile(
    r"(?:said|says|asked|whispered|told|replied|answered|cried|wrote)\b[^.!?\"]{0,30}[:,]? ?\"[^\"]{0,400}\""
    r"|\"[^\"]{0,400}[,.!?]\" (?:\w+ ){0,3}?(?:said|says|asked|whispered|told|replied|answered|cried|wrote)\b"
)
_DETAIL = re.compile(
    r"(?<=\w[.!?] )i am not sure (?:if|whether|that) (?:this|that|it) is (?:true|right|correct|accurate"
    r"|(?:the|an) (?:\w+ )?answer)\b[^.!?]*|"
    r"(?<=\w[;,.] )(?:(?:though|but|although|and) )?(?:nobody|no one) knows (?:exactly|precisely) (?:when|where|why|how)\b|"
    r"(?<=\w[;,.] )(?:(?:though|but|although|and|while) )?(?:the |its |his |her |their )?(?:exact|precise|full|original) \w+"
    r"(?: of (?:\w+ ){0,2}\w+)? (?:is|are|was|were|remains?) (?:\w+ )?(?:unknown|unclear|uncertain|not known|disputed|debated)"
)


def _plain(reply: str) -> str:
    words = " ".join(folded(reply).casefold().translate(_STRAIGHT).split())
    for short, long in _CONTRACTIONS:
        words = words.replace(short, long)
    return _DETAIL.sub(" ", _SPEECH.sub(" ", words)).strip()


def reading(reply: str) -> Literal["abstained", "corrected the question", "answered"]:
    """Return how a reply to a question reads: declined or left open, its premise denied, or answered as if the answer were
    known."""
    if abstains(reply) or declines(reply):
        return "abstained"
    return "corrected the question" if corrects_premise(reply) else "answered"


# Words that stand in any text.
_ANYWHERE = frozenset(
    ["no", "yes", "not", "time", "people", "person", "thing", "things", "way", "ways", "day", "one", "two", "question", "answer"]
)


def on_topic(reply: str, words: Sequence[str]) -> bool:
    """Return whether the reply has one of the words: whole, or (from four letters on) as the beginning of a word, so that
    ``bake`` finds "baker". A phrase must occur as it is. Words that any text holds ("no", "time", "people") show nothing and are
    left out, unless there are no others.

    Raises:
        ValueError: no words.
    """
    if not words:
        raise ValueError("no words: give a few that a fitting reply would use")
    text = f" {normalise(reply)} "
    normal = [normalise(word) for word in words]
    telling = [word for word in normal if word not in _ANYWHERE] or normal
    return any((f" {w}" if len(w) >= 4 else f" {w} ") in text for w in telling)
