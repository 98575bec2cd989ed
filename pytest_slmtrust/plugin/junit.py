"""What reporters are given of gates and their cases: a JUnit file has one test for each gate, with its numbers as properties.

A failing case under a gate is no failure of the run, and none that pytest expected: the gate says what all of them mean
together. In JUnit it would be a skipped test. So cases are left out there while their gate runs; one that breaks stays.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest
from _pytest.junitxml import LogXML, _NodeReporter, xml_key

from .. import door
from .nodes import SESSION, SETTINGS, CaseItem, GateItem

#: Attribute of the report of a case that its gate counts.
COUNTED = "slmtrust_counted"
#: Failing cases that a property names.
_NAMED = 20


class Junit:
    """Hooks that say which cases a gate counts, and give each gate its numbers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.gates: set[str] = set()
        xml = config.stash.get(xml_key, None)
        if type(xml) is LogXML:
            config.pluginmanager.unregister(xml)
            xml.__class__ = _Gates
            config.pluginmanager.register(xml)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.gates = {item.suite.gate_id for item in session.items if isinstance(item, GateItem) and not item.versus}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        report = yield
        if isinstance(item, CaseItem) and item.suite.gate_id in self.gates and not self.config.stash[SETTINGS].strict:
            setattr(report, COUNTED, True)
        if isinstance(item, GateItem) and call.when == "call" and item.payload:
            # a JUnit file takes them from the report of the tear-down; a gate that is run again has them already
            item.user_properties += [one for one in self._numbers(item) if one not in item.user_properties]
        return report

    def _numbers(self, item: GateItem) -> list[tuple[str, object]]:
        gate = json.loads(item.payload)["gate"]
        found: list[tuple[str, object]] = [(name, str(gate[name])) for name in ("status", "items", "failures", "unscored")]
        if gate["tolerance"] is not None:
            found.append(("limit", f"{gate['side']} {gate['tolerance']:g}"))
        rows = () if item.versus or item.suite.missing else self.config.stash[SESSION].rows(item.suite)
        failed = [one.case for one in rows if one.outcome == "failed"]
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return [*found, *([("failing cases", ", ".join(failed[:_NAMED]) + more)] if failed else [])]


class _Test(_NodeReporter):
    """A test in a JUnit file, whose attributes of ``record_xml_attribute`` are no part of a report."""

    def add_attribute(self, name: str, value: object) -> None:
        super().add_attribute(door.line(name), door.lines(value))


class _Gates(LogXML):
    """pytest's writer of JUnit files, without the cases that a gate counts."""

    def node_reporter(self, report: Any) -> _NodeReporter:
        found = super().node_reporter(report)
        found.__class__ = _Test
        return found

    def add_global_property(self, name: str, value: object) -> None:
        """Keep a property of ``record_testsuite_property`` as it may leave."""
        super().add_global_property(door.line(name) if isinstance(name, str) else name, door.lines(value))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or not getattr(report, COUNTED, False):
            super().pytest_runtest_logreport(report)
