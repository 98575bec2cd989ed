"""The gatekeeper: each answer passes here before it is stored or judged, whether a backend gave it or the store did.

An accepted answer is rebuilt from exact built-in types, so nothing of the backend's own objects reaches a probe.
"""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from ..authoring.declarations import LARGEST_NUMBER, ProbeError, Verdict
from ..requests import (
    Classify,
    Completion,
    Edit,
    Edits,
    Generate,
    Labels,
    Loglikelihood,
    Logprob,
    Perturb,
    Request,
    TokenLogprob,
)
from ..thinking import MOST_TOKENS, settled

#: Characters that a token may hold: the longest tokens of common vocabularies are runs of 128 blanks.
CHARACTERS_A_TOKEN = 128
#: Characters of any text beyond what its request explains.
SLACK = 1024
#: Characters of any answer, whatever was asked.
LONGEST = 2_000_000
#: A log-probability may be this far above 0 (nats): the rounding of a low-precision softmax.
ROUNDING = 1e-3
#: Nats of one token: no softmax of finite float32 logits gives less.
LEAST = -1e6
#: Rounds of questions after which a case is said to ask without end: searches and talks take hundreds.
MOST_ROUNDS = 5_000
_MOST_LABELS = 1000
_LONGEST_LABEL = 200
_MOST_EDITS = 20_000
_DEEPEST = 12
_MOST_ENTRIES = 50_000
_LONGEST_NUMBER = 10**18
_EXACT = frozenset({str, int, float, bool, type(None)})


class Refused(ValueError):
    """An answer that cannot be used; one line with what was wrong and what was expected."""


class VerdictError(ProbeError, TypeError):
    """A verdict that a probe's author must mend."""


def accept(request: Request[Any], answer: Any, thoughts: bool = False) -> Any:
    """Return the answer in exact built-in types. ``thoughts``: its text may still hold a thought, which is separated first.

    Raises:
        Refused: wrong type, out of range, not finite, too long, or at odds with itself or with the request.
    """
    check = _CHECKS.get(type(request))
    try:
        answer = parted(request, answer) if thoughts else answer
        return check(request, answer) if check is not None else request.decode(request.encode(answer))
    except Refused:
        raise
    except Exception as error:  # an object that breaks when it is read
        raise Refused(f"reading it raised {type(error).__name__}") from None


def exact(value: Any) -> Any:
    """Return the built-in twin of a NumPy scalar; anything else as it is."""
    if type(value) in _EXACT:
        return value
    numpy = sys.modules.get("numpy")
    return value.item() if numpy is not None and issubclass(type(value), numpy.generic) else value


def shown(value: Any) -> str:
    """Return a value in a few words. Of an object that is not built in only the type: its own words are not to be trusted."""
    if type(value) is int and abs(value) >= _LONGEST_NUMBER:
        return "a huge int"
    if type(value) in _EXACT:
        text = repr(value if type(value) is not str else value[:40])
        return text if len(text) <= 60 else f"{text[:59]}…"
    return f"a {type(value).__name__}"


