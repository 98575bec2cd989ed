"""Policy: profiles and which gates block, read from ``profiles.toml``, and what a user's options make of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from .probe import Probe, ProbeError, Profile, unknown


@dataclass(frozen=True, slots=True)
class Policy:
    """A profile with its gates. ``tolerances`` are those that a user set, by probe name; None switches a gate off."""

    profile: Profile
    blocking: Mapping[str, Mapping[str, Any]]
    tolerances: Mapping[str, float | None] = field(default_factory=dict)

    def tolerance(self, probe: Probe) -> float | None:
        """The tolerance of a probe's blocking gate; None for a probe that is only measured."""
        if probe.name in self.tolerances:
            return self.tolerances[probe.name]
        if probe.tolerance is not None:
            return probe.tolerance
        if probe.builtin and probe.name in self.blocking:
            own: float | None = self.blocking[probe.name].get("tolerance")
            return own if own is not None else self.profile.tolerance
        return None

    def chosen(self, probe: Probe) -> bool:
        """Whether a person set this tolerance, so that it is taken at its word."""
        return self.tolerances.get(probe.name) is not None or (probe.tolerance is not None and probe.name not in self.tolerances)

    def limit(self, probe: Probe) -> int | None:
        """How many source items are asked; None for a user's own probe, whose rows are all asked."""
        if not probe.builtin:
            return None
        return self.profile.items if self.tolerance(probe) is None else self.profile.blocking_items

    def check(self, probes: Iterable[Probe]) -> None:
        """Raises:
        ProbeError: a tolerance for a gate that no probe has.
        """
        names = {p.name for p in probes}
        for name in self.tolerances:
            if name not in names:
                raise ProbeError(unknown("gate", name, names))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__ or "pytest_slmtrust").joinpath("profiles.toml").read_text(encoding="utf-8"))


def profile_names() -> list[str]:
    return list(_data()["profile"])


def load_policy(profile: str, gates: Iterable[str] = ()) -> Policy:
    """The policy of a profile, with ``NAME=TOLERANCE`` or ``NAME=off`` from options.

    Raises:
        ProbeError: an unknown profile, or a gate that is not written so.
    """
    if profile not in _data()["profile"]:
        raise ProbeError(unknown("profile", profile, profile_names()))
    tolerances = dict(_gate(text) for text in gates)
    return Policy(Profile(name=profile, **_data()["profile"][profile]), _data()["gate"], tolerances)


def untested() -> list[dict[str, str]]:
    """What the built-in pack of this version has no probe for: dimension, what, reason."""
    rows: list[dict[str, str]] = _data()["untested"]
    return rows


def _gate(text: str) -> tuple[str, float | None]:
    name, separator, value = (part.strip() for part in text.partition("="))
    problem = ProbeError(f"--slm-gate {text!r}: expected NAME=TOLERANCE with 0 < TOLERANCE < 1 (0.05 or 5%), or NAME=off")
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
