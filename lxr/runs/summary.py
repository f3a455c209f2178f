"""Summaries of a run: table of stages, times, main tables, the report, and ``run.json`` with its provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lxr.reporting.formats import with_directions
from lxr.runs.data_source import READERS
from lxr.runs.pipeline import Outcome, Pipeline
from lxr.runs.stage import Stage
from lxr.runs.terminal import coloured
from lxr.runs.workspace import PREPARATION, Workspace
from lxr.utils.environment import environment
from lxr.utils.records import read_json, write_json

SUMMARY = "summary"
RAW_PATHS = ("data_dir", *READERS)


def stage_table(pipeline: Pipeline) -> str:
    """Every stage of a pipeline: its state, the seconds of its last run, and the reason why it must run."""
    width = max(map(len, ["stage", *pipeline.by_name]))
    rows, states = [f"{'stage':<{width}}  state    seconds  why it has to run"], []
    for stage in pipeline.stages:
        state, reason = pipeline.state(stage)
        states.append(state)
        seconds = (stage.record(pipeline.root) or {}).get("seconds", "")
        rows.append(f"{stage.name:<{width}}  {coloured(f'{state:<7}')}  {seconds:>7}  {reason}".rstrip())
    return "\n".join([*rows, count(states, ("done", "stale", "missing"))])


def time_table(outcomes: Mapping[str, Outcome]) -> str:
    """Durations of the stages that ran."""
    ran = {name: outcome for name, outcome in outcomes.items() if outcome.seconds}
    width = max(map(len, ran), default=0)
    return "\n".join(
        f"  {name:<{width}}  {outcome.seconds:8.1f} s" + f"  {coloured('failed')}" * (outcome.state == "failed")
        for name, outcome in ran.items()
    )


def main_tables(root: Path, recommenders: Sequence[str]) -> str:
    """Headline metrics of every explainer, from the tables of the evaluation."""
    parts = []
    for recommender in recommenders:
        table = with_directions(pd.read_csv(root / headline(recommender), index_col=0))
        parts.append(f"{recommender}\n{table.to_string(float_format='{:.3f}'.format)}")
    return "\n\n".join(parts)


def headline(recommender: str) -> str:
    """Path of the headline table of a run."""
    return f"tables/headline_{recommender}.csv"


def count(states: Sequence[str], kinds: Sequence[str]) -> str:
    """Count the stages in some states."""
    return ", ".join(f"{states.count(kind)} {kind}" for kind in kinds)


def add_summary(stages: Sequence[Stage], dataset: str, recommenders: Sequence[str]) -> list[Stage]:
    """The stages of a whole run, and a last one that writes ``report.html`` and ``run.json``."""
    parameters = {"report": stages[-1].name, "title": f"LXR on {dataset}", "recommenders": list(recommenders)}
    return [*stages, Stage(SUMMARY, None, parameters, tuple(stage.name for stage in stages), action=_summarize)]


def _summarize(pipeline: Pipeline, workspace: Workspace, report: str, title: str, recommenders: Sequence[str]) -> None:
    """Action of the last stage of a run: write its report and its provenance.

    Args:
        pipeline: the pipeline; all other stages are done.
        workspace: workspace of this stage.
        report: name of the stage whose executed notebook becomes the page.
        title: title of the page.
        recommenders: recommenders of the headline tables that are printed after this stage and so are inputs of it.
    """
    for recommender in recommenders:
        workspace.input(headline(recommender))
    records = {}
    for stage in pipeline.stages:
        if stage.name != workspace.name:
            path = workspace.input(stage.path(Path(), "stages", "json").as_posix())
            records[stage.name] = read_json(path) or {}
    write_json(provenance(workspace.root, records, pipeline.threads), workspace.output("run.json"))
    from lxr.reporting.html import export_html  # it needs an extra, which a plan of stages does not

    executed = pipeline.by_name[report].path(Path(), "notebooks", "ipynb").as_posix()
    export_html(workspace.input(executed), workspace.output("report.html"), title)
    workspace.finish()


def provenance(root: Path, records: Mapping[str, dict], threads: int) -> dict:
    """The command's parameters, versions, machine, data and durations, without paths.

    Args:
        root: directory of the run. Its ``run.json`` may list stages of other commands, if their records still exist.
        records: name of each stage → its record.
        threads: number of threads of each notebook.
    """
    previous = (read_json(root / "run.json") or {}).get("stages", {})
    previous = {
        name: record for name, record in previous.items() if Stage(name, None, {}).path(root, "stages", "json").is_file()
    }
    return {
        "environment": environment() | {"threads_per_notebook": threads},
        "data": {Path(path).name: digest for path, digest in records[PREPARATION]["sources"].items()},
        "stages": previous
        | {
            name: {
                # Without paths; the names and checksums of files are in "data".
                "parameters": {key: value for key, value in record["parameters"].items() if key not in RAW_PATHS},
                "commit": record["environment"]["commit"],
                "seconds": record["seconds"],
            }
            for name, record in records.items()
        },
    }
