"""Merkle trees over the answers that an audit rests on.

Leaves and nodes are hashed as in RFC 6962 (Certificate Transparency), section 2.1: SHA-256 over a prefix byte, 0x00 for a leaf
and 0x01 for a node, so that no node passes for a leaf; a tree of n leaves is split at the largest power of two below n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from .model import Answers, Audit

#: Hexadecimal digits of a key and of a digest that an audit holds for each answer.
SHORT = 16
EMPTY = hashlib.sha256(b"").hexdigest()


def leaf(data: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def root(leaves: Sequence[bytes]) -> str:
    """Return the root over hashed leaves, in hex; of none the hash of nothing."""
    if not leaves:
        return EMPTY
    # the same tree level by level: a node without a sibling moves up as it is
    level = list(leaves)
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = [*pairs, level[-1]] if len(level) % 2 else pairs
    return level[0].hex()


def answers(pairs: Mapping[str, str]) -> Answers | None:
    """Return the identity of answers, from the digests of their texts by the digests of their keys, in hex; None without any."""
    if not pairs:
        return None
    leaves = [leaf(bytes.fromhex(key) + bytes.fromhex(digest)) for key, digest in pairs.items()]
    return Answers(root(leaves), tuple(key[:SHORT] + digest[:SHORT] for key, digest in pairs.items()))


def named(audit: Audit) -> Iterable[tuple[str, Answers]]:
    """Everything in an audit that rests on answers, by whose it is, in the order of the tree over all."""
    theirs = audit.baseline.findings if audit.baseline else ()
    held = [(f"target {f.nodeid}", f.answers) for f in audit.findings]
    held += [(f"baseline {f.nodeid}", f.answers) for f in theirs]
    held += [(f"beside {g.nodeid}", g.beside) for g in audit.gates]
    return sorted((name, one) for name, one in held if one is not None)


def answers_root(audit: Audit) -> str:
    """Return the root over the roots of all findings, and of the controls, floor and labelled cases of each gate."""
    return root([leaf(f"{name}\n{one.root}".encode("utf-8", "surrogatepass")) for name, one in named(audit)])
