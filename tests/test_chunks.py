"""How a wave is split among engines: each request once, dear ones first, chunks that shrink, what an engine left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_slmtrust import Classify, Generate, Loglikelihood, Request
from pytest_slmtrust.scale.chunks import DEATHS, Chunks, costs_of

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
REQUESTS: st.SearchStrategy[Request[Any]] = st.one_of(
    st.builds(Generate, TEXTS, st.integers(1, 300), sample=st.integers(0, 3), temperature=st.just(1.0)),
    st.builds(Loglikelihood, TEXTS, TEXTS.filter(bool)),
    st.builds(Classify, TEXTS),
)


def taken(chunks: Chunks) -> list[tuple[int, ...]]:
    found = []
    while chunks:
        found.append(chunks.take())
    assert chunks.take() == ()
    return found


@given(st.lists(REQUESTS, max_size=120), st.integers(1, 64))
def test_every_request_is_taken_once_and_no_chunk_is_empty(requests: list[Request[Any]], engines: int) -> None:
    found = taken(Chunks(requests, engines))
    assert sorted(i for chunk in found for i in chunk) == list(range(len(requests)))
    assert all(found)
    assert found == taken(Chunks(list(requests), engines))


def test_chunks_shrink_to_single_requests_for_all_engines() -> None:
    requests = [Generate(f"question {i}", 64) for i in range(900)]
    sizes = [len(chunk) for chunk in taken(Chunks(requests, 4))]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 60
    assert sizes[-4:] == [1, 1, 1, 1]


def test_a_wave_smaller_than_the_crew_goes_out_one_by_one() -> None:
    assert taken(Chunks([Generate(f"{i}", 8) for i in range(5)], 8)) == [(i,) for i in range(5)]


def test_dear_requests_come_first_and_those_that_begin_alike_stay_together() -> None:
    requests: Sequence[Request[Any]] = [
        Generate("short", 4), Loglikelihood("Which? " * 40, " a"), Generate("long", 200), Loglikelihood("Which? " * 40, " b"),
        Loglikelihood("", "whole text"), Loglikelihood("Which? " * 40, " c"),
    ]  # fmt: skip
    found = taken(Chunks(requests, 3))
    assert found[0] == (2,)
    assert (1, 3, 5) in found
    assert {found[-1], found[-2]} == {(0,), (4,)}


def test_a_context_with_very_many_choices_is_parted() -> None:
    found = taken(Chunks([Loglikelihood("Name a number: ", f"{i}") for i in range(100)], 2))
    assert max(map(len, found)) <= 48
    assert len(found) > 4


def test_a_reply_costs_what_it_may_write() -> None:
    short, long, read = costs_of([Generate("word " * 8, 1), Generate("Word " * 8, 101), Loglikelihood("word " * 8, " end")])
    assert long - short == pytest.approx(500)
    assert read < long


def test_what_an_engine_left_is_taken_next() -> None:
    chunks = Chunks([Generate(f"{i}", 8) for i in range(40)], 2)
    first = chunks.take()
    chunks.put_back(first[3:])
    assert chunks.take() == first[3:]
    chunks.put_back([])
    assert sorted(i for chunk in taken(chunks) for i in chunk) == sorted(set(range(40)) - set(first))


def test_a_request_that_kills_engines_is_given_up_and_takes_none_with_it() -> None:
    chunks = Chunks([Generate(f"{i}", 8) for i in range(60)], 1)
    poison, lives, answered = 7, 0, set[int]()
    given_up: list[int] = []
    while chunks:
        chunk = chunks.take()
        if poison in chunk:
            lives += 1
            given_up += chunks.died(chunk)
        else:
            answered |= set(chunk)
    assert given_up == [poison]
    assert lives == DEATHS
    assert answered == set(range(60)) - {poison}


def test_the_rest_is_taken_with_what_came_back() -> None:
    chunks = Chunks([Generate(f"{i}", 8) for i in range(30)], 2)
    chunk = chunks.take()
    assert chunks.died(chunk) == ()
    assert sorted(chunks.rest()) == list(range(30))
    assert not chunks
