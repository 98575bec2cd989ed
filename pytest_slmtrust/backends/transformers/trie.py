"""A trie over token ids: what several sequences begin with is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .tokens import common_prefix

#: Shortest shared segment that becomes a separate node, in tokens.
SHORTEST = 4
#: Levels of shared segments; deeper ones are not split further.
LEVELS = 6
#: Saved tokens below which the levels cost more forwards than they save.
WORTH = 64


@dataclass(frozen=True, slots=True)
class Item:
    """One scored sequence: all ``ids``, of which the first ``context`` are given. The last id is never fed."""

    index: int
    ids: tuple[int, ...]
    context: int
    detail: bool = False

    @property
    def feed(self) -> tuple[int, ...]:
        return self.ids[:-1]


@dataclass(slots=True)
class Node:
    """A segment of tokens that starts at ``offset`` in every one of its ``members``, and what follows it."""

    offset: int
    segment: tuple[int, ...]
    members: list[Item]
    children: list[Node] = field(default_factory=list)

    def needed(self) -> list[int]:
        """Places in the segment whose next-token distribution some member needs."""
        end = self.offset + len(self.segment)
        places: set[int] = set()
        for item in self.members:
            places.update(range(max(self.offset, item.context - 1), min(end, len(item.ids) - 1)))
        return [place - self.offset for place in sorted(places)]

    def cost(self) -> int:
        """Tokens of this node and all below it."""
        return len(self.segment) + sum(child.cost() for child in self.children)


def plan(items: Sequence[Item], share: bool) -> list[Node]:
    """Return the nodes at the root: shared segments with their children, or one node an item where sharing saves too little."""
    alone = [Node(0, item.feed, [item]) for item in items]
    if not share:
        return alone
    ordered = sorted(items, key=lambda item: (item.feed, item.index))
    roots = _grow(ordered, 0, 0, LEVELS)
    saved = sum(len(item.feed) for item in items) - sum(root.cost() for root in roots)
    return roots if saved >= WORTH else alone


def _grow(items: Sequence[Item], done: int, probe: int, levels: int) -> list[Node]:
    """Nodes for sorted ``items`` that agree on their first ``probe`` tokens, of which ``done`` are above already."""
    nodes: list[Node] = []
    for group in _split(items, probe):
        first, last = group[0].feed, group[-1].feed
        if len(group) == 1 or levels == 0:
            nodes += [Node(done, item.feed[done:], [item]) for item in group]
            continue
        end = common_prefix(first, last)
        if end - done < SHORTEST and end < len(last):
            nodes += _grow(group, done, end, levels)
            continue
        below = _grow([item for item in group if len(item.feed) > end], end, end, levels - 1)
        nodes.append(Node(done, first[done:end], list(group), below))
    return nodes


def _split(items: Sequence[Item], probe: int) -> list[list[Item]]:
    """Runs of sorted items with the same token at ``probe``; an item that ends there is alone."""
    runs: list[list[Item]] = []
    before: int | None = None
    for item in items:
        token = item.feed[probe] if probe < len(item.feed) else None
        if runs and token is not None and token == before:
            runs[-1].append(item)
        else:
            runs.append([item])
        before = token
    return runs
