"""Registry of datasets: the reader and the thresholds of each.

A ratings frame has the columns ``user``, ``item``, ``rating`` and possibly ``timestamp``, one row per rating. Titles (and,
for generated data, the planted groups) travel in ``ratings.attrs["titles"]`` and ``["groups"]``, dictionaries keyed by
item id; user features, if requested, in ``["user_features"]``, keyed by user id.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lxr.data.movielens import read_ml_1m, read_ml_1m_users, read_ml_100k, read_ml_100k_users
from lxr.data.pinterest import read_pinterest
from lxr.data.synthetic import synthetic_ratings, synthetic_sequences, synthetic_users
from lxr.data.yahoo_music import read_yahoo_music
from lxr.utils.checks import check_paths, check_texts
from lxr.utils.environment import data_directory
from lxr.utils.registry import Registry
from lxr.utils.storage import DataError


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    Attributes:
        read: the ratings frame of a data directory.
        min_rating, min_items_per_user, min_users_per_item: the rule of :func:`lxr.prepare`.
        description: description of the dataset, in a few words.
        read_users: features of the users, if the source has some: one row per user id, one column of texts per feature,
            None for unknown values.

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


def load_ratings(name: str, data_dir: str | Path | None = None, *, user_features: bool = False) -> pd.DataFrame:
    """Load the raw ratings of a registered dataset, downloading them when they are not in the data directory.

    Args:
        name: a key of :data:`DATASETS`.
        data_dir: directory of raw files and of downloads; see :func:`lxr.utils.environment.data_directory`.
        user_features: also read the features of the users. They are personal data, which is not opened otherwise.

    Returns:
        A frame with the columns ``user``, ``item``, ``rating`` and, where the source has it, ``timestamp``.
        ``attrs["titles"]`` maps item ids to titles; ``attrs["source"]`` lists the files read; ``attrs["user_features"]``,
        if requested, maps user ids to features: ``{1: {"gender": "female"}}``.

    Raises:
        ValueError: the name is unknown, or an argument of another type.
        DataError: a file is missing, truncated, altered or malformed, or the dataset has no user features.

    Example:
        >>> load_ratings("synthetic").columns.tolist()
        ['user', 'item', 'rating', 'timestamp']
    """
    check_texts(name=name)
    if data_dir is not None:
        check_paths(data_dir=data_dir)
    dataset, directory = DATASETS[name], data_directory(data_dir)
    ratings = dataset.read(directory)
    if user_features:
        if dataset.read_users is None:
            raise DataError(f"dataset {name} has no user features: call with user_features=False")
        users = dataset.read_users(directory)
        sources = [*ratings.attrs.get("source", ()), *users.attrs.get("source", ())]
        ratings.attrs |= {"user_features": users.to_dict("index"), "source": sources}
    return ratings


def preparation_rule(
    name: str,
    *,
    min_rating: float | None = None,
    min_items_per_user: int | None = None,
    min_users_per_item: int | None = None,
) -> dict[str, Any]:
    """Thresholds of :func:`lxr.prepare` for a dataset: the registered ones, or 4, 2 and 2 for an unknown dataset.

    Args:
        name: name of the dataset.
        min_rating, min_items_per_user, min_users_per_item: other thresholds, unless None.

    Returns:
        Keyword arguments of :func:`lxr.prepare`.

    Example:
        >>> preparation_rule("yahoo-music", min_items_per_user=5)
        {'min_rating': 71, 'min_items_per_user': 5, 'min_users_per_item': 2}
    """
    given = {
        "min_rating": min_rating,
        "min_items_per_user": min_items_per_user,
        "min_users_per_item": min_users_per_item,
    }
    dataset = DATASETS.get(name, Dataset)  # the defaults are attributes of the class
    return {threshold: getattr(dataset, threshold) if value is None else value for threshold, value in given.items()}


DATASETS: dict[str, Dataset] = Registry(
    "dataset",
    {
        "synthetic": Dataset(
            lambda data_dir: synthetic_ratings(seed=7),
            min_rating=4,
            description="planted taste groups",
            read_users=lambda data_dir: synthetic_users(seed=7),
        ),
        "synthetic-sequences": Dataset(
            lambda data_dir: synthetic_sequences(seed=7),
            min_rating=4,
            description="planted sequences: the order matters",
        ),
        "ml-100k": Dataset(read_ml_100k, min_rating=4, description="MovieLens 100K", read_users=read_ml_100k_users),
        "ml-1m": Dataset(read_ml_1m, min_rating=4, description="MovieLens 1M", read_users=read_ml_1m_users),
        "pinterest": Dataset(read_pinterest, min_rating=0, description="Pinterest: every pair counts"),
        "yahoo-music": Dataset(read_yahoo_music, min_rating=71, description="Yahoo! Music: integers above 70"),
    },
)
"""Name → dataset; ``Data/README.md`` states the source and the place of raw files."""
