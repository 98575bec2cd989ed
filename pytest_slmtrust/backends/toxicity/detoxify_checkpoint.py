"""Detoxify's checkpoints, which are pickles, made safe: hash checked, read as plain data, written anew."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from ..transformers.files import ModelError, locked, read_object, whole_folder
from ..untrusted.verdict import Kind, inspect_files

RELEASES = "https://github.com/unitaryai/detoxify/releases/download/"
#: Detoxify's releases, and the model on the hub whose config and tokenizer each was trained with.
RELEASED = {
    "original": ("v0.1-alpha/toxic_original-c1212f89.ckpt", "bert-base-uncased"),
    "unbiased": ("v0.3-alpha/toxic_debiased-c7548aa0.ckpt", "roberta-base"),
    "multilingual": ("v0.4-alpha/multilingual_debiased-0b549669.ckpt", "xlm-roberta-base"),
}
INSTEAD = (
    "use --slm-toxicity=profanity-check+tox-block, profanity-check, hf:FOLDER (safetensors), "
    "or detoxify:FILE.ckpt,FOLDER with files you have"
)

_BASE_FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt",
    "sentencepiece.bpe.model",
)  # fmt: skip
_HASH = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+\Z")
_MODEL = re.compile(r"[A-Z][A-Za-z]+ForSequenceClassification\Z")
_TOKENIZER = re.compile(r"[A-Z][A-Za-z]+Tokenizer(?:Fast)?\Z")
_MOST_BYTES = 4 * 2**30
_SECONDS = 20.0


class ScorerError(ValueError):
    """A scorer that is unavailable: one line that says why and names the alternatives."""


class AbsentError(ScorerError):
    """The scorer is not on this machine: a package is not installed, or weights cannot be fetched."""


class FetchError(AbsentError):
    """Its files are elsewhere and cannot be fetched: nothing is wrong with what was asked for."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that was read as plain data and written anew into ``folder``, with its config and tokenizer in ``base``."""

    folder: Path
    base: Path
    sha256: str
    labels: tuple[str, ...]

    @property
    def file(self) -> Path:
        return self.folder / "checkpoint.pt"


def released(name: str, cache: Path) -> tuple[Path, Path]:
    """Checkpoint file and base folder of one of Detoxify's releases, fetched at first use with a progress bar.

    Raises:
        ScorerError: unavailable, or not the file that its name promises.
    """
    found = stored(name, cache)
    path = found or cache / "detoxify" / Path(RELEASED[name][0]).name
    if found is None:
        with locked(path):
            if not path.is_file():
                _download(RELEASES + RELEASED[name][0], path)
    return path, _hub_base(RELEASED[name][1], name)


def stored(name: str, cache: Path) -> Path | None:
    """Return where a release already lies: in our cache or in that of torch.hub, where Detoxify itself puts it."""
    file = Path(RELEASED[name][0]).name
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "torch"
    places = (cache / "detoxify", Path(os.environ.get("TORCH_HOME", default)) / "hub" / "checkpoints")
    return next((place / file for place in places if (place / file).is_file()), None)


def _download(url: str, path: Path) -> None:
    from tqdm import tqdm  # type: ignore[import-untyped]

    part = path.with_name(path.name + ".part")
    try:
        with urlopen(url, timeout=_SECONDS) as stream, part.open("wb") as out:  # noqa: S310 - a constant https address
            total = int(stream.headers.get("Content-Length") or 0)
            with tqdm(total=total or None, unit="B", unit_scale=True, desc=path.name) as bar:
                while block := stream.read(2**20):
                    out.write(block)
                    bar.update(len(block))
                    if bar.n > _MOST_BYTES:
                        raise OSError(f"more than {_MOST_BYTES} bytes")
        checked_hash(part, path.name)
        os.replace(part, path)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise FetchError(f"cannot fetch {path.name} from github.com ({reason}): {INSTEAD}") from None
    finally:
        part.unlink(missing_ok=True)


def _hub_base(repository: str, name: str) -> Path:
    """Return the folder with config and tokenizer of the model that a release was trained from; from the hub's cache if there."""
    from huggingface_hub import snapshot_download

    for local in (True, False):
        try:
            return Path(snapshot_download(repository, allow_patterns=list(_BASE_FILES), local_files_only=local))
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    raise FetchError(f"cannot fetch config and tokenizer of {repository} for detoxify:{name} ({reason}): {INSTEAD}")


def checked_hash(path: Path, named: str) -> str:
    """sha256 of a file; the digits that its name promises (``toxic_original-c1212f89.ckpt``) must begin it.

    Raises:
        ScorerError: they do not.
    """
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    promised = _HASH.search(named)
    if promised and not digest.startswith(promised.group(1)):
        raise ScorerError(f"{named}: its sha256 begins {digest[:8]}, its name promises {promised.group(1)}: damaged or another")
    return digest


