"""The answers that ``slmtrust verify`` gives about an audit's signature and about the model, each apart from the others.

The numbers are the first answer (:mod:`pytest_slmtrust.archive.verify`). What is not signed is consistent at best.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..audit.model import Audit
from ..exports.source import Source, model_files
from ..exports.statement import PREDICATE, TYPE, statement
from ..gates.lock import counted
from ..plainfile import UnfitFile, read_plain
from ..requests import BackendError
from .envelope import LARGEST, EnvelopeError, check, parse, read
from .keys import key_id, public_key

#: Personal data in a name is masked with a key of the process: its kind alone can be compared.
_MASKED = re.compile(r"(‹[^:‹›]{1,20}):[0-9a-f]+›")
#: What another build of this package says alike.
_STANDARD = ("result", "configuration", "passedTests", "warnedTests", "failedTests")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: what is ``wrong``, one line each, and what else a reader must know."""

    wrong: tuple[str, ...]
    said: tuple[str, ...] = ()


def signature_answer(audit: Audit, attestation: Path, key_file: Path) -> Answer:
    """Check that a key signed a statement about this very audit.

    Raises:
        KeyFileError: the key cannot be used.
    """
    key = public_key(key_file)
    name = key_id(key)
    try:
        envelope = read(read_plain(attestation, LARGEST))
        check(envelope, key, name)
        signed = parse(envelope.payload)
    except OSError as error:
        return Answer((f"signature: {attestation}: {error.strerror or error}",))
    except (EnvelopeError, UnfitFile) as error:
        return Answer((f"signature: {attestation}: {error}",))
    expected = statement(Source(audit))
    wrong = tuple(f"signature: the statement is not about this audit: {line}" for line in _differs(signed, expected))
    if wrong:
        return Answer(wrong)
    aside = (
        [] if signed["subject"][-1] == expected["subject"][-1] else ["signature: another build of pytest-slmtrust attested it"]
    )
    files = sum(1 for _ in model_files(audit))
    said = f"signature: valid, by the key {name}, over this audit.json and the digests of {counted(files, 'file')} of the model"
    return Answer((), (said, *aside))


def _differs(signed: Any, expected: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a signed statement says otherwise than the statement that this package makes of the audit."""
    if not isinstance(signed, dict) or signed.keys() != expected.keys():
        yield f"expected the fields {', '.join(expected)}"
        return
    for field, wanted in (("_type", TYPE), ("predicateType", PREDICATE)):
        if signed[field] != wanted:
            yield f"{field}: expected {wanted}"
    theirs, mine = _plain(signed["subject"]), _plain(expected["subject"])
    same_build = isinstance(theirs, list) and bool(theirs) and theirs[-1] == mine[-1]
    if not isinstance(theirs, list) or not theirs or theirs[:-1] != mine[:-1]:
        yield "subject: other files than the audit names"
    elif not isinstance(theirs[-1], dict) or not str(theirs[-1].get("name")).startswith("pkg:pypi/pytest-slmtrust@"):
        yield "subject: the last one is not pytest-slmtrust"
    predicate, wanted = _plain(signed["predicate"]), _plain(expected["predicate"])
    if not isinstance(predicate, dict):
        yield "predicate: not an object"
        return
    for field in wanted if same_build else _STANDARD:
        if predicate.get(field) != wanted[field]:
            yield f"predicate.{field}: it differs from the audit"
    if same_build and predicate.keys() != wanted.keys():
        yield "predicate: other fields"


def _plain(value: Any) -> Any:
    """Return a value with masked data reduced to its kind, and with numbers as JSON has them."""
    if isinstance(value, str):
        return _MASKED.sub(r"\1›", value)
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def model_answer(audit: Audit, place: Path) -> Answer:
    """Hash the files of a model again, and compare them with the digests in the audit."""
    wanted = dict(model_files(audit))
    if not wanted:
        return Answer(("model: the audit names no file of the model, so nothing can be compared",))
    try:
        found = _hashed(place, wanted)
    except (BackendError, ValueError) as error:
        return Answer((f"model: {place}: {error}",))
    except OSError as error:
        return Answer((f"model: {place}: {error.strerror or error}",))
    wrong = [f"model: {name} is not there" for name in wanted if name not in found]
    wrong += [f"model: {name} has another digest" for name, digest in wanted.items() if found.get(name, digest) != digest]
    wrong += [f"model: {name} changes answers, and the audit does not name it" for name in found if name not in wanted]
    same = sum(found.get(name) == digest for name, digest in wanted.items())
    return Answer(tuple(wrong), (f"model: {same} of {len(wanted)} files have the digests of the audit",))


def _hashed(place: Path, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of the files on which the answers of a model depend, by name: read whole, whatever is remembered."""
    from ..backends.transformers.fingerprint import digest_folder, sha256_of

    if place.is_file():
        return {place.name: sha256_of(place)}
    if not place.is_dir():
        raise FileNotFoundError(2, "no such file or folder")
    parts = [name for name in wanted if name.endswith(".gguf") or name.startswith("adapter/")]
    made: dict[str, str] = {}
    if any(not name.endswith(".gguf") for name in wanted if name not in parts):
        pickles = any(name.endswith((".bin", ".pt", ".pth")) for name in wanted)
        made = digest_folder(place, pickles, rehash=True)
    for name in parts:
        path = place / name
        if path.is_file() and path.resolve().is_relative_to(place.resolve()):
            made[name] = sha256_of(path)
    return made
