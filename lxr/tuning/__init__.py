"""Level 7: tuning of hyperparameters on validation users with Optuna (extra ``tuning``): subjects, studies, records.

Example:
    >>> import lxr
    >>> matrix = lxr.load_dataset("synthetic").matrix
    >>> model = lxr.Popularity(matrix[:400])
    >>> tuning = lxr.tuning.ExplainerTuning("shap", model, matrix[:400], matrix[400:500])
    >>> tuning.space, tuning.metric, lxr.tuning.Budget().trials
    ({'n_clusters': [2, 4, 6, 8, 10, 12]}, 'POS@20', 20)
"""

from lxr.tuning.journals import open_study
from lxr.tuning.records import load_tuned, trial_table, tuning_record
from lxr.tuning.studies import Budget, study_key, tune
from lxr.tuning.subjects import ExplainerTuning, RecommenderTuning, Tuning

__all__ = [
    "Budget",
    "ExplainerTuning",
    "RecommenderTuning",
    "Tuning",
    "load_tuned",
    "open_study",
    "study_key",
    "trial_table",
    "tune",
    "tuning_record",
]
