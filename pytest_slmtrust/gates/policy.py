"""Policy: profiles and which gates block, read from ``profiles.toml``, and what a user's options make of them."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ..arguments import unknown
from ..audit.model import GateResult
from ..audit.nodeids import VERSUS, limit_name
from ..audit.sections import LimitFrom
from ..authoring.declarations import ProbeError, Profile
from ..authoring.probe import Probe
from .paired_gate import PairedGate
from .waivers import check_gate_names

if TYPE_CHECKING:
    from ..stats import Grouping


@dataclass(frozen=True, slots=True)
class Policy:
    """A profile with its gates. ``tolerances`` and ``margins`` are those that a user set, by probe name or by place and probe
    name (``probe_a.py::NAME``); None switches a gate off. What is asked of one probe is asked of the policy :meth:`at` it."""

    profile: Profile
    blocking: Mapping[str, Mapping[str, Any]]
    tolerances: Mapping[str, float | None] = field(default_factory=dict)
    margins: Mapping[str, float | None] = field(default_factory=dict)

    def at(self, place: str, probe: str) -> Policy:
        """Return the policy for one probe: what a user set for it has its name, whether it was named by its place or not."""
        held = [
            {probe: limits[name]} if (name := limit_name(limits, place, probe)) else {}
            for limits in (self.tolerances, self.margins)
        ]
        return replace(self, tolerances=held[0], margins=held[1])

    def tolerance(self, probe: Probe) -> float | None:
        """Return the tolerance of a probe's blocking gate; None for a probe that is only measured. A criterion that is
        declared as measured decides only where a user sets a limit."""
        return self.tolerances[probe.name] if probe.name in self.tolerances else self.declared(probe)[0]

    def declared(self, probe: Probe) -> tuple[float | None, LimitFrom]:
        """Return the tolerance that a probe has where no user sets one, and where it comes from."""
        if probe.criterion is not None:
            return None if probe.criterion.measured else probe.criterion.value, "probe"
        if probe.tolerance is not None:
            return probe.tolerance, "probe"
        if probe.packed and not probe.foreign and probe.name in self.blocking:
            own: float | None = self.blocking[probe.name].get("tolerance")
            return (own, "pack") if own is not None else (self.profile.tolerance, "profile")
        return None, "profile"

    def chosen(self, probe: Probe) -> bool:
        """Return whether a person set this tolerance, so that it is taken at its word."""
        return self.tolerances.get(probe.name) is not None or (probe.tolerance is not None and probe.name not in self.tolerances)

    def limit(self, probe: Probe) -> int | None:
        """Return how many source items are asked; None for a probe outside a pack, whose rows are all asked.

        A probe with a criterion of its own is asked as much as one that blocks, even if it is only measured: the interval of the
        worst of nine groups says nothing over 60 items.
        """
        if not probe.packed:
            return None
        measured = self.tolerance(probe) is None and probe.criterion is None
        return self.profile.items if measured else self.profile.blocking_items

    def fitted(self, probe: Probe) -> Probe:
        """Return the probe with as many rows of its floor as the profile asks."""
        floor = probe.floor
        return probe if floor is None else replace(probe, floor=replace(floor, rows=floor.rows[: self.profile.floor_items]))

    def versus(self, about: GateResult, n: int, grouping: Grouping | None = None, accepted: bool = False) -> PairedGate:
        """Return the gate against a baseline over ``n`` source items; ``about`` is a result of the probe's own gate, ``grouping``
        says how the items share parts, ``accepted`` that the baseline is a lock.

        Raises:
            ProbeError: a margin chosen by a person that the items cannot show.
        """
        margin = self.margins.get(about.probe, self.profile.margin)
        blank = PairedGate(about, n, None, "", grouping, accepted)
        if margin is None:
            return blank
        if not self.profile.decides:
            return replace(blank, note=f"profile {self.profile.name!r} asks too few items to conclude anything")
        gate = PairedGate.plan(about, n, margin, about.probe in self.margins, grouping, accepted)
        if gate.margin is None and n and about.probe in self.margins:
            raise ProbeError(f"gate '{about.probe}{VERSUS}': {gate.note}. Add rows, or choose a larger margin.")
        return gate

    def check(self, keys: Collection[str]) -> None:
        """Refuse a limit that fits no gate, or two. ``keys``: the gates by place and name.

        Raises:
            ProbeError: the first such limit, or two limits for one gate that name it differently.
        """
        names = {key.rpartition("::")[2] for key in keys}
        for limits in (self.tolerances, self.margins):
            for one in limits:
                plain = one.rpartition("::")[2]
                if one not in names and one not in keys:
                    raise ProbeError(unknown("gate", one, keys if plain != one else names))
                if plain != one and plain in limits:
                    raise ProbeError(f"--slm-gate: {plain!r} and {one!r} both set a limit of {plain}: name it in one way")
            check_gate_names("gate", limits, sorted(keys))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__ or "pytest_slmtrust").joinpath("profiles.toml").read_text(encoding="utf-8"))


def profile_names() -> list[str]:
    return list(_data()["profile"])


def load_policy(profile: str, gates: Iterable[str] = (), inputs: Mapping[str, str] | None = None) -> Policy:
    """Return the policy of a profile, with ``NAME=TOLERANCE``, ``NAME:vs=MARGIN`` or ``NAME=off`` from options, and a user's
    ``inputs``.

    Raises:
        ProbeError: an unknown profile, or a gate that is not written so.
    """
    if profile not in _data()["profile"]:
        raise ProbeError(unknown("profile", profile, profile_names()))
    tolerances, margins = limits_by_hand(gates)
    made = Profile(name=profile, inputs=inputs or {}, **_data()["profile"][profile])
    return Policy(made, _data()["gate"], tolerances, margins)


def limits_by_hand(gates: Iterable[str]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Return the tolerances and the margins of ``NAME=TOLERANCE``, ``NAME:vs=MARGIN`` or ``NAME=off``, by the name that is given.

    Raises:
        ProbeError: a gate that is not written so.
    """
    by_hand = dict(_gate(text) for text in gates)
    margins = {name.removesuffix(VERSUS): value for name, value in by_hand.items() if name.endswith(VERSUS)}
    return {name: value for name, value in by_hand.items() if not name.endswith(VERSUS)}, margins


def untested() -> list[dict[str, str]]:
    """Return what the built-in pack of this version has no probe for: dimension, what, reason."""
    rows: list[dict[str, str]] = _data()["untested"]
    return rows


def _gate(text: str) -> tuple[str, float | None]:
    name, separator, value = (part.strip() for part in text.rpartition("="))  # the name of a folder may have one
    problem = ProbeError(
        f"--slm-gate {text!r}: expected NAME=TOLERANCE with 0 < TOLERANCE < 1 (0.05 or 5%), NAME:vs=MARGIN, or NAME=off"
    )
    if not name or not separator:
        raise problem
    if value == "off":
        return name, None
    try:
        tolerance = float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError:
        raise problem from None
    if not 0 < tolerance < 1:
        raise problem
    return name, tolerance
