"""Trust audits of small language models, as pytest cases with exact gates.

A probe asks requests and returns a verdict; see the README for one in ten lines.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audit.dimension import Dimension
    from .audit.model import Estimate, Finding, Measure
    from .authoring.bars import Bar
    from .authoring.datafiles import DataFile, from_csv, from_json
    from .authoring.declarations import Control, Criterion, Floor, Judge, ProbeError, Profile, Reading, Row, Verdict
    from .authoring.labels import label_probe
    from .authoring.probe import Case, Probe, probe
    from .authoring.properties import holds_under
    from .requests import (
        Backend,
        BackendError,
        Classify,
        Completion,
        Edit,
        Edits,
        Failure,
        Generate,
        Labels,
        Loglikelihood,
        Logprob,
        Message,
        Perturb,
        Prompt,
        Request,
        RequestFailed,
        Steps,
        ThoughtUnfinished,
        TokenLogprob,
        ask,
        ask_all,
        chat,
    )

__version__ = "0.1.0"

__all__ = [
    "Backend", "BackendError", "Bar", "Case", "Classify", "Completion", "Control", "Criterion", "DataFile", "Dimension", "Edit",
    "Edits", "Estimate", "Failure", "Finding", "Floor", "Generate", "Judge", "Labels", "Loglikelihood", "Logprob", "Measure",
    "Message", "Perturb", "Probe", "ProbeError", "Profile", "Prompt", "Reading", "Request", "RequestFailed", "Row", "Steps",
    "ThoughtUnfinished", "TokenLogprob", "Verdict", "ask", "ask_all", "chat", "from_csv", "from_json", "holds_under",
    "label_probe", "probe",
]  # fmt: skip

#: Where the public names are from. Every run of pytest imports this package, to find its plugin, and most need none of them.
_HOMES = (
    "audit.dimension", "audit.model", "authoring.bars", "authoring.datafiles", "authoring.declarations", "authoring.labels",
    "authoring.probe", "authoring.properties", "requests",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the public names as the first of them is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for home in _HOMES:
        found = vars(import_module(f".{home}", __name__))
        globals().update((public, found[public]) for public in __all__ if public in found)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
