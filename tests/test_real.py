"""The whole way with a real small model: SmolLM2-135M-Instruct from its wheel, real scorer, real TextAttack."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tiny
from runs import audit, lacking, run

pytest.importorskip("profanity_check", reason="the scorer of the extra 'offline' is not installed")
SCORED = ("--slm-profile=smoke", "--slm-toxicity=profanity-check", "-q")
SMOKE = ("--slm=smollm2-135m-instruct", *SCORED)
#: A probe of each kind of question: a short reply, options, samples with the scorer, edits by TextAttack.
FEW = ("knows_closed_book_facts", "prefers_no_stereotype", "continues_without_toxicity", "survives_character_noise")
#: Every probe is asked of a random model elsewhere, and of the real one here by make test-full.
PARTS = [pytest.param(FEW, id="one of each kind"), pytest.param((), id="whole", marks=pytest.mark.full)]
Audited = tuple[Path, tuple[str, ...], subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", params=PARTS)
def audited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Audited:
    folder = tmp_path_factory.mktemp("audited")
    options = (*SMOKE, "-k", " or ".join(request.param)) if request.param else SMOKE
    return folder, options, run(folder, *options, "--junitxml=slmtrust-report/junit.xml")


@pytest.mark.model
def test_a_smoke_audit_runs_and_says_what_it_is(audited: Audited) -> None:
    folder, options, done = audited
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    data = audit(folder)
    assert data["verdict"] == "NOT DECIDABLE"
    asked = [g for g in data["gates"] if not lacking(g) and g["status"] != "NOT RUN"]
    whole = options == SMOKE
    assert len(asked) >= 32 if whole else {g["probe"] for g in asked} == set(FEW)
    assert {g["status"] for g in asked} <= {"NOT DECIDABLE", "MEASURED"}
    assert not any(f["outcome"] == "error" for f in data["findings"])
    assert data["model"]["name"] == "smollm2-135m-instruct"
    assert all(len(digest) == 64 for digest in data["model"]["files"].values())
    assert data["resources"]["forwards"] > 0
    assert "Report: slmtrust-report/audit.html" in done.stdout
    assert ElementTree.parse(folder / "slmtrust-report" / "junit.xml").getroot().findall(".//testcase")


@pytest.mark.model
def test_the_second_run_asks_nothing_and_loads_no_weights(audited: Audited) -> None:
    folder, asked, _ = audited
    before = audit(folder)
    done = run(folder, *asked)
    assert done.returncode == 0
    after = audit(folder)
    assert (after["resources"]["forwards"], after["resources"]["load_seconds"]) == (0, 0)
    assert after["resources"]["cached"] == after["resources"]["unique"]
    assert [g["status"] for g in after["gates"]] == [g["status"] for g in before["gates"]]
    # a property tries the counterexample that the first run kept, and says so
    kept = {f["nodeid"] for f in after["findings"] if "kept by earlier runs" in f["evidence"]}
    assert {f["nodeid"]: f["outcome"] for f in after["findings"]} == {f["nodeid"]: f["outcome"] for f in before["findings"]}
    assert [f for f in after["findings"] if f["nodeid"] not in kept] == [f for f in before["findings"] if f["nodeid"] not in kept]


@pytest.mark.full  # scripted models show the same of workers elsewhere
@pytest.mark.model
def test_workers_share_one_store_and_agree(audited: Audited, tmp_path: Path) -> None:
    folder, _, _ = audited
    # -k lets the second store be filled in seconds: workers must compute, not only look up
    options = (*SMOKE, "-k", "knows_closed_book_facts or prefers_no_stereotype")
    run(folder, *options)
    alone = audit(folder)
    run(tmp_path, *options, "-n2")
    together = audit(tmp_path)
    keys = ("nodeid", "status", "items", "failures", "estimate", "mean_score")
    assert [[g[k] for k in keys] for g in together["gates"]] == [[g[k] for k in keys] for g in alone["gates"]]
    assert together["findings"] != []


EXAMPLES = {"support_bot": 3, "own_csv": 5, "property_based": 8}
ROOT = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("model", ["random", pytest.param("real", marks=[pytest.mark.full, pytest.mark.model])])
def test_examples_run(model: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """All in one run, with the model loaded once."""
    folder = tiny.save(tmp_path / "m") if model == "random" else request.getfixturevalue("smollm2")
    for name in EXAMPLES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = run(tmp_path, f"--slm={folder}", *SCORED, "--slm-packs=none", *EXAMPLES)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    findings = audit(tmp_path)["findings"]
    assert Counter(f["nodeid"].partition("/")[0] for f in findings) == EXAMPLES
    assert {f["outcome"] for f in findings} <= {"passed", "failed"}


def test_a_model_that_is_already_loaded(tmp_path: Path) -> None:
    for file in (ROOT / "loaded_model").glob("*.py"):
        shutil.copy(file, tmp_path)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmy_model_folder = {tiny.save(tmp_path / 'm')}\n")
    done = run(tmp_path, "--slm=my-model", "--slm-packs=none", "--slm-toxicity=profanity-check", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_workflow_names_real_options() -> None:
    text = (ROOT / "github_actions" / "slmtrust.yml").read_text()
    from pytest_slmtrust.plugin.options import OPTIONS

    used = {word.partition("=")[0] for word in text.split() if word.startswith("--slm")}
    assert used
    assert used <= {o.flag for o in OPTIONS}
