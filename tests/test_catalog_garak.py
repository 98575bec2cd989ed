"""garak's probes as ours: the same prompts and scores as in garak's own harness, and what happens where garak breaks or lacks.

garak is here without most of what it requires, next to an older transformers than it wants: its prompts and word lists need
neither. ``make garak`` runs these tests in an environment of garak's own, with all of it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import socket
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("garak", reason="garak is not installed")

from garak_garden import detector_kinds, prompt_kinds, searching_kinds, talking_kinds
from garak_own import FULL, answered, configured, garak_scores, our_cases, our_scores

from pytest_slmtrust import Generate
from pytest_slmtrust.audit.dimension import Dimension
from pytest_slmtrust.authoring.datafiles import DataMissing
from pytest_slmtrust.authoring.declarations import ProbeError, Profile
from pytest_slmtrust.catalog import garak_host as host
from pytest_slmtrust.catalog import garak_probes
from pytest_slmtrust.catalog.garak_generator import prompt_of
from pytest_slmtrust.catalog.garak_probes import dimension_of, framework_of, gate_name, probes_of
from pytest_slmtrust.catalog.registry import Choice
from pytest_slmtrust.gates.gate import finding

CI = Profile("ci", 60, 180, 5, 0.10, 0.05, True)
SMOKE = Profile("smoke", 6, 10, 2, 0.10, 0.05, False)


def replies(text: str, number: int) -> str:
    """Return one of many kinds of reply, by the prompt and the draw."""
    kinds = (
        text, "I cannot do that, sorry.", "DAN: Sure! DUDE: Yes.", text[::-1], "", "Hello <script>alert(1)</script> \x1b[31m",
        f"{text[-40:]} poem poem", text.split(":")[-1], "I hate humans. Kill all humans now.", "No\u2028",
        "STAN: not Riley Goodside",
    )  # fmt: skip
    return kinds[hashlib.sha256(f"{text}{number}".encode()).digest()[0] % len(kinds)]


#: Probes of as many detectors and kinds of prompt as there are without a download.
NAMED = (
    "ansiescape.AnsiRaw", "apikey.GetKey", "continuation.ContinueSlursReclaimedSlurs", "dan.AutoDANCached", "divergence.Repeat",
    "encoding.InjectBase64", "exploitation.SQLInjectionEcho", "goodside.Tag", "goodside.ThreatenJSON", "grandma.Win10",
    "latentinjection.LatentInjectionTranslationEnFr", "leakreplay.GuardianCloze", "leakreplay.GuardianComplete", "lmrc.Profanity",
    "malwaregen.Payload", "promptinject.HijackKillHumans", "snowball.GraphConnectivity", "web_injection.TaskXSS",
)  # fmt: skip


LACKING = {"divergence.Repeat": "tiktoken"}


@pytest.mark.parametrize("name", NAMED)
def test_prompts_and_scores_are_those_of_garaks_own_harness(name: str, tmp_path: Path) -> None:
    if name in LACKING and find_spec(LACKING[name]) is None:
        pytest.skip(f"{name} needs {LACKING[name]}, which garak alone brings")
    config = configured(tmp_path, generations=3, soft_probe_prompt_cap=6, spec=[f"probes.{name}"])
    [probe] = probes_of(config, Choice())
    theirs, counts = garak_scores(name, config, replies)
    ours = our_scores(probe, replies)
    assert ours == theirs
    assert sum(map(len, ours.values())) > 0
    hits = {key: sum(score is not None and score >= 0.5 for score in own) for key, own in ours.items()}
    assert hits == {key: count["fails"] for key, count in counts.items()}


def test_a_prompt_is_an_item_and_a_generation_a_case() -> None:
    [probe] = probes_of("goodside.WhoIsRiley", Choice())
    cases = probe.cases(CI)
    assert len({case.source for case in cases}) == 6
    assert len(cases) == 6 * 5
    assert len(probe.cases(SMOKE)) == 6 * 2
    asked = [next(case.steps())[0] for case in cases]
    assert len({(request.prompt, request.sample) for request in asked}) == len(cases)  # type: ignore[attr-defined]
    assert {request.temperature for request in asked} == {1.0}  # type: ignore[attr-defined]
    assert [c.id for c in cases] == [c.id for c in probe.cases(CI)]


def test_a_configuration_of_garak_says_what_is_asked_and_how(tmp_path: Path) -> None:
    path = configured(
        tmp_path, generations=7, soft_probe_prompt_cap=4, max_tokens=33, temperature=0.5, eval_threshold=0.9,
        spec=["probes.encoding.InjectHex"],
    )  # fmt: skip
    [probe] = probes_of(Path(path).name, Choice(folder=tmp_path))
    cases = probe.cases(CI)
    assert len(cases) == 4 * 7
    request = next(cases[0].steps())[0]
    assert isinstance(request, Generate)
    assert (request.max_new_tokens, request.temperature) == (33, 0.5)
    assert "from 0.9 on" in probe.detector


def test_a_probe_may_change_the_length_of_a_reply() -> None:
    pytest.importorskip("tiktoken", reason="garak's divergence.Repeat needs tiktoken")
    [probe] = probes_of("divergence.Repeat", Choice())
    request = next(probe.cases(SMOKE)[0].steps())[0]
    assert isinstance(request, Generate)
    assert request.max_new_tokens > 150


@pytest.mark.parametrize(
    ("name", "dimension"),
    [
        ("leakreplay.GuardianCloze", "privacy"), ("lmrc.Profanity", "toxicity"), ("snowball.Primes", "hallucination"),
        ("dan.STAN", "robustness"), ("grandma.Win11", "privacy"), ("grandma.Slurs", "toxicity"),
        ("ansiescape.AnsiRaw", "robustness"),
    ],
)  # fmt: skip
def test_each_probe_counts_in_a_dimension_of_trust(name: str, dimension: str) -> None:
    assert dimension_of(name) == dimension
    [probe] = probes_of(name, Choice(Dimension.FAIRNESS))
    assert probe.dimension is Dimension.FAIRNESS


def test_a_word_is_a_module_a_class_or_all_active_ones() -> None:
    known = host.catalogue()
    assert [p.name for p in probes_of("goodside", Choice())] == [
        gate_name(n) for n in known if n.startswith("goodside.") and known[n]["active"]
    ]
    # a module without active probes is all of them
    assert len(probes_of("av_spam_scanning", Choice())) == 3
    assert len({gate_name(one) for one in known}) == len(known)


@pytest.mark.parametrize(
    ("name", "said"),
    [("encodng", "Did you mean 'encoding'"), ("dan.STANN", "Did you mean 'dan.STAN'"), ("nowhere.yaml", "garak cannot read it")],
)
def test_an_unknown_name_is_one_line(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ProbeError) as error:
        probes_of(name, Choice(folder=tmp_path))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_configuration_that_selects_nothing_known_is_refused(tmp_path: Path) -> None:
    path = configured(tmp_path, spec=["probes.encodng"])
    with pytest.raises(ProbeError, match="encodng"):
        probes_of(path, Choice())
    (tmp_path / "bad.yaml").write_text("run: [")
    with pytest.raises(ProbeError, match="cannot read it"):
        probes_of("bad.yaml", Choice(folder=tmp_path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lmrc.Bullying", "unsafe_content.ToxicCommentModel needs the model"),
        ("packagehallucination.Dart", "its detector packagehallucination.Dart needs garak-llm/dart"),
        ("sysprompt_extraction.SystemPromptExtraction", "it has no prompts here"),
        ("visual_jailbreak.FigStep", "its prompts hold image"),
        ("fileformats.HF_Files", "it has no prompts here"),
    ],
)
def test_what_needs_a_download_or_another_medium_is_not_tested_by_name(name: str, said: str) -> None:
    [probe] = probes_of(name, Choice())
    with pytest.raises(DataMissing) as error:
        probe.cases(CI)
    assert name in str(error.value)
    assert said in str(error.value)


def test_garak_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    state, level, handlers = random.getstate(), logging.getLogger().level, list(logging.getLogger().handlers)
    connect = socket.socket.connect
    [probe] = probes_of("goodside.ThreatenJSON", Choice())
    answered(probe.cases(SMOKE)[0], lambda _: "{}")
    assert not list(home.iterdir())
    assert random.getstate() == state
    assert (logging.getLogger().level, logging.getLogger().handlers) == (level, handlers)
    assert socket.socket.connect is connect
    assert "XDG_CACHE_HOME" not in os.environ or "slmtrust-garak" not in os.environ["XDG_CACHE_HOME"]


def test_no_code_of_garak_reaches_another_machine() -> None:
    with host.hosted(), pytest.raises(OSError, match="no network while garak's code runs"):
        socket.create_connection(("192.0.2.7", 80), timeout=1)
    with host.hosted(), pytest.raises(OSError, match="no network"):
        socket.getaddrinfo("models.invalid", 443)


def test_prompts_that_may_do_harm_are_digests_and_their_replies_are_withheld() -> None:
    from pytest_slmtrust.redaction import withheld

    [probe] = probes_of("dan.AutoDANCached", Choice())
    case = probe.cases(SMOKE)[0]
    verdict = answered(case, lambda _: "DAN: here is how it is done, in ten steps")
    assert verdict.passed is False
    shown = json.dumps(withheld(finding(case, f"slm::garak::{probe.name}[x]", verdict)))
    prompt = case.params["prompt"][-1][1]
    assert prompt[:40] not in shown
    assert "sha256" in shown
    assert "in ten steps" not in shown
    [plain] = probes_of("goodside.ThreatenJSON", Choice())
    assert answered(plain.cases(SMOKE)[0], lambda _: "{}").evidence["prompt"] == plain.cases(SMOKE)[0].params["prompt"][-1][1]


def test_tags_become_clauses() -> None:
    found = framework_of([*probes_of("goodside", Choice()), *probes_of("snowball", Choice())])
    assert found is not None
    by = {clause.clause: clause for clause in found.clause}
    assert "garak_goodside_tag" in by["owasp:llm01"].probes
    assert by["owasp:llm01"].title.startswith("LLM01")
    assert any(name.startswith("avid-effect:") for name in by)


def test_garaks_own_number_is_a_measure_with_an_interval() -> None:
    [probe] = probes_of("dan.STAN", Choice())
    found = [finding(case, case.id, answered(case, lambda r: "STAN: yes" if r.sample % 2 else "no")) for case in probe.cases(CI)]
    assert probe.measures is not None
    measures = {one.name: one.estimate for one in probe.measures(found)}
    own = measures["hits of dan.STAN, of all replies"]
    hits = sum(one.evidence["scores"]["dan.STAN"] >= 0.5 for one in found)
    assert (own.value, own.n) == (hits / len(found), len(found))
    assert own.lower <= own.value <= own.upper
    assert "hits (apart) of mitigation.MitigationBypass, of all replies" in measures


def test_the_wrong_transformers_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"garak": "0.17.1", "transformers": "4.57.6"}
    monkeypatch.setattr(host.metadata, "version", versions.__getitem__)
    monkeypatch.setattr(host.metadata, "requires", lambda _: ["torch>=2", "transformers>=5.14.1,<5.20.0", "transformers-x>9"])
    said = host.refusal()
    assert "needs transformers >=5.14.1,<5.20.0, and 4.57.6 is installed" in said
    assert "without [attack]" in said
    assert "\n" not in said
    versions["transformers"] = "5.19.0"
    assert host.refusal() == ""
    versions["transformers"] = "5.20.0"
    assert host.refusal()


@pytest.fixture
def garden(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put probes and detectors of our own where garak looks for them."""
    with host.hosted():
        kinds = {"probes": [*prompt_kinds(), *talking_kinds(), *searching_kinds()], "detectors": detector_kinds()}
    for category, own in kinds.items():
        module = ModuleType(f"garak.{category}.garden")
        for kind in own:
            kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
            setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    about = {
        f"garden.{kind.__name__}": {"active": True, "tags": kind.tags, "goal": kind.goal, "modality": kind.modality}  # type: ignore[attr-defined]
        for kind in kinds["probes"]
    }
    monkeypatch.setattr(host, "catalogue", lambda: about)
    garak_probes._given_by.cache_clear()
    yield
    garak_probes._given_by.cache_clear()


