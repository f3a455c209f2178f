"""Raw ratings of a run (a registered dataset or a file), the rule of their preparation, and their options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from lxr.data.datasets import DATASETS, load_ratings, preparation_rule
from lxr.data.preparation import check_candidates, named, prepare
from lxr.data.ratings import Repeats
from lxr.data.reading.files import read_ratings_file
from lxr.data.reading.sequences import read_sequences_file
from lxr.data.splits import split_users
from lxr.reporting.tables import data_table
from lxr.runs.stage import NOTEBOOKS
from lxr.runs.workspace import PREPARATION, stage_parameters

if TYPE_CHECKING:
    from lxr.runs.options import RunOptions

COLUMNS = ("user_column", "item_column", "rating_column", "title_column", "timestamp_column")
RULE = ("min_rating", "min_items_per_user", "min_users_per_item")
# Parameter of the notebook that prepares the data → the reader of which it has the arguments.
READERS: dict[str, Callable[..., pd.DataFrame]] = {
    "ratings_file": read_ratings_file,
    "sequences_file": read_sequences_file,
}


class OptionError(ValueError):
    """An option that cannot be used.

    Args:
        name: the field of :class:`RunOptions`.
        message: the expected and the found value.

    Example:
        >>> OptionError("test_users", "expected at least 1, found 0").option
        '--test-users'
    """

    def __init__(self, name: str, message: str):
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message

    @property
    def option(self) -> str:
        """The option in its spelling on the command line."""
        return "--plugin" if self.name == "plugins" else f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Source:
    """Raw ratings and the rule of their preparation.

    Attributes:
        dataset: name of the dataset and of the directory of its results.
        data_dir: directory of registered datasets.
        reader: a key of :data:`READERS`; None for a registered dataset.
        file: arguments of the reader.
        rule: thresholds of :func:`lxr.prepare`.
        repeats: treatment of repeated pairs in a file, an argument of :func:`lxr.prepare`.
    """

    dataset: str
    data_dir: Path
    reader: str | None
    file: dict[str, Any]
    rule: dict
    repeats: Repeats | None = None

    @property
    def parameters(self) -> dict:
        """Parameters of the notebook that prepares the data."""
        if self.reader is None:
            return {"data_dir": str(self.data_dir)}
        return {self.reader: self.file, **self.rule, "repeats": self.repeats}

    def read(self, user_features: bool = False) -> pd.DataFrame:
        """Read the ratings, with user features if requested."""
        if self.reader is None:
            return load_ratings(self.dataset, self.data_dir, user_features=user_features)
        return READERS[self.reader](**self.file)

    def describe(self, seed: int, *, user_features: bool = False, n_test: int | None = None) -> str:
        """Describe the data before and after preparation, and the parts of the split of a seed."""
        ratings = self.read(user_features)
        data = prepare(ratings, **self.rule, repeats=self.repeats)
        check_candidates(data)
        parts = zip(("training", "validation", "test"), split_users(len(data.user_ids), seed=seed), strict=True)
        scale = "; ratings from {:g} to {:g}".format(*ratings["rating"].agg(["min", "max"])) if "rating" in ratings else ""
        lines = [
            f"{self.dataset}: {', '.join(ratings.attrs['source']) or 'generated'}",
            f"{len(ratings)} rows, {data.n_duplicates} of them duplicates{scale}",
            ", ".join(f"{name} {value:g}" for name, value in self.rule.items())
            + (f", repeats {self.repeats}" if self.repeats else ""),
            data_table(ratings, data, dict(parts)).to_string(float_format="{:.2f}".format),
        ]
        lines += [f"dialect of {dialect}" for dialect in ratings.attrs.get("dialect", ())]
        if not data.has_order:
            lines.append("entries have no order of time: no user has entries of different times")
        if data.complete_users:
            lines.append(f"left out because they have all items: {named(list(data.complete_users))}")
        if data.n_features and data.item_titles is not None:
            lines.append("user features: " + ", ".join(data.item_titles[-data.n_features :]))
        if n_test:
            lines.append(f"of the test users, {n_test} drawn at random are explained and evaluated")
        return "\n".join(lines)


def source_of(options: "RunOptions") -> Source:
    """Source of the data: a registered dataset, ``ratings``, ``sequences``, or the file of earlier results."""
    name, repeats = options.dataset_name, options.repeats
    given = {option: value for option in (*COLUMNS, *RULE) if (value := getattr(options, option)) is not None}
    reader, file = None, {}
    if options.sequences:
        reader, file, repeats = "sequences_file", _sequences_file(options, options.sequences), repeats or "keep"
        given = {"min_rating": 1, "min_users_per_item": 1} | given  # such files have their thresholds behind them
    elif options.ratings:
        reader, file = "ratings_file", _ratings_file(options, given)
        if options.implicit:
            given.setdefault("min_rating", 1)
    elif given or options.items or options.implicit or repeats:
        raise OptionError("ratings", "required by options of a ratings file, such as --user-column")
    rule = preparation_rule(name, **{option: given[option] for option in RULE if option in given})
    if not reader and name not in DATASETS:
        parameters = stage_parameters(options.root, PREPARATION)
        reader, file = _recorded_file(parameters)
        if not reader:
            known = ", ".join(map(repr, DATASETS))
            raise OptionError("dataset", f"invalid choice: {name!r} (choose from {known}, or give --ratings or --sequences)")
        rule, repeats = {option: parameters[option] for option in RULE}, parameters.get("repeats")
    for key in [key for key in ("path", "items_path") if key in file]:
        path = (NOTEBOOKS / file[key]).resolve()  # a notebook's path may be relative
        if not path.is_file():
            raise OptionError(f"{reader}".removesuffix("_file"), f"expected a file {path}, found none")
        file[key] = str(path)
    return Source(name, options.raw_data, reader, file, rule, repeats)


def _recorded_file(parameters: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The reader and its arguments in the parameters of an earlier preparation; None if it had no file."""
    return next(((name, dict(parameters[name])) for name in READERS if parameters.get(name)), (None, {}))


