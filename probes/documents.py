"""A user's training documents and their like: read from a text file or JSON lines, and checked line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_slmtrust import ProbeError

#: Bytes of a file, characters of a document, and documents, at most.
FILE_BYTES = 64 * 2**20
DOCUMENT_CHARACTERS = 1_000_000
DOCUMENTS = 100_000


@dataclass(frozen=True, slots=True)
class Document:
    """A document, its line, and how often it occurs in the training data."""

    line: int
    text: str
    count: int = 1


def read_documents(path: str, option: str) -> list[Document]:
    """Return the documents of a file, each text once; repeated ones add up their counts.

    ``.jsonl`` and ``.ndjson``: an object a line with ``text`` and, if you like, ``count`` (1 or more); other keys are left alone.
    ``.txt``: one document a line; empty lines are skipped. UTF-8, with or without a byte order mark.

    Raises:
        ProbeError: the file, line and field that cannot be used, and what was expected; never the text itself.
    """
    where = f"--slm-{option} {path}"
    kept: dict[str, Document] = {}
    for document in _documents(path, where):
        before = kept.get(document.text)
        kept[document.text] = document if before is None else replace(before, count=before.count + document.count)
        if len(kept) > DOCUMENTS:
            raise ProbeError(f"{where}: more than {DOCUMENTS:,} documents; give a sample of them")
    if not kept:
        raise ProbeError(f"{where}: no document in it")
    return list(kept.values())


def check_apart(members: list[Document], others: list[Document]) -> None:
    """Refuse a document that stands on both sides.

    Raises:
        ProbeError: its two lines.
    """
    lines = {document.text: document.line for document in members}
    for document in others:
        if document.text in lines:
            raise ProbeError(
                f"line {document.line} of --slm-nonmembers is line {lines[document.text]} of --slm-members too: a document "
                "is on one side only"
            )


def _documents(path: str, where: str) -> Iterator[Document]:
    kind = Path(path).suffix.lower()
    if kind not in (".jsonl", ".ndjson", ".txt"):
        raise ProbeError(f"{where}: expected a file that ends in .jsonl, .ndjson or .txt")
    for number, line in enumerate(_text(path, where).split("\n"), start=1):
        if not line.strip():
            continue
        at = f"{where}, line {number}"
        document = Document(number, line.strip()) if kind == ".txt" else _object(line, number, at)
        if len(document.text) > DOCUMENT_CHARACTERS:
            raise ProbeError(f"{at}: a document of {len(document.text):,} characters; {DOCUMENT_CHARACTERS:,} are read at most")
        yield document


def _text(path: str, where: str) -> str:
    file = Path(path)
    try:
        if not file.is_file():
            raise ProbeError(f"{where}: no such file")
        if file.stat().st_size > FILE_BYTES:
            raise ProbeError(f"{where}: {file.stat().st_size:,} bytes; {FILE_BYTES:,} are read at most")
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProbeError(f"{where}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise ProbeError(f"{where}: {error.strerror}") from None


def _object(line: str, number: int, at: str) -> Document:
    try:
        data: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ProbeError(f"{at}: not JSON; expected an object with 'text'") from None
    if not isinstance(data, dict):
        raise ProbeError(f"{at}: a JSON {type(data).__name__}; expected an object with 'text'")
    text, count = data.get("text"), data.get("count", 1)
    if not isinstance(text, str) or not text.strip():
        said = "is missing" if "text" not in data else "is empty" if isinstance(text, str) else f"is a {type(text).__name__}"
        raise ProbeError(f"{at}: field 'text' {said}; expected the text of a document")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ProbeError(f"{at}: field 'text' holds half of a surrogate pair, which is no character")
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 10**9:
        raise ProbeError(f"{at}: field 'count' must be a whole number, 1 or more")
    return Document(number, text.strip(), count)
