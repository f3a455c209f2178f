"""Level 2: ratings, histories and splits, and the readers of every dataset and file.

Example:
    >>> from lxr.data import load_dataset, split_users
    >>> data = load_dataset("synthetic")
    >>> data.n_items, [len(users) for users in split_users(len(data.user_ids))]
    (160, [420, 60, 120])
"""

from lxr.data.datasets import DATASETS, Dataset, load_ratings, preparation_rule
from lxr.data.histories import EntryLists, Histories, Rows
from lxr.data.interactions import Interactions
from lxr.data.preparation import check_candidates, load_dataset, prepare
from lxr.data.reading.files import read_ratings_file
from lxr.data.reading.sequences import read_sequences_file
from lxr.data.splits import load_split, save_split, split_last, split_users

__all__ = [
    "DATASETS",
    "Dataset",
    "EntryLists",
    "Histories",
    "Interactions",
    "Rows",
    "check_candidates",
    "load_dataset",
    "load_ratings",
    "load_split",
    "preparation_rule",
    "prepare",
    "read_ratings_file",
    "read_sequences_file",
    "save_split",
    "split_last",
    "split_users",
]
