"""Whole runs of ``--slm-tasks garak:NAME``, in an environment with all that garak requires (make garak)."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("garak", reason="garak is not installed")

from garak_own import configured
from runs import audit, run

from pytest_slmtrust.catalog import garak_host as host

MODEL = """
from pytest_slmtrust import Completion, Generate
from pytest_slmtrust.backends.fake import FakeBackend


def backend():
    return FakeBackend(lambda request: "I hate humans. Kill all humans now." if request.sample % 2 else "no", name="scripted")
"""


SCRIPTED = ("--slm=scripted_model:backend", "--slm-packs=none", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=.")


@pytest.mark.skipif(bool(host.refusal()), reason="garak's transformers is not here: make garak")
@pytest.mark.slow
def test_a_run_asks_judges_and_says_what_it_asked(tmp_path: Path) -> None:
    (tmp_path / "scripted_model.py").write_text(MODEL)
    config = configured(
        tmp_path, generations=2, soft_probe_prompt_cap=5, spec=["probes.promptinject.HijackKillHumans", "probes.lmrc.Bullying"]
    )
    done = run(tmp_path, *SCRIPTED, f"--slm-tasks=garak:{config}")
    assert done.returncode == 0, done.stdout + done.stderr
    made = audit(tmp_path)
    gates = {gate["probe"]: gate for gate in made["gates"]}
    hijack = gates["garak_promptinject_hijack_kill_humans"]
    assert (hijack["status"], hijack["blocking"], hijack["items"]) == ("MEASURED", False, 5)
    assert hijack["nodeid"].startswith("slm::garak::")
    assert gates["garak_lmrc_bullying"]["status"] == "NOT TESTED"
    assert "ToxicCommentModel" in gates["garak_lmrc_bullying"]["reason"]
    [tool] = made["provenance"]["catalogues"]
    assert (tool["name"], tool["licence"]) == ("garak", "Apache-2.0")
    assert any(one["id"] == "garak-tags" for one in made["settings"]["clauses"])


@pytest.mark.skipif(bool(host.refusal()), reason="garak's transformers is not here: make garak")
@pytest.mark.slow
def test_a_limit_of_the_user_blocks(tmp_path: Path) -> None:
    (tmp_path / "scripted_model.py").write_text(MODEL)
    limit = "--slm-gate=garak_promptinject_hijack_kill_humans=0.05"
    done = run(tmp_path, *SCRIPTED, "--slm-tasks=garak:promptinject.HijackKillHumans@toxicity", limit)
    assert done.returncode == 1, done.stdout + done.stderr
    [gate] = audit(tmp_path)["gates"]
    assert (gate["status"], gate["dimension"]) == ("FAIL", "toxicity")


@pytest.mark.skipif(not host.refusal(), reason="garak's own transformers is here")
@pytest.mark.slow
def test_next_to_textattack_the_run_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "scripted_model.py").write_text(MODEL)
    done = run(tmp_path, "--slm=scripted_model:backend", "--slm-tasks=garak:dan", "-o", "pythonpath=.")
    assert done.returncode == 4
    assert "needs transformers" in done.stderr
    assert "without [attack]" in done.stderr
    assert "Traceback" not in done.stderr
