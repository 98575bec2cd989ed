"""A store with a million answers: its size, how long it takes to write, to open and to look all of them up, and the memory.

python benchmarks/store.py --answers 1000000 --page docs/results/store.md
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import results_page

from pytest_slmtrust import Completion, Generate
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import FILE, Store, store_key

#: Words of a reply: about 40 tokens.
_WORDS = "the model says that it would rather not, since this text is long enough to be a usual reply of " * 2
_ROWS = 2000
#: Requests of one wave: those of the largest built-in profile are 60,000.
_WAVE = 50_000


def requests(n: int) -> Iterator[Generate]:
    """Distinct questions of a usual length."""
    for i in range(n):
        yield Generate(f"Question {i}: " + "what would you say of this one? " * 6, max_new_tokens=64)


def backend() -> FakeBackend:
    return FakeBackend(lambda request: Completion(f"{request.key[:8]} {_WORDS}", 40))


def engine_of(store: Store) -> Engine:
    model = backend()
    return Engine({(kind.kind, "target"): model for kind in model.answers}, store)


def fill(folder: Path, n: int) -> dict[str, float]:
    """Write the answers as a run does, some at a time."""
    store = Store(folder, "fill")
    started, rows = time.monotonic(), list[tuple[str, str]]()
    model = backend()
    for request in requests(n):
        rows.append((store_key(model.fingerprint, request.key), request.encode(model._one(request))))
        if len(rows) == _ROWS:
            store.put(rows)
            rows = []
    store.put(rows)
    store.close()
    return {"seconds": time.monotonic() - started, "bytes": float((folder / FILE).stat().st_size)}


def second_run(folder: Path, n: int) -> dict[str, float]:
    """Open the store, and have an engine look every answer up, in waves: a run that asks nothing."""
    started = time.monotonic()
    store = Store(folder, "again")
    opened = time.monotonic()
    engine, wave, looked, read = engine_of(store), list[Generate](), 0.0, 0.0
    for request in requests(n):
        _ = request.key  # made before: it is the run's own work, with and without a store
        wave.append(request)
        if len(wave) == _WAVE:
            looked, read, wave = looked + _look(engine, wave), read + _read(engine, wave), []
    looked, read = looked + _look(engine, wave), read + _read(engine, wave)
    assert engine.counters.cached == n, engine.counters
    store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    return {"open": opened - started, "lookup": looked, "store": read, "peak": peak}


def _look(engine: Engine, wave: list[Generate]) -> float:
    """Seconds of the processor: other work on the machine does not count."""
    started = time.process_time()
    engine.answer(wave)
    return time.process_time() - started


def _read(engine: Engine, wave: list[Generate]) -> float:
    """Seconds of the store alone, for the same answers."""
    keys = engine._keys(wave)
    started = time.process_time()
    engine.store.get(keys)
    return time.process_time() - started


def apart(what: str, folder: Path, n: int) -> dict[str, float]:
    """Measure in a separate process: the memory is that of this step alone."""
    command = [sys.executable, __file__, "--answers", str(n), "--step", what, "--folder", str(folder)]
    made: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--step", choices=("fill", "again"))
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    if chosen.step:
        print(json.dumps((fill if chosen.step == "fill" else second_run)(chosen.folder, chosen.answers)))
        return
    rows: list[tuple[str, Any]] = []
    with tempfile.TemporaryDirectory() as place:
        folder, n = Path(place) / "store", chosen.answers
        filled, again = apart("fill", folder, n), apart("again", folder, n)
    rows = [
        ("size on disk", f"{filled['bytes'] / 2**20:.0f} MiB ({filled['bytes'] / n:.0f} bytes an answer)"),
        ("written", f"{filled['seconds']:.1f} s"),
        ("opened, with its check for damage", f"{again['open']:.1f} s"),
        ("a second run's lookup of all answers, the store alone", f"{again['store']:.1f} s of one core"),
        ("with decoding, all checks of the gatekeeper and digests", f"{again['lookup']:.1f} s of one core"),
        ("peak memory of that run", f"{again['peak'] / 2**20:.0f} MiB"),
    ]
    for row in rows:
        print(*row, sep=": ")
    if chosen.page:
        results_page.page(
            chosen.page, "The store under load", f"A store of {chosen.answers:,} answers of about 40 tokens.",
            "benchmarks/store.py", ("what", "measured"), rows,
        )  # fmt: skip


if __name__ == "__main__":
    main()
