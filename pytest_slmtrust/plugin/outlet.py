"""What pytest shows of a run with ``--slm``: every report, warning and error passes the door before anybody prints or keeps it.

The terminal, JUnit files and other reporters read the same report objects, and xdist sends these from its workers. So they are
cleaned where they are made, and no reporter needs to think of it.
"""

from __future__ import annotations

import copy
import logging
import re
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from _pytest._code.code import ExceptionChainRepr, ReprEntry, ReprEntryNative, ReprExceptionInfo, TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.reports import CollectErrorRepr

from .. import door
from ..escaping import without_halves

#: pytest cuts long values in locals and arguments like this.
_CUT = "..."
#: What pytest itself writes into a report, and we: ids, numbers, and texts that are cleaned one by one.
_KNOWN = frozenset({
    "nodeid", "id", "location", "keywords", "outcome", "longrepr", "when", "user_properties", "sections", "duration", "start",
    "stop", "wasxfail", "context", "slmtrust", "slmtrust_counted", "slmtrust_clean",
})  # fmt: skip
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
#: Levels of lists in lists that other plugins put into a report.
_DEEPEST = 20
#: Contents of an attachment of pytest-html that are no text.
_PICTURES = ("image", "video")


class _Formatter(logging.Formatter):
    """Formats a record as another formatter does, with its message and its traceback as they may leave."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return self.inner.format(_record(record))


def _record(record: logging.LogRecord) -> logging.LogRecord:
    shown = copy.copy(record)
    shown.msg = shown.message = door.lines(record.getMessage())  # a formatter leaves the latter
    shown.args = ()
    if record.exc_info:
        shown.exc_text, shown.exc_info = door.lines(logging.Formatter().formatException(record.exc_info)), None
    return shown


class Unread(TerminalRepr):
    """A text that passes the door when somebody reads it: few reporters print what each of many failing cases said."""

    def __init__(self, write: Callable[[], str]) -> None:
        self.write = write

    def __str__(self) -> str:
        return door.lines(self.write())

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """A copy for another process, or for a file, is the text: what writes it may hold a probe."""
        return str, (str(self),)

    def toterminal(self, tw: TerminalWriter) -> None:
        tw.line(str(self))


def usage_error(text: object) -> pytest.UsageError:
    """Return a usage error of ours: one line that may leave."""
    return pytest.UsageError(door.line(text))


class Outlet:
    """Hooks that clean what other plugins show."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        return clean_report((yield))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, Any]:
        return clean_report((yield))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """With ``-s`` nothing is captured, and what a test prints goes straight to the terminal."""
        with door.guarded_streams() if item.config.getoption("capture", "") == "no" else nullcontext():
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        said = str(warning_message.message)
        shown = door.lines(said)
        if shown != said:
            warning_message.message = warning_message.category(shown) if _takes_text(warning_message) else Warning(shown)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Clean what ``--log-file`` and ``log_cli`` write; what is logged otherwise is a section of a report."""
        plugin = session.config.pluginmanager.get_plugin("logging-plugin")
        for name in ("log_cli_handler", "log_file_handler"):
            handler = getattr(plugin, name, None)
            if isinstance(handler, logging.Handler) and handler.formatter is not None:
                handler.setFormatter(_Formatter(handler.formatter))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Clean a report that another plugin made or added to. pytest adds the output of a subtest late, too."""
        if getattr(report, "slmtrust_clean", None) != id(report):
            clean_report(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, Any, Any]:
        """Clean what other plugins write at the end: they may have kept an exception, and not its report."""
        writer = terminalreporter._tw
        write = writer.write
        writer.write = lambda text, **how: write(_coloured(text), **how)
        try:
            return (yield)
        finally:
            del writer.write

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Generator[None, Any, Any]:
        """Clean the reason of ``pytest.exit``, and the traceback that the terminal keeps for ``--full-trace``."""
        clean_exit(excinfo.value)
        result = yield
        if kept := getattr(self.config.pluginmanager.get_plugin("terminalreporter"), "_keyboardinterrupt_memo", None):
            _clean_exception(kept)
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        _clean_exception(excrepr)


def clean_usage_error(error: pytest.UsageError) -> pytest.UsageError:
    """Return a usage error of any plugin, as it may leave."""
    return pytest.UsageError(*map(door.lines, error.args))


def clean_exit(error: BaseException) -> BaseException:
    """Return what ends a run, ``pytest.exit`` or Ctrl-C, with its words as they may leave."""
    error.args = tuple(door.lines(one) if isinstance(one, str) else one for one in error.args)
    if isinstance(error, pytest.exit.Exception):
        error.msg = door.lines(error.msg)
    return error


