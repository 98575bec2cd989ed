"""Detoxify's own class over checkpoints built here, and hostile checkpoints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tiny_scorers import TEXTS, build_checkpoint, scores

from pytest_slmtrust import BackendError, Classify
from pytest_slmtrust.backends.toxicity import detoxify_checkpoint as checkpoint
from pytest_slmtrust.backends.toxicity.scorer import ScorerError, load_scorer

pytestmark = pytest.mark.usefixtures("private_cache")


def test_detoxifys_own_class_scores_the_safe_copy(bert: Path, tmp_path) -> None:
    from detoxify import Detoxify

    file = build_checkpoint(bert, tmp_path / "tiny.ckpt")
    scorer = load_scorer(f"detoxify:{file}")
    assert scorer.describe()["labels"] == ["toxicity", "insult", "threat"]
    together = scores(scorer, TEXTS)
    for text, many in zip(TEXTS, together, strict=True):
        one = scores(scorer, [text])[0]
        assert set(one.scores) == {"toxicity", "insult", "threat"}
        assert one.scores == pytest.approx(many.scores, abs=1e-5)
    copies = list((tmp_path / "cache" / "detoxify").glob("*/checkpoint.pt"))
    assert len(copies) == 1
    plain = Detoxify(checkpoint=str(copies[0]), huggingface_config_path=str(copies[0].parent / "base"))
    assert together[0].scores == pytest.approx(plain.predict("you are an idiot"), abs=1e-5)


def test_detoxify_gets_the_weights_of_the_checkpoint(bert: Path, tmp_path) -> None:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    file = build_checkpoint(bert, tmp_path / "tiny.ckpt")
    model = BertForSequenceClassification(BertConfig.from_pretrained(bert, num_labels=3)).eval()
    model.load_state_dict(torch.load(file, weights_only=True)["state_dict"])
    with torch.inference_mode():
        logits = model(**AutoTokenizer.from_pretrained(bert)("hello you", return_tensors="pt")).logits
    answer = scores(load_scorer(f"detoxify:{file},{bert}"), ["hello you"])[0]
    assert list(answer.scores.values()) == pytest.approx(logits.sigmoid()[0].tolist(), abs=1e-5)


def test_detoxify_scores_long_texts_in_windows(bert: Path, tmp_path) -> None:
    scorer = load_scorer(f"detoxify:{build_checkpoint(bert, tmp_path / 'tiny.ckpt')}")
    long = "the garden is nice " * 40
    assert scores(scorer, [long])[0].scores != scores(scorer, [long + "stupid idiot awful person " * 12])[0].scores


def test_old_label_names_are_renamed_and_the_first_challenges_labels_kept(bert: Path, tmp_path) -> None:
    file = build_checkpoint(bert, tmp_path / "old.ckpt", ("toxic", "severe_toxic", "identity_hate"))
    answer = scores(load_scorer(f"detoxify:{file}"), ["hello"])[0]
    assert set(answer.scores) == {"toxicity", "severe_toxicity", "identity_attack"}


def test_a_checkpoint_that_runs_code_is_refused(bert: Path, tmp_path) -> None:
    import torch

    canary = tmp_path / "canary"

    class Bomb:
        def __reduce__(self) -> Any:
            return (os.system, (f"touch {canary}",))

    whole = torch.load(build_checkpoint(bert, tmp_path / "good.ckpt"), weights_only=True)
    torch.save(whole | {"extra": Bomb()}, tmp_path / "evil.ckpt")
    with pytest.raises(ScorerError, match="refused, holds more than tensors and plain data"):
        load_scorer(f"detoxify:{tmp_path / 'evil.ckpt'}")
    assert not canary.exists()
    assert not list((tmp_path / "cache" / "detoxify").glob("*/checkpoint.pt"))


def test_the_hash_in_the_name_is_checked(bert: Path, tmp_path) -> None:
    import hashlib

    file = build_checkpoint(bert, tmp_path / "tiny.ckpt")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    right, wrong = tmp_path / f"tiny-{digest[:8]}.ckpt", tmp_path / "tiny-deadbeef.ckpt"
    right.write_bytes(file.read_bytes())
    wrong.write_bytes(file.read_bytes())
    assert load_scorer(f"detoxify:{right}").fingerprint
    with pytest.raises(ScorerError, match="promises deadbeef"):
        load_scorer(f"detoxify:{wrong}")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"model_name": "pipeline"}, "ForSequenceClassification"),
        ({"tokenizer_name": "AutoModel.from_pretrained"}, "Tokenizer"),
        ({"num_classes": 5}, "5 classes, 3 labels"),
        ({"model_type": "bert-base-uncased"}, "no config.json in bert-base-uncased"),
    ],
)
def test_checkpoints_that_name_something_else_are_refused(bert: Path, tmp_path, args: dict[str, Any], message: str) -> None:
    with pytest.raises(ScorerError, match=message):
        load_scorer(f"detoxify:{build_checkpoint(bert, tmp_path / 'tiny.ckpt', **args)}")


def test_no_label_of_toxicity_in_a_checkpoint(bert: Path, tmp_path) -> None:
    with pytest.raises(ScorerError, match="none of its labels means toxicity: joy, anger"):
        load_scorer(f"detoxify:{build_checkpoint(bert, tmp_path / 'tiny.ckpt', ('joy', 'anger'))}")


def test_files_that_are_no_checkpoint(tmp_path) -> None:
    import torch

    (tmp_path / "junk.ckpt").write_bytes(b"junk")
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    for name, message in (("junk", "damaged"), ("list", "a list instead"), ("other", "not a checkpoint of Detoxify")):
        with pytest.raises(ScorerError, match=message):
            load_scorer(f"detoxify:{tmp_path / name}.ckpt")


def test_a_checkpoint_that_lacks_weights_gives_no_score(bert: Path, tmp_path) -> None:
    import torch

    whole = torch.load(build_checkpoint(bert, tmp_path / "good.ckpt"), weights_only=True)
    whole["state_dict"] = {name: value for name, value in whole["state_dict"].items() if not name.startswith("classifier")}
    torch.save(whole, tmp_path / "less.ckpt")
    with pytest.raises(BackendError, match="weights are missing from the checkpoint, such as 'classifier"):
        list(load_scorer(f"detoxify:{tmp_path / 'less.ckpt'}").run([Classify("hi")]))


def test_the_second_load_reads_no_pickle(bert: Path, tmp_path, monkeypatch) -> None:
    file = build_checkpoint(bert, tmp_path / "tiny.ckpt")
    first = load_scorer(f"detoxify:{file}").fingerprint

    def refuse(path: Path) -> Any:
        raise AssertionError("read again")

    monkeypatch.setattr(checkpoint, "_read_plain", refuse)
    assert load_scorer(f"detoxify:{file}").fingerprint == first
