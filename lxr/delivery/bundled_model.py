"""Recommender of a bundle: the file of a registered one, a program of ``torch.export``, or a factory and weights."""

import contextlib
import io
import logging
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn
from torch.export.passes import move_to_device_pass

from lxr.data.histories import Histories
from lxr.recommenders.base import Recommender
from lxr.recommenders.fingerprint import Fingerprint
from lxr.recommenders.loading import load
from lxr.recommenders.modes import evaluating, uncounted, with_gradients
from lxr.recommenders.probes import answers_to, probes
from lxr.recommenders.registry import RECOMMENDERS
from lxr.recommenders.wrapped import Wrapped, wrap
from lxr.utils.checks import check_instance
from lxr.utils.storage import REPAIR, DataError, checked_archive, read_checked, short
from lxr.utils.weights import read_weights, restore_weights, save_weights

WEIGHTS, PROGRAM, FINGERPRINT = "recommender.pt", "program.pt2", "fingerprint.pt"
FILES = (WEIGHTS, PROGRAM, FINGERPRINT)
FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
CLOSE = 1e-5  # allowed difference of logits and gradients after saving and loading, as a share of the largest


class Program(nn.Module):
    """A program of ``torch.export`` as a scorer of histories (B, I), in its exported precision."""

    def __init__(self, program: torch.export.ExportedProgram, precision: torch.dtype):
        super().__init__()
        self.graph, self.exported_precision = program.module(), precision

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I)."""
        return self.graph(history.to(self.exported_precision))

    def train(self, mode: bool = True) -> "Program":
        """Do nothing: a program has evaluation mode only, and its graph refuses another one."""
        self.training = mode
        return self


class _Forward(nn.Module):
    """``forward`` of a recommender, without checks."""

    def __init__(self, model: Recommender):
        super().__init__()
        self.model = model

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        """Map histories (B, I) to the result of the recommender's ``forward``."""
        return self.model.forward(history)


# --- writing ---------------------------------------------------------------------------------------------------------


def write_model(model: Recommender, directory: Path, factory: str | None) -> tuple[dict, Recommender]:
    """Write a recommender and its fingerprint into the directory of a bundle.

    Args:
        model: the recommender.
        directory: an existing directory.
        factory: ``"package.module:function"``, a function without arguments that makes the module, the scorer or the
            recommender; the bundle then has its weights. None for :meth:`lxr.Recommender.save` or ``torch.export``.

    Returns:
        Plain values for :func:`read_model`, and the recommender that it makes.

    Raises:
        ValueError: neither way works, or the factory makes another recommender.
    """
    check_instance(Recommender, "a recommender (lxr.wrap makes one)", model=model)
    is_registered = type(model) in RECOMMENDERS.values()
    record: dict = {"kind": "recommender" if is_registered else "program" if factory is None else "factory"}
    record |= {"class": type(model).__name__, "activation": model.activation}
    record |= {"n_items": model.n_items, "n_features": model.n_features}
    if is_registered:
        if factory is not None:
            raise ValueError(f"factory: expected none for {type(model).__name__}: its options and weights are enough")
        model.save(directory / WEIGHTS)
    elif factory is None:
        record["precision"] = _write_program(model, directory / PROGRAM)
    else:
        record["factory"] = _checked_factory(factory)
        save_weights({"weights": _inside(model).state_dict()}, directory / WEIGHTS)
    try:
        with warnings.catch_warnings(action="ignore"):  # about the recommender: the original raised them already
            again = _made(record, directory, "cpu")
    except DataError as error:
        raise ValueError(f"model: cannot be read again: {error}") from error
    _check_alike(model, again)
    save_weights(Fingerprint.of(again).state, directory / FINGERPRINT)
    return record, again


