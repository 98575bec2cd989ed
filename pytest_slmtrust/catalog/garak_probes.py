"""Probes of garak as probes of ours: their prompts become cases, their detectors judge, a hit is a failing case.

Each prompt is a source item, and each of its generations a case: the item fails if any generation is hit. A probe that talks
with the model is one item for each conversation that it opens. No gate blocks unless the user sets its tolerance.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

from ..arguments import unknown
from ..audit.dimension import Dimension
from ..authoring.declarations import ProbeError, Profile, Row, Verdict
from ..authoring.probe import Probe
from ..escaping import one_line, said
from ..redaction import MAY_HARM
from ..requests import Generate, Steps, ask
from . import garak_host as host
from .garak_generator import Talk, generator, made_request, prompt_of, said_message
from .garak_scores import Panel, panel_of
from .garak_tags import framework_of
from .registry import Choice, untested

__all__ = ["dimension_of", "framework_of", "gate_name", "may_harm", "probes_of"]

_FILES = (".yaml", ".yml", ".json")
_ALL = ("*", "all")
#: Characters of a reason that a probe cannot be asked.
_LONGEST = 300


class _Captured(BaseException):
    """Ends a trial of a probe at its first question; no probe catches it."""


def probes_of(name: str, choice: Choice) -> list[Probe]:
    """Return the probes of a word: ``MODULE``, ``MODULE.CLASS``, ``*`` for all active ones, or a configuration file of garak.

    A module is its active probes; one that has none is all of its probes.

    Raises:
        ProbeError: no such probe or file; one line.
    """
    config = str((choice.folder / name).resolve()) if name.endswith(_FILES) else ""
    names = _of_file(config) if config else _of_word(name.removeprefix("probes."))
    return [_probe(one, config, choice.dimension) for one in names]


def _of_word(name: str) -> list[str]:
    known = host.catalogue()
    if name in known:
        return [name]
    own = [one for one in known if name in _ALL or one.partition(".")[0] == name]
    if not own:
        modules = {one.partition(".")[0] for one in known}
        raise ProbeError(f"--slm-tasks garak: {unknown('probe', name[:80], known if '.' in name else modules)}")
    return [one for one in own if known[one].get("active")] or own


def _of_file(config: str) -> list[str]:
    """Return the probes that a configuration of garak selects, as garak resolves it; all active ones where it selects none."""
    with host.hosted(config):
        spec = host.part("_config").run.spec
        try:
            parsed = host.part("_spec").parse_spec_file(spec)
            found = host.part("_selection").resolve_spec(parsed, skip_unknown=False)
        except Exception as error:
            raise ProbeError(f"--slm-tasks garak:{config[:200]}: {said(error)}") from None
    if found.rejected or not found.probes:
        said_why = f"unknown: {', '.join(map(str, found.rejected))}" if found.rejected else str(found.empty_reason or "no probe")
        raise ProbeError(f"--slm-tasks garak:{config[:200]}: its selection is of no use: {one_line(said_why)[:_LONGEST]}")
    return [str(one).removeprefix("probes.") for one in found.probes]


def gate_name(name: str) -> str:
    """Return the name of a probe of ours: ``garak_encoding_inject_base64``."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return "garak_" + re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


@cache
def _map() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("garak_dimensions.toml").read_text(encoding="utf-8"))


def dimension_of(name: str) -> Dimension:
    """Return the dimension of a probe, by the first pattern that fits."""
    for dimension, patterns in _map()["dimension"].items():
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return Dimension(dimension)
    return Dimension.ROBUSTNESS


def may_harm(name: str) -> bool:
    """Return whether prompts or wanted replies of a probe may do harm."""
    harmful = any(fnmatchcase(name, pattern) for pattern in _map()["shown"]["harmful"])
    return harmful or dimension_of(name) is Dimension.TOXICITY


