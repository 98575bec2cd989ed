"""Perturbations by TextAttack's own transformations and augmenter, offline and reproducible.

This is the one place that imports TextAttack: importing it disables every existing logger, changes the environment and
tries six downloads, all of which is prevented or put back here.
"""

from __future__ import annotations

import importlib
import logging
import os
import random
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from ...plainfile import PRIVATE, write_whole
from ...requests import BackendError, Edits, Failure, Perturb, Request
from ..transformers.files import CacheError, cache_folder, locked
from . import data_recipes as words
from .attack_steps import ATTACKS, Attacks

#: Counted into the fingerprint: a change to a recipe or to how it is drawn bumps it.
ANSWERS = 1
#: Share of the words that a recipe changes, at least one word; ``"qwerty@40"`` names another, in percent.
SHARE = 20
#: Letters that a word must have for its spelling to be changed: shorter ones are no longer legible.
SHORTEST_WORD = 4

RECIPES = {
    "char-swap": "two neighbouring letters change places, in 20 % of the words",
    "char-delete": "a letter is left out, in 20 % of the words",
    "char-insert": "a random letter is put in, in 20 % of the words",
    "char-substitute": "a letter becomes a random one, in 20 % of the words",
    "qwerty": "a letter becomes its neighbour on the keyboard, in 20 % of the words",
    "typo-mix": "one of the five kinds of typing error above, in 20 % of the words",
    "homoglyph": "a letter becomes a look-alike of another alphabet, in 20 % of the words",
    "invisible": "a character without width is put in, in 20 % of the words",
    "contract": "a pair of words is contracted (do not -> don't), in 20 % of the words where it can be",
    "expand": "a contraction is written out (don't -> do not), in 20 % of the words where it can be",
    "change-number": "a number becomes another one (this changes the meaning), in 20 % of the words where it can be",
    "word-delete": "a word is left out, 20 % of the words",
    "word-swap": "two words change places, in 20 % of the words",
    **words.RECIPES,
}

_PACKAGES = ("textattack", "flair", "nltk", "sklearn")
# What TextAttack's import puts off its downloads by: its mark that they were tried.
_TRIED = "post_install_check_3"
_NAME = re.compile(r"([a-z-]+)(?:@([0-9]{1,3}))?\Z")


def available() -> str:
    """``""`` if TextAttack can be imported, else why not. Imports nothing."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    return f"{', '.join(missing)} not installed: reinstall this package with its extra [attack]" if missing else ""


def import_textattack(cache: Path | None = None) -> ModuleType:
    """TextAttack with its augmenters, imported without a network and without side effects that last.

    Loggers, environment, nltk's search path and the state of ``random`` and numpy are as before; what it stores
    goes below ``cache`` (the plugin's own by default).

    Raises:
        BackendError: it is not installed or cannot be imported.
    """
    reason = available()
    if reason:
        raise BackendError(reason)
    try:
        folder = (cache or cache_folder()) / "textattack"
    except CacheError as error:
        raise BackendError(f"TextAttack needs a cache: {error}") from None
    try:
        with _environment(), _loggers(), _randomness(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with locked(folder / "ready"):
                _provision(folder)
            # These take their cache folders from the environment when first imported: so they come before it changes.
            for name in ("huggingface_hub", "transformers", "datasets"):
                if find_spec(name) is not None:
                    importlib.import_module(name)
            os.environ["TA_CACHE_DIR"] = str(folder)
            with stop_words(cache):
                importlib.import_module("textattack.augmentation")
            return importlib.import_module("textattack")
    except Exception as error:
        detail = " ".join(str(error).split())[:300]
        raise BackendError(f"TextAttack cannot be imported: {type(error).__name__}: {detail}") from error


def _provision(folder: Path) -> None:
    """The mark that stops its downloads, and the list of stop words that it reads at import, from scikit-learn."""
    if not (folder / _TRIED).exists():
        write_whole(folder / _TRIED, "", PRIVATE)
    listed = folder / "nltk_data" / "corpora" / "stopwords" / "english"
    if not listed.exists():
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        listed.parent.mkdir(parents=True, exist_ok=True)
        write_whole(listed, "\n".join(sorted(ENGLISH_STOP_WORDS)) + "\n", PRIVATE)


@contextmanager
def stop_words(cache: Path | None = None) -> Iterator[None]:
    """nltk finds the list of stop words in the plugin's cache (or in another folder) during the body."""
    import nltk

    folder = str((cache or cache_folder()) / "textattack" / "nltk_data")
    nltk.data.path.insert(0, folder)
    try:
        yield
    finally:
        nltk.data.path.remove(folder)


@contextmanager
def _environment() -> Iterator[None]:
    """The environment is afterwards as before the body."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _loggers() -> Iterator[None]:
    """Loggers that exist before the body are afterwards as they were; TextAttack's own keep quiet about progress."""
    root = logging.getLogger()
    known = [root, *(entry for entry in root.manager.loggerDict.values() if isinstance(entry, logging.Logger))]
    before = [(one, one.disabled, one.level, one.propagate, list(one.handlers)) for one in known]
    disabled = root.manager.disable
    try:
        yield
    finally:
        for one, off, level, propagate, handlers in before:
            one.disabled, one.propagate, one.handlers[:] = off, propagate, handlers
            one.setLevel(level)
        root.manager.disable = disabled
        for name in [name for name in root.manager.loggerDict if name.partition(".")[0] == "textattack"]:
            logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def _randomness(seed: int | None = None) -> Iterator[None]:
    """TextAttack draws from the global generators of ``random`` and numpy: seeded for the body, as before afterwards."""
    import numpy as np

    plain, arrays = random.getstate(), np.random.get_state()
    try:
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed % 2**32)
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)


