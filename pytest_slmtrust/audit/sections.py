"""Sections of an audit that are read by name: the run's settings, and where and when it ran."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, TypedDict

from .bundles import BundleResult
from .clauses import Framework
from .envelope import Envelope
from .fields import Level, about

#: Counters of requests, tokens, seconds and bytes.
Resources: TypeAlias = Mapping[str, int | float]


class ProfileSettings(TypedDict, total=False):
    """How much was asked. A run that was refused before it had a profile knows its name only."""

    name: str
    items: int
    blocking_items: int
    floor_items: int | None
    samples: int
    tolerance: float
    alpha: Level
    decides: bool
    margin: Level
    inputs: Annotated[Mapping[str, str], about("Files and folders that the user gave, by the name of their option.")]


class InTime(TypedDict):
    """How many of its source items a gate asked before a budget of time was spent."""

    asked: int
    planned: int


class TaskBar(TypedDict):
    """A bar that a user registered before the run, and whether an earlier result was held to another one."""

    registered: Annotated[str, about("The day on which it was decided.")]
    accuracy: float | None
    macro_f1: float | None
    latency_p95: Annotated[str, about("A time such as 2000ms; empty: none.")]
    sha256: Annotated[str, about("Digest of the four.")]
    changed: Annotated[str, about("The bar that an earlier result was held to, if it was another one.")]


#: Where a limit was set: by the user of a run, in the declaration of its probe, in the table of the pack's gates, or nowhere but
#: in the profile.
LimitFrom: TypeAlias = Literal["command line", "ini file", "bundle", "probe", "pack", "profile"]
BY_HAND: tuple[LimitFrom, ...] = ("command line", "ini file", "bundle")


class RunSettings(TypedDict, total=False):
    """What a run was asked for, by its options and by its packs."""

    options: Annotated[Mapping[str, str], about("Options by name, as text.")]
    arguments: Annotated[list[str], about("The command line.")]
    profile: ProfileSettings
    packs: list[str]
    dimensions: Annotated[list[str], about("The only dimensions that were asked for; empty: all.")]
    required: Annotated[list[str], about("Dimensions that must be tested.")]
    tolerances: Annotated[Mapping[str, float | None], about("Limits that the user set, by probe; null: measured only.")]
    margins: Annotated[Mapping[str, float | None], about("Margins that the user set, by probe; null: measured only.")]
    limits_from: Annotated[Mapping[str, LimitFrom], about("Where the limit of each gate was set.")]
    rows_sha256: Annotated[Mapping[str, str], about("Identity of what each gate asks and how it is judged.")]
    clauses: Annotated[tuple[Framework, ...], about("A reviewer's own map of clauses, beside the built-in one.")]
    asked: Annotated[Mapping[str, Mapping[str, str]], about("Identity of what each row asks, by gate and case.")]
    judged: Annotated[Mapping[str, str], about("Identity of how each probe judges, by gate.")]
    unasked: Annotated[Mapping[str, InTime], about("Gates whose items were not all asked in time (--slm-budget).")]
    expected: Annotated[list[str], about("Rows of probes without a limit that a marker expects to fail (xfail), by node id.")]
    part: Annotated[str, about("The part of the work that the run was for (--slm-shard, --slm-batch); empty or absent: all.")]
    bars: Annotated[Mapping[str, TaskBar], about("Registered bars, by gate.")]
    bars_gone: Annotated[Mapping[str, str], about("Bars that held before and that no gate has any more, by place and name.")]
    bundles: Annotated[tuple[BundleResult, ...], about("Gates that are read together (--slm-bundle).")]
    envelope: Annotated[Envelope, about("What the model took of the machine, and the limits to it (--slm-limit).")]
    margin: Annotated[float | None, about("In a comparison of two audits: the margin for all gates, if one was set.")]


class Spent(TypedDict):
    """What one probe cost in this run; a request that several probes ask is counted once, for the first of them."""

    dimension: str
    probe: Annotated[str, about("Its name; empty for what a test of the user asked.")]
    asked: Annotated[int, about("Requests that were answered in this run.")]
    stored: Annotated[int, about("Requests whose answer was in the store.")]
    read: Annotated[int, about("Tokens that the model read for it, shared beginnings once; 0 where the backend counts none.")]
    written: Annotated[int, about("Tokens of the replies, thoughts included.")]
    seconds: Annotated[float, about("Its part of the time of answering.")]


class Catalogue(TypedDict):
    """A tool whose tests were asked (``--slm-tasks``)."""

    name: str
    version: str
    licence: str
    tests: Annotated[list[str], about("Its tests, by the names of their probes.")]


class AskedBy(TypedDict):
    """The tool that asked and judged what an imported audit holds, and the file that it was read from."""

    tool: str
    version: str
    file: str
    sha256: str
    started: Annotated[str, about("When that tool began, as its file says.")]


class Provenance(TypedDict, total=False):
    """Where, when and with which versions a run was made."""

    started: str
    ended: str
    python: str
    platform: str
    versions: Annotated[Mapping[str, str], about("Versions of this package and of those that it rests on.")]
    commit: str
    seeds: str
    probes_sha256: Annotated[str, about("Identity of the built-in probes' files, profiles and detectors.")]
    spent: Annotated[list[Spent], about("Tokens and seconds by probe, the dearest first.")]
    catalogues: Annotated[list[Catalogue], about("Tools whose tests were asked, with version and licence.")]
    asked_by: Annotated[AskedBy, about("Of an imported audit: who asked. It was not asked by this tool.")]
