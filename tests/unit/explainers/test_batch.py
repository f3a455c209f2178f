"""Explanations of many users."""

import pytest

import lxr


def test_mean_fidelity_is_the_mean_of_the_evaluation(model, train_matrix, histories):
    explainer = lxr.EXPLAINERS["cosine"](model, train_matrix)
    target = lxr.top_item(model, train_matrix)
    scores = explainer.explain(train_matrix, target)
    values = lxr.evaluate_fidelity(model, train_matrix, target, scores).per_user()
    for metric in ("POS@5", "POS@100", "NDCG", "NEG@5", "DEL", "INS", "CDCG@Ke=3", "POS@5,Ke=2"):
        assert lxr.explainers.mean_fidelity(explainer, train_matrix, metric=metric) == pytest.approx(
            values[metric].mean(), abs=1e-6
        )
    for metric in ("POS", "POS@x", "rank", "nothing"):
        with pytest.raises(ValueError, match="unknown metric"):
            lxr.explainers.mean_fidelity(explainer, train_matrix, target, metric=metric)
