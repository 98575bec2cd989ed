"""Properties: "the answer stays, whatever this strategy does to the text", with counterexamples shrunk against the model.

A case tries the texts that earlier runs kept. If none of them changes the answer any more, it tries those that a Hypothesis
strategy draws, all in one wave; if one of these does, delta debugging (ddmin; Zeller and Hildebrandt 2002) looks for the smallest
part of the edit that still does: every step of it is one wave, so all cases shrink in the same batches.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..requests import Generate, Request, Steps
from .declarations import ProbeError, Verdict
from .edits import Change, apply, changes, difference, size
from .mistakes import check_function

T = TypeVar("T")

#: From a case's parameters and its text to the edited texts that earlier runs kept for it.
Kept = Callable[[Mapping[str, Any], str], Sequence[str]]
#: Where a property's function holds the way to give it another corpus.
WITH_KEPT = "slm_with_kept"
#: A confirmation asks for separate draws, this far from the first ones.
_APART = 1000
#: Edits that are confirmed as they were drawn, where the shrunk one is not.
_UNSHRUNK = 3


def holds_under(
    strategy: Callable[[str], Any],
    *,
    of: str = "text",
    tries: int = 8,
    calls: int = 120,
    confirm: tuple[int, int] = (2, 3),
) -> Callable[[Callable[..., Steps[Any]]], Callable[..., Steps[Verdict]]]:
    """Turn a function that gives the model's answer to a text into a probe's: no edit of the strategy changes the answer.

    Args:
        strategy: from the text to a Hypothesis strategy of edited texts (:func:`pytest_slmtrust.authoring.strategies.unnoticed`).
        of: the parameter that holds the text.
        tries: edited texts that are drawn for each case, the same in every run.
        calls: texts that a case may ask about in all; what is left after the tries serves for shrinking.
        confirm: a counterexample must hold in so many of so many draws where the answer is sampled; one that is not sampled is
            the same in each.

    The function decorated is a generator of requests that returns the answer, or None where the model gave none.

    Raises:
        ProbeError: numbers that cannot be, or no such parameter.
    """
    if not (0 < tries <= calls and 0 < confirm[0] <= confirm[1]):
        raise ProbeError(f"holds_under: tries={tries}, calls={calls}, confirm={confirm}; expected 0 < tries <= calls and k of n")

    if inspect.isgeneratorfunction(strategy):
        raise ProbeError("@holds_under takes a strategy of edits: @holds_under(unnoticed)")

    def wrap(answer: Callable[..., Steps[Any]]) -> Callable[..., Steps[Verdict]]:
        check_function(answer, "@holds_under")
        parameters = inspect.signature(answer).parameters
        has = list(parameters)
        if of not in has and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            name = getattr(answer, "__name__", "the function")
            hint = f"name the one that is edited: of={has[0]!r}" if has else "give it one"
            raise ProbeError(f"holds_under: {name} has no parameter {of!r}; {hint}")

        def made(kept: Kept) -> Callable[..., Steps[Verdict]]:
            @functools.wraps(answer)
            def run(**params: Any) -> Steps[Verdict]:
                text = str(params[of])
                check = _Check(functools.partial(_answer, answer, params, of), text, calls, confirm)
                return (yield from check.verdict(kept(params, text), strategy, tries))

            run.__dict__[WITH_KEPT] = made
            return run

        return made(lambda *_: ())

    return wrap


def _answer(answer: Callable[..., Steps[Any]], params: Mapping[str, Any], of: str, text: str, draw: int = 0) -> Steps[Any]:
    return redrawn(answer(**{**params, of: text}), draw)


def redrawn(steps: Steps[T], draw: int) -> Steps[T]:
    """The same steps with other samples of every generation that is not greedy; ``draw`` 0 leaves them as they are."""
    try:
        wave = next(steps)
        while True:
            asked = [
                replace(r, sample=r.sample + _APART * draw) if draw and isinstance(r, Generate) and r.temperature > 0 else r
                for r in wave
            ]
            wave = steps.send((yield asked))
    except StopIteration as stop:
        value: T = stop.value
        return value


def abreast(several: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Several generators as one: each step asks what all of them ask next."""
    results: dict[int, T] = {}
    waiting: dict[int, Sequence[Request[Any]]] = {}

    def advance(number: int, answers: list[Any] | None) -> None:
        try:
            waiting[number] = next(several[number]) if answers is None else several[number].send(answers)
        except StopIteration as stop:
            waiting.pop(number, None)
            results[number] = stop.value

    for number in range(len(several)):
        advance(number, None)
    while waiting:
        asked = dict(waiting)
        answers = iter((yield [request for wave in asked.values() for request in wave]))
        for number, wave in asked.items():
            advance(number, [next(answers) for _ in wave])
    return [results[number] for number in range(len(several))]


