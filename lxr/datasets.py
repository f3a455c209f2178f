"""The dataset registry, and what is read of Pinterest and Yahoo! Music.

A ratings frame has the columns ``user``, ``item``, ``rating`` and possibly ``timestamp``, one row per rating. Titles
(and, for ``synthetic``, the planted taste groups) travel in ``ratings.attrs["titles"]`` and ``["groups"]``, dictionaries
keyed by item id; what is known of the users, if it was asked for, in ``["user_features"]``, keyed by user id.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pooch

from lxr.checks import check_paths, check_texts
from lxr.columns import integer_ids, numeric, refuse
from lxr.download import find_files
from lxr.files import FIELD, read_ratings, read_table
from lxr.movielens import read_ml_1m, read_ml_1m_users, read_ml_100k, read_ml_100k_users
from lxr.registry import Registry
from lxr.storage import DataError
from lxr.synthetic import synthetic_ratings, synthetic_users

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DATA_DIR = "LXR_DATA_DIR"  # environment variable: the directory of raw data
NCF = "https://github.com/hexiangnan/neural_collaborative_filtering"
WEBSCOPE = "https://webscope.sandbox.yahoo.com"
NEVER_PLAY = 255  # of Yahoo! Music, whose other ratings are 0 to 100


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    Attributes:
        read: the ratings frame of a data directory.
        min_rating, min_items_per_user, min_users_per_item: the rule of :func:`lxr.prepare`.
        description: what it is, in a few words.
        read_users: where the source knows anything of its users, one row per user id and one column of texts per feature,
            None where it is unknown.

    Example:
        >>> import lxr
        >>> def read(data_dir):
        ...     return lxr.read_ratings_file(data_dir / "shop.csv")
        >>> lxr.DATASETS["shop"] = Dataset(read, min_rating=3)  # from now on lxr.load_dataset("shop") knows it
        >>> del lxr.DATASETS["shop"]
    """

    read: Callable[[Path], pd.DataFrame]
    min_rating: float = 4
    min_items_per_user: int = 2
    min_users_per_item: int = 2
    description: str = ""
    read_users: Callable[[Path], pd.DataFrame] | None = None


def in_checkout() -> bool:
    """True if this package is part of a clone of the repository, with its notebooks; false for an installed copy."""
    return (PROJECT_ROOT / "notebooks").is_dir()


def data_directory(data_dir: str | Path | None = None) -> Path:
    """Directory of raw data.

    Args:
        data_dir: if given; ``~`` is the home directory.

    Returns:
        The argument, else the environment's ``LXR_DATA_DIR``, else ``Data/`` of the project. An installed copy of the
        package has no project: there it is a cache directory of the user.
    """
    given = data_dir or os.environ.get(DATA_DIR)
    if given:
        return Path(given).expanduser()
    return PROJECT_ROOT / "Data" if in_checkout() else pooch.os_cache("lxr")


def results_directory(results: str | Path) -> Path:
    """Directory of all results.

    Args:
        results: absolute, or relative to the project, wherever a notebook runs; ``~`` is the home directory. An installed
            copy of the package has no project: there a relative path starts at the working directory.
    """
    results = Path(results).expanduser()
    return PROJECT_ROOT / results if in_checkout() else results.absolute()


