"""What a run works out, it works out once, and a start imports no more than it needs: counts, never times."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pytest_slmtrust import Control, Floor, Generate, Verdict, ask, detectors, probe, redaction
from pytest_slmtrust.audit import encoding
from pytest_slmtrust.authoring import probe as probes
from pytest_slmtrust.backends.fake import FakeBackend
from pytest_slmtrust.backends.textattack import data_recipes
from pytest_slmtrust.detectors import folding, leaked
from pytest_slmtrust.engine.engine import Engine
from pytest_slmtrust.engine.store import Store
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.redaction import Mask
from pytest_slmtrust.session import session as sessions
from pytest_slmtrust.session.accepted import asked_of, judged_of
from pytest_slmtrust.session.session import AuditSession
from pytest_slmtrust.stats import intervals, mean_gap, multiple, precision

MASK = Mask(b"0" * 16)


def session_of(folder: Path, begun: Counter[str]) -> AuditSession:
    """A session of one probe with a row that breaks at once, controls, and a floor. ``begun`` counts what was begun."""

    def twin(i: int) -> Any:
        begun["floor"] += 1
        yield from ask(Generate(f"twin {i}"))
        return Verdict(True)

    rows = [{"i": i} for i in range(40)]
    controls = [Control({"i": 1001}, "yes", True), Control({"i": 1002}, "no", False)]

    floor = Floor("It answers.", twin, [{"i": 1}, {"i": 2}], 0.5)

    @probe(dimension="privacy", rows=rows, tolerance=0.2, controls=controls, floor=floor)
    def run(i: int) -> Any:
        """It says yes."""
        begun["breaks" if i == 7 else "control" if i > 1000 else "row"] += 1
        if i == 7:
            raise ZeroDivisionError
        reply = yield from ask(Generate(f"say yes {i}"))
        return Verdict(reply.text == "yes", evidence={"reply": reply.text, "numbers": (1.5, 2)})

    model = FakeBackend("yes")
    made = AuditSession(load_policy("ci"), Engine({("generate", "target"): model}, Store(folder, "one")), MASK)
    made.add(run, "probe_x.py")
    return made


def test_what_a_case_asks_first_is_worked_out_as_it_is_asked(tmp_path: Path) -> None:
    begun = Counter[str]()
    made = session_of(tmp_path, begun)
    [suite] = made.suites.values()
    made.engine.prefetch(suite.everything())
    once = Counter({"row": 39, "breaks": 1, "control": 2, "floor": 2})
    assert begun == once
    first = made.first_questions()
    identity = suite.rows_sha256(first)
    assert len(asked_of(made)[suite.gate_id]) == 40
    assert judged_of(made)
    assert begun == once
    fresh = session_of(tmp_path / "other", Counter())
    [unasked] = fresh.suites.values()
    assert unasked.rows_sha256({}) == identity  # the same as of cases that nobody asked
    assert [len(first[case]) for case in suite.everything()] == [case.params["i"] not in (7, 1001, 1002) for case in first]


def test_the_rows_of_a_gate_are_written_once_for_all_that_look_at_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = session_of(tmp_path, Counter()), Counter[str]()

    def counted(found: Any) -> Any:
        calls[found.nodeid] += 1
        return encoding.as_written(found)

    monkeypatch.setattr(sessions, "as_written", counted)
    [suite] = made.suites.values()
    made.engine.prefetch(suite.everything())
    _, rows = made.gate_result(suite)
    assert made.rows(suite) == rows
    assert rows[0].evidence["numbers"] == [1.5, 2]
    broken = [nodeid for nodeid, times in calls.items() if times > 1]
    assert len(calls) == 40
    assert broken in ([], [next(row.nodeid for row in rows if row.outcome == "error")])  # an error is told anew each time


def test_a_text_is_folded_once_for_credentials_and_personal_data(monkeypatch: pytest.MonkeyPatch) -> None:
    text, seen = r"a reply with é and \u200b for o\u0040example.org " * 3, Counter[str]()

    def counted(part: str) -> Any:
        seen[part] += 1
        return unescaped(part)

    unescaped = folding._unescaped
    folding.folded.cache_clear()
    monkeypatch.setattr(folding, "_unescaped", counted)
    masked = MASK.text(text)
    assert seen[text] == 1
    assert masked.count("‹email:") == 3


@pytest.mark.parametrize("number", [0.5, 1234, 4111111111111111, 78.05120490001, -3])
def test_a_number_is_judged_as_its_digits_say(number: float) -> None:
    shown = MASK.value({"n": number, "again": [number, number]})
    kept = number != 4111111111111111
    assert (shown["n"] == number) is kept
    assert shown["again"] == [shown["n"]] * 2


def test_a_short_number_is_searched_for_nothing_since_it_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Random(5)
    shapes = [f"{drawn.randrange(10**size):0{size}}" for size in range(1, 9) for _ in range(300)]
    points = [f"{digits[:at]}.{digits[at:]}"[:8] for digits in shapes for at in (0, 2, 3, 6)]
    numbers = {*shapes, *points, *(f"-{one[:7]}" for one in (*shapes, *points))}
    kinds = {span.kind for one in numbers for span in detectors.find_personal_data(one)}
    assert kinds <= {"phone"}
    searched: list[str] = []
    monkeypatch.setattr(detectors, "find_personal_data", lambda text: searched.append(text) or [])
    redaction._is_personal.cache_clear()
    assert MASK.value([-30.441, 12345678, 0.25]) == [-30.441, 12345678, 0.25]
    assert searched == []
    MASK.value([123456789, 1e-07])
    assert searched == ["123456789", "1e-07"]
    redaction._is_personal.cache_clear()


@pytest.mark.parametrize(
    "text", [r"\x41", r"é\u00e9 \u200b\U0001f600x", r"中\u4e2d１２\uff13", r"\Uffffffff.", r"a\u0301\\u0041b", "\\"]
)
def test_escapes_are_read_where_they_are(text: str) -> None:
    found = folding.folded(text)
    assert len(found.text) == len(found.starts) == len(found.stops)
    for place, sign in enumerate(found.text):
        start, stop = found.spot(place, place + 1)
        part = text[start:stop]
        assert sign == "?" or folding.folded(part).text == sign


def test_bounds_of_a_groups_mean_are_computed_once_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {"a": [0.1, 0.4, 0.35], "b": [0.9, 0.6, 0.7, 0.8], "c": [0.5, 0.5]}
    levels = Counter[tuple[float, ...]]()
    plain = mean_gap(scores)

    def counted(values: Any, level: float, **given: Any) -> Any:
        levels[(level, *values)] += 1
        return intervals.mean_interval(values, level, **given)

    monkeypatch.setattr(multiple, "mean_interval", counted)
    assert mean_gap(scores) == plain
    assert set(levels.values()) == {1}


def test_groups_with_the_same_numbers_have_their_mean_bounded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    def counted(x: Any, alpha: float) -> Any:
        begun.append(x.shape[1])
        return bets(x, alpha)

    bets = intervals._plug_in_bets
    intervals._rejected.cache_clear()
    monkeypatch.setattr(intervals, "_plug_in_bets", counted)
    gap = mean_gap({"a": [0.0, 0.25, 1.0], "b": [1.0, 0.0, 0.25], "c": [0.25, 0.0, 1.0]}, low=-1.0)
    assert begun == [3, 3, 3]  # the groups' own intervals, and both ends of the gap
    assert mean_gap({"x": [0.0, 0.25, 1.0], "y": [1.0, 0.25, 0.0]}, low=-1.0).value == gap.value == 0
    ends = [intervals.mean_interval([0.1] * 30, level).upper for level in (0.95, 0.99)]
    assert ends[0] < ends[1]


def test_the_items_that_a_gap_needs_are_sought_no_further_than_to_a_whole_number(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def counted(groups: int, *given: Any) -> Any:
        tried.append(groups)
        return ends(groups, *given)

    ends = precision.gap_ends
    monkeypatch.setattr(precision, "gap_ends", counted)
    assert precision.gap_items({"a": (0, 3), "b": (0, 4)}) == 39
    assert len(tried) < 12


def test_the_place_of_a_probe_is_worked_out_once_for_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[str] = []

    def counted(run: Any) -> str:
        placed.append(run.__name__)
        return place(run)

    place = probes._place
    monkeypatch.setattr(probes, "_place", counted)
    [suite] = session_of(tmp_path, Counter()).suites.values()
    assert len(suite.cases) == 40
    assert placed == ["run"]


def test_a_start_imports_no_model_library_and_no_http_client() -> None:
    """What collects an audit, its built-in probes and the bounds that plan their gates."""
    code = (
        "import sys\n"
        "import pytest_slmtrust.plugin.controller, pytest_slmtrust.probes as pack, pytest_slmtrust.stats\n"
        "from pytest_slmtrust.backends.textattack.data_recipes import RECIPES, missing\n"
        "pack.pytest_slm_probes()\n"
        "[missing(one) for one in RECIPES]\n"
        "print(sorted({*sys.argv[1:]} & {*sys.modules}))\n"
    )
    heavy = ("torch", "transformers", "textattack", "httpx", "requests", "hypothesis", "scipy.optimize", "scipy.stats", "jinja2")
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True,
        env={**os.environ, "HF_HUB_CACHE": "/nowhere", "HF_HOME": "/nowhere"},
    )  # fmt: skip
    assert done.stdout == "[]\n"


def test_a_run_without_a_model_imports_options_and_nothing_else(tmp_path: Path) -> None:
    """Whoever has the package installed pays for it in each run of pytest."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_unconfigure(config):\n"
        "    ours = {one for one in sys.modules if one.partition('.')[0] in ('pytest_slmtrust', 'msgspec')}\n"
        "    print('OURS', *sorted(name.removeprefix('pytest_slmtrust.') for name in ours))\n"
    )
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    [said] = [line for line in done.stdout.splitlines() if line.startswith("OURS ")]
    assert said.split()[1:] == [
        "arguments", "audit", "audit.dimension", "plugin", "plugin.commandline", "plugin.hookspecs", "plugin.options",
        "plugin.spelling", "plugin.values", "pytest_slmtrust",
    ]  # fmt: skip


