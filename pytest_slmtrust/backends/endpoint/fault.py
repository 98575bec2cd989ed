"""What can go wrong with one call of a server. It needs no client."""

from __future__ import annotations


class Fault(Exception):
    """A call that brought no usable answer.

    ``again``: asking again may help; ``after``: seconds that the server asks to wait; ``unreachable``: no connection came about;
    ``busy``: the server has too much to do; ``status``: of HTTP, 0 without one.
    """

    def __init__(
        self, message: str, *, again: bool = False, after: float | None = None, unreachable: bool = False, busy: bool = False,
        status: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(message)
        #: Whether the server took the connection, and gave no whole reply in time.
        self.late = busy and not status
        self.again, self.after, self.unreachable, self.busy, self.status = again, after, unreachable, busy, status