def _probe(name: str, config: str, chosen: Dimension | None) -> Probe:
    about = host.catalogue()[name]
    dimension = chosen or dimension_of(name)
    goal = one_line(str(about.get("goal") or "")).strip().rstrip(".")
    claim = f"The model withstands garak's {name}" + (f", whose goal is to {goal}." if goal else ".")
    try:
        given = _given(name, config, about)
    except _Untested as error:
        return untested(gate_name(name), dimension, claim, f"garak {name}: {one_line(str(error))[:_LONGEST]}")
    panel = given.panel
    apart = f"; reported apart: {', '.join(panel.extended)}" if panel.extended else ""
    absent = f"; not here: {', '.join(panel.absent)}" if panel.absent else ""
    return Probe(
        name=gate_name(name), dimension=dimension, run=given.run, rows=given.rows, doc=claim,
        tags=tuple(map(str, about.get("tags") or ())), measures=panel.measures, needs=(Generate,),
        detector=f"garak's {', '.join(panel.named)}, a hit from {panel.threshold:g} on{apart}{absent}",
        estimand=f"{given.scope} of garak {host.part('_config').version}, {name}; buffs off",
        metric="attack success rate: share of " + ("conversations" if given.talks else "prompts") + " with a hit in any reply",
        paper=str(about.get("doc_uri") or ""), unit="conversations" if given.talks else "prompts", verb="were hit",
    )  # fmt: skip


class _Untested(Exception):
    """Why a probe cannot be asked here."""


@dataclass(slots=True)
class _Given:
    """What a probe of garak gives: its attempts as it minted them, or the number of conversations that it opens."""

    name: str
    config: str
    probe: Any
    panel: Panel
    attempts: Sequence[Any] = ()
    talks: int = 0
    harmful: bool = False
    generations: int = 0
    sources: list[str] = field(default_factory=list)

    @property
    def scope(self) -> str:
        return f"{self.talks} conversations" if self.talks else f"{len(self.attempts)} prompts"

    def rows(self, profile: Profile) -> Iterator[Row]:
        """Each prompt with each of its generations: as many as garak's configuration says, at most the profile's draws."""
        if self.talks:
            yield from (Row({"conversation": n}, id=f"conversation-{n}", source=f"conversation-{n}") for n in range(self.talks))
            return
        count = self.generations or min(int(self.probe.generations), profile.samples)
        asked = Counter[Any]()
        for seq, (attempt, source) in enumerate(zip(self.attempts, self.sources, strict=True)):
            prompt = [[turn.role, turn.content.text] for turn in attempt.prompt.turns]
            first = asked[source.partition("-")[0]] * count
            asked[source.partition("-")[0]] += 1
            for number in range(count):
                params = {"seq": seq, "prompt": prompt, "sample": first + number}
                yield Row(params, id=source if count == 1 else f"{source}.{number}", source=source)

    def run(
        self, seq: int = 0, prompt: Sequence[Sequence[str]] = (), sample: int = 0, conversation: int | None = None
    ) -> Steps[Verdict]:  # fmt: skip
        """Ask one case and judge it. ``prompt`` shows what the row asks; the attempt holds it with garak's notes."""
        del prompt
        if conversation is not None:
            return (yield from self._talk(conversation))
        seed = f"{self.name} {seq} {sample}"
        with host.hosted(self.config, seed) as heard:
            attempt, target = copy.deepcopy(self.attempts[seq]), generator()
            self.probe.generator = target
            self.probe._generator_precall_hook(target, attempt)
            request = made_request(target, prompt_of(attempt.prompt), sample)
        reply = yield from ask(request)
        with host.hosted(self.config, seed) as after:
            attempt.outputs = [said_message(reply)]
            self.probe.generator = target
            attempt = self.probe._postprocess_attempt(self.probe._postprocess_hook(attempt))
            scores = self.panel.scores(attempt)
            shown = [one.text for one in attempt.outputs]
        _check(heard, after)
        label = f"prompt {seq}"
        evidence = self._evidence([_last(attempt.prompt)], [label], [reply.text]) | {"scores": _plain(scores)}
        if shown != [reply.text]:
            evidence["reply_judged"] = shown[0]
        return self._verdict(scores, evidence)

    def _talk(self, conversation: int) -> Steps[Verdict]:
        seed = f"{self.name} {self.config and 'configured'}"
        talk = Talk(lambda target: _held(self, target, conversation), self.config, seed)
        attempts = yield from talk.steps()
        if talk.errors or not attempts:
            raise RuntimeError(f"garak's {self.name} broke off: {talk.errors[0] if talk.errors else 'it gave no attempt'}")
        with host.hosted(self.config, seed) as heard:
            scores = self.panel.of_all(attempts)
        _check(heard)
        replies = [one.text if one else "" for attempt in attempts for one in attempt.outputs]
        prompts = [_last(attempt.prompt) for attempt in attempts]
        labels = [f"conversation {conversation}, turn {n}" for n in range(len(prompts))]
        return self._verdict(scores, self._evidence(prompts, labels, replies) | {"scores": _plain(scores)})

    def _evidence(self, prompts: Sequence[str], labels: Sequence[str], replies: Sequence[str]) -> dict[str, Any]:
        if self.harmful:
            prompts = [f"garak {self.name} {label} (sha256 {_digest(text)})" for text, label in zip(prompts, labels, strict=True)]
        single = len(prompts) == len(replies) == 1
        made: dict[str, Any] = {"prompt": prompts[0], "reply": replies[0]} if single else {"prompts": prompts, "replies": replies}
        return {**made, MAY_HARM: True} if self.harmful else made

    def _verdict(self, scores: Mapping[str, Sequence[float | None]], evidence: Mapping[str, Any]) -> Verdict:
        own = [score for name in self.panel.judging(scores) for score in scores[name]]
        known = [score for score in own if score is not None]
        # within one reply each detector must speak; a conversation may have turns that its detector passes over
        if not known or (not self.talks and len(known) < len(own)):
            return Verdict(None, None, evidence, None, "garak's detector gave no score")
        worst = max(known)
        return Verdict(worst < self.panel.threshold, worst, evidence)


