"""The corpus: counterexamples of properties, kept in files that a user commits, and tried first in the next run.

``.slmtrust/corpus/<probe>/<digest>.json``, one counterexample each: the probe, the case, a digest of its parameters, and the edit
as places in the case's text and the characters put in there. So a file holds neither the text nor what the model answered, and
a reader who has the case can make the edited text again. Files of a probe or a case that is gone stay; nothing here deletes one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import door
from ..authoring.declarations import Verdict
from ..authoring.edits import changes
from ..authoring.probe import Case, Probe
from ..authoring.properties import WITH_KEPT
from ..plainfile import read_plain_text, write_whole

FOLDER = "corpus"
#: A file above this many bytes is none of ours.
LARGEST = 1_000_000
#: Counterexamples of one case that are tried again, by the names of their files.
MOST = 20
#: The form of the files. Those of form 1 held texts and answers; they are read, and written anew when they break again.
FORM = 2

#: Start, how many characters are left out there, and what is put in.
Piece = tuple[int, int, str]


class CorpusWarning(UserWarning):
    """A file of the corpus could not be read or written; verdicts rest on what is drawn in this run."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of counterexamples."""

    folder: Path

    def attach(self, probe: Probe) -> Probe:
        """Return the probe with its kept counterexamples; a probe that is no property stays as it is."""
        made = getattr(probe.run, WITH_KEPT, None)
        if made is None:
            return probe
        kept = self.read(probe.name)

        def texts(params: Mapping[str, Any], text: str) -> tuple[str, ...]:
            edits = kept.get(_digest(dict(params)), ())
            return tuple(made_again for edit in edits if (made_again := edited(text, edit)) is not None)

        return replace(probe, run=made(texts)) if kept else probe

    def read(self, probe: str) -> dict[str, tuple[str | tuple[Piece, ...], ...]]:
        """Return the edits that broke a probe, by the digest of a case's parameters, in the order of the files' names.

        An edit is pieces, or the whole edited text where a file of form 1 has it.
        """
        found: dict[str, list[str | tuple[Piece, ...]]] = {}
        for path in sorted((self.folder / probe).glob("*.json")):
            entry = _entry(path)
            if entry is not None:
                edits = found.setdefault(entry[0], [])
                if len(edits) < MOST:
                    edits.append(entry[1])
        return {key: tuple(edits) for key, edits in found.items()}

    def keep(self, case: Case, verdict: Verdict) -> None:
        """Write the counterexample of a property that failed; the same one has the same name, no matter who writes it.

        An edit that puts in personal data or a credential is not kept: the next run has to draw it again.
        """
        if case.kind != "case" or verdict.passed is not False or not hasattr(case.probe.run, WITH_KEPT):
            return
        original, perturbed = str(verdict.evidence["original"]), str(verdict.evidence["perturbed"])
        edit = pieces(original, perturbed)
        path = self.folder / case.probe.name / f"{_digest([dict(case.params), perturbed])[:16]}.json"
        if _brings_data(perturbed, edit):
            _warn(f"a counterexample of {case.probe.name} was not kept: its edit puts in personal data or a credential")
            return
        entry = {
            "form": FORM, "probe": case.probe.name, "case": case.id, "params_sha256": _digest(dict(case.params)), "edit": edit,
        }  # fmt: skip
        try:
            if not path.exists() or _form(path) != FORM:
                write_whole(path, json.dumps(entry, ensure_ascii=True, indent=1, sort_keys=True) + "\n")
        except OSError as error:
            _warn(f"{path}: a counterexample could not be kept: {error}")


def pieces(original: str, perturbed: str) -> list[Piece]:
    """Return what turns the one text into the other, character by character, so that what stays in a word is not written down."""
    found: list[Piece] = []
    for change in changes(original, perturbed):
        steps = difflib.SequenceMatcher(None, change.old, change.new, autojunk=False).get_opcodes()
        found += [(change.start + i, j - i, change.new[k:m]) for tag, i, j, k, m in steps if tag != "equal"]
    return found


def edited(text: str, edit: str | Sequence[Piece]) -> str | None:
    """Return the text with an edit; None where the edit is none of this text's."""
    if isinstance(edit, str):
        return edit
    parts, at = [], 0
    for start, left_out, put_in in edit:
        if not at <= start <= start + left_out <= len(text):
            return None
        parts += [text[at:start], put_in]
        at = start + left_out
    return "".join([*parts, text[at:]])


def _brings_data(perturbed: str, pieces: Sequence[Piece]) -> bool:
    """Return whether personal data or a credential of the edited text was, for the most part, put in by the edit."""
    from ..detectors import find_credentials, find_personal_data

    put_in, moved = bytearray(len(perturbed)), 0
    for start, left_out, text in pieces:
        put_in[start + moved : start + moved + len(text)] = b"\1" * len(text)
        moved += len(text) - left_out
    spots = [*((span.start, span.end) for span in find_personal_data(perturbed)), *find_credentials(perturbed)]
    return any(2 * sum(put_in[start:end]) > end - start for start, end in spots)


def _entry(path: Path) -> tuple[str, str | tuple[Piece, ...]] | None:
    """Return the digest of a case's parameters, and the edit; None with a warning for a file that is no counterexample."""
    try:
        entry = json.loads(read_plain_text(path, LARGEST))
        if isinstance(entry, dict) and isinstance(entry.get("params_sha256"), str) and isinstance(entry.get("edit"), list):
            return entry["params_sha256"], tuple(_piece(piece) for piece in entry["edit"])
        if isinstance(entry, dict) and isinstance(entry.get("params"), dict) and isinstance(entry.get("perturbed"), str):
            _warn(f"{path} is of an older form and holds texts and answers: delete it, or let a run replace it that it breaks")
            return _digest(entry["params"]), entry["perturbed"]
        raise ValueError("expected an object with params_sha256 (a text) and edit (a list)")
    except (OSError, ValueError, RecursionError) as error:
        _warn(f"{path} is not a counterexample and was left out: {error}")
        return None


def _piece(piece: Any) -> Piece:
    start, left_out, put_in = piece if isinstance(piece, list) and len(piece) == 3 else (None, None, None)
    if not (type(start) is int and type(left_out) is int and isinstance(put_in, str)):
        raise ValueError("expected each edit as [start, characters left out, text put in]")
    return start, left_out, put_in


def _form(path: Path) -> int:
    try:
        return int(json.loads(read_plain_text(path, LARGEST))["form"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return 1


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=True, sort_keys=True, default=str).encode()).hexdigest()


def _warn(text: str) -> None:
    """A warning that stays one under ``-W error``: the corpus adds questions, and takes none away."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CorpusWarning)
        warnings.warn(CorpusWarning(door.line(text)), stacklevel=4)
