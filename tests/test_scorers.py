"""Toxicity scorers: tiny real classifiers built here, hostile folders, alt-profanity-check; Detoxify is in a file of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_scorers import TEXTS, build_bert, scores

from pytest_slmtrust import BackendError, Classify, Failure, Generate, Labels
from pytest_slmtrust.backends.toxicity import detoxify_checkpoint as checkpoint
from pytest_slmtrust.backends.toxicity import scorer as toxicity
from pytest_slmtrust.backends.toxicity.scorer import ScorerError, ToxicityScorer, available, load_scorer, windows
from pytest_slmtrust.detectors.measured import measured

pytestmark = pytest.mark.usefixtures("private_cache")

# -- any scorer -----------------------------------------------------------------------------------------------------------


def scripted(score: Any) -> ToxicityScorer:
    return ToxicityScorer("scripted", ("toxicity",), "a test", "scripted:1", lambda: score)


def test_each_distinct_text_is_scored_once_longest_first_in_batches() -> None:
    seen: list[list[str]] = []

    def score(texts: Sequence[str]) -> list[dict[str, float]]:
        seen.append(list(texts))
        return [{"toxicity": len(text) / 100} for text in texts]

    texts = ["x" * (i % 50) for i in range(120)]
    answers = scores(scripted(score), texts)
    assert [a["toxicity"] for a in answers] == [len(t) / 100 for t in texts]
    flat = [len(text) for batch in seen for text in batch]
    assert flat == sorted(range(50), reverse=True)
    assert [len(batch) for batch in seen] == [32, 18]


def test_scores_that_are_no_probability_are_failures() -> None:
    wrong = {"a": float("nan"), "b": float("inf"), "c": 1.5, "d": -0.2}
    scorer = scripted(lambda texts: [{"toxicity": wrong.get(t, 0.3), "insult": 0.1} for t in texts])
    answers = scores(scorer, ["a", "b", "c", "d", "e"])
    assert [type(a) for a in answers] == [Failure] * 4 + [Labels]
    assert "nan" in answers[0].message


def test_one_text_that_breaks_the_classifier_is_one_failure() -> None:
    def score(texts: Sequence[str]) -> list[dict[str, float]]:
        if any("bad" in text for text in texts):
            raise RuntimeError("out of memory")
        return [{"toxicity": 0.25} for _ in texts]

    answers = scores(scripted(score), ["one", "bad", "three", "four", "five"])
    assert [isinstance(a, Failure) for a in answers] == [False, True, False, False, False]
    assert "out of memory" in answers[1].message


def test_a_classifier_that_cannot_load_ends_the_session() -> None:
    def load() -> Any:
        raise OSError("disk gone")

    scorer = ToxicityScorer("broken", ("toxicity",), "a test", "x", load)
    with pytest.raises(BackendError, match="broken cannot be loaded: OSError: disk gone"):
        list(scorer.run([Classify("hi")]))


def test_other_requests_are_failures() -> None:
    scorer = scripted(lambda texts: [{"toxicity": 0.5} for _ in texts])
    answers = dict(scorer.run([Generate("x"), Classify("x", "sentiment"), Classify("x")]))
    assert [type(answers[i]) for i in range(3)] == [Failure, Failure, Labels]


def test_lone_surrogates_are_scored() -> None:
    scorer = scripted(lambda texts: [{"toxicity": len(t.encode()) / 4} for t in texts])
    assert scores(scorer, ["\ud800x"]) == [Labels({"toxicity": 0.5})]


@pytest.mark.parametrize("text", ["", "x", " ".join(map(str, range(600))), "".join(map(str, range(600))), "äöü", "a b c d " * 9])
def test_windows_fit_and_leave_nothing_out(text: str) -> None:
    parts = windows(text, lambda part: len(part) <= 37)
    assert all(len(part) <= 37 for part in parts)
    assert all(any(text[at : at + 4] in part for part in parts) for at in range(len(text)))
    assert parts[0] == text[: len(parts[0])]
    assert parts[-1] == text[len(text) - len(parts[-1]) :]


# -- specs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("detoxify:unbaised", "Did you mean 'detoxify:unbiased'"),
        ("profanity_check", "Did you mean 'profanity-check'"),
        ("tox_block", "Did you mean 'tox-block'"),
        ("perspective", "Known: detoxify:original"),
        ("", "Known: detoxify:original"),
        ("hf:/nowhere/at/all", "no config.json"),
        ("detoxify:/nowhere/x.ckpt", "does not exist"),
    ],
)
def test_bad_specs_are_one_line_that_helps(spec: str, message: str) -> None:
    with pytest.raises(ScorerError) as caught:
        load_scorer(spec)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert available(spec) or spec.startswith("profanity")


def test_releases_are_those_of_detoxify() -> None:
    from detoxify.detoxify import MODEL_URLS

    assert {name: checkpoint.RELEASES + path for name, (path, _) in checkpoint.RELEASED.items()} == {
        name: MODEL_URLS[name] for name in checkpoint.RELEASED
    }


def test_without_a_network_the_error_names_the_alternatives(monkeypatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr(checkpoint, "urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    with pytest.raises(ScorerError) as caught:
        load_scorer("detoxify:unbiased")
    for message in (str(caught.value), available("detoxify:unbiased")):
        assert "Network is unreachable" in message
        assert "profanity-check" in message
        assert "\n" not in message


def test_a_fetched_file_that_is_not_the_release_is_refused(monkeypatch, tmp_path) -> None:
    import io

    class Reply(io.BytesIO):
        headers = {"Content-Length": "9"}

    monkeypatch.setattr(checkpoint, "urlopen", lambda url, timeout: Reply(b"not it..."))
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    with pytest.raises(ScorerError, match="promises c7548aa0"):
        load_scorer("detoxify:unbiased", tmp_path)
    assert not [path for path in (tmp_path / "detoxify").iterdir() if path.suffix in (".ckpt", ".part")]


def test_importing_the_module_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pytest_slmtrust.backends.toxicity import scorer as toxicity; toxicity.available('profanity-check');"
        "toxicity.load_scorer('profanity-check').describe();"
        "print([m for m in ('torch','transformers','detoxify','profanity_check','sklearn','numpy','scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert done.stdout.strip() == "[]"


# -- hf: ------------------------------------------------------------------------------------------------------------------


def test_a_local_classifier_scores_batches_as_it_scores_one(bert: Path) -> None:
    scorer = load_scorer(f"hf:{bert}")
    together = scores(scorer, TEXTS)
    single = [scores(scorer, [text])[0] for text in TEXTS]
    for one, many in zip(single, together, strict=True):
        assert set(one.scores) == {"toxicity", "not_toxic"}
        assert one.scores == pytest.approx(many.scores, abs=1e-5)
    assert len({answer["toxicity"] for answer in together}) > 3


def test_a_local_classifier_scores_what_transformers_scores(bert: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(bert), AutoModelForSequenceClassification.from_pretrained(bert)
    with torch.inference_mode():
        expected = model.eval()(**tokenizer("you are an idiot", return_tensors="pt")).logits.softmax(-1)[0, 1].item()
    assert scores(load_scorer(f"hf:{bert}"), ["you are an idiot"])[0]["toxicity"] == pytest.approx(expected, abs=1e-5)


def test_long_texts_count_by_their_worst_window(bert: Path) -> None:
    scorer = load_scorer(f"hf:{bert}")
    long = "the garden is nice " * 40 + "you stupid idiot person " * 3 + "hello and kind time " * 40
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(bert)
    parts = windows(long, lambda text: len(tokenizer(text)["input_ids"]) <= 40)
    assert len(parts) > 8
    whole = scores(scorer, [long])[0]
    for label in ("toxicity", "not_toxic"):
        assert whole[label] == pytest.approx(max(answer[label] for answer in scores(scorer, parts)), abs=2e-6)
    last = scores(scorer, [long + " awful idiot " * 20])[0]
    assert last["toxicity"] != whole["toxicity"]


@pytest.mark.parametrize(
    ("labels", "settings", "total"),
    [
        ({0: "toxic", 1: "severe_toxic", 2: "insult"}, {}, None),
        ({0: "normal", 1: "hate speech", 2: "offensive"}, {}, 1.0),
        ({0: "Toxicity", 1: "Threat"}, {"problem_type": "multi_label_classification"}, None),
        ({0: "clean", 1: "insult", 2: "toxic"}, {"problem_type": "single_label_classification"}, 1.0),
    ],
)
def test_the_label_of_toxicity_is_found_by_name(labels: dict[int, str], settings: dict[str, str], total: Any, tmp_path) -> None:
    scorer = load_scorer(f"hf:{build_bert(tmp_path, labels, **settings)}")
    answer = scores(scorer, ["you are awful"])[0]
    assert "toxicity" in answer.scores
    assert len(answer.scores) == len(labels)
    assert set(scorer.describe()["labels"]) == set(answer.scores)
    if total is not None:
        assert sum(answer.scores.values()) == pytest.approx(total, abs=1e-5)
    else:
        assert sum(answer.scores.values()) != pytest.approx(1, abs=1e-3)


def test_labels_without_toxicity_are_listed(tmp_path) -> None:
    build_bert(tmp_path, {0: "joy", 1: "anger"})
    with pytest.raises(ScorerError, match="none of its labels means toxicity: joy, anger"):
        load_scorer(f"hf:{tmp_path}")


@pytest.mark.parametrize("spec", ["hf:~nosuchuser/x", "detoxify:~nosuchuser/x.ckpt", "hf:" + "a" * 300])
def test_paths_that_cannot_be_asked_for_are_one_line(spec: str) -> None:
    with pytest.raises(ScorerError, match="not a usable path"):
        load_scorer(spec)
    assert "not a usable path" in available(spec)


def test_hostile_or_damaged_folders_are_refused(bert: Path, tmp_path) -> None:
    import shutil

    def broken(change: Any) -> str:
        folder = tmp_path / f"m{len(list(tmp_path.iterdir()))}"
        shutil.copytree(bert, folder)
        change(folder)
        with pytest.raises(ScorerError) as caught:
            load_scorer(f"hf:{folder}")
        return str(caught.value)

    def edit(key: str, value: Any, name: str = "config.json") -> Any:
        def change(folder: Path) -> None:
            (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | {key: value}))

        return change

    assert "auto_map" in broken(edit("auto_map", {"AutoModel": "evil.Model"}))
    assert "_attn_implementation_internal" in broken(edit("_attn_implementation_internal", "evil/kernel"))
    assert "attn_implementation" in broken(edit("attn_implementation", "evil/kernel"))
    assert "auto_map" in broken(edit("auto_map", {"AutoTokenizer": "evil.T"}, "tokenizer_config.json"))
    nested = {"text_config": {"_attn_implementation_internal": "evil/kernel"}}
    assert "x.text_config._attn_implementation_internal" in broken(edit("x", nested))
    for key in ("configuration_files", "transformers_weights"):
        assert key in broken(edit(key, ["../outside"]))
    assert "fast_tokenizer_files" in broken(edit("fast_tokenizer_files", ["x"], "tokenizer_config.json"))
    assert "quanto" in broken(edit("quantization_config", {"quant_method": "quanto"}))
    assert "num_hidden_layers" in broken(edit("num_hidden_layers", 10**9))
    assert "num_hidden_layers" in broken(edit("num_hidden_layers", 900))
    assert "whole numbers" in broken(edit("id2label", {"x": "toxic"}))
    assert "list of names" in broken(edit("architectures", 5))
    assert "BertForMaskedLM" in broken(edit("architectures", ["BertForMaskedLM"]))
    assert "pickled" in broken(lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"))
    assert "safetensors" in broken(lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 64))
    assert "JSON" in broken(lambda folder: (folder / "config.json").write_text("{"))


def test_missing_weights_are_no_score(bert: Path, tmp_path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(bert, tmp_path / "m")
    weights = load_file(bert / "model.safetensors")
    body = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    save_file(body, tmp_path / "m" / "model.safetensors", {"format": "pt"})
    with pytest.raises(BackendError, match=r"2 weights are not in the files \(classifier"):
        list(load_scorer(f"hf:{tmp_path / 'm'}").run([Classify("hi")]))


def test_a_scorer_is_loaded_whole(bert: Path, tmp_path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(bert, tmp_path / "m")
    weights = load_file(bert / "model.safetensors")
    name = "bert.encoder.layer.0.output.dense.weight"

    def changed(**edits) -> str:
        held = {**weights, **{key.replace("/", "."): value for key, value in edits.items()}}
        save_file(held, tmp_path / "m" / "model.safetensors", {"format": "pt"})
        with pytest.raises(BackendError) as caught:
            list(load_scorer(f"hf:{tmp_path / 'm'}").run([Classify("hi")]))
        return str(caught.value)

    assert "weights are not used" in changed(**{"bert.encoder.layer.9.output.dense.weight": weights[name].clone()})
    assert name in changed(**{name: weights[name][:-1].clone()})
    assert "not finite" in changed(**{name: weights[name] * float("nan")})


def test_the_fingerprint_changes_with_one_byte_and_not_with_the_place(bert: Path, tmp_path) -> None:
    import shutil

    shutil.copytree(bert, tmp_path / "same")
    shutil.copytree(bert, tmp_path / "other")
    path = tmp_path / "other" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    here, same, other = (load_scorer(f"hf:{folder}").fingerprint for folder in (bert, tmp_path / "same", tmp_path / "other"))
    assert here == same != other


# -- alt-profanity-check --------------------------------------------------------------------------------------------------


def test_profanity_check_is_real() -> None:
    pytest.importorskip("profanity_check")
    scorer = load_scorer("profanity-check")
    texts = ["You are a stupid idiot and I hate you.", "Good morning, the tea is ready.", "you fucking asshole", ""]
    answers = [answer["toxicity"] for answer in scores(scorer, texts)]
    assert answers[0] > toxicity.THRESHOLD < answers[2]
    assert answers[1] < 0.2 > answers[3]
    assert [scores(scorer, [text])[0]["toxicity"] for text in texts] == answers
    about = scorer.describe()
    assert about["threshold"] == 0.5
    assert json.loads(json.dumps(about)) == about
    assert sorted(about["files"]) == ["model.joblib", "vectorizer.joblib"]


def test_measured_rows_are_counts() -> None:
    rows = measured("toxicity:profanity-check")
    assert rows, "run benchmarks/detectors.py"
    for row in rows:
        assert min(row["tp"], row["fn"], row["tn"], row["fp"]) >= 0
        assert row["tp"] + row["fn"] > 0 < row["tn"] + row["fp"]
        assert row["threshold"] == toxicity.THRESHOLD
    assert load_scorer("profanity-check").describe()["measured"] == rows


@pytest.mark.parametrize("variable", ["SLMTRUST_CACHE", "XDG_CACHE_HOME", "HOME"])
def test_a_cache_that_cannot_be_written_ends_nothing_that_needs_none(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bert: Path
) -> None:
    from pytest_slmtrust.backends.transformers.fingerprint import digest_file

    for name in ("SLMTRUST_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    assert load_scorer("profanity-check").name
    assert load_scorer(f"hf:{bert}").fingerprint
    large = tmp_path / "large"
    large.write_bytes(bytes(2**20))
    assert digest_file(large) == hashlib.sha256(bytes(2**20)).hexdigest()
    with pytest.raises(ScorerError, match="set SLMTRUST_CACHE to a folder that can be written"):
        load_scorer("detoxify:unbiased")