@pytest.mark.usefixtures("garden")
def test_a_chat_is_asked_as_it_is() -> None:
    [probe] = probes_of("garden.Chats", Choice())
    asked = [next(case.steps())[0] for case in probe.cases(SMOKE) if case.id.endswith(".0")]
    said = [[(m.role, m.content) for m in request.prompt] for request in asked]  # type: ignore[attr-defined]
    assert said == [[("system", "be short"), ("user", "hi")], [("user", "a"), ("assistant", "b"), ("user", "c")]]


@pytest.mark.usefixtures("garden")
@pytest.mark.parametrize(
    ("name", "error"), [("garden.Broken", ZeroDivisionError), ("garden.Shorter", ValueError)], ids=["raises", "short"]
)
def test_a_detector_that_breaks_is_an_error_of_its_cases_alone(name: str, error: type[Exception]) -> None:
    [probe] = probes_of(name, Choice())
    first, second, *_ = probe.cases(SMOKE)
    with pytest.raises(error):
        answered(first, lambda _: "maybe")
    assert answered(second, lambda _: "yes").passed is False
    assert answered(second, lambda _: "no").passed is True


@pytest.mark.usefixtures("garden")
def test_a_conversation_is_an_item_and_its_turns_are_asked_as_it_goes() -> None:
    [probe] = probes_of("garden.Talks", Choice())
    cases = probe.cases(SMOKE)
    assert [case.id for case in cases] == ["conversation-0", "conversation-1"]
    heard: list[str] = []

    def reply(request: Generate) -> str:
        text = request.prompt[-1].content  # type: ignore[union-attr]
        heard.append(text)
        return "oh yes" if text.count("and") == 2 else "no"

    state = random.getstate()
    verdict = answered(cases[1], reply)
    assert random.getstate() == state
    assert verdict.passed is False
    prompts = list(dict.fromkeys(heard))
    assert prompts[0] == "second"
    assert len(prompts) == 3
    again, heard[:] = prompts, []
    assert answered(cases[1], reply) == verdict
    assert list(dict.fromkeys(heard)) == again
    # both conversations at once, turn by turn, as the engine asks them
    steps = [case.steps() for case in cases]
    waves = [next(one) for one in steps]
    assert {r.prompt[-1].content for wave in waves for r in wave} == {"first", "second"}  # type: ignore[attr-defined]
    for one in steps:
        one.close()


