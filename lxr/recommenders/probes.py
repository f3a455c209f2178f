"""Checks of a recommender's answers before it is explained."""

import math
import warnings
from typing import Any

import torch

from lxr.data.histories import Histories
from lxr.data.inputs import check_model
from lxr.recommenders.modes import uncounted

LONG = 48  # items of a long history, at most
TOLERANCE = 5e-3  # relative: half precision differs this much between batches
IDS = "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int"
INFERENCE = "Inference tensors cannot be saved for backward"


class AnswerError(ValueError):
    """Unusable answer of a recommender."""


def check_answers(model, explaining: bool = True) -> None:
    """Check the answers to the empty, a short and two long histories, in calls that are not counted.

    Args:
        model: the recommender.
        explaining: whether the recommender will be explained. Recommending needs no answer to the empty history, so its
            absence is then only a warning.

    Raises:
        ValueError: a call fails, does not return one finite logit for each item outside the history (inside it, −∞ is
            fine), or returns different answers to the same history.

    Warns:
        UserWarning: the answers do not depend on the history, or look like probabilities instead of logits.
    """
    check_model(model)
    x = probes(model.n_items, model.n_columns, model.device)  # (4, I)
    with torch.no_grad(), uncounted(model):
        answers = _ask_together(model, x)
        _check_steadiness(model, x, answers)
    complaint = _complaint_of_candidates(model, x[1:], answers[1:])
    undefined = _complaint_of_candidates(model, x[:1], answers[:1])
    if complaint or (explaining and undefined):
        raise AnswerError(complaint or undefined)
    report_doubts(model, answers, undefined)


def check_linear(model) -> None:
    """Check ``is_linear``: the answer to a long history must be the sum of the answers to its items.

    Raises:
        ValueError: names an item with a different logit.
    """
    x = probes(model.n_items, model.n_columns, model.device)[2:3]
    items = x[0].nonzero().ravel()
    single = torch.zeros(len(items), x.shape[1], device=x.device).scatter_(1, items[:, None], 1.0)
    with torch.no_grad(), uncounted(model):
        empty, whole, parts = (answers_to(model, each) for each in (torch.zeros_like(x), x, single))
    apart = (x == 0) & empty.isfinite() & whole.isfinite() & parts.isfinite().all(dim=0)
    expected = empty + (parts - empty).sum(dim=0)
    error = (whole - expected)[apart].abs()
    scale = torch.stack([logits[apart.expand_as(logits)].abs().max() for logits in (empty, whole, parts)]).max()
    if apart.any() and error.max() > TOLERANCE * scale:
        item = int(apart[0].nonzero().ravel()[error.argmax()])
        raise AnswerError(
            f"is_linear: expected the logit {expected[0, item]:g} of item {item} for {_described(x[0])}, the sum over its "
            f"items, found {whole[0, item]:g}: the recommender is not linear in the history"
        )


