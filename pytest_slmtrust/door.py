"""The door: each text that leaves a run as a message passes here, whether to a terminal, a log, a JUnit file or an error.

Credentials and personal data are masked; what a terminal or a CI service obeys is written out. The mask is that of the run, once
it is known: errors leave before there is one.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO, cast

from .escaping import block, one_line, said
from .redaction import Mask, scrub_spec

#: Characters of one message, and of one captured output.
_LONGEST_LINE = 4000
_LONGEST_BLOCK = 1_000_000
#: No key is longer, and no number of a person.
_LONGEST_KEY = 10_000
_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{12,}\Z")


class _Opened:
    mask = Mask(secrets.token_bytes(16))


def use(mask: Mask) -> Mask:
    """Mask with the key and the choices of a run from now on; returns the mask before it."""
    before, _Opened.mask = _Opened.mask, mask
    return before


def reveals() -> bool:
    """Return whether personal data is shown (``--slm-reveal``)."""
    return _Opened.mask.reveal


def line(text: object) -> str:
    """Return a text as one line that may leave."""
    shown = one_line(_masked(str(text)))
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}…"


def spec(text: str) -> str:
    """Return what names a model, or an argument that does, as one line that may leave."""
    return line(scrub_spec(text))


def lines(text: object) -> str:
    """Return a text of several lines that may leave."""
    return block(_masked(str(text)))


def error(broken: BaseException) -> str:
    """Return an exception's type and words in one line that may leave."""
    return line(said(broken))


def description(value: Any) -> Any:
    """Return what a backend says of itself, with its texts masked. Numbers and digests identify it and stay; a fingerprint that
    holds what must not leave becomes its digest."""
    if isinstance(value, str):
        return value if _DIGEST.match(value) else _masked(value)
    if isinstance(value, Mapping):
        return {_masked(str(k)): _identity(v) if k == "fingerprint" else description(v) for k, v in value.items()}
    return [description(one) for one in value] if isinstance(value, (list, tuple)) else value


def _identity(value: Any) -> Any:
    if not isinstance(value, str) or description(value) == value:
        return value
    return f"sha256:{hashlib.sha256(value.encode('utf-8', 'backslashreplace')).hexdigest()}"


class _Stream:
    """A stream that cleans each text: for what backends and probes print where pytest does not capture."""

    def __init__(self, raw: TextIO) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        self.raw.write("\r".join(map(lines, text.split("\r"))))  # progress bars begin with a carriage return
        return len(text)

    def writelines(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Clean what is printed meanwhile, and what is logged to the same streams: a handler keeps the stream that it found."""
    before = sys.stdout, sys.stderr
    clean = cast(TextIO, _Stream(before[0])), cast(TextIO, _Stream(before[1]))
    sys.stdout, sys.stderr = clean
    handlers = [(one, one.stream) for one in _stream_handlers() if one.stream in before]
    for handler, stream in handlers:
        handler.setStream(clean[before.index(stream)])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for handler, stream in handlers:
            if handler.stream in clean:
                handler.setStream(stream)


def _stream_handlers() -> Iterator[logging.StreamHandler[Any]]:
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        handlers = logger.handlers if isinstance(logger, logging.Logger) else ()
        yield from (one for one in handlers if isinstance(one, logging.StreamHandler))


def _masked(text: str) -> str:
    if len(text) <= _LONGEST_BLOCK:
        return _Opened.mask.text(text)
    # of a long output the end says what happened; a key at the cut is masked whole
    shown = _Opened.mask.text(text[-_LONGEST_BLOCK - _LONGEST_KEY :])[-_LONGEST_BLOCK:]
    return f"[{len(text) - _LONGEST_BLOCK} characters left out]\n{shown}"
