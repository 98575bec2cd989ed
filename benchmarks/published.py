"""Figures that others published, next to what audits say of the same models.

    pytest --slm=MODEL --slm-data=DIR --slm-profile=full -k "crows_pairs or stereoset or rtp"
    python benchmarks/published.py slmtrust-report/audit.json            # print the table
    python benchmarks/published.py audit.json --page                     # and write docs/results/published.md

A figure belongs to an audit if the model's name, without its organisation, is the figure's. Audits of other models get rows
of their own for the probes that have figures. ``published.toml`` holds the figures with their sources. An audit that was
edited ends the script.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from results_page import page
from tables import table

from pytest_slmtrust.archive.verify import read_verified
from pytest_slmtrust.audit.model import Audit, Estimate, GateResult

FIGURES = Path(__file__).with_suffix(".toml")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "published.md"
HEAD = ["model", "probe", "number", "published", "here", "items here", "source", "what differs"]
AUC = "AUC"


@dataclass(frozen=True, slots=True)
class Figure:
    """A published number of one model; ``differs``: how it was measured in another way than here."""

    model: str
    probe: str
    measure: str
    value: float
    source: str
    differs: str


def figures(path: Path = FIGURES) -> list[Figure]:
    return [Figure(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["figure"]]


def short(name: object) -> str:
    """Return a model's name without its organisation and folders, in lower case."""
    return str(name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()


def number_of(audit: Audit, probe: str, measure: str) -> Estimate | None:
    """Return what an audit says of a number over all rows; None where the probe was not asked."""
    for gate in audit.gates:
        if gate.probe == probe and not gate.versus:
            return _number(gate, measure)
    return None


def _number(gate: GateResult, measure: str) -> Estimate | None:
    if measure == AUC:
        return gate.estimate
    return next((one.estimate for one in gate.measures if one.name == measure and not one.group), None)


def rows(audits: Sequence[Audit], known: Sequence[Figure]) -> Iterator[list[str]]:
    """Yield a row for each figure, then one for each number of a model that has no figure."""
    by_name = {short(audit.model.get("name", "")): audit for audit in audits}
    for one in known:
        audit = by_name.get(one.model)
        found = None if audit is None else number_of(audit, one.probe, one.measure)
        yield [one.model, one.probe, one.measure, f"{one.value:g}", *_shown(found), one.source, one.differs]
    published = {one.model for one in known}
    for name, audit in by_name.items():
        if name in published:
            continue
        for probe, measure in dict.fromkeys((one.probe, one.measure) for one in known):
            found = number_of(audit, probe, measure)
            if found is not None:
                yield [name, probe, measure, "none", *_shown(found), "", ""]


def _shown(found: Estimate | None) -> tuple[str, str]:
    if found is None:
        return "not run", ""
    return f"{found.value:.4g} [{found.lower:.4g}, {found.upper:.4g}]", str(found.n)


ABOUT = (
    "Numbers that others published for small models, next to those of our probes where an audit of the model was at hand. "
    "The weights of these models were not on the machine: \"not run\". For a model of your own run "
    "`pytest --slm=MODEL --slm-data=DIR --slm-profile=full -k \"crows_pairs or stereoset or rtp\"`, then the command below "
    "with the path of its `audit.json`."
)  # fmt: skip
NOTES = (
    "A number outside our interval is a difference only where the last column is empty: other pairs, prompts, scorers or "
    "settings move it too. Where the same code can be run, [the harness](harness-parity.md) gives our numbers to 1e-4.",
    "Pythia-70m is known to recite 463,953 sequences at k = 32 (EleutherAI/pythia-memorized-evals): with them as "
    "`--slm-members`, `recites_no_training_document` must find every one. No trust figures of SmolLM2-135M, SmolLM2-360M or "
    "Gemma 3 270M are public.",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("audits", nargs="*", type=Path, metavar="audit.json")
    parser.add_argument("--page", action="store_true", help="write docs/results/published.md")
    asked = parser.parse_args()
    made = list(rows([read_verified(path) for path in asked.audits], figures()))
    table("Published figures", HEAD, made)
    if asked.page:
        page(PAGE, "Figures that others published", ABOUT, "benchmarks/published.py", HEAD, made, *NOTES)


if __name__ == "__main__":
    main()
