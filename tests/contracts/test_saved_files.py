"""One contract for all files that the project writes: checksums, content, text in every locale, permissions, leftovers."""

import ast
import dataclasses
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from toys import N_ITEMS, function, network_of

import lxr
from lxr.data import load_split
from lxr.runs.pipeline import Pipeline
from lxr.runs.workspace import stage_parameters
from lxr.utils.environment import PROJECT_ROOT
from lxr.utils.records import plain, read_json, write_json
from lxr.utils.storage import (
    HOST,
    atomic_path,
    pack_text,
    read_frame,
    read_npz,
    save_npz,
    sweep,
    temporary_name,
    text_array,
    unpack_text,
)
from lxr.utils.weights import save_weights

NASTY = ["", "Ulee's Gold", "千と千尋の神隠し", "🎬 " * 30, "a\x00b", "nul at the end\x00", "x" * 5000, "M*A*S*H\n| $"]


@pytest.fixture(scope="module")
def histories():
    """Twelve histories of two to six items."""
    generator = np.random.default_rng(5)
    rows = [np.sort(generator.choice(N_ITEMS, length, replace=False)) for length in generator.integers(2, 7, 12)]
    indptr = np.append(0, np.cumsum([len(row) for row in rows]))
    return sp.csr_matrix((np.ones(indptr[-1], np.float32), np.concatenate(rows), indptr), shape=(12, N_ITEMS))


def interactions(matrix):
    """Interactions with titles of every kind, texts as user ids and groups."""
    users = text_array([f"user {number:02}" for number in range(matrix.shape[0])])
    titles = text_array([NASTY[item % len(NASTY)] for item in range(N_ITEMS)])
    entries = dataclasses.replace(
        lxr.EntryLists.of_matrix(matrix), times=np.arange(float(matrix.nnz)), weights=np.linspace(-1, 2, matrix.nnz)
    )
    groups = np.arange(N_ITEMS) % 3
    return lxr.Interactions(matrix, users, np.arange(N_ITEMS), titles, groups, n_duplicates=4, entries=entries)


def scores_of(matrix):
    """Some scores of the entries of a matrix."""
    return sp.csr_matrix((np.linspace(-1, 2, matrix.nnz, dtype=np.float32), matrix.indices, matrix.indptr), matrix.shape)


@pytest.fixture
def kinds(histories, tmp_path):
    """Kind of artefact → (file, function that reads it into something that can be compared)."""
    model = lxr.MF(N_ITEMS, n_factors=3, seed=4)
    interactions(histories).save(tmp_path / "interactions.npz")
    lxr.data.save_split(*lxr.split_users(30, seed=42), tmp_path / "split.npz")
    lxr.explainers.save_scores(scores_of(histories), tmp_path / "scores.npz")
    model.save(tmp_path / "recommender.pt")
    network = lxr.explainers.ExplainerNetwork(N_ITEMS, 4)
    lxr.LXR(model, network, lxr.LXRSettings(hidden_size=4), pd.DataFrame({"loss": [1.5]})).save(tmp_path / "lxr.pt")
    lxr.utils.save_frame(pd.DataFrame({"item": ["é", "b"], "seconds": [0.5, 0.25]}), tmp_path / "cost.parquet")
    write_json({"parameters": {"seed": 3, "name": "é"}, "key": "f" * 64}, tmp_path / "record.json")

    def data(path):
        found = lxr.Interactions.load(path)
        arrays = [found.matrix.toarray(), found.user_ids, found.item_ids, found.item_titles, found.item_groups]
        arrays += [getattr(found.entries, name) for name in ("items", "indptr", "times", "weights")]
        return [array.tolist() for array in arrays] + [found.n_duplicates]

    def tensors(module):
        return {name: value.tolist() for name, value in module.state_dict().items()}

    def explainer(path):
        found = lxr.LXR.load(path, model)
        return tensors(found.network), found.settings, found.training.to_dict()

    def record(path):
        if (found := read_json(path)) is None:
            raise lxr.DataError(f"{path} is damaged")
        return found

    readers = {
        "interactions.npz": data,
        "split.npz": lambda path: [part.tolist() for part in load_split(path)],
        "scores.npz": lambda path: lxr.explainers.load_scores(path, histories).toarray().tolist(),
        "recommender.pt": lambda path: tensors(lxr.load(path)),
        "lxr.pt": explainer,
        "cost.parquet": lambda path: read_frame(path).to_dict(),
        "record.json": record,
    }
    return {name: (tmp_path / name, reader) for name, reader in readers.items()}


# --- damage ----------------------------------------------------------------------------------------------------------

NAMES = ["interactions.npz", "split.npz", "scores.npz", "recommender.pt", "lxr.pt", "cost.parquet", "record.json"]


def refused(path, reader, content) -> bool:
    """Whether a reader refuses a content of its file with a DataError that names it; any other error goes on."""
    path.write_bytes(content)
    try:
        reader(path)
    except lxr.DataError as error:
        assert path.name in str(error) and len(str(error)) < 1000
        return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_is_never_a_wrong_value(name, kinds, trials):
    path, reader = kinds[name]
    content, expected = path.read_bytes(), reader(path)
    generator = np.random.default_rng(6)
    places = np.unique(np.append(generator.choice(len(content), min(40 * trials, len(content)), replace=False), [0, -1]))
    for place in places.tolist():
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(generator.integers(8))
        if name == "record.json":  # blanks do not matter, and without its checksum it counts as written by hand
            assert refused(path, reader, damaged) or without_extra(reader(path), expected)
        else:
            assert refused(path, reader, damaged), f"byte {place} of {len(content)}"