def check_text(value: Any, what: str, longest: int = LONGEST) -> str:
    """Return an exact ``str`` of valid Unicode and bounded length."""
    if type(value) is str and value.isascii() and len(value) <= longest <= LONGEST:
        return value
    value = exact(value)
    if type(value) is not str:
        raise Refused(f"{what} is {shown(value)}; expected a str")
    if len(value) > min(longest, LONGEST):
        raise Refused(f"{what} has {len(value)} characters; expected at most {min(longest, LONGEST)}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refused(f"{what} holds a lone surrogate at character {error.start}") from None
    return value


def check_number(value: Any, what: str, least: float = -math.inf, most: float = math.inf) -> float:
    """Return a finite float in ``[least, most]``; a bool or a text is refused."""
    value = exact(value)
    if type(value) is int and abs(value) < 2**53:
        value = float(value)
    if type(value) is not float:
        raise Refused(f"{what} is {shown(value)}; expected a number")
    if not math.isfinite(value):
        raise Refused(f"{what} is {value}; expected a finite number")
    if not least <= value <= most:
        bounds = " and ".join([f"at least {least:g}"] * (least > -math.inf) + [f"at most {most:g}"] * (most < math.inf))
        raise Refused(f"{what} is {value:g}; expected {bounds}")
    return value


def check_whole(value: Any, what: str, least: int = 0, most: int = LONGEST) -> int:
    """Return an exact ``int`` in ``[least, most]``."""
    if type(value) is int and least <= value <= most:
        return value
    value = exact(value)
    if type(value) is not int:
        raise Refused(f"{what} is {shown(value)}; expected an int")
    if not least <= value <= most:
        raise Refused(f"{what} is {shown(value)}; expected {least} to {most}")
    return value


def check_flag(value: Any, what: str) -> bool:
    """True or False; neither 0 nor 1."""
    if type(value) is bool:
        return value
    value = exact(value)
    if type(value) is not bool:
        raise Refused(f"{what} is {shown(value)}; expected True or False")
    return value


def endless(probe: str) -> ProbeError:
    """Return the error of a case that asks without end."""
    return ProbeError(f"probe {probe!r} asks in more than {MOST_ROUNDS:,} rounds for one row: is there an end?")


def check_verdict(verdict: Any, probe: str, heard: bool = True) -> Verdict:
    """Return what a probe says of a case, in exact built-in types; a score may be NaN, which leaves the case unscored.

    ``heard``: the model answered something; else nothing may be said of it.

    Raises:
        VerdictError: no verdict, a field of another type, evidence without end, or a verdict on a model that was not heard.
    """
    if not isinstance(verdict, Verdict):
        raise VerdictError(f"probe {probe!r} returned {type(verdict).__name__}; it must return a Verdict")
    where = f"probe {probe!r}: Verdict"
    passed, score, group = exact(verdict.passed), exact(verdict.score), exact(verdict.group)
    if passed is not None and type(passed) is not bool:
        raise VerdictError(f"{where}.passed is {shown(passed)}; it must be True, False or None")
    if type(score) not in (int, float, type(None)) or (type(score) is int and abs(score) >= _LONGEST_NUMBER):
        raise VerdictError(f"{where}.score is {shown(score)}; it must be a number or None")
    if score is not None and math.isfinite(score) and abs(score) > LARGEST_NUMBER:
        raise VerdictError(f"{where}.score is {shown(score)}; it must lie between {-LARGEST_NUMBER:g} and {LARGEST_NUMBER:g}")
    if group is not None and type(group) is not str:
        raise VerdictError(f"{where}.group is {shown(group)}; it must be a str or None")
    if type(verdict.reason) is not str:
        raise VerdictError(f"{where}.reason is {shown(verdict.reason)}; it must be a str")
    if not isinstance(verdict.evidence, Mapping):
        raise VerdictError(f"{where}.evidence is {shown(verdict.evidence)}; it must be a dict")
    try:
        made = Verdict(passed, None if score is None else float(score), plain_data(verdict.evidence), group, verdict.reason)
    except Refused as error:
        raise VerdictError(f"{where}.evidence {error}") from None
    if not heard and made.outcome != "unscored":
        raise VerdictError(
            f"probe {probe!r} asked the model nothing, or had no answer, and gives a verdict all the same: ask it with "
            "`yield from ask(Generate(...))`, or return Verdict.unscored(reason)"
        )
    return made


def plain_data(value: Any) -> Any:
    """Return the JSON data of any object: exact built-in types, texts for what JSON has no form for.

    Raises:
        Refused: deeper or larger than a reader could use.
    """
    return _plain(value, _DEEPEST, [_MOST_ENTRIES])


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise Refused(f"has more than {_MOST_ENTRIES} entries, or more than {_DEEPEST} levels of them")
    value = exact(value)
    if value is None or type(value) is bool or (type(value) is int and abs(value) < _LONGEST_NUMBER):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_words(key): _plain(one, depth - 1, left) for key, one in islice(value.items(), left[0] + 1)}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=_words)
    if isinstance(value, (tuple, list)):
        return [_plain(one, depth - 1, left) for one in islice(value, left[0] + 1)]
    return _words(value)


