"""What a model will take in memory, from its files alone, and what is free. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...requests import CHARACTERS, Generate, Loglikelihood, Request, text_of
from .files import ModelError, read_object
from .safetensorsheader import count_parameters
from .weights import weight_files

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: Shares of the memory at hand, after loading, for keys and values (twice while they are copied), for the values inside one
#: forward, and for its logits.
CACHE_SHARE, WORK_SHARE, LOGITS_SHARE = 0.3, 0.15, 0.1
#: Bytes of float32 logits that one forward may make at most.
LOGITS = 256 * 2**20
#: A batch on a CPU, where a larger one gains nothing: tokens of a forward, bytes of keys and values (or a quarter of larger
#: weights), and bytes of logits.
CPU_TOKENS, CPU_CACHE, CPU_LOGITS = 2048, 512 * 2**20, 128 * 2**20
#: Float32 copies of a row's logits that a batch leaves room for: logits as they come and in float32, and generously what a draw,
#: one row at a time, makes of them.
COPIES = 6


@dataclass(slots=True)
class Limits:
    """What a batch may hold: rows, tokens in one forward, tokens in the cache, and bytes of logits.

    ``rows`` and ``tokens`` shrink when memory runs out all the same.
    """

    rows: int
    tokens: int
    cache_tokens: int
    logits: int = LOGITS


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes: of all weights, of the keys and values of one token, of the values inside a forward for one token, and of the
    float32 logits of one place. 0 means that the files do not say."""

    weights: int
    kv: int
    work: int
    logits: int

    def row(self, width: int) -> int:
        """Return the least that one row of ``width`` tokens takes in addition to the weights."""
        return width * (self.kv + self.work) + self.logits


def cost_of(config: Mapping[str, Any], dtype: str, parameters: int) -> Cost:
    """Return the cost of a model with this ``config.json``; ``parameters``: how many numbers its weights are."""
    inner = config.get("text_config")
    found: Mapping[str, Any] = inner if isinstance(inner, dict) else config

    def number(*names: str) -> int:
        return next((n for name in names if type(n := found.get(name)) is int and n > 0), 0)

    size, hidden, heads = BYTES[dtype], number("hidden_size", "n_embd", "d_model"), number("num_attention_heads", "n_head")
    head = number("head_dim") or (hidden // heads if heads else 0)
    kv = 2 * number("num_hidden_layers", "n_layer") * (number("num_key_value_heads") or heads) * head * size
    inside = number("intermediate_size", "n_inner") or 4 * hidden
    return Cost(parameters * size, kv, (8 * hidden + 3 * inside) * size, 4 * number("vocab_size"))


def cost_of_folder(folder: Path, dtype: str, allow_pickle: bool = False) -> Cost:
    """Return the same for a model folder, by the files that are loaded; pickled weights count by the size of their files."""
    weights = weight_files(folder, allow_pickle)
    parameters = count_parameters(weights)
    if parameters is None:
        parameters = sum(path.stat().st_size for path in weights) // 4
    return cost_of(read_object(folder / "config.json"), dtype, parameters)


def widest(requests: Sequence[Request[Any]]) -> int:
    """Tokens of the longest row that these requests make, by their characters."""
    return max((_width(request) for request in requests), default=0)


def _width(request: Request[Any]) -> int:
    if isinstance(request, Generate):
        return len(text_of(request.prompt)) // CHARACTERS + request.max_new_tokens
    if isinstance(request, Loglikelihood) and request.split == "rolling":
        return 0  # windows of at most what the model takes
    if isinstance(request, Loglikelihood):
        return (len(text_of(request.context)) + len(request.continuation)) // CHARACTERS
    return 0


def check_fits(cost: Cost, width: int, dtype: str, at_hand: int | None) -> None:
    """Refuse what cannot be: weights and one row alone need more than there is.

    Raises:
        ModelError: one line with what is needed and what there is.
    """
    if at_hand is None or cost.weights + cost.row(width) <= at_hand:
        return
    smaller = "" if BYTES[dtype] == 2 else "--slm-dtype=bfloat16, "
    raise ModelError(
        f"the model needs {gib(cost.weights)} for its weights as {dtype} and {gib(cost.row(width))} for one row of about {width} "
        f"tokens, and {gib(at_hand)} is free: give the process more memory, or use {smaller}a smaller model"
    )


def fit(wanted: Limits, cost: Cost, at_hand: int | None, narrows: bool) -> Limits:
    """Return the limits, lowered until the largest batch that they allow fits; one row is always allowed.

    ``narrows``: whether the head sees needed places alone; else every token of a forward has its logits.
    """
    memory = 4 * 2**30 if at_hand is None else at_hand
    each = cost.work + (0 if narrows else 2 * cost.logits)
    tokens = _most(wanted.tokens, WORK_SHARE * memory, each)
    rows = _most(wanted.rows, LOGITS_SHARE * memory, COPIES * cost.logits)
    logits = max(cost.logits, min(wanted.logits, int(LOGITS_SHARE * memory)))
    return replace(
        wanted, rows=rows, tokens=tokens, cache_tokens=_most(wanted.cache_tokens, CACHE_SHARE * memory, cost.kv), logits=logits
    )


def _most(wanted: int, share: float, each: int) -> int:
    return max(1, min(wanted, int(share / each))) if each else wanted


def available_bytes(root: Path = Path("/")) -> int | None:
    """Free memory: the least of the system's and those of the process's cgroups; None where nothing tells.

    ``root``: where ``proc`` and ``sys`` are. Page cache that can be given back counts as free.
    """
    found = list(_cgroups(root))
    try:
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    except (OSError, ValueError, IndexError):
        pass
    return max(0, min(found)) if found else None


def _cgroups(root: Path) -> Iterator[int]:
    """Bytes that are free in each limited memory cgroup from the process's own up to the root: version 2, then version 1."""
    versions = (
        (root / "sys/fs/cgroup", "", ("memory.max", "memory.current", "inactive_file")),
        (root / "sys/fs/cgroup/memory", "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    )
    for base, controller, names in versions:
        for folder in _folders(base, _own_group(root, controller)):
            free = _free(folder, *names)
            if free is not None:
                yield free


def _own_group(root: Path, controller: str) -> str:
    """Return the path of the process's cgroup below the mount; empty if it is unknown, or lies outside."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(",") and ".." not in path.split("/"):
            return path.strip("/")
    return ""


def _folders(base: Path, own: str) -> list[Path]:
    """Return a group's folder and those above it up to the base, whichever of them can be seen from here."""
    parts = [part for part in own.split("/") if part]
    return [folder for n in range(len(parts), -1, -1) if (folder := base.joinpath(*parts[:n])).is_dir()]


def _free(folder: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    try:
        most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
        if most == "max" or int(most) >= 2**60:
            return None
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines() if len(line.split()) == 2)
    except (OSError, ValueError):
        return None
    return int(most) - max(0, used - int(stat.get(reclaimable, 0)))


def gib(count: int) -> str:
    """Bytes as a reader reads them."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 // 10 else f"{count / 2**20:.1f} MiB"
