"""The whole way with a real small model: SmolLM2-135M-Instruct from its wheel, real scorer, real TextAttack."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from runs import audit, lacking, run

pytestmark = pytest.mark.model
pytest.importorskip("profanity_check", reason="the scorer of the extra 'offline' is not installed")
SMOKE = ("--slm=smollm2-135m-instruct", "--slm-profile=smoke", "--slm-toxicity=profanity-check", "-q")


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("audited")
    return folder, run(folder, *SMOKE, "--junitxml=slmtrust-report/junit.xml")


def test_a_smoke_audit_runs_and_says_what_it_is(audited: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = audited
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    data = audit(folder)
    assert data["verdict"] == "NOT DECIDABLE"
    asked = [g for g in data["gates"] if not lacking(g)]
    assert len(asked) >= 32
    assert {g["status"] for g in asked} <= {"NOT DECIDABLE", "MEASURED"}
    assert not any(f["outcome"] == "error" for f in data["findings"])
    assert data["model"]["name"] == "smollm2-135m-instruct"
    assert all(len(digest) == 64 for digest in data["model"]["files"].values())
    assert data["resources"]["forwards"] > 0
    assert "Report: slmtrust-report/audit.html" in done.stdout
    assert ElementTree.parse(folder / "slmtrust-report" / "junit.xml").getroot().findall(".//testcase")


def test_the_second_run_asks_nothing_and_loads_no_weights(audited: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = audited
    before = audit(folder)
    done = run(folder, *SMOKE)
    assert done.returncode == 0
    after = audit(folder)
    assert (after["resources"]["forwards"], after["resources"]["load_seconds"]) == (0, 0)
    assert after["resources"]["cached"] == after["resources"]["unique"]
    assert [g["status"] for g in after["gates"]] == [g["status"] for g in before["gates"]]
    # a property tries the counterexample that the first run kept, and says so
    kept = {f["nodeid"] for f in after["findings"] if "kept by earlier runs" in f["evidence"]}
    assert {f["nodeid"]: f["outcome"] for f in after["findings"]} == {f["nodeid"]: f["outcome"] for f in before["findings"]}
    assert [f for f in after["findings"] if f["nodeid"] not in kept] == [f for f in before["findings"] if f["nodeid"] not in kept]


def test_workers_share_one_store_and_agree(audited: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    folder, _ = audited
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


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name: str, smollm2: Path, tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "examples" / name
    for file in source.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    done = run(tmp_path, *SMOKE, "--slm-packs=none")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    findings = audit(tmp_path)["findings"]
    assert len(findings) == EXAMPLES[name]
    assert {f["outcome"] for f in findings} <= {"passed", "failed"}


def test_a_model_that_is_already_loaded(smollm2: Path, tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "examples" / "loaded_model"
    for file in source.glob("*.py"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmy_model_folder = {smollm2}\n")
    done = run(tmp_path, "--slm=my-model", "--slm-packs=none", "--slm-toxicity=profanity-check", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_workflow_names_real_options() -> None:
    text = (Path(__file__).parents[1] / "examples" / "github_actions" / "slmtrust.yml").read_text()
    from pytest_slmtrust.plugin.options import OPTIONS

    used = {word.partition("=")[0] for word in text.split() if word.startswith("--slm")}
    assert used
    assert used <= {o.flag for o in OPTIONS}
