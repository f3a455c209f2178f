"""One contract for recommenders that use the order: every question keeps it, and entries that are left out are deleted."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from toys import Fading

import lxr
from lxr.app import Exploration
from lxr.app.models import Models
from lxr.counterfactuals import ChangesList, Enters, LeavesTop, added_items, counterfactual_sets, smallest_set
from lxr.delivery.people import read_people
from lxr.evaluation import counterfactual_study, greedy_bound, least_influential_item, random_bound, stability
from lxr.metrics import necessary_and_sufficient
from lxr.runs.plan import explainers_of
from lxr.tuning import ExplainerTuning

N_USERS, N_ITEMS = 12, 9


class Taught(Fading):
    """It can be trained: the newest item is predicted from the others."""

    def loss(self, histories, generator, step):
        """Cross-entropy of the newest items."""
        last = histories.lengths[:, None] - 1
        newest = torch.zeros_like(histories.real).scatter(1, last, True)
        logits = self.logits_after_deletion(histories, ~newest)
        return torch.nn.functional.cross_entropy(logits, histories.items.gather(1, last).squeeze(1))


@pytest.fixture(scope="module")
def data():
    """Five items of each user, whose times are in another order than the items."""
    generator = np.random.default_rng(0)
    items = np.concatenate([generator.choice(N_ITEMS, 5, replace=False) for _ in range(N_USERS)])
    users = np.arange(N_USERS).repeat(5)
    frame = pd.DataFrame({"user": users, "item": items, "timestamp": np.arange(len(items))})
    return lxr.prepare(frame, min_users_per_item=1)


def trained(cls, data, **options):
    """A model whose scores differ enough for smallest sets to exist."""
    model = cls(data.n_items, n_factors=8, dropout=0.0, **options)
    lxr.fit(model, data.histories(), data.histories(), epochs=40, patience=40, batch_size=4, learning_rate=0.01)
    return model


MODELS = {
    "toy": lambda data: Fading(data.n_items),
    "sasrec": lambda data: trained(lxr.SASRec, data, n_layers=1),
    "gru4rec": lambda data: trained(lxr.GRU4Rec, data),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, data):
    """The score of an item differs by the order of a history."""
    return MODELS[request.param](data)


def logits_of(model, items) -> torch.Tensor:
    """Logits (I,) of a list of items, oldest first."""
    return model.logits(lxr.Histories.of_lists([list(items)], model.n_columns)).detach()[0]


def ranked(model, items, whole) -> list[int]:
    """Items outside the whole history, the best for the items of a list first."""
    logits = logits_of(model, items)
    logits[list(whole)] = -torch.inf
    return logits.argsort(descending=True, stable=True).tolist()[: model.n_items - len(set(whole))]


def without(items, removed) -> list[int]:
    """The rest of a list, in its order."""
    return [item for item in items if item not in removed]


def lists_of(data) -> list[list[int]]:
    """Items of every user, oldest first."""
    return [data.histories([user]).items.tolist() for user in range(N_USERS)]


def test_the_model_uses_the_order(model, data):
    assert any(ranked(model, items, items) != ranked(model, sorted(items), items) for items in lists_of(data))


def test_recommendations_are_those_of_the_ordered_histories(model, data):
    found = lxr.recommend(model, data, n=3)
    expected = [item for items in lists_of(data) for item in ranked(model, items, items)[:3]]
    assert data.columns_of(found["item"]).tolist() == expected


def test_training_gets_the_order(data):
    entries = data.histories()
    scrambled = lxr.EntryLists.of_matrix(data.matrix)
    with pytest.raises(ValueError, match=r"^train_matrix: Taught uses the order of entries: expected .* lxr.EntryLists"):
        lxr.fit(Taught(data.n_items), data.matrix, entries)
    trained = {}
    for name, histories in {"ordered": entries, "ascending": scrambled}.items():
        model = Taught(data.n_items)
        lxr.fit(model, histories, histories, epochs=2, batch_size=4)
        trained[name] = model.table.detach()
    assert not torch.equal(trained["ordered"], trained["ascending"])


@pytest.mark.parametrize("goal", [LeavesTop(1), LeavesTop(2), Enters(1), ChangesList(2)])
def test_smallest_sets_are_those_of_trying_all(model, data, goal):
    lists = lists_of(data)
    target = np.array([ranked(model, items, items)[2 if isinstance(goal, Enters) else 0] for items in lists])
    found = counterfactual_sets(model, data.histories(), target, goal, time_limit=60)
    for one, items, item in zip(found, lists, target.tolist(), strict=True):
        question = torch.tensor([item]), torch.ones(1, model.n_items, dtype=torch.bool)
        question[1][0, items] = False

        def reached(removed, items=items, question=question):
            logits = logits_of(model, without(items, removed))[None]
            return bool(goal.reached(logits, logits_of(model, items)[None], *question))

        sizes = (size for size in range(6) for removed in itertools.combinations(items, size) if reached(removed))
        expected = next(sizes, None)
        assert one.size == expected and one.certificate == ("none" if expected is None else "optimal")
        assert one.removed is None or reached(one.removed.tolist())


def test_one_user_may_be_asked_for_as_histories(model, data):
    items = lists_of(data)[3]
    target = ranked(model, items, items)[0]
    single = smallest_set(model, data.histories([3]).batch(), target)
    (listed,) = counterfactual_sets(model, data.histories([3]), [target])
    assert single.removed.tolist() == listed.removed.tolist() and single.length == 5


def test_a_repeated_item_leaves_with_all_of_its_entries():
    model = Fading(5)
    items = [1, 3, 1]
    target = ranked(model, items, items)[0]
    found = smallest_set(model, lxr.Histories.of_lists([items], 5), target)
    assert found.length == 2 and set(found.removed if found.removed is not None else []) <= {1, 3}
    if found.removed is not None:
        assert ranked(model, without(items, found.removed), items)[0] == found.replacement != target


def test_necessary_and_sufficient_sets_are_deleted_and_kept(model, data):
    lists = lists_of(data)
    target = lxr.top_item(model, data.histories())
    sets = [np.array(items[1:3]) for items in lists]
    necessary, sufficient = necessary_and_sufficient(model, data.histories(), target, sets)
    for row, (items, item) in enumerate(zip(lists, target.tolist(), strict=True)):
        assert necessary[row] == (ranked(model, without(items, items[1:3]), items)[0] != item)
        assert sufficient[row] == (ranked(model, items[1:3], items)[0] == item)


def test_an_added_item_is_the_newest(model, data):
    for items in lists_of(data):
        wanted = ranked(model, items, items)[1]
        found = added_items(model, lxr.Histories.of_lists([items], model.n_columns), wanted, time_limit=60)
        free = [item for item in range(model.n_items) if item not in items and item != wanted]
        alone = [item for item in free if ranked(model, [*items, item], items)[0] == wanted]
        assert (found.added is not None and len(found.added) == 1) == bool(alone)
        assert found.added is None or ranked(model, [*items, *found.added], items)[0] == wanted


def test_explanations_keep_the_order(model, data):
    explainer = lxr.explainers.LeaveOneOut(model, objective="logit")
    found = lxr.explain(model, data, explainer=explainer)
    for explanation, items in zip(found, lists_of(data), strict=True):
        target = ranked(model, items, items)[0]
        assert explanation.target == target and explanation.history.items[0].tolist() == items
        expected = [float((logits_of(model, items) - logits_of(model, without(items, [item])))[target]) for item in items]
        np.testing.assert_allclose(explanation.scores, expected, atol=1e-5)
        assert explanation.items.tolist() == [items[place] for place in np.argsort(-explanation.scores)]
        rest = without(items, explanation.items[:2])
        assert explanation.without(explanation.items[:2]).rank == 1 + ranked(model, rest, items).index(target)
        if (removed := explanation.counterfactual.removed) is not None:
            replacement = data.titles(np.array([ranked(model, without(items, removed), items)[0]]))[0]
            assert f"“{replacement}” would have been recommended" in explanation.sentence


def test_records_name_the_fall_after_deletion(model, data):
    explainer = lxr.explainers.LeaveOneOut(model)
    found = lxr.explain(model, data, explainer=explainer, n_recommendations=2)
    for record, explanation in zip(found.records(sets="smallest"), found, strict=True):
        if record["counterfactual"] is None:
            continue
        items = explanation.history.items[0].tolist()
        removed = data.columns_of([each["item"] for each in record["counterfactual"]["removed"]])
        assert ranked(model, without(items, removed), items).index(explanation.target) + 1 > record["rank"]


def test_histories_of_ids_keep_their_order(model, data):
    ids = data.item_ids[[4, 0, 7]].tolist()
    forward, backward = lxr.explain(model, data, histories=[ids, ids[::-1]], explainer="leave-one-out")
    assert forward.history.items.tolist() == [[4, 0, 7]] and backward.history.items.tolist() == [[7, 0, 4]]
    assert forward.target == ranked(model, [4, 0, 7], [4, 0, 7])[0]
    assert backward.target == ranked(model, [7, 0, 4], [4, 0, 7])[0]


def test_people_in_files_keep_their_order(model, data, tmp_path):
    (tmp_path / "people.csv").write_text("user,item\n1,7\n2,3\n1,0\n1,7\n")
    people = read_people(tmp_path / "people.csv", data)
    found = lxr.explain(model, people, explainer=lxr.explainers.LeaveOneOut(model))
    assert [each.history.items[0].tolist() for each in found] == [[7, 0, 7], [3]]
    assert found[0].target == ranked(model, [7, 0, 7], [7, 0])[0]


def test_comparisons_use_the_ordered_histories(model, data):
    comparison = lxr.compare(model, data, explainers=["leave-one-out", "random"], n_users=50)
    _, _, test = lxr.split_users(N_USERS, seed=0)
    expected = [ranked(model, items, items)[0] for items in np.array(lists_of(data))[test].tolist()]
    assert comparison.results["random"].target.tolist() == expected


def test_the_app_deletes_entries_and_adds_the_newest(model, data):
    exploration = Exploration(Models(model, data))
    items = lists_of(data)[0]
    assert exploration.recommendation.target == ranked(model, items, items)[0]
    exploration.remove(items[1:3])
    expected = ranked(model, without(items, items[1:3]), items)
    assert [row.item for row in exploration.ranking(2)][:2] == expected[:2]
    assert exploration.recommendations_without(3)["item"].tolist() == expected[:3]
    falls, reasons = (
        exploration.recommendation.fall("leave-one-out"),
        exploration.recommendation.explanation("leave-one-out"),
    )
    for step, rank in enumerate(falls[:-1]):  # without the whole history, all items are equal
        rest = without(items, reasons.items[:step])
        assert rank == 1 + ranked(model, rest, items).index(reasons.target)
    exploration.add(other := expected[0])
    assert exploration.recommendation.target == ranked(model, [*items, other], [*items, other])[0]


def test_bounds_hold_for_ordered_histories(model, data):
    histories, target = data.histories(), lxr.top_item(model, data.histories())
    greedy, random = greedy_bound(model, histories, target), random_bound(model, histories, target, n_orders=3)
    scores = lxr.explainers.LeaveOneOut(model).explain(histories, target)
    result = lxr.evaluate_fidelity(model, histories, target, scores)
    for bound in (greedy, random):
        np.testing.assert_array_equal(bound.rank, result.rank)  # the whole histories, in order
        np.testing.assert_allclose(bound.prob, result.prob, rtol=1e-5)
    assert (greedy.fixed["DEL"][:, 0] <= result.fixed["DEL"][:, 0] + 1e-6).all()  # single removals are all tried


def test_sanity_checks_delete_entries(model, data):
    histories, target = data.histories(), lxr.top_item(model, data.histories())
    removed = least_influential_item(model, histories, target)
    for items, item, least in zip(lists_of(data), target.tolist(), removed.tolist(), strict=True):
        odds = [model.log_odds(logits_of(model, without(items, [one]))[None])[0, item] for one in [None, *items]]
        changes = [abs(float(odds[0] - one)) for one in odds[1:]]
        assert changes[items.index(least)] == pytest.approx(min(changes), abs=1e-5)
    explainer = lxr.explainers.LeaveOneOut(model, objective="logit")
    scores = explainer.explain(histories, target)
    shares = stability(explainer, scores, target, removed, count=1, histories=histories)
    rests = [without(items, [least]) for items, least in zip(lists_of(data), removed.tolist(), strict=True)]
    for row, (items, rest) in enumerate(zip(lists_of(data), rests, strict=True)):
        first = {}
        for name, whole in {"before": items, "after": rest}.items():
            left = {one: float(logits_of(model, without(whole, [one]))[target[row]]) for one in rest}
            first[name] = min(left, key=left.get)
        assert shares[row] == (first["before"] == first["after"])


def test_studies_of_sets_use_ordered_histories(model, data):
    histories, target = data.histories(), lxr.top_item(model, data.histories())
    scores = lxr.explainers.LeaveOneOut(model).explain(histories, target)
    study = counterfactual_study(model, histories, target, {"leave-one-out": scores}, ks=[1])
    found = lxr.counterfactuals.smallest_prefix(model, histories, target, scores)
    sizes = study.by_k[1].sizes.loc["leave-one-out"].to_numpy()
    np.testing.assert_array_equal(sizes, np.where(found.found, found.size, np.nan))
    assert (study.by_k[1].smallest <= sizes)[found.found].all()


@pytest.mark.parametrize("name", ["lxr", "lxr-path-rank", "lxr-path-pure-score"])
@pytest.mark.filterwarnings("ignore:.*not clearly better than a random order")
def test_explainers_learn_from_ordered_histories(model, data, name, monkeypatch):
    asked, logits = set(), type(model).logits

    def noting(self, histories, keep=None, candidates=None):
        asked.update(tuple(items.tolist()) for items in histories.lists())
        return logits(self, histories, keep, candidates)

    monkeypatch.setattr(type(model), "logits", noting)
    (found,) = lxr.explain(model, data, rows=[3], explainer=name, epochs=1, hidden_size=4)
    assert sorted(found.items) == sorted(lists_of(data)[3])
    train, validation, _ = lxr.split_users(N_USERS)
    assert {tuple(lists_of(data)[user]) for user in [*train, *validation]} <= asked


@pytest.mark.filterwarnings("ignore:.*not clearly better than a random order")
def test_learned_explainers_are_compared_on_ordered_histories(data):
    comparison = lxr.compare(Fading(data.n_items), data, explainers=["lxr-path-rank", "random"], n_users=2)
    assert sorted(comparison.table.index) == ["lxr-path-rank", "random"]


@pytest.mark.parametrize("make", [Fading, lxr.MF])
def test_recent_items_come_first_for_any_recommender(make, data):
    model = make(data.n_items)
    for explanation, items in zip(lxr.explain(model, data, explainer="recent"), lists_of(data), strict=True):
        assert explanation.items.tolist() == items[::-1] and explanation.importance.tolist() == [4, 3, 2, 1, 0]
    (cart,) = lxr.explain(model, data, histories=[data.item_ids[[5, 8, 2]].tolist()], explainer="recent")
    assert cart.items.tolist() == [2, 8, 5]
    table = lxr.compare(model, data, explainers=["recent", "random"]).table
    assert sorted(table.index) == ["random", "recent"]


def test_recent_is_known_by_name_alone_and_needs_an_order(data):
    assert "recent" in lxr.EXPLAINERS and "recent" not in list(lxr.EXPLAINERS) + lxr.EXPLAINERS.names()
    model = lxr.MF(data.n_items)
    explainer = lxr.EXPLAINERS["recent"](model, data.matrix)
    with pytest.raises(ValueError, match=r"history: NewestFirst uses the order of entries: .* found csr_matrix"):
        explainer.explain(data.matrix, lxr.top_item(model, data.matrix))
    unordered = lxr.Interactions(data.matrix, data.user_ids, data.item_ids)
    with pytest.raises(ValueError, match=r"data: expected entries with an order"):
        lxr.explain(model, unordered, explainer="recent")
    with pytest.raises(ValueError, match=r"explainers: recent uses the order of entries, and MF does not"):
        Models(model, data, explainers=["recent"])
    assert explainers_of(["recent", "random"], ordered=False) == ["random"]
    assert explainers_of(["lime", "recent", "random"], ordered=True) == ["random", "recent", "lime"]
    assert set(explainers_of(["all"], ordered=False)) - set(explainers_of(["all"], ordered=True)) == {"shap"}


def test_fidelity_and_tuning_ask_with_ordered_histories(model, data):
    histories, target = data.histories(), lxr.top_item(model, data.histories())
    explainer = lxr.explainers.LeaveOneOut(model)
    found = lxr.explainers.mean_fidelity(explainer, histories, metric="INS")
    expected = lxr.evaluate_fidelity(model, histories, target, explainer.explain(histories, target)).per_user()["INS"].mean()
    assert found == pytest.approx(expected)
    tuning = ExplainerTuning("leave-one-out", model, histories, histories, metric="INS")
    assert tuning.evaluate({"objective": "log-prob"}, lambda *_: None) == pytest.approx(expected)
    assert tuning.about["users"] == N_USERS


@pytest.mark.parametrize("sets", ["prefix", "smallest"])
def test_records_of_repeated_items_are_true(model, data, sets):
    ids, lists = data.item_ids, [[1, 4, 1, 6], [8, 8, 2, 0, 8], [3, 5, 3, 5, 7]]
    histories = [ids[items].tolist() for items in lists]
    explainer = lxr.explainers.LeaveOneOut(model, objective="logit")
    found = lxr.explain(model, data, histories=histories, explainer=explainer, n_recommendations=3)
    falls = 0
    for record, explanation in zip(found.records(sets=sets), found, strict=True):
        assert explanation.history.items[0].tolist() in lists
        if record["counterfactual"] is not None:
            falls, items = falls + 1, explanation.history.items[0].tolist()
            removed = data.columns_of([each["item"] for each in record["counterfactual"]["removed"]]).tolist()
            assert len(set(removed)) == len(removed)
            assert ranked(model, without(items, removed), items).index(explanation.target) + 1 > record["rank"]
    assert falls
