"""The table of formats that ``slmtrust export`` writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import ctrf, cyclonedx, eee, eee_samples, intoto, markdown, modelcard, oscal, sarif, tables
from .source import Source


@dataclass(frozen=True, slots=True)
class Format:
    """One format: who takes it, the function that writes it, and what each of its files holds."""

    about: str
    write: Callable[[Source], str | bytes]
    binary: bool = False
    mark: str = "slmtrust"


FORMATS: dict[str, Format] = {
    "sarif": Format("SARIF 2.1.0 for code scanning: a rule for each gate, a result for each red one", sarif.write),
    "markdown": Format("a table for a step summary or a comment on a pull request", markdown.write),
    "csv": Format("findings, a row each, with the numbers of their gates", tables.write_csv, mark="gate_counts_as"),
    "parquet": Format("the same as a Parquet file (needs pyarrow)", tables.write_parquet, binary=True),
    "ctrf": Format("Common Test Report Format: a test for each gate", ctrf.write),
    "cyclonedx": Format("CycloneDX 1.6 ML-BOM: the model with its measured numbers", cyclonedx.write),
    "eee": Format("Every Eval Ever 0.3: a result for each gate that has a number", eee.write),
    "eee-samples": Format(
        "Every Eval Ever 0.3, instance level: a line of JSON for each case that was judged", eee_samples.write, mark="counts_as"
    ),
    "hf": Format("a section for a model card of the hub, with results on public data sets", modelcard.write),
    "oscal": Format("OSCAL assessment results: an observation for each gate, a finding for each that decides", oscal.write),
    "intoto": Format("in-toto statement with a test result, unsigned (slmtrust attest signs one)", intoto.write),
}
