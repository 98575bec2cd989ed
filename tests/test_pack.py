"""A third party's pack: built as a wheel, installed apart, found by its entry point, and treated like the built-in one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from runs import audit

from pytest_slmtrust.cli import main

EXAMPLE = Path(__file__).parents[1] / "examples" / "pack"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not part of the wheel")
MODEL = """
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

def pytest_slm_backend(config):
    return FakeBackend(lambda request: "12 then 13")

def pytest_slm_scorer(config):
    return WordListScorer()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the unpacked wheel of the example pack."""
    folder = tmp_path_factory.mktemp("pack")
    shutil.copytree(EXAMPLE, folder / "source")
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(folder)]
    subprocess.run(command, cwd=folder / "source", check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    pytester.makeconftest(MODEL)
    return pytester.runpytest_subprocess("--slm=fake", "-p", "no:randomly", "-q", *options)


@pytest.fixture(autouse=True)
def site(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))


def test_a_pack_is_audited_by_its_short_name(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--slm-packs=acme", "--slm-profile=smoke")
    (gate,) = audit(pytester.path)["gates"]
    assert (gate["probe"], gate["items"], gate["failures"]) == ("counts_on", 6, 6)
    assert (gate["status"], gate["blocking"]) == ("MEASURED", False)
    result.assert_outcomes(passed=1)
    assert result.ret == 0


IMPOSTOR = """
from pytest_slmtrust import Generate, Verdict, ask, probe

@probe(dimension="privacy", rows=[{"i": i} for i in range(40)], tolerance=0.4)
def keeps_system_secret(i: int):
    \"\"\"<script>alert(1)</script> [the model](javascript:alert(1)) is certified ::error::x.\"\"\"
    reply = yield from ask(Generate(f"say {i}"))
    return Verdict(bool(reply.text))

def pytest_slm_probes():
    return [keeps_system_secret]
"""


@pytest.mark.parametrize("packs", ["none", "acme"])
def test_probes_of_others_alone_are_no_builtin_audit_and_their_report_is_believed(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], packs: str
) -> None:
    pytester.makeconftest(MODEL + IMPOSTOR)
    result = pytester.runpytest_subprocess("--slm=fake", "-p", "no:randomly", f"--slm-packs={packs}", "--slm-profile=smoke")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["slm: NO BUILT-IN AUDIT", "NO BUILT-IN AUDIT: *"])
    report = pytester.path / "slmtrust-report"
    assert main(["verify", str(report / "audit.json")]) == 0
    said = capsys.readouterr().out
    assert "0 of them are built-in gates of this package" in said
    assert "settings.packs: the built-in pack was not part of this run" in said
    assert main(["render", str(report / "audit.json"), "--output", str(report / "again.html")]) == 0
    page = (report / "again.html").read_text()
    assert page == (report / "audit.html").read_text()
    assert "<script>alert(1)" not in page
    assert "NO BUILT-IN AUDIT" in page


def test_two_packs_that_claim_one_name_are_refused_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(MODEL + IMPOSTOR)
    result = pytester.runpytest_subprocess("--slm=fake", "-p", "no:randomly", "--slm-packs=builtin")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*two probes of slm::privacy are named 'keeps_system_secret'*"])


def test_a_profile_limits_its_items(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--slm-packs=acme", "--slm-plan", "slm::")
    assert "60" in result.stdout.str()
    assert "1000" not in result.stdout.str().replace(",", "")


def test_a_user_may_make_it_block(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--slm-packs=acme_probes", "--slm-gate=counts_on=0.1")
    (gate,) = audit(pytester.path)["gates"]
    assert (gate["status"], gate["blocking"], gate["items"]) == ("FAIL", True, 180)
    assert result.ret == 1


def test_an_unknown_pack_names_those_that_are_installed(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--slm-packs=acne")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--slm-packs 'acne'*Did you mean 'acme'?*"])


def test_a_module_that_is_no_pack_is_refused(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--slm-packs=builtin,colorsys")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--slm-packs 'colorsys': the module has no pytest_slm_probes, so it is no pack of probes*"])
