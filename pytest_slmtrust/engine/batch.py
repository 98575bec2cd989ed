"""Answers of a batch on their way into the store: past the gatekeeper, as those of any backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import door
from ..backends.batch.files import WRITTEN, BatchError, read_answers, remembered
from ..requests import Failure, Request
from .gatekeeper import Refused, accept
from .store import FILE, Store

#: Failures that are named; the others are counted.
_NAMED = 5
_ROWS = 500
_TWICE = "answered twice, differently; neither answer counts"


def read_batch(files: Sequence[Path], folder: Path) -> list[str]:
    """Put the answers of a batch into the store of a folder; return what there is to say, a line each.

    What failed is not stored, so the next ``slmtrust batch write`` asks it again. A request that is answered twice, differently,
    has no answer, in these files or in an earlier read.

    Raises:
        BatchError: a file cannot be read, or no batch was written beside this store.
        OSError: the answers cannot be written.
    """
    asked = remembered(folder / WRITTEN) if (folder / FILE).exists() else {}
    if not asked:
        raise BatchError(f"{folder}: no batch was written from this store; slmtrust batch write does, or --store names another")
    found, strange = _Found(), list[str]()
    for path in files:
        for key, answer in read_answers(path, asked):
            if key:
                found.take(key, asked[key][1], answer)
            else:
                strange.append(f"{path.name}: {answer.message}")
    store = Store(folder, "batch")
    try:
        store.check_kept()
        with store.lock():
            there = store.get(list(found.answers))
            found.twice |= {key: _TWICE for key, text in there.items() if text != found.answers[key]}
            store.forget(found.twice)
            rows = [(key, text) for key, text in found.answers.items() if key not in found.twice]
            for start in range(0, len(rows), _ROWS):
                store.put(rows[start : start + _ROWS])
            store.check_kept()
            left = len(asked) - len(store.get(list(asked)))
    finally:
        store.close()
    failed = {key: why for key, why in found.failed.items() if key not in found.answers} | found.twice
    return [
        *_listed("failed, asked again by the next batch write", [f"{key[:12]}: {why}" for key, why in failed.items()]),
        *_listed("left out", strange),
        f"{len(rows)} answers stored; {left} of all requests that were written are open",
    ]


@dataclass(slots=True)
class _Found:
    """Answers as JSON texts by key, why others failed, and those that were answered twice."""

    answers: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    twice: dict[str, str] = field(default_factory=dict)

    def take(self, key: str, request: Request[Any], answer: Any) -> None:
        """Take a line of a file. A later file may hold the answer to what failed in an earlier one."""
        if isinstance(answer, Failure):
            self.failed.setdefault(key, answer.message)
            return
        try:
            text = request.encode(accept(request, answer, thoughts=True))
        except Refused as error:
            self.failed.setdefault(key, f"not a usable answer: {error}")
            return
        if self.answers.setdefault(key, text) != text:
            self.twice[key] = _TWICE


def _listed(what: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    more = [f"  and {len(lines) - _NAMED} more"] if len(lines) > _NAMED else []
    return [f"{len(lines)} {what}:", *(f"  {door.line(line)}" for line in lines[:_NAMED]), *more]
