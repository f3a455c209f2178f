"""Training: it learns, keeps the best epoch, is deterministic, and refuses what it cannot use."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from toys import N_ITEMS, WRAPPED, small

import lxr


def test_training_learns(learner, planted):
    model = small(learner)
    before = lxr.rank_quality(model, planted[1])
    record = lxr.fit(model, *planted, epochs=15, batch_size=20, learning_rate=0.01)
    assert list(record["epoch"]) == list(range(1, len(record) + 1))
    assert record["loss"].iloc[-1] < record["loss"].iloc[0]
    assert not model.training
    after = lxr.rank_quality(model, planted[1])
    assert after["MPR"] < 0.35 < before["MPR"]  # half of the items are of the right taste: at best about 0.2


def test_training_keeps_the_best_epoch(learner, planted):
    options = {"batch_size": 20, "learning_rate": 0.1, "patience": 5}  # fast enough to pass its best
    model, shorter = small(learner), small(learner)
    record = lxr.fit(model, *planted, epochs=40, **options)
    best = int(record["epoch"][record["NDCG@100"].idxmax()])
    assert best == len(record) - options["patience"]
    lxr.fit(shorter, *planted, epochs=best, **options)
    weights = model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in shorter.state_dict().items())


def test_training_is_deterministic(learner, planted, untouched_rng):
    models, records = [small(learner) for _ in range(3)], []
    for global_seed, (model, seed) in enumerate(zip(models, (3, 3, 4), strict=True)):
        torch.manual_seed(global_seed)
        with untouched_rng():
            records.append(lxr.fit(model, *planted, seed=seed, epochs=2, batch_size=20))
    first, second, other = (model.state_dict() for model in models)
    assert records[0].equals(records[1])
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_a_closed_form_is_trained_in_one_step(planted):
    model, reported = small("ease"), []
    record = lxr.fit(model, *planted, epochs=5, learning_rate=1e38, report=lambda *values: reported.append(values))
    assert record.columns.tolist() == ["epoch", "loss", "NDCG@100"] and len(record) == 1 and not model.training
    assert reported == [(1, record["NDCG@100"].item())]
    assert lxr.rank_quality(model, planted[1])["MPR"] < 0.35
    with pytest.raises(NotImplementedError, match="MF has no closed form"):
        small("mf").solve(lxr.EntryLists.of_matrix(planted[0]))


def test_training_leaves_the_data_alone(name, planted):
    before = [matrix.copy() for matrix in planted]
    lxr.fit(small(name), *planted, epochs=1)
    for matrix, copy in zip(planted, before, strict=True):
        assert matrix.nnz == copy.nnz
        np.testing.assert_array_equal(matrix.toarray(), copy.toarray())


def test_matrices_of_another_shape_are_refused(name, planted):
    train, validation = planted
    with pytest.raises(ValueError, match=r"train_matrix: expected \(users, 20\).*found \(80, 19\)"):
        lxr.fit(small(name), train[:, :-1], validation)
    with pytest.raises(ValueError, match=r"validation_matrix: expected \(users, 20\).*found \(40, 19\)"):
        lxr.fit(small(name), train, validation[:, :-1])
    with pytest.raises(ValueError, match=r"train_matrix: .*at least one user, found \(0, 20\)"):
        lxr.fit(small(name), train[:0], validation)
    with pytest.raises(ValueError, match=r"validation_matrix: .*at least one user, found \(0, 20\)"):
        lxr.fit(small(name), train, validation[:0])


def test_validation_users_of_one_item_are_refused(name, planted):
    with pytest.raises(ValueError, match="matrix: expected at least one user with two or more items"):
        lxr.fit(small(name), planted[0], sp.csr_matrix(np.eye(5, N_ITEMS, dtype=np.float32)), epochs=1)


class NotANumber(lxr.Recommender):
    """A recommender whose loss is NaN."""

    def __init__(self):
        super().__init__(N_ITEMS)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, history):
        """Map histories (B, I) to logits (B, I)."""
        return self.scale * history

    def loss(self, histories, generator, step):
        """0 / 0."""
        return (self(self.dense_rows(histories)) * 0).sum() / 0


def test_a_loss_that_is_not_finite_is_refused(planted):
    with pytest.raises(ValueError, match=r"training diverged in epoch 1: try a smaller learning_rate than 0\.5"):
        lxr.fit(NotANumber(), *planted, learning_rate=0.5)


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_huge_learning_rate_is_refused(learner, planted, epochs):
    # One batch per epoch: the first loss is still finite, the weights after it are not.
    with pytest.raises(ValueError, match=r"try a smaller learning_rate than 1e\+38"):
        lxr.fit(small(learner), *planted, epochs=epochs, learning_rate=1e38)


def test_a_recommender_without_a_loss_is_not_trained(planted):
    with pytest.raises(NotImplementedError, match="Wrapped has no training loss"):
        lxr.fit(WRAPPED["autoencoder"](), *planted)
