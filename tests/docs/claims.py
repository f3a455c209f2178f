"""Claims about results in prose, and the conditions on the committed tables that make them true.

- `CLAIMS`: a quotation, and what contradicts it. `{}` in a quotation stands for a number, which comes from the tables and is
  printed as the page prints it. After new tables the test says which sentence to write, or what contradicts it.
- `MEASURED`: sentences with figures of a command whose output is not committed; the page that has them names the command.
- `DEFINITIONS`: sentences with numbers or comparisons that say how something is done, and nothing of a result.

A quotation may be on any of the pages, with any line breaks. Everything else in their prose must be free of numbers and
comparisons (`prose.py`). Who changes a sentence changes its quotation, or deletes both.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd
from committed import (
    ALL,
    HEADLINE,
    RANKS,
    SIMILARITIES,
    apart,
    cell,
    column_unlike,
    is_,
    minutes,
    points,
    record,
    table,
    unless,
    unlike,
    verdict,
)


@dataclass(frozen=True)
class Claim:
    """A quotation; what contradicts it, if anything; and the numbers that stand in the place of its braces."""

    quote: str
    contradictions: Callable[[], Iterable[str]] = tuple
    numbers: Callable[[], Sequence[object]] = tuple

    def text(self) -> str:
        """The quotation with the numbers of the tables."""
        return self.quote.format(*self.numbers())


MOST = ("POS@5", "POS@20", "NDCG", "DEL", "INS")  # of the headline, all but CDCG
CDCG, SCORES = "CDCG@Ke=5", ("DEL", "INS")
OPEN = "no significant difference"
LOOKS, MARGIN_PATH, SOFT_PATH = "path of the looks", "rank-margin-path", "soft-rank-path"
DIRECT = ("leave-one-out", "gradient", "integrated-gradients", "shap-items", "lire")
MF_VAE, VAE_NCF = ("mf", "vae"), ("vae", "ncf")
ABOVE = ("ml-1m/headline_mf", "ml-1m/headline_vae")
# Three trainings of each recommender, in which the one of the run is included.
BARS_100K = [f"ml-100k/seeds_bars_rank_{name}" for name in ALL]
BARS_1M = [f"ml-1m/seeds_bars_rank_{name}" for name in MF_VAE]
BARS = [*BARS_100K, *BARS_1M]
SCORE_BARS, PURE_BARS = ([path.replace("rank", kind) for path in BARS] for kind in ("score", "pure"))
LEARNED_MF, LEARNED_VAE = (f"ml-1m/seeds_learned_{name}" for name in MF_VAE)


def of_all(paths: Sequence[str], column: str, holds: Callable[[object], bool], **where: object) -> list[str]:
    """Rows of several tables that are not as expected."""
    return [problem for path in paths for problem in column_unlike(path, column, holds, **where)]


def learned(recommender: str, metric: str) -> list[float]:
    """Least and most reduction of a metric by LXR on paths over the path of its looks, in the trainings of MovieLens 1M."""
    rows = table(f"ml-1m/seeds_learned_{recommender}").query("metric == @metric and other == @LOOKS")
    return sorted(-rows["difference"])[:: len(rows) - 1]


def in_trainings(path: str, trainings: int, column: str, holds: Callable[[object], bool], **where: object) -> list[str]:
    """The number of trainings in which rows of a table are as asked, if another is expected."""
    frame = table(path)
    for name, value in where.items():
        frame = frame[frame[name] == value]
    found = set(frame.loc[frame[column].map(holds), "training"])
    return list(unless(len(found) == trainings, f"{path}, {where}: in {len(found)} trainings"))


def found_better(metric: str, paths: Sequence[str] = BARS) -> list[str]:
    """The best one-shot method by a metric, for each training in which tests find one better than `lxr-path-rank`."""
    frame = pd.concat(table(path) for path in paths)
    return frame.query("metric == @metric and `others better` > 0")["best other"].tolist()


def ablated(*rows: str, of: Sequence[str] = MF_VAE) -> list[str]:
    """POS@20 of rows of `path_ablation`, of each recommender in turn."""
    return points(*(cell(f"ml-1m/path_ablation_{name}", row, "POS@20") for row in rows for name in of))


def how_often_better(name: str) -> float:
    """HR@10 of a recommender on MovieLens 1M, as a multiple of that of popularity."""
    path = f"ml-1m/recommender_{name}"
    return cell(path, name, "HR@10") / cell(path, "popularity", "HR@10")


def kendall(path: str = "ml-1m/published_curves_mf") -> list[float]:
    """Agreement of the published order of explainers with ours, least and most."""
    agreement = table(path).set_index("Unnamed: 0").loc["Kendall τ"]
    return [agreement.min(), agreement.max()]


GLANCE = [
    Claim(
        "On MovieLens 1M, with MF and VAE, LXR is ahead of SHAP over clusters and of every similarity on POS, NDCG and DEL.",
        lambda: unlike("ahead", "lxr", ("shap", *SIMILARITIES), on=MOST[:4]),
    ),
    Claim(
        "Leave-one-out, gradients, SHAP over items and LIRE are ahead of LXR on every metric: on MovieLens 1M with MF and VAE, on "
        "MovieLens 100K also with NCF.",
        lambda: [
            *unlike("behind", "lxr", BEHIND_NONE),
            *unlike("behind", "lxr", BEHIND_NONE, by=ALL, run=BIG),
        ],
    ),
    Claim(
        "By NDCG, no test finds a method that sees the history once better than it, in fifteen trainings. By POS@20 tests find "
        "one in eight of them, above all SPINRec, which chooses each user's draw by that metric.",
        lambda: [
            *unless(n_trainings() == 15, "not fifteen trainings"),
            *of_all(BARS, "others better", is_(0), metric="NDCG"),
            *unless(found_better("POS@20") == ["spinrec"] * 8, f"POS@20: {found_better('POS@20')}"),
            *draws_by_pos_20(),
        ],
    ),
]
BEHIND_NONE = ("leave-one-out", "gradient", "shap-items", "lire")

WHO_WINS = [
    Claim(
        "LXR is ahead of SHAP over clusters on all six metrics, and of every similarity on POS, NDCG and DEL. With the VAE it is "
        "ahead of the similarities on INS and CDCG, too. With MF it is ahead of Jaccard and cosine on INS; no test finds a "
        "difference to TF-IDF on INS, or to any similarity on CDCG.",
        lambda: [
            *unlike("ahead", "lxr", "shap"),
            *unlike("ahead", "lxr", SIMILARITIES, on=MOST[:4]),
            *unlike("ahead", "lxr", SIMILARITIES, on=("INS", CDCG), by="vae"),
            *unlike("ahead", "lxr", ("jaccard", "cosine"), on="INS", by="mf"),
            *apart("lxr", "tf-idf", on="INS", by="mf"),
            *apart("lxr", SIMILARITIES, on=CDCG, by="mf"),
        ],
    ),
    Claim(
        "Tuned LIME is ahead of LXR on all six metrics with MF, and on INS and CDCG with the VAE. With the VAE, LXR is ahead of "
        "LIME on POS, NDCG and DEL.",
        lambda: [
            *unlike("ahead", "lime", "lxr", by="mf"),
            *unlike("ahead", "lime", "lxr", on=("INS", CDCG), by="vae"),
            *unlike("ahead", "lxr", "lime", on=MOST[:4], by="vae"),
        ],
    ),
    Claim(
        "Leave-one-out, gradients, integrated gradients, SHAP over items, LIRE, ACCENT, SPINRec and the paths are ahead of LXR on "
        "every metric, with both recommenders.",
        lambda: unlike("behind", "lxr", (*DIRECT, "accent", "spinrec", MARGIN_PATH, SOFT_PATH)),
    ),
    Claim(
        "improves LXR on all metrics but CDCG, where no difference is found. Pinterest has the same verdicts. On MovieLens 1M, "
        "leave-one-out is ahead of the refined mask on all six metrics.",
        lambda: [
            *unlike("ahead", "lxr-refined", "lxr", on=MOST),
            *apart("lxr-refined", "lxr", on=CDCG),
            *unlike("ahead", "lxr-refined", "lxr", on=MOST, by="mf", run="pinterest"),
            *apart("lxr-refined", "lxr", on=CDCG, by="mf", run="pinterest"),
            *unlike("behind", "lxr-refined", "leave-one-out"),
        ],
    ),
    Claim(
        "`lxr-path-chosen` has the lowest NDCG with both recommenders. Tests find it ahead of every other explainer by NDCG.",
        lambda: [
            *marked("NDCG", "best", run="ml-1m", mf="lxr-path-chosen", vae="lxr-path-chosen"),
            *unlike("ahead", "lxr-path-chosen", others_of("lxr-path-chosen"), on="NDCG"),
        ],
    ),
    Claim(
        "`spinrec` has the lowest with MF, and `soft-rank-path` with the VAE. No test finds a difference between `spinrec` and the "
        "lowest. It was tuned on MovieLens 100K to choose each user's draw by POS@20.",
        lambda: [
            *marked("POS@20", "best", run="ml-1m", mf="spinrec", vae=SOFT_PATH),
            *apart("spinrec", SOFT_PATH, on="POS@20", by="vae"),
            *draws_by_pos_20(),
        ],
    ),
    Claim(
        "`soft-rank-path` has the lowest with MF, and `lxr-path-chosen` with the VAE. No test finds a difference between "
        "`lxr-path-rank` and the lowest.",
        lambda: [
            *marked(CDCG, "best", run="ml-1m", mf=SOFT_PATH, vae="lxr-path-chosen"),
            *apart("lxr-path-rank", SOFT_PATH, on=CDCG, by="mf"),
            *apart("lxr-path-rank", "lxr-path-chosen", on=CDCG, by="vae"),
        ],
    ),
    Claim(
        "`lxr-path-score` has the lowest DEL with MF, and `rank-margin-path` with the VAE. `lxr-path-score` has the highest INS with "
        "both.",
        lambda: [
            *marked("DEL", "best", run="ml-1m", mf="lxr-path-score", vae=MARGIN_PATH),
            *marked("INS", "best", run="ml-1m", mf="lxr-path-score", vae="lxr-path-score"),
        ],
    ),
    Claim(
        "No explainer is best on every metric, with either recommender.",
        lambda: [f"{path}: {name}" for path in ABOVE for name in best_on_all(path)],
    ),
    Claim(
        "Among these nine on MovieLens 1M, `lxr-path-rank` or `spinrec-rank` has the lowest NDCG in every run, with both recommenders. "
        "`spinrec` has the lowest POS@20 in all five runs with MF, and in four of them with the VAE. `lxr` is seventh by NDCG in "
        "every run, with both recommenders.",
        lambda: [
            *(f"{name}: {found}" for name in MF_VAE if set(found := lowest_two_places(name)) != {1}),
            *unless(places_by("POS@20", "mf", "spinrec", run="ml-1m") == [1] * 5, "spinrec, MF"),
            *unless(places_by("POS@20", "vae", "spinrec", run="ml-1m").count(1) == 4, "spinrec, VAE"),
            *(f"{name}: lxr" for name in MF_VAE if places_by("NDCG", name, "lxr", run="ml-1m") != [7] * 5),
        ],
    ),
    Claim(
        "on held-out items of test users they beat popularity, by HR@10 three times with MF and nearly three times "
        "with the VAE.",
        lambda: [
            *unless(3 <= how_often_better("mf") < 3.2, f"HR@10 of MF: {how_often_better('mf'):.2f} times"),
            *unless(2.7 <= how_often_better("vae") < 3, f"HR@10 of the VAE: {how_often_better('vae'):.2f} times"),
        ],
    ),
]

PATHS = [
    Claim(
        "On MovieLens 1M, the lowest NDCG is that of `lxr-path-chosen`, a network that imitates a search. The lowest POS@20 is that "
        "of SPINRec or of a search. On MovieLens 100K, [SPINRec is among the best](movielens_100k.md#who-wins) by NDCG.",
        lambda: [
            *marked("NDCG", "best", run="ml-1m", mf="lxr-path-chosen", vae="lxr-path-chosen"),
            *marked("POS@20", "best", run="ml-1m", mf="spinrec", vae=SOFT_PATH),
            *(
                f"{name}: the test by NDCG finds spinrec-rank {found}"
                for name in ALL
                if (found := mark("NDCG", "spinrec-rank", name)) not in ("best", "tie")
            ),
        ],
    ),
    Claim(
        "asks whether any of {} one-shot methods is better by the rank:",
        lambda: unless({"spinrec-rank", "lime-rank"} <= set(table(ONE_SHOT)["other"]), "no explainers of ranks"),
        lambda: [table(ONE_SHOT)["other"].nunique()],
    ),
    Claim(
        "they take {:.0f} and {:.0f} gradients:",
        numbers=lambda: [cell("ml-1m/cost_vae", name, "explaining [passes / user]") for name in (SOFT_PATH, MARGIN_PATH)],
    ),
    Claim(
        "By NDCG, no test finds a one-shot method better than `lxr-path-rank` in any of the fifteen trainings, nor `lxr-path-rank` "
        "better than the best of them.",
        lambda: [
            *unless(n_trainings() == 15, "not fifteen trainings"),
            *of_all(BARS, "others better", is_(0), metric="NDCG"),
            *of_all(BARS, "verdict", is_(OPEN), metric="NDCG"),
        ],
    ),
    Claim(
        "By POS@20, tests find better ones in eight of the fifteen: in all six of MovieLens 1M, and in two of the nine of MovieLens "
        "100K, once with MF and once with the VAE. The best of them is SPINRec each time. It was tuned to choose each user's draw by "
        "POS@20.",
        lambda: [
            *unless(n_trainings() == 15, "not fifteen trainings"),
            *unless(found_better("POS@20") == ["spinrec"] * 8, f"POS@20: {found_better('POS@20')}"),
            *of_all(BARS_1M, "verdict", is_("worse"), metric="POS@20"),
            *in_trainings("ml-100k/seeds_bars_rank_mf", 1, "others better", lambda n: n > 0, metric="POS@20"),
            *in_trainings("ml-100k/seeds_bars_rank_vae", 1, "others better", lambda n: n > 0, metric="POS@20"),
            *draws_by_pos_20(),
        ],
    ),
    Claim(
        "By the other metrics, tests find a difference only on MovieLens 1M:",
        lambda: [
            *unless(len(of_all(BARS_100K, "verdict", is_(OPEN))) == 2, "more differences than two by POS@20"),
            *unless(len(of_all(BARS_100K, "others better", is_(0))) == 2, "more better ones than two by POS@20"),
        ],
    ),
    Claim(
        "With MF, `lxr-path-rank` is better than the best of them on CDCG in all three trainings. Tests find better ones on POS@10 in "
        "two trainings, and on POS@5 in one.",
        lambda: [
            *of_all(BARS_1M[:1], "verdict", is_("better"), metric=CDCG),
            *in_trainings(BARS_1M[0], 2, "others better", lambda n: n > 0, metric="POS@10"),
            *in_trainings(BARS_1M[0], 1, "others better", lambda n: n > 0, metric="POS@5"),
            *in_trainings(BARS_1M[0], 2, "verdict", is_("worse"), metric="POS@10"),
            *in_trainings(BARS_1M[0], 1, "verdict", is_("worse"), metric="POS@5"),
        ],
    ),
    Claim(
        "With the VAE, tests find better ones on CDCG in two trainings, the best of them leave-one-out of the smooth rank. "
        "`lxr-path-rank` is better than the best of them on POS@10 in one.",
        lambda: [
            *unless(found_better(CDCG) == ["leave-one-out soft-rank"] * 2, f"CDCG: {found_better(CDCG)}"),
            *in_trainings(BARS_1M[1], 2, "verdict", is_("worse"), metric=CDCG),
            *in_trainings(BARS_1M[1], 0, "verdict", is_("better"), metric=CDCG),
            *in_trainings(BARS_1M[1], 1, "verdict", is_("better"), metric="POS@10"),
            *in_trainings(BARS_1M[1], 0, "others better", lambda n: n > 0, metric="POS@10"),
            *of_all(BARS_1M[1:], "verdict", is_(OPEN), metric="POS@5"),
            *of_all(BARS_1M[1:], "others better", is_(0), metric="POS@5"),
        ],
    ),
    Claim(
        "It is better than all of them on NDCG, with both recommenders. On CDCG it is behind the best of them with both, and on "
        "POS@20 with MF.",
        lambda: [
            *of_all(CHOSEN_1M, "verdict", is_("better"), metric="NDCG"),
            *of_all(CHOSEN_1M, "verdict", is_("worse"), metric=CDCG),
            *of_all(CHOSEN_1M[:1], "verdict", is_("worse"), metric="POS@20"),
            *of_all(CHOSEN_1M[1:], "verdict", is_(OPEN), metric="POS@20"),
            *of_all(CHOSEN_1M, "verdict", is_("better", OPEN), metric=RANKS[:2]),
        ],
    ),
    Claim(
        "`lxr-path-score` is not found worse than leave-one-out of the log-probability on DEL and INS in any case. It is better "
        "on both with NCF and with the VAE of MovieLens 1M, and on DEL with the VAE of MovieLens 100K. With the VAE of MovieLens "
        "1M, both paths are ahead of it on DEL, and behind on INS.",
        lambda: [
            *of_all(SCORE_BARS, "best other", is_("leave-one-out log-prob", "leave-one-out")),
            *of_all(SCORE_BARS, "verdict", is_("better", OPEN)),
            *of_all([path for path in SCORE_BARS if path.endswith("_ncf")], "verdict", is_("better")),
            *of_all(["ml-1m/seeds_bars_score_vae"], "verdict", is_("better")),
            *of_all(["ml-100k/seeds_bars_score_vae"], "verdict", is_("better"), metric="DEL"),
            *of_all(["ml-100k/seeds_bars_score_vae"], "verdict", is_(OPEN), metric="INS"),
            *unlike("behind", "lxr-path-score", (MARGIN_PATH, SOFT_PATH), on="DEL", by="vae"),
            *unlike("ahead", "lxr-path-score", (MARGIN_PATH, SOFT_PATH), on="INS", by="vae"),
        ],
    ),
    Claim(
        "`lxr-path-pure-rank` is better than LXR itself on every metric in every case.",
        lambda: of_all(PURE_BARS, "verdict, lxr", is_("better")),
    ),
    Claim(
        "With MF and VAE it is not found worse than leave-one-out, except in CDCG: in all six trainings of MovieLens 1M, and in one "
        "training with MF on MovieLens 100K.",
        lambda: [
            *of_all(PURE_MF_VAE, LEAVE_ONE_OUT, is_("better", OPEN), metric=RANKS[:4]),
            *of_all(["ml-1m/seeds_bars_pure_mf", "ml-1m/seeds_bars_pure_vae"], LEAVE_ONE_OUT, is_("worse"), metric=CDCG),
            *of_all(["ml-100k/seeds_bars_pure_vae"], LEAVE_ONE_OUT, is_("better", OPEN)),
            *behind_leave_one_out("mf", CDCG, trainings=1),
        ],
    ),
    Claim(
        "With NCF it is behind leave-one-out on POS@20 in all three trainings, and on POS@10 in one.",
        lambda: [
            *behind_leave_one_out("ncf", "POS@20", trainings=3),
            *behind_leave_one_out("ncf", "POS@10", trainings=1),
            *of_all(["ml-100k/seeds_bars_pure_ncf"], LEAVE_ONE_OUT, is_("better", OPEN), metric=("POS@5", "NDCG", CDCG)),
        ],
    ),
    Claim(
        "On MovieLens 1M, the POS@20 of the network is lower than that of this path by {} to {} with MF and by {} to {} with the VAE. "
        "Its NDCG is lower by {} to {} with MF, and by {} to {} with the VAE.",
        numbers=lambda: points(
            *(bound for metric in ("POS@20", "NDCG") for name in MF_VAE for bound in learned(name, metric)), digits=4
        ),
    ),
    Claim(
        "With MF tests find it better on POS and NDCG in all three trainings, and on CDCG in one. With the VAE tests find it better on "
        "POS@10 and POS@20 in all three, and no other difference.",
        lambda: [
            *of_all([LEARNED_MF], "verdict", is_("better"), metric=RANKS[:4], other=LOOKS),
            *in_trainings(LEARNED_MF, 1, "verdict", is_("better"), metric=CDCG, other=LOOKS),
            *of_all([LEARNED_MF], "verdict", is_("better", OPEN), metric=CDCG, other=LOOKS),
            *of_all([LEARNED_VAE], "verdict", is_("better"), metric=RANKS[1:3], other=LOOKS),
            *of_all([LEARNED_VAE], "verdict", is_(OPEN), metric=("POS@5", "NDCG", CDCG), other=LOOKS),
        ],
    ),
    Claim(
        "On MovieLens 100K, with MF, it is better on NDCG and on at least one of POS in all three trainings, and with NCF on "
        "POS@10 in one. Elsewhere there is no significant difference",
        lambda: [
            *of_all(["ml-100k/seeds_learned_mf"], "verdict", is_("better"), metric="NDCG", other=LOOKS),
            *unless(better_than_looks("mf", *RANKS[:3]) == {42, 1, 2}, "with MF not on one of POS in each training"),
            *of_all(["ml-100k/seeds_learned_mf"], "verdict", is_("better", OPEN), other=LOOKS),
            *of_all(["ml-100k/seeds_learned_mf"], "verdict", is_(OPEN), metric=CDCG, other=LOOKS),
            *of_all(["ml-100k/seeds_learned_vae"], "verdict", is_(OPEN), other=LOOKS),
            *unless(len(better_than_looks("ncf", "POS@10")) == 1, "with NCF not on POS@10 in one training"),
            *of_all(
                ["ml-100k/seeds_learned_ncf"], "verdict", is_(OPEN), metric=("POS@5", "POS@20", "NDCG", CDCG), other=LOOKS
            ),
        ],
    ),
    Claim(
        "on POS@20 of MovieLens 1M, `rank-margin-path` is ahead of `lxr-path-rank` in all three trainings with MF, and in two with the "
        "VAE; on NDCG it is behind in all three with MF, and in one with the VAE.",
        lambda: [
            *of_all([LEARNED_MF], "verdict", is_("worse"), metric="POS@20", other=MARGIN_PATH),
            *in_trainings(LEARNED_VAE, 2, "verdict", is_("worse"), metric="POS@20", other=MARGIN_PATH),
            *of_all([LEARNED_MF], "verdict", is_("better"), metric="NDCG", other=MARGIN_PATH),
            *in_trainings(LEARNED_VAE, 1, "verdict", is_("better"), metric="NDCG", other=MARGIN_PATH),
        ],
    ),
    Claim(
        "takes {:.0f} gradients a user with the VAE, where `lxr-path-rank` takes {}, and {:.1f} times the time.",
        numbers=lambda: [
            cell("ml-1m/cost_vae", SOFT_PATH, "explaining [passes / user]"),
            {10: "ten"}[cell("ml-1m/cost_vae", "lxr-path-rank", "with gradient [passes / user]")],
            cell("ml-1m/cost_vae", SOFT_PATH, SECONDS) / cell("ml-1m/cost_vae", "lxr-path-rank", SECONDS),
        ],
    ),
    Claim(
        "With the VAE it is ahead of `lxr-path-rank` on POS@20 in all three trainings and on POS@10 in two, and behind on CDCG in all "
        "three. With MF, no test finds a difference between the two.",
        lambda: [
            *of_all([LEARNED_VAE], "verdict", is_("worse"), metric="POS@20", other=SOFT_PATH),
            *in_trainings(LEARNED_VAE, 2, "verdict", is_("worse"), metric="POS@10", other=SOFT_PATH),
            *of_all([LEARNED_VAE], "verdict", is_("better"), metric=CDCG, other=SOFT_PATH),
            *of_all([LEARNED_VAE], "verdict", is_(OPEN), metric=("POS@5", "NDCG"), other=SOFT_PATH),
            *of_all([LEARNED_MF], "verdict", is_(OPEN), other=SOFT_PATH),
        ],
    ),
    Claim(
        "Where there is a gradient, one of it is cheaper still with MF and VAE.",
        lambda: [
            f"{name}: a gradient takes as long"
            for name in MF_VAE
            if cell(f"ml-1m/cost_{name}", "gradient", SECONDS) >= cell(f"ml-1m/cost_{name}", "lxr-path-pure-rank", SECONDS)
        ],
    ),
]
SECONDS = "explaining [s / 1,000 users]"
LEAVE_ONE_OUT = "verdict, leave-one-out"


PURE_MF_VAE = [path for path in PURE_BARS if not path.endswith("_ncf")]
ONE_SHOT = "ml-1m/one_shot_tests_vae"
CHOSEN_1M = ["ml-1m/bars_chosen_mf", "ml-1m/bars_chosen_vae"]


def n_trainings() -> int:
    """Trainings of which the bars of LXR on paths are committed."""
    return sum(len(table(path).query("metric == 'NDCG'")) for path in BARS)


def draws_by_pos_20() -> Iterator[str]:
    """Tuned options of SPINRec that do not choose the draw by POS@20, or that the run of MovieLens 1M did not have."""
    for name in MF_VAE:
        options = table(f"ml-100k/tuning_{name}").set_index("tuned").loc["spinrec", "options"]
        yield from unless("criterion POS@20" in options, f"{name}: spinrec has {options}")
        used = record("ml-1m")["stages"][f"06_baselines-{name}"]["parameters"]["options"]["spinrec"]
        yield from unless(used["criterion"] == "POS@20", f"{name}: spinrec had {used}")


def behind_leave_one_out(name: str, metric: str, trainings: int) -> Iterator[str]:
    """Number of trainings of MovieLens 100K in which the pure network is behind leave-one-out, if another is expected."""
    rows = table(f"ml-100k/seeds_bars_pure_{name}").query("metric == @metric and `verdict, leave-one-out` == 'worse'")
    yield from unless(len(rows) == trainings, f"{name}, {metric}: behind in {len(rows)} trainings")


def better_than_looks(name: str, *metrics: str) -> set[int]:
    """Trainings of MovieLens 100K in which LXR on paths is better than the path of its looks on one of the metrics."""
    frame = table(f"ml-100k/seeds_learned_{name}")
    return set(frame.query("metric in @metrics and other == @LOOKS and verdict == 'better'")["training"])


def mark(metric: str, explainer: str, recommender: str) -> str:
    """Mark of an entry of a headline table of MovieLens 100K: ``"best"``, ``"tie"`` or ``""``."""
    marks = table(f"ml-100k/marks/headline_{recommender}").fillna("")
    return marks.set_index("explainer").loc[explainer, metric]


def marked(metric: str, sign: str, *, run: str = "ml-100k", **expected: Sequence[str] | str) -> Iterator[str]:
    """Marks of a run that are not on the expected explainers, by recommender."""
    for recommender, names in expected.items():
        marks = table(f"{run}/marks/headline_{recommender}").set_index("explainer")[metric]
        found = set(marks.index[marks == sign])
        yield from unless(found == {names} if isinstance(names, str) else found == set(names), f"{recommender}: {found}")


def best_on_all(path: str) -> list[str]:
    """Explainers whose mean in a headline table is the best by every metric."""
    frame = table(path).set_index("explainer")
    best = frame.drop(columns="INS").eq(frame.drop(columns="INS").min()).all(axis=1) & frame["INS"].eq(frame["INS"].max())
    return list(frame.index[best])


def others_of(explainer: str) -> list[str]:
    """All other explainers of MovieLens 1M."""
    return [name for name in table(ABOVE[0])["explainer"] if name != explainer]


def interval(recommender: str, explainer: str, other: str) -> list[float]:
    """The 95 % interval of the difference of two explainers by NDCG on MovieLens 100K."""
    rows = table(f"ml-100k/tests_{recommender}").query("metric == 'NDCG'").set_index(["explainer", "other"])
    if (explainer, other) in rows.index:
        return rows.loc[(explainer, other), ["low", "high"]].tolist()
    return [-bound for bound in rows.loc[(other, explainer), ["high", "low"]]]


def place(recommender: str) -> int:
    """Place of LXR by NDCG on MovieLens 100K."""
    values = table(f"ml-100k/headline_{recommender}").set_index("explainer")["NDCG"]
    return int((values < values["lxr"]).sum()) + 1


def scored(explainer: str, recommender: str) -> list[float]:
    """Histories that an explainer scores per user of MovieLens 100K, and those with gradients."""
    row = table(f"ml-100k/cost_{recommender}").set_index("explainer").loc[explainer]
    return [row["explaining [passes / user]"], row["with gradient [passes / user]"]]


def places_by(metric: str, recommender: str, explainer: str, *, run: str) -> list[int]:
    """Places of a headline explainer by a metric in the trainings and splits of a run."""
    rows = table(f"{run}/repeat_ranks_{recommender}").query("metric == @metric and explainer == @explainer")
    return rows.filter(regex="^(training|split) ").iloc[0].tolist()


def places_by_ndcg(recommender: str, explainer: str) -> list[int]:
    """Places of a headline explainer by NDCG in the trainings and splits of MovieLens 100K."""
    return places_by("NDCG", recommender, explainer, run=BIG)


def lowest_two_places(recommender: str) -> list[int]:
    """The lower place by NDCG of `lxr-path-rank` and `spinrec-rank` in each training and split of MovieLens 1M."""
    places = (places_by("NDCG", recommender, name, run="ml-1m") for name in ("lxr-path-rank", "spinrec-rank"))
    return [min(pair) for pair in zip(*places, strict=True)]


BIG = "ml-100k"  # the run with all explainers, trainings and splits
WHO_WINS_100K = [
    Claim(
        "tuned for the POS@20 of {:.0f} validation users, with up to {:.0f} trials each. With NCF, nothing was tuned. The means are "
        "over {:.0f} test users,",
        lambda: [f"{name}: not POS@20" for name in MF_VAE if set(studies(name)["metric"]) != {"POS@20"}],
        lambda: [
            cell("ml-100k/data", "validation", "users"),
            max(studies(name)["trials"].max() for name in MF_VAE),
            cell("ml-100k/data", "test", "users"),
        ],
    ),
    Claim(
        "`lxr-path-chosen` has the lowest NDCG with MF and NCF, and `spinrec-rank` with the VAE. No test finds a difference "
        "between these two by NDCG, with any of the three recommenders. The 95 % intervals of this difference are {} to {} with "
        "MF, {} to {} with the VAE, and {} to {} with NCF (below 0: `lxr-path-chosen` is lower). They are not corrected for the "
        "number of pairs, as the tests are. Two others have no significant difference to the best: "
        "`soft-rank-path` with MF, and `lxr-path-rank` with the VAE.",
        lambda: [
            *marked("NDCG", "best", mf="lxr-path-chosen", vae="spinrec-rank", ncf="lxr-path-chosen"),
            *marked(
                "NDCG",
                "tie",
                mf=("spinrec-rank", "soft-rank-path"),
                vae=("lxr-path-chosen", "lxr-path-rank"),
                ncf="spinrec-rank",
            ),
        ],
        lambda: points(*(bound for name in ALL for bound in interval(name, "lxr-path-chosen", "spinrec-rank")), digits=4),
    ),
    Claim(
        "`rank-margin-path` has the lowest with MF, `spinrec` with the VAE, and `lxr-path-chosen` with NCF. No test finds a "
        "difference between `rank-margin-path` and the lowest.",
        lambda: [
            *marked("POS@20", "best", mf=MARGIN_PATH, vae="spinrec", ncf="lxr-path-chosen"),
            *(f"{name}: a difference" for name in ("vae", "ncf") if mark("POS@20", MARGIN_PATH, name) != "tie"),
        ],
    ),
    Claim(
        "`lxr-path-score` has the lowest DEL with MF and NCF, and `rank-margin-path` with the VAE. `lxr-path-score` has the highest "
        "INS with all three.",
        lambda: [
            *marked("DEL", "best", mf="lxr-path-score", vae=MARGIN_PATH, ncf="lxr-path-score"),
            *marked("INS", "best", mf="lxr-path-score", vae="lxr-path-score", ncf="lxr-path-score"),
        ],
    ),
    Claim(
        "`lxr-path-chosen` scores {:.0f} histories per user, {:.0f} of them with gradients. `spinrec-rank` scores {:.0f} with MF, "
        "{:.0f} of them with gradients, and {:.0f} with VAE and NCF, {:.0f} of them with gradients. `lxr-path-rank` takes {:.0f} "
        "gradients and nothing else.",
        lambda: [
            *unless(
                len({tuple(scored("lxr-path-chosen", name)) for name in ALL}) == 1, "lxr-path-chosen: not the same costs"
            ),
            *unless(scored("spinrec-rank", "vae") == scored("spinrec-rank", "ncf"), "spinrec-rank: not the same costs"),
            *unless(all(len(set(scored("lxr-path-rank", name))) == 1 for name in ALL), "lxr-path-rank: not only gradients"),
        ],
        lambda: [
            *scored("lxr-path-chosen", "mf"),
            *scored("spinrec-rank", "mf"),
            *scored("spinrec-rank", "vae"),
            scored("lxr-path-rank", "mf")[0],
        ],
    ),
    Claim(
        "No explainer is best on every metric, with any recommender.",
        lambda: [
            f"{name}: {found}"
            for name in ALL
            if (found := [row["explainer"] for row in marks_of(name) if all(row[m] == "best" for m in HEADLINE)])
        ],
    ),
    Claim(
        "By NDCG, `lxr` has place {} of {} with MF, and place {} with VAE and NCF.",
        lambda: unless(place("vae") == place("ncf"), f"{place('vae')} with the VAE, {place('ncf')} with NCF"),
        lambda: [place("mf"), len(table("ml-100k/headline_mf")), place("vae")],
    ),
    Claim(
        "It is ahead of SHAP over clusters on all metrics but CDCG, and with NCF on all six.",
        lambda: [
            *unlike("ahead", "lxr", "shap", on=MOST, run=BIG),
            *unlike("ahead", "lxr", "shap", on=CDCG, by="ncf", run=BIG),
            *apart("lxr", "shap", on=CDCG, by=MF_VAE, run=BIG),
        ],
    ),
    Claim(
        "With the VAE it is ahead of all three similarities on POS, NDCG and DEL, and no difference on INS and CDCG is found. With "
        "MF it is ahead of the similarities on DEL; behind TF-IDF on POS@5, NDCG, INS and CDCG, and behind cosine on INS. With NCF "
        "it is behind cosine on NDCG, and behind TF-IDF on POS@20, NDCG and DEL. No other difference to them is found.",
        lambda: [
            *unlike("ahead", "lxr", SIMILARITIES, on=MOST[:4], by="vae", run=BIG),
            *apart("lxr", SIMILARITIES, on=("INS", CDCG), by="vae", run=BIG),
            *unlike("ahead", "lxr", SIMILARITIES, on="DEL", by="mf", run=BIG),
            *unlike("behind", "lxr", "tf-idf", on=("POS@5", "NDCG", "INS", CDCG), by="mf", run=BIG),
            *apart("lxr", "tf-idf", on="POS@20", by="mf", run=BIG),
            *unlike("behind", "lxr", "cosine", on="INS", by="mf", run=BIG),
            *apart("lxr", "cosine", on=(*MOST[:3], CDCG), by="mf", run=BIG),
            *apart("lxr", "jaccard", on=(*MOST[:3], "INS", CDCG), by="mf", run=BIG),
            *unlike("behind", "lxr", "cosine", on="NDCG", by="ncf", run=BIG),
            *apart("lxr", "cosine", on=("POS@5", "POS@20", *SCORES, CDCG), by="ncf", run=BIG),
            *unlike("behind", "lxr", "tf-idf", on=("POS@20", "NDCG", "DEL"), by="ncf", run=BIG),
            *apart("lxr", "tf-idf", on=("POS@5", "INS", CDCG), by="ncf", run=BIG),
            *apart("lxr", "jaccard", on=HEADLINE, by="ncf", run=BIG),
        ],
    ),
    Claim(
        "Tuned LIME is ahead of LXR on all six metrics with MF, and on POS@5, NDCG, INS and CDCG with the VAE. With NCF, where "
        "nothing is tuned, LXR is ahead of LIME on all but CDCG.",
        lambda: [
            *unlike("ahead", "lime", "lxr", by="mf", run=BIG),
            *unlike("ahead", "lime", "lxr", on=("POS@5", "NDCG", "INS", CDCG), by="vae", run=BIG),
            *apart("lime", "lxr", on=("POS@20", "DEL"), by="vae", run=BIG),
            *unlike("ahead", "lxr", "lime", on=MOST, by="ncf", run=BIG),
            *apart("lxr", "lime", on=CDCG, by="ncf", run=BIG),
        ],
    ),
    Claim(
        "Leave-one-out, gradients, integrated gradients, SHAP over items, LIRE, SPINRec and the paths are ahead of LXR on all six "
        "metrics, with all three recommenders. ACCENT is, too, except on INS with NCF.",
        lambda: [
            *unlike("behind", "lxr", (*DIRECT, "spinrec", MARGIN_PATH, SOFT_PATH), run=BIG),
            *unlike("behind", "lxr", "accent", by=MF_VAE, run=BIG),
            *unlike("behind", "lxr", "accent", on=(*MOST[:4], CDCG), by="ncf", run=BIG),
            *apart("lxr", "accent", on="INS", by="ncf", run=BIG),
        ],
    ),
    Claim(
        "improves POS@20, NDCG and DEL with all three, and with VAE and NCF also POS@5 and INS. No other difference is found.",
        lambda: [
            *unlike("ahead", "lxr-refined", "lxr", on=("POS@20", "NDCG", "DEL"), run=BIG),
            *unlike("ahead", "lxr-refined", "lxr", on=("POS@5", "INS"), by=VAE_NCF, run=BIG),
            *apart("lxr-refined", "lxr", on=("POS@5", "INS"), by="mf", run=BIG),
            *apart("lxr-refined", "lxr", on=CDCG, run=BIG),
        ],
    ),
    Claim(
        "`spinrec-rank` has the lowest NDCG in all five runs with VAE and NCF. With MF it has the lowest in two of them, and "
        "`lxr-path-rank` in the other three. `lxr` is seventh with the VAE and eighth with MF and NCF, in every run.",
        lambda: [
            *unless(all(places_by_ndcg(name, "spinrec-rank") == [1] * 5 for name in VAE_NCF), "spinrec-rank, VAE and NCF"),
            *unless(places_by_ndcg("mf", "spinrec-rank").count(1) == 2, "spinrec-rank, MF"),
            *unless(places_by_ndcg("mf", "lxr-path-rank").count(1) == 3, "lxr-path-rank, MF"),
            *(
                f"{name}: {places_by_ndcg(name, 'lxr')}"
                for name, at in (("mf", 8), ("vae", 7), ("ncf", 8))
                if places_by_ndcg(name, "lxr") != [at] * 5
            ),
        ],
    ),
    Claim(
        "was searched for {} test users",
        lambda: unless(len(set(searched_users())) == 1, "not the same number of users"),
        lambda: searched_users()[:1],
    ),
    Claim(
        "It is proven for {:.0f} % of them with MF, {:.0f} % with the VAE and {:.0f} % with NCF.",
        numbers=lambda: [100 * cell(f"ml-100k/certificates_{name}", 1, "optimal") for name in ALL],
    ),
    Claim(
        "Means over the users with a set: the smallest known set has {:.1f}, {:.1f} and {:.1f} items. The first items of "
        "`lxr-path-rank` that change the recommendation are {:.1f}, {:.1f} and {:.1f}, those of `lxr` {:.1f}, {:.1f} and {:.1f}.",
        numbers=lambda: [
            cell(f"ml-100k/counterfactual_sets_{name}", explainer, "set size@1")
            for explainer in ("smallest set", "lxr-path-rank", "lxr")
            for name in ALL
        ],
    ),
]


def searched_users() -> list[int]:
    """Users whose counterfactual sets were searched on MovieLens 100K and 1M, for each recommender."""
    runs = (("ml-100k", ALL), ("ml-1m", MF_VAE))
    stages = (record(run)["stages"][f"17_counterfactual_sets-{name}"] for run, names in runs for name in names)
    return [stage["parameters"]["n_users"] for stage in stages]


def studies(recommender: str) -> pd.DataFrame:
    """Studies of explainers on MovieLens 100K."""
    return table(f"ml-100k/tuning_{recommender}").query("trials > 0 and tuned != 'recommender'")


def marks_of(recommender: str) -> list[dict[str, str]]:
    """Rows of the marks of a headline table of MovieLens 100K."""
    return table(f"ml-100k/marks/headline_{recommender}").to_dict("records")


def moved(explainer: str) -> float:
    """Spread of POS@20 over trainings of MF on MovieLens 1M, in standard errors over users."""
    return cell("ml-1m/seeds_mf", explainer, "POS@20 sd") / (cell("ml-1m/seeds_mf", explainer, "POS@20 ± users") / 2)


SETS_1M = [
    Claim(
        "On MovieLens 1M, it is proven for {:.0f} % of them with MF and {:.0f} % with the VAE.",
        numbers=lambda: [100 * cell(f"ml-1m/certificates_{name}", 1, "optimal") for name in MF_VAE],
    ),
    Claim(
        "Means over the users with a set: the smallest known set has {:.1f} and {:.1f} items. The first items of `lxr-path-rank` that "
        "change the recommendation are {:.1f} and {:.1f}, those of `lxr` {:.1f} and {:.1f}.",
        numbers=lambda: [
            cell(f"ml-1m/counterfactual_sets_{name}", explainer, "set size@1")
            for explainer in ("smallest set", "lxr-path-rank", "lxr")
            for name in MF_VAE
        ],
    ),
]

HOW_SURE = [
    Claim(
        "Another training moves the figures of all that ask the recommender together, by POS@20 twice as much as "
        "another sample of users would:",
        lambda: [
            f"{name}: {moved(name):.1f} times"
            for name in (*DIRECT, "accent", "spinrec", "lxr")
            if not 1.9 <= moved(name) < 2.6
        ],
    ),
    Claim(
        "Similarities, popularity and random order never notice:",
        lambda: [
            f"{name}: {change}"
            for name in ("random", "popularity", *SIMILARITIES)
            for change in CHANGES
            if cell("ml-1m/sanity_mf", name, change) != 1
        ],
    ),
    Claim(
        "LIME, SHAP over clusters, SPINRec and LXR agree with themselves only in part,",
        lambda: [
            name
            for name in ("lime", "shap", "spinrec", "lxr")
            if not 0.3 < cell("ml-1m/sanity_mf", name, "other seed") < 0.9
        ],
    ),
    Claim(
        "SHAP over clusters notices none of the three fully.",
        lambda: [f"shap: {change}" for change in CHANGES if cell("ml-1m/sanity_mf", "shap", change) < 0.25],
    ),
    Claim(
        "The positive term, the size term, both inputs and tanh are needed; the negative term hardly matters.",
        lambda: [
            *(f"{row}: not needed" for row in NEEDED if worse_without(row, "mf") < 0.1),
            *unless(worse_without("without the negative term", "mf") < 0.01, "the negative term matters"),
        ],
    ),
    Claim(
        "the negative term does matter, and the target as the only input is enough.",
        lambda: [
            *unless(worse_without("without the negative term", "vae") > 0.05, "the negative term does not matter"),
            *unless(worse_without("target as the only input", "vae") < 0.01, "the history is needed"),
        ],
    ),
    Claim(
        "To start from the recommender's own encoders is better with both.",
        lambda: [
            f"{name}, {metric}"
            for name in MF_VAE
            for metric in ("POS@5", "POS@20", "NDCG", "DEL", CDCG)
            if cell(f"ml-1m/ablation_{name}", "warm start", metric) >= cell(f"ml-1m/ablation_{name}", "lxr", metric)
        ],
    ),
    Claim(
        "Its looks do, more than all else: with none but the first it is no better than one gradient (POS@20 {} with "
        "MF and {} with the "
        "VAE; {} and {} as it is), with one later look it comes to {} both times, with three to {} and {}.",
        lambda: [
            *unless(ablated("the whole history alone") == ablated("one gradient"), "the first look is not one gradient"),
            *unless(len(set(ablated("one later look"))) == 1, f"one later look: {ablated('one later look')}"),
        ],
        lambda: [
            *ablated("the whole history alone", "lxr-path-rank"),
            ablated("one later look")[0],
            *ablated("three later looks"),
        ],
    ),
    Claim(
        "A path is the better teacher: with leave-one-out or one gradient in its place POS@20 is {} to {}.",
        lambda: unless(max(ablated("lxr-path-rank")) < min(teachers()), f"other teachers: {teachers()}"),
        lambda: [min(teachers()), max(teachers())],
    ),
    Claim("Reading answers instead of gradients gives {} and {}.", numbers=lambda: ablated("answers")),
    Claim(
        "Hardly anything depends on the loss (pairs or positions), on the width from 16 to 512, on random parts of "
        "histories as further "
        "examples, or on the number of training users from 1,000 on: 100 give {} and {}, all {:,} {} and {}",
        lambda: [
            f"{row}, {name}"
            for name in MF_VAE
            for row in HARDLY
            if abs(
                cell(f"ml-1m/path_ablation_{name}", row, "POS@20")
                - cell(f"ml-1m/path_ablation_{name}", "lxr-path-rank", "POS@20")
            )
            > 0.003
        ],
        lambda: [
            *ablated("100 training users"),
            int(cell("ml-1m/data", "training", "users")),
            *ablated("lxr-path-rank"),
        ],
    ),
    Claim("The path of the looks, with nothing learned, has {} and {}.", numbers=lambda: ablated(LOOKS)),
    Claim("Kendall's τ is from {} to {}.", numbers=lambda: points(*kendall(), digits=2)),
]
HARDLY = (
    *("loss of positions", "hidden size 16", "hidden size 512", "1 part of every history", "2 parts of every history"),
    *("1,000 training users", "3,000 training users"),
)


CHANGES = ("item_encoder", "history_encoder", "shuffled data")
NEEDED = (
    *("without the positive term", "without the size term", "history as the only input", "target as the only input"),
    "ReLU",
)


def worse_without(row: str, recommender: str) -> float:
    """Rise of POS@20 with one change to LXR."""
    path = f"ml-1m/ablation_{recommender}"
    return cell(path, row, "POS@20") - cell(path, "lxr", "POS@20")


def teachers() -> list[str]:
    """POS@20 of LXR on paths with other teachers."""
    return ablated("leave-one-out as teacher", "one gradient as teacher")


AUTHORS = [
    Claim(
        "{:.0f} % of the test users have several candidates with a float32 probability of exactly 1,",
        numbers=lambda: [100 * cell("authors-mf/ranking", "mf of the authors", "users with ties at 1")],
    ),
    Claim(
        "It recommends less well than popularity (HR@10 {} and {}),",
        lambda: unless(authors_ranking()[0] < authors_ranking()[1], "it recommends as well as popularity"),
        lambda: points(*authors_ranking()),
    ),
    Claim(
        "LXR is ahead of the similarities and of SHAP over clusters on all six metrics and of LIME on all but DEL (by "
        "POS@20 by {}, 95 % interval {} to {}); ACCENT, "
        "leave-one-out, SPINRec and LXR on paths are ahead of it by POS@20 by {} to {}.",
        lambda: [
            *against_authors("better", (*SIMILARITIES, "shap"), HEADLINE),
            *against_authors("better", ("lime",), ("POS@5", "POS@20", "NDCG", "INS", CDCG)),
            *against_authors("worse", ("lime",), ("DEL",)),
            *against_authors("worse", AHEAD_OF_LXR, ("POS@20",)),
        ],
        lambda: points(*lead_over_lime(), *sorted(rival_gaps())[:: len(rival_gaps()) - 1]),
    ),
    Claim(
        "The order of explainers agrees with the published one as weakly as above: τ is from {} to {}.",
        numbers=lambda: points(*kendall("authors-mf/published_curves"), digits=2),
    ),
]
AHEAD_OF_LXR = ("accent", "leave-one-out", "spinrec", "lxr-path-rank")


def authors_ranking() -> list[float]:
    """HR@10 of the authors' recommender, and of popularity."""
    return [cell("authors-mf/ranking", name, "HR@10") for name in ("mf of the authors", "popularity")]


