"""Comparison of explainers on one recommender, with a verdict in words."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lxr.counterfactuals import CounterfactualSet, counterfactual_sets, smallest_prefix
from lxr.data.interactions import Interactions
from lxr.data.splits import split_users
from lxr.evaluation.cost import Cost, cost_table, measure_cost
from lxr.explainers.registry import EXPLAINERS
from lxr.metrics.comparison import comparison_table
from lxr.metrics.fidelity import evaluate_fidelity
from lxr.metrics.names import LOWER, direction
from lxr.metrics.result import FidelityResult
from lxr.recommenders.base import Recommender
from lxr.recommenders.recommendations import histories_of, top_item, training_users
from lxr.utils.checks import check_instance, check_positive
from lxr.utils.progress import progress_bar
from lxr.utils.sparse import sampled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The best known of each family. In the module of the registry, these names would count as uses of its entries.
COMPARED = (
    "random",
    "tf-idf",
    "lime",
    "shap-items",
    "accent",
    "lxr",
    "lxr-path-rank",
    "leave-one-out",
    "spinrec",
    "rank-margin-path",
)
METRICS = ("NDCG", "POS@20", "DEL", "INS")  # metrics of the comparison
RANK, SCORE, SECONDS = "NDCG", "INS", "explaining [s / 1,000 users]"
SET_SIZE = "set size@1"  # mean number of first reasons without which the item leaves first place
PROVEN_USERS, PROOF_SECONDS = 20, 1.0  # users with a smallest set, and the time limit of each
LEVEL = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Explainers compared on one recommender; prints a verdict and the table.

    Attributes:
        results: explainer → fidelity of its explanations, for the same users.
        costs: explainer → (cost of making it, cost of explaining these users).
        sizes: explainer → (n_users,) least numbers of first reasons whose removal changes the first place; or NaN.
        smallest: smallest sets of some users, with certificates.

    Example: see :func:`compare`.
    """

    results: Mapping[str, FidelityResult]
    costs: Mapping[str, tuple[Cost, Cost]]
    sizes: Mapping[str, np.ndarray]
    smallest: Sequence[CounterfactualSet]

    @property
    def n_users(self) -> int:
        """Number of explained users."""
        return len(next(iter(self.results.values())).per_user())

    @cached_property
    def table(self) -> pd.DataFrame:
        """Means of the metrics, seconds for 1,000 users, and seconds of training, one row per explainer; best NDCG first."""
        means = {name: result.per_user()[list(METRICS)].mean() for name, result in self.results.items()}
        costs = cost_table(self.costs, self.n_users).set_index("explainer")
        table = pd.DataFrame(means).T.rename_axis("explainer")
        table[SET_SIZE] = [_mean(self.sizes[name]) for name in table.index]
        return table.join(costs[[SECONDS, "making it [s]"]]).sort_values(RANK)

    @cached_property
    def tests(self) -> pd.DataFrame:
        """Paired tests between every two explainers: :func:`lxr.metrics.comparison_table`."""
        return comparison_table(self.results, METRICS)

    def best(self, metric: str, names: Sequence[str] | None = None) -> list[str]:
        """The best explainer by a metric and all without a significant difference to it, cheapest first.

        Args:
            metric: one of the compared metrics.
            names: explainers to consider; all by default.
        """
        table = self.table.loc[list(names or self.table.index)]
        first = table[metric].idxmin() if direction(metric) == LOWER else table[metric].idxmax()
        pairs = self.tests[(self.tests["metric"] == metric) & (self.tests["p_holm"] >= LEVEL)]
        same = {*pairs.loc[pairs["explainer"] == first, "other"], *pairs.loc[pairs["other"] == first, "explainer"], first}
        return table.loc[[name for name in table.index if name in same]].sort_values(SECONDS).index.tolist()

    @cached_property
    def verdict(self) -> list[str]:
        """Recommended explainers in words, with numbers."""
        names = [name for name in self.table.index if name in EXPLAINERS]
        no_gradient = [name for name in names if not EXPLAINERS[name].needs_gradient]
        untrained = [name for name in names if not EXPLAINERS[name].is_trained]
        wanted = {
            "To explain the rank": (RANK, names),
            "To explain the score": (SCORE, names),
            "Without gradients of the recommender": (RANK, no_gradient),
            "Without training": (RANK, untrained),
        }
        advice = [self._advice(purpose, metric, among) for purpose, (metric, among) in wanted.items() if among]
        return [*advice, self._proof()]

    def _advice(self, purpose: str, metric: str, among: Sequence[str]) -> str:
        """One line of the verdict: the cheapest explainer without a significant difference to the best."""
        cheapest, *others = self.best(metric, among)
        row = self.table.loc[cheapest]
        advice = f"{purpose}: {cheapest} ({metric} {row[metric]:.3f}, {row[SECONDS]:.2g} s for 1,000 users)."
        return advice + f" No test finds a difference to {', '.join(others)}." * bool(others)

    def _proof(self) -> str:
        """Line of the verdict on sets of reasons."""
        size = _mean([each.size for each in self.smallest if each.size])
        proven = sum(each.certificate != "bound" for each in self.smallest)
        seconds = np.mean([each.seconds for each in self.smallest])
        shortest = self.table[SET_SIZE].drop("random", errors="ignore").idxmin()
        return (
            f"For a set that provably changes the recommendation: lxr.counterfactuals.smallest_set (mean size {size:.1f}, "
            f"proven for {proven} of {len(self.smallest)} users, {seconds:.2g} s each). Of the explainers, {shortest} needs "
            f"the fewest first reasons (mean size {self.table[SET_SIZE][shortest]:.1f})."
        )

    def plot(self) -> "Figure":
        """Plot fidelity over computing time: :func:`lxr.reporting.plots.plot_cost`."""
        from lxr.reporting.plots import plot_cost  # only figures need matplotlib

        costs = cost_table(self.costs, self.n_users).set_index("explainer")
        return plot_cost(self.table, costs, metrics=(RANK, SCORE))

    def __str__(self) -> str:
        return "\n".join([f"{self.n_users} users", *self.verdict, "", self.table.to_string(float_format="{:.3f}".format)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{line}</li>" for line in self.verdict)
        return f"<p>{self.n_users} users</p><ul>{lines}</ul>{self.table.to_html(float_format='{:.3f}'.format)}"


def compare(
    model: Recommender,
    data: Interactions,
    *,
    explainers: Sequence[str] = COMPARED,
    n_users: int = 200,
    seed: int = 0,
) -> Comparison:
    """Compare explainers on a recommender, to choose one of them.

    The users are split as by :func:`lxr.split_users`. Explainers are made with training and validation users, with all
    entries in order if the recommender uses it, and evaluated on a sample of test users. If the recommender was trained on
    all users, these are not unseen.

    Args:
        model: the recommender.
        data: histories of all users.
        explainers: names in :data:`lxr.EXPLAINERS`; by default ten, the best known of each family. Those that cannot
            explain this recommender are left out: it lacks their gradient, or uses an order that they ignore.
        n_users: number of random test users whose top recommendations are explained.
        seed: seed of the split, the sample and the explainers.

    Returns:
        The comparison; printing it shows the verdict and the table.

    Raises:
        ValueError: an unknown explainer, fewer than two of them, or data of another catalogue.

    Example:
        >>> import lxr
        >>> data = lxr.load_dataset("synthetic")
        >>> model = lxr.train_recommender("mf", data)
        >>> comparison = lxr.compare(model, data, explainers=["random", "cosine", "leave-one-out"], n_users=50)
        >>> comparison.table.index.tolist(), comparison.best("NDCG")
        (['leave-one-out', 'cosine', 'random'], ['leave-one-out'])
    """
    check_instance(Interactions, "interactions, as lxr.prepare makes them", data=data)
    check_positive(n_users=n_users)
    specs = {EXPLAINERS.primary(name): spec for name in explainers if (spec := EXPLAINERS[name]).fits(model)}
    if len(specs) < 2:
        raise ValueError(
            f"explainers: expected two or more that can explain this recommender, found {', '.join(specs) or 'none'}"
        )
    train, validation, test = split_users(data.matrix.shape[0], seed=seed)
    rows = test[sampled(len(test), n_users, np.random.default_rng(seed))]
    histories = histories_of(model, data, rows, ordered=any(spec.cls.is_ordered for spec in specs.values()))
    target = top_item(model, histories)
    users = training_users(model, data, train), training_users(model, data, validation)
    results, costs, sizes = {}, {}, {}
    for name in progress_bar(list(specs), desc="comparing", unit="explainer"):
        with warnings.catch_warnings(action="ignore"):  # the table shows the quality of each
            with measure_cost(model) as making:
                explainer = specs[name](model, *users, seed=seed)
            with measure_cost(model) as explaining:
                scores = explainer.explain(histories, target)
        results[name], costs[name] = evaluate_fidelity(model, histories, target, scores), (making, explaining)
        prefixes = smallest_prefix(model, histories, target, scores)
        sizes[name] = np.where(prefixes.found, prefixes.size, np.nan)
    smallest = counterfactual_sets(model, histories[:PROVEN_USERS], target[:PROVEN_USERS], time_limit=PROOF_SECONDS)
    return Comparison(results, costs, sizes, smallest)


def _mean(sizes: Sequence | np.ndarray) -> float:
    """Mean of sizes, NaN left out."""
    known = np.asarray(sizes, dtype=float)
    return float(known[np.isfinite(known)].mean()) if np.isfinite(known).any() else np.nan