def probes(n_items: int, n_columns: int, device: torch.device) -> torch.Tensor:
    """Histories (4, n_columns): an empty one, one of a single item, and two long ones."""
    step = max(2, math.ceil(n_items / LONG))
    x = torch.zeros(4, n_columns, device=device)
    x[1, 0] = 1
    x[2, :n_items:step] = 1
    x[3, step // 2 : n_items : step] = 1
    return x


def answers_to(model, x: torch.Tensor) -> torch.Tensor:
    """Answers (R, I) to binary rows (R, I); a recommender of sequences gets their items in ascending order."""
    return model.logits(Histories.of_dense(x))


def _described(history: torch.Tensor) -> str:
    """A history (I,) in words."""
    length = int(history.sum())
    return "the empty history" if not length else f"a history of {length} item{'s' * (length > 1)}"


def _ask_together(model, x: torch.Tensor) -> torch.Tensor:
    """Answers (R, I) to histories (R, I) in one call.

    Raises:
        ValueError: the call fails; names the failing history, or says that only a batch of several fails.
    """
    try:
        return answers_to(model, x)
    except AnswerError:
        raise
    except Exception as error:  # foreign code may raise anything
        cause = error
    for row in x:
        try:
            answers_to(model, row[None])
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            raise AnswerError(
                f"{model.asked}: expected an answer to any history, found at {_described(row)} {found}"
            ) from error
    found = f"{type(cause).__name__} for {len(x)} histories at once: {cause}"
    raise AnswerError(f"{model.asked}: expected logits (B, I) for batches (B, I) of any size, found {found}") from cause


def _complaint_of_candidates(model, x: torch.Tensor, answers: torch.Tensor) -> str | None:
    """Error text if answers (R, I) to histories (R, I) are not finite for items outside the history."""
    bad = model.of_items(~answers.isfinite() & (x == 0)) | model.of_items(answers.isnan() | (answers == torch.inf))
    if not bad.any():
        return None
    row, item = bad.nonzero()[0].tolist()
    advice = (
        "only items of the history may be −∞; use a large negative number for others"
        if x[row].any()
        else "define an answer without a history (biases, popularity), and divide a mean over its items by "
        "history.sum(dim=1, keepdim=True).clamp(min=1)"
    )
    found = f"{answers[row, item]:g} for item {item} at {_described(x[row])}"
    return f"{model.asked}: expected a finite logit for every item outside the history, found {found}: {advice}"


def _check_steadiness(model, x: torch.Tensor, answers: torch.Tensor) -> None:
    """Refuse a recommender whose answer differs when it gets the history again, alone."""
    alone = _ask_together(model, x[2:3])
    if _alike(alone, answers[2:3]):
        return
    if _alike(_ask_together(model, x), answers):
        raise AnswerError(
            f"{model.asked}: expected an answer that depends on one history only, found a different one in a batch of "
            f"{len(x)}: put modules that a function calls into evaluation mode (batch normalisation)"
        )
    raise AnswerError(
        f"{model.asked}: expected the same answer to the same history, found two: switch off randomness (put modules "
        "that a function calls into evaluation mode, decode the mean instead of a sample)"
    )


def _alike(a: torch.Tensor, b: torch.Tensor, tolerance: float = TOLERANCE) -> bool:
    """Whether answers are equal up to rounding."""
    finite = a.isfinite() & b.isfinite()
    a, b = a[finite], b[finite]
    return not a.numel() or bool((a - b).abs().max() <= tolerance * torch.maximum(a.abs().max(), b.abs().max()))


def report_doubts(model, answers: torch.Tensor, undefined: str | None) -> None:
    """Warn once of suspicious answers (R, I), or of a missing answer to the empty history."""
    values, name = model.of_items(answers), f"model: {type(model).__name__}({model.extra_repr()})"
    doubts = (_doubt_of_silence(values), _doubt_of_activation(model.activation, values))
    complaints = (undefined, *(doubt and f"{name} {doubt}" for doubt in doubts))
    known, model.doubts = model.doubts, tuple(complaint for complaint in complaints if complaint)
    for complaint in model.doubts:
        if complaint not in known:
            warnings.warn(complaint, stacklevel=4)


def _doubt_of_silence(answers: torch.Tensor) -> str | None:
    """Warning text if all histories have the same answer."""
    if all(_alike(answer, answers[0], 1e-6) for answer in answers[1:]):
        return "ignores the history: its answers to all histories are the same, so there is nothing to explain"
    return None


def _doubt_of_activation(activation: str, answers: torch.Tensor) -> str | None:
    """Warning text if logits look like probabilities."""
    values = answers[answers.isfinite()]
    inside = (values > 0) & (values < 1)
    if activation == "probability" or not (inside | (values == 0) | (values == 1)).all() or not inside.any():
        return None
    sums = answers.masked_fill(~answers.isfinite(), 0).sum(dim=1)
    summed = " and sum to 1" if ((sums - 1).abs() < 1e-3).all() else ""
    return (
        f"gives scores that all lie between 0 and 1{summed}, but they are treated as logits ({activation}): if they are "
        'probabilities, the activation is "probability"'
    )


def explained(error: Exception, asked: str) -> Exception:
    """An error with advice if it is a known error of PyTorch; else the error itself."""
    text = str(error)
    if IDS in text:
        return AnswerError(
            f"{asked}: expects item ids, found histories, rows of 0 and 1 (B, I): wrap a function that turns every row into "
            "ids, lambda x: torch.cat([module(row.nonzero().T) for row in x]); or, for gradients, one that "
            "multiplies the rows with the table of embeddings, x @ embedding.weight"
        )
    if INFERENCE in text:
        return AnswerError(f"{asked}: its weights were made in torch.inference_mode(): make the recommender outside of it")
    return error


def in_words(found: Any, is_dense: bool) -> str:
    """Description of an invalid result, for an error."""
    if is_dense:
        return str(tuple(found.shape))
    if isinstance(found, torch.Tensor):
        return f"{found.dtype} ({found.layout})"
    return f"{type(found).__name__} of {len(found)}" if isinstance(found, tuple | list) else type(found).__name__


def logits_of(probability: torch.Tensor, asked: str) -> torch.Tensor:
    """Log-odds (B, I) of probabilities (B, I), finite at 0 and 1; −∞ stays.

    Raises:
        ValueError: a number below 0 or above 1.
    """
    p, limits = probability.double(), torch.finfo(probability.dtype)
    refused = p == -torch.inf
    outside = ((p < -1e-6) & ~refused) | (p > 1 + 1e-6)
    if outside.any():
        raise AnswerError(f"{asked}: expected probabilities from 0 to 1, found {p[outside][0]:g}")
    odds = p.clamp(limits.tiny, 1 - limits.eps / 4).logit()
    return odds.masked_fill(refused, -torch.inf).to(probability.dtype)
