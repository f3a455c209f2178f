"""What is told of a run: its stages before it, times, tables and paths at its end, and ``run.json``, its provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from lxr.pipeline import Outcome, Pipeline, Stage
from lxr.terminal import coloured
from lxr.workspace import PREPARATION, environment, read_json, write_json

RAW_PLACES = ("data_dir", "ratings_file")


def stage_table(pipeline: Pipeline) -> str:
    """Every stage of a pipeline: its state, the seconds that it took the last time, and why it has to run."""
    width = max(map(len, ["stage", *pipeline.by_name]))
    rows, states = [f"{'stage':<{width}}  state    seconds  why it has to run"], []
    for stage in pipeline.stages:
        state, reason = pipeline.state(stage)
        states.append(state)
        seconds = (stage.record(pipeline.root) or {}).get("seconds", "")
        rows.append(f"{stage.name:<{width}}  {coloured(f'{state:<7}')}  {seconds:>7}  {reason}".rstrip())
    return "\n".join([*rows, count(states, ("done", "stale", "missing"))])


def time_table(outcomes: Mapping[str, Outcome]) -> str:
    """How long each stage took that ran."""
    ran = {name: outcome for name, outcome in outcomes.items() if outcome.seconds}
    width = max(map(len, ran), default=0)
    return "\n".join(
        f"  {name:<{width}}  {outcome.seconds:8.1f} s" + f"  {coloured('failed')}" * (outcome.state == "failed")
        for name, outcome in ran.items()
    )


def main_tables(root: Path, recommenders: Sequence[str]) -> str:
    """The headline metrics of every explainer, from the tables that the evaluation has written."""
    parts = []
    for recommender in recommenders:
        path = root / "tables" / f"headline_{recommender}.csv"
        if path.is_file():
            parts.append(f"{recommender}\n{pd.read_csv(path, index_col=0).to_string(float_format='{:.3f}'.format)}")
    return "\n\n".join(parts)


def count(states: Sequence[str], kinds: Sequence[str]) -> str:
    """How many stages are in each of some states."""
    return ", ".join(f"{states.count(kind)} {kind}" for kind in kinds)


def write_run(root: Path, stages: Sequence[Stage], threads: int) -> None:
    """Leave ``run.json`` beside the tables: the command's parameters, versions, machine, data and durations."""
    records = {stage.name: stage.record(root) for stage in stages}
    data = records[PREPARATION]["sources"]
    # A run of some stages keeps the records of the others, as far as they are still there.
    previous = (read_json(root / "run.json") or {}).get("stages", {})
    previous = {
        name: record for name, record in previous.items() if Stage(name, root, {}).path(root, "stages", "json").is_file()
    }
    run = {
        "environment": environment() | {"threads_per_notebook": threads},
        "data": {Path(path).name: digest for path, digest in data.items()},
        "stages": previous
        | {
            name: {
                # Without paths; the names and checksums of files are in "data".
                "parameters": {key: value for key, value in record["parameters"].items() if key not in RAW_PLACES},
                "commit": record["environment"]["commit"],
                "seconds": record["seconds"],
            }
            for name, record in records.items()
        },
    }
    write_json(run, root / "run.json")
