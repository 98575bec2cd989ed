"""The wire to an endpoint: one pool of connections for each replica, with limits, retries and no redirects."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx

from ...requests import BackendError
from .address import Address, is_loopback
from .body import Packed, unpacked
from .fault import Fault
from .pace import Pace
from .replicas import Patience, Replica, wait_before
from .stream import KIND, BrokenStream, Pieces

T = TypeVar("T")

#: Statuses after which the same question may be answered a moment later; other 5xx too.
_AGAIN = (408, 409, 425, 429)
_NEVER = (501, 505)
#: Statuses that speak of one request, not of the server.
_OF_THE_REQUEST = (400, 413, 414, 422)
#: What reading a reply of another form raises.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
#: Characters of a server's own words in a message.
_SAID = 200
#: The shortest key that is looked for in replies: a shorter one would be found in harmless texts.
_SHORTEST_KEY = 8
#: ... and in a server's own words, of which nothing is judged.
_SHORTEST_SAID = 4
#: What is written in its place.
_KEY = "[API key]"


class ReplicaGone(BackendError):
    """The only replica that could answer this request is dead. Others may be alive."""


@dataclass(slots=True)
class Wire:
    """Connections to all replicas, open for a while. ``failed_in_a_row``: requests since the last one that was answered.

    ``check``: raises if a replica that was away is another model now; its answers count after that only.
    """

    replicas: list[Replica]
    clients: Mapping[str, httpx.AsyncClient]
    patience: Patience
    pace: Pace
    key: str = field(default="", repr=False)
    check: Callable[[Wire, Replica], Awaitable[None]] | None = None
    failed_in_a_row: int = 0
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock)
    retries: dict[str, int] = field(default_factory=dict)

    async def ask(self, path: str, body: Any, read: Callable[[Any], T], only: Replica | None = None) -> T:
        """POST to the replica that has least to do, again where that helps; ``path`` ``/v1/...``, or one of the server's own.

        Raises:
            Fault: this request has no answer.
            ReplicaGone: the ``only`` one is dead.
            BackendError: no server is left that answers, or another model came back.
        """
        attempt, late, began = 0, 0, time.monotonic()
        while True:
            replica = only or await self._chosen()
            try:
                answer = await self._once(replica, path, body, read)
            except Fault as fault:
                self.retries["retries"] = self.retries.get("retries", 0) + fault.again
                if fault.unreachable:
                    replica.unreachable(self.patience, str(fault))
                    self.check_alive(replica if only else None)
                    await asyncio.sleep(0 if only is None else wait_before(self.patience, replica.strikes))
                    continue
                attempt, late = attempt + 1, late + fault.late
                if not fault.again or attempt >= self.patience.attempts or late >= self.patience.late:
                    self._failed(fault)
                    raise
                await self._rest(replica, fault, attempt)
            else:
                self.failed_in_a_row = 0
                replica.well()
                self.pace.last_whole = time.monotonic() - began
                if only is not None:
                    return answer
                with suppress(ReplicaGone):  # it died before it was known again: another replica is asked
                    await self._known_again(replica)
                    return answer

    async def _known_again(self, replica: Replica) -> None:
        """Let an answer count only once its server is known to be the one that was there before it was away.

        Raises:
            ReplicaGone: it is dead now.
            BackendError: it is another model.
        """
        while replica.known < replica.away and self.check is not None:
            async with self._checking:
                away = replica.away
                if replica.known < away:
                    await self.check(self, replica)
                    replica.known = away

    async def reach(self, replica: Replica) -> Any:
        """What a server lists as its models; None if it lists none, or is not ``alive`` then.

        Raises:
            BackendError: it wants another key, or sends to another place.
        """
        for attempt in range(1, 10_000):
            try:
                return await self._call(replica, "GET", "/v1/models", None)
            except Fault as fault:
                if fault.status in (401, 403) or 300 <= fault.status < 400:
                    raise BackendError(str(fault)) from None
                if fault.late:  # it took the connection and goes on without an end: no second try
                    return None
                if fault.unreachable:
                    replica.unreachable(self.patience, str(fault))
                elif not fault.again or attempt >= self.patience.attempts:
                    return None
                if not replica.alive:
                    return None
                await asyncio.sleep(wait_before(self.patience, attempt))
        return None

    async def get(self, path: str, replica: Replica) -> Any:
        """What a server says at one of its own paths; None if it says nothing usable there."""
        for attempt in range(1, self.patience.attempts + 1):
            try:
                return await self._call(replica, "GET", path, None)
            except Fault as fault:
                if not fault.again:
                    return None
                await asyncio.sleep(wait_before(self.patience, attempt))
        return None

    async def _once(self, replica: Replica, path: str, body: Any, read: Callable[[Any], T]) -> T:
        replica.in_flight += 1
        started = time.monotonic()
        pieces = Pieces() if isinstance(body, dict) and body.get("stream") is True else None
        try:
            data = await self._call(replica, "POST", path, body, pieces)
        finally:
            replica.in_flight -= 1
        try:
            answer = read(data)
        except _UNREADABLE as error:  # a number, list or object in a place where no reader expects it
            raise Fault(f"{replica.host}: a reply of another form ({type(error).__name__})", again=True, status=200) from None
        first = pieces.first if pieces else None
        self.pace.answered(time.monotonic() - started, None if first is None else first - started)
        return answer

    async def _call(self, replica: Replica, method: str, path: str, body: Any, pieces: Pieces | None = None) -> Any:
        url = replica.base + path.removeprefix("/v1") if path.startswith("/v1/") else replica.root + path
        client, host = self.clients[replica.base], replica.host
        content = None if body is None else json.dumps(body).encode()
        limit = self.patience.request if method == "POST" else min(self.patience.request, self.patience.listing)
        try:
            async with asyncio.timeout(limit), client.stream(method, url, content=content) as response:
                data = await self._bytes(response, pieces, host)
        except TimeoutError:
            raise Fault(f"{host}: no whole reply within {limit:g} s", again=True, busy=True) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Fault(f"{host}: no connection ({self._safe(str(error)) or 'refused'})", unreachable=True, again=True) from None
        except (httpx.TimeoutException, httpx.PoolTimeout):
            raise Fault(f"{host}: no reply in time", again=True, busy=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            replica.away += 1
            why = self._safe(str(error)) or type(error).__name__
            raise Fault(f"{host}: the connection broke ({why})", again=True) from None
        return self._read(response, data, host)

    async def _bytes(self, response: httpx.Response, pieces: Pieces | None, host: str) -> bytes:
        """Return a whole body; of a reply that comes in ``pieces`` the body that it would have in one."""
        kind = response.headers.get("content-type", "")
        put = pieces if response.status_code == 200 and kind.lower().startswith(KIND) else None
        data, size = bytearray(), 0
        try:
            async for chunk in unpacked(response):
                size += len(chunk)
                if size > self.patience.size:
                    raise Fault(f"{host}: a reply of more than {self.patience.size} bytes", status=response.status_code)
                if put is None:
                    data += chunk
                else:
                    put.feed(chunk)
            return bytes(data) if put is None else json.dumps(put.whole()).encode()
        except Packed as error:
            raise Fault(f"{host}: {self._safe(str(error))}", again=True, status=response.status_code) from None
        except RecursionError:
            raise Fault(f"{host}: a reply that is nested too deep", again=True, status=response.status_code) from None
        except BrokenStream as error:
            refused = 400 <= error.status < 500 and error.status not in _AGAIN
            raise Fault(f"{host}: {self._safe(str(error))}", again=not refused, status=error.status or 200) from None

    def _read(self, response: httpx.Response, data: bytes, host: str) -> Any:
        status = response.status_code
        if 300 <= status < 400:
            goal = self._safe(_place(response.headers.get("location", "")))
            raise Fault(f"{host}: redirects to {goal}; redirects are not followed: name the address itself", status=status)
        if status != 200:
            raise self._refusal(response, data, host)
        try:
            return self._without_key(json.loads(data))
        except (ValueError, RecursionError):
            kind = self._safe(response.headers.get("content-type", "nothing"))[:40]
            raise Fault(f"{host}: the reply is not JSON ({len(data)} bytes of {kind})", again=True, status=status) from None

    def _refusal(self, response: httpx.Response, data: bytes, host: str) -> Fault:
        status, said = response.status_code, self._safe(_words(data))
        if status in (401, 403):
            return Fault(f"{host}: refuses the key (HTTP {status}); put one that it takes into SLMTRUST_API_KEY", status=status)
        again = (status in _AGAIN or status >= 500) and status not in _NEVER
        after = _after(response.headers.get("retry-after", ""))
        message = f"{host}: HTTP {status}" + (f" ({said})" if said else "")
        return Fault(message, again=again, after=after, busy=status in (429, 503), status=status)

    def _safe(self, text: str) -> str:
        """Return a server's words for a message: it may write back what it was sent."""
        text = " ".join(text.split())
        text = text.replace(self.key, _KEY) if len(self.key) >= _SHORTEST_SAID else text
        size = max(_SHORTEST_KEY, 2 * len(self.key) // 3)
        if any(self.key[at : at + size] in text for at in range(len(self.key) - size + 1)):
            return "its words hold a part of the API key"
        return text if len(text) <= _SAID else f"{text[:_SAID]}…"

    def _without_key(self, data: Any) -> Any:
        """Return JSON data without the key in its texts, however it was escaped on the wire."""
        if len(self.key) < _SHORTEST_KEY:
            return data
        text, written = json.dumps(data), json.dumps(self.key)[1:-1]
        return json.loads(text.replace(written, _KEY)) if written in text else data

    async def _chosen(self) -> Replica:
        """The replica with least to do; waits while all of them rest."""
        while True:
            now = time.monotonic()
            alive = [one for one in self.replicas if one.alive]
            ready = [one for one in alive if one.resting <= now]
            if ready:
                return min(ready, key=lambda one: one.in_flight)
            self.check_alive()
            await asyncio.sleep(max(0.01, min(one.resting for one in alive) - now))

    def check_alive(self, only: Replica | None = None) -> None:
        """Find a replica that is alive, or that the ``only`` one is.

        Raises:
            ReplicaGone: none is.
        """
        left = [one for one in ([only] if only else self.replicas) if one.alive]
        if not left:
            said = "; ".join(dict.fromkeys(one.said for one in ([only] if only else self.replicas)))
            raise ReplicaGone(f"no server answers: {said}. Start it again: what was answered is kept")

    def _failed(self, fault: Fault) -> None:
        if fault.status in _OF_THE_REQUEST:
            return
        self.failed_in_a_row += 1
        if self.failed_in_a_row >= self.patience.silent:
            raise BackendError(
                f"the server answers nothing any more: {self.failed_in_a_row} requests failed, the last by: {fault}"
            )

    async def _rest(self, replica: Replica, fault: Fault, attempt: int) -> None:
        if fault.busy:
            self.pace.crowded()
        wait = wait_before(self.patience, attempt)
        if fault.after is not None:
            wait = min(fault.after, self.patience.asked)
            replica.resting = max(replica.resting, time.monotonic() + wait)
        if len([one for one in self.replicas if one.alive]) == 1 or fault.after is None:
            await asyncio.sleep(wait)


def _after(text: str) -> float | None:
    """Seconds that ``Retry-After`` asks for: a number, or a date."""
    text = text.strip()
    if text.replace(".", "", 1).isdigit() and text.isascii() and len(text) < 12:
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ArithmeticError, TypeError, ValueError):
        return None