class TextAttackBackend:
    """Answers :class:`Perturb` by the recipes of ``RECIPES`` and :class:`Edits` by those of ``ATTACKS``, each draw
    seeded by its request alone.

    A text that a recipe leaves as it was, an unknown recipe, and a share outside 1-100 % are failures of that request.
    """

    name = "TextAttack"
    answers: tuple[type[Request[Any]], ...] = (Perturb, Edits)

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._augmenters: dict[str, Any] = {}
        self._attacks: Attacks | None = None

    @cached_property
    def fingerprint(self) -> str:
        try:
            return f"textattack:{version('textattack')}:{ANSWERS}"
        except PackageNotFoundError:
            return f"textattack:absent:{ANSWERS}"

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """Yield every answer in order.

        Raises:
            BackendError: TextAttack cannot be imported.
        """
        textattack = import_textattack(self._cache) if requests else None
        for index, request in enumerate(requests):
            if not isinstance(request, (Perturb, Edits)):
                yield index, Failure(f"TextAttack answers Perturb and Edits, not {type(request).__name__}")
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # TextAttack's and nltk's, of their own doings
                    edits = isinstance(request, Edits)
                    answer = self._edits(textattack, request) if edits else self._perturb(textattack, request)
                yield index, answer
            except Exception as error:  # one text that a transformation stumbles over is one failure
                yield index, Failure(f"{request.recipe}: {type(error).__name__}: {error}")

    def _perturb(self, textattack: Any, request: Any) -> str | Failure:
        fault = _fault(request.recipe)
        if fault:
            return Failure(fault)
        if request.recipe not in self._augmenters:
            self._augmenters[request.recipe] = _augmenter(textattack, request.recipe)
        with _randomness(request.seed):
            changed: str = self._augmenters[request.recipe].augment(request.text)[0]
        return Failure(f"{request.recipe} changed nothing in {request.text[:60]!r}") if changed == request.text else changed

    def _edits(self, textattack: Any, request: Any) -> Any:
        if self._attacks is None:
            self._attacks = Attacks(textattack, _randomness)
        with stop_words(self._cache):
            return self._attacks.edits(request)

    def describe(self) -> dict[str, Any]:
        about = {"name": self.name, "kind": "perturber", "fingerprint": self.fingerprint}
        return {**about, "recipes": dict(RECIPES), "attacks": dict(ATTACKS)}


def _fault(recipe: str) -> str:
    """Return what is wrong with a recipe's name or missing for it, or ``""``."""
    match = _NAME.match(recipe)
    name = match.group(1) if match else recipe
    if name not in RECIPES:
        near = get_close_matches(name, RECIPES, n=1)
        return f"Unknown recipe {recipe!r}. " + (f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(RECIPES)}.")
    share = int(match.group(2)) if match and match.group(2) else SHARE
    return words.missing(name) if 1 <= share <= 100 else f"recipe {recipe!r}: the share of words must be 1 to 100 percent"


def _augmenter(textattack: Any, recipe: str) -> Any:
    name, _, share = recipe.partition("@")
    transformation, spelling = _transformation(textattack, name)
    constraints = [textattack.constraints.pre_transformation.RepeatModification()]
    if spelling:
        constraints.append(_legible(textattack))
    return textattack.augmentation.Augmenter(transformation, constraints, pct_words_to_swap=int(share or SHARE) / 100)


def _transformation(textattack: Any, name: str) -> tuple[Any, bool]:
    """Return the transformation of a recipe, and whether it changes the spelling of words."""
    known = textattack.transformations
    if name in words.RECIPES:
        return words.transformation(known, textattack, name), True  # short words have no synonyms worth the name
    inner = {"skip_first_char": True, "skip_last_char": True}
    lower = {"letters_to_insert": "abcdefghijklmnopqrstuvwxyz"}
    makers: dict[str, Any] = {
        "char-swap": lambda: known.WordSwapNeighboringCharacterSwap(**inner),
        "char-delete": lambda: known.WordSwapRandomCharacterDeletion(**inner),
        "char-insert": lambda: known.WordSwapRandomCharacterInsertion(**inner, **lower),
        "char-substitute": lambda: known.WordSwapRandomCharacterSubstitution(**lower),
        "qwerty": lambda: known.WordSwapQWERTY(**inner),
        "homoglyph": lambda: _homoglyphs(known),
        "invisible": lambda: known.WordSwapInvisibleCharacters(random_one=True),
    }
    if name in makers:
        return makers[name](), True
    if name == "typo-mix":
        return known.CompositeTransformation([makers[part]() for part in list(makers)[:5]]), True
    others = {
        "contract": known.WordSwapContract, "expand": known.WordSwapExtend, "change-number": known.WordSwapChangeNumber,
        "word-delete": known.WordDeletion, "word-swap": known.WordInnerSwapRandom,
    }  # fmt: skip
    return others[name](), False


def _homoglyphs(known: Any) -> Any:
    """Return the wheel 0.3.11 lacks the table of its exhaustive search, and opens it last: letters and mode are set by then."""
    swap = known.WordSwapHomoglyphSwap.__new__(known.WordSwapHomoglyphSwap)
    with suppress(FileNotFoundError):
        swap.__init__(random_one=True)
    return swap


def _legible(textattack: Any) -> Any:
    """Return a constraint of TextAttack's kind: only words of letters, and of enough of them. Numbers keep their digits."""

    class Legible(textattack.constraints.PreTransformationConstraint):  # type: ignore[misc]
        def _get_modifiable_indices(self, current_text: Any) -> set[int]:
            return {i for i, word in enumerate(current_text.words) if len(word) >= SHORTEST_WORD and word.isalpha()}

    return Legible()
