"""What a process has imported that forks for each run of pytest: half of the time of a short run is imports and templates."""

from __future__ import annotations

import hypothesis
import jinja2
import msgspec
import numpy as np
import pytest
import scipy.stats
import xdist.plugin
import xdist.workermanage

from pytest_slmtrust import cli, probes
from pytest_slmtrust.archive import accept, compare, files, installed, verify
from pytest_slmtrust.backends import fake
from pytest_slmtrust.backends.textattack import perturb
from pytest_slmtrust.backends.transformers import files as model_files
from pytest_slmtrust.plugin import controller, junit, terminal, wiring
from pytest_slmtrust.report import html, words
from pytest_slmtrust.report.frame import environment
from pytest_slmtrust.stats import calibration, paired, sequential

IMPORTED = (
    hypothesis, jinja2, msgspec, np, pytest, scipy.stats, xdist.plugin, xdist.workermanage, cli, probes, accept, compare, files,
    installed, verify, fake, perturb, model_files, controller, junit, terminal, wiring, html, words, calibration, paired,
    sequential,
)  # fmt: skip
for template in environment().list_templates(filter_func=lambda name: name.endswith(".j2") and "/" not in name):
    environment().get_template(template)