def _place(location: str) -> str:
    """Return where a redirect leads."""
    try:
        return urlsplit(location).netloc[:80] or "another path"
    except ValueError:
        return "no address"


class _NoCookies(CookieJar):
    """A jar that keeps nothing: no answer depends on those before it."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Leave them."""

    def add_cookie_header(self, request: Any) -> None:
        """Send none."""


def _words(data: bytes) -> str:
    """Return what a server says of an error: the message in its JSON; of any other text nothing."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "message", "detail", "object"):
        if isinstance(found, dict) and name in found:
            found = found[name]
            if isinstance(found, dict) and "message" in found:
                found = found["message"]
            break
    return found if isinstance(found, str) else ""


@asynccontextmanager
async def opened(
    address: Address, replicas: list[Replica], patience: Patience, pace: Pace, key: str,
    check: Callable[[Wire, Replica], Awaitable[None]] | None = None,
) -> AsyncIterator[Wire]:  # fmt: skip
    """A wire whose connections are closed at the end."""
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    headers |= {"User-Agent": "pytest-slmtrust"} | ({"Authorization": f"Bearer {key}"} if key else {})
    times = httpx.Timeout(patience.request, connect=patience.connect)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with AsyncExitStack() as stack:
        clients = {}
        for url in address.urls:
            local = is_loopback(urlsplit(url).hostname or "")  # a proxy of the environment is not asked for this machine
            client = httpx.AsyncClient(
                headers=headers, timeout=times, limits=limits, follow_redirects=False, trust_env=not local, cookies=_NoCookies(),
                verify=url.startswith("https:"),  # certificates take a while to be read, and http has none
            )  # fmt: skip
            clients[url] = await stack.enter_async_context(client)
        yield Wire(replicas, clients, patience, pace, key, check)
