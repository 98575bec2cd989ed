"""The report: one self-contained HTML page, rendered from an audit and from nothing else.

Text of a model is untrusted everywhere: it passes :func:`~pytest_slmtrust.escaping.visible`, then Jinja's escaping, or lies in
a JSON data island that the page's script reads with ``textContent`` only. The content security policy allows one style
and one script, by hash, and no request at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..audit.clauses import built_in
from ..audit.model import Audit, AuditError, Finding
from ..escaping import visible
from ..redaction import offensive
from . import view
from .clauses import clause_views
from .durations import spent
from .envelope import limit_rows, load_lines, noise_lines
from .frame import csp_hash, environment, glossary, read, trusted
from .front import file_digests, front_view, signing, started
from .numbers import cut_text
from .routes import route_rows
from .untested import by_reason

_ORDER = {outcome: rank for rank, outcome in enumerate(("failed", "error", "unscored", "measured", "passed"))}
#: Bytes of findings in the data island before it is packed and after, and in the static table: the file stays below 10 MB.
_ISLAND_BYTES, _PACKED_BYTES, _STATIC_BYTES = 16_000_000, 6_000_000, 300_000
#: Findings in the table that needs no script and is printed, and characters of each text there.
_STATIC_ROWS, _STATIC_TEXT = 200, 500
#: Options that change answers, with the values that need not be written.
_USUAL = {
    "packs": "builtin", "toxicity": "detoxify:unbiased", "dtype": "float32", "device": "auto", "chat-template": "auto",
    "engine": "fast", "thinking": "auto", "thought-tokens": "1024", "data": "", "members": "", "nonmembers": "", "canaries": "",
    "store": ".slmtrust",
}  # fmt: skip
#: Options without a value that a model may need to be loaded.
_FLAGS = ("allow-pickle", "allow-unused-weights")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one evidence is kept: characters of a text, entries of a list or mapping, levels."""

    text: int
    entries: int
    depth: int = 5


_LIMITS = (Limits(4_000, 60), Limits(1_000, 20), Limits(240, 8))


def render(audit: Audit, text: str = "", unchecked: str = "") -> str:
    """Return the whole page. The same audit gives the same bytes. ``text``: its JSON, where that is there already; ``unchecked``:
    what the reader must know that this version could not check.

    Raises:
        AuditError: the audit holds something that has no JSON form.
    """
    style, script = read("report.css"), read("report.js")
    dimensions = view.dimension_views(audit)
    gates = [gate for dimension in dimensions for gate in (*dimension.gates, *dimension.unasked)]
    findings = sorted(audit.findings, key=lambda f: (_ORDER.get(f.outcome, 9), f.nodeid))
    open_ones = [f for f in findings if f.outcome in ("failed", "error", "unscored")]
    island, cut, left_out = _island(findings)
    static = _static_rows(open_ones)
    return environment().get_template("report.html.j2").render(
        audit=audit, unchecked=unchecked, dimensions=dimensions, gates=gates, island=trusted(island), cut=cut, left_out=left_out,
        total=len(findings), front=front_view(audit, dimensions, started(audit)), words=glossary(),
        digests=file_digests(audit.model), converted=bool(audit.model.get("converted_files")),
        static=static, shown={row["anchor"] for row in static}, open_total=len(open_ones),
        untested=by_reason(audit.not_tested), signing=signing(audit),
        clauses=[(f, clause_views(f, gates)) for f in (*built_in(), *audit.settings.get("clauses", ()))],
        cards=view.resource_cards(audit.resources), spent=spent(audit), envelope=audit.envelope,
        routes=route_rows(audit),
        limit_rows=limit_rows(audit.envelope) if audit.envelope is not None else (),
        noise=noise_lines(audit.envelope) if audit.envelope is not None else (),
        load=load_lines(audit.envelope)[0] if audit.envelope is not None else "",
        digest=hashlib.sha256((text or _json(audit)).encode()).hexdigest(),
        command=_command(audit), whole_command=_whole_command(audit), model=_model_name(audit), started=started(audit),
        style=trusted(style), script=trusted(script), style_hash=csp_hash(style), script_hash=csp_hash(script),
    )  # fmt: skip


def _json(audit: Audit) -> str:
    try:
        return audit.to_json()
    except (TypeError, ValueError) as error:
        raise AuditError(f"the audit has no JSON form: {error}") from None


def _model_name(audit: Audit) -> str:
    return str(audit.model.get("name") or "unnamed model")


def _command(audit: Audit) -> str:
    """Return what runs cases of this audit again, up to the node id: a failing case is red, and shows what was said."""
    return shlex.join([*_words(audit), "--slm-strict"])


def _words(audit: Audit) -> list[str]:
    """Return the command line of a run that asks what this audit asked."""
    options = audit.settings.get("options")
    options = options if isinstance(options, Mapping) else {}
    model = options.get("model") or audit.model.get("spec") or _model_name(audit)
    words = ["pytest", f"--slm={model}", f"--slm-profile={audit.profile}"]
    words += [f"--slm-{name}={options[name]}" for name, usual in _USUAL.items() if options.get(name) not in (None, "", usual)]
    words += [f"--slm-{name}" for name in _FLAGS if options.get(name) == "True"]
    return words


