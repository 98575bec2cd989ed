"""Which gates are outside the selection that the user named: what is dropped otherwise is red."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_slmtrust.plugin.selection import outside

GATES = ["slm::privacy::gate[a]", "slm::toxicity::gate[b]", "probe_x.py::gate[c]"]


@pytest.mark.parametrize(
    ("options", "chosen", "args", "announced", "found"),
    [
        ({}, [], ["/project"], GATES, []),
        ({"markexpr": "privacy"}, [], ["/project"], GATES[1:], GATES[1:]),
        ({"markexpr": "privacy"}, [], ["/project"], [], []),  # dropped without a word
        ({}, ["slm"], [], [], GATES[2:]),  # the whole built-in audit: none of its gates is outside
        ({}, ["slm::privacy"], [], [], GATES[1:]),
        ({}, ["slm::privacy"], [], GATES[:1], GATES),
        ({}, [], ["probe_x.py::gate[c]"], [], GATES[:2]),
        ({"stepwise": True}, ["slm::privacy"], [], GATES, []),
        ({"deselect": ["slm::toxicity"]}, ["slm::privacy"], [], [], GATES[2:]),
    ],
)
def test_only_what_was_not_named_is_outside(
    options: dict[str, Any], chosen: list[str], args: list[str], announced: list[str], found: list[str]
) -> None:
    config = cast("pytest.Config", SimpleNamespace(getoption=lambda name, other=None: options.get(name, other), args=args))
    assert outside(config, chosen, GATES, (), announced) == found
