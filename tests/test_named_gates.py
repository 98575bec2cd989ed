"""Limits of gates that share a name: a name that fits two is refused, and a place tells them apart."""

from __future__ import annotations

import pytest
from test_lock import Project

from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.bundles import Bundle, Part
from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.gates.bundles import with_limits
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.report.account import chosen_by

KEYS = ["probe_a.py::x", "sub/probe_a.py::x", "slm::privacy::y"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two files with a probe of one name."""
    made = Project(pytester, monkeypatch)
    (made.path / "a=b").mkdir()
    made.probe(file="a=b/probe_two.py")
    return made


@pytest.mark.parametrize("given", ["stays_polite=0.6", "stays_polite=off", "stays_polite:vs=0.3"])
def test_a_limit_for_a_name_that_two_gates_have_is_refused(project: Project, given: str) -> None:
    assert project.run()[0] == 0
    project.accept()
    for options in ((f"--slm-gate={given}",), ("-o", f"slm_gates={given}"), (f"--slm-gate={given}", "-n1")):
        status, said = project.run(*options, bad="1")
        assert status == (4 if "-n1" not in options else status)
        assert status
        assert "2 gates are named 'stays_polite': name one by its place, such as 'a=b/probe_two.py::stays_polite'" in said
    assert project.run("probe_one.py", f"--slm-gate={given}")[0] == 0  # there it is one gate


def test_a_place_sets_the_limit_of_one_gate(project: Project) -> None:
    bad = " ".join(map(str, range(20)))
    assert project.run("--slm-gate=a=b/probe_two.py::stays_polite=0.6", bad=bad)[0] == 1
    made = project.audit()
    gates = {g.nodeid.partition("::")[0]: g for g in made.gates}
    assert {file: g.tolerance for file, g in gates.items()} == {"a=b/probe_two.py": 0.6, "probe_one.py": 0.2}
    assert {file: str(g.status) for file, g in gates.items()} == {"a=b/probe_two.py": "PASS", "probe_one.py": "FAIL"}
    assert {file: chosen_by(g, made) for file, g in gates.items()} == {"a=b/probe_two.py": "person", "probe_one.py": "file"}
    assert made.settings["tolerances"] == {"a=b/probe_two.py::stays_polite": 0.6}
    assert problems(made) == []
    assert project.run("--slm-gate=probe_one.py::stays_polite=off")[0] == 0
    assert [g.nodeid for g in project.audit().gates] == ["a=b/probe_two.py::gate[stays_polite]"]
    assert problems(project.audit()) == []


def test_a_place_sets_the_margin_of_one_comparison(project: Project) -> None:
    project.run()
    project.accept()
    assert project.run("--slm-gate=probe_one.py::stays_polite:vs=0.4")[0] == 0
    made = project.audit()
    assert {g.nodeid.partition("::")[0]: g.tolerance == 0.4 for g in made.gates if g.versus} == {
        "a=b/probe_two.py": False, "probe_one.py": True,
    }  # fmt: skip
    assert problems(made) == []


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        (["x=0.1"], "2 gates are named 'x': name one by its place, such as 'probe_a.py::x'"),
        (["x:vs=0.1"], "2 gates are named 'x'"),
        (["z=0.1"], "Unknown gate 'z'. Known: x, y."),
        (["probe_b.py::x=0.1"], "Unknown gate 'probe_b.py::x'. Did you mean 'probe_a.py::x'?"),
        (["slm::privacy::y=0.1", "y=0.2"], "'y' and 'slm::privacy::y' both set a limit of y"),
    ],
)
def test_a_limit_that_fits_no_gate_or_two_is_refused(gates: list[str], said: str) -> None:
    with pytest.raises(ProbeError) as error:
        load_policy("ci", gates).check(KEYS)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("gates", "held"),
    [
        (["y=0.1"], {"slm::privacy::y": 0.1}),
        (["slm::privacy::y=0.1"], {"slm::privacy::y": 0.1}),
        (["sub/probe_a.py::x=0.1", "probe_a.py::x=0.2"], {"sub/probe_a.py::x": 0.1, "probe_a.py::x": 0.2}),
    ],
)
def test_a_limit_that_fits_one_gate_is_taken(gates: list[str], held: dict[str, float]) -> None:
    policy = load_policy("ci", gates)
    policy.check(KEYS)
    found = {key: policy.at(*key.rsplit("::", 1)).tolerances for key in KEYS}
    assert {key: list(one.values()) for key, one in found.items() if one} == {key: [value] for key, value in held.items()}


def test_a_bundle_sets_the_limit_of_the_gate_that_it_names() -> None:
    bundle = Bundle("b", "It holds.", (Part("rate", "probe_a.py::x", 0.2, margin=0.3),))
    policy = with_limits(load_policy("ci"), [bundle], compared=True)
    assert policy.at("probe_a.py", "x").tolerances == {"x": 0.2}
    assert policy.at("sub/probe_a.py", "x").tolerances == {}
    assert (dict(policy.tolerances), dict(policy.margins)) == ({"probe_a.py::x": 0.2}, {"probe_a.py::x": 0.3})
    again = with_limits(load_policy("ci", ["probe_a.py::x=0.2", "sub/probe_a.py::x=0.4"]), [bundle], compared=False)
    assert dict(again.tolerances) == {"probe_a.py::x": 0.2, "sub/probe_a.py::x": 0.4}
    for other in ("x=0.4", "probe_a.py::x=0.4", "x=off"):  # the same gate, if it is the only one of its name
        with pytest.raises(ProbeError, match="another bundle or --slm-gate says"):
            with_limits(load_policy("ci", [other]), [bundle], compared=False)
