"""Our own decode loop: rows leave the batch as they finish and waiting rows join it.

``generate`` of transformers keeps every finished row until the last one ends. Here a batch is a set of rows that
share nothing but a forward; what a row writes depends on its own request alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...requests import Completion, Counters, Failure
from .batches import first_run, overhead
from .memory import Limits
from .model import Loaded, Sharing
from .reply import Reply
from .runtime import give_back, out_of_memory
from .state import Cached, Recomputed, State, Stem
from .steps import cheap_forwards
from .tokens import Codec, Unreadable, cut_at_stop

#: Probabilities that are summed up at once when a token is drawn.
BLOCK = 256
#: Shares of the likeliest token's probability above which a nucleus is looked for, before all tokens are sorted.
LIKELY = (1e-2, 1e-4, 1e-6)


@dataclass(slots=True)
class Row:
    """One prompt on its way: its settings, its random draws (uniform, one a token), and what it wrote.

    ``max_new`` counts the tokens of the answer. ``reply`` parts them from those of a thought, which have their own limit.
    """

    index: int
    prompt: tuple[int, ...]
    max_new: int
    stops: tuple[str, ...]
    temperature: float
    top_p: float
    seed: int
    reply: Reply = field(default_factory=Reply)
    out: list[int] = field(default_factory=list)
    draws: Tensor | None = None
    source: torch.Generator | None = None

    @property
    def width(self) -> int:
        return len(self.prompt) + self.max_new + self.reply.expected

    @property
    def left(self) -> int:
        """Tokens that are still expected."""
        return max(0, self.width - len(self.prompt) - len(self.out))

    def restart(self) -> None:
        """Forget what was written."""
        self.out.clear()
        self.reply.restart()

    def draw(self) -> float:
        """Return the uniform number of the next token: it depends on the seed and the place in the reply."""
        if self.draws is None or self.source is None:
            self.source = torch.Generator().manual_seed(self.seed)
            self.draws = torch.rand(self.max_new, generator=self.source, dtype=torch.float64)
        if len(self.out) >= len(self.draws):  # a thought goes beyond the answer's limit
            self.draws = torch.cat([self.draws, torch.rand(self.max_new, generator=self.source, dtype=torch.float64)])
        return float(self.draws[len(self.out)])


def generate(loaded: Loaded, rows: Sequence[Row], limits: Limits, counters: Counters) -> Iterator[list[tuple[int, Any]]]:
    """Lists of ``(index, Completion or Failure)`` as rows finish; the caller runs each step in inference mode.

    Longest replies first, then longest prompts; equal prompts side by side, so that they are prefilled once.
    """
    waiting = deque(sorted(rows, key=lambda r: (-r.max_new, -len(r.prompt), r.prompt, r.index)))
    active: list[Row] = []
    state: State | None = None
    stem = Stem()
    while waiting or active:
        # the rows of a sliding-window cache leave one by one, but none can join
        may_join = not active or loaded.sharing != Sharing.ROWS
        group = _joiners(loaded, waiting, active, state.columns if state else 0, limits) if may_join else []
        done: list[tuple[int, Any]] = []
        outgrown: list[Row] = []
        try:
            with torch.inference_mode(), cheap_forwards():
                if group:
                    fresh, joiners = _begin(loaded, group, stem, counters)
                    state = fresh if state is None else state.joined(fresh)
                    active, group = active + joiners, []
                    give_back()
                assert state is not None
                done, kept = _advance(loaded, state, active, counters)
                active = [active[i] for i in kept]
                state = state.kept(kept) if active else None
                if state is not None and state.columns >= loaded.widest and loaded.shared_up_to is not None:
                    outgrown, active, state = active, [], None  # by thoughts that nobody expected
                if state is not None:
                    state.step([row.out[-1] for row in active], counters)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            crowd, active, state, stem = active + group, [], None, Stem()
            done += _shrink(crowd, waiting, limits, error)
        if done:
            yield done
        if outgrown:
            for row in outgrown:
                row.restart()
            yield from generate(loaded.beyond(), outgrown, limits, counters)


def _joiners(loaded: Loaded, waiting: deque[Row], active: Sequence[Row], columns: int, limits: Limits) -> list[Row]:
    """Return the next rows to prefill together: none until a quarter of the places is free, so that prefills stay few.

    ``columns``: of the cache of the active rows. A cache may not grow beyond what the model takes before all its rows end.
    """
    free = (1 if loaded.alone else limits.rows) - len(active)
    if not waiting or free < 1 or (active and free < max(1, limits.rows // 4)):
        return []
    steps = max((row.left for row in active), default=0)
    longest, group = 0, list[Row]()
    while waiting and len(group) < free:
        row = waiting[0]
        longest, steps, size = max(longest, len(row.prompt)), max(steps, row.left), len(group) + 1
        reach = max(columns, longest) + steps  # columns at the end, holes among them
        too_many = size * longest > limits.tokens or (len(active) + size) * reach > limits.cache_tokens
        if (active or group) and (too_many or reach > loaded.widest):
            break
        group.append(waiting.popleft())
    return group


def _begin(loaded: Loaded, group: Sequence[Row], stem: Stem, counters: Counters) -> tuple[State, list[Row]]:
    """Prefill a group, prompts of like width together; the rows in the order of the state."""
    rows = sorted(group, key=lambda r: (-len(r.prompt), r.prompt, r.index))
    if loaded.sharing == Sharing.NONE:
        return Recomputed.begin(loaded, [row.prompt for row in rows], counters), rows
    state: State | None = None
    rest = rows
    while rest:
        size = len(rest)
        if loaded.sharing == Sharing.PREFIXES:  # the others cannot be joined
            size = first_run([len(row.prompt) for row in rest], overhead(loaded.device.type))
        fresh = Cached.begin(loaded, [row.prompt for row in rest[:size]], stem, counters)
        state, rest = fresh if state is None else state.joined(fresh), rest[size:]
    assert state is not None
    return state, rows


def _advance(loaded: Loaded, state: State, active: Sequence[Row], counters: Counters) -> tuple[list[tuple[int, Any]], list[int]]:
    """Choose a token for every row; the rows that end with it, and the places of those that go on."""
    tokens, sound = choose(state.logits, active)
    counters.generated += len(active)
    done: list[tuple[int, Any]] = []
    kept: list[int] = []
    for place, row in enumerate(active):
        if not sound[place]:
            done.append((row.index, Failure("the model's logits are not finite (NaN or infinite) for this prompt")))
            continue
        try:
            answer: Completion | Failure | None = extend(loaded.codec, row, tokens[place])
        except Unreadable as error:
            answer = Failure(str(error))
        if answer is None:
            kept.append(place)
        else:
            done.append((row.index, answer))
    return done, kept


def extend(codec: Codec, row: Row, token: int) -> Completion | None:
    """Add a token to a row; its completion if it ends here."""
    reply, ended = row.reply, token in codec.eos
    if not ended:
        row.out.append(token)
    if reply.begins is None and not reply.found(codec, row.out, row.max_new, ended):
        return reply.unfinished(codec, row.out, ended) if reply.thinks and (ended or reply.full(row.out)) else None
    assert reply.begins is not None
    while reply.seen < len(row.out):  # several at once where the beginning might have been a thought's
        reply.seen += 1
        text = _stopped(codec, row)
        count = reply.seen - reply.begins
        if text is not None or count == row.max_new:
            return reply.completion(codec, row.prompt, row.out[: reply.seen], text, text is not None)
    return reply.completion(codec, row.prompt, row.out, None, True) if ended else None


def _stopped(codec: Codec, row: Row) -> str | None:
    """Return the answer before its first stop text; None if none ends it."""
    if not row.stops:
        return None
    reply = row.reply
    hit = codec.stopped([*row.prompt, *row.out[: reply.begins]], row.out[reply.begins : reply.seen], row.stops)
    if hit is None or not reply.begins:
        return hit
    shown = cut_at_stop(reply.text(codec, row.prompt, row.out[: reply.seen]), row.stops)
    return (reply.head + hit).lstrip() if shown is None and any(map(codec.is_special, row.stops)) else shown


def choose(logits: Tensor, rows: Sequence[Row]) -> tuple[list[int], list[bool]]:
    """Return the next token of each row from ``logits`` [B, V], greedy or drawn, and whether its logits are sound."""
    best, tokens = logits.max(dim=-1)
    chosen, sound = tokens.tolist(), torch.isfinite(best).tolist()
    drawn = [i for i, row in enumerate(rows) if row.temperature > 0 and sound[i]]
    if drawn:
        logits = logits.cpu()
    for i in drawn:
        chosen[i] = sample(logits[i], rows[i].temperature, rows[i].top_p, rows[i].draw())
    return chosen, sound


def sample(logits: Tensor, temperature: float, top_p: float, uniform: float) -> int:
    """Invert the distribution function of ``logits`` [V] at ``uniform``; ``top_p`` < 1: of the nucleus (Holtzman et al. 2020).

    One row at a time, so that a draw depends on nothing else in its batch.
    """
    probabilities = torch.softmax(logits / temperature, dim=-1)
    if top_p >= 1:
        return _inverted(probabilities, uniform)
    ids = _likely(probabilities, top_p)
    ordered, order = probabilities[ids].sort(descending=True, stable=True)
    nucleus = int((ordered.double().cumsum(-1) < top_p).sum()) + 1
    return int(ids[order[_inverted(ordered[:nucleus], uniform)]])


def _likely(probabilities: Tensor, mass: float) -> Tensor:
    """Ids of the tokens above a threshold, in their order, that weigh at least ``mass`` together: few, so that they sort fast."""
    most = float(probabilities.max())
    for share in LIKELY:
        ids = (probabilities >= share * most).nonzero().squeeze(1)
        if float(probabilities[ids].sum(dtype=torch.float64)) >= mass:
            return ids
    return torch.arange(len(probabilities))


def _inverted(weights: Tensor, uniform: float) -> int:
    """Return the first place of ``weights`` [N] up to which they hold more than the share ``uniform`` in [0, 1) of their sum.

    Sums are in double precision, of blocks first: a vocabulary in double precision takes as long as a forward.
    """
    blocks = torch.nn.functional.pad(weights, (0, -len(weights) % BLOCK)).view(-1, BLOCK)
    ends = blocks.sum(-1, dtype=torch.float64).cumsum(0)
    target = uniform * float(ends[-1])
    block = int((ends <= target).sum())
    inner = blocks[block].double().cumsum(0)
    left = target - (float(ends[block - 1]) if block else 0.0)
    # the same numbers in another order may add up to a little less
    return block * BLOCK + int((inner <= min(left, math.nextafter(float(inner[-1]), 0.0))).sum())


def _shrink(crowd: list[Row], waiting: deque[Row], limits: Limits, error: BaseException) -> list[tuple[int, Any]]:
    """After running out of memory: remember half the rows as the limit and start them again; a lone row fails."""
    if len(crowd) <= 1:
        return [(row.index, Failure(f"out of memory for this prompt alone: {str(error)[:120]}")) for row in crowd]
    limits.rows = max(1, len(crowd) // 2)
    limits.tokens = max(1, limits.tokens // 2)
    for row in reversed(crowd):
        row.restart()
        waiting.appendleft(row)
    return []
