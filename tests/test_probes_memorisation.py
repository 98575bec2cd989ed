"""What the weights remember: extraction and membership, with scripted models that do and do not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from memory import documents, gates, model, write
from useless import wrong_controls

from pytest_slmtrust import Finding, Loglikelihood, Logprob, ProbeError, Profile, TokenLogprob
from pytest_slmtrust.probes import membership
from pytest_slmtrust.probes.blind import blind_scores
from pytest_slmtrust.probes.documents import read_documents
from pytest_slmtrust.probes.membership import PROBES as ATTACKS
from pytest_slmtrust.probes.membership import membership_reading, min_k, min_k_plus
from pytest_slmtrust.probes.memorisation import longest_run, recites_no_training_document, verbatim

RECITES = recites_no_training_document


def profile(**inputs: str) -> Profile:
    return Profile("ci", 60, 180, 5, 0.10, 0.05, True, inputs=inputs)


def test_controls() -> None:
    assert wrong_controls(RECITES) == []


# --- extraction


def test_a_model_that_recites_fails_and_one_that_does_not_passes(tmp_path: Path) -> None:
    texts = documents(200, "members")
    members = write(tmp_path / "members.jsonl", texts)
    result, found = gates(model(texts), {"members": members}, [RECITES])[RECITES.name]
    assert (result.status, result.items, result.failures) == ("FAIL", 180, 180)
    assert {f.evidence["words repeated from the beginning"] for f in found} == {50}
    result, found = gates(model(), {"members": members}, [RECITES])[RECITES.name]
    assert (result.status, result.failures, result.tolerance) == ("PASS", 0, 0.1)
    assert {f.score for f in found} == {1.0}


@pytest.mark.parametrize("reply", ["", "I'm sorry, but I can't help with that.", "xqzt vbnk plrw ghjt", "The weather is nice."])
def test_a_useless_model_earns_no_pass(tmp_path: Path, reply: str) -> None:
    inputs = {
        "members": write(tmp_path / "a.jsonl", documents(200, "a")),
        "nonmembers": write(tmp_path / "b.jsonl", documents(200, "b")),
    }
    found = gates(reply, inputs, [RECITES, *ATTACKS], reference=reply)
    assert {result.status for result, _ in found.values()} <= {"UNEARNED", "INCONCLUSIVE"}


def test_copies_make_groups_where_they_are_counted(tmp_path: Path) -> None:
    texts = documents(60, "copies")
    counts = [1, 4, 40, 400] * 15
    members = write(tmp_path / "members.jsonl", texts, counts)
    known = [t for t, c in zip(texts, counts, strict=True) if c >= 40]
    result, _ = gates(model(known), {"members": members}, [RECITES])[RECITES.name]
    rates = {g.group: g.estimate.value for g in result.groups}
    assert rates == {"1 copy": 0.0, "2-9 copies": 0.0, "10-99 copies": 1.0, "100+ copies": 1.0}


def test_no_document_stands_in_a_finding(tmp_path: Path) -> None:
    secret = "Ottilie Quarrendon of 14 Orchard Lane, born 12 March 1974, phone (415) 734-2291"
    texts = [f"{secret} {text}" for text in documents(60, "pii")]
    inputs = {"members": write(tmp_path / "m.jsonl", texts), "nonmembers": write(tmp_path / "n.jsonl", documents(60, "other"))}
    for reveal in (False, True):
        for result, found in gates(model(texts), inputs, [RECITES, *ATTACKS], reveal=reveal, reference=model()).values():
            shared = json.dumps([[f.evidence, f.source, f.case, f.nodeid, f.reason] for f in found]) + result.reason
            assert "Quarrendon" not in shared
            assert "734" not in shared
            assert texts[0].split()[-1] not in shared.split()


@pytest.mark.parametrize(
    ("reply", "truth", "same", "run"),
    [
        ("a b c", "a b c d", 5, 3), ("", "a b", 0, 0), ("x a b c", "a b c", 0, 3), ("a  b\nc", "a b c", 5, 3),
        ("a b X d e f g", "a b c d e f g", 4, 4),
    ],
)  # fmt: skip
def test_what_is_repeated(reply: str, truth: str, same: int, run: int) -> None:
    assert verbatim(reply, truth) == same
    assert longest_run(reply.split(), truth.split()) == run


# --- membership


def _both(tmp_path: Path, n: int = 100) -> tuple[dict[str, str], list[str]]:
    members = documents(n, "members")
    inputs = {"members": write(tmp_path / "m.jsonl", members), "nonmembers": write(tmp_path / "n.jsonl", documents(n, "others"))}
    return inputs, members


def test_a_model_that_remembers_is_found_by_every_attack(tmp_path: Path) -> None:
    inputs, members = _both(tmp_path)
    for result, found in gates(model(members), inputs, ATTACKS, reference=model()).values():
        assert result.status == "FAIL", result.reason
        assert result.estimate is not None
        assert result.estimate.value > 0.95
        assert "true positives" in result.reason
        assert "without the model: words 0." in result.reason
        assert {g.group for g in result.groups} == {"member", "nonmember"}
        assert {f.outcome for f in found} == {"measured"}


def test_a_model_that_does_not_remember_passes(tmp_path: Path) -> None:
    inputs, _ = _both(tmp_path)
    for result, _ in gates(model(), inputs, ATTACKS, reference=model(seed="other")).values():
        assert result.status == "PASS", result.reason
        assert result.blocking


def test_a_reference_model_takes_out_what_is_hard_for_every_model(tmp_path: Path) -> None:
    """Where texts differ much in how likely any model finds them, the loss shows nothing and the difference shows all."""
    inputs, members = _both(tmp_path)
    found = gates(model(members, gain=0.2, hard=8.0), inputs, ATTACKS, reference=model(hard=8.0))
    areas = {name: result.estimate.value for name, (result, _) in found.items() if result.estimate}
    assert areas["hides_members_from_reference"] > 0.99
    assert areas["hides_members_from_loss"] < 0.6
    assert found["hides_members_from_reference"][0].status == "FAIL"
    # the reference knows the documents as well: both were trained on them, or neither
    both = gates(model(members), inputs, ATTACKS[-1:], reference=model(members, seed="other"))["hides_members_from_reference"]
    assert both[0].status == "PASS", both[0].reason
    # the same model twice says nothing at all
    same = gates(model(members), inputs, ATTACKS[-1:], reference=model(members))["hides_members_from_reference"]
    assert {f.score for f in same[1]} == {0.0}
    assert (same[0].status, same[0].lower, same[0].upper) == ("INCONCLUSIVE", 0.0, 1.0)


def test_the_score_beside_a_reference_is_in_nats_a_byte(tmp_path: Path) -> None:
    inputs = {"members": write(tmp_path / "m.jsonl", ["söme text"] * 1), "nonmembers": write(tmp_path / "n.jsonl", ["other"])}
    answers = {"söme text": (-3.0, -8.0), "other": (-5.0, -5.0)}

    def answering(side: int) -> Any:
        def answer(request: Any) -> Logprob:
            total = answers.get(request.continuation, (0.0, 0.0))[side]
            return Logprob(total, False, 2 + side, (TokenLogprob(total / (2 + side), -1.0, 1.0),) * (2 + side))

        return answer

    rows = gates(answering(0), inputs, ATTACKS[-1:], reference=answering(1))["hides_members_from_reference"][1]
    assert {f.group: f.score for f in rows} == {"member": 0.5, "nonmember": 0.0}
    assert {f.evidence["tokens of the reference"] for f in rows} == {3}


def test_every_attack_asks_the_same_documents_half_of_each_file(tmp_path: Path) -> None:
    inputs = {"members": write(tmp_path / "m.jsonl", documents(300, "m", 5))}
    for count, kept in ((300, (90, 90)), (20, (160, 20)), (95, (90, 90))):
        inputs["nonmembers"] = write(tmp_path / "n.jsonl", documents(count, "n", 5))
        asked = [{c.id for c in p.cases(profile(**inputs, vs="x"), 180)} for p in ATTACKS]
        assert asked.count(asked[0]) == len(ATTACKS)
        assert (sum(i.startswith("member") for i in asked[0]), sum(i.startswith("non") for i in asked[0])) == kept


def test_files_of_two_styles_are_confounded_and_gate_nothing(tmp_path: Path) -> None:
    members = documents(80, "members")
    others = [f"Dear reader, {text} yours" for text in documents(80, "others")]
    inputs = {"members": write(tmp_path / "m.jsonl", members), "nonmembers": write(tmp_path / "n.jsonl", others)}
    for answer in (model(), model(members)):
        for result, _ in gates(answer, inputs, ATTACKS, reference=model()).values():
            assert (result.status, result.blocking) == ("INCONCLUSIVE", False)
            assert result.advisory == "CONFOUNDED: the files differ in their words and length, without any model"
            assert (result.lower, result.upper) == (None, None)
            assert "CONFOUNDED" in result.reason


def test_dates_alone_are_noticed(tmp_path: Path) -> None:
    members = [f"{t} in {1990 + i % 5}" for i, t in enumerate(documents(80, "members"))]
    others = [f"{t} in {2020 + i % 5}" for i, t in enumerate(documents(80, "others"))]
    scores = blind_scores(members, others)
    assert min(s["dates"] for s in scores[:80]) > 0 > max(s["dates"] for s in scores[80:])


def test_a_random_split_is_seldom_confounded() -> None:
    """Three readers at 99 % together; over 60 splits of one set the alarms stay few."""
    alarms = 0
    for seed in range(60):
        texts = documents(80, f"split/{seed}", words=30)
        scores = blind_scores(texts[:40], texts[40:])
        found = [
            Finding("n", "p", "privacy", str(i), str(i), "measured", 0.0, "member" if i < 40 else "nonmember", "", {"blind": s})
            for i, s in enumerate(scores)
        ]
        alarms += any(membership.blind_area(found, name)[1] for name in ("words", "dates", "length"))
    assert alarms <= 3


def test_a_metric_without_one_side_is_no_verdict(tmp_path: Path) -> None:
    found = [Finding("n", "p", "privacy", "1", "1", "measured", 0.0, "member", "", {"blind": {"words": 0.0}})]
    with pytest.raises(ValueError, match="at least one number"):
        membership_reading(found)


def _reference(tokens: list[tuple[float, list[float]]]) -> tuple[float, float]:
    """Min-K% and Min-K%++ from the log-probability of each token and the whole vocabulary's at its place, k = 20 %."""
    import numpy as np

    plain, standard = [], []
    for logp, vocabulary in tokens:
        logps = np.array(vocabulary)
        p = np.exp(logps)
        mu = (p * logps).sum()
        sigma = np.sqrt((p * (logps - mu) ** 2).sum())
        plain.append(logp)
        standard.append((logp - mu) / sigma)
    k = max(1, int(len(plain) * 0.2))
    return float(np.sort(plain)[:k].mean()), float(np.sort(standard)[:k].mean())


