"""What every page is made with: templates, style, the words that are explained, and how a text reaches a page."""

from __future__ import annotations

import base64
import hashlib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from ..audit.quantities import made_by
from ..escaping import visible
from . import judges, numbers, view

if TYPE_CHECKING:
    from jinja2 import Environment

_PACKAGE = "pytest_slmtrust.reports"
#: Characters of any text in a page.
_TEXT = 4_000


@cache
def read(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


@cache
def glossary() -> tuple[Mapping[str, str], ...]:
    """Return the words that the report explains, by name."""
    words: list[dict[str, str]] = tomllib.loads(read("glossary.toml"))["word"]
    return tuple(sorted(words, key=lambda word: word["name"].casefold()))


@cache
def environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(_PACKAGE, package_path=""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_shown, keep_trailing_newline=True, optimized=False,
    )  # fmt: skip
    made.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False, "separators": (",", ":")}
    made.filters |= {"percent": numbers.percent, "number": numbers.number, "size": numbers.size, "points": numbers.points,
                     "method": made_by, "limit_name": view.limit_name, "limit_text": view.limit_text,
                     "breakable": _breakable, "measured": judges.table}  # fmt: skip
    made.tests["text"] = lambda value: isinstance(value, str)
    return made


def _shown(value: Any) -> Any:
    """Return every text that a template prints: cut, and without characters that act on the reader."""
    return visible(numbers.cut_text(value, _TEXT)) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _breakable(text: str) -> Any:
    """Return a name as the page prints any text, which may also be broken after an underscore."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in str(_shown(text)).split("_"))


def trusted(text: str) -> Any:
    """Our own style or script, word for word: the policy's hash is of these bytes; or base64, which has no markup."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 (a file of this package, or base64)


def csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
