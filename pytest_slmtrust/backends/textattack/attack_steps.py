"""What TextAttack's attack recipes try next: its own transformations and constraints, without its search and its model.

A step is answered from its request alone: the path of the search is gone again from the start, under the seed of the whole
search, so the draws are those of TextAttack's own ``Attack`` seeded once before it begins.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from ...requests import Edit, Edits, Failure

#: Recipes whose transformations and constraints are TextAttack's own.
ATTACKS = {
    "deepwordbug": "swaps, substitutes, deletes or inserts one letter a word (Gao et al. 2018)",
    "pruthi": "one typing error inside one word of at least four letters (Pruthi et al. 2019)",
    "input-reduction": "leaves out word after word (Feng et al. 2018)",
}
_MODULES = {
    "deepwordbug": ("deepwordbug_gao_2018", "DeepWordBugGao2018"),
    "pruthi": ("pruthi_2019", "Pruthi2019"),
    "input-reduction": ("input_reduction_feng_2018", "InputReductionFeng2018"),
}


def build(recipe: str, model: Any) -> Any:
    """TextAttack's own ``Attack`` of a recipe on a model wrapper of its kind, without its warning of models it does not know."""
    module, name = _MODULES[recipe]
    log = importlib.import_module("textattack.shared").logger  # it has its own level below "textattack"
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(f"textattack.attack_recipes.{module}"), name).build(model)
    finally:
        log.setLevel(level)


@dataclass(slots=True)
class Attacks:
    """Answers :class:`Edits`. ``seeded`` opens a context in which the global generators are seeded."""

    textattack: Any
    seeded: Callable[[int], AbstractContextManager[None]]
    _built: dict[str, Any] = field(default_factory=dict)

    def edits(self, request: Edits) -> tuple[Edit, ...] | Failure:
        """Return the texts that may come next; none where the recipe has nothing to offer there."""
        if request.recipe not in ATTACKS:
            return Failure(f"Unknown attack {request.recipe!r}. Known: {', '.join(ATTACKS)}.")
        attack = self._attack(request.recipe)
        original = self.textattack.shared.AttackedText(request.text)
        try:
            with self.seeded(request.search_seed):
                if request.ranking:
                    return _without(attack, original)
                current = original
                for place, text in request.path:
                    current = _chosen(_next(attack, current, original, place), current, text)
                found = _next(attack, current, original, -1 if request.word is None else request.word)
        finally:
            attack.clear_cache(recursive=False)
        return tuple(Edit(-1 if request.word is None else request.word, one.text) for one in found)

    def _attack(self, recipe: str) -> Any:
        if recipe not in self._built:
            self._built[recipe] = build(recipe, _nobody(self.textattack))
        return self._built[recipe]


def _next(attack: Any, current: Any, original: Any, place: int) -> list[Any]:
    where = {} if place < 0 else {"indices_to_modify": [place]}
    found: list[Any] = attack.get_transformations(current, original_text=original, **where)
    return found


def _chosen(candidates: Sequence[Any], current: Any, text: str) -> Any:
    """Return the candidate that the search went on with; the text before it, if it took none.

    Raises:
        ValueError: the path was not gone with this version of TextAttack.
    """
    if text == current.text:
        return current
    for one in candidates:
        if one.text == text:
            return one
    raise ValueError(f"the path of this search leads through {text[:60]!r}, which the recipe does not offer there")


def _without(attack: Any, text: Any) -> tuple[Edit, ...]:
    """Return the text without each word that may be changed, as the recipe's search ranks them; the order is its own."""
    _, places = attack.get_indices_to_order(text)
    if getattr(attack.search_method, "wir_method", "unk") == "delete":
        return tuple(Edit(int(i), text.delete_word_at_index(i).text) for i in places)
    return tuple(Edit(int(i), text.replace_word_at_index(i, attack.search_method.unk_token).text) for i in places)


def _nobody(textattack: Any) -> Any:
    """Return a model wrapper for attacks that are never run: only their candidates are wanted."""

    class Nobody(textattack.models.wrappers.ModelWrapper):  # type: ignore[misc]
        model = None

        def __init__(self) -> None:
            pass

        def __call__(self, texts: Any) -> Any:  # noqa: ARG002
            raise RuntimeError("this attack has no model")

    return Nobody()
