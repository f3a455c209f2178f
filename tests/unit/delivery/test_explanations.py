"""Records and files: by hand on a toy, true whatever the recommender, read back as they were."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import lxr
from lxr.delivery import SCHEMA, read_explanations, recommender_fingerprint

# Item 0 speaks for item 4 by 3, item 1 by 1, item 2 against it by 1; item 1 for item 5 by 2.
WEIGHTS = np.zeros((6, 6))
WEIGHTS[[0, 1, 2], 4] = [3, 1, -1]
WEIGHTS[1, 5] = 2


@pytest.fixture
def explanations(linear):
    """The first two recommendations of user "u": items "e" and "f"."""
    matrix = sp.csr_matrix(np.array([[1, 1, 1, 0, 0, 0]], dtype=np.float32))
    data = lxr.Interactions(matrix, np.array(["u"]), np.array(list("abcdef")), np.array([f"<{name}>" for name in "abcdef"]))
    model = linear(WEIGHTS)
    return lxr.explain(model, data, n_recommendations=2, explainer=lxr.EXPLAINERS["gradient"](model, matrix))


def random_explanations(model, histories, name="leave-one-out", n=3):
    matrix = sp.csr_matrix(histories([4, 7, 5, 9, 2]).numpy())
    data = lxr.Interactions(matrix, np.arange(10, 15), np.arange(100, 120))
    return lxr.explain(model, data, n_recommendations=n, explainer=name)


def test_a_record_by_hand(explanations):
    first, second = explanations.records(reasons=2)
    assert list(first) == list(lxr.delivery.Record.__annotations__)
    expected = {
        "schema": "lxr-explanation/1",
        "user": "u",
        "item": "e",
        "title": "<e>",
        "rank": 1,
        "score": 3.0,
        "explainer": "GradientTimesInput",
        "counterfactual": {
            "removed": [{"item": "a", "title": "<a>"}],
            "instead": {"item": "f", "title": "<f>"},
            "certificate": "optimal",
            "bound": 1,
        },
        "sentence": "Without “<a>”, “<f>” would have been recommended instead of “<e>”.",
        "recommender_fingerprint": recommender_fingerprint(explanations.by.model),
    }
    assert {name: first[name] for name in expected} == expected
    assert [(each["item"], each["title"], each["sign"]) for each in first["reasons"]] == [("a", "<a>", 1), ("b", "<b>", 1)]
    # Item 1 alone speaks for item 5: without it, its logit is that of item 3, which does not pass it; item 4 is before it.
    assert (second["item"], second["rank"], second["counterfactual"]) == ("f", 2, None)
    assert second["sentence"] == "No set was found without which “<f>” falls below place 2."


def test_records_hold_plain_values_alone(explanations):
    for record in explanations.records():
        assert json.loads(json.dumps(record, allow_nan=False)) == record


@pytest.mark.parametrize("name", ["leave-one-out", "jaccard"])
def test_counterfactuals_of_every_place_are_true_and_as_short_as_prefixes_can_be(any_model, histories, name, train_matrix):
    found = random_explanations(any_model, histories, lxr.EXPLAINERS[name](any_model, train_matrix), n=4)
    for each, record in zip(found, found.records(), strict=True):
        ranks = [rank_after(any_model, each, size) for size in range(len(each.items) + 1)]
        falls = [size for size, rank in enumerate(ranks) if rank > record["rank"]]
        if not falls:
            assert record["counterfactual"] is None and record["sentence"].startswith("No set was found")
            continue
        removed = [item["item"] - 100 for item in record["counterfactual"]["removed"]]
        assert removed == each.items[: falls[0]].tolist()
        if record["rank"] > 1:
            assert f"from place {record['rank']} to {ranks[falls[0]]}:" in record["sentence"]
        instead = record["counterfactual"]["instead"]
        assert f"“{instead['title']}”" in record["sentence"]
        newcomers = ahead(any_model, each, removed) - ahead(any_model, each, [])
        assert instead["item"] - 100 in newcomers


class First(lxr.Explainer):
    """Items of low numbers matter most."""

    def importance(self, histories, target):
        return -histories.items.float()


@pytest.mark.parametrize(("rival", "size"), [(2.5, 2), (5.5, 1)])
def test_the_smallest_set_by_hand(linear, rival, size):
    """Items 0 to 4 speak for item 5 by 1, 1, 3, 3 and -2, 6 in all; item 6 has the logit of the rival whatever is left."""
    weights, bias = np.zeros((7, 7)), np.zeros(7)
    weights[:5, 5], bias[6] = [1, 1, 3, 3, -2], rival
    data = lxr.Interactions(sp.csr_matrix([[1.0] * 5 + [0, 0]]), np.array([0]), np.arange(7))
    model = linear(weights, bias=bias)
    found = lxr.explain(model, data, explainer=First(model))
    (prefix,), (smallest,) = found.records(), found.records(sets="smallest")
    assert (prefix["item"], prefix["counterfactual"]["instead"]["item"]) == (5, 6)
    removed = [item["item"] for item in prefix["counterfactual"]["removed"]]
    if size == 1:  # whichever item does it, one is the fewest
        assert removed == [0] and prefix["counterfactual"]["certificate"] == "optimal"
        assert "smaller" not in prefix["sentence"]
        return
    assert removed == [0, 1, 2]
    assert (prefix["counterfactual"]["certificate"], prefix["counterfactual"]["bound"]) == ("none", None)
    best = smallest["counterfactual"]
    removed = [item["item"] for item in best["removed"]]
    assert weights[removed, 5].sum() > 3.5 and removed == sorted(removed)
    assert (len(removed), best["certificate"], best["bound"], best["instead"]["item"]) == (2, "optimal", 2, 6)
    assert smallest["sentence"].endswith("“6” would have been recommended instead of “5”. No smaller set exists.")


def test_it_is_said_that_there_is_no_set_at_all(linear):
    data = lxr.Interactions(sp.csr_matrix([[1.0, 1, 0, 0]]), np.array([0]), np.arange(4))
    model = linear(np.zeros((4, 4)), bias=[0, 0, 1, 0])
    (record,) = lxr.explain(model, data, explainer=First(model)).records(sets="smallest")
    assert record["counterfactual"] is None and record["sentence"].startswith("Whichever items are left out, no")


def test_smallest_sets_are_no_larger_than_prefixes(model, histories):
    found = random_explanations(model, histories)
    pairs = list(zip(found.records(), found.records(sets="smallest"), strict=True))
    for prefix, smallest in pairs:
        shared = [name for name in prefix if name not in ("counterfactual", "sentence")]
        assert [prefix[name] for name in shared] == [smallest[name] for name in shared]
        if prefix["counterfactual"]:
            bound = smallest["counterfactual"]["bound"]
            assert bound <= len(smallest["counterfactual"]["removed"]) <= len(prefix["counterfactual"]["removed"])
    assert any(smallest["counterfactual"] for _, smallest in pairs)
    with pytest.raises(ValueError, match="sets: expected one of prefix, smallest, found 'all'"):
        found.records(sets="all")
    with pytest.raises(ValueError, match="time_limit: expected a positive number, found 0"):
        found.records(sets="smallest", time_limit=0)


def ahead(model, explanation, removed) -> set[int]:
    """Items before the explained one, without some items of the history."""
    history = explanation.history.dense()
    rest = history.clone()
    rest[0, removed] = 0
    logits = model(rest).detach()[0]
    return set(((logits > logits[explanation.target]) & (history[0] == 0)).nonzero().ravel().tolist())


def rank_after(model, explanation, size) -> int:
    return 1 + len(ahead(model, explanation, explanation.items[:size].tolist()))


def test_signs_are_null_where_they_mean_nothing(model, histories):
    signed, unsigned = (random_explanations(model, histories, name) for name in ("leave-one-out", "rank-margin-path"))
    for record in signed.records():
        assert [each["sign"] for each in record["reasons"]] == np.sign([e["importance"] for e in record["reasons"]]).tolist()
    assert {each["sign"] for record in unsigned.records() for each in record["reasons"]} == {None}
    assert unsigned.to_frame()["sign"].isna().all()


def test_user_features_have_no_id():
    data = lxr.load_dataset("synthetic", user_features=True)
    weights = torch.zeros(data.n_columns, data.n_columns)
    weights[-data.n_features :, 5] = 1.0
    model = lxr.wrap(lambda history: history @ weights, data.n_items, "sigmoid", n_features=data.n_features)
    rows = np.flatnonzero(np.asarray(data.matrix[:, 5].todense()).ravel() == 0)[:2]
    found = lxr.explain(model, data, rows=rows, items=5, explainer="gradient")
    for record in found.records(reasons=3):
        first = record["reasons"][0]
        assert first["item"] is None and first["title"] in data.names[-data.n_features :] and first["sign"] == 1
        assert record["reasons"][2]["item"] is not None
    given = [each["item"] for record in found.records(reasons=3) for each in record["reasons"]]
    assert found.to_frame(reasons=3)["reason"].isna().tolist() == [item is None for item in given]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("ids", ["int", "str"])
def test_files_hold_the_records(model, histories, tmp_path, kind, ids):
    found = random_explanations(model, histories)
    if ids == "str":
        users, items = np.array([f"é{user}" for user in found.by.data.user_ids]), np.array(list("abcdefghijklmnopqrst"))
        data = lxr.Interactions(found.by.data.matrix, users, items)
        found = lxr.explain(model, data, n_recommendations=3, explainer="leave-one-out")
    path = tmp_path / f"explanations.{kind}"
    getattr(found, f"to_{kind}")(path, reasons=2)
    frame = read_explanations(path)
    assert frame.to_dict("records") == list(found.records(reasons=2))
    assert type(frame["user"].tolist()[0]).__name__ == ids


def test_other_readers_can_read_the_files(model, histories, tmp_path):
    found = random_explanations(model, histories)
    found.to_parquet(tmp_path / "a.parquet")
    found.to_jsonl(tmp_path / "a.jsonl")
    parquet, lines = pd.read_parquet(tmp_path / "a.parquet"), pd.read_json(tmp_path / "a.jsonl", lines=True)
    assert parquet["user"].dtype == "int64" and parquet["sentence"].tolist() == lines["sentence"].tolist()
    assert parquet["reasons"][0][0]["title"] == lines["reasons"][0][0]["title"]


def test_nothing_to_explain_is_an_empty_file(linear, tmp_path):
    data = lxr.Interactions(sp.csr_matrix(np.ones((3, 2), dtype=np.float32)), np.arange(3), np.arange(2))
    found = lxr.explain(linear(np.eye(2)), data, rows=[0, 1])
    assert len(found) == 0 and found.to_frame().empty and list(found.records()) == []
    found.to_parquet(tmp_path / "none.parquet")
    assert list(read_explanations(tmp_path / "none.parquet")) == list(lxr.delivery.Record.__annotations__)


def test_damaged_or_foreign_files_are_refused(explanations, tmp_path):
    path = tmp_path / "e.jsonl"
    explanations.to_jsonl(path)
    path.write_text(path.read_text().replace(SCHEMA, "lxr-explanation/2"))
    with pytest.raises(lxr.DataError, match=r"schema lxr-explanation/1, found 'lxr-explanation/2'"):
        read_explanations(path)
    path.write_text("[1]\n")
    with pytest.raises(lxr.DataError, match=r"e.jsonl, line 1: expected a JSON object"):
        read_explanations(path)
    with pytest.raises(lxr.DataError, match=r"missing.jsonl"):
        read_explanations(tmp_path / "missing.jsonl")
    explanations.to_parquet(tmp_path / "e.parquet")
    content = bytearray((tmp_path / "e.parquet").read_bytes())
    content[100] ^= 1
    (tmp_path / "e.parquet").write_bytes(content)
    with pytest.raises(lxr.DataError, match=r"e.parquet is damaged"):
        read_explanations(tmp_path / "e.parquet")
