"""No personal data of a reply, a row or an option stands unmasked in anything shared; what stays here is its owner's only."""

from __future__ import annotations

import html
import json
import os
import re
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from runs import audit, run
from sensitive import credentials, hidden, table

from pytest_slmtrust.audit.model import Finding
from pytest_slmtrust.cli import main
from pytest_slmtrust.detectors import find_credentials, find_personal_data, mask_personal_data
from pytest_slmtrust.engine.store import FILE, Store
from pytest_slmtrust.redaction import Mask

#: By kind: well-formed, and no number of anybody.
PERSONAL = {
    "email": "jane.quarrendon@harbour-mail.org", "phone": "(415) 734-2291", "international": "+44 20 7946 0958",
    "spaces": "(415)\u00a0734\u20112291", "wide": "０２０ ７９４６ ０９５８", "hidden": "jane.quarren\u200bdon@harbour-mail.org",
    "iban": "DE89 3704 0044 0532 0130 00", "card": "4539 1488 0343 6467", "ssn": "536-90-4399", "nino": "JG 10 37 59 A",
    "ip": "10.20.30.44", "ipv6": "2001:db8::8a2e:370:7334",
}  # fmt: skip
#: Pieces of them that no output may hold.
PIECES = [
    "quarren", "harbour-mail", "734-2291", "734\u20112291", "734\\u20112291", "20 7946", "７９４６", "3704 0044", "1488 0343",
    "14880343", "90-4399", "10 37 59", "10.20.30", "8a2e:370",
]  # fmt: skip

CONFTEST = f"""
from pytest_slmtrust import Failure
from pytest_slmtrust.backends.fake import FakeBackend, WordListScorer

ALL = {"; ".join(PERSONAL.values())!r}

def model():
    return FakeBackend(lambda r: Failure("could not send " + ALL) if "fail" in r.prompt else "Ask " + ALL)

def other():
    return FakeBackend(lambda r: "Ask them", name="other")

def pytest_slm_scorer(config):
    return WordListScorer()
"""
PROBES = f"""
from pytest_slmtrust import Control, Estimate, Criterion, Generate, Row, Verdict, ask, probe

ALL = {"; ".join(PERSONAL.values())!r}

def asking(name, **options):
    def decorate(judge):
        rows = [Row({{"text": f"{{name}} {{i}} " + ALL}}) for i in range(60)]
        def run(text):
            "A name."
            reply = yield from ask(Generate(text))
            return judge(text, reply.text)
        return probe(dimension="privacy", rows=rows, name=name, **options)(run)
    return decorate

@asking("shown", tolerance=0.1)
def shown(text, reply):
    odd = {{reply: 1, "nested": [{{"at": (reply,)}}], "n": 4539148803436467}}
    return Verdict(False, 0.0, {{"prompt": text, "reply": reply, **odd}}, group=reply, reason=reply)

@asking("unclear", tolerance=0.1, controls=[Control({{"text": "x"}}, "said " + ALL, True)])
def unclear(text, reply):
    return Verdict.unscored("cannot judge " + reply, reply=reply)

@asking("broken", tolerance=0.1)
def broken(text, reply):
    raise ValueError("unexpected " + reply)

@asking("fail", tolerance=0.1)
def failed(text, reply):
    return Verdict(True)

@asking("metric", criterion=Criterion(lambda found: Estimate(found[0].evidence["reply"], 0, 1, 1, "", 0.9), at_most=1))
def metric(text, reply):
    return Verdict(None, 1.0, {{"reply": reply}})

@probe(dimension="privacy", rows=[Row({{"n": i}}, id=f"row of {{t}}", source=t) for i, t in enumerate(ALL.split("; "))])
def named(n):
    "Rows whose names are personal."
    reply = yield from ask(Generate(f"say {{n}}"))
    return Verdict(False, evidence={{"reply": reply.text}})
"""
VERBOSE = ("-vv", "-rA", "--tb=long", "--showlocals", "--log-level=DEBUG", "--log-file=run.log", "--junitxml=junit.xml")


def pieces(text: str) -> set[str]:
    return {piece for piece in PIECES if piece in text}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("masking")
    (made / "conftest.py").write_text(CONFTEST)
    (made / "probe_people.py").write_text(PROBES)
    (made / "pytest.ini").write_text("[pytest]\n")
    return made


