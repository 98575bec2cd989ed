"""Packs of probes: found by entry point or module, imported, and asked for what they bring. What they raise is one line."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from ..authoring.declarations import ProbeError
from ..authoring.probe import Probe, packed
from ..escaping import said
from .kept import kept
from .outlet import usage_error

#: Entry points of installed packs: a short name, and the module with the hook.
PACKS = "slmtrust_packs"
BUILTIN = "pytest_slmtrust.probes"


@kept()
def probes_of_packs(config: pytest.Config, names: Sequence[str]) -> list[Probe]:
    """Return the probes of all packs that are named.

    Raises:
        UsageError: no such pack, or one that raises, skips itself or brings something else than probes.
    """
    for name in names:
        if name != "none":
            _import_pack(config, BUILTIN if name == "builtin" else name)
    try:
        batches = [list(batch) for batch in config.hook.pytest_slm_probes()]
    except (KeyboardInterrupt, ProbeError, pytest.UsageError):
        raise
    except BaseException as error:
        raise _raised("pytest_slm_probes", error) from None
    strange = next((one for batch in batches for one in batch if not isinstance(one, Probe)), None)
    if strange is not None:
        raise usage_error(f"pytest_slm_probes: a pack brings {type(strange).__name__}; expected probes, as @probe makes them")
    return packed(probe for batch in batches for probe in batch)


def _import_pack(config: pytest.Config, name: str) -> None:
    """Register a pack by its entry point in the group ``slmtrust_packs``, or by the name of its module."""
    found = {entry.name: entry.value for entry in entry_points(group=PACKS)}
    plugins, module = config.pluginmanager, found.get(name, name)
    skipped = len(plugins.skipped_plugins)
    try:
        if module != BUILTIN:
            plugins.import_plugin(module)
        elif plugins.get_plugin(BUILTIN) is None and not plugins.is_blocked(BUILTIN):
            plugins.register(import_module(BUILTIN), BUILTIN)  # pytest would rewrite its 40 modules, which assert nothing
    except (ImportError, pytest.UsageError) as error:
        known = ["builtin", "none", *sorted(found)]
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Expected {', '.join(known)}, or an importable module"
        raise usage_error(f"--slm-packs {name!r}: {error}. {hint}") from None
    except (KeyboardInterrupt, ProbeError):
        raise
    except BaseException as error:
        raise _raised(f"--slm-packs {name!r}", error) from None
    if len(plugins.skipped_plugins) > skipped:
        raise usage_error(f"--slm-packs {name!r}: the pack skips itself ({plugins.skipped_plugins[-1][1]}); leave it out")
    made = plugins.get_plugin(module)
    if made is not None and not any(hasattr(made, hook) for hook in ("pytest_slm_probes", "pytest_plugins")):
        raise usage_error(f"--slm-packs {name!r}: the module has no pytest_slm_probes, so it is no pack of probes; leave it out")


def _raised(where: str, error: BaseException) -> pytest.UsageError:
    """Return one line about what a pack's code raised, a request to exit among it."""
    cause = error.__cause__ if type(error).__name__ == "PluginImportFailure" and error.__cause__ else error
    return usage_error(f"{where}: the pack raises {said(cause)}; mend it, or leave it out")