def test_min_k_equals_the_reference_on_a_real_model() -> None:
    torch = pytest.importorskip("torch")
    import tiny

    from pytest_slmtrust.backends.load import wrap_loaded

    lm, tokenizer = tiny.model("llama", seed=3), tiny.tokenizer()
    backend = wrap_loaded(lm, tokenizer, "tiny", None)
    for text in tiny.TEXT:
        ids = tokenizer.encode(text, add_special_tokens=False)
        with torch.no_grad():
            logits = lm(torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0].double().log_softmax(-1)
        wanted = _reference([(float(logits[i, t]), logits[i].tolist()) for i, t in enumerate(ids)])
        [(_, answer)] = backend.run([Loglikelihood("", text, detail=True)])
        assert (min_k("", answer.tokens), min_k_plus("", answer.tokens)) == pytest.approx(wanted, abs=1e-6, rel=1e-6)


def test_min_k_equals_the_reference_on_random_numbers() -> None:
    import numpy as np

    draw = np.random.default_rng(5)
    for length in (1, 4, 5, 37):
        logits = draw.normal(0, 3, (length, 50))
        logps = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        rows = [(float(row[draw.integers(50)]), row.tolist()) for row in logps]
        tokens = []
        for logp, row in rows:
            p = np.exp(np.array(row))
            mean = float((p * row).sum())
            tokens.append(TokenLogprob(logp, mean, float((p * (np.array(row) - mean) ** 2).sum())))
        assert (min_k("", tokens), min_k_plus("", tokens)) == pytest.approx(_reference(rows), abs=1e-6)


