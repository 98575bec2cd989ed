"""The words of a command line, before they are settings: how pytest is given them, and which ask for no audit that can be."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .options import OPTIONS, is_path
from .spelling import unknown_ini
from .values import value_of

#: Options of pytest with which nothing runs: a report that is there stays as it is.
LOOKS = ("help", "collectonly", "setuponly", "setupplan", "showfixtures", "show_fixtures_per_test", "markers", "cacheshow")


def joined(arguments: Sequence[str]) -> list[str]:
    """Return the command line with each of our options that has a path after a space in one word: ``--slm-data=../sets``.

    pytest looks for its rootdir and its configuration before plugins add options: of ``--slm-data ../sets`` it sees a folder
    of tests, reads the configuration that it finds there, if any, and passes over that of the project. An option that may be
    without a value gets its own one: the next word is none of it.
    """
    bare = {option.flag: option.bare for option in OPTIONS if option.bare}
    flags = {option.flag for option in OPTIONS if option.kind != "flag"}
    left, found = [str(one) for one in arguments], list[str]()
    while left:
        one = left.pop(0)
        if one == "--":
            return [*found, one, *left]
        if one in bare:
            found.append(f"{one}={bare[one]}")
            continue
        found.append(f"{one}={left.pop(0)}" if one in flags and left and is_path(left[0]) else one)
    return found


def refusal(config: pytest.Config) -> str:
    """Say why the options ask for an audit that cannot be; empty if they do not.

    An option without a model, or an empty one, is what an unset variable leaves of a command line: no audit would run, and
    the run would be green. Values of an ini file wait for the run that names a model.
    """
    strange = unknown_ini(config, [option.ini for option in OPTIONS])
    if strange:
        return strange
    given = [option for option in OPTIONS if config.getoption(option.dest) is not None]
    for option in given:
        value = config.getoption(option.dest)
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and _blank(text.replace(",", " ")) for text in texts):  # "$A,$B" leaves a comma
            return f"{option.flag} is empty: give it a value, or leave it out (-o {option.ini}= switches off an ini value)"
    model = value_of(config, OPTIONS[0])
    if model is not None and _blank(str(model)):
        return "ini slm is empty: name a model, or leave it out"
    if model is None and given:
        return f"{given[0].flag} asks for an audit, but no model is named: add --slm=MODEL, or remove the option"
    return ""


def _blank(text: str) -> bool:
    from ..escaping import blank  # not in a run without an option of ours

    return blank(text)


def old_report(config: pytest.Config) -> Path | None:
    """Return the folder of the report that a run with a model will replace; None for a run that leaves it as it is.

    It is asked as soon as our options are added. The command line may hold words that pytest or we refuse later.
    """
    known: Any = getattr(config, "known_args_namespace", None)
    if known is None or any(getattr(known, name, False) for name in (*LOOKS, "version")):
        return None
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False, fromfile_prefix_chars="@")  # as pytest's own
    for flag in ("--slm", "--slm-report", "--slm-plan"):
        reader.add_argument(flag, nargs="?", const="")
    words = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *config.getini("addopts")]
    words += map(str, config.invocation_params.args)
    given, _ = reader.parse_known_args(words)
    model = given.slm if given.slm is not None else _in_ini(config, "slm")
    refused = any(word.startswith("--slm-plan=") for word in words)  # it takes no value
    plans = (given.slm_plan is not None and not refused) or _in_ini(config, "slm_plan") is True
    if not model or plans:
        return None
    in_ini, usual = _in_ini(config, "slm_report"), next(one.default for one in OPTIONS if one.name == "report")
    return config.invocation_params.dir / (given.slm_report or (in_ini if isinstance(in_ini, str) else "") or usual)


def _in_ini(config: pytest.Config, name: str) -> Any:
    """Return the value of an ini file; None for one that is refused later."""
    try:
        return config.getini(name)
    except (ValueError, TypeError, pytest.UsageError):
        return None