def without_extra(found, expected):
    """Whether a record has all that is expected."""
    return all(found.get(name) == value for name, value in expected.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_a_file_is_refused(name, kinds, trials):
    path, reader = kinds[name]
    content = path.read_bytes()
    lengths = np.random.default_rng(7).integers(0, len(content) - 2, 10 * trials).tolist()
    lengths += [0, 1, len(content) - 2]
    assert all(refused(path, reader, content[:length]) for length in lengths)
    assert name == "record.json" or refused(path, reader, content + b"\n")
    assert name == "record.json" or refused(path, reader, content + content)
    middle = len(content) // 2
    assert refused(path, reader, content[:middle] + bytes(64) + content[middle + 64 :])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "record.json"])
def test_a_file_of_another_kind_is_refused(name, kinds):
    path, reader = kinds[name]
    contents = {other: place.read_bytes() for other, (place, _) in kinds.items() if other != name}
    assert all(refused(path, reader, content) for content in contents.values())
    path.unlink()
    with pytest.raises(lxr.DataError, match=f"{name} is missing"):
        reader(path)
    path.mkdir()
    found = "expected a bundle that lxr.save wrote" if name == "recommender.pt" else "cannot read the file"
    with pytest.raises(lxr.DataError, match=f"{name}: {found}"):
        reader(path)


def test_a_file_of_an_older_version_is_refused_in_one_sentence(histories, tmp_path):
    np.savez_compressed(tmp_path / "scores.npz", scores=np.ones(histories.nnz))
    with pytest.raises(lxr.DataError, match="or of another version: it has no SHA-256 of its content"):
        lxr.explainers.load_scores(tmp_path / "scores.npz", histories)


def test_files_can_be_read_without_this_library(kinds):
    assert np.load(kinds["scores.npz"][0])["scores"].dtype == np.float32
    assert torch.load(kinds["recommender.pt"][0], weights_only=True)["options"]["n_factors"] == 3
    assert pd.read_parquet(kinds["cost.parquet"][0])["seconds"].tolist() == [0.5, 0.25]
    assert json.loads(kinds["record.json"][0].read_text(encoding="utf-8"))["parameters"] == {"seed": 3, "name": "é"}


def test_the_same_content_is_the_same_file(kinds, histories):
    for name in ("scores.npz", "cost.parquet"):
        path, _ = kinds[name]
        before = path.read_bytes()
        if name == "scores.npz":
            lxr.explainers.save_scores(lxr.explainers.load_scores(path, histories), path)
        else:
            lxr.utils.save_frame(read_frame(path), path)
        assert path.read_bytes() == before


def test_a_damaged_record_is_not_taken_for_none(tmp_path):
    workspace = lxr.runs.Workspace("05_lxr", {"dataset": "toy", "results": tmp_path, "recommender": "mf"})
    assert stage_parameters(workspace.root, workspace.name) == {}
    workspace.finish(options={"lxr": {"epochs": 3}})
    record = workspace.root / "stages" / "05_lxr-mf.json"
    record.write_text(record.read_text(encoding="utf-8").replace("3", "4"), encoding="utf-8")
    with pytest.raises(lxr.DataError, match=r"05_lxr-mf\.json is damaged"):
        stage_parameters(workspace.root, workspace.name)


def test_a_record_written_by_hand_is_taken_and_one_changed_by_hand_is_not(tmp_path):
    path = tmp_path / "tuned.json"
    path.write_text('{"options": {"n_samples": 300}}', encoding="utf-8")
    assert read_json(path) == {"options": {"n_samples": 300}}
    write_json(read_json(path), path)
    path.write_text(path.read_text(encoding="utf-8").replace("300", "301"), encoding="utf-8")
    assert read_json(path) is None


# --- content that a right checksum does not excuse -------------------------------------------------------------------

GOOD = {
    "indices": np.array([0, 2, 1]),
    "indptr": np.array([0, 2, 3]),
    "user_ids": np.array([5, 7]),
    "item_ids": np.array([1, 2, 3]),
    "n_duplicates": np.array(0),
}


BAD_ARRAYS = {
    "column too high": {"indices": np.array([0, 3, 1])},
    "column far too high": {"indices": np.array([0, 2**40, 1])},
    "negative column": {"indices": np.array([0, -1, 1])},
    "columns descend": {"indices": np.array([2, 0, 1])},
    "column twice": {"indices": np.array([2, 2, 1])},
    "columns with a point": {"indices": np.array([0.0, 1.5, 1.0])},
    "columns in two dimensions": {"indices": np.array([[0, 2, 1]])},
    "pointers fall": {"indptr": np.array([0, 4, 3])},
    "pointers start late": {"indptr": np.array([1, 2, 3])},
    "pointers end late": {"indptr": np.array([0, 2, 4])},
    "too many pointers": {"indptr": np.array([0, 1, 2, 3])},
    "pointers with a point": {"indptr": np.array([0.0, 2.0, 3.0])},
    "no pointers": {"indptr": np.array([], dtype=int)},
    "same user twice": {"user_ids": np.array([5, 5])},
    "users in two dimensions": {"user_ids": np.array([[5], [7]])},
    "users missing": {"user_ids": np.array([5, np.nan])},
    "true users": {"user_ids": np.array([True, False])},
    "two titles for three items": {"item_titles": np.array(["a", "b"])},
    "titles are numbers": {"item_titles": np.array([1, 2, 3])},
    "groups are texts": {"item_groups": np.array(["a", "b", "c"])},
    "too few groups": {"item_groups": np.array([1])},
    "features without columns": {"feature_kinds": np.array(["age"]), "item_titles": np.array(["a", "b", "c"])},
    "duplicates below zero": {"n_duplicates": np.array(-1)},
    "duplicates with a point": {"n_duplicates": np.array(0.5)},
    "many duplicates": {"n_duplicates": np.array([1, 2])},
    "text ends descend": {"item_titles": np.zeros(3, np.uint8), "item_titles_ends": np.array([2, 1, 3])},
    "text ends late": {"item_titles": np.zeros(3, np.uint8), "item_titles_ends": np.array([1, 2, 4])},
    "text is no UTF-8": {"item_titles": np.full(3, 0xFF, np.uint8), "item_titles_ends": np.array([1, 2, 3])},
    "text has no bytes": {"item_titles": np.zeros(3), "item_titles_ends": np.array([1, 2, 3])},
}


