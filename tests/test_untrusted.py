"""Files made to exhaust the machine or to break a library: a child process refuses them in one line, small and soon."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from pytest_slmtrust import BackendError, Completion, Failure, Generate, chat
from pytest_slmtrust.backends.load import ModelSpec, load_backend, wrap_loaded
from pytest_slmtrust.backends.transformers.files import ModelError, read_json
from pytest_slmtrust.backends.transformers.lint import lint_model_folder
from pytest_slmtrust.backends.transformers.template import Renderer
from pytest_slmtrust.backends.transformers.tokens import Unreadable, make_codec
from pytest_slmtrust.backends.untrusted.tokenizer import growth, try_tokenizer
from pytest_slmtrust.backends.untrusted.verdict import forget, inspect_files


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("model") / "good")


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "model"))


def _config(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: tiny.edit(folder / "config.json", **changes)


def _tokenizer(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        path = folder / "tokenizer.json"
        data = json.loads(path.read_text("utf-8"))
        change(data)
        path.write_text(json.dumps(data), "utf-8")

    return apply


def _part(**parts: Any) -> Callable[[Path], object]:
    return _tokenizer(lambda data: data.update(parts))


def _replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _split(pattern: str) -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {"type": "Sequence", "pretokenizers": [split, level]}


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return apply


def _grown(name: str, size: int) -> Callable[[Path], object]:
    """The file with a hole of zeros after it, which takes no place on the disk."""
    return lambda folder: os.truncate(folder / name, size)


def _long_token(data: dict[str, Any]) -> None:
    data["model"]["vocab"]["x" * 400_000] = len(data["model"]["vocab"])


def _many_added(data: dict[str, Any]) -> None:
    like = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    data["added_tokens"] += [{"id": 1000 + i, "content": f"<{i}>", **like} for i in range(80_000)]


def _endless_suffix(data: dict[str, Any]) -> None:
    single = [{"SpecialToken": {"id": "x", "type_id": 0}}] * 10 + [{"Sequence": {"id": "A", "type_id": 0}}]
    special = {"x": {"id": "x", "ids": [1] * 50_000, "tokens": ["x"] * 50_000}}
    pair = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    data["post_processor"] = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def _header(size: int) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(size.to_bytes(8, "little") + b'{"w":')
        os.truncate(folder / "model.safetensors", size + 8)

    return apply


def _tensors(count: int, stride: int = 0) -> Callable[[Path], object]:
    """A header with so many further tensors, each of ``stride`` bytes."""

    def apply(folder: Path) -> None:
        path = folder / "model.safetensors"
        raw = path.read_bytes()
        size = int.from_bytes(raw[:8], "little")
        header, held = json.loads(raw[8 : 8 + size]), len(raw) - 8 - size
        for n in range(count):
            header[f"w{n}"] = {"dtype": "U8", "shape": [stride], "data_offsets": [held + n * stride, held + (n + 1) * stride]}
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :] + bytes(count * stride))

    return apply


def _further_template(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").symlink_to("/dev/zero")


#: Refused by the whole way through a child.
BOMBS: dict[str, tuple[Callable[[Path], object], str]] = {
    "labels": (_config(num_labels=10**9), r"config\.json: key 'num_labels' is 1000000000"),
    "labels as a fraction": (_config(num_labels=1e9), r"key 'num_labels' is 1000000000\.0; expected a whole number"),
    "labels as a text": (_config(text_config={"num_labels": "7"}), r"key 'text_config\.num_labels' is '7'; expected a whole"),
    "a config of 63 MB": (_grown("config.json", 63 * 2**20), r"config\.json: 66060288 bytes"),
    "added tokens": (_tokenizer(_many_added), r"tokenizer\.json: \d+ added tokens"),
    "doubling normalisers": (
        _part(normalizer={"type": "Sequence", "normalizers": [_replace({"String": "a"}, "aa")] * 40}),
        r"tokenizer\.json: its normaliser makes up to 1099511627776 letters of one",
    ),
    "a decoder that writes": (_part(decoder=_replace({"Regex": "[a-z]"}, "x" * 400_000)),
        r"one token decodes to up to \d+ letters"),
    "a safetensors header of 93 MB": (_header(93 * 2**20), r"model\.safetensors: not a safetensors file \(a header of 97517568"),
    "a template without end": (_instead("chat_template.jinja", lambda p: p.symlink_to("/dev/zero")),
        r"chat_template\.jinja: a device"),
    "a further template without end": (_further_template, r"tools\.jinja: a device"),
    "a template that is a pipe": (_instead("chat_template.jinja", os.mkfifo), r"chat_template\.jinja: a pipe"),
    "a config that is a pipe": (_instead("config.json", os.mkfifo), r"config\.json: a pipe"),
    "a pattern that panics": (_part(pre_tokenizer=_split("(a+)+$")), r"tokenizer\.json: the tokenizer fails on .*Panic"),
    "a pattern that panics late": (_part(normalizer=_replace({"Regex": "(?:q|q)*Z"}, "z")),
        r"tokenizer\.json: the tokenizer fails on .*Panic"),
    "a suffix of half a million tokens": (_tokenizer(_endless_suffix), r"tokenizer\.json"),
}  # fmt: skip


@pytest.mark.usefixtures("real_readers")
@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_is_refused_small_and_soon_in_one_line(what: str, folder: Path) -> None:
    make, says = BOMBS[what]
    make(folder)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(ModelError, match=says) as caught:
        inspect_files(folder).finish()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "\n" not in str(caught.value)
    assert after.ru_utime - before.ru_utime < 10
    # in kB, the largest child of all: an earlier one may have been larger, and each begins with the size of this process
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after.ru_maxrss < 2**20 or after.ru_maxrss <= max(before.ru_maxrss, own)


#: Further inputs of each kind, in this process: nothing of them is large or breaks a library.
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "classes": (_config(n_classes=70_000), r"key 'n_classes' is 70000"),
    "labels by name": (_config(id2label={str(i): "x" for i in range(2**17 + 1)}), r"key 'id2label' has 131073 entries"),
    "a hidden size": (_config(hidden_size=10**9), r"key 'hidden_size'"),
    "a hidden size of another model": (_config(hidden_size=2**20), r"vocab_size 420 times hidden size 1048576 is more"),
    "a vocabulary of another model": (_config(vocab_size=4 * 10**6), r"vocab_size 4000000 times hidden size 32 is more"),
    "sizes layer by layer": (_config(intermediate_size=[48, 10**8]), r"key 'intermediate_size' is 100000000"),
    "positions": (_config(max_position_embeddings=10**9), r"key 'max_position_embeddings'"),
    "a number of 4,000 digits": (_config(pad=10**4000), r"key 'pad' is a number of more than 24 digits"),
    "a key twice": (
        lambda f: (f / "config.json").write_text((f / "config.json").read_text().replace("{", '{"vocab_size": 9,', 1)),
        r"config\.json: .*'vocab_size' is twice",
    ),
    "a byte order mark": (lambda f: (f / "config.json").write_bytes(b"\xef\xbb\xbf{}"),
        r"config\.json: begins with a byte order"),
    "UTF-16": (lambda f: (f / "tokenizer_config.json").write_bytes("{}".encode("utf-16")),
        r"tokenizer_config\.json: begins with"),
    "Latin-1": (lambda f: (f / "generation_config.json").write_bytes(b'{"a": "\xe9"}'), r"generation_config\.json: not UTF-8"),
    "a sparse tokenizer": (_grown("tokenizer.json", 10 * 2**30), r"tokenizer\.json: 10737418240 bytes"),
    "a sparse list of added tokens": (
        lambda f: ((f / "added_tokens.json").touch(), os.truncate(f / "added_tokens.json", 2**32)),
        r"added_tokens\.json: 4294967296 bytes",
    ),
    "a million added tokens elsewhere": (
        lambda f: tiny.edit(f / "tokenizer_config.json", added_tokens_decoder={str(i): {} for i in range(150_000)}),
        r"key 'added_tokens_decoder' has 150000 entries",
    ),
    "a folder as config": (_instead("config.json", Path.mkdir), r"config\.json: a folder"),
    "a loop of links": (_instead("tokenizer_config.json", lambda p: p.symlink_to(p.name)),
        r"tokenizer_config\.json: a link that leads"),
    "a broken link": (_instead("special_tokens_map.json", lambda p: p.symlink_to("gone")),
        r"special_tokens_map\.json: a link that leads"),
    "a link to another place": (_instead("generation_config.json", lambda p: p.symlink_to("/etc/hostname")),
        r"outside of the model"),
    "weights that are a pipe": (_instead("model.safetensors", os.mkfifo), r"model\.safetensors: a pipe"),
    "a header with a tensor twice": (
        lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 13) + b'{"w":1,"w":2}'), r"header is damaged"
    ),
    "tensors of nothing": (_tensors(120_000), r"model: its weights are 120021 tensors in \d+ bytes; at most 1\d{4} are taken"),
    "tensors of next to nothing": (_tensors(20_000, 1), r"model: its weights are 20021 tensors"),
    "special tokens in the depth": (
        lambda f: (f / "special_tokens_map.json").write_text('{"a":' * 40 + "1" + "}" * 40),
        r"special_tokens_map\.json: nested deeper",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_file_of_another_kind_size_or_sense_is_refused(what: str, folder: Path) -> None:
    make, says = REFUSED[what]
    make(folder)
    with pytest.raises(ModelError, match=says) as caught:
        lint_model_folder(folder)
    assert "\n" not in str(caught.value)


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a long token": (_tokenizer(_long_token), r"one token decodes to up to 400000 letters"),
    "replacements after a fixed text": (_part(decoder=_replace({"String": "a"}, "b" * 20_000)), r"decodes to up to \d+ letters"),
    "a pattern of many alternatives": (_part(pre_tokenizer=_split("|".join(map(str, range(20_000))))), r"a pattern of 1\d+ let"),
    "a long fixed text": (_part(normalizer=_replace({"String": "ab" * 9_000}, "c")), r"a pattern of 18000 letters"),
    "a regular expression that is none": (_part(normalizer=_replace({"Regex": "((("}, "x")), r"cannot be loaded"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").write_text("[]"), r"cannot be loaded"),
    "a table of replacements": (
        _part(normalizer={"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAA" + "eHh4" * 200}),
        r"tokenizer\.json",
    ),
    "pieces that are none": (lambda f: (f / "tokenizer.model").write_bytes(b"\x0a\xff" * 99),
        r"tokenizer\.model: .*cannot be loaded"),
    "a line of a megabyte": (lambda f: (f / "vocab.txt").write_text("x" * 10**6), r"vocab\.txt: a token of 1000000 letters"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_tokenizer_that_breaks_or_writes_without_end_is_refused(what: str, folder: Path) -> None:
    make, says = BROKEN[what]
    make(folder)
    with pytest.raises(ModelError, match=says):
        try_tokenizer(folder)


def test_a_good_folder_is_inspected_once_and_again_when_a_file_changes(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("{{ messages }}")
    (folder / "README.md").symlink_to("nowhere")
    found = inspect_files(folder)
    found.finish()
    assert inspect_files(folder) is found
    tiny.edit(folder / "config.json", max_position_embeddings=128)
    with pytest.raises(ModelError, match=r"config\.json: changed while"):
        found.finish()
    again = inspect_files(folder)
    assert again is not found
    with pytest.raises(ModelError, match=r"adapter_config\.json: changed while"), again.held():
        (folder / "adapter_config.json").write_text("{}")


def test_a_hostile_tokenizer_is_refused_before_the_imports(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tokenizer(_long_token)(folder)
    backend = load_backend(ModelSpec(str(folder)))
    monkeypatch.setitem(sys.modules, "transformers", None)  # an import of it would fail
    with pytest.raises(BackendError, match=r"one token decodes to up to 400000 letters"):
        list(backend.run([Generate("the fox")]))


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ 'ab' * 10**10 }}", "MemoryError"),
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "seconds of processor time"),
        ("{{ messages.__class__.__base__.__subclasses__() }}", "SecurityError"),
        ("{{ bos_token }}{% if messages %}never closed", "TemplateSyntaxError"),
        ("{{ bos_token + 'hello' }}", "what the user says"),
    ],
)
def test_a_hostile_template_is_refused_before_the_imports(
    folder: Path, template: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "chat_template.jinja").write_text(template)
    tiny.edit(folder / "tokenizer_config.json", bos_token={"content": "<s>", "__type": "AddedToken"})
    backend = load_backend(ModelSpec(str(folder)))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(BackendError, match=why):
        list(backend.run([Generate("the fox")]))


def test_a_template_that_wants_a_token_which_no_file_names_is_tried_again_with_the_tokenizer() -> None:
    text = "{{ cls_token + 'x' }}" + tiny.TEMPLATE
    early = Renderer.of(text, {"eos_token": "</s>"})
    early.check_early()
    assert early.form is None
    assert Renderer.of(text, {"cls_token": "<c>", "eos_token": "</s>"}).check().system_role
    with pytest.raises(ModelError, match="UndefinedError"):
        Renderer.of("{{ nothing + 'x' }}" + tiny.TEMPLATE, {}).check_early()
    with pytest.raises(ModelError, match="MemoryError"):
        Renderer.of("{{ cls_token }}{{ 'x' * 10**10 }}", {}).check_early()


def test_the_early_trial_of_a_template_is_the_one_that_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(Renderer, "check", lambda self, check=Renderer.check: started.append("") or check(self))
    (folder / "chat_template.jinja").write_text("{{ bos_token }}" + tiny.TEMPLATE)
    backend = load_backend(ModelSpec(str(folder)))
    assert isinstance(dict(backend.run([Generate(chat("the fox"), 2)]))[0], Completion)
    assert len(started) == 1


def test_compressed_pickles_of_a_model_are_refused_by_the_child(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**20))
    with pytest.raises(ModelError, match="is compressed"):
        inspect_files(folder, "model", allow_pickle=True)


@pytest.mark.usefixtures("private_cache")
def test_a_trial_that_went_well_is_remembered_until_a_file_of_it_changes(folder: Path, tmp_path: Path) -> None:
    memory = tmp_path / "cache" / "tokenizers-tried.txt"

    def trials() -> tuple[str, ...]:
        forget(folder)
        found = inspect_files(folder)
        found.finish()
        return found.tokenizer

    assert trials() == ("tokenizer.json",)
    assert len(memory.read_text().split()) == 1
    assert trials() == ()
    memory.write_bytes(b"no digest\xff\n")
    assert trials() == ("tokenizer.json",)
    _tokenizer(_long_token)(folder)
    known = memory.read_text()
    with pytest.raises(ModelError):
        trials()
    assert memory.read_text() == known


def test_replacements_grow_a_text_by_their_product() -> None:
    twice, thrice = _replace({"String": "ab"}, "abcd"), _replace({"Regex": "[x-z]"}, "abc")
    assert growth({"type": "Sequence", "normalizers": [twice, thrice]}) == 6
    assert growth(_replace({"String": " "}, "\u2581")) == growth(None) == growth({"type": "NFC"}) == 1
    assert growth(_replace({"Regex": "(?=a)"}, "bc")) == 3  # between two letters


class PanicException(BaseException):
    """Named as the panics of Rust libraries are; theirs cannot be imported."""


def test_a_panic_while_texts_are_read_fails_the_request_alone(capfd: pytest.CaptureFixture[str]) -> None:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex("(a+)+$"), "isolated")
    codec = make_codec(PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="?"), [])
    assert codec.plain("b") == [1]
    with pytest.raises(Unreadable, match="the tokenizer's library broke") as caught:
        codec.plain("a" * 60 + "b")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_reply_has_a_length_and_one_that_breaks_its_decoder_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenizers import Regex, Tokenizer, decoders

    tokenizer = tiny.tokenizer()
    raw = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    raw.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace(Regex("."), "x" * 5000)])
    wordy = type(tokenizer)(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>")
    backend = wrap_loaded(tiny.model(), wordy)
    answers = dict(backend.run([Generate("the fox", max_new_tokens=n) for n in (2, 40)]))
    assert [type(answers[i]) for i in (0, 1)] == [Failure, Failure]
    assert re.match(r"the reply has \d{4,} letters in [12] tokens; at most \d{4} are taken", answers[0].message)

    def panic(*_: object, **__: object) -> str:
        raise PanicException("a pattern\nwithout end")

    monkeypatch.setattr(wordy, "decode", panic)
    answer = dict(backend.run([Generate("the fox", max_new_tokens=3)]))[0]
    assert isinstance(answer, Failure)
    assert "\n" not in answer.message


def test_a_file_that_grows_while_it_is_read_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"a": 1}')
    assert read_json(path, 8) == {"a": 1}
    with pytest.raises(ModelError, match="8 bytes; a file of this name has at most 7"):
        read_json(path, 7)
