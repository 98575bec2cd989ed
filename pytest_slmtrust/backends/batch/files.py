"""Files of a batch as OpenAI's Batch API, ``vllm run-batch`` and several vendors take and give them: a line a request.

https://platform.openai.com/docs/guides/batch describes both files. A file of requests holds one path only, so chats and raw
completions go into files apart. Each line's ``custom_id`` is the request's key in the store. What was asked is kept next to
the store, since the file of answers holds no requests.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...plainfile import read_plain_text
from ...requests import Failure, Generate, Message, Request
from ..endpoint.dialect import CHAT, Dialect, read_reply, same_model
from ..endpoint.fault import Fault

#: Beside the store: every request that a batch was written for.
WRITTEN = "batch.jsonl"
#: Characters of one line of a file of answers.
LONGEST_LINE = 8_000_000
#: Bytes of the file of what was asked.
_LARGEST = 2**31
#: Entries of a request's line.
_OF_REQUEST = {"custom_id", "method", "url", "body"}


class BatchError(ValueError):
    """A file that does not hold a batch's answers; one line that says what to do."""


def write_open(target: Path, folder: Path, dialect: Dialect, wanted: Mapping[str, Request[Any]]) -> dict[Path, int]:
    """Write open requests, by their keys in the store, and return how many each file holds.

    Files of an earlier wave are replaced, or deleted where nothing is open any more.

    Raises:
        BatchError: a file that is there holds something else.
        OSError: a file cannot be written.
    """
    parts: dict[Path, list[str]] = {target: [], target.with_name(f"{target.stem}.completions{target.suffix}"): []}
    chats, raw = parts.values()
    for key, request in wanted.items():
        assert isinstance(request, Generate)
        path, body = dialect.question(request)
        body.pop("stream")
        line = json.dumps({"custom_id": key, "method": "POST", "url": path, "body": body})
        (chats if path == CHAT else raw).append(f"{line}\n")
    ours = {place: _is_ours(place) for place in parts}
    for place, lines in parts.items():
        if lines and not ours[place]:
            raise BatchError(f"{place}: holds something else than requests of a batch; it was not replaced, so name another file")
    if wanted:
        _remember(folder / WRITTEN, dialect, wanted)
    for place, lines in parts.items():
        if lines:
            place.write_text("".join(lines), encoding="utf-8")
        elif ours[place]:
            place.unlink(missing_ok=True)
    return {path: len(lines) for path, lines in parts.items() if lines}


def _is_ours(path: Path) -> bool:
    """Return whether nothing is at the path, or a file of requests of a batch."""
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        first = file.readline(LONGEST_LINE)
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == _OF_REQUEST


def _remember(path: Path, dialect: Dialect, wanted: Mapping[str, Request[Any]]) -> None:
    how = json.dumps(asdict(dialect), sort_keys=True)
    known = set(remembered(path)) if os.path.lexists(path) else set[str]()
    with path.open("a", encoding="utf-8") as file:
        path.chmod(0o600)
        file.write("\n" if file.tell() else "")  # after a line that a kill cut short, too
        for key, request in wanted.items():
            if key not in known:
                file.write(json.dumps({"key": key, "dialect": how, "request": request.payload()}) + "\n")


def remembered(path: Path) -> dict[str, tuple[Dialect, Generate]]:
    """Return what was written for a batch, by key in the store; a line that a kill cut short is left out."""
    found: dict[str, tuple[Dialect, Generate]] = {}
    try:
        lines = read_plain_text(path, _LARGEST).splitlines()
    except (OSError, ValueError) as error:
        raise BatchError(f"{path}: cannot be read ({error}); slmtrust batch write makes it") from None
    for line in lines:
        try:
            data = json.loads(line)
            asked = data["request"]
            prompt = asked["prompt"] if isinstance(asked["prompt"], str) else tuple(Message(**one) for one in asked["prompt"])
            request = Generate(**{**asked, "prompt": prompt, "stop": tuple(asked["stop"])})
            found[str(data["key"])] = Dialect(**json.loads(data["dialect"])), request
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found


def read_answers(path: Path, asked: Mapping[str, tuple[Dialect, Generate]]) -> Iterator[tuple[str, Any]]:
    """Yield each line's ``custom_id``, and its answer or a :class:`Failure`; an empty id where a line cannot be read.

    Raises:
        BatchError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                if not line.strip():
                    continue
                if len(line) == LONGEST_LINE:
                    raise BatchError(f"{path}: a line has {LONGEST_LINE} bytes or more; expected a reply's JSON a line")
                yield _answer(line, asked)
    except OSError as error:
        raise BatchError(f"{path}: cannot be read ({error.strerror})") from None


def _answer(line: bytes, asked: Mapping[str, tuple[Dialect, Generate]]) -> tuple[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return "", Failure("the line is not JSON")
    key = data.get("custom_id") if isinstance(data, dict) else None
    if not isinstance(key, str) or key not in asked:
        return "", Failure("its custom_id is none that was written")
    dialect, request = asked[key]
    response = data.get("response")
    if data.get("error") or not isinstance(response, dict):
        return key, Failure(f"the batch says: {_said(data.get('error'))}")
    if response.get("status_code", 200) != 200:
        return key, Failure(f"the batch says: status {str(response['status_code'])[:20]}, {_said(response.get('body'))}")
    body = response.get("body")
    try:
        name = read_reply(body).model
        if name and not same_model(dialect.model, name):
            return key, Failure(f"it answers as {name[:60]!r}; expected {dialect.model[:60]!r}")
        return key, dialect.reader(request)(body)
    except Fault as fault:
        return key, Failure(str(fault))


def _said(error: Any) -> str:
    """Return what a batch says of a request that failed, in a few words."""
    while isinstance(error, dict) and "error" in error:
        error = error["error"]
    text = error.get("message") if isinstance(error, dict) else error
    return str(text)[:200] if text else "nothing"
