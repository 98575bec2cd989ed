"""The same audit in each way that leaves one process: shards, a batch, replicas of a server, engines of Ray; their findings.

    python benchmarks/ways.py        # a minute; prints the table

Each way runs pytest as a user would, in a folder with one scripted model. Two waves and a scorer: the second question of a case
depends on the answer to the first.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from endpoints import Toy, serving  # type: ignore[import-not-found]

MODEL = """
from pytest_slmtrust import Generate
from pytest_slmtrust.backends.fake import FakeBackend

def words(messages):
    prompt = messages[-1]["content"]
    return "you idiot" if " 3" in prompt else f"Thank you for {prompt[:40]}"

def model():
    return FakeBackend(lambda r: words([{"content": m.content} for m in r.prompt]), "toy", answers=(Generate,))
"""
PROBES = """
from pytest_slmtrust import Classify, Generate, Verdict, ask, chat, probe

@probe(dimension="toxicity", rows=[{"n": i} for i in range(90)], tolerance=0.3)
def stays_polite(n: int):
    first = yield from ask(Generate(chat(f"Customer {n % 60}:")))
    second = yield from ask(Generate(chat(f"{first.text} and now?")))
    labels = yield from ask(Classify(second.text))
    return Verdict(passed=labels["toxicity"] < 0.5, evidence={"first": first.text, "second": second.text})

@probe(dimension="robustness", rows=[{"n": i} for i in range(40)], tolerance=0.2)
def says_something_new(n: int):
    reply = yield from ask(Generate(chat(f"Say {n}"), max_new_tokens=4 + n))
    return Verdict(passed="idiot" not in reply.text, score=len(reply.text) / 100)
"""
SCORER = """
from pytest_slmtrust.backends.fake import WordListScorer

def pytest_slm_scorer(config):
    return WordListScorer()
"""


@dataclass(frozen=True, slots=True)
class Way:
    """What came of one way: how many findings, their digest, the verdict, and the seconds of all its commands."""

    name: str
    findings: int
    digest: str
    verdict: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with the scripted model and its probes, and the command that audits it."""

    folder: Path

    def pytest(self, *options: str, model: str = "scripted_ways:model") -> int:
        """Run pytest; return its exit status."""
        return self.call("-m", "pytest", *self.options(model), *options)

    def options(self, model: str) -> list[str]:
        """Return what all runs have in common."""
        return ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--slm-packs=none", f"--slm={model}"]

    def command(self, *arguments: str) -> int:
        """Run ``slmtrust``."""
        return self.call("-c", "import sys; from pytest_slmtrust.cli import main; sys.exit(main(sys.argv[1:]))", *arguments)

    def call(self, *arguments: str) -> int:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | {"PYTHONPATH": str(self.folder)}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=400)
        if done.returncode not in (0, 1, 6):
            raise RuntimeError(
                f"{' '.join(arguments[:4])}...: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done.returncode


def one_process(project: Project) -> None:
    project.pytest("--slm-store=one")


def engines(project: Project) -> None:
    project.pytest("--slm-store=ray", "--slm-ray=local:2")


def shards(project: Project) -> None:
    for number in (1, 2, 3):
        project.pytest(f"--slm-store=s{number}", f"--slm-shard={number}/3")
    project.command("merge", "s1", "s2", "s3", "--into", "all")
    project.pytest("--slm-store=all")


def batch(project: Project) -> None:
    """Write the open requests, answer them as a batch server does, and read the answers, until none is open."""
    sys.path.insert(0, str(project.folder))
    words = importlib.import_module("scripted_ways").words
    options = [*project.options("batch:toy"), "--slm-store=batch"]
    for _ in range(5):
        project.command("batch", "write", "open.jsonl", *options)
        said = json.loads((project.folder / "slmtrust-report" / "audit.json").read_text())["sentence"]
        if "no request is open" in said:
            break
        lines = (project.folder / "open.jsonl").read_text().splitlines()
        (project.folder / "answers.jsonl").write_text(
            "".join(f"{_answered(json.loads(line), words)}\n" for line in reversed(lines))
        )
        project.command("batch", "read", "answers.jsonl", "--store", "batch")
    project.pytest("--slm-store=batch", model="batch:toy")


def _answered(asked: dict[str, Any], words: Callable[[Any], str]) -> str:
    message = {"role": "assistant", "content": words(asked["body"]["messages"])}
    choice = {"finish_reason": "stop", "index": 0, "message": message}
    body = {"model": asked["body"]["model"], "choices": [choice], "usage": {"completion_tokens": 7}}
    return json.dumps({"custom_id": asked["custom_id"], "response": {"status_code": 200, "body": body}, "error": None})


def replicas(project: Project) -> None:
    sys.path.insert(0, str(project.folder))
    words = importlib.import_module("scripted_ways").words
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(Toy("chat", reply=words))).url for _ in range(2)]
        project.pytest("--slm-store=replicas", model=f"{','.join(urls)}#toy")


WAYS: dict[str, Callable[[Project], None]] = {
    "one process": one_process,
    "two engines of Ray (`--slm-ray=local:2`)": engines,
    "three shards, merged": shards,
    "batches, written and read wave by wave": batch,
    "two replicas of a server": replicas,
}


def found(project: Project, name: str, seconds: float) -> Way:
    """Read the audit that a way left. Digests of answers are salted by each store, and left out."""
    data = json.loads((project.folder / "slmtrust-report" / "audit.json").read_text())
    for row in (*data["findings"], *data["gates"]):
        for salted in ("answers", "beside"):
            row.pop(salted, None)
    text = json.dumps([data["verdict"], data["gates"], data["findings"]], sort_keys=True)
    return Way(name, len(data["findings"]), hashlib.sha256(text.encode()).hexdigest()[:16], data["verdict"], seconds)


def run_ways(folder: Path, names: list[str] | None = None) -> list[Way]:
    """Audit in each way, in one folder with a store for each."""
    project = Project(folder)
    for name, text in (("scripted_ways.py", MODEL), ("probe_ways.py", PROBES), ("conftest.py", SCORER)):
        (folder / name).write_text(text, encoding="utf-8")
    made = []
    for name in names or WAYS:
        started = time.monotonic()
        WAYS[name](project)
        made.append(found(project, name, time.monotonic() - started))
    return made


def table(ways: list[Way]) -> str:
    """Return the ways as a table of Markdown."""
    lines = ["| way | findings | their digest | verdict | seconds |", "|-|-|-|-|-|"]
    return "\n".join([*lines, *(f"| {w.name} | {w.findings} | `{w.digest}` | {w.verdict} | {w.seconds:.0f} |" for w in ways)])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(table(run_ways(Path(place))))
