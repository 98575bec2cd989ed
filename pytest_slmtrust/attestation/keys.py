"""Keys of ed25519 in PEM files, as ``openssl genpkey -algorithm ed25519`` makes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..plainfile import UnfitFile, read_plain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: A PEM file of one such key has about 120 bytes.
_LARGEST = 16 * 1024


class KeyFileError(ValueError):
    """A key that cannot be used; one line that names the file and says what to do."""


def private_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key of a file.

    Raises:
        KeyFileError: no such file, another kind of key, an encrypted one, or no cryptography.
    """
    data, load = _read(path), _loaders()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if b"ENCRYPTED" in data:
        raise KeyFileError(f"{path}: the key is encrypted; decrypt it first: openssl pkey -in KEY -out PLAIN")
    key = _loaded(load.load_pem_private_key, data, path, "a private", password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: a {_kind(key)} key; expected ed25519: openssl genpkey -algorithm ed25519 -out KEY")
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Return the public key of a file.

    Raises:
        KeyFileError: no such file, a private key, another kind of key, or no cryptography.
    """
    data, load = _read(path), _loaders()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if b"PRIVATE" in data:
        raise KeyFileError(f"{path}: a private key, which no reader needs; give the public one: openssl pkey -in KEY -pubout")
    key = _loaded(load.load_pem_public_key, data, path, "a public")
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError(f"{path}: a {_kind(key)} key; expected ed25519")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a key: the SHA-256 of its DER form (SubjectPublicKeyInfo)."""
    load = _loaders()
    return "sha256:" + hashlib.sha256(key.public_bytes(load.Encoding.DER, load.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _read(path: Path) -> bytes:
    try:
        data = read_plain(path, _LARGEST)
    except UnfitFile as error:
        raise KeyFileError(f"{path}: {error}") from None
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror or error}") from None
    if data.count(b"-----BEGIN") != 1:
        raise KeyFileError(f"{path}: expected a PEM file of one key")
    return data


def _loaders() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise KeyFileError("signatures need cryptography: reinstall this package with its extra [attest]") from None
    return serialization


def _loaded(load: Any, data: bytes, path: Path, what: str, **more: Any) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return load(data, **more)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path}: not {what} key in PEM form") from None


def _kind(key: Any) -> str:
    return type(key).__name__.removeprefix("_").replace("PrivateKey", "").replace("PublicKey", "") or "different"