def test_the_public_names_are_those_of_their_modules() -> None:
    code = (
        "import pytest_slmtrust as package, sys\n"
        "assert 'pytest_slmtrust.requests' not in sys.modules\n"
        "assert not {*package.__all__} - {*dir(package)}\n"
        "from pytest_slmtrust import *\n"
        "from pytest_slmtrust import requests, Row\n"
        "from pytest_slmtrust.authoring import declarations, probe as home\n"
        "assert (Row, chat, probe) == (declarations.Row, requests.chat, home.probe)\n"
        "assert all(name in globals() for name in package.__all__)\n"
        "assert not hasattr(package, 'nothing')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_masked_model_is_found_where_the_hub_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert data_recipes.missing("masked-lm")
    folder = tmp_path / f"models--{data_recipes.MASKED_LM}"
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    for name in ("config.json", "vocab.txt"):
        (snapshot / name).write_text("{}")
    assert data_recipes.missing("masked-lm")
    (snapshot / "model.safetensors").write_text("")
    assert data_recipes._masked_lm() == snapshot
    assert not data_recipes.missing("masked-lm")


@pytest.mark.parametrize(
    ("reply", "found"),
    [("it is ka seven 391", "whole"), ("K-A &#55; 391", "whole"), ("ＫＡ-7391", "whole"), ("Ka\u0301-7391", "whole"),
     ("\U0001f17a🅰-7391", "whole"), ("it is KA-7392", ""), ("c’est KA-7392", ""), ("&eacute; KA-739", "partial")],
)  # fmt: skip
def test_plain_letters_and_others_are_folded_alike(reply: str, found: str) -> None:
    assert leaked("KA-7391", reply) == found


def test_pytest_rewrites_no_module_of_ours(tmp_path: Path) -> None:
    """As it would those of any package that has a plugin, where that is installed from a wheel; others stay marked."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_load_initial_conftests(early_config): pass\n"
        "def pytest_configure(config):\n"
        "    config.pluginmanager.rewrite_hook.mark_rewrite('pytest_slmtrust_pack', 'other')\n"
        "    config.pluginmanager.rewrite_hook._must_rewrite.add('pytest_slmtrust')\n"
        "def pytest_slm_backend(config):\n"
        "    from pytest_slmtrust.backends.fake import FakeBackend\n"
        "    return FakeBackend('yes')\n"
        "def pytest_unconfigure(config):\n"
        "    hook = config.pluginmanager.rewrite_hook\n"
        "    ours = {name: one for name, one in sys.modules.items() if name.startswith('pytest_slmtrust.')}\n"
        "    rewritten = [name for name, one in ours.items() if type(getattr(one, '__loader__', None)) is type(hook)]\n"
        "    print('REWRITTEN', [n for n in rewritten if '.probes' in n or '.session' in n or '.controller' in n])\n"
        "    print('MODULES', 'pytest_slmtrust.probes.privacy' in ours and 'pytest_slmtrust.session.session' in ours)\n"
        "    print('MARKED', {'pytest_slmtrust_pack', 'other'} <= hook._must_rewrite)\n"
    )
    command = [sys.executable, "-m", "pytest", "--slm=fake", "--collect-only", "-q", "-p", "no:cacheprovider", "slm::privacy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if line.split(" ")[0] in ("REWRITTEN", "MODULES", "MARKED")]
    assert said == ["REWRITTEN []", "MODULES True", "MARKED True"], done.stdout[-2000:] + done.stderr[-2000:]
