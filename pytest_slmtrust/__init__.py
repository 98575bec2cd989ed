"""Trust audits of small language models, as pytest cases with exact gates.

A probe asks requests and returns a verdict; see the README for one in ten lines.
"""

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