def load_ratings(name: str, data_dir: str | Path | None = None, user_features: bool = False) -> pd.DataFrame:
    """Load the raw ratings of a registered dataset, downloading them when they are not in the data directory.

    Args:
        name: a key of :data:`DATASETS`.
        data_dir: where raw files are looked for and downloaded to; see :func:`data_directory`.
        user_features: also read what the source knows of its users. That is personal data, which is not opened otherwise.

    Returns:
        A frame with the columns ``user``, ``item``, ``rating`` and, where the source has it, ``timestamp``.
        ``attrs["titles"]`` maps item ids to titles; ``attrs["source"]`` lists the files read;
        ``attrs["user_features"]``, if asked for, maps user ids to features: ``{1: {"gender": "female"}}``.

    Raises:
        ValueError: the name is unknown, or an argument of another type.
        DataError: a file is missing, truncated, altered or malformed, or the source knows nothing of its users.

    Example:
        >>> load_ratings("synthetic").columns.tolist()
        ['user', 'item', 'rating']
    """
    check_texts(name=name)
    if data_dir is not None:
        check_paths(data_dir=data_dir)
    dataset, directory = DATASETS[name], data_directory(data_dir)
    ratings = dataset.read(directory)
    if user_features:
        if dataset.read_users is None:
            raise DataError(f"user_features: expected False, since dataset {name} knows nothing of its users")
        users = dataset.read_users(directory)
        sources = [*ratings.attrs.get("source", ()), *users.attrs.get("source", ())]
        ratings.attrs |= {"user_features": users.to_dict("index"), "source": sources}
    return ratings


def rule_of(
    name: str,
    min_rating: float | None = None,
    min_items_per_user: int | None = None,
    min_users_per_item: int | None = None,
) -> dict[str, float]:
    """The thresholds of :func:`lxr.prepare` for a dataset: the registered ones, or 4, 2 and 2 if it is not registered.

    Args:
        name: of the dataset.
        min_rating, min_items_per_user, min_users_per_item: what is to replace them, unless None.

    Returns:
        Keyword arguments of :func:`lxr.prepare`.

    Example:
        >>> rule_of("yahoo-music", min_items_per_user=5)
        {'min_rating': 71, 'min_items_per_user': 5, 'min_users_per_item': 2}
    """
    given = {
        "min_rating": min_rating,
        "min_items_per_user": min_items_per_user,
        "min_users_per_item": min_users_per_item,
    }
    dataset = DATASETS.get(name, Dataset)  # whose defaults are attributes of the class
    return {threshold: getattr(dataset, threshold) if value is None else value for threshold, value in given.items()}


# --- Pinterest and Yahoo! Music --------------------------------------------------------------------------------------


def read_first(dataset: str, readers: dict[str, Callable[[Path], pd.DataFrame]], how: str, data_dir: Path) -> pd.DataFrame:
    """Read the first of several files that is in ``data_dir/<dataset>/`` or in ``data_dir`` itself.

    Args:
        dataset: its name.
        readers: name of a file → its reader.
        how: where to get the first of them from, for the message that says it is missing.
        data_dir: the directory of raw data.
    """
    for name, read in readers.items():
        directory = find_files([data_dir / dataset, data_dir], (name,))
        if directory is not None:
            ratings = read(directory / name)
            ratings.attrs = {"source": [str(directory / name)]}
            return ratings
    raise DataError(
        f"dataset {dataset} is not in {data_dir}, and there is no address that it could be downloaded from:\n{how},\n"
        f"and put it into {data_dir / dataset}; one of {', '.join(readers)} is looked for there"
    )


def read_pinterest(data_dir: Path) -> pd.DataFrame:
    """Pinterest: the training file of He et al. (WWW 2017), or ``user,item,rating`` as in the code published with LXR.

    Raises:
        DataError: the file is missing or malformed.
    """
    table = partial(read_ratings, separator=",", n_columns=3)
    readers = {
        "pinterest.csv": table,
        "pinterest_data.csv": table,  # as it is called there
        "pinterest-20.train.rating": partial(read_ratings, separator="\t", optional=1),
    }
    how = f"get pinterest-20.train.rating of He et al. 2017 from the folder Data of {NCF}"
    return read_first("pinterest", readers, how, data_dir)


def read_yahoo_music(data_dir: Path) -> pd.DataFrame:
    """Yahoo! Music: ``user,item,rating`` as in the code published with LXR, or a file of track 1 of KDD Cup 2011.

    Ratings are integers from 0 to 100; 255, "never play it again", becomes 0.

    Raises:
        DataError: the file is missing or malformed.
    """
    readers = {
        "yahoo-music.csv": read_yahoo_table,
        "Yahoo_ratings.csv": read_yahoo_table,  # as it is called there
        "trainIdx1.txt": read_kdd_cup,
    }
    how = (
        "ask Yahoo! for dataset C15 of its Webscope programme (Yahoo! Music user ratings of musical tracks, albums, artists "
        f"and genres; the data of KDD Cup 2011; {WEBSCOPE}), which takes an agreement; take trainIdx1.txt of track 1, or a "
        "subset of it in the same form or, as yahoo-music.csv, in lines user,item,rating"
    )
    return read_first("yahoo-music", readers, how, data_dir)


