"""Converted models in the cache folder: verified whole on every load, made again where they are not what was made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...plainfile import PRIVATE, write_whole
from .files import ModelError, Progress, locked, read_object, whole_folder
from .fingerprint import sha256_of

MANIFEST = "conversion.json"
#: Makes a conversion in an empty folder; gives the names of the tensors that the model does not use.
Make = Callable[[Path], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Conversion:
    """A folder made of other files. ``given``, ``files``: sha256 by name of what it was made of and of what is in it.

    ``unused``: tensors of the given file that the model does not use.
    """

    folder: Path
    given: Mapping[str, str]
    files: Mapping[str, str]
    unused: tuple[str, ...] = ()


def kept(target: Path, given: Mapping[str, str], make: Make, say: Progress) -> Conversion:
    """Return the conversion in ``target``, made if it is not there, and made again if any byte of it is another.

    Raises:
        ModelError: the conversion fails.
    """
    with locked(target):
        try:
            return verified(target, given)
        except ModelError as error:
            if target.exists():
                say(f"{error}; it is made again")
        with whole_folder(target) as folder:
            unused = make(folder)
            files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
            manifest = {"given": dict(given), "files": files, "unused": unused}
            write_whole(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n", PRIVATE)
        return verified(target, given)


def verified(target: Path, given: Mapping[str, str]) -> Conversion:
    """Return the conversion in ``target``, every byte of it hashed.

    Raises:
        ModelError: a file is missing, added or changed, or it was made of other files.
    """
    if not target.is_dir():
        raise ModelError(f"{target}: no such folder")
    said = read_object(target / MANIFEST)
    files, unused = said.get("files"), said.get("unused")
    if said.get("given") != dict(given) or not isinstance(files, dict) or not isinstance(unused, list):
        raise ModelError(f"{target}: was not made of {', '.join(given)}")
    found = {path.name for path in target.iterdir()} - {MANIFEST}
    for name in sorted(found ^ files.keys()):
        raise ModelError(f"{target}: {name!r} was {'added' if name in found else 'removed'} after the conversion")
    for name, digest in files.items():
        if not (target / name).is_file() or sha256_of(target / name) != digest:
            raise ModelError(f"{target}: {name!r} was changed after the conversion")
    return Conversion(target, dict(given), files, tuple(map(str, unused)))
