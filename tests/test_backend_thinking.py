"""Reasoning models on the real engine: limits of thoughts and answers, marks as tokens, the template's switch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import tiny

from pytest_slmtrust import Completion, Failure, Generate, Loglikelihood, Logprob, Message, chat
from pytest_slmtrust.backends.load import ModelSpec, SpecError, load_backend, wrap_loaded
from pytest_slmtrust.backends.transformers import generate as decoding
from pytest_slmtrust.backends.transformers.backend import Settings, TransformersBackend
from pytest_slmtrust.backends.transformers.files import ModelError
from pytest_slmtrust.backends.transformers.reply import thinking_of
from pytest_slmtrust.backends.transformers.template import Form, Renderer
from pytest_slmtrust.thinking import closing

BODY = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}<|assistant|>"
SWITCHED = BODY + "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
OPENED = BODY + "{{ '<think>\\n' }}"
MARKS = ("[THINK]", "[/THINK]")


def words(template: str = BODY, special: bool = False) -> Any:
    """The tiny tokenizer with another template; ``special``: with marks of thoughts that decoding leaves out."""
    made = copy.deepcopy(tiny.tokenizer())
    made.chat_template = template
    if special:
        made.add_special_tokens({"additional_special_tokens": list(MARKS)})
    return made


def backend(tokenizer: Any, **settings: Any) -> TransformersBackend:
    made = wrap_loaded(tiny.model(), tokenizer, "tiny", Settings(threads=1, **settings))
    assert isinstance(made, TransformersBackend)
    return made


def written(
    monkeypatch: pytest.MonkeyPatch, script: str, request: Generate, tokenizer: Any = None, **settings: Any
) -> Completion:  # fmt: skip
    """The completion of a model that writes a script, and then ends."""
    plain = {} if tokenizer is not None and "think" in tokenizer.chat_template else {"template": False}
    tokenizer = tokenizer or words()
    ids = [*tokenizer.encode(script, add_special_tokens=False), 1]

    def choose(logits: Any, rows: Sequence[Any]) -> tuple[list[int], list[bool]]:
        return [ids[min(len(row.out), len(ids) - 1)] for row in rows], [True] * len(rows)

    monkeypatch.setattr(decoding, "choose", choose)
    made = backend(tokenizer, **plain, **settings)
    [(_, answer)] = list(made.run([request]))
    made.close()
    assert isinstance(answer, Completion)
    return answer


@pytest.mark.parametrize("script", ["<think>\n{}\n</think>\n\n{}", "[THINK]{}[/THINK]{}", "<seed:think>{}</seed:think>{}"])
@pytest.mark.parametrize("special", [False, True])
def test_the_answer_has_its_limit_beside_the_thought(monkeypatch: pytest.MonkeyPatch, script: str, special: bool) -> None:
    thought, answer = "the river ends in a wide grey sea ", "seven wizards brew a potion of honey"
    tokenizer = words(special=special)
    asked = Generate(chat("where"), max_new_tokens=3)
    found = written(monkeypatch, script.format(thought, answer), asked, tokenizer)
    assert (found.thought, found.thought_finished) == (thought.strip(), True)
    assert found.text
    assert answer.startswith(found.text)
    assert found.text != answer
    assert (found.n_tokens <= 3, found.finished) == (True, False)
    assert found.thought_tokens > 3
    whole = written(monkeypatch, script.format(thought, answer), Generate(chat("where"), max_new_tokens=60), tokenizer)
    assert (whole.text, whole.finished) == (answer, True)


def test_a_thought_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "<think>\n" + "a small model writes small words " * 4 + "</think>\n\nyes"
    cut = written(monkeypatch, script, Generate(chat("where"), max_new_tokens=30), thought_tokens=12)
    assert (cut.text, cut.thought_finished, cut.thought_tokens) == ("", False, 12)
    ended = written(monkeypatch, "<think>\nthe lazy dog", Generate(chat("where"), max_new_tokens=4))
    assert (ended.text, ended.thought, ended.thought_finished, ended.finished) == ("", "the lazy dog", False, True)


def test_stop_texts_end_the_answer_and_no_thought(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "<think>\nfirst the dog, then the fox\n</think>\n\nthe dog, then the fox"
    found = written(monkeypatch, script, Generate(chat("where"), max_new_tokens=30, stop=(",", "\n")))
    assert (found.text, found.thought) == ("the dog", "first the dog, then the fox")


def test_a_template_that_opens_the_thought(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = words(OPENED)
    found = written(monkeypatch, "the dog\n</think>\n\nthe fox", Generate(chat("where"), max_new_tokens=2), tokenizer)
    assert (found.thought, found.thought_finished) == ("the dog", True)
    assert found.text
    assert "the fox".startswith(found.text)
    lost = written(monkeypatch, "the dog", Generate(chat("where"), max_new_tokens=2), tokenizer)
    assert (lost.text, lost.thought_finished) == ("", False)


@pytest.mark.parametrize(
    ("script", "most", "stop", "text"),
    [("<b>the fox</b>", 40, (), "<b>the fox</b>"), ("\n\nthe fox", 40, ("\n",), ""), ("<tr", 1, (), "<"),
     ("the <think> mark </think> is quoted", 60, (), "the <think> mark </think> is quoted")],
)  # fmt: skip
def test_an_ordinary_reply_is_what_it_was(
    monkeypatch: pytest.MonkeyPatch, script: str, most: int, stop: tuple[str, ...], text: str
) -> None:  # fmt: skip
    found = written(monkeypatch, script, Generate(chat("where"), max_new_tokens=most, stop=stop))
    assert (found.text, found.thought, found.thought_finished) == (text, "", True)
    assert found.n_tokens <= most


def prompts(made: TransformersBackend) -> tuple[str, str]:
    """What a reply and what a scored continuation follow."""
    engine = made._ready(0)
    texts = engine.questions.texts({0: Generate(chat("hi"), 4), 1: Loglikelihood(chat("hi"), "yes")})
    made.close()
    assert isinstance(texts[0], str)
    assert isinstance(texts[1], str)
    return texts[0], texts[1]


EMPTY = "<think>\n\n</think>\n\n"
START = "<|user|>hi<|end|><|assistant|>"


@pytest.mark.parametrize(
    ("template", "thinking", "reply", "scored", "switch"),
    [
        (SWITCHED, "auto", START, START + EMPTY, "enable_thinking"),
        (SWITCHED, "off", START + EMPTY, START + EMPTY, "enable_thinking"),
        (BODY + "{% if thinking %}<think>{% endif %}", "on", START + "<think>", START, "thinking"),
        (OPENED, "off", START + "<think>\n", START + EMPTY, None),
        (BODY, "off", START, START, None),
    ],
)
def test_the_templates_switch(template: str, thinking: str, reply: str, scored: str, switch: str | None) -> None:
    made = backend(words(template), thinking=thinking)
    engine = made._ready(0)
    assert made.describe()["thoughts"]["switch"] == switch
    assert made.describe()["thinking"] == thinking
    assert engine.thinking.knows is ("<think>" in template)
    assert prompts(made) == (reply, scored)


def test_a_continuation_is_scored_as_an_answer() -> None:
    opened, closed = backend(words(OPENED)), backend(words(BODY + "{{ '<think>\\n\\n</think>\\n\\n' }}"))
    asked = [Loglikelihood(chat("hi"), "yes, seven")]
    [(_, first)], [(_, second)] = list(opened.run(asked)), list(closed.run(asked))
    assert isinstance(first, Logprob)
    assert first == second


@pytest.mark.parametrize(
    ("prompt", "closes"),
    [("a<think>\n", "\n</think>\n\n"), ("a [THINK]", "\n\n[/THINK]\n\n"), ("<seed:think>", "\n\n</seed:think>\n\n"),
     ("<|START_THINKING|>", "<|END_THINKING|>\n\n"), ("<|inner_prefix|>", "<|inner_suffix|>\n\n"), ("a", ""),
     ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>")],
)  # fmt: skip
def test_an_opened_thought_is_closed(prompt: str, closes: str) -> None:
    assert closing(prompt) == closes


def test_the_tokenizers_own_schema_tells_that_a_model_thinks() -> None:
    tokenizer = words()
    tokenizer.init_kwargs["response_schema"] = {"x-regex": r"^(?:<think>(?P<thinking>.*?)<\/think>)?(?P<content>.*)$"}
    form, settings = Form("own"), Settings()
    assert thinking_of(tokenizer, BODY, form, settings).knows
    assert not thinking_of(words(), BODY, form, settings).knows
    assert thinking_of(words(special=True), BODY, form, settings).knows


def test_how_a_model_thinks_is_part_of_its_identity() -> None:
    prints = {
        backend(words(SWITCHED), **how).fingerprint
        for how in ({}, {"thinking": "on"}, {"thinking": "off"}, {"thought_tokens": 9})
    }
    assert len(prints) == 4
    with pytest.raises(SpecError, match="Unknown thinking"):
        load_backend(ModelSpec("smollm2-135m-instruct", thinking="of"))


def test_a_draw_does_not_depend_on_the_limit_of_thoughts() -> None:
    asked = [Generate("the fox", max_new_tokens=20, temperature=1.0, sample=n) for n in range(4)]
    short, long = (dict(backend(words(), template=False, thought_tokens=n).run(asked)) for n in (1, 500))
    assert {i: a.text for i, a in short.items()} == {i: a.text for i, a in long.items()}


class InProcess(Renderer):
    """Renders in this process, to spare a start of the child for each template."""

    def _exchange(self, question: Any, seconds: float) -> Any:
        return [self._one(messages, options) for messages, options in question]

    def _one(self, messages: Any, options: Any) -> dict[str, str]:
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            return {
                "text": render_jinja_template([messages], chat_template=self.template, add_generation_prompt=True, **options)[0][
                    0
                ]
            }
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}


def turns(*texts: str) -> tuple[Message, ...]:
    names = ("user", "assistant") * 3
    return tuple(Message(name, text) for name, text in zip(names, texts, strict=False))  # type: ignore[arg-type]


EACH = "{{% for m in messages %}}<|{{{{ m.role }}}}|>{{{{ {} }}}}<|end|>{{% endfor %}}<|assistant|>"
OTHERS = (
    "{{% for m in messages %}}{{% if m.role == 'system' %}}{}{{% else %}}"
    "<|{{{{ m.role }}}}|>{{{{ m.content }}}}{{% endif %}}{{% endfor %}}"
)
MISTRAL = (
    "{% for m in messages if m.role != 'system' %}"
    "{% if loop.last and messages[0].role == 'system' %}{{ messages[0].content }}\n\n{% endif %}{{ m.content }}{% endfor %}"
)
KIND, THREE, LONG = Message("system", "Be KIND."), turns("One.", "Two.", "Three."), "word " * 2000
TEMPLATES: dict[str, tuple[str, str, tuple[Message, ...], bool]] = {
    # template, system_role, a chat, whether it is asked
    "as given": (EACH.format("m.content"), "own", (KIND, *THREE), True),
    "trims": (EACH.format("m.content|trim"), "own", chat("  Hi. \n", system=" Be kind. "), True),
    "system before the last turn": (MISTRAL, "own", (KIND, *THREE), True),
    "passes over the system": (OTHERS.format(""), "merged", (KIND, *THREE), True),
    "another system text": (OTHERS.format("You are helpful."), "merged", (KIND, *THREE), True),
    "system in small letters": (OTHERS.format("{{ m.content|lower }}"), "merged", (KIND, *THREE), True),
    "system without lines": (OTHERS.format("{{ m.content|replace('\n', ' ') }}"), "mixed", chat("Hi.", system="a\nb"), True),
    "raises": (OTHERS.format("{{ raise_exception('no') }}"), "merged", (KIND, *THREE), True),
    "first message only": ("<|user|>{{ messages[0].content }}", "merged", chat("Hi.", system="Be kind."), True),
    "first of three": ("<|user|>{{ messages[0].content }}", "merged", THREE, False),
    "last of three": ("<|user|>{{ messages[-1].content }}", "merged", THREE, False),
    "no assistant": (EACH.format("m.content if m.role != 'assistant'"), "own", THREE, False),
    "one line": (EACH.format("m.content|replace('\n', ' ')"), "mixed", chat("One.\nTwo."), False),
    "one line, and it has one": (EACH.format("m.content|replace('\n', ' ')"), "mixed", chat("One. Two."), True),
    "no long text": (EACH.format("m.content if m.content|length < 900"), "mixed", chat(LONG), False),
    "cuts": (EACH.format("m.content[:700]"), "mixed", chat(LONG, system="Be kind."), False),
    "cuts, and all fits": (EACH.format("m.content[:700]"), "mixed", chat("Hi.", system="Be kind."), True),
    "escapes": (EACH.format("m.content|e"), "mixed", chat("1 < 2 & 3"), False),
    "turns backwards": (EACH.format("m.content").replace("messages", "messages|reverse"), "merged", THREE, False),
    "leaves out a word": (EACH.format("m.content|replace('secret', '')"), "own", chat("Hi.", system="A secret."), False),
}  # fmt: skip


@pytest.mark.parametrize(("template", "role", "asked", "answered"), TEMPLATES.values(), ids=TEMPLATES)
def test_a_template_that_loses_a_text_gives_no_answer(template: str, role: str, asked: Any, answered: bool) -> None:
    renderer = InProcess(template)
    assert renderer.check().system_role == role
    [reply] = renderer.render([asked])
    assert (bool(reply.text), bool(reply.error)) == (answered, not answered)
    assert not answered or all(message.content.strip() in reply.text for message in asked)


def test_templates_may_take_thoughts_out_of_earlier_turns() -> None:
    split = "{{ m.content.split('</think>')[-1].lstrip() if m.role == 'assistant' else m.content }}"
    renderer = InProcess("{% for m in messages %}<|{{ m.role }}|>" + split + "{% endfor %}<|assistant|>")
    [whole] = renderer.render([turns("One.", "<think>\nhm\n</think>\n\nTwo.", "Three.")])
    assert whole.text == "<|user|>One.<|assistant|>Two.<|user|>Three.<|assistant|>"
    [cut] = InProcess(renderer.template.replace("[-1]", "[0]")).render([turns("One.", "<think>hm</think>Two.", "Three.")])
    assert "the assistant says in message 2" in cut.error


@pytest.mark.parametrize("template", ["<|user|>hello", EACH.format("m.content|lower"), EACH.format("m.content[:4]")])
def test_a_template_that_loses_every_text_is_refused(template: str) -> None:
    with pytest.raises(ModelError, match="what the user says"):
        InProcess(template).check()


def test_a_lost_text_is_a_failure_of_its_request_only() -> None:
    made = backend(words(EACH.format("m.content|replace('\\n', ' ')")))
    answers = dict(made.run([Generate(chat("One.\nTwo."), 2), Generate(chat("One."), 2)]))
    about = made.describe()
    made.close()
    assert isinstance(answers[0], Failure)
    assert "whole and unchanged" in answers[0].message
    assert isinstance(answers[1], Completion)
    assert "user, several lines" in about["template_faults"]
