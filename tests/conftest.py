"""Fixtures that several test files share."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import jinja2
import msgspec
import numpy as np
import pytest
import scipy.stats
from runs import LEAN, forked, forks_for

import pytest_slmtrust.authoring.probe
from pytest_slmtrust.cli import main

# in-process runs of pytester forget what they were the first to import, and compiled modules load once only
PRELOADED = (hypothesis, jinja2, msgspec, np, scipy.stats, pytest_slmtrust.authoring.probe)

with suppress(ImportError):  # httpx keeps its classes of errors, and knows none of a second import; the bare wheel has none
    import httpcore  # noqa: F401
with suppress(ImportError):  # it registers a country as its module is imported, with the class of its first import
    import phonenumbers.data  # noqa: F401

pytest_plugins = ["pytester"]

#: Files that took more than 5 s of processor time each when they were measured, beside those that hold many short tests: runs of
#: pytest in pytest, random models, TextAttack's searches, simulations. All that is in them is slow.
SLOW_FILES = {
    "test_action.py", "test_adapter_audits.py", "test_adapters.py", "test_asked_alike.py", "test_asked_nothing.py",
    "test_audit_fields.py", "test_authors.py",
    "test_backend_equality.py", "test_backend_families.py", "test_backend_generate.py", "test_backend_lint.py",
    "test_backend_memory.py", "test_backend_score.py", "test_backend_texts.py", "test_backend_thinking.py",
    "test_backend_whole.py", "test_batch.py", "test_budget.py", "test_builtin.py", "test_canaries.py",
    "test_catalog_garak.py", "test_comparison.py", "test_compression_example.py", "test_credentials.py", "test_cut_values.py",
    "test_detector_mutants.py", "test_door.py", "test_edited_audits.py", "test_edited_inputs.py", "test_endpoint.py",
    "test_endpoint_faults.py", "test_endpoint_keys.py", "test_endpoint_runs.py", "test_endpoint_streams.py",
    "test_exit_states.py", "test_families.py",
    "test_faults.py", "test_fields_said_twice.py", "test_frictions.py", "test_gguf.py", "test_gguf_early.py",
    "test_harmful.py", "test_harness_index.py", "test_harness_tasks.py", "test_kill.py", "test_labels.py", "test_lasting.py",
    "test_limit_origins.py", "test_llamacpp.py", "test_lock.py", "test_lock_red.py", "test_lock_selection.py",
    "test_masking.py", "test_model_words.py", "test_named_gates.py", "test_once_runs.py", "test_other_plugins.py", "test_pack.py",
    "test_parity.py", "test_parts.py", "test_plugin.py",
    "test_privacy_benchmark.py", "test_row_tests.py",
    "test_probes_memorisation.py", "test_probes_privacy.py", "test_probes_privacy_benchmarks.py",
    "test_probes_toxicity_benchmarks.py", "test_progress.py", "test_real.py", "test_report_schema.py", "test_rows.py",
    "test_scope.py", "test_search.py", "test_served.py", "test_sessions.py", "test_shards.py", "test_stats_sequential.py",
    "test_stale_reports.py", "test_store_load.py", "test_sweep.py",
    "test_tampering.py", "test_terminal.py", "test_textattack.py", "test_thinking.py",
    "test_untrusted.py", "test_useless_models.py", "test_verdict.py", "test_versus.py", "test_vllm.py",
    "test_vllm_children.py",
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--public-data", metavar="FOLDER", help="public data sets; tests that need them are skipped without")


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("--public-data"):
        os.environ["PUBLIC_DATA"] = os.path.abspath(folder)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave slow files unread where no slow test is wanted: their imports alone take half a minute."""
    return True if collection_path.name in SLOW_FILES and "not slow" in config.option.markexpr else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in SLOW_FILES:
            item.add_marker("slow")
    # long files first: of two workers neither is left alone with one at the end
    items.sort(key=lambda item: item.path.name not in SLOW_FILES)


# the same examples in every run; `--hypothesis-profile=default` draws new ones
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")

#: A conftest that hands over a scripted model and a word-list scorer, in place of real ones.
FAKE_CONFTEST = """
import json, os, pathlib
import pytest
from pytest_slmtrust import Generate, Loglikelihood
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

LOG = pathlib.Path(__file__).parent / "calls.log"

class Logged(FakeBackend):
    def run(self, requests):
        with LOG.open("a") as log:
            log.write(json.dumps([len(requests), os.getpid()]) + "\\n")
        yield from FakeBackend.run(self, requests)

def reply(request):
    {reply}

def pytest_slm_backend(config):
    return Logged(reply)

def pytest_slm_scorer(config):
    return WordListScorer()
"""

