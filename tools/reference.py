"""Write the reference pages of the documentation from the code: options, built-in probes, what a probe is made of, words.

python tools/reference.py            # write four pages of docs/reference
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType

import pytest_slmtrust
from pytest_slmtrust import Case, Probe, Request, detectors
from pytest_slmtrust import probes as pack
from pytest_slmtrust.audit.dimension import TRUST
from pytest_slmtrust.plugin.options import OPTIONS

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "reference"
#: Public names by what an author does with them; every name is in one group.
PUBLIC = {
    "Declare a probe": (
        "probe", "Row", "from_csv", "from_json", "DataFile", "Control", "Floor", "Criterion", "Judge",
        "holds_under", "label_probe", "Bar",
    ),
    "Ask": ("ask", "ask_all", "Generate", "chat", "Message", "Loglikelihood", "Classify", "Perturb", "Edits"),
    "Read the answer": ("Completion", "Logprob", "TokenLogprob", "Labels", "Edit", "ThoughtUnfinished", "RequestFailed"),
    "Say the result": ("Verdict", "Finding", "Estimate", "Reading", "Measure"),
    "Types, and what a backend needs": (
        "Steps", "Prompt", "Request", "Backend", "BackendError", "Failure", "Probe", "Case", "Profile", "Dimension", "ProbeError",
    ),
}  # fmt: skip
#: Type aliases have no docstring.
ALIASES = {"Steps": "What a probe returns as a generator: `Steps[Verdict]`.", "Prompt": "A text, or a tuple of `Message`."}


def options_page() -> str:
    """The table of command-line options, each with its ini twin."""
    rows = [f"| `{_usage(o.flag, o.metavar, o.choices, o.bare)}` | `{o.ini}` | {_cell(o.help)} |" for o in OPTIONS]
    adding = ", ".join(f"`{o.flag}`" for o in OPTIONS if o.adds)
    head = [
        "# Options",
        "",
        "Each option has an ini twin, for `pytest.ini` or `[tool.pytest.ini_options]`. The command line wins over it.",
        "",
        f"These may be given several times, and add to the ini file: {adding}.",
        "Of one name, such as that of a gate, the command line's value counts, and every other entry of the ini file stays.",
        "`-o slm_gates=` leaves out what the file has, and `--slm-gate=NAME=off` switches one gate off. All other",
        "options replace the value of the ini file.",
        "",
        "A name that two gates have, as of probes in two files, is refused by `--slm-gate`, `--slm-optional`, bundles and",
        "waivers: name one by its place, `probe_a.py::NAME` or `slm::privacy::NAME`.",
        "",
    ]
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


def authoring_page() -> str:
    """The public names for authors of probes, with their arguments, and the detectors."""
    named = [name for names in PUBLIC.values() for name in names]
    assert sorted(named) == sorted(pytest_slmtrust.__all__), set(named) ^ set(pytest_slmtrust.__all__)
    lines = [
        "# What a probe is made of",
        "",
        "How they go together: [write a probe](../guides/custom-probes.md). `name=` has a default.",
        "",
    ]
    for title, names in PUBLIC.items():
        lines += [f"## {title}", "", "`from pytest_slmtrust import ...`", "", *_signatures(pytest_slmtrust, names), ""]
        if title == "Declare a probe":
            lines += [*_probe_arguments(), ""]
    lines += ["## Detectors", "", "`from pytest_slmtrust.detectors import ...`", "", *_signatures(detectors, detectors.__all__)]
    return "\n".join(lines) + "\n"


def _signatures(module: ModuleType, names: Sequence[str]) -> list[str]:
    rows = [(name, getattr(module, name)) for name in names]
    return ["| name | what it is |", "|-|-|", *(f"| `{n}{_arguments(n, made)}` | {_cell(_about(n, made))} |" for n, made in rows)]


def _arguments(name: str, made: object) -> str:
    """Return the arguments of a function or a class that authors call; those with a default end in ``=``."""
    plain = made in (Probe, Case, Request) or (isinstance(made, type) and issubclass(made, (Exception, Enum)))
    if plain or name in ALIASES or not callable(made) or getattr(made, "_is_protocol", False):
        return ""
    found = inspect.signature(made).parameters.values()
    return f"({', '.join(p.name + ('' if p.default is p.empty else '=') for p in found)})"


def _probe_arguments() -> list[str]:
    """Return the arguments of ``@probe`` as its docstring explains them."""
    text = (inspect.getdoc(pytest_slmtrust.probe) or "").partition("Args:\n")[2].partition("\n\n")[0]
    rows = [line.strip().split(": ", 1) for line in text.splitlines()]
    named = [(", ".join(f"`{one}`" for one in names.split(", ")), _markdown(said)) for names, said in rows]
    return ["| argument of `@probe` | meaning |", "|-|-|", *(f"| {names} | {_cell(said)} |" for names, said in named)]


def _about(name: str, made: object) -> str:
    """Return the first paragraph of a docstring, in Markdown."""
    return _markdown(ALIASES.get(name) or (inspect.getdoc(made) or "").split("\n\n")[0])


def _markdown(text: str) -> str:
    return re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text).replace("``", "`")


def words_page() -> str:
    """The glossary of the report, and the words that only the documents use."""
    lines = ["# Words", "", "The report explains the first ones at its end. The page and the report take them from one file.", ""]
    lines += _words(ROOT / "reports" / "glossary.toml")
    return "\n".join([*lines, "", "## Words of the documents", "", *_words(ROOT / "tools" / "words.toml")]) + "\n"


def pages() -> Iterator[tuple[Path, str]]:
    """Each generated page with its text."""
    yield FOLDER / "options.md", options_page()
    yield FOLDER / "probes.md", probes_page()
    yield FOLDER / "authoring.md", authoring_page()
    yield FOLDER / "words.md", words_page()


def _row(probe: Probe) -> str:
    needs = ", ".join(
        [*(f"`--slm-{name}`" for name in probe.inputs), *(f"package `{name}`" for name in probe.extras if name != "hypothesis")]
    )
    return f"| `{probe.name}` | {_cell(probe.claim)} | {needs} | {_cell(probe.paper)} |"


def _words(path: Path) -> list[str]:
    words = tomllib.loads(path.read_text(encoding="utf-8"))["word"]
    return ["| word | meaning |", "|-|-|", *(f"| {_cell(word['name'])} | {_cell(word['meaning'])} |" for word in words)]


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
