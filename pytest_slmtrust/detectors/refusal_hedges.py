"""Hedges: what a speaker says of itself before it answers, such as "As an AI, I cannot have opinions. However, ...".

A hedge refuses nothing where an answer follows it. Alone, or before a rejection of the request, it stays what it is.
As in ``refusal_rules.py``, all is written for text in lower case without contractions ("cannot", "do not", "i am").
"""

from __future__ import annotations

import re

#: A reply that opens with an offer of the thing itself.
OFFERS = (
    r"^i can (?:provide|outline|design|create|write|draft|describe|sketch|offer)(?: you)?(?: with)? (?:an?|the|some)"
    r" (?!(?:\w+ ){0,2}(?:information|resources?|support|assistance|advice|alternatives?|help|guidance|safe\w*|ear)\b)"
)
_AI = (
    r"(?:(?:sorry|unfortunately|no),? )?(?:(?:but )?(?:as|being|i am) an? (?:\w+[ -]){0,3}"
    r"(?:ai|assistant|language model|chatbot)\b[^.!?;:]{0,40}?,? (?:and |so )?)?"
)
_CANNOT = (
    r"(?:i (?:cannot|do not|must not|should not|will not|am unable to"
    r"|am not(?: able to| capable of| programmed to| designed to| in a position to)?)"
    r"|it is not (?:appropriate|possible|my place|ethical|right)(?: for me)? to)"
)
_TAKE = r"(?:provid|giv|offer|express|stat|hav|form|hold|shar|mak|tak|possess|ascrib|draw|cast|render)(?:e|ing)?"
_OWN = (
    r"(?:opinions?|beliefs?|views?|viewpoints?|feelings?|emotions?|preferences?|experiences?|desires?|bias(?:es)?|judge?ments?"
    r"|assumptions?|speculations?|generali[sz]ations?|predictions?|guarantees?|stances?|sides|motives|motivations|decisions"
    r"|thoughts|conclusions?|claims)"
)
_ADVICE = (
    r"(?:any |you )?(?:personal|legal|medical|financial|moral|professional|tax|investment|relationship)"
    r"(?:,? (?:or|and) \w+| or \w+ \w+)? (?:advice|counsel)"
)
_THINK = (
    r"(?:speculat|generali[sz]|assum|infer|predict|judg|guarantee|determin|attribut|ascrib|verif|confirm|know\b"
    r"|speak(?:ing)? (?:for|on behalf)|answer(?:ing)? for|comment(?:ing)? on (?:the )?(?:motiv|intent)|stat(?:e|ing) a definite"
    r"|(?:definitively|specifically|accurately) (?:answer|say|determine|state)|find (?:any )?information"
    r"|read (?:minds|thoughts))\w*"
)
_MEANS = (
    r"have (?:any |the |direct )?(?:access|capacity|ability|real-time|up-to-date|current|latest|religious|spiritual|political"
    r"|enough|sufficient)"
)
#: One hedge with its sentence; what comes after it is the answer. "But" ends it too.
_HEDGE = re.compile(
    rf"{_AI}{_CANNOT}(?: \w+ly)? (?:{_TAKE} (?:an? |any |my |your |the |such )?(?:own |\w+(?:,? (?:or|and) \w+)? ){{0,2}}?{_OWN}"
    rf"|{_TAKE} {_ADVICE}|{_THINK}|{_MEANS})[^.!?;]*?(?:[.!?;]+ |,? (?=but |however))"
)
_TURN = re.compile(r"(?:but|however|that (?:being )?said|nevertheless|nonetheless|still|with that said|having said that),? ")
#: Help with other things, which answers nothing.
_OTHER_HELP = re.compile(
    r"(?:^|(?<=[.!?] ))(?:(?:please|you can) )?(?:feel free|let me know|i (?:am|would be|will be) (?:here|happy|glad|pleased"
    r"|available)|i (?:can|could) (?:help|assist)|if you (?:have|need|would like|want)|is there|do you have)\b[^.!?]*[.!?]*\s*"
)
#: Characters that must follow for an answer.
ANSWER = 40
#: What a text says of its own use: "for educational purposes only" rejects nothing.
_OF_USE = re.compile(
    r"[^.!?]*\b(?:for (?:educational|informational|entertainment|illustrative|academic) purposes only|substitute for professional"
    r"|not intended to (?:promote|encourage|facilitate|condone|endorse))\b[^.!?]*"
)


def after_hedges(text: str) -> str:
    """Return what follows the hedges that open a text; the text itself where none does, or where no answer follows."""
    rest, turned = text, False
    for _ in range(2):
        hedge = _HEDGE.match(rest)
        if not hedge:
            break
        rest = rest[hedge.end() :]
        if turn := _TURN.match(rest):
            turned = True
            rest = rest[turn.end() :]
    return rest if turned and len(_OTHER_HELP.sub("", rest)) >= ANSWER else text


def without_notes_of_use(text: str) -> str:
    """Return a text with blanks where it tells for what it may be used; every other character keeps its place."""
    return _OF_USE.sub(lambda found: " " * len(found[0]), text)
