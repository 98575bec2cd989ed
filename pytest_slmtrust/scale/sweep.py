"""``slmtrust sweep``: a base and its variants, an audit each in a separate process, and one comparison of all.

A task is a model with a profile and an engine. Its folder holds its report and its store, so a sweep that was killed goes on:
finished audits are verified and kept, and the others find the answers that they have.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..archive.compare import compare_audits, exit_status
from ..archive.installed import package_sha256
from ..archive.side_by_side import MOST, read_sides, side_by_side
from ..archive.verify import read_verified
from ..audit.model import Audit, AuditError
from ..audit.verdict import audit_is_red
from ..detectors.spec_secrets import spec_secrets
from ..escaping import blank, said
from ..outputs import write_output
from ..plainfile import write_whole
from ..report.comparison import render_comparison
from ..report.pareto import speed
from ..report.sides import Side
from .child import run
from .model_files import files, local

_KEYS = {"base", "profiles", "engines", "options", "models"}
_OF_MODEL = {"model", "profiles", "engines", "options"}
#: Of a task's folder, and of that of the sweep.
REPORT, COMPARISON = Path("report", "audit.json"), "comparison.json"
_NEVER_EMPTY = ("profiles", "engines")
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}\Z")
#: Options that the sweep sets for each task.
_OWN = ("--slm", "--slm-report", "--slm-store", "--slm-profile", "--slm-engine", "--slm-shard", "--slm-batch")


class SweepError(ValueError):
    """A sweep that cannot be run; one line that says what to mend."""


@dataclass(frozen=True, slots=True)
class Task:
    """One audit of a sweep: what pytest is called with. ``name`` is that of its folder."""

    name: str
    model: str
    spec: str
    profile: str
    engine: str
    options: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Of what is asked and how: an audit of an earlier form of the task is made again."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def made_of(self, place: Path, into: Path | None = None) -> str:
        """Return the identity with that of the model's files, where this disk has them: other files are another model.

        Of ``module:factory`` the module's own file counts. Files below ``into`` are the sweep's own: its folder may lie in that
        of a model. The build of this package counts too: audits whose probes ask otherwise cannot be compared.

        Raises:
            OSError: a file that cannot be read.
        """
        module, _, factory = self.spec.partition(":")
        path = local(place, f"{module.replace('.', '/')}.py" if factory else self.spec)
        digest = hashlib.sha256(f"{self.identity} {package_sha256()}".encode())
        for one in files(path, into):
            name = one.relative_to(path).as_posix() if one != path else one.name
            with one.open("rb") as file:
                digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()

    def arguments(self, folder: Path) -> list[str]:
        """Return the arguments of pytest."""
        own = [f"--slm={self.spec}", f"--slm-profile={self.profile}", f"--slm-engine={self.engine}"]
        return [*own, f"--slm-report={folder / 'report'}", f"--slm-store={folder / 'store'}", *self.options]


@dataclass(frozen=True, slots=True)
class Sweep:
    """The tasks of a sweep, and the name of the model that the others are compared with; empty without one."""

    base: str
    tasks: tuple[Task, ...]
    folder: Path


@dataclass(slots=True)
class Ended:
    """What came of a task: its audit, the comparison with the base, or why there is none."""

    task: Task
    audit: Audit | None = None
    path: Path | None = None
    error: str = ""
    kept: bool = False
    versus: Audit | None = None
    refused: str = ""
    flips: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    bytes: int | None = None

    @property
    def red(self) -> bool:
        """Whether a variant is worse than the base, or cannot be compared with it; without a base, whether the audit is red."""
        if self.versus is not None:
            return bool(exit_status(self.versus))
        return bool(self.refused) or (self.audit is not None and audit_is_red(self.audit))


def read_sweep(path: Path) -> Sweep:
    """Read a sweep's TOML file.

    Raises:
        SweepError: it cannot be read, or an entry is not what it must be; one line.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SweepError(f"{path}: cannot be read ({error})") from None
    _check_keys(data, _KEYS, str(path))
    models = data.get("models")
    if not isinstance(models, dict) or not models:
        raise SweepError(f"{path}: expected a table [models] with a name and a model each")
    tasks = tuple(task for name, entry in models.items() for task in _tasks(path, name, entry, data))
    twice = next((name for name, times in Counter(task.name.casefold() for task in tasks).items() if times > 1), None)
    if twice is not None:
        raise SweepError(
            f"{path}: two tasks have the folder {twice}: name one of the models or profiles otherwise, or list it once"
        )
    base = data.get("base", "")
    if not isinstance(base, str) or (base not in models and "base" in data):
        raise SweepError(f"{path}: base is {base!r:.60}; expected one of {', '.join(models)}")
    return Sweep(base, tasks, path.resolve().parent)


