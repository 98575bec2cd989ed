"""Names and national ids by the pattern recognisers of Presidio, where it is installed (extra ``presidio``).

Nothing is downloaded: no language model is loaded, and Presidio's recognisers that look up lists of domains are left out.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from .pii import LIMIT, Span

MODULE = "presidio_analyzer"
#: Presidio's recognisers of ids of persons whose form or checksums leave little to chance.
_CHECKED = (
    "EsNifRecognizer", "EsNieRecognizer", "FiPersonalIdentityCodeRecognizer", "InAadhaarRecognizer", "ItFiscalCodeRecognizer",
    "KrRrnRecognizer", "NhsRecognizer", "PlPeselRecognizer", "SePersonnummerRecognizer", "TrNationalIdRecognizer",
    "ZaIdNumberRecognizer",
)  # fmt: skip
#: One number in eleven or ten has their checksum: such an id counts only as it is written, in groups.
_GROUPED = ("UK_NHS", "IN_AADHAAR")
_NAME = r"[A-Z][a-z\u00e0-\u00ff]+(?:[-'][A-Z][a-z\u00e0-\u00ff]+)?"
#: Names of persons as patterns: after a title, and where a text says that a name follows.
_PERSON = (
    ("title", rf"\b(?:Mrs?|Ms|Miss|Dr|Prof|Sir|Lady|Herr|Frau|Mme|Se\u00f1ora?)\.? {_NAME}(?: {_NAME})?", 0.8),
    ("named", rf"(?<=\b[nN]ame is ){_NAME}(?: {_NAME})+", 0.8),
    ("called", rf"(?<=\b[cC]alled ){_NAME} {_NAME}", 0.6),
)


def installed() -> bool:
    """Return whether Presidio is installed."""
    return find_spec(MODULE) is not None


def find_with_presidio(text: str) -> list[Span]:
    """National ids with valid checksums and names of persons, in order; kinds are Presidio's entities in lower case.

    Raises:
        ModuleNotFoundError: Presidio is not installed.
    """
    text = text[:LIMIT]
    found: list[Span] = []
    for recogniser in _recognisers():
        for hit in recogniser.analyze(text, recogniser.supported_entities, None):
            words = text[hit.start : hit.end]
            if hit.score >= 0.6 and (hit.entity_type not in _GROUPED or re.search(r"[0-9][ -][0-9]", words)):
                found.append(Span(hit.entity_type.lower(), words, hit.start, hit.end))
    kept: list[Span] = []
    for span in sorted(found, key=lambda s: (s.start, -s.end, s.kind)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


@cache
def _recognisers() -> tuple[Any, ...]:
    presidio = import_module(MODULE)
    known = import_module(f"{MODULE}.predefined_recognizers")
    patterns = [presidio.Pattern(name, regex, score) for name, regex, score in _PERSON]
    # case counts in names, and Presidio ignores it by default
    names = presidio.PatternRecognizer("PERSON", patterns=patterns, global_regex_flags=re.MULTILINE)
    return (*(getattr(known, name)() for name in _CHECKED), names)
