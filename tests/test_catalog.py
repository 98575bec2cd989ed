"""Words of ``--slm-tasks``: which catalogue and test they name, and what is said of those that name none."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from runs import audit

from pytest_slmtrust.archive.verify import problems as verified
from pytest_slmtrust.audit.dimension import Dimension
from pytest_slmtrust.audit.model import Audit
from pytest_slmtrust.authoring.declarations import ProbeError
from pytest_slmtrust.catalog import registry
from pytest_slmtrust.catalog.registry import Catalog, Choice, entries_of, untested
from pytest_slmtrust.gates.asked_rows import judged_sha256, rows_sha256
from pytest_slmtrust.gates.policy import load_policy


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Choice]]:
    """Return what a scripted catalogue ``mine`` was asked for."""
    found: list[tuple[str, Choice]] = []
    module = ModuleType("scripted_catalogue")

    def probes_of(name: str, choice: Choice) -> list[object]:
        found.append((name, choice))
        short = name.removesuffix(".json").rpartition("/")[2].replace(".", "_")
        return [untested(short, choice.dimension or Dimension.CAPABILITY, f"A claim of {name.rpartition('/')[2]}.", "no data")]

    module.probes_of = probes_of  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "scripted_catalogue", module)
    monkeypatch.setitem(registry.CATALOGS, "mine", Catalog("scripted_catalogue", "pytest", "mine", "MIT"))
    return found


def test_commas_share_a_prefix_and_each_part_may_name_its_dimension(asked: list[tuple[str, Choice]]) -> None:
    entries = entries_of([("mine:a, b@fairness ,mine:c.D", Path("/x"))])
    assert [(name, choice.dimension) for name, choice in asked] == [("a", None), ("b", Dimension.FAIRNESS), ("c.D", None)]
    assert [(e.place, e.probe.name, e.probe.packed) for e in entries] == [
        ("slm::mine", "a", True), ("slm::mine", "b", True), ("slm::mine", "c_D", True),
    ]  # fmt: skip


def test_a_test_that_is_named_twice_is_asked_once(asked: list[tuple[str, Choice]]) -> None:
    assert len(entries_of([("mine:a", Path()), ("mine:a,b", Path())])) == 2


@pytest.mark.parametrize("value", ["mine:c.D,mine:c_D", "mine:a@privacy,mine:a@fairness", "mine:one/a.json,mine:two/a.json"])
def test_two_tests_of_one_name_are_not_taken_for_one(asked: list[tuple[str, Choice]], value: str) -> None:
    with pytest.raises(ProbeError, match="two tests that are not the same have the name"):
        entries_of([(value, Path("/x"))])


def test_a_word_that_stands_for_no_test_is_refused(asked: list[tuple[str, Choice]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__import__("sys").modules["scripted_catalogue"], "probes_of", lambda *_: [])
    with pytest.raises(ProbeError, match="it holds no test"):
        entries_of([("mine:an_empty_group", Path())])


@pytest.mark.parametrize("name", ["keeps_system_secret", "gives_no_personal_data"])
def test_a_test_with_the_name_of_a_built_in_gate_blocks_only_where_a_user_says_so(
    asked: list[tuple[str, Choice]], name: str
) -> None:
    [entry] = entries_of([(f"mine:{name}", Path())])
    assert load_policy("full").tolerance(replace(entry.probe, foreign=False)) is not None
    assert load_policy("full").tolerance(entry.probe) is None
    assert load_policy("full", [f"{name}=0.1"]).tolerance(entry.probe) == 0.1


def test_what_judges_a_test_of_another_tool_is_part_of_its_identity(asked: list[tuple[str, Choice]]) -> None:
    [entry] = entries_of([("mine:a", Path())])
    others = [replace(entry.probe, detector="garak's other"), replace(entry.probe, estimand="of garak 0.1")]
    assert len({rows_sha256(one, []) for one in (entry.probe, *others)}) == 3
    assert len({judged_sha256(one, []) for one in (entry.probe, *others)}) == 3


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("mien:a", "Unknown catalogue 'mien'. Did you mean 'mine'?"),
        ("hellaswag", "expected lm_eval:NAME"),
        (" , ", "is empty"),
        ("mine:", "names no test"),
        ("mine:a@fairnes", "Unknown dimension 'fairnes'. Did you mean 'fairness'?"),
    ],
)
def test_a_word_that_names_nothing_is_one_line(asked: list[tuple[str, Choice]], value: str, said: str) -> None:
    with pytest.raises(ProbeError, match="--slm-tasks") as error:
        entries_of([(value, Path())])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CATALOGS, "mine", Catalog("nowhere", "no_such_package_at_all", "mine", "MIT"))
    with pytest.raises(ProbeError, match=r"no_such_package_at_all is not installed: .* extra \[mine\]"):
        entries_of([("mine:a", Path())])


def test_a_package_that_cannot_be_used_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CATALOGS, "mine", Catalog("nowhere", "pytest", "mine", "MIT", lambda: "it wants another world"))
    with pytest.raises(ProbeError, match="it wants another world"):
        entries_of([("mine:a", Path())])


TASK = """
task: greetings
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/greetings.json}}
test_split: test
output_type: generate_until
doc_to_text: "Say {{word}}:"
doc_to_target: "{{word}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 5}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


@pytest.mark.slow
def test_a_task_in_a_run_of_pytest(project: Callable[..., pytest.Pytester], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lm_eval")
    made = project("return 'hello'")
    made.path.joinpath("greetings.json").write_text('{"word": "hello"}\n{"word": "bye"}\n{"word": "hello"}', "utf-8")
    made.path.joinpath("greetings.yaml").write_text(TASK.replace("FOLDER", str(made.path)), "utf-8")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(made.path / "cache"))
    asked = ("--slm=fake", "--slm-packs=none", "--slm-profile=full", "--slm-tasks=greetings.yaml@privacy", "slm::")
    result = made.runpytest_subprocess(*asked)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*3 passed, 1 failing cases*"])
    data = audit(made.path)
    [gate] = data["gates"]
    assert (gate["nodeid"], gate["dimension"], gate["items"], gate["failures"]) == (
        "slm::lm_eval::measure[greetings]",
        "privacy",
        2,
        1,
    )
    assert "; 1 more put the same questions as these and counts for nothing" in gate["reason"]
    [tool] = data["provenance"]["catalogues"]
    assert (tool["name"], tool["licence"], tool["tests"]) == ("lm_eval", "MIT", ["greetings"])
    assert verified(Audit.from_json(json.dumps(data))) == []
    result = made.runpytest_subprocess(*asked[:-2], "--slm-tasks=greeting.yaml", "slm::")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*--slm-tasks greeting.yaml: no such file*"])