def _tasks(path: Path, name: str, entry: Any, data: Mapping[str, Any]) -> Iterator[Task]:
    where = f"{path}: models.{name}"
    if not _NAME.match(name):
        raise SweepError(f"{where}: a name has letters, digits and .+-_ and at most 64 of them")
    given = {"model": entry} if isinstance(entry, str) else entry
    if not isinstance(given, dict) or not isinstance(given.get("model"), str) or blank(given["model"]):
        raise SweepError(f"{where}: expected a model as in pytest --slm=MODEL")
    if not given["model"].isprintable():
        raise SweepError(f"{where}: {given['model']!r:.60} has a character that no name of a model has")
    _check_keys(given, _OF_MODEL, where)
    options = (*_texts(data, "options", (), str(path)), *_texts(given, "options", (), where))
    if any(map(spec_secrets, (given["model"], *options))):
        raise SweepError(f"{where}: an address holds a user, a password or a key; put a key into SLMTRUST_API_KEY instead")
    for option in options:
        if option.partition("=")[0] in _OWN:
            raise SweepError(f"{where}: the sweep sets {option.partition('=')[0]} itself; leave it out of the options")
    for profile in _texts(given, "profiles", _texts(data, "profiles", ("ci",), str(path)), where):
        for engine in _texts(given, "engines", _texts(data, "engines", ("fast",), str(path)), where):
            if not (_NAME.match(profile) and _NAME.match(engine)):
                raise SweepError(f"{where}: {profile!r} or {engine!r} is no name of a profile or an engine")
            yield Task(f"{name}-{profile}-{engine}", name, given["model"], profile, engine, options)


def _check_keys(given: Mapping[str, Any], known: set[str], where: str) -> None:
    strange = sorted(set(given) - known)
    if strange:
        raise SweepError(f"{where}: {strange[0]!r} is unknown; expected {', '.join(sorted(known))}")


def _texts(given: Mapping[str, Any], key: str, default: Sequence[str], where: str) -> tuple[str, ...]:
    found = given.get(key, default)
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, str) and one for one in found):
        raise SweepError(f"{where}: {key} is {found!r:.60}; expected a list of texts")
    if not found and key in _NEVER_EMPTY:
        raise SweepError(f"{where}: {key} is empty; expected at least one")
    if any("\0" in one for one in found):
        raise SweepError(f"{where}: {key} has an entry with a NUL character")
    return tuple(found)


@contextmanager
def alone(into: Path) -> Iterator[None]:
    """Hold the folder of a sweep.

    Raises:
        SweepError: another sweep works in it.
    """
    into.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(into / ".lock", timeout=0):
            yield
    except Timeout:
        raise SweepError(f"{into}: another sweep works in this folder; wait for it, or name another one with --into") from None


