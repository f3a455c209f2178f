"""Yahoo! Music: its forms, and what is refused."""

import re

import numpy as np
import pandas as pd
import pytest
from raw_files import message_of, write

import lxr
from lxr.data import yahoo_music

YAHOO = "7,100,90\n7,200,255\n8,100,71\n8,200,70\n8,300,0\n"


KDD_CUP = "7|2\n100\t90\t2276\t21:13:00\n200\t255\t2276\t21:14:00\n8|3\n100\t71\n200\t70\n300\t0\n"


@pytest.mark.parametrize(
    ("name", "text"), [("yahoo-music.csv", YAHOO), ("Yahoo_ratings.csv", YAHOO), ("trainIdx1.txt", KDD_CUP)]
)
def test_every_form_of_yahoo_music_is_read(tmp_path, name, text):
    write(tmp_path / "yahoo-music", {name: text})
    ratings = lxr.load_ratings("yahoo-music", tmp_path)
    expected = [[7, 100, 90], [7, 200, 0], [8, 100, 71], [8, 200, 70], [8, 300, 0]]
    assert ratings[["user", "item", "rating"]].to_numpy().tolist() == expected
    assert ratings.attrs == {"source": [str(tmp_path / "yahoo-music" / name)]}
    data = lxr.prepare(ratings, **lxr.data.preparation_rule("yahoo-music", min_items_per_user=1))
    assert data.user_ids.tolist() == [7, 8] and data.item_ids.tolist() == [100]  # above 70, and not 255


def test_times_of_yahoo_music_are_read_if_all_lines_have_them(tmp_path):
    timed = "7|2\n100\t90\t2276\t21:13:00\n200\t80\t2275\t00:00:09\n8|1\n100\t71\t0\t00:01:00\n"
    write(tmp_path / "all", {"trainIdx1.txt": timed})
    write(tmp_path / "some", {"trainIdx1.txt": KDD_CUP})
    ratings = lxr.load_ratings("yahoo-music", tmp_path / "all")
    assert ratings["timestamp"].tolist() == [2276 * 86_400 + 76_380, 2275 * 86_400 + 9, 60]
    assert ratings.attrs["source"] == [str(tmp_path / "all" / "trainIdx1.txt")]
    assert "timestamp" not in lxr.load_ratings("yahoo-music", tmp_path / "some")
    data = lxr.prepare(ratings, min_rating=71, min_items_per_user=1, min_users_per_item=1)
    assert data.item_ids[data.histories([0]).items].tolist() == [200, 100]


BAD_YAHOO = {
    "a rating too high": (
        "yahoo-music.csv",
        YAHOO.replace("90", "101"),
        "line 1: expected a rating .*100, or 255, found '101'",
    ),
    "a rating between": (
        "yahoo-music.csv",
        YAHOO.replace("255", "254"),
        "line 2: expected a rating .*100, or 255, found '254'",
    ),
    "a negative rating": (
        "yahoo-music.csv",
        YAHOO.replace("71", "-1"),
        "line 3: expected a non-neg.* as rating, found '-1'",
    ),
    "half a rating": ("yahoo-music.csv", YAHOO.replace("71", "71.5"), "line 3: .*integer as rating, found '71.5'"),
    "a header": ("yahoo-music.csv", "user,item,rating\n" + YAHOO, "line 1: .*as user, found 'user'"),
    "time without date": ("trainIdx1.txt", KDD_CUP.replace("\t2276", "", 1), "line 2: expected item<tab>score"),
    "too few in a block": ("trainIdx1.txt", KDD_CUP.replace("7|2", "7|3"), "line 1: expected 3 ratings of user 7, found 2"),
    "too many in a block": ("trainIdx1.txt", KDD_CUP.replace("8|3", "8|2"), "line 4: expected 2 ratings of user 8, found 3"),
    "truncated": ("trainIdx1.txt", KDD_CUP.replace("300\t0\n", ""), "line 4: expected 3 ratings of user 8, found 2"),
    "truncated within a line": ("trainIdx1.txt", KDD_CUP[:-3], "line 7: expected item<tab>score.*found '300'"),
    "a head at the end": ("trainIdx1.txt", KDD_CUP + "9|1\n", "line 8: expected 1 ratings of user 9, found 0"),
    "no head": ("trainIdx1.txt", KDD_CUP.partition("\n")[2], "line 1: expected user|number of ratings, found '100"),
    "half a head": ("trainIdx1.txt", KDD_CUP.replace("8|3", "8|"), r"line 4: expected user\|number of ratings, found '8\|'"),
    "a rating of 254": ("trainIdx1.txt", KDD_CUP.replace("255", "254"), "line 3: expected a rating .*found '254'"),
    "blank line": ("trainIdx1.txt", KDD_CUP.replace("8|", "\n8|"), "line 4: expected item<tab>score.*found ''"),
}


@pytest.mark.parametrize(("name", "text", "message"), BAD_YAHOO.values(), ids=BAD_YAHOO)
def test_bad_yahoo_music_is_refused(tmp_path, name, text, message):
    write(tmp_path, {name: text})
    found = message_of("yahoo-music", tmp_path)
    assert re.search(message, found) and str(tmp_path / name) in found


def yahoo_ratings(n_users: int = 13_797, n_items: int = 4_604) -> pd.DataFrame:
    """Ratings on the scale of Yahoo! Music, by default of the size of the paper: everybody likes two items or more.

    Besides what is kept there are users and items with a single rating above 70, and many ratings that are not.
    """
    generator = np.random.default_rng(0)
    rounds = [generator.permutation(np.resize(np.arange(n_items), n_users)) for _ in range(20)]
    liked = pd.DataFrame({"user": np.tile(np.arange(n_users), 20), "item": np.concatenate(rounds)})
    liked["rating"] = generator.integers(71, 101, len(liked))
    other = pd.DataFrame(generator.integers(0, (n_users + 9, n_items + 9), (10 * n_users, 2)), columns=["user", "item"])
    other["rating"] = generator.choice([*range(71), yahoo_music.NEVER_PLAY], len(other))
    poor = pd.DataFrame({"user": n_users + np.arange(9), "item": n_items + np.arange(9), "rating": 100})
    ratings = pd.concat([liked, poor, other]).drop_duplicates(["user", "item"])
    return ratings.sort_values("user", kind="stable", ignore_index=True)


def kdd_cup_text(ratings: pd.DataFrame) -> str:
    """Ratings, sorted by users, in the form of KDD Cup 2011."""
    rows = (ratings["item"].astype(str) + "\t" + ratings["rating"].astype(str) + "\t2276\t21:13:00\n").to_numpy()
    users, first = np.unique(ratings["user"], return_index=True)
    blocks = zip(users, np.split(rows, first[1:]), strict=True)
    return "".join(f"{user}|{len(block)}\n{''.join(block)}" for user, block in blocks)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yahoo-music.csv", "trainIdx1.txt"])
def test_a_set_of_the_papers_size_is_loaded_and_prepared(tmp_path, name):
    ratings = yahoo_ratings()
    text = kdd_cup_text(ratings) if name == "trainIdx1.txt" else ratings.to_csv(header=False, index=False)
    write(tmp_path, {name: text})
    data = lxr.load_dataset("yahoo-music", tmp_path)
    assert data.matrix.shape == (13_797, 4_604)
    assert data.matrix.nnz == (ratings["rating"].between(71, 100)).sum() - 9
    assert len(lxr.split_users(data.matrix.shape[0], seed=42)[2]) == 2760
