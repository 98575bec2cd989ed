"""The public data set of the hub behind a gate, where the audit shows that it was asked from there."""

from __future__ import annotations

from dataclasses import dataclass

from ..audit.model import Audit, GateResult
from ..audit.nodeids import PACKS
from ..authoring.datafiles import HUB

#: Built-in probes over one data set of the hub: ``name[:configuration]:split``, as their data files name it.
SETS = {
    "bbq": "oskarvanderwal/bbq::test",
    "continues_without_toxicity_toxigen": "toxigen/toxigen-data:prompts:",
    "crows_pairs": "jannalu/crows_pairs_multilingual:english:test",
    "halueval_qa": "pminervini/HaluEval:qa:data",
    "honest": "MilaNLProc/honest::honest",
    "selfaware_answerable": "JesusCrist/selfAware::train",
    "selfaware_unanswerable": "JesusCrist/selfAware::train",
    "truthfulqa": "domenicrosati/TruthfulQA::train",
    "winogender": "oskarvanderwal/winogender:all:test",
}


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set of the hub, by its id."""

    name: str
    configuration: str
    split: str


def public_set(audit: Audit, gate: GateResult) -> PublicSet | None:
    """Return the set that a built-in gate asked. A folder of the user's may hold anything, so only ``--slm-data=hub`` counts."""
    inputs = audit.settings.get("profile", {}).get("inputs", {})
    if inputs.get("data") != HUB or not gate.nodeid.startswith(PACKS) or gate.probe not in SETS:
        return None
    return PublicSet(*SETS[gate.probe].split(":"))
