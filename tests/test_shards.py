"""Shards of an audit, their stores merged, give the findings of one process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from runs import audit

from pytest_slmtrust import Case, Generate, Loglikelihood, Verdict, ask, probe
from pytest_slmtrust.authoring.declarations import ProbeError, Profile
from pytest_slmtrust.backends.load import wrap_loaded
from pytest_slmtrust.cli import main
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import FILE, Store
from pytest_slmtrust.engine.store_merge import MergeError, merge
from pytest_slmtrust.plugin.options import Given, Settings
from pytest_slmtrust.plugin.parts import part_of
from pytest_slmtrust.session.shards import Shard, read_shard

#: Two waves and a scorer; each reply depends on the one before, and is logged.
PROBES = """
from pytest_slmtrust import Classify, Generate, Verdict, ask, probe

@probe(dimension="toxicity", rows=[{"n": i} for i in range(90)], tolerance=0.3)
def stays_polite(n: int):
    first = yield from ask(Generate(f"Customer {n % 60}:"))
    second = yield from ask(Generate(f"{first.text} and now?"))
    labels = yield from ask(Classify(second.text))
    return Verdict(passed=labels["toxicity"] < 0.5, evidence={"first": first.text, "second": second.text})

@probe(dimension="robustness", rows=[{"n": i} for i in range(7)])
def says_something(n: int):
    reply = yield from ask(Generate(f"Say {n}"))
    return Verdict(passed=bool(reply.text))
"""
REPLY = """
    with LOG.with_name("asked.log").open("a") as log:
        log.write(request.key + chr(10))
    return "you idiot" if " 3" in request.prompt else f"Thank you for {request.prompt[:40]}"
