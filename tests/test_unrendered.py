"""An audit whose page cannot be made keeps its data, and no old page is left beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest
from runs import audit
from test_verdict import CUSTOM, PASSED, TEN, N

from pytest_slmtrust.archive import files
from pytest_slmtrust.archive.files import PageError, begin_reports, read_audit, write_reports
from pytest_slmtrust.audit.model import Audit, Status
from pytest_slmtrust.audit.verdict import sentence

OLD = Audit(Status.PASS, sentence(Status.PASS, [PASSED]), "ci", (PASSED,), (), (), {"name": "m"})
FAULTS = {
    "a template": jinja2.UndefinedError("no attribute 'x'\n::error::y"),
    "a number": ZeroDivisionError("division by zero"),
    "too deep": RecursionError("maximum recursion depth exceeded"),
    "no room": OSError(28, "No space left on device"),
}


def broken(error: Exception) -> Callable[..., str]:
    def render(*_: Any, **__: Any) -> str:
        raise error

    return render


@pytest.mark.parametrize("fault", FAULTS)
def test_the_data_are_written_and_one_line_says_why_there_is_no_page(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_reports(OLD, tmp_path)
    monkeypatch.setattr(files, "render", broken(FAULTS[fault]))
    new = replace(OLD, notes=("of the second run",))
    with pytest.raises(PageError, match=r"audit\.json is written, but audit\.html could not be made: \w+Error") as found:
        write_reports(new, tmp_path)
    assert "\n" not in str(found.value)
    assert [path.name for path in tmp_path.iterdir()] == ["audit.json"]
    assert read_audit(tmp_path / "audit.json").notes == new.notes
    with pytest.raises(PageError):
        begin_reports(replace(OLD, incomplete="it was stopped", verdict=Status.INCOMPLETE), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.json", "audit.previous.json"]
    assert read_audit(tmp_path / "audit.json").incomplete


def test_a_run_whose_page_cannot_be_made_keeps_its_audit_and_is_red(project: Callable[..., pytest.Pytester]) -> None:
    made = project(n=N, extra=TEN)
    text = (made.path / "conftest.py").read_text()
    fault = "import pytest_slmtrust.archive.files as files\nfiles.render = lambda *_, **__: 1 // 0\n"
    (made.path / "conftest.py").write_text(text + "\n" + fault)
    done = made.runpytest_subprocess(*CUSTOM)
    assert audit(made.path)["verdict"] == "PASS"
    done.stdout.fnmatch_lines(["*audit.json is written, but audit.html could not be made: ZeroDivisionError: *"])
    assert done.ret == 1
    assert not (made.path / "slmtrust-report" / "audit.html").exists()