def _whole_command(audit: Audit) -> str:
    """Return the command line of the run, where the audit has it."""
    arguments = audit.settings.get("arguments")
    return (
        shlex.join(["pytest", *map(str, arguments)])
        if isinstance(arguments, (list, tuple)) and arguments
        else shlex.join(_words(audit))
    )


#: JSON of a row, which is written once to weigh it and once to pack it.
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def _island(findings: Iterable[Finding]) -> tuple[str, int, dict[str, int]]:
    """Return the findings as packed rows, worst first, at how many characters texts were cut, and by outcome how many found no
    room.

    Texts are cut harder, step by step, until all findings fit; if that does not do, the last ones are left out: passed
    cases first, because they come last.
    """
    every = list(findings)
    for limits in _LIMITS:
        rows = _rows_that_fit(every, limits)
        packed = _packed(rows, limits)
        if len(rows) == len(every) and len(packed) <= _PACKED_BYTES:
            break
    while rows and len(packed) > _PACKED_BYTES:
        rows = rows[: len(rows) * 3 // 4]
        packed = _packed(rows, limits)
    left: dict[str, int] = {}
    for finding in every[len(rows) :]:
        left[finding.outcome] = left.get(finding.outcome, 0) + 1
    return packed, limits.text, left


def _packed(rows: list[list[Any]], limits: Limits) -> str:
    """Return rows as base64 of raw deflate of JSON, which the page's script unpacks: a tenth of the size, and no markup."""
    data = {"rows": rows, "cut": limits.text, "twins": view.TWINS}
    text = _compact(data)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return base64.b64encode(packer.compress(text.encode()) + packer.flush()).decode()


def _rows_that_fit(findings: Iterable[Finding], limits: Limits) -> list[list[Any]]:
    rows, used = [], 0
    for finding in findings:
        row = _row(finding, limits)
        used += _weight(row)
        if used > _ISLAND_BYTES:
            break
        rows.append(row)
    return rows


def _weight(data: Any) -> int:
    """Bytes of the data as JSON, where each character that HTML knows is written with six."""
    text = _compact(data)
    return len(text.encode()) + 5 * sum(map(text.count, "<>&'")) + 1


def _row(finding: Finding, limits: Limits) -> list[Any]:
    """In the order that report.js reads."""
    short = [finding.nodeid, finding.dimension, finding.probe, finding.case, finding.source, finding.outcome]
    texts = [visible(cut_text(text, limits.text)) for text in short]
    group = None if finding.group is None else visible(cut_text(finding.group, limits.text))
    reason = visible(cut_text(finding.reason, limits.text))
    evidence = _pruned(finding.evidence, limits)
    return [view.finding_anchor(finding), *texts, finding.score, group, reason, evidence, offensive(finding)]


def _pruned(value: Any, limits: Limits, depth: int = 0) -> Any:
    """JSON data with long texts cut, long lists and deep levels replaced by a note that says so, and every text visible."""
    if isinstance(value, str):
        return visible(cut_text(value, limits.text))
    if not isinstance(value, (Mapping, list, tuple)):
        return value if value is None or isinstance(value, (bool, int, float)) else visible(cut_text(str(value), limits.text))
    if depth >= limits.depth:
        return "… [deeper levels are in audit.json]"
    more = len(value) - limits.entries
    if isinstance(value, Mapping):
        kept = {visible(cut_text(str(k), 200)): _pruned(v, limits, depth + 1) for k, v in list(value.items())[: limits.entries]}
        return kept | ({"…": f"[{more} more entries are in audit.json]"} if more > 0 else {})
    items = [_pruned(v, limits, depth + 1) for v in value[: limits.entries]]
    return items + ([f"… [{more} more are in audit.json]"] if more > 0 else [])


def _static_rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    used = 0
    for finding in findings:
        row = _static(finding)
        used += _weight([row["changes"], row["rest"]])
        if len(rows) == _STATIC_ROWS or used > _STATIC_BYTES:
            break
        rows.append(row)
    return rows


def _static(finding: Finding) -> dict[str, Any]:
    """Return one row of the table that needs no script."""
    evidence = _pruned(finding.evidence, Limits(_STATIC_TEXT, 12, 3))
    pairs = view.pairs(evidence)
    changes = [(label, view.word_changes(text, evidence[twin])) for label, text, _, twin in pairs]
    paired = {key for _, _, *keys in pairs for key in keys}
    rest = {key: value for key, value in evidence.items() if key not in paired}
    return {"finding": finding, "anchor": view.finding_anchor(finding), "changes": changes, "rest": rest,
            "nodeid": shlex.quote(finding.nodeid), "offensive": offensive(finding)}  # fmt: skip
