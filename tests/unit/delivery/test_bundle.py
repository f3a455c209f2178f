"""Bundles: what is loaded explains like what was saved; damage, other versions and foreign code are refused."""

import contextlib
import json
import multiprocessing
import shutil
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from light_core import run_in_core
from torch import nn
from toys import N_ITEMS, WRAPPED, als, autoencoder, black_box, network_of, small

import lxr
from lxr.delivery import bundle as bundles
from lxr.delivery import explainer_fingerprint, recommender_fingerprint
from lxr.utils.directories import whole_directory
from lxr.utils.records import read_json, write_json
from lxr.utils.storage import sha256

EXPORTED = {name: make for name, make in WRAPPED.items() if name != "black-box"}


@pytest.fixture
def data(train_matrix):
    """The training users with texts as ids, and titles."""
    users = np.array([f"user {number:02}" for number in range(train_matrix.shape[0])], dtype=object)
    titles = np.array([f"Film {item}" for item in range(N_ITEMS)], dtype=object)
    return lxr.Interactions(train_matrix, users, 100 + np.arange(N_ITEMS), titles)


@pytest.fixture
def saved(data, tmp_path):
    """A bundle of an MF, leave-one-out and data: its directory."""
    model = small("mf")
    explainer = lxr.EXPLAINERS["leave-one-out"](model, data.matrix, objective="rank-margin")
    lxr.save(tmp_path / "bundle", model=model, explainer=explainer, data=data)
    return tmp_path / "bundle"


def answers(model, x):
    """Logits and gradients (B, I) of a recommender."""
    x = x.clone().requires_grad_()
    logits = model(x)
    (gradient,) = torch.autograd.grad((logits * torch.arange(N_ITEMS)).sum(), x)
    return logits.detach(), gradient


# --- recommenders ----------------------------------------------------------------------------------------------------


def test_registered_recommenders_come_back_as_they_are(model, history, tmp_path):
    lxr.save(tmp_path / "bundle", model=model)
    found = lxr.load(tmp_path / "bundle")
    assert type(found.model) is type(model) and found.explainer is None and found.data is None
    assert torch.equal(found.model(history), model(history))


@pytest.mark.parametrize("name", EXPORTED)
def test_wrapped_tensor_functions_become_programs_with_the_same_logits_and_gradients(name, history, tmp_path):
    model = EXPORTED[name]()
    lxr.save(tmp_path / "bundle", model=model)
    found = lxr.load(tmp_path / "bundle", trusted=True).model
    for rows in (history, history[:1], history.repeat(40, 1)):  # exported for batches of any size
        for expected, answer in zip(answers(model, rows), answers(found, rows), strict=True):
            torch.testing.assert_close(answer, expected, rtol=1e-5, atol=1e-6)
    assert found.eval().train() is found  # which programs of torch.export refuse by themselves


def test_a_recommender_that_is_registered_nowhere_becomes_a_program(train_matrix, history, tmp_path):
    model = lxr.Popularity(train_matrix)
    lxr.save(tmp_path / "bundle", model=model)
    with pytest.warns(UserWarning, match="ignores the history"):
        found = lxr.load(tmp_path / "bundle", trusted=True).model
    assert torch.equal(found(history), model(history))


def test_features_have_no_rank_in_a_program_either(tmp_path):
    weights = torch.randn(7, 7, generator=torch.Generator().manual_seed(1))
    model = lxr.wrap(lambda history: history @ weights, 5, "softmax", n_features=2)
    lxr.save(tmp_path / "bundle", model=model)
    found, x = lxr.load(tmp_path / "bundle", trusted=True).model, torch.eye(7)
    assert (found.n_items, found.n_features, found.activation) == (5, 2, "softmax")
    assert torch.equal(found(x), model(x)) and (found(x)[:, 5:] == -torch.inf).all()


