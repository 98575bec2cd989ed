"""Admission: a backend as the engine sees it. Its words and its answers are checked as they are read.

A backend is somebody's object: an endpoint's client, a wrapper, a stub. Whatever it does wrong ends in a
:class:`~pytest_slmtrust.requests.Failure` of the requests concerned, or in one :class:`BackendError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..escaping import blank, one_line, said, shortened
from ..requests import Backend, BackendError, Counters, Failure, Request
from .gatekeeper import Refused, accept, check_text, check_whole, plain_data, shown

_PARTS = ("name", "answers", "fingerprint", "run", "describe")
_LONGEST_NAME = 200
_LONGEST_FINGERPRINT = 10_000
_LONGEST_MESSAGE = 2000


class Admitted:
    """A backend whose name, kinds, fingerprint, description and answers are checked; the rest is the backend's own.

    ``where`` says in messages where it came from, such as ``pytest_slm_backend``.
    """

    def __init__(self, inner: Any, where: str = "") -> None:
        self._inner = inner
        self._where = where or f"backend {type(inner).__name__}"
        self._described = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def name(self) -> str:
        """In one line that is safe to print.

        Raises:
            BackendError: not a text.
        """
        return one_line(self._text("name", _LONGEST_NAME))

    @property
    def fingerprint(self) -> str:
        """Raises:
        BackendError: not a text.
        """
        return self._text("fingerprint", _LONGEST_FINGERPRINT)

    @property
    def answers(self) -> tuple[type[Request[Any]], ...]:
        """Raises:
        BackendError: not a tuple of kinds of requests.
        """
        kinds = self._read("answers")
        if type(kinds) not in (tuple, list):
            raise self._wrong("answers", shown(kinds), "a tuple of kinds such as (Generate,)")
        for kind in kinds:
            if not isinstance(kind, type) or not issubclass(kind, Request):
                named = f"the class {kind.__name__}" if isinstance(kind, type) else shown(kind)
                raise self._wrong("answers", f"a {type(kinds).__name__} that holds {named}", "kinds such as Generate")
        return tuple(kinds)

    @property
    def counters(self) -> Counters | None:
        """What the backend counted, if it counts in our way; whatever else it has there is not read."""
        try:
            found = getattr(self._inner, "counters", None)
        except Exception:  # a count is never worth a run
            return None
        sane = type(found) is Counters and all(type(getattr(found, f.name)) in (int, float) for f in fields(found)[:-1])
        return found if sane else None

    @property
    def lacks(self) -> Mapping[str, str]:
        """Why forms of requests cannot be answered, of a backend that says so in our way; empty of any other."""
        try:
            found, says = getattr(self._inner, "lacks", None), callable(getattr(self._inner, "refusal", None))
            texts = dict(found) if says and isinstance(found, Mapping) else {}
            return {str(form): one_line(str(why)) for form, why in texts.items()}
        except Exception:  # it is asked then, and its answers say so
            return {}

    def close(self) -> None:
        """Let go what the backend can let go."""
        _close(self._inner)

    def describe(self) -> dict[str, Any]:
        """As JSON data.

        Raises:
            BackendError: it breaks, is not a mapping, or has no JSON form of a sane size.
        """
        try:
            about = self._inner.describe()
            if not isinstance(about, Mapping):
                raise Refused(f"gave {shown(about)}; expected a dict")
            made: dict[str, Any] = plain_data(about)
            self._described = True
            return made
        except (BackendError, KeyboardInterrupt):
            raise
        except Refused as error:
            raise BackendError(f"{self._where}: describe() {error}") from None
        except BaseException as error:
            raise BackendError(f"{self._where}: describe() failed ({said(error)})") from None

    def run(self, requests: Sequence[Request[Any]]) -> Iterator[tuple[int, Any]]:
        """Yield ``(index, checked answer or Failure)``.

        A second answer to an index gives a Failure for it. After something that is not an answer to any request, every
        request of the call gets one: the answers before it may belong to other requests. Both void what was yielded before.

        Raises:
            BackendError: nothing can be answered, or the backend cannot be described.
            BaseException: whatever the backend raises.
        """
        if not self._described:
            _ = self.name, self.fingerprint, self.describe()  # an audit that cannot say what was audited asks nothing
        asked, seen, surplus = list(requests), set[int](), 0
        pairs: Any = None
        try:
            pairs = self._inner.run(list(asked))
            for item in self._items(pairs):
                index, answer = self._pair(item, len(asked))
                if index not in seen:
                    seen.add(index)
                    yield index, self._checked(asked[index], answer)
                    continue
                yield index, Failure(f"{self.name} answered this request twice; neither answer counts")
                surplus += 1
                if surplus > len(asked):
                    raise Refused(f"gave {surplus} answers more than it was asked for")
        except Refused as error:
            why = f"{self.name}: run() {error}; no answer of this call counts"
            yield from ((index, Failure(why)) for index in range(len(asked)))
        finally:
            _close(pairs)

    def _items(self, pairs: Any) -> Iterator[Any]:
        if isinstance(pairs, (str, bytes, Mapping)) or not hasattr(pairs, "__iter__"):
            raise Refused(f"returned {shown(pairs)}; expected (index, answer) pairs")
        return iter(pairs)

    def _pair(self, item: Any, size: int) -> tuple[int, Any]:
        if type(item) not in (tuple, list) or len(item) != 2:
            raise Refused(f"yielded {shown(item)}; expected an (index, answer) pair")
        return check_whole(item[0], "an index of run()", 0, size - 1), item[1]

    def _checked(self, request: Request[Any], answer: Any) -> Any:
        if type(answer) is Failure:
            message = answer.message if type(answer.message) is str else f"a Failure whose message is {shown(answer.message)}"
            return Failure(one_line(shortened(message, _LONGEST_MESSAGE)), answer.lasting is True)
        try:
            return accept(request, answer, thoughts=True)
        except Refused as error:
            return Failure(f"{self.name}: not a usable answer to {type(request).__name__}: {one_line(str(error))}")

    def _read(self, part: str) -> Any:
        try:
            return getattr(self._inner, part)
        except (BackendError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise BackendError(f"{self._where}: its {part} cannot be read ({said(error)})") from None

    def _text(self, part: str, longest: int) -> str:
        value = self._read(part)
        try:
            text = check_text(value, part, longest)
        except Refused as error:
            raise BackendError(f"{self._where}: its {error}") from None
        if blank(text):
            raise self._wrong(part, "empty", "a text")
        return text

    def _wrong(self, part: str, found: str, expected: str) -> BackendError:
        return BackendError(f"{self._where}: its {part} is {found}; expected {expected}")


def admit(backend: Any, where: str) -> Backend:
    """Return a backend that a user's hook handed over.

    Raises:
        BackendError: it is not a backend; one line that says what it lacks.
    """
    if isinstance(backend, type):
        raise BackendError(f"{where}: gave the class {backend.__name__}; expected a Backend, so call it")
    made = Admitted(backend, where)
    for part in _PARTS:
        try:
            found = getattr(backend, part, None)
        except (BackendError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise BackendError(f"{where}: its {part} cannot be read ({said(error)})") from None
        if found is None or (part in ("run", "describe") and not callable(found)):
            raise BackendError(f"{where}: gave a {type(backend).__name__}, which is not a Backend (no {part})")
    _ = made.name, made.answers, made.fingerprint
    return made


def admitted(backend: Backend) -> Backend:
    """Return a backend behind the checks; one that is behind them already stays as it is."""
    return backend if isinstance(backend, Admitted) else Admitted(backend)


def _close(one: Any) -> None:
    """Close a backend, a generator that was not read to its end, or a coroutine that nobody awaits."""
    try:
        close = getattr(one, "close", None)
        if callable(close):
            close()
    except Exception:  # what breaks as it is closed has nothing to say any more
        return
