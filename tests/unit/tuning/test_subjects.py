"""Tuning of recommenders and explainers, on toys."""

from dataclasses import asdict

import numpy as np
import pytest
import scipy.sparse as sp
from toy_studies import states

import lxr
from lxr.explainers.learned.lxr_settings import VARIANTS, published_settings, search_space
from lxr.recommenders.training import FIT_SPACE
from lxr.tuning.records import tuning_record
from lxr.tuning.spaces import distributions, points_inside
from lxr.tuning.studies import study_key
from lxr.tuning.subjects import digest

# --- recommenders and explainers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", lxr.RECOMMENDERS)
def test_a_recommender_is_tuned_on_validation_users(journal, planted, name):
    fixed = {"epochs": 3} | ({"n_hidden": 8, "n_latent": 4, "anneal_steps": 5} if name == "vae" else {})
    planted = [lxr.EntryLists.of_matrix(matrix) for matrix in planted]
    task = lxr.tuning.RecommenderTuning(name, *planted, fixed=fixed, dataset="toy", seed=3)
    steps = {} if name == "ease" else FIT_SPACE  # a closed form has no steps
    assert task.space.keys() == (lxr.RECOMMENDERS[name].search_space | steps).keys() - fixed.keys()
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(3))
    record = tuning_record(study, task)
    options = fixed | record["options"]
    fitting = {option: options.pop(option) for option in ("epochs", *steps)}
    model = lxr.RECOMMENDERS[name](20, **options, seed=3)
    training = lxr.fit(model, *planted, seed=3, **fitting)
    assert record["value"] == round(training["NDCG@100"].max(), 5)
    assert record["metric"] == "NDCG@100" and record["users"] == 40
    assert study.direction.name == "MAXIMIZE"
    assert all(trial.intermediate_values for trial in study.trials)


def test_a_recommender_may_be_tuned_by_another_metric(journal, planted):
    task = lxr.tuning.RecommenderTuning("mf", *planted, metric="HR@10", fixed={"epochs": 2})
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(2))
    options = {**study.best_trial.user_attrs["options"]}
    model = lxr.MF(20, n_factors=options.pop("n_factors"), dropout=options.pop("dropout"))
    lxr.fit(model, *planted, epochs=2, **options)
    assert study.best_value == lxr.rank_quality(model, planted[1])["HR@10"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fixed", "metric"),
    [
        ("lime", {"n_samples": 30}, "POS@5"),
        ("spinrec", {"n_steps": 3}, "NDCG"),
        ("accent", {}, "INS"),
        ("lxr", {"epochs": 2, "hidden_size": 8}, "POS@5"),
        ("lxr-neg", {"epochs": 2, "hidden_size": 8}, "CDCG@Ke=2"),
    ],
)
def test_an_explainer_is_tuned_on_validation_users(journal, planted, model, name, fixed, metric):
    task = lxr.tuning.ExplainerTuning(name, model, *planted, metric=metric, fixed=fixed, dataset="toy", seed=3)
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(3))
    options = fixed | tuning_record(study, task)["options"]
    if lxr.EXPLAINERS[name].is_trained:
        options |= {"criterion": metric}
    explainer = lxr.EXPLAINERS[name](model, *planted, seed=3, **options)
    assert study.best_value == lxr.explainers.mean_fidelity(explainer, planted[1], metric=metric)
    assert study.direction.name == ("MAXIMIZE" if metric == "INS" else "MINIMIZE")
    assert bool(study.trials[0].intermediate_values) == lxr.EXPLAINERS[name].is_trained


@pytest.mark.slow
def test_two_processes_tune_an_explainer_and_a_recommender(tmp_path, planted, trained):
    model = trained
    explainer = lxr.EXPLAINERS["lxr"](model, *planted, epochs=1, hidden_size=8)
    tasks = {
        "recommender": lxr.tuning.RecommenderTuning("mf", *planted, fixed={"epochs": 2}),
        "lime": lxr.tuning.ExplainerTuning("lime", model, *planted),
        "refined": lxr.tuning.ExplainerTuning("lxr-refined", model, *planted, given={"explainer": explainer}),
    }
    for name, task in tasks.items():
        study = lxr.tuning.tune(task, tmp_path / f"{name}.journal", lxr.tuning.Budget(3, workers=2))
        assert states(study) == ["complete"] * 3


def test_a_trained_explainer_can_be_given(journal, planted, model):
    explainer = lxr.EXPLAINERS["lxr"](model, *planted, epochs=1, hidden_size=8)
    task = lxr.tuning.ExplainerTuning("lxr-refined", model, *planted, given={"explainer": explainer})
    study = lxr.tuning.tune(task, journal, lxr.tuning.Budget(2))
    refined = lxr.explainers.RefinedLXR(explainer, **study.best_trial.user_attrs["options"])
    assert study.best_value == lxr.explainers.mean_fidelity(refined, planted[1])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cosine", {}, "name: expected an explainer with options to tune, found 'cosine'"),
        ("nothing", {}, "unknown explainer 'nothing'"),
        ("lime", {"metric": "nonsense"}, "unknown metric 'nonsense'"),
        ("lime", {"metric": "POS@0"}, "unknown metric 'POS@0'"),
        ("lxr", {"fixed": {"epoch": 1}}, "fixed: unknown option 'epoch', expected some of lambda_pos"),
        ("lime", {"start": {"n_smaples": 1}}, "start: unknown option 'n_smaples', expected some of n_samples"),
    ],
)
def test_what_cannot_be_tuned_is_refused(planted, model, name, options, message):
    with pytest.raises(ValueError, match=message):
        lxr.tuning.ExplainerTuning(name, model, *planted, **options)


