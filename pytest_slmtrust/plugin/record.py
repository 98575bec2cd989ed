"""The record of a run: an INCOMPLETE audit from its first second, replaced as the run ends."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import pytest

from ..archive.files import PageError, begin_reports, write_reports
from ..audit.bundle_verdict import with_bundles
from ..audit.bundles import Bundle
from ..audit.clauses import Framework
from ..audit.envelope import Envelope
from ..audit.model import Audit, Waiver
from ..audit.notes import of_untested
from ..audit.sections import ProfileSettings, RunSettings
from ..audit.verdict import audit_is_red, only_undecided, untested_of
from ..escaping import visible
from ..gates.policy import Policy
from ..outputs import OutputError
from ..redaction import Mask
from ..session.assemble import Collected, assemble
from .commandline import LOOKS
from .options import Settings
from .values import model_spec, read_settings

_BEGUN = "it was stopped, or is still running"


class Record:
    """What a run leaves behind, and why its exit status may be red although pytest's is 0.

    A process that is killed, or that ends without us (``os._exit``), leaves the INCOMPLETE audit of :meth:`begin`, never the
    report of an earlier run.
    """

    def __init__(self, config: pytest.Config, settings: Settings, mask: Mask) -> None:
        self.config, self.settings, self.mask = config, settings, mask
        self.folder: Path = config.invocation_params.dir / settings.report
        self.collected = Collected()
        self.bundles: Sequence[Bundle] = ()
        self.uncollected: list[str] = []
        self.audit: Audit | None = None
        self.unwritten = ""
        self.unusable = ""  # why the folder is none that a report may be written to
        self.part = ""  # what a run asked that was for one part of the work, once it has
        self.green = False

    @staticmethod
    def wanted(config: pytest.Config, settings: Settings) -> bool:
        """Return whether this process runs an audit and writes its report."""
        looks = settings.plan or any(config.getoption(name, False) for name in LOOKS)
        return not looks and not hasattr(config, "workerinput")

    def begin(self) -> None:
        """Replace the report of an earlier run by an INCOMPLETE audit; another tool's files stay, and the folder is unusable."""
        self._write(begin_reports, self.assembled(_BEGUN))
        if not self.folder.is_dir():
            self.unusable = self.unwritten

    def refuse(self, why: str) -> None:
        """Say in the report why the run ended before it began."""
        self._write(write_reports, self.assembled(why))

    def finish(self, audit: Audit, waivers: Iterable[Waiver] = ()) -> bool:
        """Write the audit of a run that ended; whether it makes the exit status red."""
        missing = [] if audit.incomplete else untested_of(audit.deciding, audit.required)
        if missing:
            audit = replace(audit, notes=(*audit.notes, *of_untested(missing)))
        self.audit = audit
        self._write(write_reports, audit)
        red = audit_is_red(audit) and not (self.settings.inconclusive == "xfail" and only_undecided(audit))
        self.green = not (red or missing or self.unwritten or any(w.expired for w in waivers))
        return not self.green

    def assembled(
        self, incomplete: str, policy: Policy | None = None, notes: Sequence[str] = (),
        untested: Iterable[Mapping[str, str]] = (), waivers: Sequence[Waiver] = (), clauses: Sequence[Framework] = (),
        unmeasured: Envelope | None = None,
    ) -> Audit:  # fmt: skip
        """Return the audit of what was collected. ``incomplete``: why the run did not reach its end."""
        why = visible(self.mask.text(incomplete), one_line=True)
        settings = self._settings(policy)
        if clauses:
            settings["clauses"] = tuple(clauses)
        audit = assemble(self.collected, settings, notes, untested, waivers, why, unmeasured)
        audit = with_bundles(audit, self.bundles) if self.bundles else audit
        return audit if audit.model else replace(audit, model={"name": self.mask.spec(model_spec(self.config))})

    def _write(self, write: Callable[[Audit, Path], None], audit: Audit) -> None:
        try:
            write(audit, self.folder)
            self.unwritten = ""
        except PageError as error:
            self.unwritten = f"{error}"
        except OutputError as error:
            self.unwritten = self.unusable = f"{error}"
        except (OSError, ValueError, TypeError) as error:
            self.unwritten = f"the report could not be written: {error}"

    def _settings(self, policy: Policy | None) -> RunSettings:
        mask = self.mask
        options = self.settings.values
        about, limits = ProfileSettings(name=self.settings.profile), RunSettings()
        if policy is not None:
            profile = policy.profile
            limits = {"tolerances": dict(policy.tolerances), "margins": dict(policy.margins)}
            about = cast(ProfileSettings, asdict(replace(profile, inputs={k: mask.text(v) for k, v in profile.inputs.items()})))
        return {
            "options": {k: mask.spec(str(v)) for k, v in options.items()},
            "profile": about,
            "packs": list(self.settings.packs),
            "dimensions": list(self.settings.dimensions),
            "required": list(self.settings.require),
            **({"part": self.part} if self.part else {}),
            **limits,
            "arguments": [mask.spec(str(a)) for a in self.config.invocation_params.args],
        }


def refuse(config: pytest.Config, why: str) -> None:
    """Take away the report of an earlier run where the options of this one are refused before there is an audit."""
    settings = read_settings(config)
    record = Record(config, settings, Mask(secrets.token_bytes(16)))
    if settings.report.strip() and record.folder.exists() and Record.wanted(config, settings):
        record.begin()
        record.refuse(why)
