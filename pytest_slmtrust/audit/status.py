"""What a gate, a dimension or an audit says, and what the verdict must know of each thing that decides."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Status(StrEnum):
    """What a gate, a dimension or the audit says."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    UNEARNED = "UNEARNED"
    INVALID = "INVALID"
    NOT_TESTED = "NOT TESTED"
    NOT_DECIDABLE = "NOT DECIDABLE"
    NOT_RUN = "NOT RUN"
    MEASURED = "MEASURED"
    WAIVED = "WAIVED"
    PARTIAL = "PARTIAL"
    INCOMPLETE = "INCOMPLETE"


class Decides(Protocol):
    """A gate, or a limit of the envelope, as the verdict sees it."""

    @property
    def name(self) -> str: ...

    @property
    def status(self) -> Status: ...

    @property
    def dimension(self) -> str: ...

    @property
    def blocking(self) -> bool: ...

    @property
    def waived(self) -> bool: ...

    @property
    def excuse(self) -> str: ...

    @property
    def advisory(self) -> str: ...

    @property
    def promised_nothing(self) -> bool: ...
