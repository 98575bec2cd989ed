"""Whether a model is asked by one engine in this process, or by many (``--slm-ray``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from ..backends.batch import PREFIX as BATCH
from ..backends.endpoint.address import is_address
from ..backends.load import ModelSpec, SpecError
from ..requests import Backend


def spread(backend: Backend, spec: ModelSpec, address: str, note: Callable[[str], None] | None = None) -> Backend:
    """Return a backend that asks engines at an address; the same one where no address is given.

    Raises:
        SpecError: Ray is not installed, the address is none, or the model is not run by this package.
    """
    if not address:
        return backend
    text = spec.text.strip()
    if is_address(text) or text.startswith(BATCH):
        raise SpecError(f"{text[:80]}: a server or a batch spreads its requests itself; leave --slm-ray out")
    if importlib.util.find_spec("ray") is None:
        raise SpecError("--slm-ray needs ray, which is not installed: reinstall this package with its extra [ray]")
    from .ray_backend import RayBackend
    from .ray_cluster import check_address

    wrong = check_address(address)
    if wrong:
        raise SpecError(wrong)
    return RayBackend(spec, backend, address, note)
