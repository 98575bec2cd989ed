"""Adversarial search as a probe generator: all cases of a wave try their next texts in one batch.

The recipes' transformations and constraints are TextAttack's, asked by :class:`Edits`; the greedy searches are these, written
after the papers and TextAttack's ``GreedyWordSwapWIR`` and ``GreedySearch``, so that both end at the same text after the
same number of queries where the model says the same (``benchmarks/attack.py`` compares them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..requests import Edits, Steps, ask
from .edits import words_changed

if TYPE_CHECKING:
    import numpy as np

#: From texts to the probabilities of the classes for each of them, asked in one wave.
Classifier: TypeAlias = "Callable[[Sequence[str]], Steps[list[list[float]]]]"

Outcome = Literal["skipped", "held", "broken", "unclear"]

#: Attacks by name: how they search, and what they search for.
#: importance: word by word, that first whose loss moves the model most; anywhere: the best of all edits, again and again.
#: flip: another class than the right one (untargeted); reduce: as few words as possible with the same class.
RECIPES: dict[str, tuple[Literal["importance", "anywhere"], Literal["flip", "reduce"]]] = {
    "deepwordbug": ("importance", "flip"),
    "pruthi": ("anywhere", "flip"),
    "input-reduction": ("importance", "reduce"),
}


def unavailable(recipe: str) -> str:
    """Say why a recipe of :class:`~pytest_slmtrust.requests.Perturb` cannot be used on this machine; ``""`` if it can."""
    from ..backends.textattack.data_recipes import missing

    return missing(recipe)


@dataclass(frozen=True, slots=True)
class Attacked:
    """How a search ended. ``skipped``: the model was wrong before anything was changed, so there was nothing to break.

    ``unclear``: a probability was no number, or no class was likelier than the others to begin with. ``broken``: of a flip, the
    class has changed; of a reduction, one word alone keeps the class. ``right``: probability of the right class at ``text``.
    """

    outcome: Outcome
    text: str
    queries: int
    words_changed: int
    right: float


def attack(
    text: str, gold: int, classify: Classifier, recipe: str = "deepwordbug", *, budget: int = 100, draw: int = 0
) -> Steps[Attacked]:
    """Search for a text that breaks the classification of ``text`` as class ``gold``, within ``budget`` queries.

    A query is one classified text, the original among them; a text that is asked twice counts twice, as TextAttack counts.

    Raises:
        ValueError: an unknown recipe, or a budget below one.
    """
    if recipe not in RECIPES:
        raise ValueError(f"unknown attack {recipe!r}; known: {', '.join(RECIPES)}")
    if budget < 1:
        raise ValueError(f"the budget is {budget} queries; it must be at least 1")
    order, goal = RECIPES[recipe]
    search = _Search(text, gold, classify, recipe, budget, draw, goal == "reduce")
    try:
        [start] = yield from search.tried([text])
        if start.tied:
            raise _NoClass
        if not start.same:
            return Attacked("skipped", text, search.queries, 0, start.right)
        end = yield from (search.by_importance(start) if order == "importance" else search.anywhere(start))
    except _NoClass:
        return Attacked("unclear", text, search.queries, 0, 0.0)
    broken = _words(end.text) <= 1 if search.reduces else not end.same
    return Attacked("broken" if broken else "held", end.text, search.queries, words_changed(text, end.text), end.right)


class _NoClass(Exception):
    """The classifier did not choose."""


@dataclass(frozen=True, slots=True)
class _Try:
    """One classified text: whether the class is still the right one, how good the text is for the attack."""

    text: str
    same: bool
    tied: bool
    score: np.float32 | int
    right: float


@dataclass(slots=True)
class _Search:
    original: str
    gold: int
    classify: Classifier
    recipe: str
    budget: int
    draw: int
    reduces: bool
    queries: int = 0
    path: list[tuple[int, str]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.queries >= self.budget

    def tried(self, texts: Sequence[str]) -> Steps[list[_Try]]:
        """Classify what the budget leaves of these texts."""
        texts = texts[: self.budget - self.queries]
        self.queries += len(texts)
        if not texts:
            return []
        found = yield from self.classify(texts)
        return [self._try(text, probabilities) for text, probabilities in zip(texts, found, strict=True)]

    def _try(self, text: str, probabilities: Sequence[float]) -> _Try:
        import numpy as np

        # TextAttack reckons with float32: what is equal there must be equal here
        row = np.asarray(probabilities, np.float32)
        if not np.isfinite(row).all():
            raise _NoClass
        right, tied = row[self.gold], int((row == row.max()).sum()) > 1
        same = int(row.argmax()) == self.gold
        score = self._reduction(text, same, right) if self.reduces else np.float32(1 - right)
        return _Try(text, same, tied, score, float(right))

    def _reduction(self, text: str, same: bool, right: np.float32) -> np.float32 | int:
        """Share of the words that are gone, then the probability as a tie-break; nothing for another class (Feng et al. 2018)."""
        import numpy as np

        words = _words(self.original)
        gone = max((words - _words(text)) / words, 0.0)
        return min(np.float32(gone) + right / np.float32(words), np.float32(1)) if same else 0

    def by_importance(self, best: _Try) -> Steps[_Try]:
        """Change one word after the other, that first whose masking or loss moves the score most, as long as it helps."""
        import numpy as np

        ranked = yield from ask(Edits(self.original, self.recipe, ranking=True, draw=self.draw))
        scores = yield from self.tried([edit.text for edit in ranked])
        # in TextAttack's own number type and by its own sort, so that texts that tie come in its order
        order = (-np.array([one.score for one in scores])).argsort()
        for place in order:
            if self.over:
                break
            word = ranked[int(place)].word
            best = yield from self._better(best, word)
            if not self.reduces and not best.same:
                break
        return best

    def _better(self, best: _Try, word: int) -> Steps[_Try]:
        edits = yield from ask(Edits(self.original, self.recipe, tuple(self.path), word, draw=self.draw))
        found = yield from self.tried([edit.text for edit in edits])
        top = max(found, key=lambda one: one.score, default=best)
        if top.score > best.score:
            best = top
        self.path.append((word, best.text))
        return best

    def anywhere(self, best: _Try) -> Steps[_Try]:
        """Take the best of all single edits again and again, until the class changes, nothing is left or the budget is spent."""
        while best.same and not self.over:
            edits = yield from ask(Edits(self.original, self.recipe, tuple(self.path), draw=self.draw))
            found = yield from self.tried([edit.text for edit in edits])
            if not found:
                break
            best = max(found, key=lambda one: one.score)
            self.path.append((-1, best.text))
        return best


def _words(text: str) -> int:
    return sum(any(c.isalnum() for c in word) for word in text.split())
