"""The body of a reply: its bytes as they come, bounded before anything is unpacked."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx

#: Bytes that are unpacked at once, however little they take on the wire.
AT_ONCE = 2**20
#: What is unpacked here, and zlib's name for its form; a reply that was packed twice, or otherwise, is refused.
_FORMS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class Packed(ValueError):
    """A reply that is packed in a way that is not taken, or is damaged; one line."""


async def unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield a body in pieces of at most :data:`AT_ONCE` bytes or as they came. No packing was asked for.

    Raises:
        Packed: another packing than one of gzip or deflate, or damaged data.
    """
    name = response.headers.get("content-encoding", "").strip().lower()
    if name in ("", "identity"):
        async for chunk in response.aiter_raw():
            yield chunk
        return
    if name not in _FORMS:
        raise Packed(f"a reply packed as {name[:40]!r}; expected none, gzip or deflate")
    made = zlib.decompressobj(_FORMS[name])
    try:
        async for chunk in response.aiter_raw():
            rest = chunk
            while rest and not made.eof:
                yield made.decompress(rest, AT_ONCE)
                rest = made.unconsumed_tail
        if not made.eof:
            raise Packed("a packed reply that ends too early")
    except zlib.error:
        raise Packed("a packed reply that cannot be unpacked") from None
