"""One contract for every recommender of the registry, for variants and adapters, asked with entries in an order."""

import pickle

import numpy as np
import pytest
import torch
from every_recommender import OF_ROWS, OF_SEQUENCES, entries_of, shares, trained
from toys import TINY, random_lists

import lxr
from lxr import Histories
from lxr.metrics import chunks

EXPLAINERS = ["random", "leave-one-out", "lime", "gradient", "rank-margin-path"]
MAKERS = OF_ROWS | OF_SEQUENCES


@pytest.fixture(params=MAKERS)
def recommender(request):
    """Every kind of recommender."""
    return MAKERS[request.param]()


@pytest.fixture
def entries(recommender):
    """Users with many, few and no entries."""
    return entries_of(recommender)


def test_every_registered_recommender_is_tested():
    assert lxr.RECOMMENDERS.keys() == TINY.keys()


def test_a_whole_mask_is_no_mask(recommender, entries):
    expected = recommender.logits(entries)
    assert expected.shape == (len(entries), recommender.n_columns) and expected.dtype == torch.float32
    for keep in (entries.real, torch.ones(entries.shape), torch.ones(entries.shape, dtype=torch.int64)):
        torch.testing.assert_close(recommender.logits(entries, keep), expected)


def test_deleted_entries_are_as_if_they_had_never_been(recommender, entries):
    stays = shares(entries) > 0.5
    assert 0 < (stays & entries.real).sum() < entries.real.sum()
    expected = recommender.logits(entries.keep(stays))
    torch.testing.assert_close(recommender.logits_after_deletion(entries, stays), expected)
    if not recommender.is_ordered:  # others move the positions
        torch.testing.assert_close(recommender.logits(entries, stays), expected)
        torch.testing.assert_close(recommender.logits(entries, stays.float()), expected)


def test_a_recommender_can_be_sent_to_workers(recommender, entries):
    cloudpickle = pytest.importorskip("cloudpickle", reason="comes with dask")
    sent = pickle.loads(cloudpickle.dumps(recommender))
    assert torch.equal(sent.logits(entries), recommender.logits(entries))


@pytest.mark.parametrize("name", [*TINY, "popularity", "autoencoder", "scikit-learn scorer of rows"])
def test_a_recommender_of_importable_code_can_be_pickled(name):
    recommender = MAKERS[name]()
    entries = entries_of(recommender)
    assert torch.equal(pickle.loads(pickle.dumps(recommender)).logits(entries), recommender.logits(entries))


def test_only_ordered_recommenders_use_the_order(recommender, entries):
    keep = shares(entries)
    place = torch.rand(entries.shape, generator=torch.Generator().manual_seed(1))
    if recommender.is_ordered:
        place += ~entries.real  # padding stays at the end
    order = place.argsort(dim=1)
    other = entries.mapped(lambda each: each.gather(1, order))
    assert [items.tolist() for items in other.lists()] != [items.tolist() for items in entries.lists()]
    if recommender.is_ordered:
        assert not torch.allclose(recommender.logits(other), recommender.logits(entries))
    else:
        torch.testing.assert_close(recommender.logits(other), recommender.logits(entries))
        torch.testing.assert_close(recommender.logits(other, keep.gather(1, order)), recommender.logits(entries, keep))


def test_candidates_are_columns_of_the_whole(recommender, entries):
    generator = torch.Generator().manual_seed(2)
    candidates = torch.randint(recommender.n_columns, (len(entries), 4), generator=generator)
    candidates[:, 0] = recommender.n_columns - 1  # a feature, if there are some
    for keep in (None, shares(entries), shares(entries) > 0.5):
        expected = recommender.logits(entries, keep).gather(1, candidates)
        torch.testing.assert_close(recommender.logits(entries, keep, candidates), expected)
    stays = shares(entries) > 0.5
    expected = recommender.logits_after_deletion(entries, stays).gather(1, candidates)
    torch.testing.assert_close(recommender.logits_after_deletion(entries, stays, candidates), expected)


def test_a_batch_equals_one_user_at_a_time(recommender, entries):
    keep, singles = shares(entries), entries.split(1)
    alone = torch.cat([recommender.logits(one.trimmed()) for one in singles])
    torch.testing.assert_close(alone, recommender.logits(entries))
    alone = torch.cat([recommender.logits(one, share) for one, share in zip(singles, keep.split(1), strict=True)])
    torch.testing.assert_close(alone, recommender.logits(entries, keep))


def test_without_an_entry_all_logits_are_finite(recommender, entries):
    nothing = Histories.of_lists([[]] * len(entries), recommender.n_columns)
    expected = recommender.logits(nothing)
    assert recommender.of_items(expected).isfinite().all()
    torch.testing.assert_close(recommender.logits_after_deletion(entries, torch.zeros_like(entries.real)), expected)
    torch.testing.assert_close(recommender.logits(entries, torch.zeros(entries.shape)), expected)


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_every_entry_gets_a_finite_score(recommender, explainer):
    if lxr.EXPLAINERS[explainer].needs_gradient and not recommender.differentiable:
        pytest.skip("refused: see test_explainers.py")
    lists = random_lists(3, recommender.n_items, seed=2)
    lists = lxr.EntryLists(lists.items, lists.indptr, recommender.n_columns)
    made = lxr.EXPLAINERS[explainer](recommender, random_lists(60, recommender.n_columns).matrix())
    scores = made.explain(lists, lxr.top_item(recommender, lists))
    assert scores.shape == lists.items.shape
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", lxr.RECOMMENDERS)
def test_a_saved_recommender_answers_the_same(name, tmp_path):
    model = trained(name)
    entries = entries_of(model)
    model.save(tmp_path / "model.pt")
    again = lxr.load(tmp_path / "model.pt")
    assert type(again) is type(model) and again.options == model.options
    assert torch.equal(again.logits(entries), model.logits(entries))


@pytest.mark.parametrize("name", lxr.RECOMMENDERS)
def test_the_same_seed_trains_the_same_recommender(name):
    first, second = trained(name), trained.__wrapped__(name)
    assert first is not second
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_chunks_of_items_change_no_rank(recommender, monkeypatch):
    items = recommender.n_items
    users = Histories.of_lists([[7, 2, 11], [4], [items - 1, 0, 5, 3, 12, 9], [6, 18]], recommender.n_columns)
    target, importance = torch.tensor([0, items - 1, 1, 13]), shares(users)
    expected = lxr.evaluate_fidelity(recommender, users, target, importance, log_odds=True, batch_size=20)
    monkeypatch.setattr(chunks, "LOGITS_AT_ONCE", 0)
    monkeypatch.setitem(chunks.LOGITS_PER_CHUNK, "cpu", 120)  # 6 items for 20 rows
    found = lxr.evaluate_fidelity(recommender, users, target, importance, log_odds=True, batch_size=20)
    assert expected.curves["NDCG"].std() > 0 or not recommender.differentiable
    for name, values in expected.curves.items():
        tolerance = 1e-5 if name.startswith(("DEL", "INS")) else 0
        np.testing.assert_allclose(found.curves[name], values, rtol=tolerance, atol=tolerance, err_msg=name)
