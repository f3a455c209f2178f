"""NCF: pairs, chunks, branches, and what is refused."""

import numpy as np
import pytest
import torch
from toys import N_ITEMS, small, with_biases


@pytest.mark.parametrize("branches", ["both", "gmf", "mlp"])
def test_ncf_scores_pairs_of_user_and_item(histories, branches):
    model, history = with_biases(small("ncf", branches=branches)), histories([4])
    weight = {name: value.double().numpy() for name, value in model.state_dict().items()}

    def vectors(branch, item):
        user = weight[f"{branch}_history.weight"] @ history[0].numpy() + weight[f"{branch}_history.bias"]
        return user, weight[f"{branch}_item.weight"][:, item] + weight[f"{branch}_item.bias"]

    def gmf(item):
        user, vector = vectors("gmf", item)
        return weight["gmf_output.weight"][0] @ (user * vector)

    def mlp(item):
        user, vector = vectors("mlp", item)
        x = weight["first_of_user.weight"] @ user + weight["first_of_user.bias"]
        x = np.maximum(x + weight["first_of_item.weight"] @ vector, 0)
        x = np.maximum(weight["tower.0.weight"] @ x + weight["tower.0.bias"], 0)
        return weight["mlp_output.weight"][0] @ x

    parts = {"both": (gmf, mlp), "gmf": (gmf,), "mlp": (mlp,)}[branches]
    assert model(history)[0].tolist() == pytest.approx(
        [sum(part(item) for part in parts) for item in range(N_ITEMS)], abs=1e-5
    )


def test_ncf_in_chunks_equals_ncf_at_once(history):
    chunked, whole = small("ncf", max_pairs=1), small("ncf", max_pairs=10**6)
    gradients = []
    for model in (chunked, whole):
        x = history.clone().requires_grad_()
        model(x).square().sum().backward()
        gradients.append([x.grad, *(parameter.grad for parameter in model.parameters())])
    torch.testing.assert_close(chunked(history), whole(history))
    torch.testing.assert_close(*gradients)


def test_ncf_starts_from_its_branches(history):
    gmf, mlp = (with_biases(small("ncf", seed, branches=name)) for seed, name in enumerate(("gmf", "mlp")))
    joined = small("ncf").start_from(gmf, mlp, share=0.3)
    torch.testing.assert_close(joined(history), 0.3 * gmf(history) + 0.7 * mlp(history))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"branches": "none"}, "branches: expected one of both, gmf, mlp, found 'none'"),
        ({"layers": []}, r"layers: expected one or more positive integers, found \[\]"),
        ({"layers": [4, 0]}, r"layers: expected one or more positive integers, found \[4, 0\]"),
        ({"max_pairs": 0}, "max_pairs: expected a positive integer, found 0"),
    ],
)
def test_ncf_refuses_what_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        small("ncf", **options)
