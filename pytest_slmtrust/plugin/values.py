"""Values of the options: those of the command line over those of an ini file, and what both hold of an option that adds up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import pytest

from ..arguments import unknown
from ..audit.dimension import Dimension
from .options import INPUTS, OPTIONS, Given, Kind, Option, Settings, is_path

if TYPE_CHECKING:
    from ..audit.sections import LimitFrom

#: Options that name a model or a scorer, which may be a folder.
_FOLDERS = ("", "vs", "toxicity")


def model_spec(config: pytest.Config) -> str:
    """Return the model under audit; empty where the plugin has nothing to do."""
    return str(value_of(config, OPTIONS[0]) or "")


def read_settings(config: pytest.Config) -> Settings:
    """Options over ini values over defaults; an option that adds up holds both.

    Raises:
        pytest.UsageError: an ini value outside its choices.
    """
    values: dict[str, Any] = {}
    made: dict[str, Any] = {}
    for option in OPTIONS:
        value = value_of(config, option)
        if option.choices and value not in option.choices:
            raise pytest.UsageError(f"ini {option.ini} is {value!r}; expected {' or '.join(option.choices)}")
        values[option.name or "model"] = value
        here = config.invocation_params.dir
        beside_ini = config.inipath.parent if config.inipath is not None else here
        given = config.getoption(option.dest)
        if option.kind == "words":
            in_ini = value[: len(value) - len(given or ())]
            kept, named = [Given(one, beside_ini) for one in in_ini], [Given(one, here) for one in given or ()]
            made[option.attribute] = _both(kept, named)
            values[option.name] = [one.text for one in made[option.attribute]]
        else:
            made[option.attribute] = _made(option.kind, value, here if given is not None else beside_ini)
    return Settings(**made, values=values)


def check_values(settings: Settings, config: pytest.Config) -> None:
    """Check what is known without a model.

    Raises:
        pytest.UsageError: no such dimension, file or folder, a number that is none, or a file in the place of a folder.
    """
    from ..authoring.datafiles import HUB

    for name, path in settings.inputs().items():
        if name in INPUTS and path != HUB and not is_path(path):
            raise pytest.UsageError(f"--slm-{name} {getattr(settings, name)}: no such file or folder")
    for name, folder in (("report", config.invocation_params.dir / settings.report), ("store", config.rootpath / settings.store)):
        there = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
        if os.path.lexists(there) and not there.is_dir():
            raise pytest.UsageError(f"--slm-{name} {getattr(settings, name)}: {there.name} is a file; name a folder")
    for name in (*settings.require, *settings.dimensions):
        if name not in Dimension.__members__.values():
            raise pytest.UsageError(unknown("dimension", name, [str(d) for d in Dimension]))
    most = settings.durations
    if most and not (most.isascii() and most.isdigit() and len(most) < 7):
        raise pytest.UsageError(f"--slm-durations is {most[:40]!r}; expected a whole number, or no value")


def _made(kind: Kind, value: Any, folder: Path) -> Any:
    """A value of the type that its field has."""
    if kind == "flag":
        return bool(value)
    if kind == "list":
        return tuple(value)
    if kind == "names":
        return tuple(part.strip() for part in str(value).split(",") if part.strip())
    return Given(str(value), folder) if kind == "file" else str(value)


def _both(kept: Sequence[Given], named: Sequence[Given]) -> tuple[Given, ...]:
    """Return what an ini file names and what the command line names: once where both name the same file or word."""
    known = set(map(_identity, named))
    return (*(one for one in kept if _identity(one) not in known), *named)


def _identity(one: Given) -> str:
    return str(one.path.resolve()) if is_path(str(one.path)) else one.text


def _expected(option: Option) -> str:
    """Say what an ini file may hold for an option."""
    what = {"flag": "true or false", "list": "one text a line", "words": "one text a line"}
    return f"expected {what.get(option.kind, 'a text')}"


def value_of(config: pytest.Config, option: Option) -> Any:
    """Return what was given for an option: on the command line, else in the ini file; None where nothing was.

    Of an option that adds up: what both hold.
    """
    given = config.getoption(option.dest)
    if given is not None and not option.adds:
        return given
    try:
        value = config.getini(option.ini)
    except (ValueError, TypeError, pytest.UsageError) as error:  # pytest 9 raises the last one
        raise pytest.UsageError(f"ini {option.ini}: {error}; {_expected(option)}") from None
    many = option.many
    strange = [one for one in (value if many else [value]) if not isinstance(one, str if many else (str, bool, NoneType))]
    if strange:  # in TOML, where a list may hold anything
        raise pytest.UsageError(f"ini {option.ini}: {str(strange[0])[:80]!r} is no text; {_expected(option)}")
    if given is not None:
        return _added(option, value, given)
    named = option.name in _FOLDERS and isinstance(value, str) and config.inipath is not None
    return anchored(value, config.inipath.parent) if named and config.inipath else value


def _added(option: Option, value: Any, given: list[str]) -> Any:
    """Return what an ini file and the command line hold, in the form of the ini file's value."""
    if option.kind == "words":
        return [*value, *given]
    both = merged(option.name, value if option.many else [value], given)
    return both if option.many else ",".join(both)


def anchored(text: str, folder: Path) -> str:
    """Return a model or scorer named in an ini file: a relative path is seen from the file's folder, any other name stays.

    ``models/m`` is a path where it is there, else the id of a hub.
    """
    kind, colon, rest = text.partition(":")
    if rest.startswith("//"):
        return text  # the address of a server
    if colon and kind in ("hf", "detoxify"):
        return f"{kind}:{','.join(anchored(part, folder) for part in rest.split(','))}"
    if not text.strip() or Path(text).is_absolute() or text.startswith("~"):
        return text
    path = folder / text
    if text.startswith(("./", "../")) or ("/" in text and is_path(str(path))) or path.suffix in (".gguf", ".ckpt"):
        return os.path.normpath(path)
    return str(path) if is_path(str(path / "config.json")) else text


def limits_given(config: pytest.Config) -> dict[str, LimitFrom]:
    """Return where each limit of a gate was given, by the name that it was given for."""
    [option] = [one for one in OPTIONS if one.name == "gate"]
    named = {_name("gate", one) for one in config.getoption(option.dest) or ()}
    every = [_name("gate", one) for one in value_of(config, option)]
    return {name: "command line" if name in named else "ini file" for name in every}


def merged(option: str, kept: Sequence[str], given: Sequence[str]) -> list[str]:
    """Return what is asked by both, first what an ini file holds; of one name only what is ``given`` on the command line.

    An ini file's entry without a name is kept as it is: its reader refuses it.
    """
    if option in ("limit", "require"):  # each text may hold several
        kept, given = _parts(kept), _parts(given)
    named = {_name(option, one) for one in given}
    return [*(one for one in kept if _name(option, one) not in named), *given]


def _parts(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _name(option: str, text: str) -> str:
    """Return what an entry is about: ``NAME`` of ``NAME=VALUE``; of a gate all before the last sign, as a folder may have one."""
    name, sign, _ = text.rpartition("=") if option == "gate" else text.partition("=")
    return name.strip() if sign else text.strip()