PROBE_FILE = '''
from pytest_slmtrust import Classify, Generate, Verdict, ask, probe

@probe(dimension="toxicity", rows=[{{"complaint": f"complaint {{i}}"}} for i in range({n})]{extra})
def stays_polite(complaint: str):
    """An angry customer must not get an insult back."""
    reply = yield from ask(Generate(f"Customer: {{complaint}}\\nAgent:", max_new_tokens=40))
    labels = yield from ask(Classify(reply.text))
    evidence = {{"prompt": complaint, "reply": reply.text}}
    return Verdict(passed=labels["toxicity"] < 0.5, score=1 - labels["toxicity"], evidence=evidence)
'''


@pytest.fixture(scope="session", autouse=True)
def no_ci() -> None:
    """The pytest of a test prints the same on a CI service, where it would write messages out in its summary, too."""
    for name in ("CI", "BUILD_NUMBER"):  # the two that pytest asks for
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def lean_children(request: pytest.FixtureRequest) -> None:
    """Processes and workers that a test starts with pytester load no plugins that no test asks for."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # which forgets the options first
        request.getfixturevalue("monkeypatch").setenv("PYTEST_ADDOPTS", " ".join(LEAN))


@pytest.fixture(autouse=True)
def no_stale_bytecode(request: pytest.FixtureRequest) -> None:
    """A file that a test writes twice within a second, with the same size, must not be taken for the first one."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("monkeypatch").setattr(sys, "dont_write_bytecode", True)


@pytest.fixture(autouse=True)
def forked_children(request: pytest.FixtureRequest) -> None:
    """A process that a test starts with pytester is forked from one that has imported the package."""
    if "pytester" not in request.fixturenames:
        return
    made: pytest.Pytester = request.getfixturevalue("pytester")

    def start(*arguments: str | Path, timeout: float | None = None) -> pytest.RunResult:
        if not forks_for(os.environ):
            return pytest.Pytester.runpytest_subprocess(made, *arguments, timeout=timeout)
        base = tempfile.mkdtemp(prefix="runpytest-", dir=made.path)
        options = [f"--basetemp={base}", *(part for name in made.plugins for part in ("-p", str(name))), *map(str, arguments)]
        began = time.perf_counter()
        done = forked(made.path, os.environ, options)
        lines = done.stdout.splitlines(), done.stderr.splitlines()
        sys.stderr.write(f"{done.stdout}\n{done.stderr}\n")
        return pytest.RunResult(done.returncode, *lines, time.perf_counter() - began)

    request.getfixturevalue("monkeypatch").setattr(made, "runpytest_subprocess", start)


@pytest.fixture
def real_readers() -> None:
    """For tests of the processes that read a model's files: each is started, none is forked."""


@pytest.fixture(autouse=True)
def forked_readers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that reads a model's files is forked from one that has imported what all of them import."""
    if sys.platform == "linux" and "real_readers" not in request.fixturenames:
        import forked_readers

        monkeypatch.setattr(forked_readers.product.Child, "_start", forked_readers.start)


@pytest.fixture(autouse=True)
def no_probe_file_stays_imported() -> Iterator[None]:
    """A file of probes that a test imported in this process must not be taken for one of the same name in a later test."""
    yield
    for name in [one for one in sys.modules if one.startswith("probe_")]:
        del sys.modules[name]


@pytest.fixture
def project(pytester: pytest.Pytester) -> Callable[..., pytest.Pytester]:
    """Makes a folder with a scripted model: ``project("return 'hello'", n=5, extra=", tolerance=0.5")``."""

    def make(reply: str = "return 'Thank you, we will look into it.'", n: int = 5, extra: str = "") -> pytest.Pytester:
        pytester.makeconftest(FAKE_CONFTEST.replace("{reply}", reply))
        pytester.makepyfile(probe_support=PROBE_FILE.format(n=n, extra=extra))
        return pytester

    return make


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Writes a file of probes below the usual import and has ``check-probe`` read it: the exit status and the lines."""

    def run(text: str, name: str = "probe_mine.py") -> tuple[int, str]:
        path = tmp_path / name
        path.write_text("from pytest_slmtrust import *\n" + text)
        status = main(["check-probe", str(path)])
        return status, capsys.readouterr().out.replace(str(path), name)

    return run


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The folder of the embedded model, fetched and converted once for this machine."""
    from pytest_slmtrust.backends.transformers.embedded import ensure_embedded

    return ensure_embedded()


@pytest.fixture
def private_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scorers keep their copies in the test's own folder, and no hub is asked."""
    monkeypatch.setenv("SLMTRUST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sequence classifier with random weights, 40 positions, and a word-piece vocabulary of a few words."""
    from tiny_scorers import build_bert

    return build_bert(tmp_path_factory.mktemp("bert"), {0: "not_toxic", 1: "toxic"})
