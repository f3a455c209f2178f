"""Models of the library implicit."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from lxr.recommenders.adapters.form import Form, chosen
from lxr.recommenders.adapters.scorers import FoldIn, ItemToItem
from lxr.recommenders.adapters.sequences import examples
from lxr.utils.memory import check_memory

BY_USER = (
    "it learns a vector for every user by sampled steps, and a changed history does not change it: explain "
    "AlternatingLeastSquares, which computes the user of any history, or an item-item model such as BM25Recommender"
)
REFUSED = {"BayesianPersonalizedRanking": BY_USER, "LogisticMatrixFactorization": BY_USER}


def form_of(model: Any) -> Form:
    """Form of a fitted model of implicit. Its items have no ids: their numbers are the columns of its training matrix.

    Raises:
        ValueError: a class that cannot be explained, or a model that is not fitted.
    """
    return chosen(model, "implicit", {"AlternatingLeastSquares": _als, "ItemItemRecommender": _item_item}, REFUSED)


def _als(model: Any) -> Form:
    """ALS: the user is the least-squares solution for the history, as ``recalculate_user`` computes it."""
    factors = _array(model.item_factors)
    scorer = FoldIn(factors, consumed=model.alpha, others=1, penalty=model.regularization)
    histories = examples(range(len(factors)), min(20, len(factors)))
    rows = _rows(histories, len(factors))
    own = _array(model.recalculate_user(np.arange(len(histories)), rows)) @ factors.T
    distinct = [row.indices.tolist() for row in rows]
    return Form(scorer, len(factors), "sigmoid", histories=distinct, own=own)


def _item_item(model: Any) -> Form:
    """Item-item models: every history item adds its row of the similarities."""
    similarity = model.similarity
    n_items = similarity.shape[0]
    check_memory(4 * n_items**2, f"model ({n_items} x {n_items} similarities)")
    rows = _rows(examples(range(n_items), min(20, n_items)), n_items)
    own = np.zeros(rows.shape)
    for user, row in enumerate(rows):
        items, scores = model.recommend(0, row, N=n_items, filter_already_liked_items=False)
        own[user, items] = scores  # items without a score are not returned
    distinct = [row.indices.tolist() for row in rows]
    return Form(ItemToItem(similarity.toarray()), n_items, "sigmoid", is_linear=True, histories=distinct, own=own)


def _rows(histories: list[list[int]], n_items: int) -> sp.csr_matrix:
    """CSR (n, I) of ones."""
    rows = sp.lil_matrix((len(histories), n_items), dtype=np.float32)
    for row, history in enumerate(histories):
        rows[row, history] = 1
    return rows.tocsr()


def _array(factors: Any) -> np.ndarray:
    """Factors as an array; implicit has matrices of its own on a GPU."""
    return factors.to_numpy() if hasattr(factors, "to_numpy") else np.asarray(factors)
