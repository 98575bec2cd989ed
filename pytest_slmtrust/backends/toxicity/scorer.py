"""Toxicity scorers: Detoxify, any local sequence classifier in safetensors, alt-profanity-check, tox-block, and their mean.

Each answers :class:`Classify` with scores in [0, 1], ``"toxicity"`` always among them. Long texts are scored in
overlapping windows whose maximum counts: nothing is cut off.
"""

from __future__ import annotations

import hashlib
import re
import socket
import warnings
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...detectors.measured import measured
from ...requests import Backend
from ..transformers.files import CacheError, ModelError, Progress, cache_folder, silent
from ..transformers.fingerprint import digest_folder
from ..transformers.weights import held_tensors, weight_files
from ..untrusted.verdict import inspect_files
from .answering import RENAMED, THRESHOLD, ToxicityScorer, identity_of, versions
from .detoxify_checkpoint import (
    INSTEAD,
    RELEASED,
    AbsentError,
    FetchError,
    ScorerError,
    checked_config,
    released,
    safe_copy,
    stored,
)
from .offline import BOTH, NO_PROFANITY_CHECK, both, network, profanity_check
from .windows import Score, by_windows, fits_in, token_limit, windows

__all__ = [
    "BOTH",
    "THRESHOLD",
    "AbsentError",
    "FetchError",
    "ScorerError",
    "ToxicityScorer",
    "available",
    "load_scorer",
    "measured",
    "windows",
]

#: Weights of a base model's checkpoint that some classifiers of its family have no place for.
POOLER = r"(?:^|\.)pooler\."

_OFFLINE = (BOTH, "profanity-check", "tox-block")
_SPECS = (*(f"detoxify:{name}" for name in RELEASED), *_OFFLINE, "detoxify:FILE.ckpt[,FOLDER]", "hf:FOLDER")
# Names under which classifiers know toxicity, best first.
_TOXIC = (
    "toxicity", "toxic", "hate", "hateful", "hate_speech", "hatespeech", "offensive", "offensive_language", "abusive", "abuse",
)  # fmt: skip
_KINDS_OF_TOXICITY = {"insult", "threat", "obscene", "identity_attack", "identity_hate", "severe_toxic", "severe_toxicity"}


def load_scorer(spec: str, cache: Path | None = None, say: Progress | None = None) -> Backend:
    """Return the scorer that a spec names; its weights are loaded at the first request.

    ``detoxify:unbiased``, ``detoxify:original``, ``detoxify:multilingual`` (fetched at first use),
    ``detoxify:FILE.ckpt[,FOLDER]`` (a checkpoint of Detoxify's and the folder with config and tokenizer), ``hf:FOLDER`` (a
    sequence classifier in safetensors), ``profanity-check`` (alt-profanity-check, in its wheel), ``tox-block`` (the
    arrays in its wheel, which pip fetches at first use), ``profanity-check+tox-block`` (the mean of the two).

    Raises:
        ScorerError: an unknown spec, or files that are missing or refused.
    """
    kind, _, rest = spec.partition(":")
    check_name(spec)
    if spec == "profanity-check":
        return profanity_check()
    if kind == "hf":
        return _classifier(_path(rest), spec)
    try:
        cache = cache or cache_folder()
    except CacheError as error:
        raise ScorerError(str(error)) from None
    if spec in ("tox-block", BOTH):
        return (network if spec == "tox-block" else both)(cache, say or silent)
    file = None if rest in RELEASED else _checkpoint_file(rest)
    return _detoxify(spec, *(file or released(rest, cache)), cache)


def check_name(spec: str) -> None:
    """Refuse a spec that names no scorer; whether the scorer is here is another question.

    Raises:
        ScorerError: it names none; the near one is suggested.
    """
    kind, _, rest = spec.partition(":")
    file = kind == "detoxify" and rest not in RELEASED and _checkpoint_file(rest) is not None
    if spec in _OFFLINE or (kind == "hf" and rest) or (kind == "detoxify" and rest in RELEASED) or file:
        return
    near = get_close_matches(spec, _SPECS, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(_SPECS)}."
    raise ScorerError(f"Unknown toxicity scorer {spec!r}. {hint}")