@pytest.mark.parametrize("change", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_that_are_no_histories_are_refused(change, tmp_path):
    save_npz(tmp_path / "made.npz", **GOOD)
    assert lxr.Interactions.load(tmp_path / "made.npz").matrix.toarray().tolist() == [[1, 0, 1], [0, 1, 0]]
    save_npz(tmp_path / "made.npz", **GOOD | change)
    with pytest.raises(lxr.DataError, match=r"made\.npz is damaged: \w"):
        lxr.Interactions.load(tmp_path / "made.npz")


# Two users and two items, the third column is a feature of the first user; he consumed item 0 twice.
GOOD_ENTRIES = GOOD | {
    "item_ids": np.array([1, 2]),
    "feature_kinds": np.array(["age"]),
    "entry_items": np.array([2, 0, 0, 1]),
    "entry_indptr": np.array([0, 3, 4]),
    "entry_times": np.array([np.nan, 4.0, 5.0, 1.0]),
    "entry_weights": np.array([1.0, 2.0, 3.0, -1.0]),
}
BAD_ENTRIES = {
    "items with a point": ({"entry_items": np.array([2.0, 0, 0, 1])}, "entry_items: expected integers"),
    "items in two dimensions": ({"entry_items": np.array([[2, 0, 0, 1]])}, "entry_items: expected integers"),
    "item too high": ({"entry_items": np.array([2, 0, 3, 1])}, "entry_items: expected items from 0 to 2, found 3"),
    "item far too high": ({"entry_items": np.array([2, 0, 2**63, 1], np.uint64)}, "entry_items: expected items from 0 to 2"),
    "negative item": ({"entry_items": np.array([2, 0, -1, 1])}, "entry_items: expected items from 0 to 2, found -1"),
    "another item": ({"entry_items": np.array([2, 0, 0, 0])}, "entry_items: expected the items of the matrix"),
    "an item less": ({"entry_items": np.array([2, 2, 2, 1])}, "entry_items: expected the items of the matrix"),
    "item before feature": ({"entry_items": np.array([0, 0, 2, 1])}, "entry_items, row 0: expected features before items"),
    "pointers end early": ({"entry_indptr": np.array([0, 3, 3])}, "entry_indptr: expected ascending numbers from 0 to 4"),
    "pointers fall": ({"entry_indptr": np.array([0, 5, 4])}, "entry_indptr: expected ascending numbers from 0 to 4"),
    "too few pointers": ({"entry_indptr": np.array([0, 4])}, "entry_indptr: expected 3 integers"),
    "no pointers": ({"entry_indptr": np.array([], int)}, "entry_indptr: expected 3 integers"),
    "of another user": ({"entry_indptr": np.array([0, 2, 4])}, "entry_items: expected the items of the matrix"),
    "newest first": ({"entry_times": np.array([np.nan, 5.0, 4.0, 1.0])}, "entry_times, row 0: expected finite, ascending"),
    "no time of an item": ({"entry_times": np.array([np.nan, 4, 5, np.nan])}, "entry_times, row 1: expected finite"),
    "endless time": ({"entry_times": np.array([np.nan, 4, np.inf, 1])}, "entry_times, row 0: expected finite"),
    "time of a feature": ({"entry_times": np.array([0.0, 4, 5, 1])}, "entry_times, row 0: expected finite"),
    "too few times": ({"entry_times": np.array([np.nan, 4.0, 5.0])}, "entry_times: expected 4 numbers"),
    "times are integers": ({"entry_times": np.arange(4)}, "entry_times: expected floating-point numbers"),
    "no weight": ({"entry_weights": np.array([1.0, 2.0, np.nan, 1.0])}, "entry_weights, row 0: expected finite weights"),
    "weights are texts": ({"entry_weights": np.array(list("abcd"))}, "entry_weights: expected floating-point numbers"),
    "too many weights": ({"entry_weights": np.ones(5)}, "entry_weights: expected 4 numbers"),
}


@pytest.mark.parametrize(("change", "message"), BAD_ENTRIES.values(), ids=BAD_ENTRIES)
def test_entries_that_are_none_of_the_matrix_are_refused(change, message, tmp_path):
    save_npz(tmp_path / "made.npz", **GOOD_ENTRIES)
    assert lxr.Interactions.load(tmp_path / "made.npz").entries.items.tolist() == [2, 0, 0, 1]
    save_npz(tmp_path / "made.npz", **GOOD_ENTRIES | change)
    with pytest.raises(lxr.DataError, match=rf"made\.npz is damaged: {re.escape(message)}"):
        lxr.Interactions.load(tmp_path / "made.npz")


@pytest.mark.parametrize("name", ["entry_items", "entry_indptr"])
def test_a_part_of_entries_is_refused(name, tmp_path):
    save_npz(tmp_path / "made.npz", **{key: value for key, value in GOOD_ENTRIES.items() if key != name})
    with pytest.raises(lxr.DataError, match=rf"made\.npz is damaged: {name}: expected .*integers"):
        lxr.Interactions.load(tmp_path / "made.npz")


@given(
    indices=st.lists(st.integers(-2, 5), max_size=6),
    indptr=st.lists(st.integers(-1, 7), min_size=1, max_size=5),
)
def test_whatever_is_loaded_is_a_canonical_matrix(tmp_path_factory, indices, indptr):
    path = tmp_path_factory.mktemp("made") / "made.npz"
    ids = {"user_ids": np.arange(len(indptr) - 1), "item_ids": np.arange(4)}
    save_npz(path, indices=np.array(indices, int), indptr=np.array(indptr), n_duplicates=np.array(0), **ids)
    try:
        matrix = lxr.Interactions.load(path).matrix
    except lxr.DataError:
        return
    assert matrix.toarray().sum() == len(indices) and set(np.unique(matrix.toarray())) <= {0, 1}
    assert matrix.has_canonical_format


BAD_SPLITS = {
    "shared user": ([0, 1], [2], [2, 3]),
    "user twice": ([0, 0], [1], [2]),
    "not ascending": ([1, 0], [2], [3]),
    "negative": ([-1, 0], [1], [2]),
    "empty": ([0], [], [1]),
    "with a point": ([0.0], [1.0], [2.0]),
    "in two dimensions": ([[0]], [[1]], [[2]]),
    "texts": (["a"], ["b"], ["c"]),
}


@pytest.mark.parametrize("parts", BAD_SPLITS.values(), ids=BAD_SPLITS)
def test_what_is_no_split_is_neither_written_nor_read(parts, tmp_path):
    path, parts = tmp_path / "split.npz", [np.array(part) for part in parts]
    with pytest.raises(ValueError, match=r"expected"):
        lxr.data.save_split(*parts, path)
    assert not path.exists()
    save_npz(path, **dict(zip(("train", "validation", "test"), parts, strict=True)))
    with pytest.raises(lxr.DataError, match=r"split\.npz is damaged or a split of other data"):
        load_split(path)


def test_a_split_of_more_users_is_refused(tmp_path):
    lxr.data.save_split(*lxr.split_users(30, seed=42), tmp_path / "split.npz")
    assert len(np.concatenate(load_split(tmp_path / "split.npz", n_users=30))) == 30
    with pytest.raises(lxr.DataError, match="expected rows of users from 0 to 28, found 29"):
        load_split(tmp_path / "split.npz", n_users=29)


def test_a_run_refuses_the_split_of_other_data(tmp_path, histories):
    workspace = lxr.runs.Workspace("02_mf", {"dataset": "toy", "results": tmp_path, "recommender": "mf"})
    interactions(histories).save(workspace.root / "interactions.npz")
    lxr.data.save_split(*lxr.split_users(30, seed=42), workspace.root / "split.npz")
    assert workspace.interactions().n_duplicates == 4
    with pytest.raises(lxr.DataError, match="other data"):
        workspace.split()


BAD_STATES = {
    "unknown recommender": (
        {"class": "SVD"},
        r"one of the recommenders of lxr.RECOMMENDERS \(MF, VAE, NCF, .*\), found 'SVD'",
    ),
    "class is a list": ({"class": ["MF"]}, "expected one of the recommenders"),
    "unknown option": ({"options": {"width": 3}}, "expected options of MF, found the unknown option 'width'"),
    "options are a list": ({"options": ["n_factors"]}, "expected the options of MF by name"),
    "options without names": ({"options": {1: 2}}, "expected the options of MF by name"),
    "impossible option": ({"options": {"n_factors": -1}}, "expected a number of items and options of MF"),
    "option is a text": ({"options": {"n_factors": "3"}}, "expected a number of items and options of MF"),
    "items are a text": ({"n_items": "20"}, "expected a number of items and options of MF"),
    "no items": ({"n_items": 0}, "expected a number of items and options of MF"),
    "another width": ({"options": {"n_factors": 4}}, r"its weights do not fit: weights, .*expected the shape \(4, 20\)"),
    "weights are a list": ({"weights": [1, 2]}, "its weights do not fit: weights: expected history_encoder.weight"),
    "no weights": ({"weights": {}}, "its weights do not fit"),
}


def state_of(model) -> dict:
    """Content of a saved MF."""
    return {"class": "MF", "n_items": N_ITEMS, "options": {"n_factors": 3}, "weights": model.state_dict()}


@pytest.mark.parametrize("change, message", BAD_STATES.values(), ids=BAD_STATES)
def test_what_makes_no_recommender_is_refused(change, message, tmp_path):
    save_weights(state_of(lxr.MF(N_ITEMS, n_factors=3)) | change, tmp_path / "mf.pt")
    with pytest.raises(lxr.DataError, match=rf"mf\.pt: .*{message}"):
        lxr.load(tmp_path / "mf.pt")


@pytest.mark.parametrize("value", [torch.nan, torch.inf], ids=str)
def test_weights_that_are_no_numbers_are_neither_written_nor_read(value, tmp_path):
    model = lxr.MF(N_ITEMS, n_factors=3)
    with torch.no_grad():
        model.item_encoder.bias[1] = value
    with pytest.raises(ValueError, match=r"weights, item_encoder\.bias: expected finite numbers"):
        model.save(tmp_path / "mf.pt")
    assert list(tmp_path.iterdir()) == []
    save_weights(state_of(model), tmp_path / "mf.pt")
    with pytest.raises(lxr.DataError, match=r"weights, item_encoder\.bias: expected finite numbers"):
        lxr.load(tmp_path / "mf.pt")


@pytest.mark.parametrize("values", [np.full(3, np.nan), np.array(["a"] * 3), np.zeros((3, 1)), np.array(1.0), np.arange(3)])
def test_values_that_are_no_scores_are_refused(values, tmp_path):
    save_npz(tmp_path / "scores.npz", scores=values, entries=np.zeros(32, np.uint8))
    with pytest.raises(lxr.DataError, match=r"scores\.npz"):
        lxr.explainers.load_scores(tmp_path / "scores.npz", sp.csr_matrix(np.eye(3, dtype=np.float32)))


def test_a_frame_without_a_column_is_refused(tmp_path):
    lxr.utils.save_frame(pd.DataFrame({"seconds": [1]}), tmp_path / "cost.parquet")
    with pytest.raises(lxr.DataError, match="expected the columns passes, but passes is missing"):
        read_frame(tmp_path / "cost.parquet", ("passes",))


# --- what is written can be read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, options",
    [
        ("mf", {"n_factors": np.int64(3), "dropout": np.float32(0.5), "seed": np.uint8(4)}),
        ("vae", {"n_hidden": np.int32(6), "n_latent": np.array(2), "beta": np.float64(0.1)}),
        ("ncf", {"n_factors": 3, "layers": (np.int64(4), np.int16(2)), "branches": np.str_("both")}),
        ("ncf", {"n_factors": 3, "layers": np.array([4, 2])}),
    ],
)
def test_numpy_options_come_back_as_plain_ones(name, options, tmp_path, histories):
    model, path = lxr.RECOMMENDERS[name](N_ITEMS, **plain(options, "options")), tmp_path / "model.pt"
    model.save(path)
    x = lxr.utils.dense(histories)
    assert torch.equal(lxr.load(path)(x), model.eval()(x))
    saved = torch.load(path, weights_only=True)["options"]
    assert {type(value) for value in saved.values()} <= {int, float, str, tuple, list, type(None)}