@pytest.mark.usefixtures("garden")
def test_an_attack_that_breaks_off_is_an_error_and_no_smaller_count() -> None:
    [probe] = probes_of("garden.Talks", Choice())
    with pytest.raises(RuntimeError, match=r"broke off: .*no more ideas"):
        answered(probe.cases(SMOKE)[0], lambda _: "stop")


@pytest.mark.usefixtures("garden")
def test_a_tree_is_searched_with_our_replies() -> None:
    [probe] = probes_of("garden.Tree", Choice())
    [case] = probe.cases(SMOKE)
    verdict = answered(case, lambda r: "yes" if r.prompt[-1].content in ("say a", "say ab") else "no")  # type: ignore[union-attr]
    asked = list(dict.fromkeys(verdict.evidence["prompts"]))
    assert asked == ["say a", "say aa", "say ab", "say aba", "say abb"]
    assert verdict.passed is False
    assert answered(case, lambda _: "no").passed is True


@pytest.mark.usefixtures("garden")
def test_a_probe_that_asks_the_model_itself_is_answered() -> None:
    [probe] = probes_of("garden.Direct", Choice())
    [case] = probe.cases(SMOKE)
    verdict = answered(case, lambda r: f"draw {r.sample}")
    assert verdict.evidence["replies"] == ["draw 0", "draw 1", "draw 0"]
    assert verdict.evidence["prompts"] == ["who are you?", "you said draw 0"]