def _check(*heard: host.Heard) -> None:
    errors = [error for one in heard for error in one.errors]
    if errors:
        raise RuntimeError(f"garak logged an error: {errors[0]}")


def _plain(scores: Mapping[str, Sequence[float | None]]) -> dict[str, Any]:
    return {name: own[0] if len(own) == 1 else list(own) for name, own in scores.items()}


def _last(conversation: Any) -> str:
    return "\n".join(turn.content.text or "" for turn in conversation.turns)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@cache
def _given_by(name: str, config: str) -> _Given | str:
    try:
        return _tried(name, config)
    except _Untested as error:
        return str(error)


def _given(name: str, config: str, about: Mapping[str, Any]) -> _Given:
    strange = sorted(set((about.get("modality") or {}).get("in") or ["text"]) - {"text"})
    if strange:
        raise _Untested(f"its prompts hold {', '.join(map(str, strange))}, and only text is asked")
    found = _given_by(name, config)
    if isinstance(found, str):
        raise _Untested(found)
    return found


def _tried(name: str, config: str) -> _Given:
    """Make a probe and see what it asks first.

    Raises:
        _Untested: it cannot be made or judged without a download, a key or a package, or asks nothing.
    """
    with host.hosted(config, f"{name} prompts") as heard:
        probe = _attempted(lambda: host.made("probes", name))
        attempts, talks = _attempted(lambda: _opening(probe))
        if not attempts and not talks:
            why = f" ({heard.errors[-1]})" if heard.errors else ""
            raise _Untested(f"it has no prompts here{why}: its data, a key or a model may be missing")
        try:
            for attempt in attempts:
                prompt_of(attempt.prompt)
        except ValueError as error:
            raise _Untested(str(error)) from None
        panel = _attempted(lambda: panel_of(probe, attempts, config))
        run = host.part("_config").run
        given = _Given(name, config, probe, panel, () if talks else attempts, talks, may_harm(name))
        given.generations = int(run.generations) if config and _says_generations(config) else 0
    given.sources = _sources(given.attempts)
    return given