@pytest.mark.parametrize(
    "change",
    [
        {"n_factors": 4},  # the model has 3
        {"n_items": N_ITEMS + 1},
        {"n_features": 1},
        {"n_factors": object()},
        {"n_factors": {3}},
        {"dropout": torch.float32},
        {"dropout": 2},
    ],
)
def test_a_model_that_could_not_be_made_again_is_not_written(change, tmp_path, untouched_rng):
    model = lxr.MF(N_ITEMS, n_factors=3)
    vars(model).update(change)
    with untouched_rng(), pytest.raises(ValueError, match=r"^model: expected a recommender that n_items and .*found MF: "):
        model.save(tmp_path / "model.pt")
    assert list(tmp_path.iterdir()) == []


class Sharpened(lxr.MF):
    """A foreign recommender with an option."""

    def __init__(self, n_items: int, *, sharpness: float = 1.0, **options):
        super().__init__(n_items, **options)
        self.sharpness = sharpness


class Forgetful(lxr.MF):
    """A recommender that keeps one option under another name."""

    def __init__(self, n_items: int, *, sharpness: float = 1.0):
        super().__init__(n_items)
        self.kept = sharpness


def test_a_class_of_somebody_else_is_loaded_once_it_is_registered(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    Sharpened(N_ITEMS, sharpness=2.0).save(path)
    with pytest.raises(lxr.DataError, match=r"expected one of the recommenders .*found 'Sharpened'"):
        lxr.load(path)
    monkeypatch.setitem(lxr.RECOMMENDERS, "sharpened", Sharpened)
    assert lxr.load(path).sharpness == 2.0


def test_the_file_of_an_explainer_is_no_recommender(tmp_path, histories):
    model = lxr.MF(N_ITEMS, n_factors=3)
    lxr.EXPLAINERS["lxr"](model, histories, histories, epochs=1).save(tmp_path / "lxr.pt")
    with pytest.raises(lxr.DataError, match=r"lxr\.pt: expected a file of model\.save .*found an explainer"):
        lxr.load(tmp_path / "lxr.pt")


def test_precision_is_kept(tmp_path):
    model = lxr.MF(N_ITEMS, n_factors=3).double()
    model.save(tmp_path / "mf.pt")
    loaded = lxr.load(tmp_path / "mf.pt").item_encoder.weight
    assert loaded.dtype == torch.float64 and torch.equal(loaded, model.item_encoder.weight) and loaded.requires_grad


BAD_CALLS = {
    "path is a number": (lambda: lxr.load(3), "path: expected the path of a file, found 3"),
    "no path": (lambda: lxr.utils.save_frame(pd.DataFrame(), None), "path: expected the path of a file, found None"),
    "wrapped": (lambda: function(1).save("a.pt"), "model: expected a recommender that n_items and .*found Wrapped"),
    "forgetful": (lambda: Forgetful(4).save("a.pt"), "found Forgetful: expected an attribute sharpness"),
    "no frame": (lambda: lxr.utils.save_frame([1], "a.parquet"), "frame: expected a DataFrame, found list"),
    "mixed column": (
        lambda: lxr.utils.save_frame(pd.DataFrame({"a": ["b", 1]}, dtype=object), "a.parquet"),
        "frame: each column needs values of one kind",
    ),
    "same column": (
        lambda: lxr.utils.save_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]), "a.parquet"),
        "frame: each column needs values of one kind",
    ),
}