def run_sweep(sweep: Sweep, into: Path, say: Callable[[str], None], ray: str = "") -> list[Ended]:
    """Run what is not finished yet, and compare each variant with the base. A task that ends in an error stops no other.

    Comparisons of an earlier run go first: they are of other audits. ``ray``: the address of a cluster that runs the tasks, as
    many at once as it has places.

    Raises:
        BackendError: there is no such cluster.
    """
    into.mkdir(parents=True, exist_ok=True)
    for old in (into / COMPARISON, *into.glob("comparison-*.html")):
        old.unlink(missing_ok=True)
    jobs, made = list[Job](), dict[str, Ended]()
    for task in sweep.tasks:
        try:
            job = Job(task, sweep.folder, into / task.name, task.made_of(sweep.folder, into))
            done = _kept(job, say)
            if done is None:
                job.prepare()
                jobs.append(job)
            else:
                made[task.name] = done
        except OSError as error:  # files that cannot be read
            made[task.name] = Ended(task, error=said(error))
    if ray:
        from .ray_sweep import run_there

        made |= {job.task.name: _ended(job, status, say) for job, status in run_there(ray, jobs, say)}
    else:
        for job in jobs:
            say(f"{job.task.name}: begun")
            made[job.task.name] = _ended(job, job.run(), say)
    ended = [made[task.name] for task in sweep.tasks]
    bases = {(one.task.profile, one.task.engine): one for one in ended if one.task.model == sweep.base and one.audit}
    for one in ended:
        one.bytes = _bytes(one.task.spec, sweep.folder)
        other = bases.get((one.task.profile, one.task.engine)) or next(
            (b for (profile, _), b in bases.items() if profile == one.task.profile), None
        )  # a variant for another engine has the base of the same profile
        if sweep.base and one.task.model != sweep.base and one.audit is not None:
            _compare(one, other)
    return ended


def _compare(one: Ended, base: Ended | None) -> None:
    assert one.audit is not None
    if base is None or base.audit is None:
        one.refused = "the base has no audit of this profile"
        return
    try:
        one.versus = compare_audits(one.audit, base.audit, base.task.name)
    except AuditError as error:
        one.refused = str(error)
        return
    worse, better = Counter[str](), Counter[str]()
    for gate in one.versus.gates:
        if gate.paired is not None:
            worse[gate.dimension] += gate.paired.judged.worse
            better[gate.dimension] += gate.paired.judged.better
    one.flips = {d: (worse[d], better[d]) for d in sorted({*worse, *better})}


@dataclass(frozen=True, slots=True)
class Job:
    """A task to run: in ``place``, the folder of the sweep, with its report and store in ``folder``.

    ``made_of``: the identity of the task and of its model's files, before they are read.
    """

    task: Task
    place: Path
    folder: Path
    made_of: str

    def prepare(self) -> None:
        """Make the folder; what an earlier run left there counts no more."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "task").unlink(missing_ok=True)

    def run(self, environment: Mapping[str, str] | None = None) -> str:
        """Run pytest; return how it ended."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "output.txt").open("w", encoding="utf-8") as output:
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *self.task.arguments(self.folder.resolve())]
            status = run(command, cwd=self.place, env=environment, stdout=output, stderr=subprocess.STDOUT)
        return f"exit status {status}"


def _kept(job: Job, say: Callable[[str], None]) -> Ended | None:
    done = _finished(job.made_of, job.folder)
    if done is None:
        return None
    say(f"{job.task.name}: finished before, verified")
    return Ended(job.task, done, job.folder / REPORT, kept=True)


def _ended(job: Job, status: str, say: Callable[[str], None]) -> Ended:
    audit, why = _audit(job.folder)
    if audit is None:
        return Ended(job.task, error=f"{status}; {why}; see {job.folder / 'output.txt'}")
    try:
        write_whole(job.folder / "task", _mark(job.made_of, job.folder))  # last: an audit without it is not taken for this task's
    except OSError as error:
        return Ended(job.task, error=said(error))
    say(f"{job.task.name}: {audit.sentence}")
    return Ended(job.task, audit, job.folder / REPORT)


def _mark(made_of: str, folder: Path) -> str:
    """Return what a finished task was made of, and the digest of its audit: one that was changed since is made again."""
    return f"{made_of} {hashlib.sha256((folder / REPORT).read_bytes()).hexdigest()}\n"


def _finished(made_of: str, folder: Path) -> Audit | None:
    try:
        same = (folder / "task").read_text(encoding="utf-8") == _mark(made_of, folder)
    except (OSError, ValueError):
        return None
    return _audit(folder)[0] if same else None


