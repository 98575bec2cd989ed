"""What was read and is gone on from: segments in the cache, the jobs that wait for them, and which of these are read next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .trie import Node


@dataclass(slots=True, eq=False)
class Segments:
    """The segments of one forward: the cache of their own columns, and which of these are no padding [N, L]."""

    cache: Any
    mask: Tensor


@dataclass(slots=True)
class Columns:
    """Columns before a batch of B rows: row i goes on after row ``rows[i]`` of ``parts[which[i]]``; narrow parts are padded at
    the left."""

    parts: list[Segments]
    which: Tensor
    rows: Tensor

    @property
    def width(self) -> int:
        return max(part.mask.shape[1] for part in self.parts)

    def at(self, rows: Tensor) -> Columns:
        """Return what is before rows [B] that go on after this batch's rows ``rows``; parts that none uses are left out."""
        used, which = torch.unique(self.which[rows], return_inverse=True)
        return Columns([self.parts[number] for number in used.tolist()], which, self.rows[rows])

    def places(self) -> list[tuple[Segments, Tensor, Tensor | None]]:
        """Return each part, its rows, and whose columns these are: the numbers of the batch's rows, None for all."""
        if len(self.parts) == 1:
            return [(self.parts[0], self.rows, None)]
        found = [(part, (self.which == number).nonzero(as_tuple=True)[0]) for number, part in enumerate(self.parts)]
        return [(part, self.rows[at], at) for part, at in found]

    def mask(self) -> Tensor:
        """Return which columns are no padding [B, L]."""
        made = self.rows.new_zeros(len(self.rows), self.width)
        for part, rows, at in self.places():
            made[slice(None) if at is None else at, self.width - part.mask.shape[1] :] = part.mask[rows]
        return made


@dataclass(slots=True)
class Parent:
    """A batch of prefilled segments, each with all that comes before it: the columns of the forwards from the root on."""

    above: list[Columns]

    @property
    def columns(self) -> int:
        return sum(part.width for part in self.above)

    def at(self, rows: Tensor) -> list[Columns]:
        """Return what comes before rows [B] that go on after the batch's rows ``rows``."""
        return [part.at(rows) for part in self.above]


@dataclass(slots=True)
class Job:
    """A node to prefill after row ``row`` of its parent."""

    row: int
    node: Node


@dataclass(slots=True)
class Work:
    """Jobs that go on after one parent; None at the root."""

    parent: Parent | None
    jobs: list[Job]

    @property
    def depth(self) -> int:
        return len(self.parent.above) if self.parent else 0

    @property
    def columns(self) -> int:
        """Of the widest forward."""
        return (self.parent.columns if self.parent else 0) + max((len(job.node.segment) for job in self.jobs), default=0)


def held(waiting: Sequence[Work]) -> int:
    """Return the tokens in the caches that jobs are still to go on from."""
    parts = {part for work in waiting if work.parent for columns in work.parent.above for part in columns.parts}
    return sum(part.mask.numel() for part in parts)


def pick(waiting: list[Work], most: int, widest: int) -> Work:
    """Remove the work to read next, and return it.

    While at most ``most`` tokens are held, it is all work of the least depth together, which makes fewer and fuller forwards.
    Otherwise, or where the batch would have more than ``widest`` columns, it is the last work: its prefixes are freed soonest.
    """
    if held(waiting) <= most:
        depth = min(work.depth for work in waiting)
        same = [work for work in waiting if work.depth == depth]
        joined = same[0] if len(same) == 1 else _joined(same)
        if joined.columns <= widest:
            waiting[:] = [work for work in waiting if work.depth != depth]
            return joined
    return waiting.pop()


def _joined(works: Sequence[Work]) -> Work:
    """Return works of one depth as one. Nothing in the caches is copied."""
    jobs: list[Job] = []
    parents: list[Parent] = []
    before = 0
    for work in works:
        jobs += [Job(before + job.row, job.node) for job in work.jobs]
        if work.parent is not None:
            parents.append(work.parent)
            before += len(work.parent.above[0].rows)
    if not parents:
        return Work(None, jobs)
    return Work(Parent([_one_below_another(level) for level in zip(*(p.above for p in parents), strict=True)]), jobs)


def _one_below_another(columns: Sequence[Columns]) -> Columns:
    """Return the columns of several batches as those of one."""
    number = {part: i for i, part in enumerate(dict.fromkeys(part for one in columns for part in one.parts))}
    which = [torch.tensor([number[part] for part in one.parts], device=one.which.device)[one.which] for one in columns]
    return Columns(list(number), torch.cat(which), torch.cat([one.rows for one in columns]))
