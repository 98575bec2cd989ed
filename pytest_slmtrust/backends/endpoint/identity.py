"""Who answers at an endpoint: the server's own words, and its greedy replies to fixed texts, asked twice at every start."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...plainfile import PRIVATE, read_plain, write_whole
from ...requests import BackendError, Generate, chat
from .dialect import Dialect, read_reply
from .fault import Fault
from .replicas import Replica
from .wire import Wire

#: The texts. A change of them is another identity.
CANARIES = (
    "What is the capital of France?",
    "Write the numbers from one to ten in words.",
    "Translate into German: the house is old.",
    "Why is the sky blue? Answer in one sentence.",
    "Name three animals that live in the sea.",
    "Complete the proverb: the early bird",
    "What is 17 plus 25?",
    "Repeat exactly: zx-9 Äpfel 你好",
)
#: Replies that must be the same twice to tell a server from another.
_STABLE = 3
#: Replies that may differ once a server was away: it is asked while others use it, which changes floats.
_DIFFER = 2
#: Texts that are asked first, the last ones: few models answer them alike.
_FEW = 3
#: Tokens of each reply.
_TOKENS = 16
_LONGEST = 200
#: What servers say of themselves that says which model they run: llama.cpp, vLLM, SGLang, TGI, and a proxy's own.
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "/props": ("model_path", "model_alias", "chat_template", "bos_token", "eos_token", "build_info", "modalities"),
    "/version": ("version",),
    "/get_model_info": ("model_path", "tokenizer_path", "weight_version", "is_generation"),
    "/info": ("model_id", "model_sha", "model_dtype", "version", "sha"),
}
_LISTED = ("id", "root", "parent", "owned_by", "max_model_len", "meta")
_LONGEST_ABOUT = 100_000


@dataclass(frozen=True, slots=True)
class Identity:
    """``about``: the server's own words; ``first``, ``second``: its replies, by place in :data:`CANARIES`.

    ``mark``: drawn at each start of a server of which too few replies are the same twice: nothing tells it from another one.
    """

    about: Mapping[str, Any] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    mark: str = ""

    @property
    def unstable(self) -> list[int]:
        """The texts that were answered differently when they were asked twice."""
        return [i for i, (a, b) in enumerate(zip(self.first, self.second, strict=True)) if a != b]

    @property
    def told(self) -> dict[str, Any]:
        """What the fingerprint rests on. A reply that is not the same twice identifies nothing."""
        same = [a if a == b else None for a, b in zip(self.first, self.second, strict=True)]
        return {"about": self.about, "replies": same, "mark": self.mark}

    def differs(self, other: Identity) -> list[int]:
        """Return the texts that two servers, or one at two times, answer differently."""
        pairs = zip(self.first, other.first, strict=True)
        return [i for i, (a, b) in enumerate(pairs) if a != b and i not in self.unstable and i not in other.unstable]


async def identify(wire: Wire, replica: Replica, dialect: Dialect, chats: bool, listed: Any, asks: bool = True) -> Identity:
    """Ask a server who it is. The texts are asked one by one, so that nothing else shares their batch; none unless it ``asks``.

    Raises:
        BackendError: it does not answer them.
    """
    said = []
    if not asks:
        return Identity(await _about(wire, replica, dialect.model, listed))
    for _ in range(2):
        said.append(tuple([await _reply(wire, replica, dialect, chats, text) for text in CANARIES]))
    found = Identity(await _about(wire, replica, dialect.model, listed), said[0], said[1])
    enough = len(CANARIES) - len(found.unstable) >= _STABLE
    return found if enough else replace(found, mark=secrets.token_hex(16))


async def _reply(wire: Wire, replica: Replica, dialect: Dialect, chats: bool, text: str) -> str:
    request = Generate(chat(text) if chats else f"{text}\n", _TOKENS)
    path, body = dialect.question(request)

    def read(data: Any) -> str:
        reply = read_reply(data)
        dialect.check(reply)
        return reply.whole[:_LONGEST]

    try:
        return await wire.ask(path, body | ({} if path == "/api/generate" else {"max_tokens": _TOKENS}), read, replica)
    except Fault as fault:
        raise BackendError(f"the server does not answer {text!r}, which is asked at every start: {fault}") from None


async def _about(wire: Wire, replica: Replica, model: str, listed: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    entries = listed.get("data") if isinstance(listed, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("id") == model:
            found["listed"] = _kept(entry, _LISTED)
    for path, names in _ABOUT.items():
        said = await wire.get(path, replica)
        if isinstance(said, dict) and (kept := _kept(said, names)):
            found[path] = kept
    tags = await wire.get("/api/tags", replica)
    for entry in (tags.get("models") or []) if isinstance(tags, dict) else []:
        if isinstance(entry, dict) and entry.get("name") in (model, f"{model}:latest"):
            found["/api/tags"] = _kept(entry, ("name", "digest", "details"))
    return found


def _kept(said: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    kept = {name: said[name] for name in names if said.get(name) is not None}
    return kept if len(json.dumps(kept)) <= _LONGEST_ABOUT else {"sha256": _digest(kept)}


def check_same(first: Replica, identity: Identity, other: Replica, theirs: Identity) -> None:
    """Refuse replicas that serve different models.

    Raises:
        BackendError: it shows a text that the two answer differently.
    """
    places = identity.differs(theirs)
    if places:
        i = places[0]
        raise BackendError(
            f"{first.host} and {other.host} are not replicas of one model: to {CANARIES[i]!r} one answers {identity.first[i]!r}, "
            f"the other {theirs.first[i]!r}"
        )


async def check_again(wire: Wire, replica: Replica, dialect: Dialect, chats: bool, known: Identity) -> None:
    """Refuse a server that came back as another model while questions were under way.

    Raises:
        BackendError: it shows a text that is answered differently now.
    """
    places = [i for i in reversed(range(len(known.first))) if i not in known.unstable]
    now: dict[int, str] = {}
    for some in (places[:_FEW], places[_FEW:]):  # a connection that breaks is no sign yet: most are asked after a first doubt
        now |= {i: await _reply(wire, replica, dialect, chats, CANARIES[i]) for i in some}
        if all(now[i] == known.first[i] for i in some):
            break
    others = sorted(i for i in now if now[i] != known.first[i])
    if len(others) > _DIFFER:
        i = others[0]
        raise BackendError(
            f"{replica.host} was away and came back as another model: to {CANARIES[i]!r} it answered {known.first[i]!r}, "
            f"now {now[i]!r}. Start the first one again, and the audit goes on"
        )


def remembered(path: Path, address: str, identity: Identity) -> str:
    """Compare with the last start at this address, and keep this one; what changed, empty if nothing did or it is the first.

    ``path``: a private file next to the store.
    """
    known = _read(path)
    before = known.get(address)
    known[address] = {"about": _digest(identity.about), "first": identity.first, "unstable": identity.unstable}
    with suppress(OSError):
        write_whole(path, json.dumps(known), PRIVATE)
    return _changed(before, identity) if isinstance(before, dict) else ""


def _changed(before: Mapping[str, Any], identity: Identity) -> str:
    first, unstable = before.get("first"), before.get("unstable")
    if not isinstance(first, list) or len(first) != len(CANARIES) or not isinstance(unstable, list):
        return ""
    places = [i for i, (a, b) in enumerate(zip(first, identity.first, strict=True)) if a != b]
    places = [i for i in places if i not in unstable and i not in identity.unstable]
    if places:
        i = places[0]
        return f"{len(places)} of {len(CANARIES)} known questions; {CANARIES[i]!r}: {str(first[i])!r}, now {identity.first[i]!r}"
    return "what the server says of itself" if before.get("about") != _digest(identity.about) else ""


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_plain(path, 2**24))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