@pytest.mark.parametrize("call, message", BAD_CALLS.values(), ids=BAD_CALLS)
def test_bad_calls_name_the_argument_and_write_nothing(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        call()
    assert list(tmp_path.iterdir()) == []


def test_records_of_numpy_numbers_paths_and_nan_come_back(tmp_path):
    record = {"n": np.int64(3), "share": np.float32(0.5), "path": Path("a/b"), "steps": (1, np.int8(2)), 10: True, 9: None}
    write_json(record | {"rating": -np.inf, "flag": np.bool_(True)}, tmp_path / "record.json")
    expected = {"n": 3, "share": 0.5, "path": "a/b", "steps": [1, 2], "10": True, "9": None, "rating": -np.inf, "flag": True}
    assert read_json(tmp_path / "record.json") == expected
    write_json({"value": np.nan, "file": "\udcc3"}, tmp_path / "record.json")
    found = read_json(tmp_path / "record.json")
    assert np.isnan(found["value"]) and found["file"] == "\udcc3"


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=str)
def test_an_item_without_a_title_is_called_by_its_id(missing, tmp_path):
    ratings = pd.DataFrame({"user": [1, 1, 1, 2, 2, 2], "item": [4, 5, 6] * 2, "rating": 5})
    ratings.attrs["titles"] = {4: missing, 5: 300}
    data = lxr.prepare(ratings)
    assert data.item_titles.tolist() == ["4", "300", "6"]
    data.save(tmp_path / "data.npz")
    assert lxr.Interactions.load(tmp_path / "data.npz").item_titles.tolist() == ["4", "300", "6"]


