import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from basrelief.config import InputError
from basrelief.splits.folds import assign_folds, block_of, split_at_random

GROUPS = st.lists(st.sampled_from("abcdefghijklm"), min_size=1, max_size=60).filter(
    lambda names: len(set(names)) > 1
)


@given(names=GROUPS, n_folds=st.integers(2, 20), seed=st.integers(0, 1000))
def test_groups_stay_whole_and_no_fold_is_empty(names: list[str], n_folds: int, seed: int) -> None:
    groups = np.array(names)
    fold = assign_folds(groups, n_folds, np.random.default_rng(seed))
    n_groups = len(set(names))
    assert set(fold) == set(range(min(n_folds, n_groups)))
    assert all(len(set(fold[groups == name])) == 1 for name in set(names))


@given(names=GROUPS, n_folds=st.integers(2, 20), seed=st.integers(0, 1000))
def test_folds_differ_by_no_more_than_the_largest_group(
    names: list[str], n_folds: int, seed: int
) -> None:
    fold = assign_folds(np.array(names), n_folds, np.random.default_rng(seed))
    sizes = np.bincount(fold)
    assert np.ptp(sizes) <= max(names.count(name) for name in names)


def test_folds_are_the_same_for_a_seed_and_others_for_another() -> None:
    groups = np.arange(50).astype(str)
    one, same, other = (assign_folds(groups, 10, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_a_single_group_is_refused_with_the_count() -> None:
    with pytest.raises(InputError, match=r"at least 2 groups .* found 1\."):
        assign_folds(np.array(["a", "a"]), 10, np.random.default_rng(0))


def test_the_random_split_is_the_courseworks() -> None:
    split = split_at_random(649, 251238730)
    train, test = train_test_split(np.arange(649), test_size=0.2, random_state=251238730)
    assert split.test.tolist() == test.tolist()
    assert split.validation.tolist() == train[:103].tolist()
    assert split.train.tolist() == train[103:].tolist()


@given(n=st.integers(7, 300), seed=st.integers(0, 2**32 - 1))
def test_the_random_split_uses_every_item_once(n: int, seed: int) -> None:
    split = split_at_random(n, seed)
    parts = [split.train, split.validation, split.test]
    assert all(len(part) > 0 for part in parts)
    assert sorted(np.concatenate(parts)) == list(range(n))


def test_too_few_chips_for_a_random_split_are_refused() -> None:
    with pytest.raises(InputError, match=r"needs at least 7 chips .* found 6"):
        split_at_random(6, 0)


MILLIMETRES = st.integers(-(10**9), 10**9)


@given(east=MILLIMETRES, north=MILLIMETRES, block_m=st.sampled_from([250, 1000]))
def test_a_point_lies_in_its_block(east: int, north: int, block_m: int) -> None:
    name = block_of(np.array([[east / 1000, north / 1000]]), float(block_m))[0]
    column, row = (int(part) for part in str(name).split("_"))
    assert column == east // (1000 * block_m)
    assert row == north // (1000 * block_m)
