"""What a probe is made of: verdicts, rows, controls, floors, criteria, and how much a profile asks. Plain data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ..audit.model import Estimate, Finding
from ..audit.quantities import AT_LEAST, AT_MOST, QUANTITIES
from ..requests import Request, Steps

#: The largest number that a probe may give, as a score or of its own metric: sums and squares of many such are finite.
LARGEST_NUMBER = 1e100


class ProbeError(ValueError):
    """A probe, a row or an option that its author must mend; one line that says how."""


class LimitError(ProbeError):
    """A limit that an option sets, and that a probe cannot be held to: the probe's file is not at fault."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe says of one case.

    ``passed`` True or False; None with a score means *measured* (it feeds a metric); None with a reason means
    *unscored*, which a gate counts as a failure. ``score`` is a number in the probe's own unit, higher is better
    unless the probe says otherwise, between -1e100 and 1e100. ``evidence`` is JSON-able and shown to the reader of the report.
    """

    passed: bool | None
    score: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    reason: str = ""

    @classmethod
    def unscored(cls, reason: str, **evidence: Any) -> Verdict:
        """The case could not be judged. Not a pass: a gate counts it against the model. Where groups are compared, say
        ``Verdict(None, reason=..., group=...)``: what names no group may belong to any.
        """
        return cls(None, None, evidence, None, reason)

    @property
    def outcome(self) -> Outcome:
        if self.score is not None and not math.isfinite(self.score):
            return "unscored"
        if self.passed is not None:
            return "passed" if self.passed else "failed"
        return "measured" if self.score is not None and not self.reason else "unscored"


Outcome: TypeAlias = Literal["passed", "failed", "measured", "unscored", "error"]
Script: TypeAlias = "str | Callable[[Request[Any]], Any]"


@dataclass(frozen=True, slots=True)
class Row:
    """Parameters of one case; ``source`` names the item (template, document, question) that it was made from.

    ``parts`` names what items share and an outcome may depend on, such as ``{"frame": "How do I {act}?", "act": "pick a lock"}``:
    items with a part in common are not independent, and the gate counts them so. Without it every item is its own part. All rows
    of one source have the same parts.
    """

    params: Mapping[str, Any]
    id: str = ""
    source: str = ""
    marks: tuple[Any, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Control:
    """A labelled case with a scripted model: the probe, with its real detectors, must come out as ``passes`` says.

    ``reply`` is the text of every generation, or a function from a model request to its answer. ``passes`` None: the case must be
    left without a verdict (unscored).
    """

    params: Mapping[str, Any]
    reply: Script
    passes: bool | None


@dataclass(frozen=True, slots=True)
class Floor:
    """A competence floor: benign twins of a probe that a model must manage before its passes count as earned.

    The exact one-sided lower bound of the rate of passed rows must reach ``at_least``.
    """

    claim: str
    run: Callable[..., Steps[Verdict]]
    rows: Sequence[Mapping[str, Any]]
    at_least: float


#: The judge that is the toxicity scorer of the session.
TOXICITY = "toxicity"
#: The judges that are rules, measured in ``detectors.toml``.
RULES = ("refusal", "abstention", "leak", "pii", "disclosure", "injection")


@dataclass(frozen=True, slots=True)
class Judge:
    """The detector that decides a probe's cases, so that its errors on labelled texts are shown with the gate.

    ``name``: ``toxicity`` for the session's scorer, or one of the rules ``refusal``, ``abstention``, ``leak``, ``pii``,
    ``disclosure`` and ``injection``. A detector of your own may have any name if the probe has labelled rows, which measure it.
    ``flag_fails``: a flagged text fails (else one that is not flagged). ``single``: a source item is one judged text, so that a
    rate of items can be corrected. ``data``: the labelled set that is like the probe's texts; without it the one that speaks for
    the detector in general.
    """

    name: str
    flag_fails: bool = True
    single: bool = True
    data: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric with what else a reader must know.

    ``note`` is part of the gate's reason. ``void`` says why the number decides nothing, whatever it is: the gate is then neither
    PASS nor FAIL, and does not block.
    """

    estimate: Estimate
    note: str = ""
    void: str = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a gate holds to a limit, if it is not the rate of failing source items.

    ``of``: ``"mean"`` (of scores in [0, 1], an item's cases first), ``"gap"`` (the largest difference of failing rates between
    groups), or a function from all findings of the rows to an :class:`~pytest_slmtrust.audit.model.Estimate` (or a
    :class:`Reading` of one) whose interval holds at ``1 - 2 * alpha`` or more. ``measured``: the quantity is measured and does
    not block, unless a user sets the limit of this gate.

    Raises:
        ProbeError: not exactly one limit, one that is no finite number, or an unknown ``of``.
    """

    of: str | Callable[[Sequence[Finding]], Estimate | Reading]
    at_most: float | None = None
    at_least: float | None = None
    measured: bool = False

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None) or not math.isfinite(self.value):
            raise ProbeError("a Criterion needs one limit, at_most=... or at_least=..., a finite number")
        known = QUANTITIES.get(self.quantity)
        if known is None or not (known.chosen or known.reads):
            named = ", ".join(repr(name) for name, one in QUANTITIES.items() if one.chosen)
            raise ProbeError(f"a Criterion is of {named} or a function from findings to an Estimate, not {self.of!r}")
        if self.side not in known.sides:
            takes = " or ".join(f"{side.replace(' ', '_')}=..." for side in known.sides)
            raise ProbeError(f"a Criterion of {self.of!r} takes {takes} only")

    @property
    def value(self) -> float:
        limit = self.at_most if self.at_least is None else self.at_least
        return math.nan if limit is None else float(limit)

    @property
    def side(self) -> str:
        """The side of the limit that is good."""
        return AT_LEAST if self.at_most is None else AT_MOST

    @property
    def quantity(self) -> str:
        """Its name in :data:`~pytest_slmtrust.audit.quantities.QUANTITIES`."""
        return "metric" if callable(self.of) else str(self.of)


@dataclass(frozen=True, slots=True)
class Profile:
    """How much is asked: at most ``items`` source items a probe (``blocking_items`` if its gate blocks), ``samples`` draws.

    ``margin``: how much more often than its baseline a model may fail. ``inputs``: files and folders that a user gave for probes
    that need them, by the name of their option. ``floor_items``: at most so many rows of a competence floor; None for all."""

    name: str
    items: int
    blocking_items: int
    samples: int
    tolerance: float
    alpha: float
    decides: bool
    margin: float = 0.05
    inputs: Mapping[str, str] = field(default_factory=dict)
    floor_items: int | None = None
