"""The bundles that a run is asked for, and the limits that they set to gates."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

from ..arguments import unknown
from ..audit.bundles import Bundle, bundles_of, read_bundles
from ..authoring.declarations import ProbeError
from ..redaction import scrub
from .policy import Policy
from .waivers import check_gate_names

#: Ends the name of a file of bundles.
FILE = ".toml"


@cache
def built_in() -> Mapping[str, Bundle]:
    """Return the bundles that come with this package, by name."""
    text = resources.files(__package__ or "pytest_slmtrust").joinpath("bundles.toml").read_text(encoding="utf-8")
    return {one.name: one for one in bundles_of(tomllib.loads(text))}


def named_bundles(given: Iterable[tuple[str, Path]]) -> tuple[Bundle, ...]:
    """Return the bundles of options: each a name, or a TOML file in its folder.

    Raises:
        ProbeError: an unknown name, or a name that two bundles have.
        AuditError: a file that cannot be used.
    """
    made: list[Bundle] = []
    for text, folder in given:
        if text.endswith(FILE):
            own = read_bundles(folder / text)
            taken = next((one.name for one in own if one.name in built_in()), None)
            if taken is not None:
                raise ProbeError(f"--slm-bundle {text}: {taken!r} is a bundle of this package; choose another name")
            made += map(_scrubbed, own)
        elif text in built_in():
            made.append(built_in()[text])
        else:
            raise ProbeError(f"{unknown('bundle', text[:80], built_in())} A file of your own ends with {FILE}.")
    twice = next((one.name for place, one in enumerate(made) if one.name in {o.name for o in made[:place]}), None)
    if twice is not None:
        raise ProbeError(f"--slm-bundle: {twice!r} is asked for twice")
    return tuple(made)


def _scrubbed(bundle: Bundle) -> Bundle:
    """Return a user's bundle with credentials taken out of what is only shown."""
    parts = tuple(replace(part, title=scrub(part.title)) for part in bundle.parts)
    return Bundle(scrub(bundle.name), scrub(bundle.claim), parts, scrub(bundle.source))


def check_parts(bundles: Sequence[Bundle], keys: Sequence[str]) -> None:
    """Refuse a bundle with a part that no gate of the run has, or two. ``keys``: the gates by place and name.

    Raises:
        ProbeError: the first such part.
    """
    for bundle in bundles:
        check_gate_names(f"part of bundle {bundle.name!r}", [part.probe for part in bundle.parts], keys)


def with_limits(policy: Policy, bundles: Sequence[Bundle], compared: bool) -> Policy:
    """Return the policy with the limits of the bundles, and with their margins where a run is ``compared`` with a baseline.

    Raises:
        ProbeError: another limit for the same gate, of another bundle or of ``--slm-gate``.
    """
    limits, margins = dict(policy.tolerances), dict(policy.margins)
    for bundle in bundles:
        for part in bundle.parts:
            for kind, value, known in (("limit", part.limit, limits), ("margin", part.margin if compared else None, margins)):
                if value is None:
                    continue
                name = same_gate(known, part.probe)
                if known.get(name, value) != value:
                    other = "off" if known[name] is None else f"{known[name]:g}"
                    held = f"bundle {bundle.name!r} holds {part.probe} to a {kind} of {value:g}"
                    raise ProbeError(f"{held}; another bundle or --slm-gate says {other}")
                known[name] = value
    return replace(policy, tolerances=limits, margins=margins)


def same_gate(limits: Collection[str], name: str) -> str:
    """Return the name that limits have already for the gate that a bundle names, or this name: one of two has no place, say."""
    plain = name.rpartition("::")[2]
    alike = [one for one in limits if one.rpartition("::")[2] == plain and (one == name or plain in (one, name))]
    return name if name in limits or not alike else alike[0]
