"""The settings of a run: one table of options, each a field with a type."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_type_hints

import pytest

from pytest_slmtrust.plugin.options import OPTIONS, Given, Settings
from pytest_slmtrust.plugin.values import read_settings
from pytest_slmtrust.session.assemble import now

TYPES = {
    "text": str, "flag": bool, "list": tuple[str, ...], "names": tuple[str, ...], "words": tuple[Given, ...], "file": Given,
}  # fmt: skip


def settings(pytester: pytest.Pytester, *arguments: str) -> Settings:
    return read_settings(pytester.parseconfig("--slm=fake", *arguments))


def test_each_option_is_a_field_of_its_type() -> None:
    hints = get_type_hints(Settings)
    assert {o.attribute: TYPES[o.kind] for o in OPTIONS} == {n: t for n, t in hints.items() if n != "values"}
    assert [o.attribute for o in OPTIONS] == [f.name for f in fields(Settings)][: len(OPTIONS)]
    assert len({o.flag for o in OPTIONS}) == len(OPTIONS)


def test_values_have_the_types_of_their_fields(pytester: pytest.Pytester) -> None:
    made = settings(pytester, "--slm-packs= builtin,,my_pack , ", "--slm-gate=a=0.1", "--slm-gate=b=off", "--slm-early-stop")
    assert (made.packs, made.gate, made.early_stop, made.strict) == (("builtin", "my_pack"), ("a=0.1", "b=off"), True, False)
    assert (made.require, made.optional, made.vs, made.profile) == ((), (), "", "ci")
    kinds = {"text": str, "flag": bool, "list": tuple, "names": tuple, "words": tuple, "file": Given}
    assert all(isinstance(getattr(made, o.attribute), kinds[o.kind]) for o in OPTIONS)
    assert made.values["early-stop"] is True
    assert made.values["packs"] == " builtin,,my_pack , "


def test_a_file_is_seen_from_where_it_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\nslm_waivers = w.toml\nslm_data = hub\n")
    below = pytester.mkdir("below")
    monkeypatch.chdir(below)
    made = settings(pytester, "--slm-baseline=../old/audit.json", "--slm-members=docs.txt", f"--rootdir={pytester.path}",
                    f"--config-file={pytester.path / 'tox.ini'}")  # fmt: skip
    assert made.waivers.path == pytester.path / "w.toml"
    assert made.baseline.path == below / ".." / "old" / "audit.json"
    assert (bool(made.noise), str(made.noise), str(made.baseline)) == (False, "", "../old/audit.json")
    assert made.inputs() == {"data": "hub", "members": str(Path(below) / "docs.txt")}


@pytest.mark.parametrize(("text", "said"), [
    ("slm_early_stop = 7", "ini slm_early_stop: invalid truth value '7'; expected true or false"),
    ("slm_gates = [1, 2]", "ini slm_gates: '1' is no text; expected one text a line"),
    ('slm_gates = [["a=0.1"]]', "ini slm_gates: \"['a=0.1']\" is no text; expected one text a line"),
    ('slm_limit = ["memory=1MB", {a = 1}]', "is no text; expected one text a line"),
    ("slm_tasks = [2026-01-01]", "is no text; expected one text a line"), ("slm_bundle = [true]", "'True' is no text"),
    ('slm_profile = ["ci"]', "ini slm_profile: \"['ci']\" is no text; expected a text"),
    ('slm_packs = ["none"]', "is no text; expected a text"), ('slm_budget = ["5m"]', "is no text; expected a text"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Passing a value that is not a string")  # pytest's own word for the same
def test_a_value_of_another_type_is_refused_by_its_name(pytester: pytest.Pytester, text: str, said: str) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{text}\n")
    with pytest.raises(pytest.UsageError) as error:
        settings(pytester)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("epoch", ["9" * 20, "9" * 5000, "\N{SUPERSCRIPT TWO}", "-1", "soon", ""])
def test_a_time_that_is_none_leaves_the_clock(epoch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    assert abs(now() - datetime.now(UTC)) < timedelta(minutes=5)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert now().year == 1970
