"""Where an endpoint is: ``http://HOST/v1[#MODEL]``, several separated by commas for replicas of one model."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...detectors.spec_secrets import parameter_secrets

FORM = "http://HOST:PORT/v1#MODEL, several separated by commas"
_SCHEME = re.compile(r"\s*https?://", re.IGNORECASE)
_MOST = 64


class AddressError(ValueError):
    """An address that cannot be used; one line, without what may be a password in it."""


@dataclass(frozen=True, slots=True)
class Address:
    """``urls``: the base of each replica, without a slash at its end; ``model``: its name there, empty for the only one."""

    urls: tuple[str, ...]
    model: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host and port of each replica, each once."""
        return tuple(dict.fromkeys(urlsplit(url).netloc for url in self.urls))

    @property
    def remote(self) -> tuple[str, ...]:
        """The hosts that are not this machine."""
        return tuple(dict.fromkeys(urlsplit(url).netloc for url in self.urls if not is_loopback(urlsplit(url).hostname or "")))

    @property
    def text(self) -> str:
        """As one writes it."""
        return ",".join(self.urls) + (f"#{self.model}" if self.model else "")


def is_address(text: str) -> bool:
    """Return whether a spec names an endpoint."""
    return _SCHEME.match(text) is not None


def read_address(text: str) -> Address:
    """Read a spec.

    Raises:
        AddressError: not a list of http addresses of one model, or one that holds a password or a key.
    """
    urls: list[str] = []
    models: dict[str, None] = {}
    for part in text.split(","):
        base, _, model = part.strip().partition("#")
        urls.append(_base(base))
        models |= {model.strip(): None} if model.strip() else {}
    if any(parameter_secrets(text)):
        raise AddressError("the address holds a parameter that may be a key; put a key into SLMTRUST_API_KEY instead")
    if len(models) > 1:
        raise AddressError(f"the replicas name {len(models)} models; they must all serve one")
    if len(set(urls)) < len(urls):
        raise AddressError("one replica is named twice")
    if len(urls) > _MOST:
        raise AddressError(f"{len(urls)} replicas; at most {_MOST} are taken")
    return Address(tuple(urls), next(iter(models), ""))


def remote_hosts(text: str) -> tuple[str, ...]:
    """Return the hosts of a spec that are not this machine; none where it names no endpoint, or an unusable one."""
    try:
        return read_address(text).remote if is_address(text) else ()
    except AddressError:
        return ()


def is_loopback(host: str) -> bool:
    """Return whether a host's name or number is this machine, by itself: no name is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _base(text: str) -> str:
    if not is_address(text):
        raise AddressError(f"not an address of a server: each replica begins with http:// or https:// ({FORM})")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressError(f"not an address of a server; expected {FORM}") from None
    if "@" in parts.netloc:
        raise AddressError("the address holds a user or a password; put a key into SLMTRUST_API_KEY instead")
    if parts.query:
        raise AddressError("the address holds a query, which may be a key; put a key into SLMTRUST_API_KEY instead")
    if not host or not text.isascii() or re.search(r"[\s\x00-\x1f\x7f\\]", text) or port == 0:
        raise AddressError(f"not an address of a server; expected {FORM}")
    return f"{parts.scheme.lower()}://{parts.netloc}{parts.path}".rstrip("/")
