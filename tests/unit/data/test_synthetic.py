"""Synthetic data: two planted tastes, and sequences, by seed."""

import numpy as np
import pandas as pd

import lxr
from lxr.data import synthetic


def test_synthetic_needs_no_data_directory(offline, tmp_path):
    data = lxr.load_dataset("synthetic", tmp_path / "none")
    assert data.matrix.shape == (600, 160)
    assert not (tmp_path / "none").exists()


def test_synthetic_is_a_function_of_its_seed():
    np.random.seed(1)
    first = synthetic.synthetic_ratings(seed=3)
    np.random.seed(2)
    again, other = synthetic.synthetic_ratings(seed=3), synthetic.synthetic_ratings(seed=4)
    pd.testing.assert_frame_equal(first, again)
    assert first.attrs == again.attrs
    assert not first[["user", "item"]].equals(other[["user", "item"]])
    pd.testing.assert_frame_equal(lxr.load_ratings("synthetic"), synthetic.synthetic_ratings(seed=7))


def test_synthetic_times_are_of_2025_and_say_nothing_of_items():
    ratings = lxr.load_ratings("synthetic")
    assert set(pd.to_datetime(ratings["timestamp"], unit="s").dt.year) == {2025}
    assert abs(ratings["timestamp"].corr(ratings["item"])) < 0.05
    entries = lxr.load_dataset("synthetic").histories()
    same_user = np.diff(entries.users) == 0
    assert 0.4 < (np.diff(entries.items)[same_user] > 0).mean() < 0.6


def test_synthetic_titles_tell_the_planted_groups():
    data = lxr.load_dataset("synthetic")
    letters = [title.removeprefix("Group ").partition(",")[0] for title in data.item_titles]
    assert letters == ["ABCDEFGH"[group] for group in data.item_groups]
    assert sorted(np.unique(data.item_groups, return_counts=True)[1]) == [20] * 8
    assert len(set(data.item_titles)) == 160


def test_synthetic_histories_lie_in_two_groups():
    data = lxr.load_dataset("synthetic")
    per_group = data.matrix @ np.eye(8)[data.item_groups]  # (users, groups)
    in_two = np.sort(per_group, axis=1)[:, -2:].sum(axis=1) / per_group.sum(axis=1)
    assert (in_two > 0.5).all()
    # 85 % are drawn from the two groups, and a quarter of the rest falls there; a little less, as items run out.
    assert 0.82 < in_two.mean() < 0.9
    assert np.diff(data.matrix.indptr).min() >= 8 and np.diff(data.matrix.indptr).max() <= 24


def test_synthetic_without_noise_lies_in_two_groups_alone():
    ratings = synthetic.synthetic_ratings(n_users=50, noise=0.0, seed=7)
    groups = ratings["item"].map(ratings.attrs["groups"]).groupby(ratings["user"]).nunique()
    assert groups.max() == 2


def test_sequences_are_a_function_of_their_seed():
    first, again, other = (synthetic.synthetic_sequences(n_users=20, seed=seed) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    pd.testing.assert_frame_equal(lxr.load_ratings("synthetic-sequences"), synthetic.synthetic_sequences(seed=7))


def test_sequences_without_noise_go_through_three_series_up_or_down():
    data = lxr.prepare(synthetic.synthetic_sequences(n_users=50, noise=0.0, seed=1), min_users_per_item=1)
    entries, series = data.histories(), data.item_groups
    for user in range(50):
        items = entries[np.array([user])].items
        assert len(np.unique(items)) == len(items) and len(np.unique(series[items])) <= 3
        for one in np.unique(series[items]):
            parts = [int(data.item_titles[item].rpartition(" ")[2]) for item in items if series[item] == one]
            assert len(set(np.diff(parts) % 20)) <= 1 and set(np.diff(parts) % 20) <= {1, 19}


def test_in_sequences_the_next_item_is_beside_the_newest_of_its_series():
    """With noise: a share of .1 of all entries is any item, and an item in between may have been consumed before."""
    data = lxr.load_dataset("synthetic-sequences")
    assert data.matrix.shape == (600, 160)
    rest, last = lxr.split_last(data.histories())
    reasons = lxr.metrics.latest_reasons(rest, last, data.item_groups)
    parts = data.item_ids // 8
    newest = np.array([row.indices[row.data.argmax()] if row.data.any() else -1 for row in reasons])
    beside = np.isin((parts[last] - parts[newest]) % 20, (1, 19)) & (newest >= 0)
    assert 0.7 < beside.mean() < 0.9
    times = data.histories().times
    gaps = np.diff(times)[np.diff(data.histories().users) == 0]
    assert gaps.min() >= 3600 and gaps.max() < 7 * 24 * 3600
