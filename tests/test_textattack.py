"""Perturbations by the real TextAttack: offline, reproducible, without side effects."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_slmtrust import BackendError, Failure, Generate, Perturb
from pytest_slmtrust.backends.textattack import data_recipes as words
from pytest_slmtrust.backends.textattack import perturb as backend
from pytest_slmtrust.backends.textattack.perturb import RECIPES, TextAttackBackend, available, import_textattack

#: Recipes that need no data beside TextAttack.
OFFLINE = [recipe for recipe in RECIPES if recipe not in words.RECIPES]
pytestmark = pytest.mark.skipif(bool(available()), reason=available() or "TextAttack is there")

TEXT = (
    "I don't think that 12 people are quickly walking towards the garden; do not they have bicycles?\n\n"
    "Answer: is it (yes or no)?"
)
TYPING = ("char-swap", "char-delete", "char-insert", "char-substitute", "qwerty", "typo-mix", "homoglyph", "invisible")


@pytest.fixture(scope="module")
def perturber(tmp_path_factory) -> TextAttackBackend:
    return TextAttackBackend(tmp_path_factory.mktemp("cache"))


def change(perturber: TextAttackBackend, *requests: Perturb) -> list[Any]:
    answers = dict(perturber.run(list(requests)))
    return [answers[index] for index in range(len(requests))]


def changed_words(text: str) -> list[tuple[str, str]]:
    return [(old, new) for old, new in zip(TEXT.split(), text.split(), strict=True) if old != new]


@pytest.mark.parametrize("recipe", OFFLINE)
def test_every_recipe_changes_the_text_and_keeps_most_of_it(perturber, recipe: str) -> None:
    answer = change(perturber, Perturb(TEXT, recipe))[0]
    assert isinstance(answer, str), answer
    assert answer != TEXT
    assert 0.7 * len(TEXT) < len(answer) < 1.3 * len(TEXT)
    assert "\n\nAnswer" in answer or recipe in ("word-swap", *TYPING)


@pytest.mark.parametrize("recipe", TYPING)
def test_typing_errors_keep_short_words_and_numbers(perturber, recipe: str) -> None:
    for variant in range(6):
        answer = change(perturber, Perturb(TEXT, recipe, variant))[0]
        pairs = changed_words(answer)
        assert 1 <= len(pairs) <= 5
        for old, new in pairs:
            letters = old.strip(".,;:?()")
            assert len(letters) >= 4
            assert letters.isalpha()
            assert abs(len(new) - len(old)) <= 1


def test_what_each_recipe_does(perturber) -> None:
    def one(recipe: str) -> tuple[str, str]:
        return changed_words(change(perturber, Perturb(TEXT, recipe))[0])[0]

    old, new = one("char-swap")
    assert sorted(old) == sorted(new)
    old, new = one("char-delete")
    assert len(new) == len(old) - 1
    old, new = one("char-insert")
    assert len(new) == len(old) + 1
    old, new = one("homoglyph")
    assert not new.isascii()
    old, new = one("invisible")
    assert new.translate({0x200B: None, 0x200C: None, 0x200D: None}) == old
    assert "do not think" in change(perturber, Perturb(TEXT, "expand"))[0]
    assert "; don't" in change(perturber, Perturb("Go home; do not stay.", "contract"))[0]
    assert "12" not in change(perturber, Perturb("There are 12 cows.", "change-number"))[0]
    assert sorted(change(perturber, Perturb("alpha beta gamma", "word-swap"))[0].split()) == ["alpha", "beta", "gamma"]
    assert len(change(perturber, Perturb(TEXT, "word-delete"))[0].split()) < len(TEXT.split())


def test_a_recipe_may_name_its_share(perturber) -> None:
    few, many = change(perturber, Perturb(TEXT, "qwerty@5"), Perturb(TEXT, "qwerty@50"))
    assert len(changed_words(few)) == 1
    assert len(changed_words(many)) >= 6


def test_variants_differ_and_repeat(perturber) -> None:
    requests = [Perturb(TEXT, "typo-mix", variant) for variant in range(8)]
    first = change(perturber, *requests)
    assert len(set(first)) == 8
    assert change(perturber, *reversed(requests))[::-1] == first
    assert [change(perturber, request)[0] for request in requests] == first


def test_what_cannot_be_changed_is_a_failure(perturber) -> None:
    answers = change(
        perturber, Perturb("go on", "char-swap"), Perturb("", "word-delete"), Perturb("no number", "change-number"),
        Perturb("!?", "homoglyph"), Perturb(TEXT, "qwert"), Perturb(TEXT, "qwerty@0"), Perturb(TEXT, "qwerty@101"),
        Perturb(TEXT, "QWERTY"),
    )  # fmt: skip
    assert all(isinstance(answer, Failure) for answer in answers)
    assert "changed nothing in 'go on'" in answers[0].message
    assert "Did you mean 'qwerty'" in answers[4].message
    assert "1 to 100" in answers[5].message
    assert "1 to 100" in answers[6].message
    assert isinstance(dict(perturber.run([Generate("x")]))[0], Failure)


def test_randomness_loggers_and_environment_are_left_alone(perturber) -> None:
    import numpy as np

    random.seed(5)
    np.random.seed(5)
    expected = (random.random(), np.random.random())
    random.seed(5)
    np.random.seed(5)
    change(perturber, Perturb(TEXT, "typo-mix"))
    assert (random.random(), np.random.random()) == expected


def test_the_import_leaves_no_trace_and_a_fresh_process_answers_alike(perturber, tmp_path) -> None:
    """In a fresh process: loggers, environment, generators, nltk's path, every connection tried, and the answers."""
    requests = [Perturb(TEXT, recipe, variant) for recipe in OFFLINE for variant in range(2)]
    code = f"""
import hashlib, logging, os, pathlib, random, socket
tried = []
def deny(*args, **kwargs):
    tried.append(args)
    raise OSError("no network here")
socket.getaddrinfo = socket.create_connection = deny
socket.socket.connect = deny
mine, root = logging.getLogger("mine"), logging.getLogger()
mine.setLevel(logging.DEBUG)
mine.addHandler(logging.NullHandler())
state = random.getstate()
before = dict(os.environ)
from pytest_slmtrust.backends.textattack.perturb import import_textattack
import_textattack(pathlib.Path({str(tmp_path)!r}))
import nltk
assert dict(os.environ) == before, set(os.environ.items()) ^ set(before.items())
assert not mine.disabled and mine.level == logging.DEBUG and len(mine.handlers) == 1, mine
assert not root.handlers and root.level == logging.WARNING, root.handlers
assert random.getstate() == state
assert not any("textattack" in place for place in nltk.data.path), nltk.data.path
import huggingface_hub.constants
assert "textattack" not in huggingface_hub.constants.HF_HOME
from pytest_slmtrust import Perturb
from pytest_slmtrust.backends.textattack.perturb import RECIPES, TextAttackBackend
requests = [Perturb({TEXT!r}, recipe, variant) for recipe in {OFFLINE!r} for variant in range(2)]
answers = [answer for _, answer in TextAttackBackend(pathlib.Path({str(tmp_path)!r})).run(requests)]
print(hashlib.sha256(repr(answers).encode()).hexdigest())
assert not tried, tried
"""
    home = tmp_path / "home"
    home.mkdir()
    env = {**os.environ, "HOME": str(home), "PYTHONHASHSEED": "4242"}
    env.pop("TA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == hashlib.sha256(repr(change(perturber, *requests)).encode()).hexdigest()
    assert "Downloading" not in done.stdout + done.stderr
    assert not (home / ".cache" / "textattack").exists()
    assert not (home / "nltk_data").exists()
    words = (tmp_path / "textattack" / "nltk_data" / "corpora" / "stopwords" / "english").read_text().split()
    assert len(words) > 250
    assert "the" in words


def test_importing_the_backend_imports_no_textattack() -> None:
    code = (
        "import sys; from pytest_slmtrust.backends.textattack.perturb import RECIPES, TextAttackBackend, available; available();"
        "b = TextAttackBackend(); b.fingerprint; b.describe(); list(b.run([]));"
        "print([m for m in ('textattack','flair','nltk','sklearn','numpy','torch','transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_textattack_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    assert "reinstall this package with its extra [attack]" in available()
    with pytest.raises(BackendError, match="not installed"):
        list(TextAttackBackend().run([Perturb("some text", "qwerty")]))


def test_a_logger_made_earlier_still_speaks(perturber, caplog, tmp_path: Path) -> None:
    import_textattack(tmp_path)
    with caplog.at_level(logging.INFO, logger="slmtrust.test"):
        logging.getLogger("slmtrust.test").info("here")
    assert "here" in caplog.text