def _write_program(model: Recommender, path: Path) -> str:
    """Export a recommender for batches of any size; returns the name of its precision.

    Raises:
        ValueError: the recommender uses the order of entries, or ``torch.export`` fails; names alternatives.
    """
    if model.is_ordered:
        raise ValueError(
            f"model: {type(model).__name__}({model.extra_repr()}) uses the order of entries, but a program takes rows: "
            'name a function that makes the recommender, factory="package.module:function"'
        )
    precision = model.precision or torch.float32
    example = torch.eye(2, model.n_columns, device=model.device, dtype=precision)
    try:
        with evaluating(model), with_gradients(), quiet():
            batch = ({0: torch.export.Dim("batch", min=1)},)
            program = torch.export.export(_Forward(model), (example,), dynamic_shapes=batch)
            program = move_to_device_pass(program, "cpu")
            with checked_archive(path) as file:
                torch.export.save(program, file)
    except Exception as error:  # foreign code may raise anything
        raise ValueError(
            f"model: torch.export cannot write {type(model).__name__}({model.extra_repr()}) for batches of any size: name a "
            'function that makes it, factory="package.module:function", or let it use tensor operations only '
            f"(x.shape[0] instead of len(x)); found {type(error).__name__}: {short(error)}"
        ) from error
    return str(precision).removeprefix("torch.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Context without the warnings and the long log of a failing export."""
    before = logging.root.manager.disable
    try:
        logging.disable(logging.CRITICAL)
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def _check_alike(model: Recommender, again: Recommender) -> None:
    """Refuse a recommender whose logits or gradients differ from the original's.

    Raises:
        ValueError: names the difference.
    """
    for what, answer in {"logits": _logits_of, "gradients": _gradients_of}.items():
        expected, found = answer(model), answer(again)
        scale = float(expected.abs().max())
        if expected.shape != found.shape or not torch.allclose(expected, found, rtol=0, atol=CLOSE * scale):
            raise ValueError(f"model: expected the same {what} after saving and loading, found different ones")


def _logits_of(model: Recommender) -> torch.Tensor:
    """Logits (4, n_items) for four histories, with 0 for infinite ones."""
    x = probes(model.n_items, model.n_columns, model.device)
    with torch.no_grad(), uncounted(model):
        return model.of_items(answers_to(model, x)).double().cpu().nan_to_num(0, 0, 0)


def _gradients_of(model: Recommender) -> torch.Tensor:
    """Gradients of a weighted sum of the logits for four histories; (1,) without gradients.

    They are those in the rows (4, n_columns), or in the shares of entries (4, L) for a recommender that uses the order.
    """
    if not model.differentiable:
        return torch.zeros(1)
    x = probes(model.n_items, model.n_columns, model.device)
    with with_gradients(), uncounted(model):
        if model.is_ordered:
            histories = Histories.of_dense(x)
            x = torch.ones(histories.shape, device=x.device, requires_grad=True)
            logits = model.of_items(model.logits(histories, x))
        else:
            logits = model.of_items(model(x.requires_grad_()))
        weights = torch.linspace(-1, 2, model.n_items, device=x.device)
        (gradient,) = torch.autograd.grad((logits * weights)[logits.isfinite()].sum(), x)
    return gradient.double().cpu()


def _checked_factory(factory: object) -> str:
    """Check the import path of a factory.

    Raises:
        ValueError: it is not an import path.
    """
    if not (isinstance(factory, str) and FACTORY.fullmatch(factory)):
        raise ValueError(f'factory: expected "package.module:function", found {factory!r}')
    return factory


def _inside(made: nn.Module) -> nn.Module:
    """The module with the weights: a wrapped one, else the module or recommender itself."""
    return made.scorer if isinstance(made, Wrapped) and isinstance(made.scorer, nn.Module) else made


# --- reading ---------------------------------------------------------------------------------------------------------


def read_model(record: dict, directory: Path, device: torch.device | str, trusted: bool) -> Recommender:
    """Read the recommender of :func:`write_model`.

    Raises:
        DataError: the recommender can run code and is not trusted, cannot be made here, or differs from the saved one.
    """
    if record.get("kind") != "recommender" and not trusted:
        what = f"imports {record.get('factory')!r}" if "factory" in record else "has a program of torch.export"
        raise DataError(f"{directory}: {what}, which can run any code: load it with trusted=True if you trust its origin")
    model = _made(record, directory, device)
    try:
        saved = Fingerprint.of_state(read_weights(directory / FINGERPRINT, required=()))
    except ValueError as error:
        raise DataError(f"{directory / FINGERPRINT} is damaged: {error}: {REPAIR}") from error
    found = Fingerprint.of(model)
    if found.differs(saved):
        raise DataError(f"{directory}: expected the saved recommender ({saved}), found another one ({found})")
    return model


def _made(record: dict, directory: Path, device: torch.device | str) -> Recommender:
    """Recommender of a record, on a device.

    Raises:
        DataError: a file is missing or damaged, or the recommender cannot be made here.
    """
    kinds: dict[str, Callable] = {"recommender": _registered, "program": _exported, "factory": _by_factory}
    try:
        return kinds[record["kind"]](record, directory, device)
    except DataError:
        raise
    except Exception as error:  # a record made by hand or a foreign factory may do anything
        raise DataError(f"{directory}: its recommender cannot be made: {type(error).__name__}: {short(error)}") from error


def _registered(record: dict, directory: Path, device: torch.device | str) -> Recommender:
    """A recommender of :data:`lxr.RECOMMENDERS`."""
    return load(directory / WEIGHTS, device=device)


def _exported(record: dict, directory: Path, device: torch.device | str) -> Recommender:
    """A recommender around a program of ``torch.export``."""
    precision = getattr(torch, record["precision"])
    program = read_checked(directory / PROGRAM, _program_of)
    program = move_to_device_pass(program, str(device))
    return wrap(Program(program, precision), record["n_items"], record["activation"], n_features=record["n_features"])


def _program_of(file: io.BytesIO) -> torch.export.ExportedProgram:
    """Load a program from the content of its file."""
    with quiet():
        return torch.export.load(file)


def _by_factory(record: dict, directory: Path, device: torch.device | str) -> Recommender:
    """A recommender from the user's function, with the weights of the bundle."""
    made = pkgutil.resolve_name(_checked_factory(record["factory"]))()
    weights = read_weights(directory / WEIGHTS, required=("weights",))["weights"]
    if isinstance(made, nn.Module):
        restore_weights(_inside(made), weights, directory / WEIGHTS)
        made = made.to(device).eval()
    if isinstance(made, Recommender):
        return made
    return wrap(made, record["n_items"], record["activation"], n_features=record["n_features"])
