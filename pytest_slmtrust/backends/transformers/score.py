"""Log-likelihoods in batches: shared prefixes once, suffixes right-padded, the head on the needed places alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...requests import Counters, Failure, Logprob, TokenLogprob
from .batches import first_run, overhead
from .cache import lent, whole_cache
from .memory import Limits
from .model import Loaded, Sharing, pad
from .prefixes import Columns, Job, Parent, Segments, Work, held, pick
from .runtime import out_of_memory
from .state import count
from .steps import Keep, cheap_forwards
from .trie import Item, Node, plan

#: Bytes of logits that are summed up at once: with 262,144 tokens the copies that sums make would else take half a gigabyte.
AT_ONCE = 2**24
#: The part of the cache's limit that a forward may always fill, however much is held for others: single rows are slow.
LEAST = 8
#: Up to one part in so many of the cache's limit, batches are read together. Their prefixes are then held longer.
WIDE = 8


@dataclass(slots=True)
class Tally:
    """The scored tokens of one item so far, by place."""

    item: Item
    tokens: dict[int, tuple[float, bool, float, float]] = field(default_factory=dict)
    broken: bool = False

    def answer(self) -> Logprob | Failure | None:
        if len(self.tokens) < len(self.item.ids) - self.item.context:
            return None
        if self.broken:
            return Failure("the model's logits are not finite (NaN or infinite) for this text")
        rows = [self.tokens[place] for place in sorted(self.tokens)]
        detail = tuple(TokenLogprob(logp, mean, var) for logp, _, mean, var in rows) if self.item.detail else ()
        return Logprob(sum(row[0] for row in rows), all(row[1] for row in rows), len(rows), detail)


def score(loaded: Loaded, items: Sequence[Item], limits: Limits, counters: Counters) -> Iterator[list[tuple[int, Any]]]:
    """Lists of ``(index, Logprob or Failure)`` as batches end."""
    tallies = {item.index: Tally(item) for item in items}
    roots = plan(items, loaded.sharing == Sharing.PREFIXES)
    counters.shared += sum(len(item.feed) for item in items) - sum(root.cost() for root in roots)
    waiting = [Work(None, [Job(0, node) for node in roots])] if roots else []
    while waiting:
        work = pick(waiting, limits.cache_tokens // WIDE, loaded.widest)
        parent = work.parent
        jobs, stray = _within(parent, work.jobs, loaded.widest)
        if stray:
            roots = [Node(0, item.feed, [item]) for job in stray for item in job.node.members]
            counters.shared -= sum(root.cost() for root in roots) - sum(job.node.cost() for job in stray)
            waiting.append(Work(None, [Job(0, root) for root in roots]))
        if not jobs:
            continue
        jobs.sort(key=lambda job: -len(job.node.segment))
        batch, rest = _split(parent, jobs, limits, loaded, held([*waiting, work]))
        if rest:
            waiting.append(Work(parent, rest))
        try:
            with torch.inference_mode(), cheap_forwards():
                grown = _forward(loaded, parent, batch, tallies, counters)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(batch) > 1:
                limits.rows, limits.tokens = max(1, len(batch) // 2), max(1, limits.tokens // 2)
                waiting.append(Work(parent, batch))
            else:
                yield _failed(batch[0].node, tallies, error)
            continue
        below = [Job(row, child) for row, job in enumerate(batch) for child in job.node.children]
        if below and grown is not None:
            waiting.append(Work(grown, below))
        done = _finished([item for job in batch for item in job.node.members], tallies)
        if done:
            yield done


def _within(parent: Parent | None, jobs: list[Job], widest: int) -> tuple[list[Job], list[Job]]:
    """Return the jobs that stay within so many columns after their parent, and those that its holes push beyond."""
    if parent is None:
        return jobs, []
    room = widest - parent.columns
    return [j for j in jobs if len(j.node.segment) <= room], [j for j in jobs if len(j.node.segment) > room]


def _split(parent: Parent | None, jobs: list[Job], limits: Limits, loaded: Loaded, held: int) -> tuple[list[Job], list[Job]]:
    """Return the first jobs that fit one forward and belong together by their widths, and the rest; always at least one.

    ``held``: tokens in the caches that rows are still to go on from, those of ``parent`` among them.
    """
    past, layers = (parent.columns, len(parent.above[0].parts[0].cache.layers)) if parent else (0, 1)
    width = len(jobs[0].node.segment)
    room = max(limits.cache_tokens - held, limits.cache_tokens // LEAST)
    places, fit, grows = 0, 0, False
    for size, job in enumerate(jobs, start=1):
        places += len(job.node.needed())
        grows |= bool(job.node.children)
        # what comes before is copied one layer at a time
        needs = size * past // layers + (size * width if grows else 0)
        too_many = loaded.alone or size > limits.rows * 4 or size * width > limits.tokens
        if fit and (too_many or needs > room or places * loaded.vocabulary * 4 > limits.logits):
            break
        fit = size
    size = first_run([len(job.node.segment) for job in jobs[:fit]], overhead(loaded.device.type))
    return jobs[:size], jobs[size:]


def _forward(
    loaded: Loaded, parent: Parent | None, batch: Sequence[Job], tallies: dict[int, Tally], counters: Counters
) -> Parent | None:
    """Prefill the segments of a batch after their parents and book what is needed of their logits."""
    ids, mask = pad([job.node.segment for job in batch], False, loaded.device)
    grows = any(job.node.children for job in batch)
    above: list[Columns] = []
    cache, whole = whole_cache() if grows else None, mask
    if parent is not None:
        above = parent.at(torch.tensor([job.row for job in batch], dtype=torch.long, device=loaded.device))
        cache = lent([[(p.cache, *where) for p, *where in part.places()] for part in above], Keep.OWN if grows else Keep.NONE)
        whole = torch.cat([*(part.mask() for part in above), mask], dim=1)
    positions = (whole.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    spots = [(row, place) for row, job in enumerate(batch) for place in job.node.needed()]
    at = torch.tensor(spots or [(0, 0)], dtype=torch.long, device=loaded.device)
    out, logits = loaded.at(ids, whole, positions, at, cache, grows or cache is not None)
    count(counters, ids, mask)
    if spots:
        _book(logits, spots, batch, tallies)
    if not grows:
        return None
    rows = torch.arange(len(batch), device=loaded.device)
    return Parent([*above, Columns([Segments(out.past_key_values, mask)], torch.zeros_like(rows), rows)])


def _book(logits: Tensor, spots: Sequence[tuple[int, int]], batch: Sequence[Job], tallies: dict[int, Tally]) -> None:
    """Give every member its target's log-probability at each place; ``logits`` [N, V] stand for ``spots``."""
    number = {spot: i for i, spot in enumerate(spots)}
    wanted: list[tuple[Tally, int, int]] = []
    for row, job in enumerate(batch):
        node = job.node
        for item in node.members:
            first, last = max(node.offset, item.context - 1), min(node.offset + len(node.segment), len(item.ids) - 1)
            wanted += [(tallies[item.index], place + 1, number[row, place - node.offset]) for place in range(first, last)]
    lines = torch.tensor([line for _, _, line in wanted], device=logits.device)
    targets = torch.tensor([tally.item.ids[place] for tally, place, _ in wanted], device=logits.device)
    chunks = min(len(logits), -(-logits.nbytes // AT_ONCE))
    total, best = torch.cat([part.logsumexp(-1) for part in torch.chunk(logits, chunks)]), logits.argmax(-1)
    logp = (logits[lines, targets] - total[lines]).tolist()
    greedy = (best[lines] == targets).tolist()
    sound = torch.isfinite(total)[lines].tolist()
    means, variances = [0.0] * len(wanted), [0.0] * len(wanted)
    if any(tally.item.detail for tally, _, _ in wanted):
        parts = [moments(*pair) for pair in zip(torch.chunk(logits, chunks), torch.chunk(total, chunks), strict=True)]
        means, variances = (torch.cat(column)[lines].tolist() for column in zip(*parts, strict=True))
    for i, (tally, place, _) in enumerate(wanted):
        tally.tokens[place] = (logp[i], greedy[i], means[i], variances[i])
        tally.broken |= not sound[i]


def moments(logits: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [N] of the log-probabilities under the distribution itself (Min-K%++, Zhang et al. 2024, eq. 3)."""
    logp = logits - total.unsqueeze(-1)
    p = logp.exp()
    safe = torch.where(p > 0, logp, torch.zeros_like(logp))
    mean = (p * safe).sum(-1)
    return mean, (p * (safe - mean.unsqueeze(-1)) ** 2).sum(-1)


def _finished(items: Sequence[Item], tallies: dict[int, Tally]) -> list[tuple[int, Any]]:
    """Answers of the items that are complete; each leaves the tallies as it is given out."""
    done: list[tuple[int, Any]] = []
    for item in items:
        tally = tallies.get(item.index)
        answer = tally.answer() if tally else None
        if answer is not None:
            done.append((item.index, answer))
            del tallies[item.index]
    return done


def _failed(node: Node, tallies: dict[int, Tally], error: BaseException) -> list[tuple[int, Any]]:
    """Everything below a node that does not fit alone."""
    failed = [item.index for item in node.members if tallies.pop(item.index, None)]
    return [(index, Failure(f"out of memory for this text alone: {str(error)[:120]}")) for index in failed]
