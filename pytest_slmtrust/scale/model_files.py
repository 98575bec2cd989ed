"""The files of a model that a sweep names, where this disk has them."""

from __future__ import annotations

import os
from pathlib import Path

#: Files of the largest folder that is taken for a model.
_MOST = 10_000


def local(place: Path, spec: str) -> Path:
    """Return where a model is, if it is a path."""
    try:
        return place / Path(spec).expanduser()
    except RuntimeError:  # nobody has this home
        return place / spec


def files(path: Path, without: Path | None) -> list[Path]:
    """Return the regular files of a model in a fixed order, but for those below ``without`` or a hidden folder.

    Raises:
        OSError: more of them than a model has: this is no folder of a model.
    """
    if not path.is_dir():
        return [path] if path.is_file() else []
    found, left_out = list[Path](), without.resolve() if without is not None else None
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if not name.startswith(".") and Path(folder, name).resolve() != left_out]
        found += [one for one in (Path(folder, name) for name in names) if one.is_file()]
        if len(found) > _MOST:
            raise OSError(f"{path}: more than {_MOST} files; expected the folder of a model")
    return sorted(found)
