"""Where the data of a run come from: the registry, a file named on the command line, or the file of an earlier run."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lxr.data.datasets import DATASETS, load_ratings, preparation_rule
from lxr.data.files import read_ratings_file
from lxr.data.preparation import check_candidates, named, prepare
from lxr.data.ratings import Repeats
from lxr.data.splits import split_users
from lxr.reporting.tables import data_table
from lxr.runs.stage import NOTEBOOKS
from lxr.runs.workspace import PREPARATION, told_to

COLUMNS = ("user_column", "item_column", "rating_column", "title_column", "timestamp_column")
SMOKE, WITH_FEATURES = "smoke", "user-features"  # directories of the results for tiny runs, and with features of users
RESERVED = (SMOKE, WITH_FEATURES, "seeds")
RULE = ("min_rating", "min_items_per_user", "min_users_per_item")


@dataclass(frozen=True)
class Source:
    """Raw ratings and the rule by which they are prepared.

    Attributes:
        dataset: name of the dataset, and of the directory of its results.
        data_dir: where a registered dataset is looked for.
        ratings_file: arguments of :func:`lxr.read_ratings_file`; empty for a registered dataset.
        rule: thresholds of :func:`lxr.prepare`.
        repeats: what becomes of repeated pairs in a file, an argument of :func:`lxr.prepare`.
    """

    dataset: str
    data_dir: Path
    ratings_file: dict
    rule: dict
    repeats: Repeats | None = None

    @property
    def parameters(self) -> dict:
        """Those of the notebook that prepares the data."""
        own = {"ratings_file": self.ratings_file, **self.rule, "repeats": self.repeats}
        return own if self.ratings_file else {"data_dir": str(self.data_dir)}

    def read(self, user_features: bool = False) -> pd.DataFrame:
        """The ratings, and what is known of the users if that is asked for."""
        own = self.ratings_file
        return read_ratings_file(**own) if own else load_ratings(self.dataset, self.data_dir, user_features=user_features)

    def describe(self, seed: int, user_features: bool = False, n_test: int | None = None) -> str:
        """What there is, what is kept of it by the rule, and who trains, validates and tests by the split of a seed."""
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
            lines.append(f"left out, since they have every item: {named(list(data.complete_users))}")
        if data.n_features and data.item_titles is not None:
            lines.append("user features: " + ", ".join(data.item_titles[-data.n_features :]))
        if n_test:
            lines.append(f"of the test users, {n_test} drawn at random are explained and judged")
        return "\n".join(lines)


def place(text: str) -> Path:
    """Type of a path on the command line: ``~`` is the home directory, and nothing is no path.

    Raises:
        argparse.ArgumentTypeError: there is no such home directory, or no path.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected a path, found nothing")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def name_of(path: Path) -> str:
    """The name of a dataset in a file: ``plays`` of ``plays.csv.gz``."""
    return Path(path.name.removesuffix(".gz")).stem


def check_name(options: argparse.Namespace) -> None:
    """Refuse a dataset's name that cannot be the name of a directory of results, or is in use.

    Raises:
        ValueError: says why, and how to choose another.
    """
    name, ratings = options.dataset, options.ratings
    expected = f"argument --dataset: expected a new name for {ratings}" if ratings else "argument --dataset: expected a name"
    expected += f", found {name!r}"
    if name.casefold() in RESERVED:
        raise ValueError(f"{expected}, which has a meaning of its own (as {', '.join(RESERVED)})")
    if not name.isprintable() or name != name.strip(" ") or name[:1] in ("", ".", "~", "-") or set(name) & set('/\\:*?"<>|'):
        raise ValueError(f"{expected}, which cannot be the name of a directory everywhere")
    if ratings and name in DATASETS:
        raise ValueError(f"{expected}, which is a registered dataset")


def check_replaced(options: argparse.Namespace, path: str) -> None:
    """Refuse a file whose name alone would make its results replace those of another file.

    Raises:
        ValueError: names both files.
    """
    root = options.results / options.dataset
    before = told_to(root, PREPARATION).get("ratings_file", {}).get("path")
    if options.named or not before or (NOTEBOOKS / before).resolve() == Path(path):
        return
    raise ValueError(
        f"argument --ratings: {root} has results of another file, {before}: name this one with --dataset NAME "
        f"(--dataset {options.dataset} replaces the other)"
    )


def source_of(options: argparse.Namespace) -> Source:
    """The source that a command line asks for: a registered dataset, ``--ratings``, or what the results were made from.

    Raises:
        ValueError: options do not go together, or a file is missing.
    """
    given = {name: value for name in (*COLUMNS, *RULE) if (value := getattr(options, name)) is not None}
    ratings_file: dict[str, Any] = {}
    rule, repeats = preparation_rule(options.dataset), options.repeats
    if options.ratings:
        counts_plays = options.implicit and repeats == "sum"  # which --min-rating may ask for a number of
        two = options.implicit and ("rating_column" in given or ("min_rating" in given and not counts_plays))
        if two or not (options.implicit or "min_rating" in given):
            raise ValueError("argument --ratings: expected either --min-rating or --implicit beside it")
        if "title_column" in given and not options.items:
            raise ValueError("argument --title-column: expected --items beside it, which may be the file of --ratings")
        places = {"path": options.ratings, "items_path": options.items}
        ratings_file = {name: str(place.resolve()) for name, place in places.items() if place}
        ratings_file |= {name: given[name] for name in COLUMNS if name in given}
        if options.implicit:
            ratings_file["rating_column"] = None
            given.setdefault("min_rating", 1)
        check_replaced(options, ratings_file["path"])
        rule = preparation_rule(options.dataset, **{name: given[name] for name in RULE if name in given})
    elif given or options.items or options.implicit or repeats:
        raise ValueError("argument --ratings: expected, beside options of a file of your own")
    elif options.dataset not in DATASETS:
        parameters = told_to(options.results / options.dataset, PREPARATION)
        ratings_file = parameters.get("ratings_file", {})
        if not ratings_file:
            known = ", ".join(map(repr, DATASETS))
            raise ValueError(
                f"argument --dataset: invalid choice: {options.dataset!r} (choose from {known}, or give --ratings)"
            )
        rule, repeats = {name: parameters[name] for name in RULE}, parameters.get("repeats")
    for name in [name for name in ("path", "items_path") if name in ratings_file]:
        path = (NOTEBOOKS / ratings_file[name]).resolve()  # a notebook may have been told a relative one
        if not path.is_file():
            raise ValueError(f"argument --ratings: expected a file {path}, found none")
        ratings_file[name] = str(path)
    return Source(options.dataset, options.data_dir, ratings_file, rule, repeats)
