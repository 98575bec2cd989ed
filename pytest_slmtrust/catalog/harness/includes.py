"""The files of a task: its own and those that it includes, each seen to be a regular one of a known most size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...authoring.declarations import ProbeError
from ...plainfile import UnfitFile, read_plain

#: Bytes of each file, and the most files of one task.
_LARGEST, _MOST = 2**20, 100


def check_files(path: Path) -> None:
    """Check a task's file and all that it includes, as the harness will find them.

    A file that cannot be parsed, a cycle, and an include that is not a text are left to the harness, which says what is wrong.

    Raises:
        ProbeError: a file that is missing, no regular one, or too large, or too many of them; one line.
    """
    seen, open_ones = set[Path](), [("", path)]
    while open_ones:
        said, one = open_ones.pop()
        try:
            where = one.expanduser().resolve()
            if where in seen:
                continue
            seen.add(where)
            if len(seen) > _MOST:
                raise ProbeError(f"it includes more than {_MOST} files")
            data = read_plain(where, _LARGEST)
        except FileNotFoundError:
            raise ProbeError(f"{said}no such file") from None
        except UnfitFile as error:
            raise ProbeError(f"{said}{error}; expected the file of a task") from None
        except (OSError, RuntimeError) as error:  # a loop of links, no permission, no such home
            raise ProbeError(f"{said}{getattr(error, 'strerror', None) or error}") from None
        open_ones += ((f"it includes {name[:80]!r}: ", where.parent / name) for name in _included(data, where.parent))


def _included(data: bytes, folder: Path) -> Iterator[str]:
    """Yield the names of the files that a task's file includes. No code that it names is imported."""
    import yaml
    from lm_eval.tasks._yaml_loader import _make_loader

    try:
        found: Any = yaml.load(data, _make_loader(folder, resolve_funcs=False))  # noqa: S506  # a safe loader, with !function as text
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return
    names = found.get("include", []) if isinstance(found, dict) else []
    yield from (name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str))
