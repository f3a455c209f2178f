"""Raw ratings of a run (a registered dataset or a file), and the rule of their preparation."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lxr.data.datasets import load_ratings
from lxr.data.preparation import check_candidates, named, prepare
from lxr.data.ratings import Repeats
from lxr.data.reading.files import read_ratings_file
from lxr.data.splits import split_users
from lxr.reporting.tables import data_table


@dataclass(frozen=True)
class Source:
    """Raw ratings and the rule of their preparation.

    Attributes:
        dataset: name of the dataset and of the directory of its results.
        data_dir: directory of registered datasets.
        ratings_file: arguments of :func:`lxr.read_ratings_file`; empty for a registered dataset.
        rule: thresholds of :func:`lxr.prepare`.
        repeats: treatment of repeated pairs in a file, an argument of :func:`lxr.prepare`.
    """

    dataset: str
    data_dir: Path
    ratings_file: dict
    rule: dict
    repeats: Repeats | None = None

    @property
    def parameters(self) -> dict:
        """Parameters of the notebook that prepares the data."""
        own = {"ratings_file": self.ratings_file, **self.rule, "repeats": self.repeats}
        return own if self.ratings_file else {"data_dir": str(self.data_dir)}

    def read(self, user_features: bool = False) -> pd.DataFrame:
        """Read the ratings, with user features if requested."""
        own = self.ratings_file
        return read_ratings_file(**own) if own else load_ratings(self.dataset, self.data_dir, user_features=user_features)

    def describe(self, seed: int, *, user_features: bool = False, n_test: int | None = None) -> str:
        """Describe the data before and after preparation, and the parts of the split of a seed."""
        ratings = self.read(user_features)
        data = prepare(ratings, **self.rule, repeats=self.repeats)
        check_candidates(data)
        parts = zip(("training", "validation", "test"), split_users(len(data.user_ids), seed=seed), strict=True)
        lowest, highest = ratings["rating"].min(), ratings["rating"].max()
        lines = [
            f"{self.dataset}: {', '.join(ratings.attrs['source']) or 'generated'}",
            f"{len(ratings)} rows, {data.n_duplicates} of them duplicates; ratings from {lowest:g} to {highest:g}",
            ", ".join(f"{name} {value:g}" for name, value in self.rule.items())
            + (f", repeats {self.repeats}" if self.repeats else ""),
            data_table(ratings, data, dict(parts)).to_string(float_format="{:.2f}".format),
        ]
        lines += [f"dialect of {dialect}" for dialect in ratings.attrs.get("dialect", ())]
        if data.complete_users:
            lines.append(f"left out because they have all items: {named(list(data.complete_users))}")
        if data.n_features and data.item_titles is not None:
            lines.append("user features: " + ", ".join(data.item_titles[-data.n_features :]))
        if n_test:
            lines.append(f"of the test users, {n_test} drawn at random are explained and evaluated")
        return "\n".join(lines)
