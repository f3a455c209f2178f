"""Fidelity metrics of every user, their means and intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from lxr.metrics.names import LOWER, direction, fixed_name
from lxr.metrics.statistics import bootstrap_interval

# Further columns of FidelityResult.per_user -> attributes.
DESCRIPTION = {"target": "target", "history_length": "history_length", "rank": "rank", "probability": "prob"}


@dataclass(frozen=True)
class FidelityResult:
    """Per-user fidelity of one explainer.

    Attributes:
        curves: metric → (B, steps + 1); column s is the value with the first s parts of the history removed (INS: kept).
        fixed: metric → (B, len(lengths)); column j is the value with ``lengths[j]`` items removed (INS: kept).
        lengths: the explanation lengths Ke.
        history_length: (B,) items in each history.
        target: (B,) the explained items.
        rank: (B,) rank of the target before perturbation.
        prob: (B,) probability of the target before perturbation.

    Example: see :func:`evaluate_fidelity`, which makes it; :meth:`summary` puts it into a table.
    """

    curves: dict[str, np.ndarray]
    fixed: dict[str, np.ndarray]
    lengths: tuple[int, ...]
    history_length: np.ndarray
    target: np.ndarray
    rank: np.ndarray
    prob: np.ndarray

    def per_user(self, *, ends: bool = True) -> pd.DataFrame:
        """One row per user: the explained recommendation, and every metric.

        Args:
            ends: True for the published area of a curve, the mean over all steps. False for the inner area, the mean
                without the first step (nothing removed) and the last (all removed). These are the same for every
                explanation: they change no order and no test, but bring all means nearer to each other.

        Raises:
            ValueError: inner areas of curves with a single part, which have no inner steps.
        """
        steps = slice(None) if ends else slice(1, -1)
        if any(values[:, steps].shape[1] == 0 for values in self.curves.values()):
            raise ValueError("ends: expected curves of two parts or more, which have inner steps, found one part")
        columns = {column: getattr(self, name) for column, name in DESCRIPTION.items()}
        columns |= {name: values[:, steps].mean(axis=1) for name, values in self.curves.items()}
        for name, values in self.fixed.items():
            columns |= {fixed_name(name, length): values[:, j] for j, length in enumerate(self.lengths)}
        return pd.DataFrame(columns)

    def first_release(self) -> pd.DataFrame:
        """One row per user: the curves by the convention of the first release of LXR's code.

        Means over the steps without the unperturbed one; in addition to ``curves``, metrics that only this release reports:
        rankA@K = max(0, K + 1 − rank) / K and rankB = 1 / rank, without the most important items.
        """
        values = {name: curve[:, 1:] for name, curve in self.curves.items()}
        rank = rank_of_gain(values["NDCG"])
        cutoffs = [int(name.partition("@")[2]) for name in self.curves if name.startswith("POS")]
        values |= {f"rankA@{k}": np.maximum(0, k + 1 - rank) / k for k in cutoffs} | {"rankB": 1 / rank}
        return pd.DataFrame({name: curve.mean(axis=1) for name, curve in values.items()})

    def summary(self, *, level: float = 0.95, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
        """Means over users with BCa bootstrap intervals.

        Returns:
            One row per metric: ``metric``, ``direction`` (↓ lower is better, ↑ higher), ``mean``, ``ci_low``, ``ci_high``,
            ``n_users``, and ``n_short``, the users whose history is shorter than the explanation length (they count with
            all their items).
        """
        values = self.per_user().drop(columns=list(DESCRIPTION))
        low, high = bootstrap_interval(values.to_numpy(dtype=float), level=level, n_resamples=n_resamples, seed=seed)
        length = [int(name.partition("Ke=")[2] or 0) for name in values.columns]
        return pd.DataFrame(
            {
                "metric": values.columns,
                "direction": [direction(name) for name in values.columns],
                "mean": values.mean().to_numpy(),
                "ci_low": low,
                "ci_high": high,
                "n_users": len(values),
                "n_short": [int((self.history_length < ke).sum()) for ke in length],
            }
        )

    @classmethod
    def concatenate(cls, parts: Sequence["FidelityResult"]) -> "FidelityResult":
        """Join the results of consecutive groups of users.

        Raises:
            ValueError: there are no results.
        """
        if not parts:
            raise ValueError("parts: expected at least one result, found none")
        first = parts[0]
        return cls(
            curves={name: np.concatenate([part.curves[name] for part in parts]) for name in first.curves},
            fixed={name: np.concatenate([part.fixed[name] for part in parts]) for name in first.fixed},
            lengths=first.lengths,
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in DESCRIPTION.values()},
        )

    def select(self, rows: np.ndarray) -> "FidelityResult":
        """The result of some of the users only, by their rows."""
        return replace(
            self,
            curves={name: values[rows] for name, values in self.curves.items()},
            fixed={name: values[rows] for name, values in self.fixed.items()},
            **{name: getattr(self, name)[rows] for name in DESCRIPTION.values()},
        )

    @classmethod
    def mean_of(cls, results: Sequence["FidelityResult"]) -> "FidelityResult":
        """For every user and metric, the mean over several explanations of the same users."""
        first = results[0]
        curves = {name: np.mean([result.curves[name] for result in results], axis=0) for name in first.curves}
        fixed = {name: np.mean([result.fixed[name] for result in results], axis=0) for name in first.fixed}
        return replace(first, curves=curves, fixed=fixed)

    @classmethod
    def best_of(cls, candidates: Sequence["FidelityResult"]) -> "FidelityResult":
        """For every user and metric, the best of several explanations of the same users by this metric.

        This is an oracle: no explainer can reach it, because none knows the metric in advance.
        """

        def best(metric: str, values: np.ndarray, quality: np.ndarray) -> np.ndarray:
            chosen = quality.argmin(axis=0) if direction(metric) == LOWER else quality.argmax(axis=0)
            return np.take_along_axis(values, chosen[None], axis=0)[0]

        curves, fixed = {}, {}
        for name in candidates[0].curves:
            values = np.stack([candidate.curves[name] for candidate in candidates])  # (N, B, steps + 1)
            curves[name] = best(name, values, values.mean(axis=2, keepdims=True))
        for name in candidates[0].fixed:
            values = np.stack([candidate.fixed[name] for candidate in candidates])  # (N, B, len(lengths))
            fixed[name] = best(name, values, values)
        return replace(candidates[0], curves=curves, fixed=fixed)


def rank_of_gain(gain: np.ndarray) -> np.ndarray:
    """Ranks from their NDCG or CDCG, 1 / log2(1 + rank).

    Args:
        gain: values of NDCG or CDCG, of any shape.

    Returns:
        Ranks of the same shape.

    Example:
        >>> rank_of_gain(np.array([1, 0.5]))
        array([1., 3.])
    """
    return np.rint(2 ** (1 / gain) - 1)
