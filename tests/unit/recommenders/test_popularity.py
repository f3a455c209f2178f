"""Popularity: the counts of training users."""

import oracles
from toys import N_ITEMS

import lxr


def test_popularity_counts_training_users(train_matrix, history):
    logits = lxr.Popularity(train_matrix)(history)
    expected = [len(oracles.users_of(train_matrix.toarray(), item)) for item in range(N_ITEMS)]
    assert logits.tolist() == [expected] * len(history)