@pytest.mark.parametrize("titles", [{4: ["a"]}, {4: b"a"}, {4: {"a": 1}}, ["a", "b"], "ab"], ids=str)
def test_titles_that_are_no_texts_are_refused(titles):
    ratings = pd.DataFrame({"user": [1, 1, 2, 2], "item": [4, 5] * 2, "rating": 5})
    ratings.attrs["titles"] = titles
    with pytest.raises(lxr.DataError, match=r"ratings\.attrs\['titles'\]"):
        lxr.prepare(ratings)


BAD_FIELDS = {
    "a title is missing": {"item_titles": text_array([*"abcdefghijklmnopqrs", None])},
    "a title is a number": {"item_titles": text_array([*"abcdefghijklmnopqrs", 3])},
    "a title has no UTF-8": {"item_titles": text_array([*"abcdefghijklmnopqrs", "\ud800"])},
    "too few titles": {"item_titles": text_array(["a"])},
    "user ids of several kinds": {"user_ids": text_array(["a", 1] * 6)},
    "user ids repeat": {"user_ids": np.zeros(12, int)},
    "weighted": {"matrix": sp.csr_matrix(np.full((12, N_ITEMS), 2.0))},
    "item twice": {"matrix": sp.csr_matrix((np.ones(2), [1, 1], [0, 2, *[2] * 11]), shape=(12, N_ITEMS))},
}


BAD_LISTS = {
    "other items": lambda entries: dataclasses.replace(entries, items=entries.items[::-1]),
    "other users": lambda entries: entries[:5],
    "texts as weights": lambda entries: dataclasses.replace(entries, weights=entries.weights.astype(str)),
    "newest first": lambda entries: dataclasses.replace(entries, times=-entries.times),
    "a time missing": lambda entries: dataclasses.replace(entries, times=entries.times / (entries.times != 3)),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("change", BAD_LISTS.values(), ids=BAD_LISTS)
def test_entries_that_cannot_be_read_are_not_written(change, histories, tmp_path):
    data = interactions(histories)
    with pytest.raises(ValueError, match=r"^entry_.*: expected"):
        dataclasses.replace(data, entries=change(data.entries)).save(tmp_path / "data.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_interactions_that_cannot_be_read_are_not_written(change, histories, tmp_path):
    fields = vars(interactions(histories)) | change
    with pytest.raises(ValueError, match="expected"):
        lxr.Interactions(**fields).save(tmp_path / "data.npz")
    assert list(tmp_path.iterdir()) == []


# --- texts of every length -------------------------------------------------------------------------------------------


def test_titles_of_every_kind_come_back(kinds):
    path, _ = kinds["interactions.npz"]
    data = lxr.Interactions.load(path)
    assert data.item_titles.tolist() == [NASTY[item % len(NASTY)] for item in range(N_ITEMS)]
    assert data.user_ids[3] == "user 03" and isinstance(data.item_titles, np.ndarray)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=6))
def test_packed_texts_are_unpacked(texts):
    assert unpack_text("titles", pack_text("titles", text_array(texts))).tolist() == texts


def test_titles_given_as_fixed_width_texts_are_saved(histories, tmp_path):
    fields = vars(interactions(histories)) | {"item_titles": np.array([f"title {item}" for item in range(N_ITEMS)])}
    lxr.Interactions(**fields).save(tmp_path / "data.npz")
    assert lxr.Interactions.load(tmp_path / "data.npz").item_titles[7] == "title 7"


