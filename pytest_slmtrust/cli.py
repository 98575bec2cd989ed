"""``slmtrust``: what is done outside a pytest run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .audit import AuditError


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit status."""
    parser = argparse.ArgumentParser(prog="slmtrust", description="Reports and set-up for pytest-slmtrust.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    render = commands.add_parser("render", help="render audit.html from audit.json and from nothing else")
    render.add_argument("audit", type=Path, help="an audit.json")
    render.add_argument("--output", type=Path, help="where the report goes (default: audit.html beside the input)")
    prepare = commands.add_parser("prepare", help="fetch a model and a toxicity scorer; prints the scorer that can be used")
    prepare.add_argument("--model", default="smollm2-135m-instruct", help="a model as in pytest --slm=MODEL")
    prepare.add_argument("--toxicity", default="detoxify:unbiased", help="the scorer to try first")
    chosen = parser.parse_args(arguments)
    try:
        return _render(chosen) if chosen.command == "render" else _prepare(chosen)
    except (AuditError, OSError, ValueError) as error:
        _say(f"slmtrust {chosen.command}: {error}")
        return 2


def _render(chosen: argparse.Namespace) -> int:
    from .files import read_audit, write_text
    from .report import render
    from .verify import problems

    audit = read_audit(chosen.audit)
    wrong = problems(audit)
    if wrong:
        raise AuditError(f"{chosen.audit}: does not follow from its own findings: {wrong[0]}" + _more(len(wrong) - 1))
    target = chosen.output or chosen.audit.with_name("audit.html")
    write_text(target, render(audit))
    _say(f"wrote {target}")
    return 0


def _prepare(chosen: argparse.Namespace) -> int:
    """The model first; then the scorer, and where its weights cannot be had, the one that needs none."""
    from .backends.load import ModelSpec, load_backend
    from .backends.toxicity import ScorerError, load_scorer

    backend = load_backend(ModelSpec(chosen.model), _say)
    _say(f"model: {backend.name} ({backend.fingerprint[:12]})")
    scorer = chosen.toxicity
    try:
        load_scorer(scorer)
    except ScorerError as error:
        _say(f"{error}")
        scorer = "profanity-check"
        _say(f"using {scorer} instead: it needs no download, and the report names it with its measured error rates")
    sys.stdout.write(scorer + "\n")
    return 0


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
