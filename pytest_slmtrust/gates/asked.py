"""What must be the same on both sides of a comparison: the cases, and how they were put and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..audit.model import Audit
from ..audit.nodeids import gate_key
from ..escaping import visible


@dataclass(frozen=True, slots=True)
class Asked:
    """What must be the same on both sides of a comparison: the cases by gate, and how they were put and judged, each under
    the name that a reader sees."""

    rows: Mapping[str, str]
    how: Mapping[str, Any]

    @classmethod
    def of(cls, audit: Audit) -> Asked:
        settings, versions = audit.settings, audit.provenance.get("versions", {})
        rows, profile = settings.get("rows_sha256", {}), settings.get("profile", {})
        return cls.made(rows, profile, audit.model, audit.scorers, versions.get("pytest-slmtrust"))

    @classmethod
    def made(
        cls, rows: Mapping[str, str], profile: Mapping[str, Any], model: Mapping[str, Any],
        scorers: Sequence[Mapping[str, Any]], version: str | None,
    ) -> Asked:  # fmt: skip
        """From their parts, as an audit holds them."""
        how = {
            "draws a prompt": profile.get("samples"),
            "thinking": model.get("thinking", "auto"),
            "template": [model.get("chat_template"), model.get("template_sha256")],
            "scorers": sorted(str(s.get("fingerprint") or s.get("name")) for s in scorers),
            "version of pytest-slmtrust": version,
        }
        return cls({gate_key(k): v for k, v in rows.items()}, how)


def differences(target: Asked, baseline: Asked, partly: bool = False) -> list[str]:
    """Say why two models' answers cannot be compared, one line each; empty if they can. ``partly``: cases that only one side has
    are no reason."""
    found = []
    for key in sorted({*target.rows, *baseline.rows}):
        both, name = key in target.rows and key in baseline.rows, visible(key, one_line=True)
        if both and target.rows[key] != baseline.rows[key]:
            found.append(f"cases: {name} asks other cases, or asks or judges them otherwise")
        elif not both and not partly:
            found.append(f"cases: {name} is in one of them only")
    return found + [f"{what}: {one} here, {two} in the baseline" for what, one, two in other_ways(target, baseline)]


def other_ways(target: Asked, baseline: Asked) -> list[tuple[str, str, str]]:
    """Return in what way all cases were put or judged otherwise: what it is, and how it was on each side."""
    found = []
    for what, value in target.how.items():
        if value != baseline.how[what]:
            one, other = apart(value, baseline.how[what])
            found.append((what, _short(one), _short(other)))
    return found


def apart(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two values that differ; of two lists what the other one has not: a long list hides the entry that differs."""
    if not isinstance(one, list) or not isinstance(other, list):
        return one, other
    return [each for each in one if each not in other], [each for each in other if each not in one]


def _short(value: Any) -> str:
    text = visible((", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value), one_line=True)
    return text if len(text) <= 120 else f"{text[:119]}…"
