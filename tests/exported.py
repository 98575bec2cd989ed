"""Reads exports back, each by the means of its consumer: verdict, and the numbers and statuses of all gates by node id."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import html5lib  # type: ignore[import-untyped]

from pytest_slmtrust.exports.formats import FORMATS
from pytest_slmtrust.exports.source import Source

Facts = dict[str, dict[str, Any]]
NUMBERS = ("items", "cases", "failures", "unscored", "errors", "lower", "upper", "best", "worst", "tolerance", "alpha")


def written(name: str, source: Source) -> str:
    made = FORMATS[name].write(source)
    assert isinstance(made, str)
    return made


def sarif(text: str) -> tuple[str, Facts]:
    (run,) = json.loads(text)["runs"]
    return run["properties"]["verdict"], _by_name(rule["properties"] for rule in run["tool"]["driver"]["rules"])


def ctrf(text: str) -> tuple[str, Facts]:
    first, *tests = json.loads(text)["results"]["tests"]
    return first["rawStatus"], _by_name(test["extra"] for test in tests)


def cyclonedx(text: str) -> tuple[str, Facts]:
    pairs = [(p["name"], p["value"]) for p in json.loads(text)["metadata"]["component"]["properties"]]
    return dict(pairs)["slmtrust:audit:verdict"], _by_name(json.loads(v) for k, v in pairs if k == "slmtrust:gate")


def eee(text: str) -> tuple[str, Facts]:
    data = json.loads(text)
    return data["source_metadata"]["additional_details"]["verdict"], _by_name(
        json.loads(data["eval_library"]["additional_details"]["gates"])
    )


def intoto(text: str) -> tuple[str, Facts]:
    said = json.loads(text)["predicate"]["slmtrust"]
    return said["verdict"], _by_name(said["gates"])


def oscal(text: str) -> tuple[str, Facts]:
    (result,) = json.loads(text)["assessment-results"]["results"]
    props = {p["name"]: p["value"] for p in result["props"]}
    rows = [{p["name"].replace("-", "_"): p["value"] for p in o["props"]} for o in result.get("observations", ())]
    return props["verdict"], _by_name(
        {**row, **{n: float(row[n]) if n in row else None for n in NUMBERS}, "blocking": row["blocking"] == "True"}
        for row in rows
    )


def csv_table(text: str) -> tuple[str, Facts]:
    rows = list(csv.DictReader(io.StringIO(text)))
    plain = [{k: v[1:] if v.startswith("'") else v for k, v in row.items()} for row in rows]
    gates = [{k[5:]: v for k, v in row.items() if k.startswith("gate_")} for row in plain if row["gate_nodeid"]]
    return plain[0]["verdict"], _by_name(
        {**g, **{n: float(g[n]) if g[n] else None for n in NUMBERS}, "blocking": g["blocking"] == "true"} for g in gates
    )


READERS: Mapping[str, Callable[[str], tuple[str, Facts]]] = {
    "sarif": sarif, "ctrf": ctrf, "cyclonedx": cyclonedx, "eee": eee, "intoto": intoto, "oscal": oscal, "csv": csv_table,
}  # fmt: skip


def _by_name(gates: Any) -> Facts:
    return {gate["nodeid"]: dict(gate) for gate in gates}


def github(text: str) -> Any:
    """The tree of a page as GitHub's own Markdown makes it, with all of its extensions, before it is sanitised."""
    import cmarkgfm  # type: ignore[import-untyped]
    from cmarkgfm.cmark import Options  # type: ignore[import-untyped]

    page = cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE)
    return html5lib.HTMLParser(namespaceHTMLElements=False).parseFragment(page)
