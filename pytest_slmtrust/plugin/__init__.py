"""pytest's entry point. Without ``--slm`` it adds options, markers and a fixture, and imports nothing heavy."""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ..audit.dimension import Dimension
from . import hookspecs
from .commandline import joined, old_report, refusal
from .options import OPTIONS, add_options
from .spelling import check_spelling
from .values import model_spec

if TYPE_CHECKING:
    from .fixture import Slm

CONTROLLER = "slmtrust-controller"
DISPLAY = "slmtrust-display"
OUTLET = "slmtrust-outlet"
JUNIT = "slmtrust-junit"
_VARIABLE = "PYTEST_ADDOPTS"
_PACKAGE = __name__.partition(".")[0]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Take away the report of an earlier run, too: of all that pytest or we may still refuse, no later hook is told."""
    add_options(parser)
    config = pluginmanager.get_plugin("pytestconfig")
    folder = old_report(config) if config is not None else None
    if folder is not None and folder.is_dir():
        from ..archive.files import set_complete_aside
        from ..outputs import OutputError

        with suppress(OSError, OutputError):
            set_complete_aside(folder)


@pytest.hookimpl(trylast=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Name an option of ours that does not exist.

    Raises:
        pytest.UsageError: there is one; pytest's own error would name no other.
    """
    _, unknown = parser.parse_known_and_unknown_args(args)
    check_spelling(unknown, [option.flag for option in OPTIONS])


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | pytest.ExitCode | None:
    """Begin again where pytest took the value of one of our options for a folder of tests, there or in PYTEST_ADDOPTS."""
    given = config.invocation_params
    arguments = joined(given.args)
    variable = os.environ.get(_VARIABLE, "")
    options = shlex.split(variable)
    if arguments == list(given.args) and joined(options) == options:
        return None
    if not options:
        return pytest.main(arguments, given.plugins)
    os.environ[_VARIABLE] = shlex.join(joined(options))
    try:
        return pytest.main(arguments, given.plugins)
    finally:
        os.environ[_VARIABLE] = variable


@pytest.hookimpl(specname="pytest_cmdline_main", wrapper=True, tryfirst=True)
def pytest_end_with_the_verdict(config: pytest.Config) -> Generator[None, Any, Any]:
    """Clean what a run with ``--slm`` ends with before pytest prints it; and let no hook turn a red audit into an exit status 0.

    ``pytest.exit(reason, 0)`` and ``SystemExit`` in another plugin's last hooks come after ours. pytest takes no function for a
    hook whose name does not begin with ``pytest_``, whatever its ``specname``.
    """
    try:
        status = yield
        return pytest.ExitCode.TESTS_FAILED if not status and _is_red(config) else status
    except SystemExit as end:
        if not end.code and _is_red(config):
            raise SystemExit(int(pytest.ExitCode.TESTS_FAILED)) from None
        raise
    except pytest.UsageError as error:
        if not model_spec(config):
            raise
        from .outlet import clean_usage_error

        raise clean_usage_error(error) from None


def _import_as_they_are(rewriting: Any) -> None:
    """Keep pytest from rewriting the assertions of our modules, as it does in all packages with a plugin: they have none, and a
    fresh environment would read 200 files for it instead of what pip compiled."""
    marked = getattr(rewriting, "_must_rewrite", None)
    if isinstance(marked, set) and _PACKAGE in marked:
        marked.discard(_PACKAGE)
        getattr(rewriting, "_marked_for_rewrite_cache", {}).clear()


def _is_red(config: pytest.Config) -> bool:
    controller = config.pluginmanager.get_plugin(CONTROLLER)
    return controller is not None and controller.is_red


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    for dimension in Dimension:
        config.addinivalue_line("markers", f"{dimension}: cases and gates of the {dimension} dimension (pytest-slmtrust)")
    if config.option.help:
        return
    why = refusal(config)
    if why:
        from .record import refuse

        refuse(config, why)
        raise pytest.UsageError(why)
    if model_spec(config):
        _import_as_they_are(config.pluginmanager.rewrite_hook)
        from .kept import kept

        with kept():
            from .controller import Controller
            from .display import Display
            from .junit import Junit
            from .outlet import Outlet

        _add(config, Outlet(config), OUTLET)
        controller = Controller(config)
        _add(config, controller, CONTROLLER)
        _add(config, Junit(config), JUNIT)
        _add(config, Display(controller), DISPLAY)


def _add(config: pytest.Config, part: object, name: str) -> None:
    """Register a part of the plugin.

    Raises:
        pytest.UsageError: the user blocked it; without it a run would be green that audits nothing.
    """
    if config.pluginmanager.register(part, name) is None:
        raise pytest.UsageError(f"-p no:{name} takes away a part of the audit: leave it out, or leave --slm out")


@pytest.fixture(scope="session")
def slm(pytestconfig: pytest.Config) -> Slm:
    """Return the model under audit: ``slm.ask(Generate("..."))``; answers come from the audit's store where they are there."""
    controller = pytestconfig.pluginmanager.get_plugin(CONTROLLER)
    if controller is None:
        pytest.skip("needs a model: run pytest with --slm=MODEL")
    fixture: Slm = controller.fixture()
    return fixture
