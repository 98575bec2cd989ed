"""A trial of a tokenizer's files in the child: loaded, tried on texts, and bounded in what one token or letter may become.

The libraries that read them are written in Rust and C++: they may panic, end the process, or take all memory or time. The
caller bounds this process before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from heapq import nsmallest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..transformers.files import ModelError, read_bytes, read_json, read_object, read_text

#: Added tokens at most: models of speech bring 65,536.
MAX_ADDED = 2**16 + 2**13
#: What one letter may become by normalising, and the letters that one token may become by decoding.
GROWTH, LETTERS = 1024, 16384
#: Tokens of a trial text at most: these, and so many for each of its bytes.
SPARE, EACH = 64, 16
#: The longest text that a normaliser's table may put for one letter, in bytes.
MAPPED = 256
TRIALS = (
    "Hello, world! It's 1,234.5 degrees.", "word " * 300, "a" * 1000, " " * 1000, "\n" * 300, "1" * 1000, ".,;:-_()[]{}" * 60,
    "Ünïcödé 漢字かな 한국어 العربية 🙂👩‍👩‍👧 \u0301\u200d\ufeff\x00\x07", "aB1 " * 200 + "!", "x" * 500 + "\t" * 500 + "y",
)  # fmt: skip
#: Decoded at once in the trial.
BLOCK = 64
#: Letters of one pattern; those of known tokenizers have a few hundred, and the library's time grows with them.
MOST_PATTERN = 2**14
#: Letters of regular expressions that are tried in runs.
MOST_PUMPED = 128

JSON_TABLES = ("vocab.json",)
TEXT_TABLES = ("merges.txt", "vocab.txt")
PIECES = (".model", ".spm")


def trial_files(folder: Path) -> list[Path]:
    """Return the tokenizer's files that a trial reads."""
    names = ("tokenizer.json", "tekken.json", *JSON_TABLES, *TEXT_TABLES)
    found = [folder / name for name in names if (folder / name).is_file()]
    return found + sorted(path for path in folder.iterdir() if path.suffix in PIECES and path.is_file())


def trial_digest(paths: Sequence[Path]) -> str:
    """sha256, in hex, of what a trial depends on: names and contents of the files, this module, and the libraries."""
    whole = hashlib.sha256(Path(__file__).read_bytes())
    for library in ("tokenizers", "sentencepiece"):
        with suppress(PackageNotFoundError):
            whole.update(f"{library} {version(library)}\n".encode())
    for path in paths:
        data = read_bytes(path)
        whole.update(f"{path.name} {len(data)}\n".encode("utf-8", "surrogateescape") + data)
    return whole.hexdigest()


def try_tokenizer(folder: Path) -> None:
    """Load and try whatever tokenizer files a folder has.

    Raises:
        ModelError: one line that names the file and the fault.
    """
    for path in trial_files(folder):
        if path.name == "tokenizer.json":
            _try_fast(path)
        elif path.name in JSON_TABLES:
            _check_words(path, read_object(path))
        elif path.name in TEXT_TABLES:
            _check_words(path, read_text(path).splitlines())
        elif path.name == "tekken.json":
            read_json(path)
        else:
            _try_pieces(path)


def _check_words(path: Path, words: Any) -> None:
    longest = max(map(len, words), default=0)
    if longest > LETTERS:
        raise ModelError(f"{path}: a token of {longest} letters; at most {LETTERS} are taken")


def _try_fast(path: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = _guarded(path, "cannot be loaded", lambda: Tokenizer.from_buffer(_few_added(path)))
    parts = {name: _state(getattr(tokenizer, name)) for name in ("normalizer", "pre_tokenizer", "decoder")}
    _check_patterns(path, parts)
    grown = growth(parts["normalizer"])
    if grown > GROWTH:
        raise ModelError(f"{path}: its normaliser makes up to {grown:.0f} letters of one; at most {GROWTH} are taken")
    for part in _nodes(parts["normalizer"]):
        _check_map(path, part.get("precompiled_charsmap"))
    words = _guarded(path, "cannot be read", lambda: tokenizer.get_vocab(with_added_tokens=True))
    longest = max(map(len, words), default=0) * growth(parts["decoder"])
    if longest > LETTERS:
        raise ModelError(f"{path}: one token decodes to up to {longest:.0f} letters; at most {LETTERS} are taken")
    tokenizer.no_padding()
    tokenizer.no_truncation()

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=True).ids)

    def decode(ids: Sequence[int]) -> str:
        return str(tokenizer.decode(list(ids), skip_special_tokens=False))

    rare = nsmallest(BLOCK, words, key=lambda word: (-len(word), word))
    _try(path, encode, decode, [*TRIALS, *_pumped(parts), "".join(rare)[:4096]], [words[word] for word in rare])


def _few_added(path: Path) -> bytes:
    """Return the file as it is, if its added tokens are not too many: loading them takes the square of their number."""
    data = read_bytes(path)
    added = data.count(b'"single_word"')
    if added > MAX_ADDED:
        raise ModelError(f"{path}: {added} added tokens; at most {MAX_ADDED} are taken")
    return data