def _audit(folder: Path) -> tuple[Audit | None, str]:
    """Return a whole audit that follows from its findings, or why there is none."""
    try:
        audit = read_verified(folder / REPORT)
    except (AuditError, OSError) as error:
        return None, str(error)
    return (None, audit.sentence) if audit.incomplete else (audit, "")


def write_comparison(ended: Sequence[Ended], base: str, into: Path, say: Callable[[str], None]) -> list[str]:
    """Write ``comparison.json`` and a page of each profile's audits, the base last; return the table as lines."""
    write_output(into / COMPARISON, json.dumps({"base": base, "tasks": [_row(one) for one in ended]}, indent=1) + "\n")
    for profile in dict.fromkeys(one.task.profile for one in ended):
        some = [one for one in ended if one.path is not None and one.task.profile == profile]
        bases = [one for one in some if one.task.model == base]
        others = [one for one in some if one.task.model != base]
        room = MOST - len(bases)
        for number, start in enumerate(range(0, max(1, len(others)), room), start=1):
            sides = [*bases, *others[start : start + room]]
            if len(sides) > 1:
                page = into / (f"comparison-{profile}.html" if number == 1 else f"comparison-{profile}-{number}.html")
                read = read_sides([one.path for one in sides if one.path is not None], lambda _: None)
                write_output(page, render_comparison(side_by_side(read)))
                say(f"wrote {page}")
    return table(ended)


def _row(one: Ended) -> dict[str, Any]:
    audit = one.audit
    row: dict[str, Any] = {**asdict(one.task), "error": one.error, "red": one.red or bool(one.error)}
    if audit is not None:
        rate = speed(Side("A", audit, "", ""))
        row |= {
            "verdict": str(audit.verdict), "sentence": audit.sentence, "parameters": audit.model.get("parameters"),
            "bytes": one.bytes, "tokens_per_second": round(rate, 2) if rate else None,
            "seconds": audit.resources.get("seconds"), "fingerprint": audit.model.get("fingerprint"),
        }  # fmt: skip
    if one.versus is not None:
        row |= {"against_base": str(one.versus.verdict), "against_base_sentence": one.versus.sentence}
        row |= {"gates": {gate.name: str(gate.status) for gate in one.versus.gates}}
    return {**row, "not_compared": one.refused, "flips": {d: {"worse": w, "better": b} for d, (w, b) in one.flips.items()}}


def _bytes(spec: str, place: Path) -> int | None:
    """Return the size of a model's files, where they are on this machine."""
    path = local(place, spec)
    try:
        if path.is_dir():
            return sum(one.stat().st_size for one in path.glob("*.safetensors")) or None
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def table(ended: Sequence[Ended]) -> list[str]:
    """Return a table for a terminal: verdict, comparison with the base, size, speed, flips by dimension (worse/better)."""
    wide = max(len(one.task.name) for one in ended)
    lines = [f"{'task':{wide}}  {'verdict':13} {'against base':13} {'M par.':>7} {'MB':>7} {'tok/s':>7}  flips (worse/better)"]
    for one in ended:
        if one.audit is None:
            lines.append(f"{one.task.name:{wide}}  ERROR         {one.error}")
            continue
        row = _row(one)
        millions = f"{row['parameters'] / 1e6:7.1f}" if row["parameters"] else f"{'':7}"
        size = f"{row['bytes'] / 1e6:7.0f}" if row["bytes"] else f"{'':7}"
        rate = f"{row['tokens_per_second']:7.1f}" if row["tokens_per_second"] else f"{'':7}"
        against = str(one.versus.verdict) if one.versus else "not compared" if one.refused else "base"
        flips = ", ".join(f"{d} {w}/{b}" for d, (w, b) in one.flips.items()) or " ".join(one.refused.split())
        lines.append(f"{one.task.name:{wide}}  {one.audit.verdict!s:13} {against:13} {millions} {size} {rate}  {flips}".rstrip())
    return lines