@dataclass(slots=True)
class _Check:
    """One case: ``answer(text, draw)`` asks the model; ``spent`` counts texts asked about."""

    answer: Callable[..., Steps[Any]]
    text: str
    calls: int
    confirm: tuple[int, int]
    was: Any = None
    spent: int = 0

    def verdict(self, kept: Sequence[str], strategy: Callable[[str], Any], tries: int) -> Steps[Verdict]:
        from .strategies import draw

        [self.was] = yield from self.asked([self.text])
        if self.was is None:
            return Verdict.unscored("the model gave no answer to the unchanged text", original=self.text)
        evidence: dict[str, Any] = {"original": self.text, "answer": self.was}
        known = [edited for edited in dict.fromkeys(kept) if edited != self.text][: self.calls - self.spent]
        if known:
            still = yield from self._changing(known)
            evidence["kept by earlier runs"] = f"{len(still)} of {len(known)} still break"
            # shrunk already: a second run asks nothing that the first one did not
            verdict = yield from self._counterexample(
                sorted(still, key=size), still, {**evidence, "edits tried": len(known)}, "kept"
            )
            if verdict is not None:
                return verdict
        drawn = [edited for edited in draw(strategy(self.text), tries) if edited != self.text and edited not in known]
        drawn = drawn[: self.calls - self.spent]
        if not known and not drawn:
            return Verdict.unscored("the strategy gave no edit of this text", original=self.text)
        evidence["edits tried"] = len(known) + len(drawn)
        edits = yield from self._changing(drawn)
        if edits:
            least = yield from self._least(edits)
            verdict = yield from self._counterexample([least, *edits[:_UNSHRUNK]], edits, evidence, "drawn")
            if verdict is not None:
                return verdict
        reading = "no counterexample could be confirmed" if edits else "holds"
        return Verdict(True, 1.0, {**evidence, "reading": reading, "texts asked": self.spent})

    def _changing(self, texts: Sequence[str]) -> Steps[list[list[Change]]]:
        """The edits, of those that make these texts, that change the answer."""
        answers = yield from self.asked(texts)
        return [changes(self.text, text) for text, now in zip(texts, answers, strict=True) if now != self.was]

    def _counterexample(
        self, smallest_first: Sequence[list[Change]], edits: Sequence[list[Change]], evidence: Mapping[str, Any], found: str
    ) -> Steps[Verdict | None]:
        """The verdict on the first of these edits that is confirmed; None if none is. ``edits`` are those that broke at first."""
        for chosen in dict.fromkeys(map(tuple, smallest_first)):
            perturbed = apply(self.text, chosen)
            now = yield from self._confirmed(perturbed)
            if now is not None:
                break
        else:
            return None
        about = {
            "perturbed": perturbed, "difference": difference(self.text, perturbed), "answer when perturbed": now[0],
            "confirmed": now[1], "first found": apply(self.text, edits[0]),
            "size": f"{size(chosen)} of {size(edits[0])} characters first found",
            "found": "kept by an earlier run" if found == "kept" else "drawn in this run", "texts asked": self.spent,
        }  # fmt: skip
        return Verdict(False, 0.0, {**evidence, **about, "reading": "an edit changes the answer"})

    def _least(self, edits: Sequence[Sequence[Change]]) -> Steps[list[Change]]:
        """The smallest edit that breaks: one change of any of these edits, else what each of them shrinks to, side by side."""
        single = list(dict.fromkeys(change for edit in edits for change in edit))[: max(0, self.calls - self.spent)]
        known = {apply(self.text, [change]): change for change in single}
        breaks = (yield from self.breaks(list(known))) if known else []
        told = dict(zip(known, breaks, strict=True))
        alone = [[change] for text, change in known.items() if told[text]]
        if alone:
            return min(alone, key=size)
        each = (self.calls - self.spent) // len(edits)
        shrunk = yield from abreast([shrink(self.text, edit, self.breaks, each, told) for edit in edits])
        return min(shrunk, key=size)

    def _confirmed(self, text: str) -> Steps[tuple[Any, str] | None]:
        """The answer to the text and how often it differed from the original's, if it did often enough."""
        k, n = self.confirm
        pairs = yield from abreast([self.answer(one, draw) for draw in range(n) for one in (self.text, text)])
        differs = [pairs[2 * i] != pairs[2 * i + 1] for i in range(n)]
        return (pairs[1], f"{sum(differs)} of {n}") if sum(differs) >= k else None

    def asked(self, texts: Sequence[str]) -> Steps[list[Any]]:
        self.spent += len(texts)
        return abreast([self.answer(text) for text in texts])

    def breaks(self, texts: Sequence[str]) -> Steps[list[bool]]:
        answers = yield from self.asked(texts)
        return [now is not None and now != self.was for now in answers]


def shrink(
    original: str,
    edit: Sequence[Change],
    breaks: Callable[[Sequence[str]], Steps[list[bool]]],
    calls: int,
    told: Mapping[str, bool] | None = None,
) -> Steps[list[Change]]:
    """The smallest part of an edit that still ``breaks``, as far as ``calls`` texts tell; the edit itself if none does.

    First every single change; then ddmin: parts and complements of ever finer partitions, all of a partition in one wave, of
    those that break the one that touches the fewest characters. What it ends with loses its effect if any one change is taken
    back, unless the calls ran out. ``told``: texts of which it is known whether they break.
    """
    least, parts, left = list(edit), 2, calls
    known = dict(told or {})

    def smallest(wanted: Sequence[list[Change]]) -> Steps[list[Change] | None]:
        nonlocal left
        texts = list(dict.fromkeys(text for part in wanted if (text := apply(original, part)) not in known))[: max(0, left)]
        left -= len(texts)
        if texts:
            known.update(zip(texts, (yield from breaks(texts)), strict=True))
        return min((part for part in wanted if known.get(apply(original, part))), key=size, default=None)

    if len(least) > 1:
        single = yield from smallest([[change] for change in least])
        least = single or least
    while len(least) > 1 and left > 0:
        pieces = _split(least, parts)
        rest = [[c for other in pieces if other is not piece for c in other] for piece in pieces]
        found = yield from smallest([*pieces, *rest])
        if found is not None:
            least, parts = found, 2 if found in pieces else max(2, parts - 1)
        elif parts < len(least):
            parts = min(2 * parts, len(least))
        else:
            break
    return least


def _split(items: Sequence[Change], parts: int) -> list[list[Change]]:
    ends = [round(i * len(items) / parts) for i in range(parts + 1)]
    return [list(items[a:b]) for a, b in itertools.pairwise(ends) if b > a]