@pytest.mark.parametrize("metric", ["MPR", "HR@11", "POS@20"])
def test_recommenders_are_tuned_by_what_is_better_higher(planted, metric):
    with pytest.raises(ValueError, match=f"metric: expected one of NDCG@100, HR@10, .*found '{metric}'"):
        lxr.tuning.RecommenderTuning("mf", *planted, metric=metric)
    with pytest.raises(ValueError, match="fixed: unknown option 'n_hidden'"):
        lxr.tuning.RecommenderTuning("mf", *planted, fixed={"n_hidden": 3})


def test_recommenders_without_weights_are_told_apart_by_their_scores(planted):
    models = [lxr.wrap(lambda x, k=k: x * k, 20, "sigmoid") for k in (1.0, 1.0, 2.0)]
    keys = [study_key(lxr.tuning.ExplainerTuning("accent", model, *planted)) for model in models]
    assert keys[0] == keys[1] != keys[2]


def test_studies_know_their_data_and_recommender(planted):
    first, second = lxr.MF(20, n_factors=4), lxr.MF(20, n_factors=4, seed=1)
    keys = [
        study_key(lxr.tuning.ExplainerTuning("rank-margin", model, train, planted[1], metric=metric, dataset=dataset))
        for model, train, metric, dataset in [
            (first, planted[0], "NDCG", "toy"),
            (second, planted[0], "NDCG", "toy"),
            (first, planted[0][:-1], "NDCG", "toy"),
            (first, planted[0], "DEL", "toy"),
            (first, planted[0], "NDCG", "other"),
        ]
    ]
    assert len(set(keys)) == 5
    assert digest([np.arange(3)]) == digest([np.arange(3)]) != digest([np.arange(4)])


def test_whatever_has_an_objective_may_choose_it():
    specs = {name: spec for name, spec in lxr.EXPLAINERS.items() if spec.family in ("perturbation", "surrogate", "gradient")}
    choosing = {name for name, spec in specs.items() if "objective" in spec.search_space}
    assert choosing == {"lime", "lire", "shap-items", "leave-one-out", "gradient", "integrated-gradients", "spinrec"}
    assert all(specs[name].search_space["objective"] == list(lxr.OBJECTIVES) for name in choosing)
    assert min(lxr.EXPLAINERS["lire"].search_space["n_neighbours"]) == 1


def test_what_lxr_on_paths_may_choose_has_an_effect():
    spaces = {name: spec.search_space for name, spec in lxr.EXPLAINERS.items() if spec.family == "lxr-path"}
    assert all(spaces.values())
    assert {name for name, space in spaces.items() if "tau" in space} == {"lxr-path-rank", "lxr-path-pure-rank"}
    assert {name for name, space in spaces.items() if "places" in space} == {"lxr-path-rank", "lxr-path-score"}


def test_nothing_is_pruned_in_the_first_two_thirds_of_its_epochs(planted, model):
    long = lxr.tuning.ExplainerTuning("lxr", model, *planted, fixed={"epochs": 40})
    short = lxr.tuning.ExplainerTuning("lxr-path-rank", model, *planted, start={"epochs": 12})
    assert (long.warmup, short.warmup, lxr.tuning.ExplainerTuning("lime", model, *planted).warmup) == (26, 10, 10)


@pytest.mark.parametrize("recommender", ["mf", "vae"])
def test_hyperparameters_that_were_found_before_are_still_options(recommender, planted):
    model, found = lxr.MF(20, n_factors=2), lxr.tuning.load_tuned("ml-100k", recommender)
    explainers = found.keys() - {"recommender"}
    assert {"lime", "lire", "spinrec"} < explainers
    for name in explainers:
        assert found[name]["options"].keys() <= lxr.EXPLAINERS[name].defaults(model, planted[0]).keys(), name
    for name in ("lime", "lire", "spinrec", "integrated-gradients"):  # lire without a neighbour among them
        lxr.EXPLAINERS[name](model, planted[0], **found[name]["options"])


@pytest.mark.parametrize("name", [name for name in lxr.EXPLAINERS if lxr.EXPLAINERS[name].search_space])
def test_search_spaces_fit_what_they_are_of(name, planted):
    model, make = lxr.MF(101, n_factors=4), lxr.EXPLAINERS[name]
    assert distributions(make.search_space).keys() == make.search_space.keys()
    defaults = make.defaults(model, sp.csr_matrix(np.eye(101)[:40]))
    assert make.search_space.keys() <= defaults.keys()
    assert points_inside(defaults, make.search_space).keys() == make.search_space.keys()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_search_space_of_lxr_has_all_published_settings_inside(variant):
    space = search_space(variant)
    for dataset in ("ml-1m", "yahoo-music", "pinterest"):
        for recommender in ("mf", "vae"):
            published = asdict(published_settings(dataset, recommender, variant))
            assert points_inside(published, space).keys() == space.keys()
