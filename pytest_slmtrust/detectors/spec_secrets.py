"""Credentials in what names a model: a user and a password before an address, and keys in its parameters.

A server is named by its address, and people forget the scheme or misspell it. Names of the hub with a revision
(``org/name@main``), folders and paths of Windows hold an @ and a colon, too, and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .tokens import Spot

#: The scheme of an address, also a misspelled one of the web: ``http//``, ``htp:/``, ``https:\\``, ``http:``.
_SCHEME = re.compile(r"\s*(?:[a-z][a-z0-9+.-]{1,15}:[/\\]{2,3}|h?t{1,2}ps?(?:[:;.]?[/\\]{1,3}|[:;]))", re.IGNORECASE)
#: An option and its sign, before the value that it is given.
_OPTION = re.compile(r"(?:-{1,2}[\w-]+|slm\w*)=")
#: What names a place on a disk.
_PATH = re.compile(r"\s*(?:[/\\.~]|[a-z]:[/\\])", re.IGNORECASE)
#: What a colon may stand behind without a user before it.
_KIND = re.compile(r"\s*(?:batch|hf|detoxify):", re.IGNORECASE)
_AT = re.compile(r"@|%40|\uff20", re.IGNORECASE)
_END = r"(?=[/?#,;\s]|\Z)"
#: A host that nothing else looks like: this machine, a number, one with a port, a name of the internet with a path.
_HOST = re.compile(
    rf"(?:localhost(?::\d+)?{_END}|\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?::\d+)?{_END}|\[[0-9a-f:.%]+\]|[\w.-]+:\d{{2,5}}{_END}"
    rf"|(?!v?\d)[\w-]+(?:\.[\w-]+)*\.[a-z]{{2,}}(?=/)|(?!v?\d)[\w-]+\.(?:[\w-]+\.)+[a-z]{{2,}}{_END})",
    re.IGNORECASE,
)
#: Any host, to its end.
_ANY_HOST = re.compile(rf"[\w.-]+(?::\d+)?{_END}")
#: A host with its port and a path: an @ after it is part of the path.
_IN_PATH = re.compile(r"(?:\[[0-9a-f:.%]+\]|[\w.-]+)(?::\d{1,5})?[/?#]", re.IGNORECASE)
_PARAMETER = re.compile(r"(?<=[?&;#])(?P<name>[^=&;#?\s]{0,60}=)?(?P<value>[^&;#\s]+)")
_SECRET_NAME = re.compile(r"key|tok|pass|pwd|pw=|secret|cred|auth|sig|sess", re.IGNORECASE)


def spec_secrets(text: str) -> list[Spot]:
    """Return start and end of each credential in a spec of a model, or in an argument that gives one, in order."""
    option = _OPTION.match(text)
    start = option.end() if option else 0
    found = list(parameter_secrets(text, start))
    for begin, end in _replicas(text, start):
        found += _before_host(text, begin, end)
    joined: list[Spot] = []
    for one, last in sorted(found):
        if joined and one < joined[-1][1]:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((one, last))
    return joined


def _replicas(text: str, start: int) -> Iterator[Spot]:
    """Yield the place of each address of a list. A comma may be part of a password: what is no address belongs to the next."""
    begin = start
    for comma in re.finditer(",", text[start:]):
        at = start + comma.start()
        scheme = _SCHEME.match(text, begin, at)
        body = text[scheme.end() if scheme else begin : at]
        host = _AT.split(body)[-1].strip()
        if _HOST.match(host) or _IN_PATH.match(host) or "/" in host:
            yield begin, at
            begin = at + 1
    yield begin, len(text)


def _before_host(text: str, begin: int, end: int) -> Iterator[Spot]:
    """Yield what stands before the last @ that a host follows."""
    scheme = _SCHEME.match(text, begin, end)
    begin = scheme.end() if scheme else begin
    if not scheme and _PATH.match(text, begin, end):
        return
    for at in reversed(list(_AT.finditer(text, begin, end))):
        before, after = text[begin : at.start()], text[at.end() : end]
        if before.strip() and (_is_user(before, after) if scheme else _is_bare_user(before, after)):
            yield begin + len(before) - len(before.lstrip()), at.start()
            return


def _is_user(before: str, after: str) -> bool:
    """Return whether a user stands before an @ of an address with a scheme; else it is the beginning of a path or of a name."""
    return not _IN_PATH.match(before) or ("#" not in before and _HOST.match(after) is not None)


def _is_bare_user(before: str, after: str) -> bool:
    first, slash, _ = before.partition("/")
    named = ":" in first and not _KIND.match(first)
    if _HOST.match(after):
        return named or not slash
    return named and not slash and _ANY_HOST.match(after) is not None


def parameter_secrets(text: str, start: int = 0) -> Iterator[Spot]:
    """Yield the values of parameters with the name of a secret; in an address, also a parameter without a name."""
    scheme = _SCHEME.match(text, start)
    address = scheme is not None or _HOST.match(text, start) is not None
    for one in _PARAMETER.finditer(text, start):
        if _SECRET_NAME.search(one["name"]) if one["name"] else address and text[one.start() - 1] == "?":
            yield one.span("value")
