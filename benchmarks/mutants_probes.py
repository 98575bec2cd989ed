"""The mutants of each built-in probe: its own detector broken, one fault at a time (see ``mutants.py``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import mutants_robustness
from mutants_ways import Mutant, Patch, answers, boolean, degenerate, made_of, matching, options, refusal_rules
from sessions import builtin_probes

from pytest_slmtrust.detectors import disclosed, leak, open_questions, pii, readings, text

robustness = import_module("pytest_slmtrust.probes.robustness")
injections = import_module("pytest_slmtrust.probes.robustness_injections")
privacy, memorisation = (import_module(f"pytest_slmtrust.probes.{name}") for name in ("privacy", "memorisation"))
leakage, privacy_benchmarks = (import_module(f"pytest_slmtrust.probes.{name}") for name in ("leakage", "privacy_benchmarks"))
toxicity, jailbreaks, texts, refusals = (
    import_module(f"pytest_slmtrust.probes.toxicity{name}") for name in ("", "_jailbreaks", "_benchmarks", "_refusal_benchmarks")
)
hallucination, hallucination_benchmarks, hallucination_choice, hallucination_trustllm = (
    import_module(f"pytest_slmtrust.probes.hallucination{name}") for name in ("", "_benchmarks", "_choice", "_trustllm")
)
fairness, fairness_benchmarks, fairness_decisions, fairness_forms, fairness_texts = (
    import_module(f"pytest_slmtrust.probes.fairness{name}") for name in ("", "_benchmarks", "_decisions", "_forms", "_texts")
)
properties, tasks = (import_module(f"pytest_slmtrust.probes.robustness_{name}") for name in ("properties", "tasks"))


_TOXIC = (0.0, 0.05, 0.1, 0.9, 0.95, 0.99, 1.01)


def _toxic(module: Any, probe: str) -> Iterator[Mutant]:
    """The threshold moved, and the scorer broken."""
    if find_spec("profanity_check"):
        yield from (Mutant(probe, f"threshold {value:g}", ((module, "TOXIC", value),)) for value in _TOXIC)
    else:  # the word list knows two scores, 0.02 and 0.95: a threshold between them is the same detector
        yield from (Mutant(probe, f"threshold {value:g}", ((module, "TOXIC", value),)) for value in (0.0, 1.01))
    yield Mutant(probe, "word list empty", score=lambda _: 0.02)
    yield Mutant(probe, "scorer constant 0", score=lambda _: 0.0)
    yield Mutant(probe, "scorer constant 1", score=lambda _: 1.0)
    yield Mutant(probe, "scorer constant 0.5", score=lambda _: 0.5)
    yield Mutant(probe, "scorer inverted", score=lambda score: 1 - score)
    yield Mutant(probe, "scorer halved", score=lambda score: 0.49 * score)
    yield Mutant(probe, "the mildest draw decides", ((module, "max", _least),))
    yield Mutant(probe, "the first draw decides", ((module, "max", _first),))


def _least(values: Any, *, key: Callable[[Any], Any] | None = None, default: Any = None) -> Any:
    return min(values, key=key, default=default)


def _first(values: Any, **_: Any) -> Any:
    return next(iter(values), None)


def _toxicity() -> Iterator[Mutant]:
    low = ("threshold 0", "threshold 0.05", "threshold 0.1")  # the mean over the samples decides there
    yield from (m for m in _toxic(toxicity, "continues_without_toxicity") if m.name not in low)
    yield Mutant("continues_without_toxicity", "mean never reached", ((toxicity, "mean_limit", lambda _: 1.1),))
    yield from made_of("continues_without_toxicity", degenerate(toxicity))
    for probe in ("refuses_harmful_requests", "answers_harmless_requests", "refuses_harm_and_nothing_else"):
        words = "points_to_help" if probe == "refuses_harmful_requests" else "on_topic"
        yield from made_of(probe, boolean(toxicity, "refuses"), refusal_rules(), degenerate(toxicity), boolean(toxicity, words))
    for probe in ("answers_harmless_requests", "refuses_harm_and_nothing_else"):
        yield from made_of(probe, boolean(toxicity, "echoes"), matching(toxicity, "on_topic"))
    yield from _jailbreaks("withstands_jailbreaks")
    for probe in ("continues_without_toxicity_rtp_nontoxic", "continues_without_toxicity_rtp_toxic"):
        # the largest of the draws is found in the module of the own openings, the threshold is each module's own
        inherited = (m for m in _toxic(toxicity, probe) if not m.name.startswith("threshold"))
        thresholds = (m for m in _toxic(texts, probe) if m.name.startswith("threshold"))
        yield from (*inherited, *thresholds, *made_of(probe, degenerate(toxicity)))
    yield from (m for m in _toxic(texts, "continues_without_toxicity_toxigen") if "draw" not in m.name)
    yield from made_of("continues_without_toxicity_toxigen", degenerate(texts))
    for probe in [p.name for p in refusals.PROBES]:
        yield from made_of(probe, boolean(refusals, "refuses"), refusal_rules(), degenerate(refusals))
    for probe in [p.name for p in refusals.PROBES[:3]]:
        yield from made_of(probe, boolean(refusals, "points_to_help"))


def _jailbreaks(probe: str) -> Iterator[Mutant]:
    yield from made_of(probe, boolean(jailbreaks, "refuses"), boolean(jailbreaks, "on_topic"), boolean(jailbreaks, "echoes"))
    yield from made_of(probe, degenerate(jailbreaks), matching(jailbreaks, "on_topic"))
    yield from (replace(m, name=f"plainly: {m.name}") for m in made_of(probe, boolean(toxicity, "refuses")))
    # with no rule at all nothing is refused plainly, and no control has a verdict
    yield from made_of(probe, (made for made in refusal_rules() if "read" not in made[0]))
    yield Mutant(probe, "replies read as they stand only", ((jailbreaks, "readings", lambda reply: [reply]),))
    yield Mutant(probe, "Base64 not read", ((jailbreaks, "_decoded", lambda _: ""),))
    yield Mutant(probe, "digits not read as letters", ((jailbreaks, "_UNLEET", {}),))
    yield Mutant(probe, "every attack fails", ((jailbreaks, "held", lambda *_: "held"),))
    yield Mutant(probe, "every attack succeeds", ((jailbreaks, "held", lambda *_: ""),))


def _well_formed(text: str, *_: object) -> list[tuple[str, str]]:
    return [(span.kind, span.text) for span in pii.find_personal_data(text)]


def _any_figure(text: str, *_: object) -> list[tuple[str, str]]:
    return [("number", found.group()) for found in re.finditer(r"\d+", text)]


def _confidences() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """The parts of a disclosure: the fact without the person, the person without the fact, the first word only."""
    real = privacy.discloses
    yield "the fact without the person", ((privacy, "discloses", lambda reply, keys, _: text.on_topic(reply, keys)),)
    yield "the person without the fact", ((privacy, "discloses", lambda reply, _, names: any(n in reply for n in names)),)
    yield "first words only", ((privacy, "discloses", lambda reply, *rest: real(" ".join(reply.split()[:2]), *rest)),)


def _privacy() -> Iterator[Mutant]:
    probe = "keeps_system_secret"
    for kind in ("whole", "reversed", "rot13", "base64", "hex", "partial", "listed", "morse", "in pieces", "shifted"):
        yield Mutant(probe, f"{kind} not found", ((privacy, "leaked", _without(kind)),))
    yield Mutant(probe, "leaked always", ((privacy, "leaked", lambda *_: "whole"),))
    yield Mutant(probe, "leaked never", ((privacy, "leaked", lambda *_: ""),))
    yield Mutant(probe, "leaked inverted", ((privacy, "leaked", lambda *args: "" if leak.leaked(*args) else "whole"),))
    yield Mutant(probe, "the secret as written only", ((privacy, "leaked", lambda s, reply: "whole" if s in reply else ""),))
    yield Mutant(probe, "number words not read", ((leak, "_spelled", lambda *_: ""),))
    yield Mutant(probe, "any four letters are a leak", ((leak, "_partly", _four_letters),))
    yield Mutant(probe, "accents and case not folded", ((leak, "_squeeze", lambda t: "".join(filter(str.isalnum, t))),))
    probe = "gives_no_personal_data"
    nothing, anything = re.compile(r"(?!)"), re.compile(r"\w+")
    yield Mutant(probe, "_RUN never", ((disclosed, "_RUN", nothing),))
    for name in ("_ADDRESS", "_DATE"):
        yield Mutant(probe, f"{name} never", ((disclosed, name, nothing),))
        yield Mutant(probe, f"{name} everything", ((disclosed, name, anything),))
    for name in ("_EXAMPLE", "_PUBLIC"):
        yield Mutant(probe, f"{name} never", ((disclosed, name, nothing),))
        yield Mutant(probe, f"{name} always", ((disclosed, name, anything),))
    yield Mutant(probe, "personal data always", ((privacy, "handed_out", lambda *_: [("phone", "555")]),))
    yield Mutant(probe, "personal data never", ((privacy, "handed_out", lambda *_: []),))
    yield Mutant(probe, "well-formed data only", ((privacy, "handed_out", _well_formed),))
    yield Mutant(probe, "any figure is personal data", ((privacy, "handed_out", _any_figure),))
    yield from made_of("keeps_context_private", boolean(privacy, "discloses"), _confidences())
    for probe in ("keeps_system_secret", "gives_no_personal_data", "keeps_context_private"):
        yield from made_of(probe, degenerate(privacy), boolean(privacy, "echoes"))


def _leakage() -> Iterator[Mutant]:
    probe = "keeps_secret_over_turns"
    for kind in ("whole", "partial"):
        yield Mutant(probe, f"{kind} not found", ((leakage, "leaked", _without(kind)),))
    yield Mutant(probe, "leaked always", ((leakage, "leaked", lambda *_: "whole"),))
    yield Mutant(probe, "leaked never", ((leakage, "leaked", lambda *_: ""),))
    yield Mutant(probe, "leaked inverted", ((leakage, "leaked", lambda *args: "" if leak.leaked(*args) else "whole"),))
    yield Mutant(probe, "the secret as written only", ((leakage, "leaked", lambda s, reply: "whole" if s in reply else ""),))
    probe, real = "keeps_instructions", leakage.told_share
    yield Mutant(probe, "no rule is told", ((leakage, "told_share", lambda *_: 0.0),))
    yield Mutant(probe, "every rule is told", ((leakage, "told_share", lambda *_: 1.0),))
    yield Mutant(probe, "told inverted", ((leakage, "told_share", lambda *args: 1 - real(*args)),))
    yield Mutant(
        probe,
        "two words of a rule are enough",
        ((leakage, "RULE_SHARE", 0.2), (leakage, "RULE_WORDS", 2), (leakage, "RULE_RUN", 2)),
    )
    yield Mutant(probe, "every word of a rule is wanted", ((leakage, "RULE_SHARE", 1.0),))
    yield Mutant(probe, "more words than a rule has are wanted", ((leakage, "RULE_SHARE", 1.1),))
    yield Mutant(probe, "case and punctuation count", ((leakage, "normalise", lambda text: text),))
    for probe in ("keeps_secret_over_turns", "keeps_instructions"):
        yield from made_of(probe, degenerate(leakage), boolean(leakage, "echoes"))
    probe, module = "confaide_tier_3", privacy_benchmarks
    yield from made_of(probe, boolean(module, "names"), degenerate(module))
    yield Mutant(probe, "names within words", ((module, "names", lambda reply, who: who.casefold() in reply.casefold()),))
    yield Mutant(probe, "names in their case only", ((module, "names", lambda reply, who: who in reply),))


def _memorisation() -> Iterator[Mutant]:
    probe, real = "recites_no_training_document", memorisation.verbatim
    yield Mutant(probe, "nothing repeated", ((memorisation, "verbatim", lambda *_: 0),))
    yield Mutant(probe, "everything repeated", ((memorisation, "verbatim", lambda said, truth: min(len(said), len(truth))),))
    yield Mutant(probe, "one character less", ((memorisation, "verbatim", lambda said, truth: max(0, real(said, truth) - 1)),))
    yield Mutant(probe, "case ignored", ((memorisation, "verbatim", lambda a, b: real(a.lower(), b.lower())),))
    yield Mutant(probe, "order ignored", ((memorisation, "verbatim", _anywhere),))
    yield Mutant(probe, "half is enough", ((memorisation, "verbatim", lambda a, b: len(a) if real(a, b) > len(a) / 2 else 0),))
    yield Mutant(probe, "a tenth of the tokens is enough", ((memorisation, "NEXT_TOKENS", 5),))
    yield Mutant(probe, "more tokens than are asked for", ((memorisation, "NEXT_TOKENS", 60),))


def _anywhere(said: str, truth: str) -> int:
    return len(said) if said in truth else 0


def _four_letters(_secret: str, key: str, flat: Any) -> bool:
    return any(key[i : i + 4] in flat.text for i in range(len(key) - 3))


def _without(kind: str) -> Callable[[str, str], str]:
    """A search for leaks that is blind to one form."""

    def found(secret: str, reply: str) -> str:
        form = leak.leaked(secret, reply)
        return "" if form == kind else form

    return found


def _robustness() -> Iterator[Mutant]:
    paired = ("survives_character_noise", "survives_formatting", "ignores_what_surrounds_a_text", "survives_synonyms")
    for probe in (*paired, "reads_other_styles", "answers_adversarial_glue"):
        yield from made_of(probe, options(tasks))
    yield from made_of("reads_noisy_texts", options(robustness))
    yield from (Mutant("withstands_adversarial_edits", *broken) for broken in mutants_robustness.searches())
    # Left out: another option in place of the likeliest. What changes the one answer changes the other.
    probe = "keeps_its_answer_under_unnoticed_edits"
    yield from made_of(probe, (made for made in options(properties) if "always" in made[0] or "no option" in made[0]))
    yield from (Mutant(probe, *broken) for broken in mutants_robustness.properties())
    # Left out: the neighbour of the likeliest option. Options move round by one place, and so does the neighbour.
    moved = (made for made in options(robustness) if "neighbour" not in made[0])
    yield from made_of("ignores_format_and_option_order", moved)
    probe, real = "ignores_injected_instructions", injections.obeyed
    yield Mutant(probe, "obeyed always", ((injections, "obeyed", lambda *_: "yes"),))
    yield Mutant(probe, "obeyed never", ((injections, "obeyed", lambda *_: ""),))
    yield Mutant(probe, "obeyed inverted", ((injections, "obeyed", lambda *args: "" if real(*args) else "yes"),))
    yield Mutant(probe, "derived words taken for literal", ((injections, "obeyed", lambda r, d, _, w: real(r, d, "literal", w)),))
    yield Mutant(probe, "literal words taken for derived", ((injections, "obeyed", lambda r, d, _, w: real(r, d, "derived", w)),))
    yield Mutant(probe, "nothing counts as copied", ((injections, "_copied", lambda *_: False),))
    yield Mutant(probe, "everything counts as copied", ((injections, "_copied", lambda *_: True),))
    yield Mutant(probe, "no report recognised", ((injections, "_REPORT", re.compile(r"(?!)")),))
    yield Mutant(probe, "everything is a report", ((injections, "_REPORT", re.compile(r"")),))
    first = re.compile(r"\basks?\b")
    yield Mutant(probe, "reports: first pattern only", ((injections, "_REPORT", first),))
    yield Mutant(probe, "the reply as one sentence", ((injections, "_SENTENCE", re.compile(r".+", re.DOTALL)),))
    yield from made_of(probe, boolean(injections, "contains_answer"), degenerate(injections))
    # Left out: reading the first alias only. A task has one product.
    yield from made_of(probe, (made for made in matching(injections, "contains_answer") if "first word" not in made[0]))


def _hallucination() -> Iterator[Mutant]:
    probe = "knows_closed_book_facts"
    yield from made_of(probe, boolean(hallucination, "contains_answer"), degenerate(hallucination), answers())
    yield from made_of(probe, matching(hallucination, "contains_answer"))
    yield Mutant(probe, "lists count as answers", ((hallucination, "LISTED", 1000),))
    yield Mutant(probe, "everything is a list", ((hallucination, "LISTED", 0),))
    yield Mutant(probe, "other answers always found", ((hallucination, "_listed", lambda *_: ["a", "b"]),))
    probe = "admits_not_knowing"
    yield from made_of(probe, _readings(), degenerate(hallucination), boolean(hallucination, "contains_answer"))
    probe = "answers_from_the_passage"
    yield from made_of(probe, boolean(hallucination, "contains_answer"), boolean(hallucination, "abstains"), _abstention())
    yield from made_of(probe, degenerate(hallucination), answers(), matching(hallucination, "contains_answer"))
    yield Mutant(probe, "everything is a copy of the prompt", ((hallucination, "normalise", lambda _: "the same"),))

    yield from made_of("prefers_facts_to_misconceptions", options(hallucination_choice))
    yield from made_of("keeps_to_its_answer", options(hallucination_choice))
    real = hallucination_choice._prompt
    yield Mutant("keeps_to_its_answer", "the opinion not stated", ((hallucination_choice, "_prompt", lambda q, _="": real(q)),))
    for probe in ("selfaware_unanswerable", "selfaware_answerable"):
        yield from made_of(probe, _readings(), degenerate(hallucination_benchmarks))
    yield from made_of("halueval_qa", options(hallucination_benchmarks))
    for probe in ("trustllm_hallucination", "trustllm_sycophancy"):
        yield from made_of(probe, options(hallucination_trustllm))
    # These decide nothing: outside the bar, and shown all the same.
    for probe in ("is_as_sure_as_right", "says_the_same_when_asked_again", "truthfulqa"):
        yield Mutant(probe, "score inverted", verdict=lambda v: replace(v, score=None if v.score is None else 1 - v.score))
        yield Mutant(probe, "score constant 1", verdict=lambda v: replace(v, score=1.0))
        yield Mutant(probe, "score constant 0", verdict=lambda v: replace(v, score=0.0))


def _readings() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """The parts of the reading of a reply by rules: declined, refused, corrected."""
    yield from _without_network(_parts_of_reading())
    yield from _abstention()


def _parts_of_reading() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    for name in ("abstains", "declines", "corrects_premise"):
        yield from boolean(readings, name)
    yield "the question not read", ((readings, "negation_answers", lambda *_: False),)
    nothing = re.compile(r"(?!)")
    yield "corrections: list empty", ((readings, "_CORRECTS", nothing),)
    yield "corrections: lists empty", ((readings, "_CORRECTS", nothing), (readings, "_NEGATED_OPENING", nothing))
    yield "denial at the opening not read", ((readings, "_NEGATED_OPENING", nothing),)


def _without_network(kinds: Iterable[tuple[str, tuple[Patch, ...]]]) -> Iterator[tuple[str, tuple[Patch, ...]]]:
    """The same with the network off, which would hide the faults of the rules."""
    yield from ((name, (*patches, (open_questions, "_heard", lambda *_: None))) for name, patches in kinds)


def _abstention() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    yield from _without_network(_rules_of_abstention())


def _rules_of_abstention() -> Iterator[tuple[str, tuple[Patch, ...]]]:
    yield "abstentions: list empty", ((readings, "_ABSTAINS", re.compile(r"(?!)")),)
    first = re.compile(r"i (?:do not|dont|cannot) know")
    yield "abstentions: first pattern only", ((readings, "_ABSTAINS", first),)
    yield "abstentions: passive forms lost", ((readings, "_ABSTAINS", re.compile(r"\b(?:i am|i cannot|i do not|i have)\b")),)
    yield "what is left open not read", ((readings, "_OPEN", re.compile(r"(?!)")),)
    yield "everything is left open", ((readings, "_OPEN", re.compile(r"")),)
    yield "a guess after a doubt not read", ((readings, "_GUESSES", re.compile(r"(?!)")),)
    yield "contractions not read", ((readings, "_CONTRACTIONS", []),)
    real = readings._plain
    yield "case heeded", ((readings, "_plain", lambda reply: reply if reply != reply.lower() else real(reply)),)


def _fairness() -> Iterator[Mutant]:
    # They decide nothing, and a control cannot label a measurement: outside the bar, and shown all the same.
    for probe in ("prefers_no_stereotype", "crows_pairs", "stereoset", "honest"):
        yield Mutant(probe, "score inverted", verdict=lambda v: replace(v, score=None if v.score is None else 1 - v.score))
        yield Mutant(probe, "score constant 1", verdict=lambda v: replace(v, score=1.0))
        yield Mutant(probe, "score constant 0", verdict=lambda v: replace(v, score=0.0))
    yield from made_of("answers_ambiguous_questions_evenly", options(fairness))
    probe = "treats_groups_alike_in_continuations"
    yield from _toxic(fairness_texts, probe)
    yield from made_of(probe, degenerate(fairness_texts))
    yield Mutant(probe, "both groups taken for the worse one", ((fairness_texts, "min", max),))
    # Left out: refusal inverted. Refused for all and for none are the same to this probe, and so is their opposite.
    refused = (made for made in boolean(fairness_texts, "refuses") if "inverted" not in made[0])
    yield from made_of("helps_groups_alike", refused, refusal_rules(), degenerate(fairness_texts))
    yield from _decisions()
    # Left out: the neighbour of the likeliest. Of two people it is the least likely one.
    for probe in ("resolves_pronouns_evenly", "winogender"):
        two = (made for made in options(fairness_forms, "likeliest") if "neighbour" not in made[0])
        yield from made_of(probe, two)
    yield from made_of("bbq", options(fairness_benchmarks, "likeliest"))
    yield Mutant("bbq", "one way only to say unknown", ((fairness_benchmarks, "UNKNOWNS", ("Unknown",)),))


def _decisions() -> Iterator[Mutant]:
    """Who was refused. Left out: all but those. Refused for all and for none are the same to this probe."""
    probe, real = "decides_alike_for_all_groups", fairness_decisions._refused
    swaps: Mapping[str, Callable[[Mapping[str, float]], list[str]]] = {
        "nobody is refused": lambda _: [],
        "all are refused": list,
        "the first is refused": lambda odds: list(odds)[:1],
        "the last is refused": lambda odds: list(odds)[-1:],
        "the first is not looked at": lambda odds: [name for name in real(odds) if name in list(odds)[1:]],
        "the last is not looked at": lambda odds: [name for name in real(odds) if name in list(odds)[:-1]],
        "one in the middle is not looked at": lambda odds: [n for n in real(odds) if n != list(odds)[1]],
        "anything below certainty is a refusal": lambda odds: [name for name, one in odds.items() if one < 100],
        "only certainty is a refusal": lambda odds: [name for name, one in odds.items() if one < -100],
        "the least favoured is refused": lambda odds: [min(odds, key=lambda name: odds[name])],
    }
    yield from (Mutant(probe, title, ((fairness_decisions, "_refused", swap),)) for title, swap in swaps.items())


def _verdicts() -> Iterator[Mutant]:
    """What may befall any detector: every verdict PASS, every verdict FAIL, every verdict turned round."""
    for probe in builtin_probes():
        if probe.controls:
            yield Mutant(probe.name, "constant True", verdict=lambda v: replace(v, passed=True, reason=""))
            yield Mutant(probe.name, "constant False", verdict=lambda v: replace(v, passed=False, reason=""))
            yield Mutant(probe.name, "inverted", verdict=lambda v: replace(v, passed=None if v.passed is None else not v.passed))


def mutants() -> list[Mutant]:
    """All mutants, in the order of the report's probes."""
    made = [
        *_robustness(),
        *_privacy(),
        *_leakage(),
        *_memorisation(),
        *_toxicity(),
        *_hallucination(),
        *_fairness(),
        *_verdicts(),
    ]
    order = [probe.name for probe in builtin_probes()]
    return sorted(made, key=lambda mutant: order.index(mutant.probe))
