"""Where a model's folder comes from: a folder, a GGUF file, the hub, or the embedded one. Loads no torch."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from .conversion import Conversion
from .embedded import embedded
from .files import CONFIG_FILES, TOKENIZER_FILES, ModelError, Progress, read_object
from .gguf import converted
from .template import Renderer
from .weights import unused_line

CONNECT_SECONDS = 4.0
ASK_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Source:
    """``text``: a path, or a repository of the hub; ``revision``: a branch, tag or commit of it; ``adapter``: a folder."""

    kind: Literal["embedded", "folder", "gguf", "hub"]
    text: str
    revision: str | None = None
    adapter: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A model's folder on this machine, its revision on the hub, and what it was converted from."""

    folder: Path
    revision: str | None = None
    conversion: Conversion | None = None


def locate(
    source: Source, allow_pickle: bool = False, progress: Progress | None = None, allow_unused: bool = False,
    template: bool | None = None,
) -> Place:  # fmt: skip
    """Return where a model is, fetched or converted if need be; ``template`` is False where its own template is not used.

    Raises:
        ModelError: it cannot be fetched or converted, or leaves tensors of its file out that are not ``allow_unused``.
    """
    if source.kind == "folder":
        return Place(Path(source.text))
    if source.kind == "hub":
        return Place(*_hub_folder(source, allow_pickle, progress))
    if source.kind == "embedded":
        made = embedded(progress)
    else:
        made = converted(Path(source.text), progress, allow_unused, None if template is False else try_template)
    if made.unused and not allow_unused:
        raise ModelError(f"{source.text}: {unused_line(made.unused, 'its metadata describe')}")
    return Place(made.folder, None, made)


def cached_snapshot(repo: str, revision: str | None) -> Path | None:
    """Return the folder of a snapshot in the hub's cache, if its config is there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def check_hub(repo: str, revision: str | None) -> None:
    """Whether the hub, or its cache here, has a repository; asks at most for a few seconds.

    Raises:
        ModelError: a malformed or unknown name, or no network and no cached snapshot.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise ModelError(f"{repo!r} is neither a path here nor a name that the hub could have (owner/name)") from None
    if cached_snapshot(repo, revision) is not None:
        return
    if constants.HF_HUB_OFFLINE or not _reachable(constants.ENDPOINT):
        raise ModelError(f"{repo!r} is not in the cache and {urlsplit(constants.ENDPOINT).hostname} cannot be reached")
    try:
        HfApi().model_info(repo, revision=revision, timeout=ASK_SECONDS)
    except Exception as error:
        raise ModelError(f"{repo!r}: the hub does not give it ({_said(error)})") from None


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1][:160] if lines else 'no message'}"


def _reachable(endpoint: str) -> bool:
    """Return whether a connection opens within seconds; assumed where a proxy stands between."""
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    parts = urlsplit(endpoint)
    try:
        address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        with socket.create_connection(address, timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False


def _hub_folder(source: Source, allow_pickle: bool, progress: Progress | None) -> tuple[Path, str | None]:
    """Return the snapshot: from the cache if it is whole there, else fetched."""
    from huggingface_hub import constants, snapshot_download

    wanted = ["*.safetensors", "*.safetensors.index.json", *CONFIG_FILES, *TOKENIZER_FILES]
    if allow_pickle:
        wanted += ["*.bin", "*.bin.index.json"]
    # Mistral's repositories hold all weights twice; transformers never reads these
    arguments: dict[str, Any] = {"allow_patterns": wanted, "ignore_patterns": ["consolidated*"], "etag_timeout": CONNECT_SECONDS}
    arguments["revision"] = source.revision
    known = cached_snapshot(source.text, source.revision)
    offline = constants.HF_HUB_OFFLINE or (known is not None and not _reachable(constants.ENDPOINT))
    if progress and not offline:
        progress(f"fetching {source.text} from the hub")
    try:
        folder = Path(snapshot_download(source.text, local_files_only=bool(offline), **arguments))
    except Exception as error:
        raise ModelError(f"{source.text!r}: cannot be fetched ({_said(error)})") from None
    return folder, folder.name


def own_template(folder: Path) -> Any:
    """Return the chat template that a model folder brings, as its files have it; None without one."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8", errors="replace")
    alone = folder / "chat_template.json"
    return read_object(alone if alone.is_file() else folder / "tokenizer_config.json").get("chat_template") or None


def template_text(template: Any) -> str:
    """Return one template of those that a tokenizer brings: the default one, else the first."""
    if isinstance(template, list):
        template = {str(one.get("name")): one.get("template") for one in template if isinstance(one, dict)}
    if isinstance(template, dict):
        template = template.get("default") or next(iter(template.values()), "")
    return str(template)


def try_template(folder: Path) -> None:
    """Try the chat template that a folder brings.

    Raises:
        ModelError: it cannot be used.
    """
    template = own_template(folder)
    if template:
        Renderer.of(template_text(template), own_special_tokens(folder)).check_early()


def own_special_tokens(folder: Path) -> dict[str, str]:
    """Return the special tokens that a folder's files name, by the variables of templates such as ``bos_token``."""
    found: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        for key, value in read_object(folder / name).items():
            token = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(token, str):
                found[key] = token
    return found
