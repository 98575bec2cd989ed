"""The corpus: counterexamples of properties, kept in files that a user commits, and tried first in the next run.

``.slmtrust/corpus/<probe>/<digest>.json``, one counterexample each: the probe, the case's parameters, the text as it was and as
it breaks. Files of a probe or a case that is gone lie still; nothing here deletes one.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from .. import door
from ..authoring.declarations import Verdict
from ..authoring.probe import Case, Probe
from ..authoring.properties import WITH_KEPT

FOLDER = "corpus"
#: A file above this many bytes is none of ours.
LARGEST = 1_000_000
#: Counterexamples of one case that are tried again, by the names of their files.
MOST = 20
#: What a file says beside the case, for those who read it.
_SHOWN = ("original", "perturbed", "difference", "answer", "answer when perturbed")


class CorpusWarning(UserWarning):
    """A file of the corpus could not be read or written; verdicts rest on what is drawn in this run."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of counterexamples."""

    folder: Path

    def attach(self, probe: Probe) -> Probe:
        """The probe with its kept counterexamples; a probe that is no property stays as it is."""
        made = getattr(probe.run, WITH_KEPT, None)
        if made is None:
            return probe
        kept = self.read(probe.name)
        return replace(probe, run=made(lambda params: kept.get(_digest(dict(params)), ()))) if kept else probe

    def read(self, probe: str) -> dict[str, tuple[str, ...]]:
        """The texts that broke a probe, by the digest of a case's parameters, in the order of the files' names."""
        found: dict[str, list[str]] = {}
        for path in sorted((self.folder / probe).glob("*.json")):
            entry = _entry(path)
            if entry is not None:
                texts = found.setdefault(_digest(entry["params"]), [])
                if len(texts) < MOST:
                    texts.append(entry["perturbed"])
        return {key: tuple(texts) for key, texts in found.items()}

    def keep(self, case: Case, verdict: Verdict) -> None:
        """Write the counterexample of a property that failed; the same one has the same name, whoever writes it."""
        if case.kind != "case" or verdict.passed is not False or not hasattr(case.probe.run, WITH_KEPT):
            return
        entry = {"probe": case.probe.name, "params": dict(case.params)}
        entry |= {key: verdict.evidence[key] for key in _SHOWN}
        path = self.folder / case.probe.name / f"{_digest([entry['params'], entry['perturbed']])[:16]}.json"
        try:
            if not path.exists():
                _write(path, json.dumps(entry, ensure_ascii=True, indent=1, sort_keys=True, default=str) + "\n")
        except OSError as error:
            _warn(f"{path}: a counterexample could not be kept: {error}")


def _entry(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        entry = json.loads(path.read_text("utf-8"))
        known = isinstance(entry, dict) and isinstance(entry.get("params"), dict) and isinstance(entry.get("perturbed"), str)
        if not known:
            raise ValueError("expected an object with params (an object) and perturbed (a text)")
        return cast(dict[str, Any], entry)
    except (OSError, ValueError, RecursionError) as error:
        _warn(f"{path} is no counterexample and was left out: {error}")
        return None


def _write(path: Path, text: str) -> None:
    """At once, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=True, sort_keys=True, default=str).encode()).hexdigest()


def _warn(text: str) -> None:
    """A warning that stays one under ``-W error``: the corpus adds questions, and takes none away."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CorpusWarning)
        warnings.warn(CorpusWarning(door.line(text)), stacklevel=4)
