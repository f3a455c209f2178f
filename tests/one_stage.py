"""Run one stage of a run, and all that it needs: `python tests/one_stage.py STAGE …`, with the options of `run_all.py`."""

import sys

from lxr.runs import Pipeline, cli, plan_stages


def main(last: str, arguments: list[str]) -> None:
    """Run the stage; exit with 1 if any fails."""
    options = cli.parse(arguments)
    stages, needed = plan_stages(options), {last}
    for stage in reversed(stages):
        if stage.name in needed:
            needed.update(stage.needs)
    outcomes = Pipeline([stage for stage in stages if stage.name in needed], options.root, jobs=options.jobs).run()
    failed = [outcome.detail for outcome in outcomes.values() if outcome.state == "failed"]
    if failed or last not in outcomes:
        sys.exit(failed[0] if failed else f"no stage {last}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
