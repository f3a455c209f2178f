"""A sequential model that cornac has trained is explained: scores, importance and explanations agree with cornac's."""

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.utils.environment import data_directory

cornac = pytest.importorskip("cornac", reason="needs the package cornac")
N_EXPLAINED = 200


def generated() -> pd.DataFrame:
    """Users who follow a chain of forty items and take a random one now and then."""
    generator = np.random.default_rng(0)
    rows = []
    for user in range(500):
        item, seen = generator.integers(40), set()
        for place in range(generator.integers(6, 15)):
            rows.append((user, item, place))
            seen.add(item)
            free = [each for each in range(40) if each not in seen]
            following = [each for each in ((item + step) % 40 for step in (1, 2, 3)) if each not in seen]
            item = generator.choice(following if following and generator.random() < 0.8 else free)
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"]).assign(rating=5)


def movielens() -> pd.DataFrame:
    """Ratings of MovieLens 100K."""
    if not any((data_directory() / "ml-100k" / name).is_file() for name in ("ml-100k.inter", "u.data")):
        pytest.skip("MovieLens 100K is not in the data directory (LXR_DATA_DIR)")
    return lxr.load_ratings("ml-100k")


@pytest.fixture(scope="module", params=[generated, movielens], ids=["generated", "ml-100k"])
def fitted(request):
    """(SASRec that cornac trained on training users, data of the items that it knows, test users)."""
    torch.set_num_threads(1)
    ratings = request.param()
    data = lxr.prepare(ratings)
    train, _, test = lxr.split_users(len(data.user_ids), validation=0.01, test=0.45)
    entries = data.histories(train)
    places = zip(data.user_ids[train][entries.users], data.item_ids[entries.items], range(len(entries.items)), strict=True)
    rows = [(f"session {user}", str(item), place) for user, item, place in places]  # text, as cornac reads files
    sequences = cornac.data.SequentialDataset.build(rows, fmt="SIT")
    options = {"embedding_dim": 24, "num_blocks": 1, "max_len": 15, "n_epochs": 3, "learning_rate": 0.005, "n_sample": 256}
    model = cornac.models.SASRec(batch_size=256, dropout=0.1, seed=1, **options).fit(sequences)
    known = ratings[ratings["item"].astype(str).isin(model.iid_map.keys())]
    data = lxr.prepare(known)
    users = data.user_ids[np.isin(data.user_ids, lxr.prepare(ratings).user_ids[test])][:N_EXPLAINED]
    return model, data, users


def own_scores(model, data, history) -> np.ndarray:
    """Cornac's scores (I,) of columns of the data, for the items of the data."""
    numbers = [model.iid_map[str(item)] for item in data.item_ids]
    return model.score(0, [numbers[item] for item in history])[numbers]


@pytest.mark.slow
def test_a_model_that_cornac_trained_is_explained(fitted):
    theirs, data, users = fitted
    assert len(users) == N_EXPLAINED
    model = lxr.adapt(theirs, data)
    histories = data.histories(data.rows_of(users)).batch()
    lists = histories.lists()
    own = np.stack([own_scores(theirs, data, history) for history in lists])
    with torch.no_grad():
        np.testing.assert_allclose(model.logits(histories), own, atol=1e-4)

    target = lxr.top_item(model, histories)
    scores = lxr.EXPLAINERS["leave-one-out"](model, None).explain(histories, target)
    for row in range(5):  # the same by cornac alone
        whole = torch.from_numpy(own[row]).double().log_softmax(0)[target[row]]
        for place in range(len(lists[row])):
            rest = torch.from_numpy(own_scores(theirs, data, np.delete(lists[row], place))).double()
            difference = whole - rest.log_softmax(0)[target[row]]
            assert scores[row, place] == pytest.approx(float(difference), abs=1e-3)

    for name in ("leave-one-out", "recent", "gradient"):
        explanations = lxr.explain(model, data, users=users.tolist(), n_recommendations=1, explainer=name)
        assert len(explanations) == N_EXPLAINED
    fidelity = {
        name: lxr.evaluate_fidelity(
            model, histories, target, lxr.EXPLAINERS[name](model, data.matrix).explain(histories, target), lengths=(1,)
        )
        for name in ("random", "gradient", "leave-one-out")
    }
    drop = [result.fixed["DEL"].mean() for result in fidelity.values()]
    assert drop == sorted(drop, reverse=True)