def safe_copy(path: Path, base: Path | None, cache: Path) -> Checkpoint:
    """Return a checkpoint's plain data written anew into the cache, unless that was done before.

    ``base``: folder with the config and the tokenizer; without it the checkpoint must name a local folder.

    Raises:
        ScorerError: a file of another kind, or one that holds more than tensors and plain data.
    """
    digest = checked_hash(path, path.name)
    where = hashlib.sha256(f"{digest} {base.resolve() if base else ''}".encode()).hexdigest()[:16]
    target = cache / "detoxify" / where
    with locked(target):
        if not (target / "about.json").is_file():
            with whole_folder(target) as folder:
                _write_copy(path, base, folder, target)
        about = json.loads((target / "about.json").read_text(encoding="utf-8"))
    return Checkpoint(target, target / "base", digest, tuple(about["labels"]))


def _write_copy(path: Path, base: Path | None, folder: Path, target: Path) -> None:
    import torch

    plain = _read_plain(path)
    try:
        arch = dict(plain["config"]["arch"]["args"])
        labels = [_text(label) for label in plain["config"]["dataset"]["args"]["classes"]]
        state = {_text(name): tensor for name, tensor in plain["state_dict"].items()}
        names = (_text(arch["model_name"]), _text(arch["tokenizer_name"]), _text(arch["model_type"]))
        classes = int(arch["num_classes"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ScorerError(f"{path}: not a checkpoint of Detoxify: {type(error).__name__} {error}") from None
    if not _MODEL.match(names[0]) or not _TOKENIZER.match(names[1]):
        raise ScorerError(f"{path}: names {names[0]!r} and {names[1]!r}; expected a …ForSequenceClassification and a …Tokenizer")
    if classes != len(labels) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise ScorerError(f"{path}: {classes} classes, {len(labels)} labels, and weights that must all be tensors")
    source = base or Path(names[2])
    if not (source / "config.json").is_file():
        raise ScorerError(f"{path}: no config.json in {source}; name the folder of config and tokenizer: detoxify:FILE,FOLDER")
    _copy_base(source, folder / "base", classes)
    config = {"model_name": names[0], "tokenizer_name": names[1], "model_type": str(target / "base"), "num_classes": classes}
    whole = {"config": {"arch": {"args": config}, "dataset": {"args": {"classes": labels}}}, "state_dict": state}
    torch.save(whole, folder / "checkpoint.pt")
    (folder / "about.json").write_text(json.dumps({"labels": labels, "from": path.name}), encoding="utf-8")


def _text(value: Any) -> str:
    """Return a text as it is: the words of anything else could be endless."""
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} instead of a text")
    return value


def _read_plain(path: Path) -> Mapping[str, Any]:
    import torch

    try:
        inspect_files(path, "checkpoint")
    except ModelError as error:
        raise ScorerError(str(error)) from None
    try:
        plain = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ScorerError(f"{path}: no such file") from None
    except Exception as error:
        detail = " ".join(str(error).split())[:160]
        raise ScorerError(f"{path}: refused, holds more than tensors and plain data, or is damaged ({detail})") from None
    if not isinstance(plain, Mapping):
        raise ScorerError(f"{path}: not a checkpoint of Detoxify: a {type(plain).__name__} instead of a mapping")
    return plain


def _copy_base(source: Path, into: Path, classes: int) -> None:
    """Config and tokenizer; the config gets the checkpoint's number of classes, which Detoxify leaves out of it."""
    into.mkdir()
    config = checked_config(source, "base")
    for name in _BASE_FILES:
        if (source / name).is_file():
            (into / name).write_bytes((source / name).read_bytes())
    names = {str(i): f"LABEL_{i}" for i in range(classes)}
    config |= {"id2label": names, "label2id": {label: int(i) for i, label in names.items()}}
    config.pop("num_labels", None)
    (into / "config.json").write_text(json.dumps(config), encoding="utf-8")


def checked_config(folder: Path, kind: Kind) -> dict[str, Any]:
    """Return the config of a folder that a child process found sound (see ``untrusted``), its tokenizer included.

    Raises:
        ScorerError: it did not; or the architectures are no names.
    """
    try:
        inspect_files(folder, kind).finish()
        config = read_object(folder / "config.json")
    except (ModelError, OSError) as error:
        raise ScorerError(str(error)) from None
    architectures = config.get("architectures") or []
    if not isinstance(architectures, list) or not all(isinstance(name, str) for name in architectures):
        raise ScorerError(f"{folder / 'config.json'}: 'architectures' must be a list of names")
    return config
