"""Write the reference pages of the documentation from the code: options and built-in probes.

python tools/reference.py            # write docs/reference/options.md and docs/reference/probes.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_slmtrust import Probe
from pytest_slmtrust import probes as pack
from pytest_slmtrust.audit.dimension import TRUST
from pytest_slmtrust.plugin.options import OPTIONS

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"


def options_page() -> str:
    """The table of command-line options, each with its ini twin."""
    rows = [f"| `{_usage(o.flag, o.metavar, o.choices, o.bare)}` | `{o.ini}` | {_cell(o.help)} |" for o in OPTIONS]
    head = ["# Options", "", "Each option has an ini twin, for `pytest.ini` or `[tool.pytest.ini_options]`.", ""]
    return "\n".join([*head, "| option | ini | what it does |", "|-|-|-|", *rows]) + "\n"


def probes_page() -> str:
    """The built-in probes by dimension: claim, detector and source."""
    found = pack.pytest_slm_probes()
    lines = [
        "# Built-in probes",
        "",
        f"{len(found)} probes. Some need files or public data. The report prints the claim.",
        "",
    ]
    for dimension in TRUST:
        lines += [f"## {str(dimension).capitalize()}", "", "| probe | claim | needs | source |", "|-|-|-|-|"]
        lines += [_row(p) for p in found if p.dimension == dimension] + [""]
    return "\n".join(lines).rstrip() + "\n"


def pages() -> Iterator[tuple[Path, str]]:
    """Each generated page with its text."""
    yield FOLDER / "options.md", options_page()
    yield FOLDER / "probes.md", probes_page()


def _row(probe: Probe) -> str:
    needs = ", ".join(
        [*(f"`--slm-{name}`" for name in probe.inputs), *(f"package `{name}`" for name in probe.extras if name != "hypothesis")]
    )
    return f"| `{probe.name}` | {_cell(probe.claim)} | {needs} | {_cell(probe.paper)} |"


def _usage(flag: str, metavar: str | None, choices: tuple[str, ...], bare: str) -> str:
    value = "/".join(choices) or metavar or ""
    if bare:
        return f"{flag}[={value}]"
    return f"{flag}={value}" if value else flag


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
