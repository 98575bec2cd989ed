"""Edits of an audit and of its attestation, and a table of what finds each: recomputing, or the signature alone.

python tests/tampered.py            # write docs/results/tampering.md
"""

from __future__ import annotations

import base64
import copy
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from runs import run
from test_edited_audits import consistent
from test_versus import CONFTEST, OPTIONS, PROBE

from pytest_slmtrust.archive.verify import problems
from pytest_slmtrust.attestation.answers import signature_answer
from pytest_slmtrust.attestation.envelope import sign
from pytest_slmtrust.attestation.keys import key_id
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.exports.source import Source, to_json
from pytest_slmtrust.exports.statement import statement

Data = dict[str, Any]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "results" / "tampering.md"
NAMES = ("model.safetensors", "config.json", "tokenizer.json")


def audited(folder: Path) -> Data:
    """The audit of a scripted run, as of a model with three files."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "probe_polite.py").write_text(PROBE.format(n=40, extra=", tolerance=0.4"))
    run(folder, "--slm=conftest:child", *OPTIONS)
    data: Data = json.loads((folder / "slmtrust-report" / "audit.json").read_text())
    data["model"]["files"] = {name: "0" * 63 + str(i) for i, name in enumerate(NAMES)}
    return data


def gate(data: Data) -> Data:
    found: Data = data["gates"][0]
    return found


def _pass_all(data: Data) -> None:
    for one in data["findings"]:
        one["outcome"] = "passed"


def _swap_outcomes(data: Data) -> None:
    outcomes = [one["outcome"] for one in data["findings"]]
    for one, outcome in zip(data["findings"], reversed(outcomes), strict=True):
        one["outcome"] = outcome


#: Edits of audit.json. Whoever makes one also makes the verdict, the sentence and every number that our own code makes fit.
AUDIT: dict[str, Callable[[Data], object]] = {
    "status of a gate": lambda d: gate(d).update(status="PASS" if gate(d)["status"] != "PASS" else "FAIL"),
    "count of failures": lambda d: gate(d).update(failures=gate(d)["failures"] + 1),
    "count of items": lambda d: gate(d).update(items=4000),
    "upper bound": lambda d: gate(d).update(upper=0.001),
    "lower bound": lambda d: gate(d).update(lower=0.3),
    "observed rate": lambda d: gate(d).update(best=0.0, worst=0.0),
    "p-value": lambda d: gate(d).update(p_fail=0.5),
    "adjusted p-value": lambda d: gate(d).update(p_holm=0.999),
    "tolerance of one gate": lambda d: gate(d).update(tolerance=0.9),
    "alpha of one gate": lambda d: gate(d).update(alpha=0.4),
    "power": lambda d: gate(d).update(power=1.0),
    "a gate dropped": lambda d: d["gates"].pop(0),
    "a gate twice": lambda d: d["gates"].append(copy.deepcopy(gate(d))),
    "a finding twice": lambda d: d["findings"].append(copy.deepcopy(d["findings"][0])),
    "a finding dropped": lambda d: d["findings"].pop(0),
    "root over the answers": lambda d: d.update(answers_root="0" * 64),
    "what was not tested": lambda d: d.update(not_tested=[]),
    "profile": lambda d: d.update(profile="audit"),
    "name of the model": lambda d: d["model"].update(name="another-model"),
    "digest of the weights": lambda d: d["model"]["files"].update({NAMES[0]: "f" * 64}),
    "a file of the model dropped": lambda d: d["model"]["files"].pop(NAMES[1]),
    "a file of the model more": lambda d: d["model"]["files"].update({"extra.json": "e" * 64}),
    "fingerprint of the model": lambda d: d["model"].update(fingerprint="0" * 64),
    "a reply": lambda d: d["findings"][0]["evidence"].update(reply="Of course not."),
    "a question": lambda d: d["findings"][1]["evidence"].update(prompt="say nothing"),
    "every outcome, and all that follows": _pass_all,
    "outcomes changed over": _swap_outcomes,
    "claim of a user's probe": lambda d: gate(d).update(claim="The model is safe."),
    "time": lambda d: d["provenance"].update(started="2020-01-01T00:00:00+00:00"),
    "commit": lambda d: d["provenance"].update(commit="0" * 40),
    "platform": lambda d: d["provenance"].update(platform="another"),
    "command line": lambda d: d["settings"].update(arguments=["--slm=another"]),
    "digest of what was asked": lambda d: d["settings"]["rows_sha256"].update({gate(d)["nodeid"]: "0" * 64}),
    "counters": lambda d: d.update(resources={"seconds": 1}),
    "a note": lambda d: d.update(notes=["Reviewed by a notary."]),
    "a scorer": lambda d: d.update(scorers=[{"name": "experts", "kind": "people"}]),
}  # fmt: skip


def edited(data: Data, name: str) -> Audit:
    """The audit after an edit, made to fit as far as our own code can."""
    changed = copy.deepcopy(data)
    AUDIT[name](changed)
    made = Audit.from_json(json.dumps(changed))
    if name in ("root over the answers", "what was not tested", "profile"):
        return made
    try:
        fitting = consistent(changed, data)
    except Exception:  # our own code cannot follow the edit
        return made
    return made if json.loads(fitting.to_json()) == data else fitting


class Signed:
    """An audit with its attestation, in a folder, and edits of that attestation."""

    def __init__(self, data: Data, folder: Path) -> None:
        self.audit = Audit.from_json(json.dumps(data))
        self.key = Ed25519PrivateKey.generate()
        self.other = Ed25519PrivateKey.generate()
        self.name = key_id(self.key.public_key())
        self.folder = folder
        self.public = folder / "key.pub"
        self.public.write_bytes(self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))  # fmt: skip
        self.statement = statement(Source(self.audit))
        self.text = sign(to_json(self.statement).encode(), self.key, self.name)

    def wrong(self, audit: Audit, text: str | bytes) -> tuple[str, ...]:
        path = self.folder / "attestation.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return signature_answer(audit, path, self.public).wrong

    def re_signed(self, change: Callable[[Data], object]) -> str:
        """An attestation by the right key over another statement."""
        made = copy.deepcopy(self.statement)
        change(made)
        return sign(to_json(made).encode(), self.key, self.name)

    def _outer(self, change: Callable[[Data], object]) -> str:
        made = json.loads(self.text)
        change(made)
        return json.dumps(made, separators=(",", ":")) + "\n"

    def _inner(self, change: Callable[[Data], object]) -> str:
        """Another payload under the old signature."""
        made = copy.deepcopy(self.statement)
        change(made)
        return self._outer(lambda d: d.update(payload=base64.b64encode(to_json(made).encode()).decode()))

    def edits(self) -> Iterator[tuple[str, str | bytes]]:
        """Each edit of the attestation by its name."""
        outer, inner, sound = self._outer, self._inner, json.loads(self.text)
        payload, signature = sound["payload"], sound["signatures"][0]["sig"]
        raw = base64.b64decode(signature)
        by_other = sign(to_json(self.statement).encode(), self.other, key_id(self.other.public_key()))
        yield "result", inner(lambda d: d["predicate"].update(result="WARNED"))
        yield "verdict", inner(lambda d: d["predicate"]["slmtrust"].update(verdict="WAIVED"))
        yield "a failing test moved", inner(lambda d: d["predicate"].update(failedTests=[], passedTests=["x"]))
        yield "digest of audit.json", inner(lambda d: d["subject"][0]["digest"].update(sha256="0" * 64))
        yield "subjects changed over", inner(lambda d: d.update(subject=d["subject"][::-1]))
        yield "a subject dropped", inner(lambda d: d["subject"].pop(1))
        yield "type of the predicate", inner(lambda d: d.update(predicateType="https://slsa.dev/provenance/v1"))
        yield "one bit of the signature", outer(lambda d: d["signatures"][0].update(
            sig=base64.b64encode(bytes([raw[0] ^ 1]) + raw[1:]).decode()))  # fmt: skip
        yield "a shorter signature", outer(lambda d: d["signatures"][0].update(sig=base64.b64encode(raw[:32]).decode()))
        yield "an empty signature", outer(lambda d: d["signatures"][0].update(sig=""))
        yield "no signature", outer(lambda d: d.update(signatures=[]))
        yield "a second signature by another key", outer(lambda d: d["signatures"].append(json.loads(by_other)["signatures"][0]))
        yield "the same signature twice", outer(lambda d: d["signatures"].append(d["signatures"][0]))
        yield "signed by another key", by_other
        yield "signed by another key under the right name", sign(to_json(self.statement).encode(), self.other, self.name)
        yield "another payload type", outer(lambda d: d.update(payloadType="application/json"))
        yield "signed as another payload type", self._other_type()
        yield "name of the key", outer(lambda d: d["signatures"][0].update(keyid="sha256:" + "0" * 64))
        yield "no name of the key", outer(lambda d: d["signatures"][0].pop("keyid"))
        yield "payload as text", outer(lambda d: d.update(payload=base64.b64decode(payload).decode()))
        yield (
            "payload in the alphabet for URLs",
            outer(lambda d: d.update(payload=payload.replace("+", "-").replace("/", "_") + "_")),
        )
        yield (
            "payload without padding",
            outer(lambda d: d.update(payload=payload.rstrip("=") + "=" * (not payload.endswith("=")))),
        )
        yield "a line end in the payload", outer(lambda d: d.update(payload=payload[:76] + "\n" + payload[76:]))
        yield "a blank after the signature", outer(lambda d: d["signatures"][0].update(sig=signature + " "))
        yield "last digit of the base64 of the signature", outer(lambda d: d["signatures"][0].update(sig=_loose(signature)))
        yield "a field twice", self.text.replace('{"payload"', f'{{"payload":"{payload}","payload"', 1)
        yield "another field", outer(lambda d: d.update(comment="x"))
        yield "other order of fields", json.dumps(dict(reversed(sound.items()))) + "\n"
        yield "laid out anew", json.dumps(sound, indent=2)
        yield "a byte order mark", b"\xef\xbb\xbf" + self.text.encode()
        yield "blanks at the end", self.text + " \n"
        yield "cut short", self.text[: len(self.text) // 2]
        yield "empty", ""
        yield "the bare statement", to_json(self.statement)
        yield "a list", "[]\n"
        yield "deeply nested", "[" * 100_000
        yield "the right key over other subjects", self.re_signed(lambda d: d["subject"][1]["digest"].update(sha256="1" * 64))
        yield "the right key over another result", self.re_signed(lambda d: d["predicate"].update(result="WARNED"))
        yield "the right key over another predicate", self.re_signed(lambda d: d.update(predicateType="https://x/y"))
        yield "the right key over a list", sign(b"[]", self.key, self.name)
        yield "the right key over a field twice", sign(b'{"_type":1,"_type":2}', self.key, self.name)

    def _other_type(self) -> str:
        body = to_json(self.statement).encode()
        signature = self.key.sign(b"DSSEv1 4 text %d %s" % (len(body), body))
        return self._outer(lambda d: d["signatures"][0].update(sig=base64.b64encode(signature).decode()))


def _loose(text: str) -> str:
    """The same bytes in base64 whose unused bits are set: a lax reader takes both."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(text.rstrip("=")) - 1
    return text[:at] + letters[letters.index(text[at]) + 1] + text[at + 1 :]


def table(data: Data, signed: Signed) -> str:
    """The page: each edit, and what finds it."""
    lines = [
        "# Edits of an audit and of its attestation", "",
        "Each edit was made by somebody who has our code: numbers, verdict and sentence were made to fit again.",
        "`recomputing` is what `slmtrust verify audit.json` finds alone; `signature` needs `--attestation` and `--key`.",
        "`python tests/tampered.py` writes this page, and a test checks that it holds.", "",
        "| edit of audit.json | recomputing | signature |", "|-|-|-|",
    ]  # fmt: skip
    alone = 0
    for name in AUDIT:
        made = edited(data, name)
        found = bool(problems(made))
        alone += not found
        assert signed.wrong(made, signed.text), name
        lines.append(f"| {name} | {'finds it' if found else '–'} | finds it |")
    others = [name for name, _ in signed.edits()]
    lines += ["", f"{len(AUDIT)} edits: {len(AUDIT) - alone} are found by recomputing, {alone} by the signature alone.", ""]
    lines += [f"{len(others)} edits of the attestation; the signature's answer refuses each:", ""]
    lines += [f"- {name}" for name in others]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        whole = audited(Path(place))
        PAGE.write_text(table(whole, Signed(whole, Path(place))), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
