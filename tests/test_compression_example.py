"""The compression example: what its variants do to weights, and that a comparison with the parent sees it."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from drive import drive

from pytest_slmtrust import Probe, Verdict
from pytest_slmtrust.backends.load import ModelSpec, load_backend
from pytest_slmtrust.gates.policy import load_policy
from pytest_slmtrust.stats import count_pairs, mcnemar

FOLDER = Path(__file__).parents[1] / "examples" / "compression"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the examples are not part of the wheel")
#: Every eighth fact: enough to see a model that is beyond use.
STEP = 8


@pytest.fixture
def variants(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("variants")


@pytest.fixture
def facts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("probe_facts")


def _weights(rows: int = 48, columns: int = 128) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_rounding_errs_by_half_a_step_at_most(bits: int, variants: ModuleType) -> None:
    weight = _weights()
    groups, made = weight.reshape(-1, variants.GROUP), variants.round_to_nearest(weight, bits).reshape(-1, variants.GROUP)
    step = (groups.amax(1) - groups.amin(1)) / (2**bits - 1)
    assert ((made - groups).abs() <= step[:, None] / 2 + 1e-6).all()
    assert (made - groups).abs().max() > 0.4 * step.max()
    assert max(len(torch.unique((row * 1e5).round())) for row in made) <= 2**bits


def test_rounding_leaves_a_flat_group_and_more_bits_err_less(variants: ModuleType) -> None:
    flat = torch.full((2, 64), 0.3)
    assert torch.equal(variants.round_to_nearest(flat, 2), flat)
    weight = _weights()
    errors = [float((variants.round_to_nearest(weight, bits) - weight).abs().mean()) for bits in (2, 3, 4, 8)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_pruning_drops_exactly_the_smallest(share: float, variants: ModuleType) -> None:
    weight = _weights()
    made = variants.drop_smallest(weight, share)
    gone = made == 0
    assert int(gone.sum()) == round(share * weight.numel())
    assert torch.equal(made[~gone], weight[~gone])
    assert weight[gone].abs().max() <= weight[~gone].abs().min()


def test_pruning_is_exact_where_magnitudes_tie(variants: ModuleType) -> None:
    assert int((variants.drop_smallest(torch.ones(10, 10), 0.3) == 0).sum()) == 30


def test_int8_is_near_the_layer_and_each_token_stands_alone(variants: ModuleType) -> None:
    layer = torch.nn.Linear(128, 48, bias=False)
    layer.weight.data = _weights()
    x = torch.randn(3, 5, 128, generator=torch.Generator().manual_seed(1))
    x[0, 0] *= 1000  # one scale for the whole batch would wipe out the others
    made = variants.Int8Linear(layer)
    with torch.inference_mode():
        exact, whole = layer(x), made(x)
        alone = torch.stack([torch.stack([made(token) for token in row]) for row in x])
    assert whole.shape == exact.shape
    assert torch.equal(whole, alone)
    for got, want in zip(whole.flatten(0, 1), exact.flatten(0, 1), strict=True):
        assert float((got - want).norm() / want.norm()) < 0.03


@pytest.mark.parametrize("columns", [64, 1024, 1025, 2600])
def test_the_products_of_int8_are_whole_however_many_are_added(variants: ModuleType, columns: int) -> None:
    made = variants.Int8Linear(torch.nn.Linear(columns, 40, bias=False))
    generator = torch.Generator().manual_seed(3)
    made.weight.data = torch.randint(-127, 128, (40, columns), generator=generator, dtype=torch.int8)
    made.weight[0], made.weight[1] = 127, -127
    rows = torch.randint(-127, 128, (21, columns), generator=generator, dtype=torch.int8)
    rows[0] = 127
    assert torch.equal(made._product(rows).long(), rows.long() @ made.weight.long().t())


def test_the_facts_are_sound(facts: ModuleType) -> None:
    rows = facts.ROWS
    assert len(rows) >= 250
    assert len({row.source for row in rows}) == len(rows)
    for row in rows:
        assert len(set(row.params["options"])) == 4, row.source
        assert row.params["options"].count(row.params["answer"]) == 1, row.source
    places = [row.params["options"].index(row.params["answer"]) for row in rows]
    assert all(places.count(place) > len(rows) / 8 for place in range(4))


@pytest.mark.parametrize("name", ["finds_the_fact_likeliest", "writes_the_fact"])
def test_controls_come_out_as_labelled(name: str, facts: ModuleType) -> None:
    for case in getattr(facts, name).control_cases():
        steps = case.steps()
        with pytest.raises(StopIteration) as stop:
            next(steps)
        assert stop.value.value.passed is case.expected


def _verdicts(spec: str, probe: Probe) -> dict[str, Verdict]:
    """Verdicts of every eighth case, by its id; all that they ask in one bulk."""
    cases = probe.cases(load_policy("full").profile)[::STEP]
    started = [(case, case.steps()) for case in cases]
    waves = [next(steps) for _, steps in started]
    answers = dict(load_backend(ModelSpec(spec)).run([request for wave in waves for request in wave]))
    given = (answers[place] for place in range(len(answers)))
    verdicts = {}
    for (case, steps), wave in zip(started, waves, strict=True):
        with pytest.raises(StopIteration) as stop:
            steps.send([next(given) for _ in wave])
        verdicts[case.id] = stop.value.value
    return verdicts


@pytest.mark.full  # rounding, the fact probes and comparisons have cheaper tests each
@pytest.mark.model
@pytest.mark.usefixtures("smollm2")
def test_two_bits_harm_and_other_batches_do_not(variants: ModuleType, facts: ModuleType) -> None:
    probe = facts.finds_the_fact_likeliest
    parent, again, harmed = (
        _verdicts(spec, probe) for spec in ("smollm2-135m-instruct", "variants:batches_of_3", "variants:rtn2")
    )
    assert len(parent) >= 40
    for key, verdict in parent.items():
        assert (again[key].passed, again[key].evidence["reply"]) == (verdict.passed, verdict.evidence["reply"])
        assert again[key].evidence["options"] == pytest.approx(verdict.evidence["options"], abs=2e-3)
    pairs = count_pairs([not harmed[key].passed for key in parent], [not parent[key].passed for key in parent])
    assert pairs.worse > pairs.better
    assert mcnemar(pairs.worse, pairs.better) < 0.001


@pytest.mark.model
@pytest.mark.usefixtures("smollm2")
@pytest.mark.parametrize(
    "name", ["rtn2", pytest.param("int8", marks=pytest.mark.full), pytest.param("prune50", marks=pytest.mark.full)]
)
def test_a_variant_has_weights_and_a_fingerprint_of_its_own(variants: ModuleType, name: str) -> None:
    prints = {name: load_backend(ModelSpec(f"variants:{name}")).fingerprint for name in ("parent", name)}
    assert prints[name] != prints["parent"]
    # the alias is the baseline of the example, so batches_of_3 is really asked beside it
    assert load_backend(ModelSpec("smollm2-135m-instruct")).fingerprint not in prints.values()
    assert load_backend(ModelSpec("variants:batches_of_3")).fingerprint == prints["parent"]


def test_facts_through_a_typing_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripted import CI, by_log, check_controls

    monkeypatch.syspath_prepend(str(FOLDER))
    probe = importlib.import_module("probe_noise").finds_the_fact_through_a_typing_error
    check_controls(probe)
    cases = probe.cases(CI)
    assert len(cases) == 119
    right, wrong = (drive(cases[0], by_log(lambda _, a=answer: a)) for answer in (cases[0].params["answer"], "nothing"))
    assert (right.passed, right.score) == (True, 1.0)
    assert right.evidence["perturbed"] != right.evidence["original"]
    assert wrong.passed is False
