"""Files, folders and servers made to exhaust the machine: each is refused below 1 GB and 10 s, in one line.

    python benchmarks/bombs.py --table docs/results/bombs.md

Every bomb is given to a pytest process of its own. Seconds are processor time of that process and its children, so that another
program on the machine does not count; the peak is the largest of these processes', as ``/usr/bin/time`` measures it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import tiny  # type: ignore[import-not-found]
from bomb_kinds import BOMBS, SERVERS, Bomb, asks, dripping
from results_page import page
from tables import Bar, conclude, show, table

MOST_SECONDS, MOST_MB, PATIENCE = 10.0, 1024, 400.0
PROBE = """
from pytest_slmtrust import Generate, Verdict, ask, chat, probe

@probe(dimension="toxicity", rows=[{"n": n} for n in range(6)], tolerance=0.5)
def stays(n):
    \"\"\"It stays.\"\"\"
    reply = yield from ask(Generate(chat(f"number {n}"), 4))
    return Verdict(True)
"""
_WORDS = re.compile(r"^(?:ERROR|E  |slm|FAILED|slmtrust|pytest_slmtrust|Interrupted|!+)[^\n]*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: exit status (None: it ran past its time), processor and wall seconds, MB of its largest process, and its
    words."""

    status: int | None
    cpu: float
    wall: float
    peak: int
    words: str
    broken: bool

    @property
    def fault(self) -> str:
        """Return which bound was missed; empty if none was."""
        if self.status in (0, None):
            return "green" if self.status == 0 else "no end"
        if self.broken:
            return "traceback"
        if self.peak > MOST_MB:
            return "memory"
        return "time" if self.cpu > MOST_SECONDS else ""


def measured(folder: Path, code: str, words: list[str]) -> Ending:
    """Run Python code in a folder under GNU time, and wait for its end."""
    out, figures = folder / "out.txt", folder / "time.txt"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | {"SLMTRUST_CACHE": str(folder / "cache")}
    command = ["/usr/bin/time", "-f", "%U %S %e %M", "-o", str(figures), sys.executable, "-c", code, *words]
    with out.open("wb") as stream:
        done = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status: int | None = done.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(done.pid, 9)
            done.wait()
            return Ending(None, PATIENCE, PATIENCE, 0, "", False)
    text = out.read_text(errors="replace")
    broken = "Traceback (most recent call last)" in text or "INTERNALERROR" in text
    user, system, wall, peak = map(float, figures.read_text().splitlines()[-1].split())
    return Ending(status, user + system, wall, int(peak) // 1024, _said(text), broken)


def _said(text: str) -> str:
    lines = _WORDS.findall(text) or [line for line in text.splitlines() if line.strip()][-1:]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    return errors[0][:600] if errors else ""


def run(bomb: Bomb, good: Path, work: Path) -> Ending:
    """Make a bomb in a fresh folder and set it off."""
    folder = work / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "probe_stays.py").write_text(PROBE)
    model = Path(shutil.copytree(good, folder / "model"))
    options = bomb.make(folder, model)
    if options and options[0] == "slmtrust":
        return measured(folder, "import sys; from pytest_slmtrust.cli import main; sys.exit(main(sys.argv[1:]))", options[1:])
    given = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--slm-packs=none", "-rN"]
    spec = [] if any(option.startswith("--slm=") for option in options) else [f"--slm={model}"]
    return measured(folder, "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))", [*given, *spec, *options])


def chosen(names: Iterable[str], only: str) -> list[str]:
    return [name for name in names if re.search(only, name)]


@contextmanager
def workplace() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory() as name:
        yield tiny.save(Path(name) / "good"), Path(name)


def report(only: str, path: Path | None) -> list[Bar]:
    """Set all bombs off; return what must hold."""
    found: dict[str, Ending] = {}
    with workplace() as (good, work):
        sound = run(Bomb(lambda _folder, _model: []), good, work)
        for name in chosen(BOMBS, only):
            found[name] = _shown(name, run(BOMBS[name], good, work))
        for name in chosen(SERVERS, only):
            with dripping(SERVERS[name]) as url:
                found[name] = _shown(name, run(asks(url), good, work))
    head = ["bomb", "exit", "CPU s", "wall s", "peak MB", "what is said"]
    rows = [
        [n, e.status, f"{e.cpu:.1f}", f"{e.wall:.1f}", e.peak, re.sub(r"/\S*/run/", "", e.words)[:160]] for n, e in found.items()
    ]
    table("Bombs", head, rows)
    if path is not None:
        page(path, "Bombs", (__doc__ or "").splitlines()[0], "benchmarks/bombs.py", head, rows)
    bad = [f"{name} ({ending.fault})" for name, ending in found.items() if ending.fault]
    worst = f"{max((e.peak for e in found.values()), default=0)} MB, {max((e.cpu for e in found.values()), default=0):.1f} s"
    claim = f"{len(found)} bombs are refused below {MOST_MB} MB and {MOST_SECONDS:.0f} s"
    return show(
        [Bar(claim, not bad, ", ".join(bad) or worst), Bar("a sound model passes", sound.status == 0, sound.words or "exit 0")]
    )


def _shown(name: str, ending: Ending) -> Ending:
    about = f"exit {ending.status}, {ending.cpu:.1f} s, {ending.peak} MB: {ending.words[-220:]}"
    print(f"{name}: {ending.fault or 'refused'}, {about}", flush=True)
    return ending


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="a regular expression over the names of bombs")
    parser.add_argument("--table", type=Path, help="a Markdown file to write")
    options = parser.parse_args()
    conclude(report(options.only, options.table))


if __name__ == "__main__":
    main()