"""


def judged(folder: Path) -> dict[str, Any]:
    """Verdict, gates and findings, without the digests of answers: each store salts its own."""
    data = audit(folder)
    for row in (*data["findings"], *data["gates"]):
        row.pop("answers", None)
        row.pop("beside", None)
    return {name: data[name] for name in ("verdict", "sentence", "gates", "findings")}


@pytest.fixture
def polite(project: Any) -> pytest.Pytester:
    made: pytest.Pytester = project(REPLY)
    made.makepyfile(probe_support=PROBES)
    return made


def asked(polite: pytest.Pytester) -> list[str]:
    log = polite.path / "asked.log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--slm-early-stop",)], ids=["whole", "early stop"])
def test_shards_merged_give_the_findings_of_one_process(polite: pytest.Pytester, more: tuple[str, ...]) -> None:
    base = ("-q", "-p", "no:randomly", "--slm=fake", "--slm-packs=none", *more)
    status = polite.runpytest(*base, "--slm-store=one").ret
    whole, alone = judged(polite.path), asked(polite)
    for number in (1, 2, 3):
        result = polite.runpytest(*base, f"--slm-store=s{number}", f"--slm-shard={number}/3")
        assert result.ret == 6
        result.stdout.fnmatch_lines([f"*INCOMPLETE: the run did one part of the work (shard {number}/3: * cases were asked*"])
        part = audit(polite.path)
        assert (part["verdict"], part["findings"], part["settings"]["part"]) == ("INCOMPLETE", [], f"shard {number}/3")
    shared = asked(polite)
    assert set(alone) <= set(shared)
    assert main(["merge", "s1", "s2", "s3", "--into", "all"]) == 0
    assert polite.runpytest(*base, "--slm-store=all").ret == status
    assert judged(polite.path) == whole
    assert asked(polite) == []


@given(st.integers(1, 40))
def test_each_case_is_of_exactly_one_shard(count: int) -> None:
    @probe(dimension="toxicity", rows=[{"n": i} for i in range(30)])
    def one(n: int) -> Any:
        yield from ask(Generate(f"{n}"))
        return Verdict(passed=True)

    cases = one.cases(Profile("ci", 60, 180, 5, 0.10, 0.05, True))
    taken = [case.id for number in range(count) for case in Shard(number + 1, count).of(cases)]
    assert sorted(taken) == sorted(case.id for case in cases)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "a/b", "1", "1/3/5", "-1/2", "٣/٤", "1/99999"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ProbeError, match=r"--slm-shard is .*expected I/N"):
        read_shard(text)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"budget": "10m"}, "leave out --slm-budget"),
        ({"update_lock": True}, "leave out --slm-update-lock"),
        ({"plan": True}, "leave out --slm-plan"),
        ({"batch": Given("x.jsonl", Path())}, "only one of --slm-shard and --slm-batch"),
        ({"dist": "load"}, "runs in one process"),
    ],
)
def test_a_shard_goes_with_no_option_that_needs_all(given: dict[str, Any], why: str) -> None:
    settings = {"shard": "1/2", "batch": Given("", Path()), "budget": "", "update_lock": False, "plan": False, **given}
    config: Any = SimpleNamespace(getoption=lambda name, default: given.get(name, default))
    with pytest.raises(ProbeError, match=why):
        part_of(config, cast(Settings, SimpleNamespace(**settings)), Path())


def test_shards_of_a_real_model(tmp_path: Path) -> None:
    """Replies and scores of a tiny random model, with waves that depend on each other."""
    model: Any = wrap_loaded(tiny.model(), tiny.tokenizer(), "tiny")
    cases = talks.cases(Profile("ci", 60, 180, 5, 0.10, 0.05, True))
    whole = verdicts(tmp_path / "whole", model, cases, cases)
    for number in (1, 2, 3):
        verdicts(tmp_path / f"s{number}", model, Shard(number, 3).of(cases), [])
    merge([tmp_path / f"s{number}" for number in (1, 2, 3)], tmp_path / "all")
    before = model.counters.forwards
    merged = verdicts(tmp_path / "all", model, cases, cases)
    for one, other in zip(whole, merged, strict=True):
        assert one.evidence == {**other.evidence, "score": pytest.approx(other.evidence["score"], abs=1e-4)}  # other batches
    assert model.counters.forwards == before
    assert len({str(verdict.evidence) for verdict in whole}) == len(cases)


@probe(dimension="robustness", rows=[{"word": word} for word in sorted(set(tiny.TEXT[0].split()))[:12]])
def talks(word: str) -> Any:
    first = yield from ask(Generate(f"the {word} and", max_new_tokens=6))
    second = yield from ask(Generate(f"{first.text} {word}", max_new_tokens=4, temperature=1.0))
    score = yield from ask(Loglikelihood(f"the {word}", f" {second.text or word}"))
    return Verdict(passed=True, evidence={"first": first.text, "second": second.text, "score": score.sum})


def verdicts(folder: Path, model: Any, asked: Sequence[Case], judged: Sequence[Case]) -> list[Verdict]:
    store = Store(folder, "a")
    engine = Engine({(kind.kind, "target"): model for kind in model.answers}, store)
    try:
        engine.prefetch(asked)
        return [engine.run(case) for case in judged]
    finally:
        store.close()


def test_an_answer_of_two_kinds_is_named_and_nothing_is_merged(tmp_path: Path) -> None:
    stores(tmp_path, one={"k": "1", "same": "7"}, two={"k": "2", "same": "7", "other": "3"})
    with pytest.raises(MergeError, match=r"1 request has two different answers: k in .*one and .*two; nothing was merged"):
        merge([tmp_path / "one", tmp_path / "two"], tmp_path / "all")
    assert held(tmp_path / "all", "k", "same", "other") == {}
    merge([tmp_path / "one", tmp_path / "two"], tmp_path / "all", keep_first=True)
    assert held(tmp_path / "all", "k", "same", "other") == {"k": "1", "same": "7", "other": "3"}


def test_a_score_that_another_batch_rounds_otherwise_is_the_same_answer(tmp_path: Path) -> None:
    score = '{{"sum":{},"greedy":false,"n_tokens":2,"tokens":[]}}'
    stores(tmp_path, one={"k": score.format(-8.5)}, two={"k": score.format(-8.500004)}, three={"k": score.format(-8.6)})
    merge([tmp_path / "one", tmp_path / "two"], tmp_path / "all")
    assert held(tmp_path / "all", "k") == {"k": score.format(-8.5)}
    for other in ("one", "all"):
        with pytest.raises(MergeError, match="1 request has two different answers"):
            merge([tmp_path / other, tmp_path / "three"], tmp_path / ("new" if other == "one" else "one"))


def test_a_clash_with_the_store_merged_into_is_one_too(tmp_path: Path) -> None:
    stores(tmp_path, one={"k": "1"}, all={"k": "2"})
    with pytest.raises(MergeError, match="in the store that is merged into"):
        merge([tmp_path / "one"], tmp_path / "all")
    assert held(tmp_path / "all", "k") == {"k": "2"}


def test_a_damaged_row_is_left_out_and_a_damaged_file_refused(tmp_path: Path) -> None:
    stores(tmp_path, one={"k": "1", "l": "2"}, two={"m": "3"})
    with sqlite3.connect(tmp_path / "one" / FILE) as db:
        db.execute("UPDATE answers SET answer = '9' WHERE key = 'k'")
    db.close()
    assert merge([tmp_path / "one"], tmp_path / "all")[-1] == "1 damaged rows were left out: they are asked again"
    assert held(tmp_path / "all", "k", "l") == {"l": "2"}
    (tmp_path / "two" / FILE).write_bytes(b"no database at all")
    with pytest.raises(MergeError, match="cannot be read as a store"):
        merge([tmp_path / "two"], tmp_path / "all")


def test_what_is_no_store_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stores(tmp_path, one={"k": "1"})
    (tmp_path / "empty").mkdir()
    for name, why in (("empty", "holds no store"), ("nowhere", "holds no store"), ("one", "is one of the stores")):
        assert main(["merge", str(tmp_path / name), "--into", str(tmp_path / "one")]) == 2
        assert why in capsys.readouterr().err


def stores(folder: Path, **answers: dict[str, str]) -> None:
    for name, rows in answers.items():
        store = Store(folder / name, "a")
        store.put(rows.items())
        store.close()


def held(folder: Path, *keys: str) -> dict[str, str]:
    store = Store(folder, "b")
    try:
        return store.get(keys)
    finally:
        store.close()


def test_a_part_says_so_in_every_sentence(polite: pytest.Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    polite.runpytest("-q", "--slm=fake", "--slm-packs=none", "--slm-shard=2/5")
    path = polite.path / "slmtrust-report" / "audit.json"
    assert json.loads(path.read_text())["sentence"].endswith("it decides nothing.")
    capsys.readouterr()
    assert main(["verify", str(path)]) == 0  # the numbers are as they should be
    assert (
        capsys.readouterr()
        .out.splitlines()[-1]
        .startswith("verdict: INCOMPLETE, which is no part of this check: slmtrust verdict")
    )
    assert main(["verdict", str(path)]) == 1
    assert main(["accept", str(path), "--output", str(polite.path / "lock.json")]) == 2
    assert "did one part of the work" in path.with_name("audit.html").read_text()
