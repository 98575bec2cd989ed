"""Log-likelihoods of whole texts, however long: windows that score each token once, and their sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...requests import Failure, Logprob
from .trie import Item


def windows(ids: Sequence[int], start: int, most: int) -> list[tuple[tuple[int, ...], int]]:
    """Return the ids of each window, and how many of them are given: the rule of lm-evaluation-harness 0.4.

    ``start`` stands before the first token. A window feeds at most ``most`` tokens; each after the first begins with the last
    token before it, and the last one reaches back as far as it can.
    """
    first = min(most, len(ids))
    made = [((start, *ids[:first]), 1)]
    done = first
    while done < len(ids):
        scored = min(len(ids) - done, most)
        done += scored
        made.append((tuple(ids[done - most - 1 : done]), most + 1 - scored))
    return made


@dataclass(slots=True)
class Joined:
    """The windows of some texts: items with indices of their own, from ``free`` on, whose answers are summed up."""

    free: int
    owner: dict[int, int] = field(default_factory=dict)
    awaited: dict[int, list[int]] = field(default_factory=dict)
    found: dict[int, Any] = field(default_factory=dict)

    def parts(self, index: int, items: Sequence[Item]) -> list[Item]:
        """Return the items of one text under indices of their own."""
        made = [replace(item, index=self.free + n) for n, item in enumerate(items)]
        self.free += len(made)
        self.awaited[index] = [item.index for item in made]
        self.owner |= {item.index: index for item in made}
        return made

    def whole(self, batches: Iterable[list[tuple[int, Any]]]) -> Iterator[list[tuple[int, Any]]]:
        """Yield the answers of batches; those of windows only once all of their text are there."""
        for batch in batches:
            done: list[tuple[int, Any]] = []
            for index, answer in batch:
                owner = self.owner.get(index)
                if owner is None:
                    done.append((index, answer))
                    continue
                self.found[index] = answer
                own = self.awaited[owner]
                if all(part in self.found for part in own):
                    done.append((owner, _summed([self.found.pop(part) for part in own])))
            if done:
                yield done


def _summed(answers: Sequence[Any]) -> Logprob | Failure:
    failed = next((one for one in answers if isinstance(one, Failure)), None)
    if failed is not None:
        return failed
    tokens = tuple(token for one in answers for token in one.tokens)
    return Logprob(
        sum(one.sum for one in answers), all(one.greedy for one in answers), sum(one.n_tokens for one in answers), tokens
    )
