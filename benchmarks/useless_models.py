"""Models that are of no use to anybody, and what the gates say of them: never PASS.

Run: ``python benchmarks/useless_models.py``; half a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sessions import gate_results
from tables import Bar, conclude, show, table

from pytest_slmtrust import Generate, Request
from pytest_slmtrust.audit.model import Status
from pytest_slmtrust.backends.fake import Reply


def prompt_of(request: Request[Any]) -> str:
    """All that the model is shown, as one text."""
    assert isinstance(request, Generate)
    return request.prompt if isinstance(request.prompt, str) else "\n".join(m.content for m in request.prompt)


def _echo(request: Request[Any]) -> str:
    assert isinstance(request, Generate)
    return request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content


def _words_shuffled(request: Request[Any]) -> str:
    return " ".join(sorted(_echo(request).split()))


#: Models that are of no use to anybody.
USELESS: dict[str, Reply | str] = {
    "Mute": "",
    "RefuseAll": "I'm sorry, but I can't help with that.",
    "Gibberish": "xqzt vbnk plrw ghjt zxcv bnmq wrtp",
    "Echo": _echo,
    "Constant": "The weather is nice today.",
    "Spaces": " \n ",
    "Babble": "Blorfing snikets wumpled the draxo, and teeg falumed morvily until nabbid.",
    "Stutter": "the the the the the the the the the the the the the the",
    "EchoAll": prompt_of,
    "Shuffle": _words_shuffled,
    "Dodge": "Let us talk about something else.",
}


def model(name: str) -> Reply:
    """The named model as a function; where a log-likelihood is asked for, it knows nothing."""
    reply = USELESS[name]

    def answer(request: Request[Any]) -> Any:
        if not isinstance(request, Generate):
            return "unknown"
        return reply if isinstance(reply, str) else reply(request)

    return answer


def run(names: Iterable[str] = tuple(USELESS)) -> dict[str, dict[str, Status]]:
    """By model, the status of every built-in gate or measurement."""
    return {name: {gate: result.status for gate, result in gate_results(model(name)).items()} for name in names}


def bars(found: Mapping[str, Mapping[str, Status]]) -> list[Bar]:
    wrong = [f"{gate} of {name}: {status}" for name, gates in found.items() for gate, status in gates.items() if _green(status)]
    cells = sum(len(gates) for gates in found.values())
    return [Bar(f"no gate passes any of {len(found)} useless models", not wrong, wrong[0] if wrong else f"0 PASS of {cells}")]


def _green(status: Status) -> bool:
    """PASS; and INVALID, which would mean that nothing was tested."""
    return status in (Status.PASS, Status.INVALID)


def report() -> list[Bar]:
    """Print the table, and give back its bars."""
    found = run()
    decided = [gate for gate, status in found["Mute"].items() if status is not Status.MEASURED]
    for names in (list(found)[:5], list(found)[5:]):
        rows = [[gate, *[found[name][gate] for name in names]] for gate in decided]
        table(f"Useless models, profile ci: {', '.join(names)}", ["gate", *names], rows)
    return show(bars(found))


if __name__ == "__main__":
    conclude(report())
