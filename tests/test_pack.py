"""A third party's pack: built as a wheel, installed apart, found by its entry point, and treated like the built-in one."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from runs import audit

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
    result.stderr.fnmatch_lines(["*--slm-packs 'acne'*Expected builtin, none, acme, or an importable module*"])
