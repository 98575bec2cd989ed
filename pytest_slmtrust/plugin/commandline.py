"""The words of a command line, before they are settings: how pytest is given them, and which ask for no audit that can be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .options import OPTIONS, is_path
from .spelling import unknown_ini
from .values import value_of


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
        if any(isinstance(text, str) and not text.replace(",", " ").strip() for text in texts):  # "$A,$B" leaves a comma
            return f"{option.flag} is empty: give it a value, or leave it out (-o {option.ini}= switches off an ini value)"
    model = value_of(config, OPTIONS[0])
    if model is not None and not str(model).strip():
        return "ini slm is empty: name a model, or leave it out"
    if model is None and given:
        return f"{given[0].flag} asks for an audit, but no model is named: add --slm=MODEL, or remove the option"
    return ""
