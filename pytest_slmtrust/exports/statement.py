"""An in-toto Statement v1 with the predicate test-result v0.1: what an audit said of which files.

``result`` is PASSED for PASS and WARNED for WAIVED; every other verdict is FAILED, since the predicate has no word for a run that
decided less, and so is an audit that is red besides. Gates that do not decide are in neither list of tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from ..audit.model import Status
from .source import TOOL, Source, Standing, installed, text

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
#: Names of subjects; those of the model's files begin with this.
AUDIT, MODEL = "audit.json", "model/"


def statement(source: Source) -> dict[str, Any]:
    """Return the statement: its subjects are the audit's file, the model's files and this package."""
    subjects = [{"name": AUDIT, "digest": {"sha256": source.digest}}]
    subjects += [{"name": f"{MODEL}{text(name)}", "digest": {"sha256": digest}} for name, digest in source.files.items()]
    subjects.append({"name": f"pkg:pypi/{TOOL}@{installed()}", "digest": {"dirHash1": package_digest()}})
    return {"_type": TYPE, "subject": subjects, "predicateType": PREDICATE, "predicate": _predicate(source)}


def _predicate(source: Source) -> dict[str, Any]:
    names: dict[Standing, list[str]] = {s: [row.facts["nodeid"] for row in source.rows if row.standing is s] for s in Standing}
    result = "PASSED" if source.passed else "WARNED" if source.audit.verdict is Status.WAIVED and not source.red else "FAILED"
    return {
        "result": result,
        "configuration": [{"name": AUDIT, "digest": {"sha256": source.digest}}],
        "passedTests": names[Standing.PASSED], "warnedTests": [], "failedTests": names[Standing.RED] + names[Standing.WAIVED],
        "slmtrust": {**source.head, "gates": [dict(row.facts) for row in source.rows]},
    }  # fmt: skip


@cache
def package_digest() -> str:
    """Return ``dirHash1`` over the files of the installed package: the sha256 of the sorted lines of ``sha256sum``."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n" for name, file in sorted(_files())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(folder: Traversable | None = None, at: str = TOOL.replace("-", "_")) -> Iterator[tuple[str, Traversable]]:
    for one in (folder or resources.files("pytest_slmtrust")).iterdir():
        name = f"{at}/{one.name}"
        if one.is_dir() and one.name != "__pycache__":
            yield from _files(one, name)
        elif one.is_file() and not one.name.endswith((".pyc", ".pyo")):
            yield name, one