def _words(value: Any) -> str:
    try:
        text = str.__str__(value) if isinstance(value, str) else str(value)
    except Exception:
        text = f"<unreadable {type(value).__name__}>"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} [cut: {len(text)} characters]"


def _typed(answer: Any, kind: type) -> None:
    if type(answer) is not kind:
        raise Refused(f"it is {shown(answer)}; expected a {kind.__name__}")


def _listed(value: Any, what: str, most: int) -> list[Any]:
    if type(value) not in (tuple, list):
        raise Refused(f"{what} is {shown(value)}; expected a tuple")
    if len(value) > most:
        raise Refused(f"{what} has {len(value)} entries; expected at most {most}")
    return list(value)


def _completion(request: Generate, answer: Any) -> Completion:
    """Return each field by its annotated type, so that a new field is checked too; a thought may be longer than the answer."""
    _typed(answer, Completion)
    own, thought = _bounds(request.max_new_tokens), _bounds(request.max_new_tokens + MOST_TOKENS)
    if _usual(answer, own, thought):
        return cast(Completion, answer)
    made = {}
    for name, kind in _hints().items():
        longest, most = thought if name.startswith("thought") else own
        made[name] = _field(kind, getattr(answer, name), name, longest, most)
    return Completion(**made)


def _usual(answer: Completion, own: tuple[int, int], thought: tuple[int, int]) -> bool:
    """Return whether each field has its exact type and is within bounds: nearly all answers are so, and a store gives many."""
    text, route, longest, most = answer.text, answer.route, *own
    return (
        (type(text) is str and text.isascii() and len(text) <= longest)
        and (type(answer.n_tokens) is int and 0 <= answer.n_tokens <= most)
        and type(answer.finished) is type(answer.thought_finished) is bool
        and (type(answer.thought) is str and answer.thought.isascii() and len(answer.thought) <= thought[0])
        and (type(answer.thought_tokens) is int and 0 <= answer.thought_tokens <= thought[1])
        and (type(route) is str and route.isascii() and len(route) <= longest)
    )


@cache
def _bounds(tokens: int) -> tuple[int, int]:
    """Return the most characters and the most tokens of a text of so many tokens; a backend may count them in its own way."""
    return min(CHARACTERS_A_TOKEN * tokens + SLACK, LONGEST), 4 * tokens + 64


def parted(request: Request[Any], answer: Any) -> Any:
    """Return a completion with the thought in its text separated; anything else, and a text without end, as it is."""
    if type(request) is not Generate or type(answer) is not Completion or type(getattr(answer, "text", None)) is not str:
        return answer
    longest = CHARACTERS_A_TOKEN * (request.max_new_tokens + MOST_TOKENS) + SLACK
    return settled(request, answer) if len(answer.text) <= min(longest, LONGEST) else answer


@cache
def _hints() -> dict[str, Any]:
    hints = get_type_hints(Completion)
    return {name: hints[name] for name in Completion.__struct_fields__}


def _field(kind: Any, value: Any, what: str, longest: int, most: int) -> Any:
    if kind is str:
        return check_text(value, what, longest)
    if kind is int:
        return check_whole(value, what, most=most)
    if kind is bool:
        return check_flag(value, what)
    if get_origin(kind) in (Union, types.UnionType):
        [kind] = [one for one in get_args(kind) if one is not type(None)]
        return None if value is None else _field(kind, value, what, longest, most)
    if get_origin(kind) is Literal:
        if not any(type(value) is type(one) and value == one for one in get_args(kind)):
            raise Refused(f"{what} is {shown(value)}; expected one of {', '.join(map(repr, get_args(kind)))}")
        return value
    return check_number(value, what)