class Branching(nn.Module):
    """A function that torch.export cannot follow."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(N_ITEMS, N_ITEMS, generator=torch.Generator().manual_seed(3)))

    def forward(self, history):
        """Map histories (B, I) to logits (B, I)."""
        return torch.stack([row @ self.weights for row in history])


def made_branching():
    """The module, with weights that the bundle replaces."""
    module = Branching()
    nn.init.zeros_(module.weights)
    return module


def made_black_box():
    """The function of NumPy arrays."""
    return black_box().scorer


def made_wrapped():
    """A recommender, wrapped already."""
    return lxr.wrap(Branching(), N_ITEMS, "sigmoid")


def made_other():
    """Another function."""
    return lambda history: history.roll(1, 1)


FACTORIES = {
    "module": (lambda: lxr.wrap(Branching(), N_ITEMS, "sigmoid"), "made_branching"),
    "recommender": (lambda: lxr.wrap(Branching(), N_ITEMS, "sigmoid"), "made_wrapped"),
    "function": (black_box, "made_black_box"),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_what_cannot_be_exported_is_made_by_a_named_factory(name, history, tmp_path):
    make, function = FACTORIES[name]
    model = make()
    with pytest.raises(ValueError, match=r"model: torch\.export cannot write Wrapped.*factory="):
        lxr.save(tmp_path / "bundle", model=model)
    assert not (tmp_path / "bundle").exists() and not list(tmp_path.iterdir())
    lxr.save(tmp_path / "bundle", model=model, factory=f"{__name__}:{function}")
    found = lxr.load(tmp_path / "bundle", trusted=True).model
    assert torch.equal(found(history), model(history))
    with pytest.raises(lxr.DataError, match=f"imports '{__name__}:{function}'.*trusted=True"):
        lxr.load(tmp_path / "bundle")


class Sequence(nn.Module):
    """Mean of the embeddings of the items (B, L) that are real, compared with every item."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(N_ITEMS, 4)

    def forward(self, items, real):
        total = (self.table(items) * real[..., None]).sum(dim=1)
        return total / real.sum(dim=1, keepdim=True).clamp(min=1) @ self.table.weight.T


def made_sequence():
    """A recommender that uses the order, with weights that the bundle replaces."""
    return lxr.wrap(Sequence(), N_ITEMS, "softmax", takes="entries")


def test_a_wrapped_recommender_that_uses_the_order_needs_a_factory(tmp_path):
    model, lists = made_sequence(), lxr.EntryLists(np.array([2, 0, 1]), np.array([0, 2, 3]), N_ITEMS)
    with pytest.raises(ValueError, match=r"model: WrappedSequence.* uses the order of entries, .*factory="):
        lxr.save(tmp_path / "bundle", model=model)
    assert not list(tmp_path.iterdir())
    lxr.save(tmp_path / "bundle", model=model, factory=f"{__name__}:made_sequence")
    found = lxr.load(tmp_path / "bundle", trusted=True).model
    assert torch.equal(found.logits(lists.batch()), model.logits(lists.batch()))


BAD_FACTORIES = {
    "no path": ("made_other", "factory: expected"),
    "a call": ("os:system('true')", "factory: expected"),
    "a function": (made_other, "factory: expected"),
    "absent": (f"{__name__}:absent", "cannot be read again: .*AttributeError"),
    "no module": ("no_such_module:made", "cannot be read again: .*no_such_module"),
    "another recommender": (f"{__name__}:made_other", "expected the same logits"),
    "other weights": (f"{__name__}:made_wrapped", "cannot be read again: .*weights"),
}


@pytest.mark.parametrize("name", BAD_FACTORIES)
def test_a_factory_of_something_else_is_refused_when_saving(name, tmp_path):
    factory, message = BAD_FACTORIES[name]
    with pytest.raises(ValueError, match=message):
        lxr.save(tmp_path / "bundle", model=als(), factory=factory)
    assert not list(tmp_path.iterdir())


