"""Reading and writing the audit's files: whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..audit.model import Audit, AuditError, check_format
from ..escaping import said
from ..outputs import OutputError, beginning_of, check_kind, json_keys
from ..plainfile import UnfitFile, read_plain_text, ready_beside, write_whole
from ..report.html import render
from .schema import read_data

#: Larger than any audit of ours; a file beyond it is something else.
_LARGEST = 256 * 1024 * 1024
#: Values of an audit, by the commas between them: reading one takes about a microsecond and some hundred bytes.
_VALUES = 2**21
_DEEPEST = 64
#: The files of a report; the last one keeps the data of an earlier run until a new one is complete.
DATA, PAGE, PREVIOUS = "audit.json", "audit.html", "audit.previous.json"


def report_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of a report, all of which a run writes or deletes."""
    return tuple(folder / name for name in (DATA, PAGE, PREVIOUS))


def check_folder(folder: Path) -> None:
    """Check that a folder has no file with the name of one of a report's that is none: another tool's would be lost.

    Raises:
        OutputError: the first such file.
    """
    for path in report_files(folder):
        if path.exists() and not path.is_file() and not path.is_dir():
            continue  # a pipe or a device holds nothing that could be lost
        try:
            check_kind(path, "", alike=_is_page if path.name == PAGE else _is_audit)
        except OutputError:
            raise OutputError(
                f"{path}: is no report of pytest-slmtrust, and would be lost; name another folder, or move that file away"
            ) from None


def _is_audit(content: bytes) -> bool:
    return {"verdict", "gates", "findings"} <= json_keys(content)


def _is_page(content: bytes) -> bool:
    return beginning_of(content) == b"page: Trust audit of"


class PageError(AuditError):
    """The page of an audit that could not be made; its data are written."""


def begin_reports(audit: Audit, folder: Path) -> None:
    """Put an INCOMPLETE audit where the report of a run will be."""
    set_aside(folder)
    write_reports(audit, folder)


def set_aside(folder: Path) -> None:
    """Take away the report of an earlier run, whatever else fails: it must not be taken for this run's.

    Its data are kept as ``audit.previous.json`` until a run is complete.

    Raises:
        OutputError: a file of another tool bears the name of one of these.
    """
    check_folder(folder)
    (folder / PAGE).unlink(missing_ok=True)
    if (folder / DATA).exists():
        os.replace(folder / DATA, folder / PREVIOUS) if _complete(folder / DATA) else (folder / DATA).unlink()


def set_complete_aside(folder: Path) -> None:
    """Take away the report of a complete run. An INCOMPLETE one stays: it may be that of this run, of which this is a worker."""
    if _complete(folder / DATA):
        set_aside(folder)


def write_reports(audit: Audit, folder: Path) -> None:
    """Write ``audit.json``, then ``audit.html`` rendered from that text and from nothing else.

    The old page goes before the data change: a full disk leaves the old pair, and no moment leaves an old page with new data. A
    page that cannot be made costs no data.

    Raises:
        OSError: the data could not be written.
        OutputError: a file of another tool bears the name of one of these.
        PageError: the data are written, and the page could not be made.
    """
    check_folder(folder)
    audit = Audit.from_json(audit.to_json())  # as every reader will have it: a whole number in place of a fraction is one
    text = audit.to_json()
    folder.mkdir(parents=True, exist_ok=True)
    with ready_beside(folder / DATA, text) as data:
        (folder / PAGE).unlink(missing_ok=True)
        os.replace(data, folder / DATA)
    if not audit.incomplete:
        (folder / PREVIOUS).unlink(missing_ok=True)
    try:
        write_whole(folder / PAGE, render(audit, text))
    except Exception as error:
        raise PageError(f"{folder / DATA} is written, but {PAGE} could not be made: {said(error)}") from error


def _complete(path: Path) -> bool:
    """Return whether a file holds anything but an INCOMPLETE audit, so that it is worth keeping."""
    try:
        data = json.loads(read_plain_text(path, _LARGEST))
        return not (isinstance(data, dict) and data.get("incomplete"))
    except (OSError, ValueError, RecursionError):
        return True


def read_audit(path: Path) -> Audit:
    """Return an audit from its file, checked against the published schema.

    Raises:
        AuditError: no such file, not JSON, not an audit, or changed since it was written; one line with file and place.
    """
    try:
        if path.is_dir():
            raise AuditError(f"a folder; name the file in it: {path / DATA}")
        text = read_plain_text(path, _LARGEST)
        if text.count(",") > _VALUES:
            raise AuditError(f"more than {_VALUES} values; an audit of this size is of no use to a reader")
        data = json.loads(text, parse_int=_whole)
        _check_depth(data)
        check_format(data)
        audit = read_data(data)
        if audit.to_json() != text:
            raise AuditError("not as pytest-slmtrust wrote it: the file was changed or reformatted")
        return audit
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror or error}") from None
    except AuditError as error:
        raise AuditError(f"{path}: {error}") from None
    except UnfitFile as error:
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
        if isinstance(child, (dict, list)):
            _check_depth(child, left - 1)
