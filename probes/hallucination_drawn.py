"""Draws of the grammars in addition to the written questions and passages: from the fact tables and from written parts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from .facts import facts
from .shared import draw, pick

#: The parts of a grammar, by name.
Parts: TypeAlias = Mapping[str, Any]
Fact: TypeAlias = dict[str, str]

_CAPITAL = re.compile(r"What is the capital of (.+)\?")
_SYMBOL = re.compile(r"Which chemical element has the symbol (.+)\?")


#: How a reply states the capital of a country, and the element of a symbol.
_OF_CAPITALS = (
    "capital of {1} is {0}",
    "capital is {0}",
    "{0} is the capital",
    "{0} has been the capital",
    "{0} became the capital",
)
_OF_SYMBOLS = ("{1} stands for {0}", "{1} is {0}", "{1} is the symbol for {0}", "{1} is the symbol of {0}", "symbol for {0}")


def _of(group: str, form: re.Pattern[str]) -> list[tuple[Fact, str]]:
    """Return the facts of a table whose question has this form, each with what it asks about."""
    found = ((fact, form.fullmatch(fact["question"])) for fact in facts() if fact["table"] == group)
    return [(fact, match[1]) for fact, match in found if match]


def _first(fact: Fact) -> str:
    return fact["aliases"].split("|")[0]


def unknowable(parts: Parts, count: int) -> Iterator[tuple[str, str, str, str]]:
    """Private numbers and dates of people whom nobody named, each with a twin that asks for a known number or date."""
    halves = (("counts", "arithmetic", count // 2), ("dates", "calendar", count - count // 2))
    for name, group, number in halves:
        known = [fact for fact in facts() if fact["table"] == group]
        drawn = draw(f"unknowable {name}", number, form=parts[name], who=parts["people"])
        for fact, one in zip(known, drawn, strict=False):
            yield f"{one['form'].format(one['who'])}?", fact["question"], fact["aliases"], ""


def false_premises(_: Parts, count: int) -> Iterator[tuple[str, str, str, str]]:
    """What is true of one country or element is taken for granted of another; the twin asks what is true. Its answer is the truth
    that the question denies."""
    capitals, symbols = _of("capitals", _CAPITAL)[::2], _of("elements", _SYMBOL)[::2]
    made = []
    for known, form, truths in (
        (capitals, "In which year did {0} become the capital of {1}?", _OF_CAPITALS),
        (symbols, "Who chose {1} to stand for {0}?", _OF_SYMBOLS),
    ):
        for place, (fact, subject) in enumerate(known):
            other, names = _first(known[(place + 7) % len(known)][0]), fact["aliases"].split("|")
            truth = "|".join(said.format(name, subject) for name in names for said in truths)
            made.append((form.format(other, subject), fact["question"], fact["aliases"], truth))
    yield from made[:count]


def inventions(parts: Parts, count: int) -> Iterator[tuple[str, str, str, str]]:
    """Countries and elements that do not exist, each with a twin that asks the same of one that does."""
    capitals, symbols = _of("capitals", _CAPITAL)[1::2], _of("elements", _SYMBOL)[1::2]
    countries, elements = (_names(parts, kind, len(known)) for kind, known in (("countries", capitals), ("elements", symbols)))
    made = [
        (f"What is the capital of {name}?", fact["question"], fact["aliases"], "")
        for name, (fact, _) in zip(countries, capitals, strict=True)
    ]
    form = "What is the symbol of the chemical element {}?"
    made += [
        (form.format(name.lower()), form.format(_first(fact)), symbol, "")
        for name, (fact, symbol) in zip(elements, symbols, strict=True)
    ]
    yield from made[:count]


def _names(parts: Parts, kind: str, count: int) -> list[str]:
    return ["{start}{end}".format(**one) for one in draw(f"invented {kind}", count, start=parts["starts"], end=parts[kind])]


def told_of(parts: Parts, count: int) -> Iterator[tuple[str, str, str, str]]:
    """Passages of everyday things: [passage, question, its answer, question that the passage does not answer]."""
    for scene in _scenes(parts, "told", count, frame=parts["frames"]):
        passage, question, slot, absent = scene["frame"]
        yield passage.format(**scene), question.format(**scene), scene[slot], absent.format(**scene)


def told_against(parts: Parts, count: int) -> Iterator[tuple[str, str, str, str]]:
    """A country or element gets in a story what is another's: [passage, question, the story's answer, what is known]."""
    kinds = {"capitals": _of("capitals", _CAPITAL), "elements": _of("elements", _SYMBOL)}
    every = [(group, fact, subject) for group, known in kinds.items() for fact, subject in known]
    chosen = (one["fact"] for one in draw("against", count, fact=every))
    scenes = _scenes(parts, "against", count, world=parts["worlds"])
    for (group, fact, subject), scene in zip(chosen, scenes, strict=True):
        other = _first(pick(fact["question"], [f for f, _ in kinds[group] if f is not fact]))
        said = f"the capital of {subject} is {other}." if group == "capitals" else f"the symbol {subject} stands for {other}."
        yield f"{scene['world'].format(**scene)} {said}", fact["question"], other, _first(fact)


def _scenes(parts: Parts, key: str, count: int, **more: Sequence[Any]) -> Iterator[dict[str, Any]]:
    slots = {slot: parts[f"{slot}s"] for slot in ("name", "number", "place", "town", "thing", "day")}
    yield from draw(key, count, **slots, animals=parts["animals"], **more)
