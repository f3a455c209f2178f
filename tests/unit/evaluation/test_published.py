"""Published figures, and ours in their layout."""

import pytest

from lxr.evaluation import in_published_layout, published_fidelity


def test_published_figures_are_there_where_the_authors_report_them():
    curves, fixed = (published_fidelity("ml-1m", "mf", kind) for kind in ("curves", "fixed"))
    assert curves.loc["lxr", "POS@20"] == 0.5706 and fixed.loc["shap", "CDCG"] == 0.9595
    assert published_fidelity("ml-1m", "vae").empty
    with pytest.raises(ValueError, match="kind: expected one of curves, fixed, found 'nope'"):
        published_fidelity("ml-1m", "mf", "nope")


def test_our_figures_in_the_published_layout(results):
    per_user = {name: result.per_user() for name, result in results.items()}
    curves, fixed = in_published_layout(per_user), in_published_layout(per_user, "fixed")
    result = results["random"]
    assert curves.loc["random", "NEG@20"] == pytest.approx(result.curves["NEG@20"].mean())
    assert fixed.loc["random", "CDCG"] == pytest.approx(result.fixed["CDCG"].mean())
    assert fixed.loc["random", "DEL"] == pytest.approx((result.fixed["DEL"] * result.prob[:, None]).mean())
