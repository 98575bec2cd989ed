"""Options that add up: the command line drops nothing that the ini file asks, and wins where both name the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_lock import Project

from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.envelope.limits import read_limits
from pytest_slmtrust.plugin.options import OPTIONS, Settings
from pytest_slmtrust.plugin.values import merged, read_settings

INI = """[pytest]
slm_gates =
    a=0.06
    b:vs=0.1
slm_limit =
    memory=1GB, size=1MB
slm_require = privacy, toxicity
slm_optional = a
slm_bundle = alignment
slm_tasks =
    own.yaml
    garak:dan
slm_vllm =
    max_model_len=8192
"""


def settings(pytester: pytest.Pytester, *arguments: str) -> Settings:
    pytester.makeini(INI)
    return read_settings(pytester.parseconfig("--slm=fake", *arguments))


def test_the_command_line_adds_to_the_ini_file(pytester: pytest.Pytester) -> None:
    made = settings(
        pytester, "--slm-gate=c=0.2", "--slm-gate=b:vs=0.3", "--slm-limit=size=2MB,energy=2J/tok",
        "--slm-require=fairness,privacy", "--slm-require=robustness", "--slm-optional=b", "--slm-bundle=alignment",
        "--slm-tasks=lm_eval:arc", "--slm-vllm=quantization=awq",
    )  # fmt: skip
    assert made.gate == ("a=0.06", "c=0.2", "b:vs=0.3")
    assert made.limit == ("memory=1GB", "size=2MB", "energy=2J/tok")
    assert made.require == ("toxicity", "fairness", "privacy", "robustness")
    assert made.optional == ("b",)  # it takes no value more than once, and excuses
    assert [one.text for one in made.bundle] == ["alignment"]
    assert [one.text for one in made.tasks] == ["own.yaml", "garak:dan", "lm_eval:arc"]
    assert made.vllm == ("max_model_len=8192", "quantization=awq")
    assert made.values["tasks"] == ["own.yaml", "garak:dan", "lm_eval:arc"]  # as an audit holds it
    assert made.values["require"] == "toxicity,fairness,privacy,robustness"
    alone = settings(pytester)
    assert (alone.gate, alone.require) == (("a=0.06", "b:vs=0.1"), ("privacy", "toxicity"))
    assert settings(pytester, "-o", "slm_gates=", "--slm-gate=c=0.2").gate == ("c=0.2",)


def test_all_options_that_may_be_given_several_times_add_up() -> None:
    assert {o.name for o in OPTIONS if "(repeatable" in o.help} == {o.name for o in OPTIONS if o.adds}


@pytest.mark.parametrize(
    ("option", "kept", "given", "both"),
    [
        ("gate", ["a = 0.1"], ["a=off"], ["a=off"]),
        ("gate", ["a=0.1"], ["a:vs=0.1"], ["a=0.1", "a:vs=0.1"]),
        ("gate", ["a=b/probe_x.py::c=0.1"], ["a=0.2"], ["a=b/probe_x.py::c=0.1", "a=0.2"]),
        ("gate", ["nonsense"], ["a=0.2"], ["nonsense", "a=0.2"]),
        ("gate", ["a=0.1", "a=0.2"], [], ["a=0.1", "a=0.2"]),
        ("limit", ["latency_p95=2s,latency_p99=3s"], ["latency_p99=4s"], ["latency_p95=2s", "latency_p99=4s"]),
        ("limit", [], ["size=1MB", "size=2MB"], ["size=1MB", "size=2MB"]),  # which is refused
        ("vllm", ['hf_overrides={"a": 1, "b": "="}'], ["a=2"], ['hf_overrides={"a": 1, "b": "="}', "a=2"]),
        ("require", ["privacy, toxicity"], ["privacy"], ["toxicity", "privacy"]),
        ("require", [""], ["privacy"], ["privacy"]),
    ],
)
def test_of_one_name_the_command_line_counts(option: str, kept: list[str], given: list[str], both: list[str]) -> None:
    assert merged(option, kept, given) == both


def test_one_limit_twice_on_the_command_line_is_refused_as_before() -> None:
    with pytest.raises(ProbeError, match="limited twice"):
        read_limits(merged("limit", ["size=3MB"], ["size=1MB", "size=2MB"]))


def test_a_file_of_the_same_name_elsewhere_is_another_one(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    (pytester.path / "own.yaml").touch()
    below = pytester.mkdir("below")
    (below / "own.yaml").touch()
    monkeypatch.chdir(below)
    where = (f"--rootdir={pytester.path}", f"--config-file={pytester.path / 'tox.ini'}")
    made = settings(pytester, "--slm-tasks=own.yaml", "--slm-tasks=garak:dan", *where)
    assert [one.path for one in made.tasks] == [pytester.path / "own.yaml", below / "own.yaml", below / "garak:dan"]
    again = settings(pytester, f"--slm-tasks={Path('..', 'own.yaml')}", *where)
    assert [one.text for one in again.tasks] == ["garak:dan", "../own.yaml"]


def test_a_limit_of_the_project_stays_when_another_is_added(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(pytester, monkeypatch)
    project.probe("stays_calm", file="probe_two.py")
    pytester.makeini("[pytest]\nslm_gates = stays_calm=0.06\nslm_require = fairness\n")
    assert project.run("--slm-gate=stays_polite=0.2", bad="1 2 3")[0] == 1
    assert {g.probe: g.tolerance for g in project.audit().gates} == {"stays_polite": 0.2, "stays_calm": 0.06}
    assert project.run("--slm-gate=stays_calm=0.2", bad="1 2 3")[0] == 0
    assert project.run("--slm-require=privacy")[0] == 1
    assert project.audit().settings["required"] == ["fairness", "privacy"]