def _says_generations(config: str) -> bool:
    """Return whether a user's configuration names the generations itself."""
    module = host.part("_config")
    module.config_files.clear()
    return "generations" in (module._load_config_files([config]).get("run") or {})


def _attempted(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (KeyboardInterrupt, _Untested):
        raise
    except BaseException as error:
        raise _Untested(_shortest(error)) from None


def _shortest(error: BaseException) -> str:
    """Return what a reader can use of an error: its cause where a network is missing."""
    words = " ".join(str(error).replace("*", " ").split())
    if host.without_network(error):
        return f"it downloads what is not in the cache: {one_line(words)}"
    return one_line(words if isinstance(error, LookupError) and words else said(error))


def _sources(attempts: Sequence[Any]) -> list[str]:
    """Return a name for each prompt: a digest of what is asked, with a number where it is asked more than once."""
    seen, made = Counter[str](), []
    for attempt in attempts:
        text = json.dumps([[turn.role, turn.content.text] for turn in attempt.prompt.turns])
        digest = _digest(text)
        seen[digest] += 1
        made.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return made


def _opening(probe: Any) -> tuple[Sequence[Any], int]:
    """Return a probe's attempts as it mints them, or the number of conversations that it opens."""
    base = host.part("probes.base")
    if isinstance(probe, base.IterativeProbe):
        return (), len(probe._create_init_attempts())
    plain = type(probe)._execute_attempt is base.Probe._execute_attempt and type(probe)._execute_all is base.Probe._execute_all
    caught: list[Any] = []
    target = generator()
    target.ask = _stop

    def capture(attempts: Sequence[Any]) -> Any:
        # garak's own loop asks all its prompts by this one call; any other caller may ask again
        if sys._getframe(1).f_code is base.Probe.probe.__code__:
            caught.extend(copy.deepcopy(list(attempts)))
        raise _Captured

    probe._execute_all = capture
    try:
        probe.probe(target)
        return (), 0
    except _Captured:
        return (caught, 0) if plain and caught else ((), 1)
    except IndexError:  # garak's loop looks at the first prompt before it counts them
        if getattr(probe, "prompts", ()):
            raise
        return (), 0
    finally:
        del probe._execute_all


def _stop(_: Sequence[Generate]) -> Any:
    raise _Captured


def _held(given: _Given, target: Any, conversation: int) -> list[Any]:
    """Hold a probe's own loop with a generator of ours, in its thread: one conversation, or all that it does."""
    base = host.part("probes.base")
    probe = host.made("probes", given.name)
    if isinstance(probe, base.IterativeProbe):
        opened = probe._create_init_attempts()[conversation]
        probe._create_init_attempts = lambda: [opened]
    if type(probe)._execute_all is base.Probe._execute_all and type(probe)._execute_attempt is base.Probe._execute_attempt:
        probe._execute_all = lambda attempts: _in_one_wave(probe, target, attempts)
    return list(probe.probe(target))


def _in_one_wave(probe: Any, target: Any, attempts: Sequence[Any]) -> list[Any]:
    """Do what garak's loop over attempts does, but ask all of them at once."""
    asked = []
    for attempt in attempts:
        probe._generator_precall_hook(target, attempt)
        asked.append(target.requests(attempt.prompt, int(probe.generations)))
    replies = iter(target.ask([request for own in asked for request in own]))
    done = []
    for attempt, own in zip(attempts, asked, strict=True):
        attempt.outputs = [said_message(next(replies)) for _ in own]
        done.append(probe._postprocess_attempt(copy.deepcopy(probe._postprocess_hook(attempt))))
    return done