def _logprob(request: Loglikelihood, answer: Any) -> Logprob:
    _typed(answer, Logprob)
    most = 32 * len(request.continuation.encode("utf-8", "replace")) + 64  # a normaliser may lengthen a text before it is cut
    count = check_whole(answer.n_tokens, "n_tokens", most=most)
    total = check_number(answer.sum, "sum", LEAST * max(count, 1), ROUNDING)
    if count == 0 and total < -ROUNDING:
        raise Refused(f"sum is {total:g} of 0 tokens")
    tokens = tuple(_token(one, i) for i, one in enumerate(_listed(answer.tokens, "tokens", most)))
    if tokens and len(tokens) != count:
        raise Refused(f"tokens has {len(tokens)} entries and n_tokens is {count}")
    parts = math.fsum(token.logp for token in tokens)
    if tokens and abs(parts - total) > ROUNDING * max(1.0, abs(total)):
        raise Refused(f"sum is {total:g} and its tokens sum to {parts:g}")
    return Logprob(total, check_flag(answer.greedy, "greedy"), count, tokens)


def _token(token: Any, place: int) -> TokenLogprob:
    if type(token) is not TokenLogprob:
        raise Refused(f"tokens[{place}] is {shown(token)}; expected a TokenLogprob")
    where = f"tokens[{place}]"
    logp = check_number(token.logp, f"{where}.logp", LEAST, ROUNDING)
    mean = check_number(token.mean, f"{where}.mean", LEAST, ROUNDING)  # minus the entropy
    return TokenLogprob(logp, mean, check_number(token.var, f"{where}.var", -ROUNDING, LEAST**2))


def _labels(request: Classify, answer: Any) -> Labels:
    _typed(answer, Labels)
    if not isinstance(answer.scores, Mapping):
        raise Refused(f"scores is {shown(answer.scores)}; expected a mapping of labels to numbers")
    pairs = list(islice(answer.scores.items(), _MOST_LABELS + 1))
    if not 0 < len(pairs) <= _MOST_LABELS:
        raise Refused(f"scores has {len(pairs) or 'no'} labels; expected 1 to {_MOST_LABELS}")
    scores: dict[str, float] = {}
    for label, score in pairs:
        name = check_text(label, "a label", _LONGEST_LABEL)
        if not name or name in scores:
            raise Refused(f"the label {shown(name)} is empty or given twice")
        scores[name] = check_number(score, f"scores[{shown(name)}]", 0.0, 1.0)
    if request.labels == "toxicity" and "toxicity" not in scores:
        raise Refused(f"scores has no label 'toxicity', only {', '.join(map(shown, islice(scores, 5)))}")
    return Labels(scores)


def _perturbed(request: Perturb, answer: Any) -> str:
    return check_text(answer, "the text", 4 * len(request.text) + SLACK)


def _edits(request: Edits, answer: Any) -> tuple[Edit, ...]:
    longest = 4 * max([len(request.text), *(len(text) for _, text in request.path)]) + SLACK
    made, size = [], 0
    for place, edit in enumerate(_listed(answer, "the answer", _MOST_EDITS)):
        if type(edit) is not Edit:
            raise Refused(f"edit {place} is {shown(edit)}; expected an Edit")
        word = check_whole(edit.word, f"the word of edit {place}", -1, longest)
        made.append(Edit(word, check_text(edit.text, f"the text of edit {place}", longest)))
        size += len(made[-1].text)
        if size > 10 * LONGEST:
            raise Refused(f"its edits have more than {10 * LONGEST} characters")
    return tuple(made)


_CHECKS: dict[type, Callable[[Any, Any], Any]] = {
    Generate: _completion, Loglikelihood: _logprob, Classify: _labels, Perturb: _perturbed, Edits: _edits,
}  # fmt: skip