# --- files


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "fine"}\n{"txt": "no"}\n', "line 2: field 'text' is missing"),
        ("a.jsonl", b'{"text": ""}\n', "line 1: field 'text' is empty"),
        ("a.jsonl", b'{"text": 5}\n', "line 1: field 'text' is a int"),
        ("a.jsonl", b'["text"]\n', "line 1: a JSON list"),
        ("a.jsonl", b'{"text": "x", "count": 0}\n', "line 1: field 'count' must be a whole number"),
        ("a.jsonl", b'{"text": "x", "count": true}\n', "line 1: field 'count'"),
        ("a.jsonl", b'{"text": "x", "count": 1.5}\n', "line 1: field 'count'"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', "half of a surrogate pair"),
        ("a.jsonl", b"{'text': 1}\n", "line 1: not JSON"),
        ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
        ("a.jsonl", b"\n \n", "no document in it"),
        ("a.txt", "gr\xfc\xdfe".encode("latin-1"), "not UTF-8 at byte 2"),
        ("a.txt", b"", "no document in it"),
        ("a.csv", b"text\nx\n", "expected a file that ends in .jsonl, .ndjson or .txt"),
        ("a.txt", b"x" * 1_000_001, "line 1: a document of 1,000,001 characters"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_line_and_field(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ProbeError) as error:
        read_documents(str(path), "members")
    said = str(error.value)
    assert message in said
    assert said.startswith(f"--slm-members {path}")
    assert "\n" not in said


def test_size_and_kind_of_a_file_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_slmtrust.probes import documents as reader

    (tmp_path / "d.txt").mkdir()
    for path in ("d.txt", "no.txt"):
        with pytest.raises(ProbeError, match="no such file"):
            read_documents(str(tmp_path / path), "members")
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n")
    monkeypatch.setattr(reader, "DOCUMENTS", 2)
    with pytest.raises(ProbeError, match="more than 2 documents"):
        read_documents(str(tmp_path / "a.txt"), "members")
    monkeypatch.setattr(reader, "FILE_BYTES", 5)
    with pytest.raises(ProbeError, match="14 bytes; 5 are read at most"):
        read_documents(str(tmp_path / "a.txt"), "members")


def test_repeated_documents_add_up_and_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": " one "}\r\n{"text": "two", "count": 3, "source": "x"}\n{"text": "one"}\n')
    assert [(d.line, d.text, d.count) for d in read_documents(str(path), "members")] == [(1, "one", 2), (2, "two", 3)]
    (tmp_path / "a.txt").write_text("one\n\ntwo\none\n")
    assert [(d.line, d.text, d.count) for d in read_documents(str(tmp_path / "a.txt"), "members")] == [
        (1, "one", 2),
        (3, "two", 1),
    ]


def test_a_document_on_both_sides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("one fish\ntwo fish\n")
    (tmp_path / "n.txt").write_text("red fish\ntwo fish\n")
    given = profile(members=str(tmp_path / "m.txt"), nonmembers=str(tmp_path / "n.txt"))
    with pytest.raises(ProbeError, match="line 2 of --slm-nonmembers is line 2 of --slm-members too"):
        ATTACKS[0].cases(given)
    with pytest.raises(ProbeError, match="no document has 20 words or more"):
        RECITES.cases(given)


def test_rows_are_stable_and_read_no_more_than_they_say(tmp_path: Path) -> None:
    texts = [" ".join(random.Random(i).choices("abcdefg", k=500)) for i in range(30)]
    given = profile(members=write(tmp_path / "m.jsonl", texts[:15]), nonmembers=write(tmp_path / "n.jsonl", texts[15:]))
    cases = ATTACKS[0].cases(given)
    assert [c.id for c in cases] == [c.id for c in ATTACKS[0].cases(given)]
    assert {len(c.params["text"].split()) for c in cases} == {200}
    assert {c.id.split("-")[0] for c in cases} == {"member", "nonmember"}
    prefixes: list[Any] = [c.params["prefix"] for c in RECITES.cases(given)]
    assert {len(p.split()) for p in prefixes} == {40}


# --- through pytest


def test_through_pytest_with_and_without_the_files(pytester: pytest.Pytester) -> None:
    from runs import audit

    secret = "Ottilie Quarrendon"
    write(pytester.path / "m.jsonl", [f"{secret} {t}" for t in documents(12, "members")])
    pytester.makeconftest(
        "from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer\n"
        "def pytest_slm_backend(config): return FakeBackend('unknown')\n"
        "def pytest_slm_scorer(config): return WordListScorer()\n"
    )
    options = ("--slm=fake", "--slm-profile=smoke", "-p", "no:randomly", "-k", "recites or hides_members or learned_no", "-vv")
    pytester.runpytest(*options)
    rows = {r["what"]: r["reason"] for r in audit(pytester.path)["not_tested"] if r["dimension"] == "privacy"}
    assert rows[RECITES.name] == "needs --slm-members"
    assert rows["hides_members_from_loss"] == "needs --slm-members, --slm-nonmembers"
    assert rows["hides_members_from_reference"] == "needs --slm-members, --slm-nonmembers, --slm-vs"
    assert rows["learned_no_canary"] == "needs --slm-canaries"
    result = pytester.runpytest(*options, "--slm-members=m.jsonl", "--slm-strict", "--junitxml=slmtrust-report/junit.xml")
    found = [f for f in audit(pytester.path)["findings"] if f["probe"] == RECITES.name]
    assert len(found) == 10
    for text in (result.stdout.str(), *(p.read_text() for p in (pytester.path / "slmtrust-report").iterdir())):
        assert "Quarrendon" not in text
    pytester.path.joinpath("m.jsonl").write_text('{"txt": "x"}\n')
    result = pytester.runpytest(*options, "--slm-members=m.jsonl")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--slm-members *m.jsonl, line 1: field 'text' is missing*"])


def test_a_confounded_audit_is_rendered_and_verified(pytester: pytest.Pytester) -> None:
    from pytest_slmtrust.archive.verify import problems
    from pytest_slmtrust.audit.model import Audit
    from pytest_slmtrust.cli import main

    write(pytester.path / "m.jsonl", documents(40, "members"))
    write(pytester.path / "n.jsonl", [f"Dear reader, {t}" for t in documents(40, "others")])
    pytester.makeconftest(
        "from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer\n"
        "from memory import model\n"
        "def pytest_slm_backend(config): return FakeBackend(model())\n"
        "def pytest_slm_scorer(config): return WordListScorer()\n"
    )
    options = ("--slm=fake", "-p", "no:randomly", "-k", "hides_members", "--slm-members=m.jsonl", "--slm-nonmembers=n.jsonl")
    result = pytester.runpytest(*options)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*CONFOUNDED*"])
    path = pytester.path / "slmtrust-report" / "audit.json"
    audit = Audit.from_json(path.read_text())
    assert problems(audit) == []
    assert sum(g.status == "INCONCLUSIVE" and not g.blocking for g in audit.gates) == 4
    assert {g.probe for g in audit.gates if g.status == "NOT TESTED" and not g.blocking} >= {"hides_members_from_reference"}
    assert main(["render", str(path)]) == 0
    html = path.with_suffix(".html").read_text()
    assert html.count("CONFOUNDED: the files differ in their words") >= 4
