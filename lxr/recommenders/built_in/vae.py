"""VAE: the variational autoencoder with a multinomial likelihood (Mult-VAE)."""

from typing import ClassVar

import torch
import torch.nn.functional as F

from lxr.data.histories import Histories, Rows
from lxr.recommenders.base import Activation, Recommender
from lxr.recommenders.built_in.mf import drop
from lxr.recommenders.first_layer import first_layer, normalized
from lxr.recommenders.last_layer import Candidates, answer, inner_products
from lxr.recommenders.network import Network
from lxr.utils.checks import check_dropout, check_natural, check_non_negative, check_positive
from lxr.utils.item_table import ItemTable
from lxr.utils.weights import initialize, linear_layer


class VAE(Recommender):
    """Mult-VAE: variational autoencoder with a multinomial likelihood.

    L2-normalised history → ``n_hidden`` → (μ, log σ²) of ``n_latent`` → ``n_hidden`` → logits. Training drops half of the
    history and weighs the KL term by β, which grows to ``beta`` over ``anneal_steps`` batches; inference decodes μ.

    Args:
        n_items: number of items.
        n_hidden: width of the hidden layers.
        n_latent: width of the latent code.
        dropout: share of a training history that is hidden from the input.
        beta: final weight β of the KL term.
        anneal_steps: batches over which the weight grows; 0 for β from the start.
        seed: seed of the initial weights.
        n_features: number of user features; their columns follow the items.

    Source: Liang et al., WWW 2018, eqs. 1-4 and section 2.3.

    Example:
        >>> model = VAE(n_items=5, n_hidden=4, n_latent=2)
        >>> model.log_prob(torch.eye(5)[:3]).exp().sum(dim=1).detach().round(decimals=3)  # softmax
        tensor([1., 1., 1.])
    """

    activation: Activation = "softmax"
    takes_rows = True
    takes_slices = True
    search_space: ClassVar[dict] = {
        "n_hidden": [256, 512],
        "n_latent": [64, 128, 256],
        "dropout": (0.2, 0.7),
        "beta": (0.05, 0.5),
    }

    def __init__(
        self,
        n_items: int,
        *,
        n_hidden: int = 512,
        n_latent: int = 128,
        dropout: float = 0.5,
        beta: float = 0.2,
        anneal_steps: int = 500,
        seed: int = 0,
        n_features: int = 0,
    ):
        super().__init__(n_items, n_features=n_features, seed=seed)
        check_positive(n_hidden=n_hidden, n_latent=n_latent)
        check_dropout(dropout=dropout)
        check_non_negative(beta=beta)
        check_natural(anneal_steps=anneal_steps)
        self.n_hidden, self.n_latent, self.dropout = n_hidden, n_latent, dropout
        self.beta, self.anneal_steps = beta, anneal_steps
        self.encoder = ItemTable(self.n_columns, n_hidden)
        self.latent = linear_layer(n_hidden, 2 * n_latent)
        self.decoder = linear_layer(n_latent, n_hidden)
        self.output = linear_layer(n_hidden, self.n_columns)
        initialize(self, seed)

    def encode(self, history: torch.Tensor | Rows) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of the latent code, (B, n_latent) each, of normalised histories (B, I)."""
        mu, log_variance = self.latent(torch.tanh(first_layer(self.encoder, history))).split(self.n_latent, dim=1)
        return mu, log_variance

    def decode(self, code: torch.Tensor, candidates: Candidates = None) -> torch.Tensor:
        """Map latent codes (B, n_latent) to logits (B, I), or (B, C) of candidates (B, C)."""
        hidden = torch.tanh(self.decoder(code))
        return answer(inner_products(hidden, self.output.weight, bias=self.output.bias), candidates)

    def forward(self, history: torch.Tensor | Rows, candidates: Candidates = None) -> torch.Tensor:
        """Map histories (B, I) to logits (B, I), or (B, C) of candidates (B, C), decoding the mean code."""
        mu, _ = self.encode(normalized(history))
        return self.decode(mu, candidates)

    def loss(self, histories: Histories, generator: torch.Generator, step: int) -> torch.Tensor:
        """Negative evidence lower bound with an annealed KL term, mean over users."""
        history = self.dense_rows(histories)
        mu, log_variance = self.encode(drop(F.normalize(history, dim=1), self.dropout, generator))
        noise = torch.randn(mu.shape, generator=generator).to(mu.device)
        log_p = F.log_softmax(self.of_items(self.decode(mu + noise * (log_variance / 2).exp())), dim=1)
        reconstruction = -(log_p * self.of_items(history)).sum(dim=1)  # (B,)
        divergence = 0.5 * (log_variance.exp() + mu**2 - 1 - log_variance).sum(dim=1)  # (B,)
        beta = self.beta * min(1.0, step / self.anneal_steps) if self.anneal_steps else self.beta
        return (reconstruction + beta * divergence).mean()

    @torch.no_grad()
    def network(self) -> Network:
        """Two hidden layers with a linear map, the mean code, between them."""
        weights = {name: value.double().cpu() for name, value in self.state_dict().items()}
        mean, shift = weights["latent.weight"][: self.n_latent], weights["latent.bias"][: self.n_latent]
        decoder = weights["decoder.weight"]
        return Network(
            first=weights["encoder.weight"],
            bias=weights["encoder.bias"][None],
            deeper=((decoder @ mean, decoder @ shift + weights["decoder.bias"]),),
            last=weights["output.weight"],
            constant=weights["output.bias"],
            skip=None,
            activation="tanh",
            is_normalized=True,
        )

    def encoders(self) -> tuple[torch.Tensor, torch.Tensor]:
        """First layer of the encoder and last layer of the decoder, both (n_hidden, I)."""
        return self.encoder.weight, self.output.weight.T
