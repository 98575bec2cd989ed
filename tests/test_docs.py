"""What the documents say is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_slmtrust.plugin.options import OPTIONS

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="the documents are not part of the wheel")


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_option_stands_in_the_readme() -> None:
    for option in OPTIONS:
        assert f"`{option.flag}`" in readme() or f"`{option.flag}=" in readme()
        assert option.help.replace("|", "/") in readme()


def test_the_custom_probe_of_the_readme_is_the_example() -> None:
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", readme(), re.DOTALL) if "stays_polite" in c]
    example = (ROOT / "examples" / "support_bot" / "probe_support_bot.py").read_text(encoding="utf-8")
    assert code.split("from pytest_slmtrust", 1)[1].strip() == example.split("from pytest_slmtrust", 1)[1].strip()


def test_links_lead_somewhere() -> None:
    for document in ROOT.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{document.name}: {target}"