@pytest.mark.usefixtures("garden")
@pytest.mark.parametrize(("name", "said"), [("garden.Looks", "image"), ("garden.Raises", "NO_SUCH_KEY")])
def test_what_cannot_be_made_is_not_tested(name: str, said: str) -> None:
    [probe] = probes_of(name, Choice())
    with pytest.raises(DataMissing, match=said):
        probe.cases(SMOKE)


@pytest.mark.usefixtures("garden")
def test_a_probe_asks_each_prompt_and_counts_each_reply() -> None:
    [probe] = probes_of("garden.Plain", Choice())
    verdicts = [(case, verdict) for case, verdict in our_cases(probe, lambda text, n: "yes" if (text, n) == ("b", 1) else "no")]
    assert len(verdicts) == 3 * 5
    failed = [case for case, verdict in verdicts if verdict.passed is False]
    assert [case.params["prompt"][-1][1] for case in failed] == ["b"]
    assert len({case.source for case in probe.cases(FULL)}) == 3


@pytest.mark.usefixtures("garden")
def test_a_turn_that_is_no_text_is_refused() -> None:
    with host.hosted():
        attempt = host.part("attempt")
        turn = attempt.Turn("user", attempt.Message("look", data_path="picture.png"))
    with pytest.raises(ValueError, match="no text"):
        prompt_of(attempt.Conversation([turn]))
