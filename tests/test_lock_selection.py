"""A probe of the lock that is gone: which selections of a user leave it out, and under which it is missed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from test_lock import Project

from pytest_slmtrust.audit.model import GateResult, Status
from pytest_slmtrust.plugin.selection import accepted_outside

ARGS = pytest.Config.ArgsSource.ARGS


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(pytester, monkeypatch)


def test_a_path_that_holds_the_place_of_a_gone_probe_leaves_out_nothing(project: Project) -> None:
    (project.path / "more").mkdir()
    project.probe("stays_calm", file="more/probe_two.py", dimension="hallucination")
    assert project.run(".")[0] == 0
    project.accept()
    assert project.run(".", "--ignore=more/probe_two.py")[0] == 1  # the file is there, and no selection names a part
    assert project.audit().verdict is Status.NOT_RUN
    (project.path / "more" / "probe_two.py").rename(project.path / "more" / "away.txt")
    words = (".", "-k", "not nothing"), (".", "-k", "calm or polite")
    for options in ((".",), ("probe_one.py", "more"), (str(project.path),), *words, (".", "-n1")):
        assert project.run(*options)[0] == 1, options
        assert project.audit().verdict is Status.NOT_RUN
    for options in (("probe_one.py",), (".", "-k", "polite"), (".", "-m", "fairness"), ("probe_one.py::gate[stays_polite]",)):
        assert project.run(*options)[0] == 0, options
        assert project.audit().verdict is Status.PARTIAL


@pytest.mark.parametrize(
    ("gone", "args", "chosen", "options", "left_out"),
    [
        ("probe_b.py", ["."], [], {}, False),
        ("probe_b.py", ["probe_a.py"], [], {}, True),
        ("probe_b.py", ["probe_a.py", "./sub/.."], [], {}, False),
        ("probe_a.py", ["probe_a.py"], [], {}, False),  # the file is there, its probe is not
        ("probe_a.py", ["probe_a.py::gate[x]"], [], {}, True),
        ("sub/probe_b.py", ["sub"], [], {}, False),
        ("sub/deep/probe_b.py", ["sub"], [], {}, False),
        ("subway/probe_b.py", ["sub"], [], {}, True),
        ("sub/probe_b.py", ["link"], [], {}, False),
        ("probe_b.py", ["sub"], [], {}, True),
        ("probe_b.py", ["a.package"], [], {}, False),  # --pyargs
        ("probe_b.py", [], ["slm::privacy"], {}, True),
        ("slm::privacy", ["probe_a.py"], [], {}, False),  # no path leaves out what a pack brings
        ("slm::privacy", [], ["slm"], {}, False),
        ("slm::privacy", [], ["slm::privacy"], {}, False),
        ("slm::privacy", [], ["slm::toxicity"], {}, True),
        ("probe_b.py", ["."], [], {"stepwise": True}, False),
        ("probe_b.py", ["probe_a.py"], [], {"stepwise": True}, False),
        ("probe_b.py", ["."], [], {"markexpr": "privacy"}, False),
        ("probe_b.py", ["."], [], {"markexpr": "not slow"}, False),
        ("probe_b.py", ["."], [], {"markexpr": "toxicity"}, True),
        ("probe_b.py", ["."], [], {"keyword": "PB and gate"}, False),
        ("probe_b.py", ["."], [], {"keyword": "not probe_b"}, True),
        ("probe_b.py", ["."], [], {"keyword": "pb", "markexpr": "fairness"}, True),
    ],
)
def test_what_a_selection_could_not_have_reached_is_left_out(
    gone: str, args: list[str], chosen: list[str], options: dict[str, Any], left_out: bool, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to("sub")
    (tmp_path / "probe_a.py").touch()
    config = cast("pytest.Config", SimpleNamespace(
        getoption=lambda name, other=None: options.get(name, other), args=args, args_source=ARGS, rootpath=tmp_path,
        invocation_params=SimpleNamespace(dir=tmp_path),
    ))  # fmt: skip
    gate = GateResult(f"{gone}::measure[pb:vs]", "pb:vs", "privacy", "It was accepted.", Status.NOT_RUN, True, "")
    assert accepted_outside(config, chosen, [gate]) == ([gate.nodeid] if left_out else [])


def test_without_arguments_nothing_is_left_out(tmp_path: Path) -> None:
    source = pytest.Config.ArgsSource.INVOCATION_DIR
    config = cast("pytest.Config", SimpleNamespace(
        getoption=lambda name, other=None: other, args=[str(tmp_path / "sub")], args_source=source, rootpath=tmp_path
    ))  # fmt: skip
    gate = GateResult("probe_b.py::measure[pb:vs]", "pb:vs", "privacy", "It was accepted.", Status.NOT_RUN, True, "")
    assert accepted_outside(config, [], [gate]) == []