def against_authors(expected: str, others: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """Verdicts on LXR with the authors' recommender that are not as expected."""
    return of_all(["authors-mf/against_lxr"], "verdict", is_(expected), other=others, metric=metrics)


def lead_over_lime() -> list[float]:
    """Reduction of POS@20 by LXR over LIME, and the interval of this difference, smallest first."""
    row = table("authors-mf/against_lxr").query("metric == 'POS@20' and other == 'lime'").iloc[0]
    return [-row["difference"], -row["high"], -row["low"]]


def rival_gaps() -> list[float]:
    """Reduction of POS@20 by explainers that are ahead of LXR, with the authors' recommender."""
    frame = table("authors-mf/against_lxr").query("metric == 'POS@20' and other in @AHEAD_OF_LXR")
    return frame["difference"].tolist()


PINTEREST = [
    Claim(
        "runs Pinterest from end to end: 37,501 users × {:,} items, MF, all explainers, and {} test users drawn at random.",
        lambda: unless(
            sum(cell("pinterest/data", part, "users") for part in ("training", "validation", "test")) == 37_501, "users"
        ),
        lambda: [
            int(cell("pinterest/data", column, "items" if column == "test" else "users"))
            for column in ("test", "sample of test")
        ],
    ),
    Claim(
        "It takes {} minutes of notebooks, two at a time, most of it for training the LXR family.",
        lambda: unless(minutes("pinterest", "05_*") > minutes("pinterest", "*") / 2, "the LXR family takes less than half"),
        lambda: [minutes("pinterest", "*")],
    ),
    Claim(
        "LXR, with the authors' hyperparameters, is behind the similarities on every metric. It is ahead of SHAP over clusters, "
        "popularity and random order on all metrics but CDCG, and of LIME on POS@20, DEL and INS.",
        lambda: [
            *unlike("behind", "lxr", SIMILARITIES, by="mf", run="pinterest"),
            *unlike("ahead", "lxr", ("shap", "popularity", "random"), on=MOST, by="mf", run="pinterest"),
            *apart("lxr", ("shap", "popularity", "random"), on=CDCG, by="mf", run="pinterest"),
            *unlike("ahead", "lxr", "lime", on=("POS@20", "DEL", "INS"), by="mf", run="pinterest"),
            *apart("lxr", "lime", on=("POS@5", "NDCG", CDCG), by="mf", run="pinterest"),
        ],
    ),
    Claim(
        "No test finds a one-shot method better on any rank metric. Tests find the best one-shot method worse on POS@5, POS@20 "
        "and NDCG",
        lambda: [
            *column_unlike("pinterest/bars_rank_mf", "others better", is_(0)),
            *column_unlike("pinterest/bars_rank_mf", "verdict", is_("better"), metric=("POS@5", "POS@20", "NDCG")),
        ],
    ),
    Claim(
        "`lxr-path-score` and leave-one-out have the same DEL and INS to four digits. `lxr-path-pure-rank` is ahead of "
        "leave-one-out on all five rank metrics.",
        lambda: [
            *column_unlike("pinterest/bars_score_mf", "difference", is_(0.0)),
            *column_unlike("pinterest/bars_pure_mf", LEAVE_ONE_OUT, is_("better")),
        ],
    ),
    Claim(
        "The path of the looks, with nothing learned, is better than `lxr-path-rank` on CDCG.",
        lambda: [
            *column_unlike("pinterest/learned_mf", "verdict", is_("worse"), metric=CDCG, other=LOOKS),
            *column_unlike("pinterest/learned_mf", "verdict", is_(OPEN), metric=RANKS[:4], other=LOOKS),
        ],
    ),
    Claim(
        "All notebooks of MovieLens 1M, with three trainings and three splits, took {:.1f} hours for MF and {:.1f} hours for the VAE.",
        numbers=lambda: [minutes("ml-1m", *stages_of(name)) / 60 for name in MF_VAE],
    ),
]


def user_costs(*sizes: str) -> pd.DataFrame:
    """Milliseconds of a user by stage and explainer, of sizes "items x entries"."""
    return table("scale/users").fillna({"explainer": ""}).set_index(["work", "explainer"])[list(sizes)]


def growth_of_explaining(smaller: str, *, lxr: bool) -> list[float]:
    """Smallest and largest factor of the cost of explaining from a size to the largest one, of LXR or of the others."""
    costs = user_costs(smaller, "1000000 x 100").loc["explaining"]
    factors = (costs["1000000 x 100"] / costs[smaller])[(costs.index == "lxr") == lxr]
    return [factors.min(), factors.max()]


def workers(count: int, column: str) -> list[str]:
    """Smallest and largest value of a column of the table of workers, with this many workers."""
    values = table("scale/workers").query("workers == @count")[column]
    return [f"{value:.2f}" for value in (values.min(), values.max())]


def hours(explainer: str, of: str = "plan") -> float:
    """Hours of the resource that takes longest, in the row of an explainer or of an option."""
    frame = table(f"scale/{of}")
    return float(frame.set_index(frame.columns[0]).loc[explainer].filter(like="[h]").max())


def bottleneck(row: str, of: str = "plan") -> str:
    """Resource that takes longest."""
    return str(cell(f"scale/{of}", row, "bottleneck"))


SCALE = [
    Claim(
        "From the smallest to the largest catalogue, its cost grows by a factor of {}, that of the other explainers by {} to {}.",
        numbers=lambda: [
            f"{factor:.0f}"
            for factor in (
                growth_of_explaining("10000 x 100", lxr=True)[0],
                *growth_of_explaining("10000 x 100", lxr=False),
            )
        ],
    ),
    Claim(
        "Linear growth from the middle catalogue gives only {} to {} of the measured cost of these explainers in the largest one:",
        numbers=lambda: points(*(10 / factor for factor in growth_of_explaining("100000 x 100", lxr=False)[::-1]), digits=2),
    ),
    Claim(
        "Two workers have an efficiency of {} to {}. All processes together take {} to {} times the processor time of a run "
        "without an executor.",
        numbers=lambda: [*workers(2, "efficiency"), *workers(2, "processor time / no executor")],
    ),
    Claim(
        "Leave-one-out takes {} hours, LXR on paths {} hours and LXR {} hours.",
        numbers=lambda: [f"{hours(name):.0f}" for name in ("leave-one-out", "lxr-path-rank", "lxr")],
    ),
]


# The four recommenders of the page on seven, on MovieLens 100K.
FREE, ORDERED = ("ease", "lightgcn"), ("sasrec", "gru4rec")
FOUR, ON_100K = (*FREE, *ORDERED), {"run": "ml-100k"}
ON_RANKS = ("POS@5", "POS@20", "NDCG")


def next_item(name: str, others: Sequence[str], metric: str, expected: str) -> Iterator[str]:
    """Intervals of the difference of two recommenders on the newest item that do not say ``"ahead"`` or ``"open"``."""
    frame = table("recommenders/next_item").set_index(["recommender", "other", "metric"])
    for other in others:
        low, high = frame.loc[(name, other, metric), ["low", "high"]]
        found = "ahead" if low > 0 else "behind" if high < 0 else "open"
        yield from unless(found == expected, f"{name} is {found} of {other} on {metric}")


def shares(column: str, *names: str) -> list[str]:
    """Entries of the table of ranking quality, as prose writes them."""
    return points(*(cell("recommenders/ranking", name, column) for name in names))


SEVEN = [
    Claim(
        "On the newest item GRU4Rec is ahead of all five others and of popularity, on HR@10 and NDCG@10 (HR@10 {}; MF {}).",
        lambda: [
            problem
            for metric in ("HR@10", "NDCG@10")
            for problem in next_item("gru4rec", ("popularity", "mf", "vae", "ncf", *FREE), metric, "ahead")
        ],
        numbers=lambda: shares("newest item, HR@10", "gru4rec", "mf"),
    ),
    Claim(
        "SASRec is ahead of popularity on both, and of MF on NDCG@10 ({} and {}); on HR@10 its interval of the difference to MF contains 0.",
        lambda: [
            *next_item("sasrec", ("popularity",), "HR@10", "ahead"),
            *next_item("sasrec", ("popularity", "mf"), "NDCG@10", "ahead"),
            *next_item("sasrec", ("mf",), "HR@10", "open"),
        ],
        numbers=lambda: shares("newest item, NDCG@10", "sasrec", "mf"),
    ),
    Claim(
        "On a random item those without an order are ahead: EASE has an HR@10 of {}, GRU4Rec {}, popularity {}.",
        numbers=lambda: shares("random item, HR@10", "ease", "gru4rec", "popularity"),
    ),
    Claim(
        "The gradient at the whole history has a rank correlation of {} with it for SASRec and {} for GRU4Rec.",
        numbers=lambda: points(
            *(cell(f"ml-100k/order_{name}", "gradient", "ρ with leave-one-out") for name in ORDERED), digits=2
        ),
    ),
    Claim(
        "LXR on paths is ahead of LXR on POS@5, NDCG and DEL with all four recommenders.",
        lambda: unlike("ahead", "lxr-path-rank", "lxr", on=("POS@5", "NDCG", "DEL"), by=FOUR, **ON_100K),
    ),
    Claim(
        "It is ahead of leave-one-out on NDCG with all four, and behind it on INS.",
        lambda: [
            *unlike("ahead", "lxr-path-rank", "leave-one-out", on="NDCG", by=FOUR, **ON_100K),
            *unlike("behind", "lxr-path-rank", "leave-one-out", on="INS", by=FOUR, **ON_100K),
        ],
    ),
    Claim(
        "With EASE and LightGCN, as with MF and VAE, LXR is ahead of SHAP over clusters on POS, NDCG, DEL and INS, and behind "
        "leave-one-out on all six metrics.",
        lambda: [
            *unlike("ahead", "lxr", "shap", on=MOST, by=(*FREE, *MF_VAE), **ON_100K),
            *unlike("behind", "lxr", "leave-one-out", by=(*FREE, *MF_VAE), **ON_100K),
        ],
    ),
    Claim(
        "With SASRec and GRU4Rec one look at the whole history is not enough: no test finds leave-one-out or the gradient ahead of "
        "the newest entries first on POS, NDCG and DEL. With SASRec the newest entries first are even ahead of LXR on POS and NDCG.",
        lambda: (
            [
                problem
                for name in ORDERED
                for other in ("leave-one-out", "gradient")
                for metric in MOST[:4]
                for problem in unless(
                    verdict("ml-100k", name, other, "recent", metric) != "ahead",
                    f"{name}, {metric}: {other} is ahead of recent",
                )
            ]
            + [*unlike("ahead", "recent", "lxr", on=ON_RANKS, by="sasrec", **ON_100K)]
        ),
    ),
    Claim(
        "With SASRec LXR on paths is not the end: integrated gradients, and SPINRec that explains ranks, are ahead of it on POS, NDCG "
        "and DEL. With GRU4Rec, a test finds SPINRec ahead of it on POS@5.",
        lambda: [
            *unlike("ahead", "integrated-gradients", "lxr-path-rank", on=MOST[:4], by="sasrec", **ON_100K),
            *unlike("ahead", "spinrec-rank", "lxr-path-rank", on=MOST[:4], by="sasrec", **ON_100K),
            *unlike("ahead", "spinrec-rank", "lxr-path-rank", on="POS@5", by="gru4rec", **ON_100K),
        ],
    ),
]


def stages_of(recommender: str) -> list[str]:
    """Stages of a recommender in the run of MovieLens 1M, without those of the older ablations."""
    return [name for name in record("ml-1m")["stages"] if name.endswith(recommender) and "ablation" not in name]


CLAIMS = [*GLANCE, *WHO_WINS, *WHO_WINS_100K, *SETS_1M, *PATHS, *HOW_SURE, *AUTHORS, *PINTEREST, *SCALE, *SEVEN]

# A sentence, and the command that its page names and that prints its figures; the output is not committed.
MEASURED = {
    "The defaults are better except in one row: with NCF on MovieLens 100K the published values are better. On `amazon` the "
    "published hyperparameters are no better than a random order. There the first epoch is the best:": (
        "python benchmarks/defaults.py"
    ),
    "the view updates within 31 ms (MF) and 60 ms (VAE) of clicking a recommendation, and within 7 ms of leaving an item out.": (
        "notebooks/examples/explore.ipynb"
    ),
    "Its tolerance is about twice the largest difference that this command finds": "python run_all.py --verify",
    "for the 1,208 test users of MovieLens 1M is one pass over 41,635 distinct masked "
    "histories.": "python benchmarks/fidelity.py",
    "LXR on paths takes 21 s to train with MF and 37 s with the VAE, paths included. It then explains the 1,208 test users of "
    "MovieLens 1M in 0.7 and 1.6 s. `lxr-path-pure-rank` takes 22 and 32 s to train, and 0.3 and 0.4 s to explain": (
        "python benchmarks/explainers.py --users 1208"
    ),
    "Integrated gradients take 1.7 times the time of their bare passes with MF, and 1.0 times with the VAE. SPINRec takes 1.9 and "
    "1.3 times": "python benchmarks/explainers.py --users 300",
    "Preparation takes 40 bytes a row of users and items, and 55 with ratings and times, in addition to the ratings frame (5.1 million "
    "generated rows).": "benchmarks/scale.py",
    "and the highest memory of the process.": "benchmarks/scale.py",
    "Its preparation took 14 seconds of one processor and 2.3 GB, and one epoch of MF took 375 seconds and 2.5 GB.": (
        "benchmarks/scale.py"
    ),
    "Time falls by up to 1.7 times, and not at all for the VAE, whose layers are wide.": "benchmarks/scale.py --judge",
    "compares each explainer with its reference implementation in `tests/oracles/`, which asks the recommender about one history at a "
    "time. The reference runs on one user and is extrapolated to 100 test users of MovieLens 1M.": "benchmarks/explainers.py",
}

DEFINITIONS = [
    # The metrics and marks of a table
    "**Bold** is the best, † has no significant difference to it.",
    "is the recommended item still among the first 5 or 20 (POS), what are its NDCG, 1 / log₂(1 + rank),",
    "These are means over eleven steps, with 0 %, 10 %, …, 100 % of the history removed",
    "means over eleven steps of removing 0 %, 10 %, …, 100 % of the history;",
    "↓ lower is better, ↑ higher",
    "**Bold** is the best of a column, † marks no significant difference to it (paired sign-flip test over "
    "users, Holm's correction over all pairs, 5 %). 95 % intervals are in",
    "the versions, seeds and parameters behind every number",
    "with 95 % intervals",
    '"No significant difference" means that a test did not find one.',
    "tests whether a difference is less than a stated margin.",
    "the better.*",
    "against the seconds that it takes for 1,000 users, VAE, MovieLens 1M",
    "the interval of the AUC reaches down to 0.5.",
    # What was run
    "with up to 20 trials each",
    "the margins over 5, 10, 20, 50 and 100 rivals;",
    "that of the best other method by this metric (picked on the test users, which favours it)",
    "less this mean, below 0 where `lxr-path-rank` is ahead. `others better` counts all methods that a paired test "
    "finds better,",
    "share of the way from the best other to a path that is covered: above 1 is beyond the path, empty where the path "
    "itself is not "
    "ahead of the best other. `deletion path` is the plain one, of the margin over 50 rivals,",
    "is placed between a random order (0) and a greedy search that asks the recommender about every item after every "
    "step and knows by "
    "which metric it is judged (1), on 200 test users:",
    "MF on MovieLens 1M, 60 test users, LXR trained for five epochs:",
    "trains recommender and explainers twice more on the same split. MF on MovieLens 1M, mean and standard deviation "
    "over the three "
    "trainings, and half the 95 % interval over users, which is about two standard errors.",
    "weighed by .00055 to .0055.",
    "generates histories of 50 items on average, 37 after repeated pairs are dropped.",
    "trains MF of 64 factors with sampled negatives and LXR for one epoch, and explains and judges 200 users.",
    "a third size of 1,000,000 users and 100,000 items follows.",
    "The service has 100,000,000 users, 1,000,000 items and histories of 100 entries. Its run has 10 machines of 16 cores, and "
    "shards of 256 users. *Machines* is the number that needs 24 hours of processors:",
    "Times are divided by those without an executor",
    # How the software behaves
    "a position between a random order (0) and leave-one-out (1)",
    "to it is 1.0 everywhere.",
    # Concepts
    "which saturate: many items then have a probability of 1.",
    "figures then show them on a scale from 0 to 1.",
    "the frozen recommender is asked twice:",
    "Curve metrics are means over eleven steps: 0 %, 10 %, …, 100 % of the history removed, or kept for `INS`.",
    "Steps 0 and 10 are the same",
    "Every mean has a 95 % bootstrap interval over users (BCa).",
    "places an explainer between a random order (0) and a greedy search (1).",
    "Nothing is reported as the best of several runs.",
    # Where data come from
    "The ratings of MovieLens 1M behind `ml-1m/` are a restored copy",
    "the ids of 76 very rarely rated movies are best guesses.",
]