def available(spec: str, cache: Path | None = None) -> str:
    """``""`` if the scorer is available, else why not, within 3 seconds and without loading it.

    What pip is to fetch counts as available.
    """
    try:
        check_name(spec)
    except ScorerError as error:
        return str(error)
    kind, _, rest = spec.partition(":")
    if spec == "tox-block":
        return ""
    if spec in ("profanity-check", BOTH):
        return "" if find_spec("profanity_check") else NO_PROFANITY_CHECK
    if kind == "detoxify" and rest in RELEASED:
        if stored(rest, cache or cache_folder()):
            return ""
        try:
            socket.create_connection(("github.com", 443), timeout=3).close()
        except OSError as error:
            return f"weights of {spec} are not in the cache and github.com cannot be reached ({error}): {INSTEAD}"
        return ""
    try:
        path = _path(rest.partition(",")[0])
    except ScorerError as error:
        return str(error)
    return "" if path.exists() else f"{spec}: {path} does not exist"


def _path(text: str) -> Path:
    """Return a path, ``~`` expanded, that the file system can be asked for."""
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, an unknown user after ~
        raise ScorerError(f"{text[:80]!r}: not a usable path ({getattr(error, 'strerror', None) or error})") from None
    return path


# -- Detoxify -----------------------------------------------------------------------------------------------------------


def _checkpoint_file(rest: str) -> tuple[Path, Path | None] | None:
    """File and folder of ``FILE.ckpt[,FOLDER]``, or None if that is not what it says."""
    for name, folder in ((rest, ""), rest.rpartition(",")[::2]):
        if name and (name.endswith((".ckpt", ".pt", ".pth")) or _path(name).is_file()):
            path, base = _path(name), _path(folder) if folder else None
            if not path.is_file():
                raise ScorerError(f"detoxify:{rest}: {path} does not exist")
            return path, base
    return None


def _detoxify(spec: str, path: Path, base: Path | None, cache: Path) -> ToxicityScorer:
    if find_spec("detoxify") is None:
        raise AbsentError(f"detoxify is not installed: pip install detoxify, or {INSTEAD}")
    copy = safe_copy(path, base, cache)
    files = {path.name: copy.sha256}
    files |= {f"base/{entry.name}": hashlib.sha256(entry.read_bytes()).hexdigest() for entry in sorted(copy.base.iterdir())}
    labels = tuple(RENAMED.get(label, label) for label in copy.labels)
    if "toxicity" not in labels:
        raise ScorerError(f"{path}: none of its labels means toxicity: {', '.join(copy.labels)}")
    libraries = versions("detoxify", "torch", "transformers")
    source = f"Detoxify {libraries['detoxify']}, {path.name} (Hanu and Unitary 2020)"
    # the copy's place is in its config, and is no part of what it answers
    identity = identity_of({name: digest for name, digest in files.items() if name != "base/config.json"}, libraries)
    return ToxicityScorer(spec, labels, source, identity, lambda: _load_detoxify(copy.file, copy.base), files)


def _load_detoxify(file: Path, base: Path) -> Score:
    import torch
    from detoxify import Detoxify

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scorer = Detoxify(checkpoint=str(file), huggingface_config_path=str(base))
    held = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    absent = [name for name, _ in scorer.model.named_parameters() if name not in held]
    if absent:
        raise ScorerError(f"{file.name}: {len(absent)} weights are missing from the checkpoint, such as {absent[0]!r}")
    limit = token_limit(scorer.model, scorer.tokenizer)
    scorer.tokenizer.model_max_length = limit
    fits = fits_in(scorer.tokenizer, limit)

    def predict(texts: Sequence[str]) -> list[Mapping[str, float]]:
        found = scorer.predict(list(texts))
        if len(texts) == 1:  # its columns are bare numbers then
            return [found]
        return [{label: column[row] for label, column in found.items()} for row in range(len(texts))]

    return lambda texts: by_windows(texts, fits, predict)


