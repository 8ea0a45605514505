"""Batches and micro-batches: every text exactly once, budgets kept, the cheapest cut."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jptextclf.batching import length_batches, micro_batches, random_batches

lengths_of_a_batch = st.lists(st.integers(1, 200), min_size=1, max_size=40)


@given(lengths_of_a_batch, st.integers(1, 2000), st.integers(0, 300))
def test_micro_batches_hold_every_text_once_within_the_budget(lengths, max_tokens, overhead):
    lengths = np.array(lengths)
    groups = micro_batches(lengths, max_tokens=max_tokens, overhead=overhead)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * lengths[group].max() <= max_tokens


@settings(max_examples=40)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 80))
def test_micro_batches_are_the_cheapest_cut(lengths, overhead):
    lengths = np.array(lengths)

    def cost(groups):
        return sum(len(group) * max(group) + overhead for group in groups)

    ordered = sorted(lengths.tolist())
    cheapest = min(
        cost([ordered[a:b] for a, b in itertools.pairwise((0, *cuts, len(ordered)))])
        for n in range(len(ordered))
        for cuts in itertools.combinations(range(1, len(ordered)), n)
    )
    found = micro_batches(lengths, max_tokens=10**9, overhead=overhead)
    assert cost([lengths[group].tolist() for group in found]) == cheapest


@given(st.integers(0, 300), st.integers(1, 64), st.integers(0, 5), st.integers(1, 4))
def test_random_batches_hold_every_text_once_and_depend_on_seed_and_epoch_only(n, size, seed, epoch):
    batches = random_batches(n, batch_size=size, seed=seed, epoch=epoch)
    assert sorted(number for batch in batches for number in batch) == list(range(n))
    assert all(len(batch) == size for batch in batches[:-1])
    again = random_batches(n, batch_size=size, seed=seed, epoch=epoch)
    assert [batch.tolist() for batch in batches] == [batch.tolist() for batch in again]


def test_another_epoch_has_another_order():
    first, second = (random_batches(100, batch_size=100, seed=0, epoch=epoch)[0].tolist() for epoch in (1, 2))
    assert first != second


@given(st.lists(st.integers(1, 100), max_size=60), st.integers(1, 500))
def test_length_batches_go_from_long_to_short_within_the_budget(lengths, max_tokens):
    lengths = np.array(lengths, dtype=np.int64)
    batches = list(length_batches(lengths, max_tokens=max_tokens))
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    flat = [lengths[number] for batch in batches for number in batch]
    assert flat == sorted(flat, reverse=True)
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= max_tokens for batch in batches)
