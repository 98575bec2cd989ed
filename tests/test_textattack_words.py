"""Word-level recipes that need data: used where it is, named where it is not. The data here is made by the test."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from pytest_slmtrust import Failure, Perturb
from pytest_slmtrust.backends.textattack import data_recipes as words
from pytest_slmtrust.backends.textattack.perturb import TextAttackBackend, available, import_textattack

pytestmark = pytest.mark.skipif(bool(available()), reason=available() or "TextAttack is there")

TEXT = "The wonderful waiter brought the wonderful soup."


def ask(recipe: str, text: str = TEXT) -> str | Failure:
    [(_, answer)] = TextAttackBackend().run([Perturb(text, recipe)])
    assert isinstance(answer, (str, Failure))
    return answer


def tiny_wordnet(folder: Path) -> None:
    """WordNet's files with one set of synonyms."""
    place = folder / "corpora" / "wordnet"
    place.mkdir(parents=True)
    for name in ("index.sense", "cntlist.rev"):
        place.joinpath(name).write_text("")
    place.joinpath("lexnames").write_text("00\tadj.all\t3\n")
    for part in ("noun", "verb", "adj", "adv"):
        place.joinpath(f"{part}.exc").write_text("")
        place.joinpath(f"index.{part}").write_text("")
        place.joinpath(f"data.{part}").write_text("")
    synonyms = ("wonderful", "marvellous", "splendid")
    place.joinpath("data.adj").write_text(f"00000000 00 a 03 {' '.join(f'{word} 0' for word in synonyms)} 000 | very good\n")
    place.joinpath("index.adj").write_text("".join(f"{word} a 1 0 1 0 00000000\n" for word in sorted(synonyms)))


def test_synonyms_of_wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_textattack()
    import nltk
    from nltk.corpus.util import LazyCorpusLoader

    tiny_wordnet(tmp_path)
    monkeypatch.setenv("NLTK_DATA", str(tmp_path))
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path), *nltk.data.path])
    from textattack.transformations.word_swaps import word_swap_wordnet

    reader = nltk.corpus.reader.WordNetCorpusReader
    monkeypatch.setattr(word_swap_wordnet, "wordnet", LazyCorpusLoader("wordnet", reader, None))
    assert words.missing("synonym-wordnet") == ""
    answer = ask("synonym-wordnet")
    assert isinstance(answer, str), answer
    assert answer == ask("synonym-wordnet")
    changed = [(a, b) for a, b in zip(TEXT.split(), answer.split(), strict=True) if a != b]
    assert changed
    assert {a for a, _ in changed} == {"wonderful"}
    assert {b for _, b in changed} <= {"marvellous", "splendid"}


def tiny_embeddings(folder: Path, listed: object) -> Path:
    import numpy as np

    place = folder / "word_embeddings" / "paragramcf"
    place.mkdir(parents=True)
    np.save(place / "paragram.npy", np.eye(3, dtype=np.float32))
    np.save(place / "nn.npy", np.array([[0, 1, 2], [1, 0, 2], [2, 1, 0]]))
    (place / "wordlist.pickle").write_bytes(pickle.dumps(listed))
    return place


@pytest.fixture
def fresh() -> object:
    words._embedding.cache_clear()
    yield
    words._embedding.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_neighbours_in_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_embeddings(tmp_path, {"wonderful": 0, "lovely": 1, "splendid": 2})
    monkeypatch.setenv("TA_CACHE_DIR", str(tmp_path))
    answer = ask("synonym-embedding")
    assert isinstance(answer, str), answer
    assert set(answer.split()) - set(TEXT.split()) <= {"lovely", "splendid"}
    assert answer != TEXT


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("/tmp/slmtrust-pickle-ran",)


@pytest.mark.usefixtures("fresh")
def test_a_word_list_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_embeddings(tmp_path, {"wonderful": _Runs()})
    monkeypatch.setenv("TA_CACHE_DIR", str(tmp_path))
    answer = ask("synonym-embedding")
    assert isinstance(answer, Failure)
    assert "has no place in a word list" in answer.message
    assert not Path("/tmp/slmtrust-pickle-ran").exists()


def test_data_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(words, "_wordnet", lambda: False)
    monkeypatch.setattr(words, "_masked_lm", lambda: None)
    said = {recipe: ask(recipe) for recipe in words.RECIPES}
    assert all(isinstance(answer, Failure) for answer in said.values())
    assert {recipe: answer.message for recipe, answer in said.items() if isinstance(answer, Failure)} == {
        recipe: words.missing(recipe) for recipe in words.RECIPES
    }
    assert "nltk.downloader wordnet" in words.missing("synonym-wordnet")
    assert "bert-base-uncased" in words.missing("masked-lm")
    assert words.missing("char-swap") == ""