def read_yahoo_table(path: Path) -> pd.DataFrame:
    """Lines ``user,item,rating`` with the ratings of Yahoo! Music."""
    return yahoo_ratings(read_table(path, ",", ["user", "item", "rating"]), path)


def read_kdd_cup(path: Path) -> pd.DataFrame:
    """Blocks of track 1 of KDD Cup 2011: ``user|n``, then n lines ``item, score`` or ``item, score, date, time``, by tabs.

    Raises:
        DataError: names the file and the line.

    Source: Dror, Koenigstein, Koren & Weimer, The Yahoo! Music Dataset and KDD-Cup'11, JMLR W&CP 18, 2012.
    """
    lines = read_table(path, FIELD, ["line"])["line"]
    is_head = lines.str.contains("|", regex=False)
    is_head.iloc[0] = True  # or it is refused
    heads = matched(lines[is_head], r"^(?P<user>\d+)\|(?P<count>\d+)$", "user|number of ratings", path)
    rows = matched(
        lines[~is_head],
        r"^(?P<item>\d+)\t(?P<rating>\d+)(?:\t[^\t]+\t[^\t]+)?$",
        "item<tab>score or item<tab>score<tab>date<tab>time",
        path,
    )
    block = is_head.cumsum()[~is_head].to_numpy() - 1
    expected, found = heads["count"].astype(np.int64), np.bincount(block, minlength=len(heads))
    wrong = expected != found
    if wrong.any():
        line = wrong.idxmax()
        raise DataError(
            f"{path}, line {line}: expected {expected[line]} ratings of user {heads['user'][line]}, "
            f"found {found[wrong.to_numpy().argmax()]}"
        )
    return yahoo_ratings(rows.assign(user=heads["user"].to_numpy()[block]), path)


def matched(lines: pd.Series, pattern: str, expected: str, path: Path) -> pd.DataFrame:
    """The named groups of a pattern in every line, or a :class:`DataError` that names the first line without them."""
    groups = lines.str.extract(pattern)
    refuse(groups.isna().any(axis=1), path, lines.str[:80], expected)
    return groups


def yahoo_ratings(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A ratings frame of strings, its ratings checked, and 0 for what is never to be played again."""
    ratings = pd.DataFrame({column: integer_ids(raw, column, path) for column in ("user", "item")})
    ratings["rating"] = numeric(raw, "rating", path, integer=True)
    wrong = ~ratings["rating"].between(0, 100) & (ratings["rating"] != NEVER_PLAY)
    refuse(wrong, path, raw["rating"], f"a rating from 0 to 100, or {NEVER_PLAY}")
    return ratings.replace({"rating": {NEVER_PLAY: 0}}).astype({"rating": float}).reset_index(drop=True)


DATASETS: dict[str, Dataset] = Registry(
    "dataset",
    {
        "synthetic": Dataset(
            lambda data_dir: synthetic_ratings(),
            min_rating=4,
            description="planted taste groups",
            read_users=lambda data_dir: synthetic_users(),
        ),
        "ml-100k": Dataset(read_ml_100k, min_rating=4, description="MovieLens 100K", read_users=read_ml_100k_users),
        "ml-1m": Dataset(read_ml_1m, min_rating=4, description="MovieLens 1M", read_users=read_ml_1m_users),
        "pinterest": Dataset(read_pinterest, min_rating=0, description="Pinterest: every pair counts"),
        "yahoo-music": Dataset(read_yahoo_music, min_rating=71, description="Yahoo! Music: integers above 70"),
    },
)
"""Name → dataset; ``Data/README.md`` says where raw files come from and where they are put."""
