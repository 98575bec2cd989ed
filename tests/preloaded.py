"""What a process has imported that forks for each run of pytest: half of the time of a short run is imports and templates."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

import hypothesis
import jinja2
import msgspec
import numpy as np
import pytest
import scipy.stats
import xdist.plugin
import xdist.workermanage
from _pytest.config import default_plugins

from pytest_slmtrust import cli, probes
from pytest_slmtrust.archive import accept, compare, files, installed, verify
from pytest_slmtrust.backends import fake, load
from pytest_slmtrust.backends.textattack import perturb
from pytest_slmtrust.backends.transformers import files as model_files
from pytest_slmtrust.plugin import controller, display, junit, terminal, wiring
from pytest_slmtrust.report import html, words
from pytest_slmtrust.report.frame import environment
from pytest_slmtrust.scale import spread
from pytest_slmtrust.stats import calibration, paired, sequential

IMPORTED = (
    hypothesis, jinja2, msgspec, np, pytest, scipy.stats, xdist.plugin, xdist.workermanage, cli, probes, accept, compare, files,
    installed, verify, fake, load, perturb, model_files, controller, display, junit, terminal, wiring, html, words, spread,
    calibration, paired, sequential,
)  # fmt: skip
#: The plugins that every run loads: pytest's own, and those that are installed beside it.
PLUGINS = [
    *(import_module(f"_pytest.{name}") for name in default_plugins),
    *(one.load() for one in entry_points(group="pytest11") if one.name not in ("anyio", "hypothesispytest")),
]
for template in environment().list_templates(filter_func=lambda name: name.endswith(".j2") and "/" not in name):
    environment().get_template(template)