def clean_report(report: Any) -> Any:
    """Return a test's or collector's report with every text as it may leave."""
    report.longrepr = _cleaned(report.longrepr)
    report.sections = [(door.line(name), door.lines(content)) for name, content in report.sections]
    if isinstance(getattr(report, "wasxfail", None), str):
        report.wasxfail = door.line(report.wasxfail)
    if getattr(report, "user_properties", None):
        report.user_properties = [(door.line(k), _value(v)) for k, v in report.user_properties]
    if (context := getattr(report, "context", None)) is not None:  # of a subtest
        for name in ("msg", "kwargs"):
            object.__setattr__(context, name, _value(getattr(context, name, None)))
    for name in vars(report).keys() - _KNOWN:
        setattr(report, name, _value(getattr(report, name)))
    report.slmtrust_clean = id(report)
    return report


def _coloured(text: str) -> str:
    """Return a text for a terminal with everything between its colours as it may leave."""
    return "".join(part if at % 2 else door.lines(part) for at, part in enumerate(_COLOUR.split(text)))


def _value(value: Any, left: int = _DEEPEST) -> Any:
    """Return what another plugin put into a report, with its texts as they may leave."""
    if isinstance(value, str) or (left == 0 and isinstance(value, (list, tuple, dict))):
        return door.lines(value)
    if isinstance(value, logging.LogRecord):
        return _record(value)
    if isinstance(value, dict) and value.get("format_type") not in _PICTURES:
        return {_value(name): _value(one, left - 1) for name, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_value(one, left - 1) for one in value)
    return value


def _cleaned(shown: Any) -> Any:
    if shown is None or isinstance(shown, Unread):
        return shown
    if isinstance(shown, tuple) and len(shown) == 3:  # of a skipped test: path, line, reason
        return shown[0], shown[1], door.line(shown[2])
    if isinstance(shown, CollectErrorRepr):
        shown.longrepr = door.lines(shown.longrepr)
        return shown
    if isinstance(shown, (ExceptionChainRepr, ReprExceptionInfo)):
        return _clean_exception(shown)
    return door.lines(shown)


def failure_text(shown: object) -> str:
    """Return how pytest shows an exception, as it may leave."""
    return str(_cleaned(shown))


def _clean_exception(shown: Any) -> Any:
    """Clean the parts that reporters read, in place: lines, arguments, locals and messages of each exception."""
    chain = getattr(shown, "chain", None) or [(shown.reprtraceback, shown.reprcrash, None)]
    for traceback, crash, _ in chain:
        if crash is not None:
            crash.message = door.lines(_uncut(crash.message))
        for entry in traceback.reprentries:
            _clean_entry(entry)
    if shown.reprcrash is not None:
        shown.reprcrash.message = door.lines(_uncut(shown.reprcrash.message))
    shown.sections = [(door.line(name), door.lines(content), sep) for name, content, sep in shown.sections]
    return shown


def _clean_entry(entry: ReprEntry | ReprEntryNative) -> None:
    if not isinstance(entry, ReprEntry):
        source = ("Traceback", "  ")
        entry.lines = [door.lines("".join(one if one.startswith(source) else _uncut(one) for one in entry.lines))]
        return
    code = [one for one in entry.lines if entry.style in ("short", "long") and not one.startswith("E")]
    said = entry.lines[len(code) :]  # pytest writes the words of an exception after its source
    entry.lines = _together([*code, *([_uncut("\n".join(said))] if said else [])])
    if entry.reprfuncargs is not None:
        entry.reprfuncargs.args = [(name, door.line(_withheld(str(value)))) for name, value in entry.reprfuncargs.args]
    if entry.reprlocals is not None:
        entry.reprlocals.lines = _together([_local(one) for one in entry.reprlocals.lines])
    if entry.reprfileloc is not None:
        entry.reprfileloc.message = door.line(entry.reprfileloc.message)


def _together(parts: Sequence[str]) -> list[str]:
    """Lines as they may leave; masked as one text, for a key may go over several of them."""
    return door.lines("\n".join(parts)).split("\n")


def _local(shown: str) -> str:
    name, equals, value = shown.partition(" = ")
    return f"{name}{equals}{_withheld(value)}" if equals else _withheld(shown)


def _uncut(text: str) -> str:
    """Return the words of an exception, unless pytest cut them in two."""
    return text if door.reveals() else without_halves(text)


def _withheld(value: str) -> str:
    """Return a value, unless pytest cut it short: of half an address or half a key nobody can tell what it is."""
    return value if _CUT not in value or door.reveals() else "[a long value: --slm-reveal shows it]"


def _takes_text(warning_message: warnings.WarningMessage) -> bool:
    try:
        return str(warning_message.category("x")) == "x"
    except Exception:  # a warning class with its own arguments
        return False