def _ratings_file(options: "RunOptions", given: dict[str, Any]) -> dict[str, Any]:
    """Arguments of :func:`lxr.read_ratings_file`; ``given`` has the columns and thresholds in the options."""
    counts_plays = options.implicit and options.repeats == "sum"  # --min-rating may then be a number of plays
    two = options.implicit and ("rating_column" in given or ("min_rating" in given and not counts_plays))
    if two or not (options.implicit or "min_rating" in given):
        raise OptionError("ratings", "requires either --min-rating or --implicit")
    if "title_column" in given and not options.items:
        raise OptionError("title_column", "requires --items, which may be the file of --ratings")
    files = {"path": options.ratings, "items_path": options.items}
    ratings_file: dict[str, Any] = {key: str(path.resolve()) for key, path in files.items() if path}
    ratings_file |= {name: given[name] for name in COLUMNS if name in given}
    if options.implicit:
        ratings_file["rating_column"] = None
    _check_replaced(options, "ratings", ratings_file["path"])
    return ratings_file


def _sequences_file(options: "RunOptions", path: Path) -> dict[str, Any]:
    """Arguments of :func:`lxr.read_sequences_file`: such a file has no columns, ratings and titles."""
    for name in ("ratings", "items", "implicit", "min_rating", *COLUMNS):
        if getattr(options, name) not in (None, False):
            raise OptionError(name, "cannot be combined with --sequences")
    _check_replaced(options, "sequences", str(path.resolve()))
    return {"path": str(path.resolve())}


def _check_replaced(options: "RunOptions", option: str, path: str) -> None:
    """Refuse a file with the name of another file, whose results it would replace."""
    before = _recorded_file(stage_parameters(options.root, PREPARATION))[1].get("path")
    if options.dataset is not None or not before or (NOTEBOOKS / before).resolve() == Path(path):
        return
    raise OptionError(
        option,
        f"{options.root} has results of another file, {before}: name this one with --dataset NAME "
        f"(--dataset {options.dataset_name} replaces the other)",
    )
