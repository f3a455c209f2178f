"""Base class of recommenders, which map histories to logits (B, I), usually with gradients.

``forward`` is deterministic inference. Randomness of training (dropout, sampling) is in ``loss``, which draws from the
generator that it is given.
"""

import contextlib
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import torch
import torch.nn.functional as F
from torch import nn

from lxr.data.histories import EntryLists, Histories, Rows
from lxr.data.inputs import check_width
from lxr.recommenders.last_layer import Score
from lxr.recommenders.modes import evaluating, ordinary, uncounted, with_gradients
from lxr.recommenders.network import Network
from lxr.recommenders.probes import AnswerError, explained, in_words, logits_of
from lxr.utils.checks import (
    check_choice,
    check_natural,
    check_positive,
    check_seed,
    default_options,
)
from lxr.utils.records import plain
from lxr.utils.storage import short
from lxr.utils.weights import check_weights, save_weights

Activation = Literal["sigmoid", "softmax", "probability"]
ACTIVATIONS = get_args(Activation)
WITHOUT_RIVALS = -math.log(1e-15)  # log-odds of the only item of a catalogue


class Recommender(nn.Module):
    """Base class. A subclass defines ``forward`` and, if :func:`lxr.fit` is to train it, ``loss`` or ``solve``.

    Call a recommender to get its logits. Its ``forward`` gets histories in the precision of its weights and may change them
    in place. It runs in evaluation mode, except in a step of training (:func:`lxr.recommenders.modes.learning`, as
    :func:`lxr.fit` takes them). The result is checked and has the precision of the history.

    A history may have features of the user after its items (:class:`lxr.Interactions`): further inputs that are explained
    like items but never recommended. Calling the recommender gives them the logit −∞, whatever ``forward`` returns: they
    have no rank, no probability and no share of a softmax.

    Recommenders of :data:`lxr.RECOMMENDERS` take ``n_items``, and by name ``seed``, ``n_features`` and further options.
    They keep each option in an attribute of its name (:attr:`options`), so :meth:`save` needs only a path.

    Args:
        n_items: number of items that can be recommended.
        n_features: number of user features; their columns follow the items.
        seed: seed of the initial weights of a subclass.

    Attributes:
        n_items: number of items.
        n_features: number of user features.
        n_columns: width I of histories and logits, items and user features.
        activation: function from logits to probabilities: ``"sigmoid"`` (per item), ``"softmax"`` (over all items), or
            ``"probability"`` if ``forward`` returns probabilities: calling the recommender then gives their log-odds.
        search_space: values of the options that :mod:`lxr.tuning` may choose.
        is_linear: whether the logits are linear in the history, which allows proofs of smallest sets by integer
            programming.
        takes_rows: whether ``forward`` also takes histories as entries, :class:`lxr.data.histories.Rows`, and candidates
            (B, C) as a second argument. Otherwise it gets dense rows, and all items are scored.
        takes_slices: whether candidates may also be a function of the scores (:mod:`lxr.recommenders.last_layer`). Ranks in
            a large catalogue then take memory for some items at a time.
        is_ordered: whether answers depend on the order of the entries (:class:`lxr.SequentialRecommender`).
        is_closed_form: whether :func:`lxr.fit` trains it by one call of :meth:`solve` instead of steps on :meth:`loss`.

    Raises:
        ValueError: no items, or a negative number of features.

    Example:
        >>> class Neighbour(Recommender):  # after every item the next one
        ...     def forward(self, history):
        ...         return history.roll(1, dims=1)
        >>> Neighbour(3)(torch.tensor([[1.0, 0, 0]]))
        tensor([[0., 1., 0.]])
    """

    activation: Activation = "sigmoid"
    search_space: ClassVar[dict] = {}
    is_linear: bool = False
    takes_rows: bool = False
    takes_slices: bool = False
    is_ordered: bool = False
    is_closed_form: bool = False
    is_learning = False  # see lxr.recommenders.modes.learning
    is_counted = True  # see lxr.recommenders.modes.uncounted
    works_in_place: bool | None = None  # detected at the first call
    doubts: tuple[str, ...] = ()  # see lxr.recommenders.probes.report_doubts

    def __init_subclass__(cls, **options):
        """A subclass with its own ``forward`` gets dense rows, and scores all items, unless it says otherwise."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.takes_rows, cls.takes_slices = (vars(cls).get(name, False) for name in ("takes_rows", "takes_slices"))

    def __init__(self, n_items: int, *, n_features: int = 0, seed: int = 0):
        super().__init__()
        check_positive(n_items=n_items)
        check_natural(n_features=n_features)
        self.n_items, self.n_features, self.seed = int(n_items), int(n_features), check_seed(seed)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I)."""
        raise NotImplementedError

    def __call__(self, history: torch.Tensor) -> torch.Tensor:
        """Map dense histories (B, I) to logits (B, I), −∞ for features.

        Raises:
            ValueError: an unknown activation, or ``forward`` returns something else than one number per item.
        """
        return self._without_features(self._answer(history))

    def logits(
        self, histories: Histories, keep: torch.Tensor | None = None, candidates: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits after a share of every entry is kept.

        Args:
            histories: histories of B users.
            keep: (B, L) in [0, 1], differentiable, or bool; None keeps all.
            candidates: (B, C) items to score; None for all.

        Returns:
            (B, I), or (B, C) of the candidates; −∞ for features.

        Raises:
            ValueError: as a call with dense histories.

        Example:
            >>> import lxr
            >>> model, histories = lxr.MF(5), lxr.Histories.of_lists([[0, 3], [4]], n_columns=5)
            >>> model.logits(histories).shape, model.logits(histories, candidates=torch.tensor([[1], [2]])).shape
            (torch.Size([2, 5]), torch.Size([2, 1]))
        """
        if self.takes_rows and not histories.repeats:
            found = self._answer_to_rows(histories.rows(self.n_columns, keep), candidates)
            if candidates is None:
                return self._without_features(found)
            return found.masked_fill(candidates >= self.n_items, -torch.inf) if self.n_features else found
        logits = self(histories.dense(self.n_columns, keep))
        return logits if candidates is None else logits.gather(1, candidates)

    def logits_after_deletion(
        self, histories: Histories, stays: torch.Tensor, candidates: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits after the other entries are deleted: what the recommender answers to the shorter histories.

        Args:
            histories: histories of B users.
            stays: (B, L) bool.
            candidates: (B, C) items to score; None for all.

        Returns:
            (B, I), or (B, C) of the candidates.
        """
        return self.logits(histories, stays, candidates)

    def can_slice(self, histories: Histories) -> bool:
        """True if the recommender can score slices of the items for these histories, by :meth:`use_scores`."""
        return self.takes_slices and self.takes_rows and not histories.repeats

    def use_scores(self, histories: Histories, stays: torch.Tensor, use: Callable[[Score], torch.Tensor]) -> torch.Tensor:
        """Result of a function that asks for the logits after deletion, of any items, one call after another.

        It counts as one forward pass. Only for recommenders that :meth:`can_slice`.

        Args:
            histories: histories of B users.
            stays: (B, L) bool.
            use: gets a function from a slice of the items, or from items (C,), to their logits (B, C).

        Returns:
            The result of ``use``, with one row per user.

        Example:
            >>> import lxr
            >>> model, histories = lxr.MF(5), lxr.Histories.of_lists([[0, 3], [4]], n_columns=5)
            >>> model.use_scores(histories, histories.real, lambda score: score(slice(1, 3))).shape
            torch.Size([2, 2])
        """
        return self._use(use, torch.empty(0, device=histories.device), histories.rows(self.n_columns, stays))

    def _use(self, use: Callable[[Score], torch.Tensor], like: torch.Tensor, *inputs) -> torch.Tensor:
        """Give ``forward`` the function ``use`` of checked logits on the device and in the precision of ``like``."""

        def checked(score: Score) -> torch.Tensor:
            return use(lambda items: self._checked(logits := score(items), logits.shape, like))

        return self._forward(*inputs, checked)

    def _without_features(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (B, I) with −∞ for features."""
        return F.pad(self.of_items(logits), (0, self.n_features), value=-torch.inf) if self.n_features else logits

    def _answer(self, history: torch.Tensor) -> torch.Tensor:
        """Map dense histories (B, I) to checked logits (B, I), features included."""
        check_width(self.n_columns, history)
        history = ordinary(history if history.is_floating_point() else history.float())
        x = self._handed(history)
        version = None if x.is_inference() else x._version
        logits = self._forward(x)
        self._watch(history, x, version)
        return self._checked(logits, history.shape, history)

    def _answer_to_rows(self, rows: Rows, candidates: torch.Tensor | None) -> torch.Tensor:
        """Map histories as entries to checked logits (B, I), features included, or (B, C) of candidates (B, C)."""
        given = rows.weights if rows.weights is not None else torch.empty(0, device=rows.device)
        return self._checked(self._forward(rows, candidates), rows.shape if candidates is None else candidates.shape, given)

    def _forward(self, *inputs) -> torch.Tensor:
        """``forward`` in its mode, counted by hooks."""
        check_choice(ACTIVATIONS, activation=self.activation)
        with contextlib.nullcontext() if self.is_learning else evaluating(self):
            try:
                return super().__call__(*inputs) if self.is_counted else self.forward(*inputs)
            except RuntimeError as error:
                raise explained(error, self.asked) from error

    def _handed(self, history: torch.Tensor) -> torch.Tensor:
        """Histories (B, I) for ``forward``: in its precision, and copied unless it is known to leave them unchanged."""
        x = history.to(self.precision or history.dtype)
        return x.clone() if x is history and (self.works_in_place is not False or x.is_inference()) else x

    def _watch(self, history: torch.Tensor, x: torch.Tensor, version: int | None) -> None:
        """Detect whether ``forward``, which got x (B, I) for ``history`` (B, I), changed it in place.

        Raises:
            ValueError: it did so now, but not at its first call.
        """
        changed = version is not None and x._version != version
        if x is history and changed:
            self.works_in_place = True
            raise AnswerError(
                f"{self.asked}: it changed the history in place, but not at its first call: let it work on a copy"
            )
        if self.works_in_place is None:  # NumPy's view of a tensor does not update its version
            self.works_in_place = changed or not torch.equal(x, history.to(x.dtype))

    def _checked(self, logits: torch.Tensor, shape: tuple[int, ...], history: torch.Tensor) -> torch.Tensor:
        """Check the result of ``forward``, and convert it to logits of this shape and of the precision of the history."""
        is_dense = isinstance(logits, torch.Tensor) and logits.layout is torch.strided and not logits.is_complex()
        if not is_dense or logits.shape != shape:
            expected = f"expected logits of shape {tuple(shape)}"
            raise AnswerError(f"{self.asked}: {expected}, found {in_words(logits, is_dense)}")
        logits = logits.to(device=history.device, dtype=history.dtype)
        if self.activation == "probability":
            return logits_of(logits, self.asked)
        # A view of the history would change with it.
        return logits.clone() if logits.untyped_storage().data_ptr() == history.untyped_storage().data_ptr() else logits

    @property
    def asked(self) -> str:
        """Name of the source of the logits in errors."""
        return f"{type(self).__name__}.forward"

    @property
    def precision(self) -> torch.dtype | None:
        """Precision of the weights, else of the buffers; None if there are none."""
        tensors = itertools.chain(self.parameters(), self.buffers())
        return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)

    @property
    def n_columns(self) -> int:
        """Width I of histories and logits: items and user features."""
        return self.n_items + self.n_features

    def of_items(self, x: torch.Tensor) -> torch.Tensor:
        """The columns of (B, I) that can be recommended: (B, n_items)."""
        return x[:, : self.n_items]

    @property
    def options(self) -> dict[str, Any]:
        """Name → value of the constructor's options, which are attributes of the same names.

        Raises:
            ValueError: an option is not an attribute.
        """
        names = default_options(type(self))
        absent = [name for name in names if not hasattr(self, name)]
        if absent:
            raise ValueError(f"expected an attribute {absent[0]} for the option of this name, found none")
        return {name: getattr(self, name) for name in names}

    def save(self, path: str | Path) -> None:
        """Write the class, the options and the weights to one file, atomically; :func:`lxr.load` reads it.

        Args:
            path: the file.

        Raises:
            ValueError: the recommender cannot be made again from its number of items and its options; nothing is written.

        Example: see :func:`lxr.load`.
        """
        name = type(self).__name__
        try:
            options = plain(self.options, "options")
            with torch.random.fork_rng(devices=[]):
                again = type(self)(self.n_items, **options)
            check_weights(again, self.state_dict())
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"model: expected a recommender that n_items and options can make again, found {name}: {short(error)}: "
                "lxr.save writes wrapped recommenders"
            ) from error
        content = {"class": name, "n_items": self.n_items, "options": options, "weights": self.state_dict()}
        save_weights(content, path)

    @property
    def device(self) -> torch.device:
        """Device of the weights; the CPU if there are none."""
        return next((tensor.device for tensor in self.state_dict().values()), torch.device("cpu"))

    @property
    def differentiable(self) -> bool:
        """Whether logits have a gradient with respect to the history; tests one history."""
        with with_gradients(), uncounted(self):
            x = torch.eye(1, self.n_columns, device=self.device, requires_grad=True)
            total = self._answer(x).sum()
            return total.requires_grad and torch.autograd.grad(total, x, allow_unused=True)[0] is not None

    def log_activation(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (B, I) of logits (B, I), without the detour of float32 probabilities."""
        return F.log_softmax(logits, dim=1) if self.activation == "softmax" else F.logsigmoid(logits)

    def log_odds(self, logits: torch.Tensor) -> torch.Tensor:
        """Log-odds log p / (1 − p) (B, I) of logits (B, I); for a sigmoid the logits themselves."""
        if self.activation != "softmax":
            return logits
        log_prob = F.log_softmax(logits.double(), dim=1)  # 1 − p loses all digits in single precision if p is near 1
        odds = log_prob - log_prob.clamp(max=-1e-15).expm1().neg().log()
        best, first = log_prob.max(dim=1)
        near = (best > -1e-8).nonzero().ravel()  # also in double precision; one item at most
        if near.numel():
            odds[near, first[near]] = self.target_log_odds(logits[near].double(), first[near])
        return odds.to(logits.dtype)

    def log_prob(self, history: torch.Tensor) -> torch.Tensor:
        """Log-probability of every item: histories (B, I) → (B, I)."""
        return self.log_activation(self(history))

    def target_log_prob(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Log-probability of one item per row: logits (B, I), items (B,) → (B,); skips other items where possible."""
        chosen = logits.gather(1, target[:, None]).squeeze(1)  # (B,)
        return chosen - logits.logsumexp(dim=1) if self.activation == "softmax" else F.logsigmoid(chosen)

    def log_prob_of(self, histories: Histories, target: torch.Tensor, keep: torch.Tensor | None = None) -> torch.Tensor:
        """Log-probability (B,) of one item (B,) per user, with a share of every entry kept; skips others where possible."""
        if self.activation == "softmax":
            return self.target_log_prob(self.logits(histories, keep), target)
        return F.logsigmoid(self.logits(histories, keep, target[:, None]).squeeze(1))

    def target_log_odds(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Log-odds of one item per row: logits (B, I), items (B,) → (B,); skips other items where possible."""
        chosen = logits.gather(1, target[:, None])
        if self.activation != "softmax":
            return chosen.squeeze(1)
        others = logits.scatter(1, target[:, None], -torch.inf)
        rest = others.logsumexp(dim=1)
        alone = rest == -torch.inf
        if alone.any():  # again, because an empty selection has no gradient
            rest = others.masked_fill(alone[:, None], 0).logsumexp(dim=1)
        return torch.where(alone, WITHOUT_RIVALS, chosen.squeeze(1) - rest)

    def dense_rows(self, histories: Histories) -> torch.Tensor:
        """Histories as dense rows (B, I), in the precision of the weights."""
        return histories.dense(self.n_columns).to(self.precision or torch.float32)

    def loss(self, histories: Histories, generator: torch.Generator, step: int) -> torch.Tensor:
        """Training loss of a batch of histories; ``step`` counts the batches since the start."""
        raise NotImplementedError(f"{type(self).__name__} has no training loss: train it in its own framework")

    def solve(self, histories: EntryLists) -> float:
        """Compute the weights from all training histories at once, in place, and return the loss."""
        raise NotImplementedError(f"{type(self).__name__} has no closed form")

    def training_on(self, histories: EntryLists) -> contextlib.AbstractContextManager:
        """Context of the training, for what a step needs of all training histories, such as their graph."""
        return contextlib.nullcontext()

    def network(self) -> Network | None:
        """Layers for bounds on the sizes of counterfactual sets; None if the recommender has another form."""
        return None

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Linear encoders (width, I) of history and item, from which LXR may start; not every recommender has them."""
        raise ValueError(f"warm_start: {type(self).__name__} has no linear encoders to start from")
