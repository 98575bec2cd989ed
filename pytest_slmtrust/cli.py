"""``slmtrust``: what is done outside a pytest run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import arguments, door
from .audit.model import AuditError
from .envelope.command import add_envelope
from .gates.lock import MARK as LOCK_MARK
from .gates.lock import NAME as LOCK
from .outputs import OutputError, check_kind, check_outputs, write_output
from .requests import BackendError
from .scale.commands import add_commands

if TYPE_CHECKING:
    from .report.sides import Side

#: Kept here, so that ``slmtrust --help`` imports none of them.
_FORMATS = ("sarif", "markdown", "csv", "parquet", "ctrf", "cyclonedx", "eee", "eee-samples", "hf", "oscal", "intoto")


def main(given: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit status."""
    parser = _Parser(prog="slmtrust", description="Reports and set-up for pytest-slmtrust.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    render = commands.add_parser("render", help="render audit.html from an audit.json")
    render.add_argument("audit", type=Path, help="an audit.json")
    render.add_argument("--output", type=Path, help="where the report goes (default: audit.html next to the input)")
    verify = commands.add_parser(
        "verify", help="recompute every number of an audit.json; exit 1 if one is wrong, whatever the verdict"
    )
    verify.add_argument("audit", type=Path, help="an audit.json")
    verify.add_argument("--store", type=Path, help="also look its answers up in this store (such as .slmtrust)")
    verify.add_argument("--attestation", type=Path, metavar="FILE", help="also check the signature that slmtrust attest made")
    verify.add_argument("--key", type=Path, help="the public key that must have signed it (PEM, ed25519)")
    verify.add_argument("--model", type=Path, metavar="DIR", help="also hash the model's files again")
    attest = commands.add_parser("attest", help="sign an audit and the files that it is about (in-toto statement)")
    attest.add_argument("audit", type=Path, help="an audit.json")
    attest.add_argument("--key", type=Path, help="a private key (PEM, ed25519); without one the statement is not signed")
    attest.add_argument("--model", type=Path, metavar="DIR", help="hash the model's files again first")
    attest.add_argument("-o", "--output", type=Path, help="a file (default: audit.intoto.json next to the input)")
    prepare = commands.add_parser("prepare", help="fetch a model and a toxicity scorer; prints the scorer that can be used")
    prepare.add_argument("--model", default="smollm2-135m-instruct", help="a model as in pytest --slm=MODEL")
    prepare.add_argument("--toxicity", default="detoxify:unbiased", help="the scorer to try first")
    compare = commands.add_parser(
        "compare", help="compare the models of two to twelve audits item by item; exit 1 if the first is worse"
    )
    compare.add_argument("target", type=Path, help="audit.json of the model in question")
    compare.add_argument("baseline", type=Path, nargs="+", help="audit.json of the model that it must not fall behind; up to 11")
    compare.add_argument("--margin", type=arguments.share, help="how much more often the target may fail")
    compare.add_argument("--noise", type=Path, help="audit.json of a model against itself (--slm-vs=self)")
    compare.add_argument("--html", type=Path, metavar="FILE", help="a page with all audits side by side")
    compare.add_argument("--report", type=Path, help="a folder for audit.json and audit.html of the comparison")
    history = commands.add_parser("history", help="show all audits below a folder in the order of their dates")
    history.add_argument("folder", type=Path, help="a folder that holds audit.json files, at any depth")
    history.add_argument("--html", type=Path, metavar="FILE", help="a page that draws each test over time")
    export = commands.add_parser("export", help="write an audit in the format of another system")
    export.add_argument("audit", type=Path, help="an audit.json")
    export.add_argument("--to", required=True, metavar="FORMAT", help=f"one of {', '.join(_FORMATS)}")
    export.add_argument("-o", "--output", type=Path, help="a file (default: standard output)")
    accept = commands.add_parser("accept", help="write the lock that later runs must be no worse than")
    accept.add_argument("audit", type=Path, nargs="?", default=Path("slmtrust-report/audit.json"), help="an audit.json")
    accept.add_argument("--output", type=Path, default=Path(LOCK), help=f"where the lock goes (default: {LOCK})")
    accept.add_argument(
        "--red-until",
        type=arguments.day,
        metavar="DATE",
        help="also accept failing gates until this day, while no worse (2027-03-31)",
    )
    diff = commands.add_parser("diff", help="print what differs between two locks or audits, as a Markdown table")
    diff.add_argument("old", type=Path, help="a lock or an audit.json")
    diff.add_argument("new", type=Path, help="a lock or an audit.json")
    check = commands.add_parser("check-probe", help="try probes with scripted models and say what they would miss")
    check.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a probe_*.py")
    take = commands.add_parser(
        "import",
        help="make an audit of what another tool asked: results of lm-evaluation-harness, a report of garak, a log of inspect_ai",
    )
    take.add_argument("file", type=Path, help="a file of results")
    take.add_argument(
        "--gate", action="append", default=[], metavar="NAME=LIMIT",
        help="hold a test to a limit: the share that may fail, or of a number that is no such share what it must be (repeatable)",
    )  # fmt: skip
    take.add_argument("--report", type=Path, default=Path("slmtrust-import"), metavar="DIR", help="where the audit goes")
    verdict = commands.add_parser("verdict", help="print the verdict of an audit; exit 1 if it is red")
    verdict.add_argument("audit", type=Path, help="an audit.json")
    cache = commands.add_parser("cache", help="show what the store of answers holds, empty it, seal it, or open a sealed one")
    cache.add_argument("action", choices=("info", "clear", "seal", "open"), help="info: what it holds; clear: empty it")
    cache.add_argument("--file", type=Path, help="the sealed file; the passphrase is in the variable SLMTRUST_CACHE_KEY")
    cache.add_argument("--store", type=Path, default=Path(".slmtrust"), help="folder of the store (default: .slmtrust)")
    canaries = commands.add_parser("canaries", help="make random texts to put into training data, for --slm-canaries")
    canaries.add_argument("action", choices=("make",))
    canaries.add_argument("--format", required=True, help="such as 'The code of {name} is {digits:8}'; also {hex:N}, {letters:N}")
    canaries.add_argument("--count", type=int, default=10, help="canaries for each number of insertions (default: 10)")
    canaries.add_argument("--insert", type=arguments.counts, default=(0, 1, 4, 16), help="insertions (default: 0,1,4,16)")
    canaries.add_argument("--seed", type=int, required=True, help="the same seed makes the same canaries")
    canaries.add_argument("--output", type=Path, default=Path("canaries.json"), help="what --slm-canaries reads")
    canaries.add_argument(
        "--text", type=Path, help="also write the lines to insert into this file, each as often as it is needed"
    )
    run = {
        **add_commands(commands), **add_envelope(commands),
        "render": _render, "verify": _verify, "accept": _accept, "diff": _diff, "import": _import, "verdict": _verdict,
        "check-probe": _check_probe, "export": _export, "attest": _attest, "prepare": _prepare, "compare": _compare,
        "history": _history, "cache": _cache, "canaries": _canaries,
    }  # fmt: skip
    chosen = parser.parse_args(given)
    try:
        return run[chosen.command](chosen)
    except OutputError as error:
        _say(f"slmtrust {chosen.command}: {error}")
        return 4
    except (AuditError, BackendError, OSError, ValueError) as error:
        _say(f"slmtrust {chosen.command}: {arguments.reason(error)}")
        return 2
    except KeyboardInterrupt:
        _say(f"slmtrust {chosen.command}: interrupted")
        return 130  # as shells report a program that Ctrl-C ended


def _render(chosen: argparse.Namespace) -> int:
    from .archive.verify import read_and_verify
    from .report.html import render

    target = chosen.output or chosen.audit.with_name("audit.html")
    check_outputs([target], [chosen.audit])
    audit, found = read_and_verify(chosen.audit)
    write_output(target, render(audit, unchecked=found.other))
    for line in found.unchecked:
        _say(f"not checked: {line}")
    _say(f"wrote {target}")
    return 0


def _export(chosen: argparse.Namespace) -> int:
    from .archive.verify import read_and_verify
    from .exports.formats import FORMATS
    from .exports.source import Source

    if chosen.to not in FORMATS:
        raise AuditError(f"--to {chosen.to}: no such format; expected one of {', '.join(FORMATS)}")
    check_outputs([chosen.output], [chosen.audit])
    audit, _ = read_and_verify(chosen.audit)
    wanted = FORMATS[chosen.to]
    if wanted.binary and chosen.output is None:
        raise AuditError(f"--to {chosen.to} writes a binary file: name it with -o FILE")
    made = wanted.write(Source(audit))
    if chosen.output is None:
        sys.stdout.write(made if isinstance(made, str) else made.decode())
        return 0
    write_output(chosen.output, made, wanted.mark)
    _say(f"wrote {chosen.output}")
    return 0


def _attest(chosen: argparse.Namespace) -> int:
    from .archive.verify import read_verified
    from .attestation.answers import model_answer
    from .attestation.envelope import is_statement, sign
    from .attestation.keys import key_id, private_key
    from .exports.source import Source, to_json
    from .exports.statement import statement

    target = chosen.output or chosen.audit.with_name("audit.intoto.json")
    check_outputs([target], [chosen.audit, chosen.key])
    audit = read_verified(chosen.audit)
    answer = model_answer(audit, chosen.model) if chosen.model else None
    if answer is not None and answer.wrong:
        raise AuditError(f"not attested: {answer.wrong[0]}")
    text = to_json(statement(Source(audit)))
    if chosen.key is None:
        write_output(target, text, alike=is_statement)
        _say(f"wrote {target}: a statement that nobody signed (--key signs it)")
        return 0
    key = private_key(chosen.key)
    name = key_id(key.public_key())
    write_output(target, sign(text.encode(), key, name), alike=is_statement)
    _say(f"wrote {target}: signed by the key {name}")
    return 0


def _accept(chosen: argparse.Namespace) -> int:
    from .archive.accept import accept
    from .archive.verify import read_verified

    check_outputs([chosen.output], [chosen.audit])
    made = accept(read_verified(chosen.audit), datetime.now(UTC).date(), chosen.red_until)
    write_output(chosen.output, made.lock.to_text(), LOCK_MARK)
    _print([*made.lines, f"wrote {chosen.output}: review it like code, and commit it"])
    return 0


def _diff(chosen: argparse.Namespace) -> int:
    from .archive.lock_diff import diff_lines, read_side

    _print(diff_lines(read_side(chosen.old), read_side(chosen.new)))
    return 0


def _verdict(chosen: argparse.Namespace) -> int:
    from .archive.verify import read_verified
    from .audit.verdict import audit_is_red, red_besides

    audit = read_verified(chosen.audit)
    _print([audit.sentence, *(f"red: {reason}" for reason in red_besides(audit))])
    return int(audit_is_red(audit))


def _import(chosen: argparse.Namespace) -> int:
    """Exit 1 if a gate that the user set is red."""
    import secrets

    from .archive.files import check_folder, report_files, write_reports
    from .audit.verdict import audit_is_red
    from .foreign.imported import imported
    from .foreign.results import read_foreign
    from .redaction import Mask

    check_outputs(report_files(chosen.report), [chosen.file])
    check_folder(chosen.report)
    audit = imported(read_foreign(chosen.file), chosen.file, chosen.gate, Mask(secrets.token_bytes(16)))
    write_reports(audit, chosen.report)
    _say(f"wrote {chosen.report / 'audit.json'} and audit.html")
    held = [f"{gate.probe}: {gate.status}: {gate.reason}" for gate in audit.gates if gate.tolerance is not None and gate.blocking]
    _print([*audit.notes[:1], *held, audit.sentence])
    return int(audit_is_red(audit))


def _check_probe(chosen: argparse.Namespace) -> int:
    """Exit 0 only if nothing is missed, 1 with findings, 4 for a file that is no probe."""
    from .session.check_probe import check_file
    from .session.probe_file import NoProbeFile

    checked, wrong = [], list[str]()
    with redirect_stdout(sys.stderr):  # what a probe prints is no result
        for path in chosen.files:
            try:
                checked += check_file(path)
            except NoProbeFile as error:
                wrong.append(str(error))
    missed = sum(len(one.missed) for one in checked)
    probes = "1 probe" if len(checked) == 1 else f"{len(checked)} probes"
    last = f"{probes} tried, {missed or 'nothing'} missed" if checked else "no probe tried"
    if wrong and checked:
        last += f"; {len(wrong)} of {len(chosen.files)} files could not be tried"
    _print([*wrong, *(line for one in checked for line in one.lines()), last])
    return 4 if wrong else int(missed > 0)


def _verify(chosen: argparse.Namespace) -> int:
    """Exit 1 if something is wrong; the audit's verdict is no part of that."""
    from .attestation.command import checked

    lines, wrong = checked(chosen)
    _print(lines)
    return int(wrong)


def _cache(chosen: argparse.Namespace) -> int:
    from .engine.store_admin import CacheError, run

    if chosen.action in ("info", "clear"):
        _print(run(chosen.action, chosen.store))
        return 0
    from .engine.sealing import seal, unseal

    if chosen.file is None:
        raise CacheError(f"{chosen.action} needs --file FILE, the sealed file")
    _say(seal(chosen.store, chosen.file) if chosen.action == "seal" else unseal(chosen.file, chosen.store))
    return 0


def _compare(chosen: argparse.Namespace) -> int:
    """Compare the target with each baseline. The status is the worst: 2 where two audits cannot be compared item by item."""
    from .archive.compare import compare_audits, comparison_lines, exit_status
    from .archive.files import check_folder, report_files, write_reports
    from .archive.side_by_side import read_sides
    from .archive.verify import read_verified

    if chosen.report and len(chosen.baseline) > 1:
        raise AuditError("--report writes the comparison of two audits; name two, or use --html")
    reports = report_files(chosen.report) if chosen.report else ()
    check_outputs([*reports, chosen.html], [chosen.target, *chosen.baseline, chosen.noise])
    if chosen.report:
        check_folder(chosen.report)
    target, *baselines = read_sides([chosen.target, *chosen.baseline], _say)
    noise = read_verified(chosen.noise) if chosen.noise else None
    if chosen.html:
        _side_by_side(chosen, [target, *baselines])
    status = 0
    for baseline in baselines:
        if len(baselines) > 1:
            _print([f"{target.title} against {baseline.title} ({baseline.place})"])
        try:
            made = compare_audits(target.audit, baseline.audit, baseline.place, chosen.margin, noise)
        except AuditError as error:
            _say(f"slmtrust compare: {error}")
            status = 2
            continue
        _print(comparison_lines(made))
        status = max(status, exit_status(made))
        if chosen.report:
            write_reports(made, chosen.report)
            _say(f"wrote {chosen.report / 'audit.json'} and audit.html")
    return status


def _side_by_side(chosen: argparse.Namespace, sides: Sequence[Side]) -> None:
    from .archive.side_by_side import side_by_side
    from .report.comparison import render_comparison

    write_output(chosen.html, render_comparison(side_by_side(sides, chosen.margin)))
    _say(f"wrote {chosen.html}")


def _history(chosen: argparse.Namespace) -> int:
    from .archive.history import read_past
    from .report.history import history_lines, render_history

    past = read_past(chosen.folder, _say)
    _print(history_lines(past))
    for place, why in past.left_out:
        _say(f"left out: {place}: {why}")
    if chosen.html:
        write_output(chosen.html, render_history(past))
        _say(f"wrote {chosen.html}")
    return 0


def _canaries(chosen: argparse.Namespace) -> int:
    from .authoring.canaries import MARK, make_canaries

    check_outputs([chosen.output, chosen.text])
    made = make_canaries(chosen.format, chosen.count, chosen.insert, chosen.seed)
    lines = "".join(f"{line}\n" for line in made.lines())
    if chosen.text:
        check_kind(chosen.text, lines, alike=made.are_lines)  # before the other file is written
    write_output(chosen.output, made.to_json(), MARK)
    _say(f"wrote {chosen.output}: {len(made.canaries)} canaries")
    if chosen.text:
        write_output(chosen.text, lines, alike=made.are_lines)
        _say(f"wrote {chosen.text}: {len(made.lines())} lines to put into the training data")
    return 0


def _prepare(chosen: argparse.Namespace) -> int:
    """Fetch the model, then the scorer; if its weights cannot be fetched, take the better of those that need no model hub."""
    from .backends.load import ModelSpec, load_backend
    from .backends.toxicity.scorer import BOTH, ScorerError, load_scorer

    backend = load_backend(ModelSpec(chosen.model), _say)
    _say(f"model: {backend.name} ({backend.fingerprint[:12]})")
    scorer = chosen.toxicity
    for instead in (BOTH, "profanity-check"):
        try:
            load_scorer(scorer, say=_say)
            break
        except ScorerError as error:
            _say(f"{error}")
            scorer = instead
            _say(f"using {scorer} instead: it needs no model hub, and the report names it with its measured error rates")
    _print([scorer])
    return 0


def _print(lines: Iterable[str]) -> None:
    """The result of a command, which a script may read."""
    sys.stdout.write("".join(f"{door.line(line)}\n" for line in lines))


def _say(text: str) -> None:
    """What happens meanwhile, and what went wrong."""
    sys.stderr.write(f"{door.line(text)}\n")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(door.line(arguments.hinted(message)))
