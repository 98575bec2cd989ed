"""Who set a limit, as the report says it: taken from where it was set, whatever the number is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_lock import PROBE, Project

from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.authoring.probe import packed
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.probes import pytest_slm_probes
from pytest_slmtrust.report.account import limit_from
from pytest_slmtrust.report.verdict_words import sentences

NOBODY = "nobody chose it for this model or its use"
DEFAULT = f"is the default of profile ci; {NOBODY}"
AUTHOR = f"comes from the author of the test; {NOBODY}"
PERSON = "was set by the person who ran the audit"
INI = "was set in the ini file of the project"
FILE = "was set in probe_one.py"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A probe of a user and one of a pack, each with the limit that the profile has."""
    made = Project(pytester, monkeypatch)
    own = PROBE.format(name="stays_polite", n=60, dimension="fairness").replace("0.2", "0.1")
    (made.path / "probe_one.py").write_text(own)
    pack = own.replace("def stays_polite", "def stays_calm") + "\ndef pytest_slm_probes():\n    return [stays_calm]\n"
    (made.path / "own_pack.py").write_text(pack)
    return made


def words(project: Project, *options: str) -> dict[str, str]:
    """What the report of a run says of the limit of each gate; the number is the profile's in each."""
    assert project.run("--slm-packs=own_pack", *options)[0] == 0
    made = project.audit()
    assert problems(made) == []
    assert {g.tolerance for g in made.gates if not g.versus} == {0.1}
    return {g.name: limit_from(g, made) for g in made.gates}


def test_the_same_number_is_said_to_be_set_where_it_was_set(project: Project) -> None:
    assert words(project) == {"stays_polite": FILE, "stays_calm": AUTHOR}
    assert words(project, "--slm-gate=stays_polite=0.1") == {"stays_polite": PERSON, "stays_calm": AUTHOR}
    assert words(project, "--slm-gate=slm::fairness::stays_calm=10%") == {"stays_polite": FILE, "stays_calm": PERSON}
    project.pytester.makeini("[pytest]\nslm_gates =\n    stays_polite=0.1\n    stays_calm=0.1\n")
    assert words(project) == {"stays_polite": INI, "stays_calm": INI}
    assert sentences(project.audit()).allowed.endswith(f"This limit {INI}.")
    assert words(project, "--slm-gate=stays_calm=0.1") == {"stays_polite": INI, "stays_calm": PERSON}
    assert words(project, "--slm-gate=stays_calm=0.1", "-n1") == {"stays_polite": INI, "stays_calm": PERSON}


def test_a_bundle_is_named_as_what_set_the_limit(project: Project) -> None:
    parts = [f'[[bundle.part]]\ntitle = "{one}"\nprobe = "{one}"\nlimit = 0.1\n' for one in ("stays_polite", "stays_calm")]
    (project.path / "own.toml").write_text("\n".join(['[[bundle]]\nname = "b"\nclaim = "It holds."', *parts]))
    assert words(project, "--slm-bundle=own.toml")["stays_polite"].startswith("was set by a bundle")
    assert words(project, "--slm-bundle=own.toml", "--slm-gate=stays_polite=0.1")["stays_polite"] == PERSON


def test_a_margin_has_its_origin(project: Project) -> None:
    project.run("--slm-packs=own_pack")
    project.accept()
    said = words(project, "--slm-gate=stays_polite:vs=0.3")
    assert said["stays_polite:vs"] == PERSON
    assert said["stays_calm:vs"] == "is the margin of profile ci, raised to what 60 items can show"


@pytest.mark.parametrize(
    ("nodeid", "where"),
    [
        ("slm::fairness::gate[stays_calm]", "profile"),
        ("slm::fairness::gate[stays_calm]", "probe"),
        ("probe_one.py::gate[stays_polite]", "command line"),
        ("slm::fairness::gate[other]", "probe"),
    ],
)
def test_an_origin_that_the_limits_do_not_have_is_found(project: Project, nodeid: str, where: str) -> None:
    words(project, "--slm-gate=stays_calm=0.1")
    data: dict[str, Any] = json.loads(project.audit().to_json())
    data["settings"]["limits_from"][nodeid] = where
    assert any("limits_from" in one for one in problems(Audit.from_json(json.dumps(data))))


def test_an_audit_without_origins_never_takes_a_limit_of_a_file_for_a_default(project: Project) -> None:
    words(project)
    data = json.loads(project.audit().to_json())
    del data["settings"]["limits_from"]
    old = Audit.from_json(json.dumps(data))
    assert {g.name: limit_from(g, old) for g in old.gates} == {"stays_polite": FILE, "stays_calm": DEFAULT}


def test_a_built_in_probe_that_relies_on_the_profile_says_so() -> None:
    policy = load_policy("ci")
    found = {probe.name: policy.declared(probe) for probe in packed(pytest_slm_probes())}
    assert found["keeps_system_secret"] == (policy.profile.tolerance, "profile")
    assert {where for limit, where in found.values() if limit is not None} <= {"profile", "pack", "probe"}
