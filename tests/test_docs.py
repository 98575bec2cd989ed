"""The documents say what the code does."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="the documents are not part of the wheel")


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_pages_are_those_of_the_code() -> None:
    for path, text in reference().pages():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: run python tools/reference.py"


def test_the_table_of_detectors_is_that_of_the_file() -> None:
    script = ROOT / "benchmarks" / "detector_table.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_custom_probe_of_the_readme_is_the_example() -> None:
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", readme(), re.DOTALL) if "stays_polite" in c]
    example = (ROOT / "examples" / "support_bot" / "probe_support_bot.py").read_text(encoding="utf-8")
    assert code.split("from pytest_slmtrust", 1)[1].strip() == example.split("from pytest_slmtrust", 1)[1].strip()


def test_the_kinds_of_probes_are_those_of_the_example() -> None:
    guide = (ROOT / "docs" / "guides" / "custom-probes.md").read_text(encoding="utf-8")
    section = guide.partition("## Other kinds of probes")[2].partition("## A property")[0]
    shown = "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    example = (ROOT / "examples" / "kinds" / "probe_kinds.py").read_text(encoding="utf-8").split('"""', 2)[2]
    assert shown.split() == example.split()


def test_the_readme_is_short() -> None:
    assert len(readme().splitlines()) <= 130


def test_links_lead_somewhere() -> None:
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "reference" / "probes" / "index.html").exists()


@pytest.mark.parametrize("fragment", sorted((ROOT / "changelog.d").glob("*")) or [None], ids=lambda p: p.name if p else "none")
def test_a_change_log_fragment_is_a_short_text(fragment: Path | None) -> None:
    if fragment is None:
        pytest.skip("no fragment since the last release")
    assert re.fullmatch(r"[a-z0-9-]+\.md", fragment.name)
    text = fragment.read_text(encoding="utf-8").strip()
    assert text
    assert not text.startswith(("#", "-", "*"))
    assert len(text) <= 600


#: A command that would fetch the package by its name, or a line of requirements that does.
BARE = re.compile(
    r"(?:\b(?:pip3?|pipx|uv) (?:[a-z]+ )?(?:install|add|run)\b[^\n`]*?|^\s*(?:- )?)"
    r"(?<![\w/.-])[\"']?pytest-slmtrust(?:\[[^\]\n]*\])?(?:[=~<>]=?[\w.]+)?[\"']?(?! ?@)(?=[\s`\"']|$)",
    re.MULTILINE,
)
READ = {".md", ".yml", ".yaml", ".txt", ".toml", ".py", ".sh", ""}
INSTALLS = (
    "pip install pytest-slmtrust", "run `pip install 'pytest-slmtrust[all]'` first", 'python -m pip install -U "pytest-slmtrust"',
    "uv pip install pytest-slmtrust[all]", "uv add pytest-slmtrust", "pipx install pytest-slmtrust", "pytest-slmtrust==0.1\n",
    "  - pytest-slmtrust[all]\n", "pip3 install numpy pytest-slmtrust",
)  # fmt: skip
FETCHES = (
    "pip install 'pytest-slmtrust @ git+https://github.com/o/pytest-slmtrust'", "pip install .",
    "cd pytest-slmtrust && pip install .",
    "pip install git+https://github.com/o/pytest-slmtrust", "pip install ./pytest-slmtrust", "the package pytest-slmtrust",
)  # fmt: skip


def test_a_line_that_installs_by_the_bare_name_is_known() -> None:
    assert [text for text in INSTALLS if not BARE.search(text)] == []
    assert [text for text in FETCHES if BARE.search(text)] == []


def test_no_line_installs_the_package_by_its_bare_name() -> None:
    """It is not published, and the name is free to take."""
    root = Path(__file__).parents[1]
    places = (*root.glob("*.md"), root / "action.yml", *(root / "docs").rglob("*.md"), *(root / "examples").rglob("*"))
    texts = [path for path in (*places, *(root / ".github").rglob("*")) if path.suffix in READ and path.is_file()]
    assert [(path.name, found.group()) for path in texts for found in BARE.finditer(path.read_text(encoding="utf-8"))] == []
    said = [*(root / "pytest_slmtrust").rglob("*.py")]
    claims = ("install pytest-slmtrust with", "/project/pytest-slmtrust")
    assert [path.name for path in said for text in claims if text in path.read_text(encoding="utf-8")] == []
