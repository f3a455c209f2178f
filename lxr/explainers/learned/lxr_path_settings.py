"""Settings of LXR on paths: hyperparameters, defaults of each objective, and the search space."""

from dataclasses import dataclass
from typing import Literal, get_args

from lxr.explainers.learned.lxr_path_signals import check_looks
from lxr.explainers.objectives import OBJECTIVES, Objective, SoftRank
from lxr.metrics.names import check_metric
from lxr.utils.checks import check_choice, check_natural, check_positive, check_positive_numbers

Aim = Literal["rank", "score"]
Kind = Literal["gradients", "answers"]
Teacher = Literal["path", "leave-one-out", "gradient", "search"]
Loss = Literal["pairs", "positions"]
CHOICES = {"objective": get_args(Aim), "signals": get_args(Kind), "teacher": get_args(Teacher), "loss": get_args(Loss)}
LOOKS = {"rank": (1, 2, 3, 5, 0.1, 0.2, 0.3, 0.45, 0.6), "score": (0.1, 0.3, 0.6)}
CRITERION = {"rank": "NDCG", "score": "DEL"}
SEARCH_SPACE = {
    "tau": (0.1, 1.0, "log"),
    "first_tau": (0.1, 1.0, "log"),
    "learning_rate": (1e-3, 1e-2, "log"),
    "batch_size": [32, 64, 128],
    "hidden_size": [64, 128, 256],
    "n_pairs": [32, 64, 128],
    "places": [True, False],
}


@dataclass(frozen=True)
class PathSettings:
    """All hyperparameters of LXR on paths.

    Attributes:
        objective: ``"rank"``: the order of removals that lower the target's rank; ``"score"``: the mean of two orders, of
            removals that lower its log-probability and of additions that raise it.
        signals: ``"gradients"``, a few gradients along the path; or ``"answers"`` of the recommender, which need no
            gradient after training: to single items, or, if it uses the order of entries, after each single deletion.
        tau, first_tau: τ of the smooth rank, and τ for the first items, as for :class:`lxr.explainers.SoftRank`.
        looks: positions of gradients in addition to the whole history, as for
            :class:`lxr.explainers.learned.lxr_path_signals.PathGradients`; for the score both without and with these items.
        places: whether the order of the coarse path is also a signal, as for
            :class:`lxr.explainers.learned.lxr_path_signals.PathGradients`.
        teacher: the order to imitate: ``"path"`` of gradients; ``"search"``, a greedy search by deletion
            (:class:`lxr.evaluation.GreedySearch`), with many more passes of the recommender; or, for comparison,
            ``"leave-one-out"`` or ``"gradient"``.
        loss: ``"pairs"``, which of two items comes first, or ``"positions"``, squared error of the relative position.
        n_users: largest number of training users, drawn at random.
        augmentation: number of random parts of every training history as further examples.
        n_pairs: pairs of items per user and step.
        hidden_size: width of the network.
        learning_rate: highest learning rate of AdamW; it rises and falls once (Smith and Topin, 2019).
        batch_size: users per step.
        epochs: passes over the training users.
        criterion: metric on the validation users for the choice of the epoch; ties go to the later epoch.

    Raises:
        ValueError: an unknown choice or metric, a size or a rate that is not positive, or a negative ``augmentation``.

    Example:
        >>> PathSettings().looks
        (1, 2, 3, 5, 0.1, 0.2, 0.3, 0.45, 0.6)
    """

    objective: Aim = "rank"
    signals: Kind = "gradients"
    tau: float = 0.35
    first_tau: float = 0.2
    looks: tuple[float, ...] = LOOKS["rank"]
    places: bool = True
    teacher: Teacher = "path"
    loss: Loss = "pairs"
    n_users: int = 5000
    augmentation: int = 0
    n_pairs: int = 64
    hidden_size: int = 128
    learning_rate: float = 3e-3
    batch_size: int = 64
    epochs: int = 20
    criterion: str = CRITERION["rank"]

    def __post_init__(self):
        for name, known in CHOICES.items():
            check_choice(known, **{name: getattr(self, name)})
        check_choice((True, False), places=self.places)
        sizes = ("n_users", "n_pairs", "hidden_size", "batch_size", "epochs")
        check_positive(**{name: getattr(self, name) for name in sizes})
        check_natural(augmentation=self.augmentation)
        check_positive_numbers(learning_rate=self.learning_rate, tau=self.tau, first_tau=self.first_tau)
        check_looks(self.looks)
        check_metric(self.criterion)

    @property
    def g(self) -> Objective:
        """Objective of the gradients."""
        return SoftRank(self.tau, self.first_tau) if self.objective == "rank" else OBJECTIVES["log-prob"]


def default_path_settings(objective: Aim = "rank", signals: Kind = "gradients") -> PathSettings:
    """Default settings of an objective and its signals, chosen once on validation users of MovieLens 1M.

    Args:
        objective, signals: as for :class:`PathSettings`.

    Returns:
        The settings.

    Example:
        >>> default_path_settings("score").criterion
        'DEL'
    """
    check_choice(CHOICES["objective"], objective=objective)
    check_choice(CHOICES["signals"], signals=signals)
    return PathSettings(objective, signals, looks=LOOKS[objective], criterion=CRITERION[objective])