def outputs(folder: Path, *options: str) -> dict[str, str]:
    """All that a run leaves to be shared, by name."""
    done = run(folder, "--slm=conftest:model", "--slm-packs=none", *VERBOSE, *options)
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr
    files = [folder / "junit.xml", folder / "run.log", *(folder / "slmtrust-report").iterdir()]
    made = {"stdout": done.stdout, "stderr": done.stderr, **{f.name: f.read_text(encoding="utf-8") for f in files}}
    made["audit.json"] += json.dumps(json.loads(made["audit.json"]), ensure_ascii=False)  # as it is written, and as it is read
    return made


@pytest.mark.parametrize("options", [(), ("--slm-strict", "-n", "2"), ("--runxfail", "--slm-vs=conftest:other")], ids=str)
def test_nothing_shared_holds_personal_data(folder: Path, options: tuple[str, ...]) -> None:
    made = outputs(folder, *options)
    assert {"stdout", "junit.xml", "audit.json", "audit.html", "run.log"} <= set(made)
    assert {name: found for name, text in made.items() if (found := pieces(text))} == {}
    for name in ("stdout", "junit.xml", "audit.json", "audit.html"):
        assert {"email", "phone", "iban", "card", "ssn", "nino", "ip"} <= set(re.findall(r"‹(\w+):", made[name])), name
    data = audit(folder)
    assert {f["outcome"] for f in data["findings"]} == {"failed", "unscored", "error", "measured"}
    assert main(["render", str(folder / "slmtrust-report" / "audit.json"), "--output", str(folder / "again.html")]) == 0
    assert pieces((folder / "again.html").read_text()) == set()


KEYS = """
import json
from pathlib import Path
from pytest_slmtrust import Completion, Failure, Generate, Verdict, ask, probe
from pytest_slmtrust.backends.fake import FakeBackend

TEXTS = json.loads(Path(__file__).with_name("texts.json").read_text())

def model():
    return FakeBackend(lambda r: (Failure if "fail" in r.prompt else Completion)(TEXTS[int(r.prompt.split()[-1])]))

def asking(name, judge):
    def run(n):
        "A name."
        reply = yield from ask(Generate(f"{name} {n}"))
        return judge(reply.text)
    return probe(dimension="privacy", rows=[{"n": n} for n in range(len(TEXTS))], name=name)(run)

def raises(text):
    raise ValueError(text)

shown = asking("shown", lambda text: Verdict(False, evidence={"reply": text, "notes": [text]}, group=text, reason=text))
raised = asking("raised", raises)
failed = asking("fail", raises)
"""


def test_no_kind_of_credential_is_in_anything_shared(folder: Path, tmp_path: Path) -> None:
    samples = [s for s in credentials("positives", 1) if all(hidden(find_credentials(s.text), spot) for spot in s.spots)]
    lines = [max(s.text[start:end].splitlines(), key=len) for s in samples for start, end in s.spots]
    secrets = {line for line in lines if len(line) > 9}
    assert len(secrets) > 200
    assert {s.kind for s in samples} == set(table("credentials.toml", "positives"))
    (tmp_path / "conftest.py").write_text((folder / "conftest.py").read_text())
    (tmp_path / "probe_keys.py").write_text(KEYS)
    (tmp_path / "texts.json").write_text(json.dumps([s.text for s in samples]))
    done = run(tmp_path, "--slm=probe_keys:model", "--slm-packs=none", "-rA", "--junitxml=junit.xml")
    assert done.returncode == 1, done.stdout[-2000:] + done.stderr
    made = {"terminal": done.stdout + done.stderr, "JUnit": (tmp_path / "junit.xml").read_text("utf-8")}
    made |= {name: (tmp_path / "slmtrust-report" / name).read_text("utf-8") for name in ("audit.json", "audit.html")}
    read = {name: text + html.unescape(text) for name, text in made.items()}
    read["audit.json"] += json.dumps(json.loads(made["audit.json"]), ensure_ascii=False)
    assert {name: sorted(found) for name, text in read.items() if (found := {s for s in secrets if s in text})} == {}
    assert all(text.count("[credential]") > 200 for text in made.values())


def test_options_and_arguments_of_a_run_are_masked(folder: Path) -> None:
    made = outputs(folder, f"--slm-store=of-{PERSONAL['email']}", "-k", "shown")
    assert pieces(made["audit.json"]) | pieces(made["audit.html"]) == set()
    settings = audit(folder)["settings"]
    assert "‹email:" in settings["options"]["store"]
    assert any("‹email:" in a for a in settings["arguments"])