def test_one_long_title_and_one_long_id_cost_their_own_length(tmp_path):
    n, long = 5000, "y" * 20_000
    items = [f"item {number}" for number in range(n - 1)] + [long]
    ratings = pd.DataFrame({"user": ["ann"] * n + ["bob"] * n, "item": items * 2, "rating": 5.0})
    ratings.attrs["titles"] = dict.fromkeys(items, "x") | {long: long}
    ratings.attrs["user_features"] = {"ann": {"club": "z" * 20_000}, "bob": {"club": "b"}}
    data = lxr.prepare(ratings)
    data.save(tmp_path / "data.npz")
    again = lxr.Interactions.load(tmp_path / "data.npz")
    for found in (data, again):
        assert all(array.nbytes < 100_000 for array in (found.item_ids, found.item_titles, found.user_ids))
        assert long in found.item_ids and (found.item_titles == long).sum() == 1
    assert (tmp_path / "data.npz").stat().st_size < 200_000
    assert again.item_ids.tolist() == data.item_ids.tolist() == sorted(items)


# --- scores belong to their histories --------------------------------------------------------------------------------


def shuffled(matrix):
    """The same matrix, its items in another order within every row."""
    order = np.concatenate([np.arange(*bounds)[::-1] for bounds in zip(matrix.indptr, matrix.indptr[1:], strict=False)])
    return sp.csr_matrix((matrix.data[order], matrix.indices[order], matrix.indptr.copy()), shape=matrix.shape)


def test_scores_come_back_at_their_items_in_whatever_order(histories, tmp_path):
    scores = scores_of(histories)
    for written in (scores, shuffled(scores)):
        lxr.explainers.save_scores(written, tmp_path / "scores.npz")
        for matrix in (histories, shuffled(histories)):
            assert np.array_equal(lxr.explainers.load_scores(tmp_path / "scores.npz", matrix).toarray(), scores.toarray())
    assert not shuffled(histories).has_sorted_indices  # arguments stay as they are


def test_scores_of_other_histories_are_refused(histories, tmp_path):
    lxr.explainers.save_scores(scores_of(histories), tmp_path / "scores.npz")
    other = histories.copy()
    other.indices = (N_ITEMS - 1 - other.indices).astype(other.indices.dtype)
    wider = sp.csr_matrix((histories.data, histories.indices, histories.indptr), shape=(12, N_ITEMS + 1))
    for matrix in (histories[::-1], other, wider):
        with pytest.raises(lxr.DataError, match=r"scores\.npz: expected scores of these histories, found scores of other"):
            lxr.explainers.load_scores(tmp_path / "scores.npz", matrix)
    with pytest.raises(lxr.DataError, match=r"scores\.npz: expected \d+ scores"):
        lxr.explainers.load_scores(tmp_path / "scores.npz", histories[:5])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_not_written(value, histories, tmp_path):
    scores = scores_of(histories)
    scores.data[3] = value
    with pytest.raises(ValueError, match="scores: expected finite numbers"):
        lxr.explainers.save_scores(scores, tmp_path / "scores.npz")
    for other in (None, scores.toarray()):
        with pytest.raises(ValueError, match="scores: expected a CSR matrix with a score per history item"):
            lxr.explainers.save_scores(other, tmp_path / "scores.npz")
    with pytest.raises(lxr.DataError, match="expected a file to write, found a directory"):
        lxr.explainers.save_scores(scores_of(histories), tmp_path)
    assert list(tmp_path.iterdir()) == []


BAD_EXPLAINERS = {
    "unknown setting": {"settings": {"depth": 3}},
    "impossible setting": {"settings": {"epochs": -1}},
    "settings are a list": {"settings": [1]},
    "no width": {"hidden_size": None},
    "another width": {"hidden_size": 5},
    "no fingerprint": {"recommender": "MF"},
    "training is a number": {"training": 3},
    "weights are a list": {"weights": []},
}


@pytest.mark.parametrize("change", BAD_EXPLAINERS.values(), ids=BAD_EXPLAINERS)
def test_what_makes_no_explainer_is_refused(change, tmp_path):
    model, path = lxr.MF(N_ITEMS, n_factors=3), tmp_path / "lxr.pt"
    network_of(model).save(path)
    save_weights(torch.load(path, weights_only=True) | change, path)
    with pytest.raises(lxr.DataError, match=r"lxr\.pt"):
        lxr.LXR.load(path, model)


# --- permissions, killed processes, leftovers ------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_files_obey_the_umask(umask, kinds, tmp_path):
    before = os.umask(umask)
    try:
        lxr.utils.save_frame(pd.DataFrame({"a": [1]}), tmp_path / "new" / "frame.parquet")
        write_json({"a": 1}, tmp_path / "record.json")
        (tmp_path / "plain").touch()
    finally:
        os.umask(before)
    modes = {(tmp_path / name).stat().st_mode & 0o777 for name in ("new/frame.parquet", "record.json", "plain")}
    assert modes == {0o666 & ~umask}


def save_for_ever(path, content):
    """Save again and again, each time other numbers."""
    for number in range(1, 10**6):
        save_npz(path, content=content + number, number=np.array(number))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows cannot fork")
