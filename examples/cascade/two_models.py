"""Two models as one system: pytest --slm=two_models:make, from this folder.

The embedded model answers first. Where its reply is empty or says that it does not know, a second one answers. Here that is
the embedded model once more, in bfloat16: put your larger model in its place.
"""

from pytest_slmtrust import Completion, Generate
from pytest_slmtrust.backends.cascade import Cascade
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.detectors import abstains


def unsure(_: Generate, reply: Completion) -> bool:
    """Whether the small model's reply is none that a user should get."""
    return not reply.text.strip() or abstains(reply.text)


def make() -> Cascade:
    """Return the system."""
    small = load_backend(ModelSpec("smollm2-135m-instruct"))
    large = load_backend(ModelSpec("smollm2-135m-instruct", dtype="bfloat16"))
    return Cascade(small, large, unsure, "empty or abstaining, version 1")
