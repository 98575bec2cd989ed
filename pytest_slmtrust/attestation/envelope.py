"""DSSE envelopes with one ed25519 signature, in the one form that ``slmtrust attest`` writes.

A reader takes the bytes of that form and no others, so that no second file says the same: no other order, blank or alphabet of
base64, no field twice, no further signature.
"""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD = "application/vnd.in-toto+json"
#: Bytes of an envelope. One of 2,000 gates has about 3 MB.
LARGEST = 32 * 2**20
_DEEPEST = 32


class EnvelopeError(ValueError):
    """An envelope that cannot be taken; one line that says why."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was signed, and the signature. Nothing of it is true before :func:`check` returns."""

    payload: bytes
    key_id: str
    signature: bytes


def sign(payload: bytes, key: Ed25519PrivateKey, key_id: str) -> str:
    """Return an envelope around a payload."""
    signature = key.sign(_authenticated(payload))
    return _text(payload, key_id, signature)


def check(envelope: Envelope, key: Ed25519PublicKey, key_id: str) -> None:
    """Check the signature of an envelope.

    Raises:
        EnvelopeError: another key's, or of other bytes.
    """
    from cryptography.exceptions import InvalidSignature

    if envelope.key_id != key_id:
        raise EnvelopeError("signatures: it names another key than the one given")
    try:
        key.verify(envelope.signature, _authenticated(envelope.payload))
    except InvalidSignature:
        raise EnvelopeError("signatures: the signature is not by this key over this payload") from None


def is_statement(data: bytes) -> bool:
    """Return whether a file holds a statement of ours, signed or not: one that a new one may replace."""
    with suppress(EnvelopeError):
        data = read(data).payload
    return b"slmtrust" in data and b'"predicateType"' in data


def read(data: bytes) -> Envelope:
    """Return the parts of an envelope, of which nothing was checked but the form.

    Raises:
        EnvelopeError: another form; the message begins with the field.
    """
    made = parse(data)
    if not isinstance(made, dict) or made.keys() != {"payload", "payloadType", "signatures"}:
        raise EnvelopeError("not an envelope: expected the fields payload, payloadType and signatures, and no others")
    if made["payloadType"] != PAYLOAD:
        raise EnvelopeError(f"payloadType: expected {PAYLOAD}")
    signatures = made["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise EnvelopeError("signatures: expected exactly one")
    (one,) = signatures
    if not isinstance(one, dict) or one.keys() != {"keyid", "sig"} or not isinstance(one["keyid"], str):
        raise EnvelopeError("signatures: expected the fields keyid and sig, and no others")
    envelope = Envelope(_decoded(made["payload"], "payload"), one["keyid"], _decoded(one["sig"], "sig"))
    if _text(envelope.payload, envelope.key_id, envelope.signature).encode() != data:
        raise EnvelopeError("not as slmtrust attest wrote it: the file was changed or reformatted")
    return envelope


def parse(data: bytes) -> Any:
    """Return JSON in which no field occurs twice.

    Raises:
        EnvelopeError: not JSON, not UTF-8, a field twice, or nested too deep.
    """
    try:
        made = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except EnvelopeError:
        raise
    except RecursionError:
        raise EnvelopeError(f"nested more than {_DEEPEST} deep") from None
    except ValueError as error:
        raise EnvelopeError(f"not JSON: {error}") from None
    _check_depth(made)
    return made


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise EnvelopeError("not JSON that has one meaning: a field occurs twice")
    return made


def _no_number(name: str) -> None:
    raise EnvelopeError(f"not JSON: {name}")


def _check_depth(value: Any, left: int = _DEEPEST) -> None:
    if left == 0:
        raise EnvelopeError(f"nested more than {_DEEPEST} deep")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(child, left - 1)


def _decoded(text: Any, field: str) -> bytes:
    try:
        made = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        made = None
    if made is None or base64.b64encode(made).decode() != text:
        raise EnvelopeError(f"{field}: expected standard base64 with padding and no blanks")
    return made


def _authenticated(payload: bytes) -> bytes:
    """Return what is signed (DSSE's pre-authentication encoding), so that a payload is never taken for one of another type."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)


def _text(payload: bytes, key_id: str, signature: bytes) -> str:
    made = {
        "payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD,
        "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
    }  # fmt: skip
    return json.dumps(made, separators=(",", ":"), ensure_ascii=True) + "\n"
