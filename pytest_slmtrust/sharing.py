"""What leaves this machine: personal data masked, credentials taken out, in every finding that a report may show."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .audit import Finding

# Vendor-specific prefixes of keys, bearer tokens, and passwords in URLs.
_CREDENTIALS = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{16,}|ghp_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16})"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/-]{12,}|(?<=://)[^\s/@:]{1,64}:[^\s/@]{1,128}(?=@)"
)


def scrub(text: str) -> str:
    """Credentials replaced by ``[credential]``."""
    return _CREDENTIALS.sub("[credential]", text)


@dataclass(frozen=True, slots=True)
class Mask:
    """Masks personal data with a key that is thrown away after the run, so that equal data is seen to be equal and no more.

    ``reveal`` leaves personal data as it is; credentials are taken out all the same.
    """

    key: bytes
    reveal: bool = False

    def text(self, text: str) -> str:
        if self.reveal:
            return scrub(text)
        from .detectors import mask_personal_data

        return mask_personal_data(scrub(text), self.key)

    def value(self, value: Any) -> Any:
        """The same for every text inside evidence; what JSON has no form for becomes text."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(k)): self.value(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(v) for v in value]
        if value is None or isinstance(value, bool):
            return value
        shown = self.text(str(value))  # a card number may be a whole number
        plain = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        return value if plain and shown == str(value) else shown

    def finding(self, found: Finding) -> Finding:
        group = None if found.group is None else self.text(found.group)
        return replace(found, group=group, reason=self.text(found.reason), evidence=self.value(found.evidence))
