"""LXR's network in the Open Neural Network Exchange format, for runtimes without Python."""

import copy
from pathlib import Path

import torch
from torch import nn

from lxr.delivery.bundled_model import quiet
from lxr.explainers.learned.lxr_network import LXR, ExplainerNetwork
from lxr.recommenders.modes import evaluating
from lxr.utils.checks import check_instance
from lxr.utils.extras import extra
from lxr.utils.storage import atomic_path


class DenseNetwork(nn.Module):
    """LXR's network for dense histories: mask logits of the whole catalogue."""

    def __init__(self, network: ExplainerNetwork):
        super().__init__()
        self.network = network

    def forward(self, history: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mask logits (B, I) of histories (B, I) and target items (B,)."""
        return self.network.output(self.network.encode(history, target))


def to_onnx(explainer: LXR, path: str | Path) -> None:
    """Write the network of a trained LXR as ONNX, atomically; the recommender is not in the file.

    Inputs are ``history`` (B, I), float32 zeros and ones, and ``target`` (B,), int64 columns, for any number B of users.
    The output ``importance`` (B, I) equals the result of :meth:`lxr.Explainer.explain` on the history; numbers outside the
    history have no meaning.

    Args:
        explainer: the trained LXR.
        path: the file.

    Raises:
        ValueError: another explainer, or one of a recommender that uses the order of entries: the inputs have no order.
            (Explainers of the family ``lxr-path`` need the recommender.)
        ImportError: onnxscript is not installed.

    Example:
        >>> import onnxruntime  # doctest: +SKIP
        >>> to_onnx(explainer, "lxr.onnx")  # doctest: +SKIP
        >>> session = onnxruntime.InferenceSession("lxr.onnx")  # doctest: +SKIP
        >>> session.run(None, {"history": history.numpy(), "target": target.numpy()})  # doctest: +SKIP
    """
    check_instance(LXR, "a trained LXR", explainer=explainer)
    if explainer.model.is_ordered:
        name = type(explainer.model).__name__
        raise ValueError(f"explainer: {name} uses the order of entries, but the file would take rows: use lxr.save")
    with extra("onnx"):
        import onnxscript  # noqa: F401 - torch.onnx needs it
    network = DenseNetwork(copy.deepcopy(explainer.network).cpu())
    example = torch.eye(2, explainer.model.n_columns), torch.zeros(2, dtype=torch.long)
    batch = torch.export.Dim("batch", min=1)
    with atomic_path(path) as temporary, evaluating(network), quiet():
        torch.onnx.export(
            network,
            example,
            temporary,
            input_names=["history", "target"],
            output_names=["importance"],
            dynamic_shapes=({0: batch}, {0: batch}),
            external_data=False,
            verbose=False,
        )