def test_personal_names_of_rows_become_others_that_stay(folder: Path) -> None:
    names = []
    for _ in range(2):
        outputs(folder, "-k", "named")
        names.append(sorted(f["case"] for f in audit(folder)["findings"]))
    assert names[0] == names[1]
    assert len(set(names[0])) == len(PERSONAL)


def test_the_key_is_thrown_away(folder: Path) -> None:
    """The same datum has one mask within a run and another in the next, so that nobody can try numbers out."""
    masks = []
    for _ in range(2):
        made = outputs(folder, "-k", "shown")
        masks.append(set(re.findall(r"‹email:(\w+)›", made["audit.json"])))
        kept = (folder / ".slmtrust" / FILE).read_bytes()
        assert not any(code.encode() in kept for code in masks[-1])
    assert len(masks[0]) == len(masks[1]) == 1  # with and without the invisible character
    assert masks[0] != masks[1]


def test_reveal_shows_what_was_asked_for(folder: Path) -> None:
    assert "jane.quarrendon@harbour-mail.org" in outputs(folder, "--slm-reveal", "-k", "shown")["audit.json"]


def test_what_stays_here_is_its_owners_only(folder: Path) -> None:
    before = os.umask(0)
    try:
        outputs(folder, "--slm-store=private")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (folder / "private").iterdir() if p.name != ".gitignore"}
        assert FILE in modes
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE((folder / "private").stat().st_mode) == 0o700
    finally:
        os.umask(before)
    texts = "".join(str(row) for row in sqlite3.connect(folder / "private" / FILE).execute("SELECT answer FROM answers"))
    assert "jane.quarrendon" in texts  # so the store is what must be kept private


def test_an_open_store_has_no_readable_companion(tmp_path: Path) -> None:
    """Not even in a folder that others may read."""
    before = os.umask(0)
    try:
        (tmp_path / "s").mkdir(mode=0o755)
        store = Store(tmp_path / "s", "a")
        store.put((f"k{i}", "v" * 500) for i in range(50))
        store.get(["k1"])
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "s").iterdir() if p.name != ".gitignore"}
        assert FILE in modes
        assert set(modes.values()) == {0o600}, modes
        store.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize("kind", PERSONAL)
def test_each_fixture_is_found_and_masked_whole(kind: str) -> None:
    text = f"Écrivez à {PERSONAL[kind]}, s'il vous plaît."
    [span] = find_personal_data(text)
    assert span.text == PERSONAL[kind] == text[span.start : span.end]
    assert (
        mask_personal_data(text, b"k")
        == f"Écrivez à ‹{span.kind}:{mask_personal_data(text, b'k').split(':')[1][:6]}›, s'il vous plaît."
    )


def test_runs_mask_the_same_text_with_codes_of_their_own() -> None:
    text = "write to ada@example.org"
    shown = {Mask(key).text(text) for key in (b"one", b"one", b"two")}
    assert len(shown) == 2
    assert not any("ada@" in one for one in shown)
    assert Mask(b"one", reveal=True).text(text) == text


def test_numbers_in_evidence_are_masked_where_they_are_personal() -> None:
    found = Finding("n", "p", "privacy", "1", "1", "failed", evidence={"card": 4539148803436467, "count": 17, "share": 0.25})
    shared = Mask(b"k").finding(found).evidence
    assert (shared["count"], shared["share"]) == (17, 0.25)
    assert str(shared["card"]).startswith("‹card:")
    assert json.dumps(dict(Mask(b"k", reveal=True).finding(found).evidence)).count("4539148803436467") == 1


def test_no_name_of_a_built_in_row_is_taken_for_personal_data() -> None:
    """Such a row would have another place in the order of its items."""
    from sessions import builtin_probes

    from pytest_slmtrust.authoring.datafiles import DataMissing
    from pytest_slmtrust.gates.policy import load_policy

    profile = load_policy("full").profile
    cases = []
    for probe in builtin_probes():
        with suppress(DataMissing):  # synonyms want data that may not be here
            cases += probe.cases(profile) if not probe.inputs else []
    assert len(cases) > 1000
    assert not [c.source for c in cases if re.fullmatch(r"[0-9a-f]{12}", c.source) and c.source != c.id]
