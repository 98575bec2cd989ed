"""Two models as one system: pytest --slm=two_models:make, from this folder.

A small model answers first: the embedded model with every matrix at three quarters of its rank. Where its reply is empty, says
that it does not know, or is no text, the embedded model itself answers. Put your own two in their places.
"""

import sys
from pathlib import Path

from pytest_slmtrust import Completion, Generate
from pytest_slmtrust.backends.cascade import Cascade
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.detectors import abstains, degenerate

sys.path.append(str(Path(__file__).resolve().parents[1] / "sweep"))


def unsure(_: Generate, reply: Completion) -> bool:
    """Whether the small model's reply is none that a user should get."""
    return bool(degenerate(reply.text)) or abstains(reply.text)


def make() -> Cascade:
    """Return the system."""
    small = load_backend(ModelSpec("shrunk:lowrank75"))
    large = load_backend(ModelSpec("smollm2-135m-instruct"))
    return Cascade(small, large, unsure, "empty, no text or abstaining, version 2")