# -- sequence classifiers in safetensors --------------------------------------------------------------------------------


def _classifier(folder: Path, spec: str) -> ToxicityScorer:
    if not (folder / "config.json").is_file():
        raise ScorerError(f"{spec}: no config.json in {folder}; expected a folder that save_pretrained wrote")
    config = checked_config(folder, "classifier")
    architecture = next(iter(config.get("architectures") or []), "")
    if not str(architecture).endswith("ForSequenceClassification"):
        raise ScorerError(f"{folder / 'config.json'}: {architecture or 'no architecture'}; expected a …ForSequenceClassification")
    try:
        files = digest_folder(folder)
    except ModelError as error:
        raise ScorerError(str(error)) from None
    names = _label_names(config, folder)
    toxic = _toxic_label(names, folder)
    # the label that was found answers under the one name that every scorer has
    others = {old: new for old, new in RENAMED.items() if new != "toxicity"}
    labels = tuple("toxicity" if name == toxic else others.get(name, name) for name in names)
    source = f"sequence classifier {folder.name} ({architecture}); toxicity is its label {toxic!r}"
    identity = identity_of(files, labels, versions("torch", "transformers"))
    return ToxicityScorer(spec, labels, source, identity, lambda: _load_classifier(folder, labels, _one_of(config, names)), files)


def _label_names(config: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    table = config.get("id2label")
    if not isinstance(table, Mapping) or not table:
        raise ScorerError(f"{folder / 'config.json'}: no id2label: the classifier's labels have no names")
    try:
        rows = sorted((int(number), str(name)) for number, name in table.items())
    except ValueError:
        raise ScorerError(f"{folder / 'config.json'}: the keys of 'id2label' must be whole numbers") from None
    return tuple(re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_") for _, name in rows)


def _toxic_label(names: Sequence[str], folder: Path) -> str:
    for wanted in _TOXIC:
        if wanted in names:
            return wanted
    raise ScorerError(
        f"{folder / 'config.json'}: none of its labels means toxicity: {', '.join(names)}; rename the right one in id2label"
    )


def _one_of(config: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Return whether the labels exclude each other (softmax); kinds of toxicity side by side do not (a sigmoid each)."""
    problem = config.get("problem_type")
    if problem in ("multi_label_classification", "single_label_classification"):
        return bool(problem == "single_label_classification")
    return len(names) > 1 and not _KINDS_OF_TOXICITY & set(names)


def _load_classifier(folder: Path, labels: Sequence[str], one_of: bool) -> Score:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from ..transformers.whole import check_values, check_whole

    settings: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with inspect_files(folder, "classifier").held():
            tokenizer = AutoTokenizer.from_pretrained(folder, **settings)
            settings |= {"use_safetensors": True, "attn_implementation": "eager", "dtype": torch.float32}
            settings |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
            model, loading = AutoModelForSequenceClassification.from_pretrained(folder, **settings)
        check_whole(folder, model, loading, held_tensors(folder, weight_files(folder)), passed_over=POOLER)
        check_values(model)
    except ModelError as error:
        raise ScorerError(str(error)) from None
    model.eval()
    limit = token_limit(model, tokenizer)
    fits = fits_in(tokenizer, limit)

    def predict(texts: Sequence[str]) -> list[Mapping[str, float]]:
        inputs = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True, max_length=limit)
        with torch.inference_mode():
            logits = model(**inputs).logits.float()
        scores = logits.softmax(-1) if one_of else logits.sigmoid()
        return [dict(zip(labels, row, strict=True)) for row in scores.tolist()]

    return lambda texts: by_windows(texts, fits, predict)
