"""A store of answers in a file that only holders of a passphrase can read or change: for caches that others can read.

AES-256-GCM with a key from the passphrase by scrypt (RFC 7914; N = 2**15, r = 8, p = 1). Without it, everybody
with access to the cache could put in answers that no model gave.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..outputs import check_kind, check_outputs, write_output
from ..plainfile import PRIVATE, write_whole
from .store import FILE, OPENED, opened_to_read
from .store_admin import CacheError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: The variable with the passphrase: an argument would be in the list of processes.
VARIABLE = "SLMTRUST_CACHE_KEY"
_MAGIC = b"slmtrust sealed store 1\n"
_SALT, _NONCE, _SHORTEST = 16, 12, 16
#: Bytes of a sealed file that are read at most.
_LARGEST = 2**31


def seal(folder: Path, target: Path) -> str:
    """Write the answers of a store into a sealed file, whole or not at all; return what was done.

    Raises:
        CacheError: there is no store or no passphrase, or the package that seals is not installed.
        OutputError: the file holds something else, or is the store's own.
    """
    check_outputs([target], [folder / name for name in OPENED])
    check_kind(target, _MAGIC)
    passphrase = _passphrase()
    try:
        with opened_to_read(folder, 5) as db:
            answers = db.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
            data = db.serialize()
    except sqlite3.Error as error:
        raise CacheError(f"{folder}: holds no store that can be read ({error}); nothing was sealed") from None
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    head = _MAGIC + salt + nonce
    sealed = head + _cipher(passphrase, salt).encrypt(nonce, zlib.compress(data), head)
    write_output(target, sealed)
    return f"{target}: {answers} answers sealed; only {VARIABLE} opens it"


def unseal(source: Path, folder: Path) -> str:
    """Make the store of a sealed file in a folder that has none; return what was done.

    Raises:
        CacheError: the file was not sealed with this passphrase, or was changed since; or the folder has a store.
    """
    passphrase = _passphrase()
    if (folder / FILE).exists() or (folder / FILE).is_symlink():
        raise CacheError(f"{folder}: has a store already; it was not replaced")
    try:
        with source.open("rb") as file:
            sealed = file.read(_LARGEST)
    except OSError as error:
        raise CacheError(f"{source}: {error.strerror or 'cannot be read'}; nothing was opened") from None
    begin = len(_MAGIC) + _SALT + _NONCE
    if not sealed.startswith(_MAGIC) or len(sealed) < begin:
        raise CacheError(f"{source}: not a sealed store; nothing was opened")
    from cryptography.exceptions import InvalidTag

    head, salt = sealed[:begin], sealed[len(_MAGIC) :][:_SALT]
    try:
        data = zlib.decompress(_cipher(passphrase, salt).decrypt(head[-_NONCE:], sealed[begin:], head))
    except InvalidTag:
        raise CacheError(f"{source}: was sealed with another {VARIABLE}, or changed since; nothing was opened") from None
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(folder / FILE, data, PRIVATE)
    return f"{source}: opened into {folder}"


def _passphrase() -> bytes:
    text = os.environ.get(VARIABLE, "")
    if len(text) < _SHORTEST:
        said = "is not set" if not text else f"has {len(text)} characters"
        raise CacheError(f"{VARIABLE} {said}; expected a secret of at least {_SHORTEST} characters")
    return text.encode()


def _cipher(passphrase: bytes, salt: bytes) -> AESGCM:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ImportError:
        raise CacheError("cryptography is not installed: reinstall this package with its extra [attest]") from None
    return AESGCM(Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(passphrase))
