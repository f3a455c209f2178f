"""Fingerprints of recommenders: a trained explainer accepts its own recommender and refuses others."""

import hashlib
from dataclasses import dataclass

import torch

from lxr.recommenders.base import Recommender
from lxr.recommenders.modes import uncounted
from lxr.recommenders.probes import answers_to

SHARES = (0.01, 0.1, 0.4)  # share of the catalogue in each probe
N_ANSWERS = 64  # logits to keep of each probe
TOLERANCE = 0.01  # differences between processors, as a share of the largest answer


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """Identity of a recommender, equal on every device and after saving and loading.

    Attributes:
        name: name of the class.
        n_items: number of items.
        digest: SHA-256 of class, activation, sizes and weights.
        answers: some logits (3, at most 64) for three fixed histories. Only they identify a recommender without weights.

    Example:
        >>> import lxr
        >>> first, again, other = (Fingerprint.of(lxr.MF(20, seed=seed)) for seed in (1, 1, 2))
        >>> first.differs(again), first.differs(other)
        (False, True)
    """

    name: str
    n_items: int
    digest: str
    answers: torch.Tensor

    @classmethod
    def of(cls, model: Recommender) -> "Fingerprint":
        """Take the fingerprint of a recommender, without changing it."""
        name = type(model).__name__
        digest = hashlib.sha256(f"{name} {model.activation} {model.n_items} {model.n_features}".encode())
        for key, value in sorted(model.state_dict().items()):
            if isinstance(value, torch.Tensor):
                digest.update(f" {key} {tuple(value.shape)} ".encode() + _content_of(value))
        return cls(name, int(model.n_items), digest.hexdigest(), _answers_of(model))

    @classmethod
    def of_state(cls, state: dict) -> "Fingerprint":
        """Make a fingerprint from :attr:`state`.

        Raises:
            ValueError: the state is not valid.
        """
        kinds = {"name": str, "n_items": int, "digest": str, "answers": torch.Tensor}
        if not (isinstance(state, dict) and all(isinstance(state.get(name), kind) for name, kind in kinds.items())):
            raise ValueError("expected the fingerprint of a recommender, found other values")
        return cls(**{name: state[name] for name in kinds})

    @property
    def state(self) -> dict:
        """Plain values, for saving."""
        return vars(self).copy()

    def differs(self, other: "Fingerprint") -> bool:
        """Whether two fingerprints belong to different recommenders."""
        if self.digest != other.digest or self.answers.shape != other.answers.shape:
            return True
        tolerance = TOLERANCE * self.answers.nan_to_num(0, 0, 0).abs().max().item()
        return not torch.allclose(self.answers, other.answers, rtol=0, atol=tolerance, equal_nan=True)

    def __str__(self) -> str:
        """Describe the recommender, for messages."""
        answers = ", ".join(f"{answer:.4g}" for answer in self.answers[0, :3].tolist())
        return f"{self.name} of {self.n_items} items, weights {self.digest[:12]}, first answers {answers}"


def _content_of(tensor: torch.Tensor) -> bytes:
    """Numbers of a tensor, equal on every device and in every sufficient precision."""
    tensor = tensor.detach().cpu()
    if tensor.layout != torch.strided:
        tensor = tensor.to_sparse_coo().coalesce()
        return _content_of(tensor.indices()) + _content_of(tensor.values())
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if tensor.is_floating_point():
        single = tensor.float()
        tensor = single if tensor.dtype != torch.float64 or torch.equal(single.double(), tensor) else tensor
    return tensor.contiguous().numpy().tobytes()


@torch.no_grad()
def _answers_of(model: Recommender) -> torch.Tensor:
    """Logits (3, at most 64) of a recommender for three fixed histories, in separate calls that are not counted."""
    item = torch.arange(model.n_columns)
    spread = item * 2654435761 % 2**32 / 2**32  # pseudo-random items, always the same
    probes = torch.stack([spread <= share for share in SHARES]).float().to(model.device)
    kept = torch.linspace(0, model.n_items - 1, min(N_ANSWERS, model.n_items)).long()
    with uncounted(model):
        return torch.cat([answers_to(model, probe[None])[:, kept].double().cpu() for probe in probes])
