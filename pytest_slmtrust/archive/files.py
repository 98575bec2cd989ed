"""Reading and writing the audit's files: whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from ..audit.model import Audit, AuditError
from ..report.html import check_schema, render

#: Larger than any audit of ours; a file beyond it is something else.
_LARGEST = 256 * 1024 * 1024
_DEEPEST = 64


def write_text(path: Path, text: str) -> None:
    """Replace a file atomically: a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes files that only their owner reads; a report is made to be shared
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_reports(audit: Audit, folder: Path) -> None:
    """``audit.json``, and ``audit.html`` rendered from what was just written and from nothing else."""
    text = audit.to_json()
    page = render(Audit.from_json(text), text)  # before either is written: an old page must not stand beside new data
    write_text(folder / "audit.json", text)
    write_text(folder / "audit.html", page)


def read_audit(path: Path) -> Audit:
    """An audit from its file, checked against the published schema.

    Raises:
        AuditError: no such file, not JSON, not an audit, or changed since it was written; one line with file and place.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise AuditError(f"{path}: larger than {_LARGEST // 1024**2} MB: not an audit")
        text = path.read_text(encoding="utf-8")
        data = json.loads(text, parse_int=_whole)
        _check_depth(data)
        check_schema(data)
        audit = Audit.from_json(text)
        if audit.to_json() != text:
            raise AuditError("not the text that pytest-slmtrust writes: it was changed or reformatted since")
        return audit
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror or error}") from None
    except AuditError as error:
        raise AuditError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise AuditError(f"{path}: not JSON: {error}") from None


def _whole(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError("a whole number of more than 18 digits")
    return int(digits)


def _check_depth(value: object, left: int = _DEEPEST) -> None:
    if left == 0:
        raise AuditError(f"nested more than {_DEEPEST} deep: not an audit")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _check_depth(child, left - 1)
