"""Leave-one-out: against the naive loop."""

import oracles
import pytest
from explaining import OBJECTIVES, assert_close, constant, make, users_of

import lxr

# --- naive loops


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_leave_one_out_equals_the_naive_loop(any_model, train_matrix, history, objective):
    target = lxr.top_item(any_model, history)
    expected = [oracles.leave_one_out(any_model, *user, oracles.OBJECTIVES[objective]) for user in users_of(history, target)]
    assert_close(
        make("leave-one-out", any_model, train_matrix, objective=constant(objective)).explain(history, target), expected
    )
