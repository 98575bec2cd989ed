"""Word-level transformations of TextAttack that need data which it does not bring: used where the data is, named where it is not.

Nothing is downloaded here. WordNet lies where nltk looks for it; counter-fitted embeddings where TextAttack itself caches them;
the masked language model in the cache of the hub. TextAttack's swaps of names and places need models of flair, and are left out.
"""

from __future__ import annotations

import os
import pickle
import sys
from functools import cache
from pathlib import Path
from typing import Any

RECIPES = {
    "synonym-wordnet": "a word becomes a synonym of WordNet, in 20 % of the words where it can be",
    "synonym-embedding": "a word becomes a neighbour in counter-fitted embeddings, in 20 % of the words where it can be",
    "masked-lm": "a word becomes one that a masked language model finds likely there (BAE), in 20 % of the words",
}
MASKED_LM = "bert-base-uncased"
_NEIGHBOURS = 15


def missing(recipe: str) -> str:
    """Which data of a recipe is not on this machine, and how it is got; ``""`` if all is. Imports nothing heavy."""
    if recipe == "synonym-wordnet" and not _wordnet():
        return f"{recipe} needs nltk's corpus wordnet: python -m nltk.downloader wordnet"
    if recipe == "synonym-embedding" and not all((_embeddings() / name).is_file() for name in _EMBEDDING_FILES):
        return f"{recipe} needs TextAttack's embeddings in {_embeddings()}: {', '.join(_EMBEDDING_FILES)}"
    if recipe == "masked-lm" and _masked_lm() is None:
        return f"{recipe} needs {MASKED_LM} (safetensors) in the hub's cache: huggingface-cli download {MASKED_LM}"
    return ""


def transformation(known: Any, textattack: Any, recipe: str) -> Any:
    """TextAttack's transformation of a recipe whose data is there."""
    if recipe == "synonym-wordnet":
        return _wordnet_swap(known)
    if recipe == "synonym-embedding":
        return known.WordSwapEmbedding(_NEIGHBOURS, embedding=_embedding(textattack))
    return _masked_swap(known)


def _wordnet() -> bool:
    """Return whether nltk finds WordNet: its own search path, without importing it."""
    places = [p for p in os.environ.get("NLTK_DATA", "").split(os.pathsep) if p]
    places += [str(Path.home() / "nltk_data"), *(os.path.join(sys.prefix, p) for p in ("nltk_data", "share/nltk_data"))]
    places += [f"{root}/{folder}/nltk_data" for root in ("/usr", "/usr/local") for folder in ("share", "lib")]
    places.append(os.path.join(sys.prefix, "lib", "nltk_data"))
    return any(Path(place, "corpora", name).exists() for place in places for name in ("wordnet", "wordnet.zip"))


def _wordnet_swap(known: Any) -> Any:
    class Synonyms(known.WordSwapWordNet):  # type: ignore[misc]
        """Its own ``__init__`` goes to the network for other languages, and its candidates come in the order of a set."""

        def __init__(self) -> None:
            self.language = "eng"

        def _get_replacement_words(self, word: str, random: bool = False) -> list[str]:
            return sorted(super()._get_replacement_words(word, random))

    return Synonyms()


_EMBEDDING_FILES = ("paragram.npy", "wordlist.pickle", "nn.npy")


def _embeddings() -> Path:
    root = os.environ.get("TA_CACHE_DIR") or str(Path.home() / ".cache" / "textattack")
    return Path(root, "word_embeddings", "paragramcf")


class _Plain(pickle.Unpickler):
    """Numbers, texts and mappings of them, and nothing that runs code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a word list")


@cache
def _embedding(textattack: Any) -> Any:
    import numpy as np

    folder = _embeddings()
    vectors, neighbours = (np.load(folder / name, allow_pickle=False) for name in ("paragram.npy", "nn.npy"))
    with (folder / "wordlist.pickle").open("rb") as file:
        places = _Plain(file).load()
    words = {place: word for word, place in places.items()}
    return textattack.shared.WordEmbedding(vectors, places, words, neighbours)


def _masked_lm() -> Path | None:
    """Return the folder of the model in the hub's cache, if its weights are there as safetensors."""
    from huggingface_hub import constants

    if not Path(constants.HF_HUB_CACHE, f"models--{MASKED_LM}").is_dir():
        return None  # what looks further imports an HTTP client, half a second of each start
    from huggingface_hub import try_to_load_from_cache

    names = ("config.json", "model.safetensors", "vocab.txt")
    found = [one for name in names if isinstance(one := try_to_load_from_cache(MASKED_LM, name), str)]
    return Path(found[0]).parent if len(found) == len(names) else None


def _masked_swap(known: Any) -> Any:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    folder = str(_masked_lm())
    model = AutoModelForMaskedLM.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return known.WordSwapMaskedLM(
        method="bae", masked_language_model=model, tokenizer=tokenizer, max_candidates=_NEIGHBOURS, max_length=256
    )
