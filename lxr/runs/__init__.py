"""Level 10: notebooks as stages of a run, files of a run, verification and summaries.

:class:`RunOptions` has the options of ``python run_all.py``, :func:`plan_stages` turns them into stages, and
:class:`Pipeline` runs the stages. A notebook finds its files with its :class:`Workspace`.
"""

from lxr.runs.options import OptionError, RunOptions
from lxr.runs.pipeline import Outcome, Pipeline
from lxr.runs.plugins import load_plugin
from lxr.runs.stage import Stage
from lxr.runs.stages import plan_stages
from lxr.runs.workspace import Workspace, stage_parameters

__all__ = [
    "OptionError",
    "Outcome",
    "Pipeline",
    "RunOptions",
    "Stage",
    "Workspace",
    "load_plugin",
    "plan_stages",
    "stage_parameters",
]