def _try(path: Path, encode: Any, decode: Any, texts: Sequence[str], ids: Sequence[int]) -> None:
    """Encode texts and decode what comes of them; then decode ``ids``, the longest tokens."""
    for text in texts:
        made = _guarded(path, f"fails on the text {text[:12]!r}", lambda text=text: encode(text))
        most = SPARE + EACH * len(text.encode("utf-8", "replace"))
        if len(made) > most:
            raise ModelError(f"{path}: makes {len(made)} tokens of a text of {len(text)} letters; at most {most} are taken")
        _check_reply(path, made, _guarded(path, f"fails on the tokens of {text[:12]!r}", lambda made=made: decode(made)))
    _check_reply(path, ids, _guarded(path, "fails on its longest tokens", lambda: decode(ids)))


def _check_reply(path: Path, ids: Sequence[int], text: str) -> None:
    if len(text) > LETTERS * max(1, len(ids)):
        raise ModelError(f"{path}: writes {len(text)} letters for {len(ids)} tokens; at most {LETTERS} for each are taken")


def _guarded(path: Path, what: str, step: Any) -> Any:
    """Return what ``step`` gives; a panic of a Rust library is no ``Exception``."""
    try:
        return step()
    except ModelError:
        raise
    except MemoryError:
        raise ModelError(f"{path}: the tokenizer {what}: it needs too much memory") from None
    except BaseException as error:
        detail = " ".join(str(error).split())[:120] or "no message"
        raise ModelError(f"{path}: the tokenizer {what} ({type(error).__name__}: {detail})") from None


def _state(part: Any) -> Any:
    """Return a tokenizer's part as the JSON that it was made from; None where it has none."""
    return None if part is None else json.loads(part.__getstate__())


def _nodes(data: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON tree."""
    if isinstance(data, dict):
        yield data
    for value in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from _nodes(value)


def growth(part: Any) -> float:
    """Return an upper limit of the letters that one letter, or one token's letters each, become by all replacements of a part.

    A replacement of a fixed text takes that text away; a regular expression may match between any two letters.
    """
    factors = []
    for node in _nodes(part):
        if node.get("type") == "Replace":
            pattern, content = node.get("pattern") or {}, len(str(node.get("content") or ""))
            fixed = str(pattern.get("String") or "")
            if fixed:
                factors.append(max(1.0, content / len(fixed)))
            else:
                factors.append(max(1.0, content) if _takes(str(pattern.get("Regex") or "")) else 1.0 + content)
    return math.prod(factors)


def _takes(pattern: str) -> bool:
    """Return whether a regular expression surely takes a letter away where it matches."""
    if any(mark in pattern for mark in ("(?", "\\b", "\\B", "^", "$", "|", "\\K")):
        return False
    try:
        return re.compile(pattern).match("") is None
    except (re.error, OverflowError, RecursionError):
        return False


def _pumped(parts: Any) -> list[str]:
    """Runs of each letter that occurs in a regular expression of a tokenizer's parts, with another letter after them.

    Such runs are where a pattern that goes back and forth without end shows it.
    """
    found = {str(node["Regex"]) for node in _nodes(parts) if isinstance(node.get("Regex"), str)}
    letters = sorted({letter for pattern in found for letter in pattern if letter.isalnum()} | {"a", "1", " ", "."})
    rest = "\x01" + "".join(letters)  # a pattern may not begin to search a text without its fixed letters
    return [letter * 64 + rest for letter in letters[:MOST_PUMPED]] if found else []


def _check_patterns(path: Path, parts: Any) -> None:
    longest = max((len(str(text)) for node in _nodes(parts) if (text := node.get("Regex") or node.get("String"))), default=0)
    if longest > MOST_PATTERN:
        raise ModelError(f"{path}: a pattern of {longest} letters; at most {MOST_PATTERN} are taken")


def _check_map(path: Path, table: Any) -> None:
    """Bound what a compiled table of replacements (SentencePiece's) puts for one letter.

    Layout: four bytes with the size of a trie, the trie, then texts that each end with a zero byte.
    """
    if not table:
        return
    try:
        raw = base64.b64decode(table) if isinstance(table, str) else bytes(table)
    except (binascii.Error, ValueError, TypeError):
        raise ModelError(f"{path}: 'precompiled_charsmap' is damaged") from None
    texts = raw[4 + int.from_bytes(raw[:4], "little") :]
    longest = max(map(len, texts.split(b"\0")), default=0)
    if longest > MAPPED:
        raise ModelError(f"{path}: its normaliser puts {longest} bytes for one letter; at most {MAPPED} are taken")


def _try_pieces(path: Path) -> None:
    """A SentencePiece model; without the library, which transformers needs to read one too, its size alone is bounded."""
    data = read_bytes(path)
    try:
        import sentencepiece
    except ImportError:
        return
    made = _guarded(path, "cannot be loaded", lambda: sentencepiece.SentencePieceProcessor(model_proto=data))
    count = made.get_piece_size()
    words = [made.id_to_piece(i) for i in range(count)]
    _check_words(path, words)
    order = sorted(range(count), key=lambda i: -len(words[i]))[:BLOCK]
    _try(path, made.encode, made.decode, [*TRIALS, "".join(words[i] for i in order)[:4096]], order)
