"""An OpenSSF model signature (OMS) next to the weights: ``model.sig`` in the model's folder, checked before the model is asked.

The audit names it whether or not it could be checked. A key that the user names must have made it, else nothing is loaded.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...escaping import said
from ...plainfile import UnfitFile, read_plain
from .files import ModelError

SIGNATURE, OPTION = "model.sig", "--slm-model-key"
#: Bytes of a signature: it names each file once.
_LARGEST = 16 * 2**20


def read_signature(folder: Path, key: str) -> dict[str, str]:
    """Return what is known of a folder's signature: its ``state`` (``none``, ``not verified`` or ``verified``), and ``why``.

    Raises:
        ModelError: a ``key`` is named, and there is no signature, none that can be checked, or none by it over these files.
    """
    path = folder / SIGNATURE
    if not path.exists():
        if key:
            raise ModelError(f"{path}: no such file; {OPTION} checks the model's signature (OMS)")
        return {"state": "none", "why": f"the folder holds no {SIGNATURE}"}
    if not key:
        return {"state": "not verified", "file": SIGNATURE, "why": f"no key was named ({OPTION})"}
    _check(folder, path, Path(key))
    return {"state": "verified", "file": SIGNATURE, "why": "made by the key that the user named, over all files of the folder"}


def _check(folder: Path, path: Path, key: Path) -> None:
    """Check a signature by an elliptic-curve key over every file of a folder; what no signature names is refused too."""
    if find_spec("model_signing") is None or find_spec("OpenSSL") is None:
        raise ModelError(f"{OPTION} needs model-signing, which is not installed: reinstall this package with its extra [oms]")
    try:
        read_plain(path, _LARGEST)
        read_plain(key, 2**16)
    except (OSError, UnfitFile) as error:
        raise ModelError(f"{OPTION}: {said(error)}") from None
    from model_signing import hashing, verifying

    hashed = hashing.Config().set_ignored_paths(paths=[path.absolute()], ignore_git_paths=True).set_allow_symlinks(True)
    checker = verifying.Config().set_hashing_config(hashed)
    try:
        checker.use_elliptic_key_verifier(public_key=key.absolute()).verify(folder.absolute(), path.absolute())
    except Exception as error:  # whatever a foreign file makes of the library
        raise ModelError(f"{path}: the signature does not hold for this key and these files: {said(error)[:400]}") from None
