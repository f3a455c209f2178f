"""Published figures, and ours in their layout."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import train_test_split

import lxr
from lxr.evaluation import authors_recommender, in_published_layout, published_fidelity, published_test_users


def test_published_figures_are_there_where_the_authors_report_them():
    curves, fixed = (published_fidelity("ml-1m", "mf", kind) for kind in ("curves", "fixed"))
    assert curves.loc["lxr", "POS@20"] == 0.5706 and fixed.loc["shap", "CDCG"] == 0.9595
    assert published_fidelity("ml-1m", "vae").empty
    with pytest.raises(ValueError, match="kind: expected one of curves, fixed, found 'nope'"):
        published_fidelity("ml-1m", "mf", "nope")


def test_our_figures_in_the_published_layout(results):
    per_user = {name: result.per_user() for name, result in results.items()}
    curves, fixed = in_published_layout(per_user), in_published_layout(per_user, "fixed")
    result = results["random"]
    assert curves.loc["random", "NEG@20"] == pytest.approx(result.curves["NEG@20"].mean())
    assert fixed.loc["random", "CDCG"] == pytest.approx(result.fixed["CDCG"].mean())
    assert fixed.loc["random", "DEL"] == pytest.approx((result.fixed["DEL"] * result.prob[:, None]).mean())


LAYERS = ("mlp.linear_x.weight", "mlp.linear_y.weight")


def test_the_authors_recommender_scores_by_its_two_layers(tmp_path):
    history_layer, item_layer = torch.tensor([[1.0, 2, 3], [0, 1, 0]]), torch.tensor([[2.0, 0, 1], [1, 1, 5]])
    torch.save(dict(zip(LAYERS, (history_layer, item_layer), strict=True)), tmp_path / "model.pt")
    model = authors_recommender(tmp_path / "model.pt")
    # Items 0 and 1: the user is (1 + 2, 0 + 1) = (3, 1); the items are (2, 1), (0, 1), (1, 5).
    assert model(torch.tensor([[1.0, 1, 0]])).tolist() == [[7, 1, 8]]
    assert not model.training


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1, 2], r"expected the weights mlp.linear_x.weight, mlp.linear_y.weight, found list"),
        ({"users_fc.weight": torch.ones(2, 3)}, r"found \['users_fc.weight'\]"),
        (dict(zip(LAYERS, (torch.ones(2, 3), torch.ones(2, 4)), strict=True)), r"found shapes \(2, 3\) and \(2, 4\)"),
        (dict(zip(LAYERS, (torch.ones(3), torch.ones(3)), strict=True)), r"found shapes \(3,\) and \(3,\)"),
        (dict(zip(LAYERS, (1.0, 2.0), strict=True)), r"found shapes \(\) and \(\)"),
        (dict.fromkeys(LAYERS, torch.full((2, 3), torch.nan)), r"its weights do not fit: .* expected finite numbers"),
        (dict.fromkeys(LAYERS, torch.ones(2, 3, dtype=torch.long)), r"its weights do not fit: .* expected numbers like"),
    ],
)
def test_a_file_that_is_not_the_authors_recommender_is_refused(tmp_path, state, message):
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(lxr.DataError, match=message) as caught:
        authors_recommender(tmp_path / "model.pt")
    assert "model.pt" in str(caught.value)


def test_a_file_that_torch_cannot_read_is_refused(tmp_path):
    (tmp_path / "model.pt").write_text("<html>not found</html>")
    for name in ("model.pt", "absent.pt"):
        with pytest.raises(lxr.DataError, match=f"{name}: cannot read weights saved by PyTorch"):
            authors_recommender(tmp_path / name)


def test_the_published_test_users_are_a_fifth_and_always_the_same():
    users = published_test_users(6040)
    assert len(users) == 1208 and len(set(users.tolist())) == 1208 and (users[1:] > users[:-1]).all()
    assert users[:3].tolist() == [8, 14, 15]
    for n_users in (2, 11, 6037, 6040):
        expected = train_test_split(np.arange(n_users), test_size=0.2, random_state=42)[1]
        np.testing.assert_array_equal(published_test_users(n_users), np.sort(expected))
    with pytest.raises(ValueError, match="n_users"):
        published_test_users(1)