def test_a_registered_recommender_needs_no_factory(tmp_path):
    with pytest.raises(ValueError, match="factory: expected none for MF"):
        lxr.save(tmp_path / "bundle", model=small("mf"), factory=f"{__name__}:made_other")


class Steered:
    """A factory whose answers change between saving and loading."""

    sign = 1

    @classmethod
    def made(cls):
        """A function."""
        sign = cls.sign
        return lambda history: sign * history.roll(1, 1)


def test_a_factory_that_makes_another_recommender_by_now_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bundle"
    lxr.save(path, model=lxr.wrap(Steered.made(), N_ITEMS, "sigmoid"), factory=f"{__name__}:Steered.made")
    monkeypatch.setattr(Steered, "sign", -1)
    with pytest.raises(lxr.DataError, match="expected the saved recommender"):
        lxr.load(path, trusted=True)


# --- explainers ------------------------------------------------------------------------------------------------------

TRAINED = {"epochs": 1, "hidden_size": 4}
EXPLAINERS = {
    "leave-one-out": {"objective": "rank-margin"},
    "random": {},
    "accent": {},
    "cosine": {},
    "rank-margin-path": {"singles": 2},
    "spinrec": {"n_samples": 2},
    "lire": {"n_samples": 50},
    "shap": {},
    "lxr": TRAINED,
    "lxr-neg": TRAINED,
    "lxr-refined": TRAINED | {"steps": 3},
    "lxr-path-pure-rank": TRAINED,
    "lxr-path-score": TRAINED,
    "lxr-path-chosen": TRAINED | {"chosen_by": "POS@5"},
}


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("make", [small, pytest.param(autoencoder, marks=pytest.mark.slow)], ids=["registered", "exported"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_loaded_explainer_says_what_the_saved_one_said(name, make, train_matrix, history, tmp_path):
    model = make("mf") if make is small else make()
    explainer = lxr.EXPLAINERS[name](model, train_matrix, seed=3, **EXPLAINERS[name])
    lxr.save(tmp_path / "bundle", model=model, explainer=explainer)
    found = lxr.load(tmp_path / "bundle", trusted=make is autoencoder)
    assert type(found.explainer) is type(explainer) and found.explainer.model is found.model
    target = lxr.top_item(model, history)
    expected, scores = (each.explain(history, target) for each in (explainer, found.explainer))
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-6)
    if make is small:
        assert explainer_fingerprint(found.explainer) == explainer_fingerprint(explainer)
    again = tmp_path / "again"  # a loaded bundle is saved like any other
    lxr.save(again, model=found.model, explainer=found.explainer)
    assert torch.equal(lxr.load(again, trusted=True).explainer.explain(history, target), scores)


@pytest.mark.parametrize(
    ("name", "options"), [("integrated-gradients", {"baseline": "user", "n_steps": 5}), ("cosine", {}), ("lxr", TRAINED)]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_users_of_a_sequential_recommender_keep_their_order(name, options, tmp_path):
    model, items = lxr.SASRec(N_ITEMS, n_factors=4, n_layers=1), np.random.default_rng(0).permutation(N_ITEMS)
    lists = lxr.EntryLists(np.append(items, items[:4]), np.array([0, 5, 9, 16, N_ITEMS + 4]), N_ITEMS)
    explainer, target = lxr.EXPLAINERS[name](model, lists, seed=3, **options), lxr.top_item(model, lists)
    lxr.save(tmp_path / "bundle", model=model, explainer=explainer)
    found = lxr.load(tmp_path / "bundle").explainer
    np.testing.assert_allclose(found.explain(lists, target), explainer.explain(lists, target), rtol=1e-4, atol=1e-6)
    assert explainer_fingerprint(found) == explainer_fingerprint(explainer)


def test_training_users_are_in_the_bundle_of_explainers_that_take_them_alone(train_matrix, tmp_path):
    model = small("mf")
    for name, files in {"jaccard": {"train_matrix.npz"}, "leave-one-out": set()}.items():
        lxr.save(tmp_path / name, model=model, explainer=lxr.EXPLAINERS[name](model, train_matrix))
        found = {path.name for path in (tmp_path / name).iterdir()}
        assert found - {"manifest.json", "recommender.pt", "fingerprint.pt"} == files


class Alphabetical(lxr.Explainer):
    """Registered or not."""

    def __init__(self, model, *, first=0):
        super().__init__(model)
        self.first = first

    def importance(self, histories, target):
        """Scores (B, L)."""
        return self.first + histories.items.float()


def test_an_explainer_of_ones_own_is_saved_once_it_is_registered(history, tmp_path):
    model = small("mf")
    explainer = Alphabetical(model, first=np.int64(7))
    with pytest.raises(ValueError, match=r"explainer: expected a class in lxr\.EXPLAINERS .* found Alphabetical"):
        lxr.save(tmp_path / "bundle", model=model, explainer=explainer)
    lxr.explainers.register("alphabetical", Alphabetical)
    try:
        lxr.save(tmp_path / "bundle", model=model, explainer=explainer)
        assert lxr.load(tmp_path / "bundle").explainer.first == 7
    finally:
        del lxr.EXPLAINERS["alphabetical"]
    with pytest.raises(lxr.DataError, match="'Alphabetical' is not registered here"):
        lxr.load(tmp_path / "bundle")


@pytest.mark.filterwarnings("ignore:LXR. not clearly better")
def test_explainers_that_fit_nothing_are_refused(train_matrix, data, tmp_path):
    model, other = small("mf"), small("mf", seed=1)
    lxr_of_other = lxr.EXPLAINERS["lxr"](other, train_matrix, **TRAINED)
    path = tmp_path / "lxr.pt"
    lxr_of_other.save(path)
    with pytest.raises(ValueError, match="explainer: expected an explainer of this model"):
        lxr.save(tmp_path / "bundle", model=model, explainer=lxr_of_other)
    foreign = lxr.LXR.load(path, model, allow_other=True)
    with pytest.raises(ValueError, match="explainer: expected an explainer trained for this model"):
        lxr.save(tmp_path / "bundle", model=model, explainer=foreign)
    by_function = lxr.explainers.LeaveOneOut(model, objective=lxr.OBJECTIVES["logit"])
    with pytest.raises(ValueError, match=r"LeaveOneOut cannot be saved in a file: options\['objective'\]"):
        lxr.save(tmp_path / "bundle", model=model, explainer=by_function)
    with pytest.raises(ValueError, match="explainer: expected an explainer"):
        lxr.save(tmp_path / "bundle", model=model, explainer="leave-one-out")
    with pytest.raises(ValueError, match="data: expected 3 items"):
        lxr.save(tmp_path / "bundle", model=lxr.MF(3), data=data)
    with pytest.raises(ValueError, match="model: expected a recommender"):
        lxr.save(tmp_path / "bundle", model=nn.Linear(3, 3))
    assert [each.name for each in tmp_path.iterdir()] == ["lxr.pt"]


# --- the directory ---------------------------------------------------------------------------------------------------


def test_a_bundle_holds_ids_titles_options_and_versions(saved, data):
    found = lxr.load(saved)
    assert found.explainer.objective is lxr.OBJECTIVES["rank-margin"]
    for name in ("user_ids", "item_ids", "item_titles"):
        assert getattr(found.data, name).tolist() == getattr(data, name).tolist()
    assert (found.data.matrix != data.matrix).nnz == 0
    assert found.versions["torch"] == torch.__version__
    expected = {"recommender": recommender_fingerprint(found.model), "explainer": explainer_fingerprint(found.explainer)}
    assert read_json(saved / "manifest.json")["fingerprints"] == expected
    manifest = read_json(saved / "manifest.json")
    assert manifest["format"] == "lxr-bundle/1"
    assert manifest["files"] == {path.name: sha256(path) for path in saved.iterdir() if path.name != "manifest.json"}


def test_a_bundle_explains_users_and_carts_by_id(saved, data):
    found = lxr.load(saved)
    options = {"items": [100 + N_ITEMS - 1], "explainer": found.explainer}  # no user has consumed the last item
    for asked in ({"users": ["user 07", "user 01"]}, {"histories": [[100, 103, 107], [101]]}):
        expected = lxr.explain(found.model, data, **asked, **options)
        explanations = found.explain(**asked, items=[100 + N_ITEMS - 1])
        assert list(explanations.records()) == list(expected.records())
    assert len(found.explain(users="user 07", n_recommendations=3)) == 3


def test_a_bundle_without_explainer_takes_the_default_one_and_without_data_none(data, tmp_path):
    model = small("mf")
    lxr.save(tmp_path / "with", model=model, data=data)
    assert lxr.load(tmp_path / "with").explain(users="user 03").by.name == "rank-margin-path"
    lxr.save(tmp_path / "without", model=model)
    with pytest.raises(ValueError, match="data: the bundle has no ids"):
        lxr.load(tmp_path / "without").explain(users=3)


def test_the_same_content_is_the_same_bundle(saved, data, tmp_path):
    found = lxr.load(saved)
    lxr.save(tmp_path / "again", model=found.model, explainer=found.explainer, data=found.data)
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_one_file_of_a_recommender_is_loaded_as_ever(tmp_path, history):
    model = small("mf")
    model.save(tmp_path / "mf.pt")
    assert torch.equal(lxr.load(tmp_path / "mf.pt")(history), model(history))
    with pytest.raises(lxr.DataError, match="nothing is missing"):
        lxr.load(tmp_path / "nothing")


FILES = ["manifest.json", "recommender.pt", "fingerprint.pt", "interactions.npz"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_damage_is_one_error_that_names_the_file(name, damage, saved):
    path = saved / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        changed = content[: len(content) // 2]
        path.write_bytes(changed if damage == "cut" else changed[:-1] + bytes([changed[-1] ^ 1]) + content[len(changed) :])
    with pytest.raises(lxr.DataError, match=name.replace(".", r"\.")):
        lxr.load(saved)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A bundle of an MF and LXR, and its logits for one history."""
    path, model = tmp_path_factory.mktemp("whole") / "bundle", small("mf")
    lxr.save(path, model=model, explainer=network_of(model))
    return path, model(torch.eye(N_ITEMS)[:1])


@settings(deadline=None, max_examples=60)
@given(name=st.sampled_from(["manifest.json", "recommender.pt", "fingerprint.pt", "explainer.pt"]), data=st.data())
def test_no_changed_byte_passes(name, data, whole):
    path, expected = whole
    content = (path / name).read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[place]))
    try:
        (path / name).write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
        with contextlib.suppress(lxr.DataError):
            assert torch.equal(lxr.load(path).model(torch.eye(N_ITEMS)[:1]), expected)
            assert name == "manifest.json" and chr(byte).isspace()  # JSON does not mind
    finally:
        (path / name).write_bytes(content)


def edited(path, **changes):
    """Rewrite a manifest by hand."""
    write_json(read_json(path / "manifest.json") | changes, path / "manifest.json")


HAND_MADE = {
    "another format": {"format": "lxr-bundle/2"},
    "no format": {"format": None},
    "versions are a list": {"versions": []},
    "model is a text": {"model": "MF"},
    "explainer is a text": {"explainer": "LXR"},
    "a file outside": {"files": {"../secret.txt": "0" * 64}},
    "an absolute file": {"files": {"/etc/passwd": "0" * 64}},
    "no files": {"files": {}},
    "unknown kind": {"model": {"kind": "pickle"}},
    "no kind": {"model": {}},
    "a kind that cannot be hashed": {"model": {"kind": ["recommender"]}},
    "a program that is absent": {"model": {"kind": "program", "precision": "float32"}},
    "unknown explainer": {"explainer": {"class": "os.system"}},
    "explainer by list": {"explainer": {"class": ["LXR"]}},
    "unknown option": {"explainer": {"class": "LeaveOneOut", "options": {"command": "true"}}},
    "options are a list": {"explainer": {"class": "LeaveOneOut", "options": [1]}},
    "no options": {"explainer": {"class": "LeaveOneOut"}},
    "a bad option": {"explainer": {"class": "LeaveOneOut", "options": {"batch_size": -1}}},
    "trained, but absent": {"explainer": {"class": "LXR"}},
    "histories that are absent": {"explainer": {"class": "Jaccard", "histories": ["train_matrix"], "options": {}}},
    "histories from elsewhere": {"explainer": {"class": "Jaccard", "histories": ["../a"], "options": {}}},
    "histories are a number": {"explainer": {"class": "Jaccard", "histories": 3, "options": {}}},
    "refines what is not trained": {"explainer": {"class": "RefinedLXR", "refines": "Jaccard", "options": {}}},
}


@pytest.mark.parametrize("name", HAND_MADE)
@pytest.mark.parametrize("trusted", [False, True])
def test_a_manifest_made_by_hand_is_refused_unless_it_makes_sense(name, trusted, saved):
    edited(saved, **HAND_MADE[name])
    if name == "no files":
        assert lxr.load(saved).data is None  # nothing else was asked for
        return
    with pytest.raises(lxr.DataError, match="bundle"):
        lxr.load(saved, trusted=trusted)


def test_other_versions_are_a_warning_other_builds_are_none(saved):
    versions = read_json(saved / "manifest.json")["versions"]
    edited(saved, versions=versions | {"torch": "1.4.0", "unknown": "3"})
    with pytest.warns(UserWarning, match=r"saved with torch 1\.4\.0 \(here 2\."):
        assert lxr.load(saved).versions["torch"] == "1.4.0"
    edited(saved, versions=versions | {"torch": torch.__version__.split("+")[0] + "+cu128"})
    lxr.load(saved)


def test_a_program_of_a_stranger_does_not_run(tmp_path, monkeypatch):
    lxr.save(tmp_path / "bundle", model=autoencoder())
    monkeypatch.setattr(torch.export, "load", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(lxr.DataError, match=r"has a program of torch\.export.*trusted=True"):
        lxr.load(tmp_path / "bundle")


def test_nothing_of_a_plain_bundle_is_unpickled(saved, monkeypatch):
    import pickle

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, lambda *_, **__: pytest.fail("it was unpickled"))
    assert lxr.load(saved).data.n_items == N_ITEMS


@pytest.mark.parametrize("name", ["sasrec", "gru4rec"])
def test_a_bundle_of_a_sequential_recommender_explains_the_same(name, data, tmp_path):
    model, items = small(name), lxr.Histories.of_lists([[7, 2, 9], [4]], N_ITEMS)
    explainer = lxr.EXPLAINERS["leave-one-out"](model, data.matrix)
    lxr.save(tmp_path / "bundle", model=model, explainer=explainer, data=data)
    loaded = lxr.load(tmp_path / "bundle")
    assert type(loaded.model) is type(model) and loaded.model.options == model.options
    target = lxr.top_item(model, items)
    assert torch.equal(loaded.explainer.explain(items, target), explainer.explain(items, target))


def test_a_bundle_replaces_a_bundle_and_nothing_else(saved, tmp_path):
    lxr.save(saved, model=small("vae"))
    assert type(lxr.load(saved).model) is lxr.VAE and not (saved / "interactions.npz").exists()
    (tmp_path / "mine").mkdir()
    lxr.save(tmp_path / "mine", model=small("mf"))  # an empty directory
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("x", encoding="utf-8")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for name in ("other", "file"):
        with pytest.raises(lxr.DataError, match=f"{name}: expected a new directory"):
            lxr.save(tmp_path / name, model=small("mf"))
    with pytest.raises(lxr.DataError, match=r"other: expected a bundle .* without manifest\.json"):
        lxr.load(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.tex").exists()


def test_a_bundle_that_cannot_be_replaced_stays(saved, history):
    before = lxr.load(saved).model(history)
    with pytest.raises(ValueError, match="factory="):
        lxr.save(saved, model=black_box())
    assert torch.equal(lxr.load(saved).model(history), before)
    assert [path.name for path in saved.parent.iterdir()] == ["bundle"]


def test_a_process_killed_between_the_two_renames_loses_nothing(saved, history, tmp_path):
    before = lxr.load(saved).model(history)
    saved.rename(tmp_path / ".bundle.previous")
    assert whole_directory(saved) == tmp_path / ".bundle.previous"
    assert torch.equal(lxr.load(saved).model(history), before)
    with pytest.raises(ValueError, match="factory="):
        lxr.save(saved, model=black_box())
    assert torch.equal(lxr.load(saved).model(history), before)
    lxr.save(saved, model=small("vae"))
    assert type(lxr.load(saved).model) is lxr.VAE
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def save_for_ever(path):
    """Save one of two bundles, again and again."""
    torch.set_num_threads(1)
    for number in range(10**6):
        lxr.save(path, model=small("mf", seed=number % 2))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_a_process_killed_while_saving_leaves_a_whole_bundle(tmp_path, trials, history):
    path, generator = tmp_path / "bundle", np.random.default_rng(8)
    expected = [small("mf", seed=seed)(history) for seed in (0, 1)]
    lxr.save(path, model=small("mf"))
    for delay in generator.uniform(0.05, 0.4, 5 * trials):
        saver = multiprocessing.get_context("fork").Process(target=save_for_ever, args=(path,))
        saver.start()
        time.sleep(delay)
        saver.kill()
        saver.join()
        found = lxr.load(path).model(history)
        assert any(torch.equal(found, answer) for answer in expected)
    lxr.save(path, model=small("mf"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_is_where_it_is_copied_to(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "elsewhere" / "b")
    assert lxr.load(str(tmp_path / "elsewhere" / "b")).data.n_items == N_ITEMS
    manifest = json.loads((saved / "manifest.json").read_text(encoding="utf-8"))
    assert str(tmp_path) not in json.dumps(manifest)
    assert set(manifest["files"]) <= set(bundles.FILES)


EXPLAINING = """
import json, sys
import lxr

def records(path):
    bundle = lxr.load(path, trusted=True)
    asked = {"users": "user 07", "n_recommendations": 2}, {"histories": [[100, 103]]}
    return [record for each in asked for record in bundle.explain(**each).records()]

print(json.dumps([records(path) for path in sys.argv[1:]]))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bundles_explain_where_only_the_core_is_installed(data, tmp_path):
    paths, expected = [], []
    for name in ("lxr", "lxr-path-pure-rank", "lxr-refined", "cosine", "rank-margin-path", "accent"):
        for model in (small("vae"), autoencoder()):
            explainer = lxr.EXPLAINERS[name](model, data.matrix, **(TRAINED if name.startswith("lxr") else {}))
            paths.append(str(tmp_path / f"{name}-{type(model).__name__}"))
            lxr.save(paths[-1], model=model, explainer=explainer, data=data)
            found = lxr.load(paths[-1], trusted=True)
            asked = {"users": "user 07", "n_recommendations": 2}, {"histories": [[100, 103]]}
            expected.append([record for each in asked for record in found.explain(**each).records()])
    assert json.loads(run_in_core(EXPLAINING, tmp_path, *paths)) == expected
