"""Markdown for a step summary or a comment on a pull request: the verdict and the top of the table, in GitHub's dialect.

Text of others is written in character references, inside ``<code>`` where GitHub would make a mention or a link of it.
"""

from __future__ import annotations

import html
import re

from ..audit.model import Status
from ..audit.quantities import quantity_of
from ..audit.verdict import SEVERITY
from .source import Row, Source, Standing

#: A step summary may hold 1 MiB, a comment 65,536 characters.
_LARGEST, _ROWS, _CELL = 60_000, 25, 300
_ORDER = (Standing.RED, Standing.WAIVED, Standing.PASSED, Standing.ADVISORY, Standing.MEASURED, Standing.ABSENT)
#: Everything but what no reader of Markdown takes for a mark: letters, digits, blanks, some signs, one inside a word or number. A
#: point is one where it ends the number of a list or follows "www", a colon where no blank follows (an address, an emoji).
_SPECIAL = re.compile(r"(?<![a-zA-Z0-9])[_-]|[_-](?![a-zA-Z0-9])|(?<=www)\.|:(?=\S)|[^\w ,;:%'()?.-]", re.ASCII | re.IGNORECASE)
_LIST = re.compile(r"\A(\s*\d{1,9})([.)])", re.ASCII)


def write(source: Source) -> str:
    """Return the summary."""
    head, rows = source.head, sorted(source.rows, key=_rank)
    decided = [row for row in rows if row.standing in (Standing.RED, Standing.WAIVED, Standing.PASSED)]
    advisory = [row for row in rows if row.standing is Standing.ADVISORY and row.gate.status is not Status.PASS]
    shown = [*decided, *advisory][:_ROWS]
    lines = [f"## slmtrust: {source.title}", "", plain(head["sentence"]), "", f"Model: {code(head['model'])}"]
    lines += ["", "> " + plain(head["incomplete"])] if head["incomplete"] else []
    lines += [f"> {plain(note)}  " for note in head["notes"][:5]]
    if shown:
        lines += ["", "| status | gate | items | failed | at least | at most | allowed | |", "|-|-|-:|-:|-:|-:|-:|-|"]
        lines += map(_line, shown)
    rest = [row for row in rows if row not in shown]
    lines += ["", f"Not in the table: {_counted(rest)}."] if rest else []
    lines += ["", f"<sub>pytest-slmtrust {plain(source.version)}, profile {plain(head['profile'])}, "
              f"audit.json sha256 {source.digest}</sub>", ""]  # fmt: skip
    made = "\n".join(lines)
    return made if len(made) <= _LARGEST else made[: made.rindex("\n", 0, _LARGEST)] + "\n\n(cut)\n"


def _rank(row: Row) -> tuple[int, int]:
    status = row.gate.status
    return _ORDER.index(row.standing), SEVERITY.index(status) if status in SEVERITY else len(SEVERITY)


def _line(row: Row) -> str:
    gate = row.gate
    shown = row.shown
    share = shown is not None and shown.unit == "share"
    ends = (_number(shown.lower, share), _number(shown.upper, share)) if shown else ("", "")
    limit = f"{plain(row.facts['side'])} {_number(gate.tolerance, quantity_of(gate).share)}" if gate.tolerance is not None else ""
    cells = (
        f"**{gate.status}**", code(row.name), str(gate.items), str(gate.failures), *ends,
        limit, plain(row.note),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, share: bool) -> str:
    if value is None:
        return ""
    return f"{value:.2%}" if share else f"{value:.4g}"


def _counted(rows: list[Row]) -> str:
    found: dict[str, int] = {}
    for row in rows:
        aside = " (advisory)" if row.standing is Standing.ADVISORY else ""
        found[f"{row.gate.status}{aside}"] = found.get(f"{row.gate.status}{aside}", 0) + 1
    return ", ".join(f"{count} {status}" for status, count in found.items())


def plain(words: str) -> str:
    """Return text that no reader of Markdown or HTML takes for anything else; a comment parts what GitHub would link."""
    cut = words if len(words) <= _CELL else f"{words[:_CELL]}…"
    return _LIST.sub(lambda found: f"{found[1]}&#{ord(found[2])};", _SPECIAL.sub(_reference, cut))


def code(words: str) -> str:
    """Return a name in the type of code, where GitHub makes no mention of it."""
    return f"<code>{plain(words)}</code>"


def _reference(found: re.Match[str]) -> str:
    letter = found.group()
    if ord(letter) > 0x7F:
        return html.escape(letter)
    return f"&#{ord(letter)};" + ("<!-- -->" if letter in "@#:" else "")
