"""Backends for scripted servers, with little patience, and the questions that most tests ask."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from endpoints import Toy, serving

from pytest_slmtrust import Generate, chat
from pytest_slmtrust.backends.endpoint.address import read_address
from pytest_slmtrust.backends.endpoint.backend import EndpointBackend, Known
from pytest_slmtrust.backends.endpoint.pace import Pace
from pytest_slmtrust.backends.endpoint.replicas import Patience, Replica
from pytest_slmtrust.engine.admission import admitted

QUICK = Patience(attempts=5, first=0.001, most=0.01, connect=1.0, request=0.8, down=0.2, asked=10.0, silent=8, size=2_000_000)
#: For servers that make no fault: a busy machine may take seconds over an answer.
SURE = replace(QUICK, connect=20.0, request=20.0, asked=20.0)
_STARTED: list[Known] = []
ASKED = [Generate(chat(f"Question {i} of the sea"), 6) for i in range(40)]


def backend(*toys: Toy, model: str = "", **more: Any) -> EndpointBackend:
    address = read_address(",".join(toy.url for toy in toys) + (f"#{model}" if model else ""))
    faultless = all(toy.fault is Toy.fault for toy in toys)
    return EndpointBackend(address, patience=more.pop("patience", SURE if faultless else QUICK), **more)


def started(*toys: Toy) -> EndpointBackend:
    """A backend whose start was made before, with a chat server of the same model."""
    if not _STARTED:
        with serving(Toy("chat")) as toy:
            _STARTED.append(backend(toy).make())
    one = backend(*toys, patience=QUICK)
    one.known, one.answers = _STARTED[0], (Generate,)
    one._replicas, one._pace = [Replica(toy.url) for toy in toys], Pace(len(toys))
    return one


def answers(one: EndpointBackend, asked: list[Any] = ASKED) -> list[Any]:
    found = dict(admitted(one).run(asked))
    return [found[i] for i in range(len(asked))]
