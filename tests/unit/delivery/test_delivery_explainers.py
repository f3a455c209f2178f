"""Explainers for delivery: read from files of any class, and identified by their fingerprints."""

import numpy as np
import pytest

import lxr
from lxr.delivery import as_explainer, explainer_fingerprint, load_explainer, recommender_fingerprint

QUICK = {"lxr": {"epochs": 1}, "lime": {"n_samples": 60}, "shap": {"n_clusters": 4}}
NAMES = ["random", "jaccard", "tf-idf", "lime", "shap", "lxr", "lxr-refined", "leave-one-out", "spinrec", "rank-margin-path"]


def made(name, train_matrix, seed=0):
    options = QUICK.get(name.removesuffix("-refined"), {})
    return lxr.EXPLAINERS[name](lxr.MF(20, n_factors=4), train_matrix[:40], train_matrix[40:], seed=seed, **options)


@pytest.mark.filterwarnings("ignore:LXR")
@pytest.mark.parametrize("name", NAMES)
def test_a_fingerprint_is_the_same_whenever_it_is_taken(name, train_matrix):
    explainer = made(name, train_matrix)
    before = explainer_fingerprint(explainer)
    assert len(before) == 64 and before == explainer_fingerprint(made(name, train_matrix))
    history = train_matrix[:2]
    explainer.explain(history, lxr.top_item(explainer.model, history))
    assert explainer_fingerprint(explainer) == before


@pytest.mark.filterwarnings("ignore:LXR")
def test_fingerprints_tell_explainers_apart(train_matrix):
    names = [*NAMES, "gradient", "rank-margin", "soft-rank-path", "cosine"]
    explainers = [made(name, train_matrix) for name in names]
    explainers += [made(name, train_matrix, seed=1) for name in ("lxr", "lime", "random")]
    explainers.append(made("jaccard", train_matrix[:, ::-1]))
    assert len(set(map(explainer_fingerprint, explainers))) == len(explainers)
    assert recommender_fingerprint(lxr.MF(5, seed=1)) != recommender_fingerprint(lxr.MF(5, seed=2))


@pytest.mark.filterwarnings("ignore:LXR")
def test_a_saved_explainer_is_read_whatever_its_class(train_matrix, tmp_path):
    explainer = made("lxr", train_matrix)
    explainer.save(tmp_path / "lxr.pt")
    again = load_explainer(tmp_path / "lxr.pt", explainer.model)
    assert type(again) is lxr.LXR and explainer_fingerprint(again) == explainer_fingerprint(explainer)
    explainer.model.save(tmp_path / "mf.pt")
    with pytest.raises(lxr.DataError, match=r"mf.pt: expected a saved explainer \(LXR, .*\), found a recommender"):
        load_explainer(tmp_path / "mf.pt", explainer.model)
    with pytest.raises(lxr.DataError, match="expected an explainer of this recommender"):
        load_explainer(tmp_path / "lxr.pt", lxr.MF(20, n_factors=4, seed=1))


def test_the_name_is_that_of_the_registry_or_of_the_class(train_matrix):
    model = lxr.MF(20, n_factors=4)
    data = lxr.Interactions(train_matrix, np.arange(60), np.arange(20))
    assert as_explainer("lxr-path-pure", model, data, epochs=1)[1] == "lxr-path-pure-rank"
    assert as_explainer(lxr.explainers.LeaveOneOut(model), model, data)[1] == "LeaveOneOut"