def test_a_process_killed_while_saving_leaves_a_whole_file(tmp_path, trials):
    path, generator = tmp_path / "content.npz", np.random.default_rng(8)
    content = generator.random(50_000)
    for delay in generator.uniform(0.01, 0.2, 5 * trials):
        save_npz(path, content=content, number=np.array(0))
        saver = multiprocessing.get_context("fork").Process(target=save_for_ever, args=(path, content))
        saver.start()
        time.sleep(delay)
        saver.kill()
        saver.join()
        found = read_npz(path, required=("content", "number"))
        assert np.array_equal(found["content"], content + found["number"])
        assert len(list(tmp_path.iterdir())) <= 2
    save_npz(path, number=np.array(1))
    assert [entry.name for entry in tmp_path.iterdir()] == ["content.npz"]  # the next writer has swept


def left_by(process: int, path: Path, host: str = HOST) -> Path:
    """A temporary file next to a path, left by a process."""
    name = temporary_name(path).name.replace(f"{HOST}-{os.getpid()}-", f"{host}-{process}-")
    (path.parent / name).write_text("half", encoding="utf-8")
    return path.parent / name


def test_only_what_dead_processes_left_is_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "mf").mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as alive:
        gone = [left_by(dead.pid, tmp_path / "a.npz"), left_by(dead.pid, tmp_path / "mf" / "b.pt")]
        kept = [left_by(alive.pid, tmp_path / "c.npz"), left_by(os.getpid(), tmp_path / "mf" / "d.json")]
        kept += [left_by(dead.pid, tmp_path / "elsewhere.npz", host="0" * 8), tmp_path / ".hidden", tmp_path / "e.tmp.npz"]
        later = left_by(os.getpid(), tmp_path / "reused.npz")  # of a process of the past with the same number
        os.utime(later, (0, psutil.Process().create_time() - 3600))
        folder = tmp_path / temporary_name(tmp_path / "folder").name.replace(f"-{os.getpid()}-", f"-{dead.pid}-")
        folder.mkdir()
        (folder / "inside").touch()
        for path in kept[-2:]:
            path.touch()
        assert sorted(sweep(tmp_path)) == sorted([*gone, later, folder])
        assert all(path.exists() for path in kept) and not any(path.exists() for path in [*gone, later, folder])
        alive.communicate(b"\n")
    assert sweep(tmp_path / "absent") == []


def test_a_run_sweeps_its_results(tmp_path, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "mf" / "importance").mkdir(parents=True)
    left = left_by(dead.pid, tmp_path / "mf" / "importance" / "lxr.npz")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a run sets it for its kernels
    assert Pipeline([], tmp_path).run() == {} and not left.exists()


def test_long_names_have_short_temporary_ones(tmp_path):
    path = tmp_path / ("é" * 100 + "." + "x" * 40)
    with atomic_path(path) as temporary:
        temporary.write_text("content", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "content"


# --- locales ---------------------------------------------------------------------------------------------------------


def sources():
    """Python sources: those of the library, of the programs, and the code cells of the notebooks."""
    for pattern in ("lxr/**/*.py", "*.py", "benchmarks/*.py", "docs/*.py"):
        for path in sorted(PROJECT_ROOT.glob(pattern)):
            yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((PROJECT_ROOT / "notebooks").rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        yield path.name, "\n".join(code)


def lacks_encoding(call: ast.Call) -> bool:
    """Whether a call opens a text file, or reads what a process prints, in the encoding of the locale."""
    name, owner = getattr(call.func, "attr", getattr(call.func, "id", "")), getattr(call.func, "value", None)
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    modes = [*call.args, *(given[name] for name in ("mode",) if name in given)]
    binary = any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)
    opens = name == "open" and not binary and getattr(owner, "id", "") != "Image"
    reads = name in ("read_text", "write_text") and owner is not None
    return (
        opens or reads or bool(given.keys() & {"text", "universal_newlines"} and name == "run")
    ) and "encoding" not in given


def test_every_text_has_an_encoding():
    calls = ((name, node) for name, source in sources() for node in ast.walk(ast.parse(source)))
    missing = [
        f"{name}: {ast.unparse(node)[:80]}" for name, node in calls if isinstance(node, ast.Call) and lacks_encoding(node)
    ]
    assert missing == []


PRINTING = """
import sys
from pathlib import Path
import pandas as pd
import lxr
from lxr.runs.terminal import print_anything
from lxr.utils.records import write_json, read_json
print_anything()
workspace = lxr.runs.Workspace("12_evaluation", {"dataset": "toy", "results": sys.argv[1], "recommender": "mf"})
workspace.save_table(pd.DataFrame({"NDCG ↓": [0.5]}, index=pd.Index(["Amélie → 千"], name="title")), "table")
workspace.finish(name="Amélie → 千")
assert read_json(workspace.root / "stages/12_evaluation-mf.json")["parameters"]["name"] == "Amélie → 千"
print("τ ↓")
print("τ ↓", file=sys.stderr)
"""


@pytest.mark.slow
def test_text_is_utf_8_in_every_locale(tmp_path):
    ascii_only = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-X", "utf8=0", "-c", PRINTING.encode("ascii", "backslashreplace").decode(), str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=os.environ | ascii_only, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == (b"? ?\n", b"? ?\n")
    tables = {kind: (tmp_path / f"toy/tables/table.{kind}").read_bytes().decode("utf-8") for kind in ("csv", "md", "tex")}
    assert tables["csv"] == "title,NDCG ↓\nAmélie → 千,0.5\n"
    assert "Amélie → 千" in tables["md"] and "千" in tables["tex"]
