"""The parts of an audit besides its findings and gates: estimates, checks, counts, lacks, waivers.

Each field's type holds what the published schema says of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from .fields import Count, Digest, HalfDigest, Level, Name, Share, about


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its two-sided interval at ``confidence`` and the method that made it.

    ``n`` counts source items; ``needed`` is how many would make the interval 20 points wide by the same method, if it is wider.
    """

    value: float
    lower: float
    upper: float
    n: Annotated[Count, about("Source items.")]
    method: Annotated[str, about("How the interval was made.")]
    confidence: Level = 0.95
    needed: Annotated[Count | None, about("Source items that would make a wider interval 20 points wide.")] = None


@dataclass(frozen=True, slots=True, order=True)
class Answers:
    """The answers that something is based on. A reader who has the store can check them.

    ``root`` is their Merkle root (see :mod:`~pytest_slmtrust.audit.merkle`); ``short`` holds, for each answer in the order of
    asking, the first 16 hexadecimal digits of the digests of its key and of its text. Both digests are HMAC-SHA-256 with a salt
    that the store keeps.
    """

    root: Annotated[Digest, about("Merkle root over the digests of the answers' keys and texts, which are salted by the store.")]
    short: Annotated[
        tuple[HalfDigest, ...], about("Of each answer 16 digits of the digest of its key and 16 of the digest of its text.")
    ]


@dataclass(frozen=True, slots=True)
class ControlCheck:
    """How many scripted controls there were, and those that did not come out as labelled."""

    total: Annotated[Count, about("How many there were.")]
    wrong: Annotated[tuple[str, ...], about("Those that did not come out as labelled.")] = ()


@dataclass(frozen=True, slots=True)
class FloorCheck:
    """The competence floor: rows passed, the exact lower bound of that rate, and what it must reach."""

    claim: Annotated[str, about("The task of these rows.")]
    passed: Annotated[Count, about("Rows passed.")]
    total: Annotated[Count, about("Rows asked.")]
    lower: Annotated[Share, about("Exact one-sided lower bound of the pass rate.")]
    at_least: Annotated[Share, about("The lower bound must reach this.")]

    @property
    def met(self) -> bool:
        return self.lower >= self.at_least


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One group's share of failing (or mean of measured) source items."""

    group: Annotated[str, about("Name of the group.")]
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that a probe gives in addition to its rate or mean score, of all rows or of one ``group``, in its own unit."""

    name: Annotated[str, about("What it is.")]
    estimate: Estimate
    group: Annotated[str, about("Name of the group; empty for all rows.")] = ""


@dataclass(frozen=True, slots=True)
class DetectorCheck:
    """Counts of the detector behind a gate on labelled texts: ``tp`` and ``fn`` are texts that should fail, flagged and missed,
    ``tn`` and ``fp`` texts that should pass, let through and flagged. ``good``: it may carry a gate that blocks at its tolerance.
    ``single``: it judges one text for each source item. ``labelled``: counted in this run, on the probe's own labelled cases.
    ``outside``: others than the authors of its rules wrote and labelled the texts; without that it is never good.
    """

    name: str
    data: Annotated[str, about("The labelled texts.")]
    tp: Count
    fn: Count
    tn: Count
    fp: Count
    good: Annotated[bool, about("Good enough for a gate that blocks at this tolerance.")]
    single: Annotated[bool, about("It judges one text for each source item.")] = True
    labelled: Annotated[bool, about("Counted in this run, on the probe's own labelled cases.")] = False
    outside: Annotated[bool, about("The texts and labels are of others than the authors of the detector's rules.")] = True


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The least and the most of a failing rate as each part in turn is left out, and the part that moves it furthest."""

    least: Share
    most: Share
    part: Annotated[str, about("The part that moves it furthest.")]


class Lack(StrEnum):
    """Kinds of things without which a probe cannot be asked: a user's file, a public data set, a module, a kind of answer, or
    what a test of another tool needs."""

    INPUT = "input"
    DATA = "data"
    MODULE = "module"
    ANSWER = "answer"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a probe was not asked.

    ``names`` are options for an input, modules, or kinds of request; ``said`` is the error of a data set, the extra that holds a
    module, or the name of the model.
    """

    kind: Annotated[
        Lack, about("A user's file, a public data set, a module, a kind of answer, or what a test of another tool needs.")
    ]
    names: Annotated[tuple[str, ...], about("Options without --slm-, modules, or kinds of request.")] = ()
    said: Annotated[str, about("The data set's error, the extra that holds the modules, or the name of the model.")] = ""

    @property
    def promised_nothing(self) -> bool:
        """Whether only the user can give it, so that no gate was promised to block."""
        return self.kind in (Lack.INPUT, Lack.DATA)

    @property
    def reason(self) -> str:
        """One line for a reader."""
        names = ", ".join(self.names)
        if self.kind is Lack.INPUT:
            return f"needs {', '.join(f'--slm-{name}' for name in self.names)}"
        if self.kind is Lack.DATA:
            return f"needs a data set: {self.said}"
        if self.kind is Lack.TEST:
            return f"cannot be asked here: {self.said}"
        if self.kind is Lack.MODULE:
            return f"{names} is not installed: reinstall this package with its extra [{self.said}]"
        return f"{self.said} does not answer {names}"


@dataclass(frozen=True, slots=True)
class MetricReading:
    """What a probe's own metric said of the findings: its estimate, or in ``broken`` why there is none.

    ``note`` is for the reader; ``void`` says why the number decides nothing.
    """

    estimate: Estimate | None
    note: Annotated[str, about("For the reader.")] = ""
    void: Annotated[str, about("Why the number decides nothing.")] = ""
    broken: Annotated[str, about("Why there is no estimate.")] = ""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Items by what the target and its baseline did: ``worse`` failed with the target only, ``better`` with the baseline only."""

    both: Count
    worse: Count
    better: Count
    neither: Count


@dataclass(frozen=True, slots=True)
class PairedCheck:
    """Two models on the same items.

    ``judged`` counts the pairs that could be judged on both sides; ``worst`` all pairs with what could not be judged counted
    against the target, ``best`` for it. ``p_pass`` is the exact p-value of "worse by the margin or more" under ``worst``,
    ``p_fail`` that of "worse by at most the margin" under ``best``; ``mcnemar`` is two-sided over ``judged``. ``noise``: flips
    in each direction that the model showed against itself, if that was measured.
    """

    baseline: str
    judged: PairCounts
    worst: PairCounts
    best: PairCounts
    p_pass: Share
    p_fail: Share
    mcnemar: Share | None
    noise: Annotated[Count | None, about("Flips of the model against itself.")] = None
    exact: Annotated[bool, about("Whether the tests are exact, or their limit for many items.")] = True
    baseline_floor: FloorCheck | None = None
    baseline_controls: ControlCheck | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """A gate that was watched item by item in the ``order`` of their sources, and by which it is decided: ``planned`` source
    items, of which those in ``order`` were asked."""

    planned: Annotated[int, Meta(ge=1, le=100_000)]
    order: Annotated[tuple[str, ...], about("Source items asked, in order.")]


@dataclass(frozen=True, slots=True)
class Waiver:
    """Who takes a red gate upon themselves, why and until when (an ISO date). An ``expired`` one waives nothing."""

    probe: Name
    reason: Name
    owner: Name
    expires: Annotated[str, about("Date.")]
    expired: bool = False


@dataclass(frozen=True, slots=True)
class NotTested:
    """Something this audit did not test, and why."""

    what: Annotated[Name, about("What.")]
    dimension: Annotated[str, about("Its dimension, or empty.")]
    reason: Annotated[str, about("Why not.")]
