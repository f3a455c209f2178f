"""Source of a run's data: options for files, later commands, the dry run."""

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest

import lxr
from lxr.runs import cli
from lxr.runs.pipeline import Pipeline
from lxr.runs.stage import NOTEBOOKS
from lxr.runs.stages import build_stages, plan_stages
from lxr.runs.summary import provenance
from lxr.runs.workspace import PREPARATION


@pytest.fixture
def shop(tmp_path) -> Path:
    """A directory with a file of ratings, and another of titles: 12 users, of whom one likes a single item."""
    rows = [(f"u{user}", f"i{user % 4 + item}", 3 + item) for user in range(11) for item in range(3)]
    rows += [("poor", "i0", 5), ("u0", "i0", 3)]
    pd.DataFrame(rows, columns=["customer", "item", "stars"]).to_csv(tmp_path / "shop.csv.gz", index=False)
    pd.DataFrame({"item": [f"i{item}" for item in range(6)], "name": "Thing"}).to_csv(tmp_path / "items.csv", index=False)
    return tmp_path


def command(shop: Path, *more: str) -> list[str]:
    """A command line that names the file and its columns."""
    options = ["--ratings", str(shop / "shop.csv.gz"), "--user-column", "customer", "--rating-column", "stars"]
    options += ["--repeats", "last"]
    return [*options, "--results", str(shop / "results"), "--recommenders", "mf", *more]


def preparation(arguments: list[str]) -> dict:
    """Parameters of the first notebook of a command."""
    return build_stages(cli.parse(arguments))[0].parameters


def test_a_file_and_its_rule_reach_the_notebook(shop):
    items = ["--items", str(shop / "items.csv"), "--title-column", "name", "--min-users-per-item", "1"]
    told = preparation(command(shop, "--min-rating", "4", *items))
    assert told["dataset"] == "shop" and "data_dir" not in told
    assert told["ratings_file"] == {
        "path": str(shop / "shop.csv.gz"),
        "items_path": str(shop / "items.csv"),
        "user_column": "customer",
        "rating_column": "stars",
        "title_column": "name",
    }
    assert (told["min_rating"], told["min_items_per_user"], told["min_users_per_item"]) == (4, 2, 1)
    assert preparation(command(shop, "--min-rating", "4", "--dataset", "my own"))["dataset"] == "my own"


def test_repeats_and_times_reach_the_notebook(shop):
    told = preparation(command(shop, "--min-rating", "4", "--repeats", "sum", "--time-column", "when"))
    assert told["repeats"] == "sum" and told["ratings_file"]["timestamp_column"] == "when"
    assert told == preparation(command(shop, "--min-rating", "4", "--repeats", "sum", "--timestamp-column", "when"))
    assert preparation(["--ratings", str(shop / "shop.csv.gz"), "--min-rating", "4"])["repeats"] is None


def test_plays_of_a_log_without_ratings_can_be_counted(shop):
    kept = ["--ratings", str(shop / "shop.csv.gz"), "--implicit", "--repeats", "keep"]
    assert preparation(kept)["repeats"] == "keep"
    told = preparation(["--ratings", str(shop / "shop.csv.gz"), "--implicit", "--repeats", "sum", "--min-rating", "3"])
    assert (told["ratings_file"]["rating_column"], told["repeats"], told["min_rating"]) == (None, "sum", 3)


def test_a_dry_run_says_the_dialect_and_who_is_left_out(tmp_path, capsys):
    rows = [(user, item, "4,5") for user in range(8) for item in range(5) if (user + item) % 3]
    rows += [(user, item, 5) for user in ("all", "all too") for item in range(5)]
    content = "user;item;rating\n" + "".join(";".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "SHOP.CSV").write_text(content)
    arguments = ["--ratings", str(tmp_path / "SHOP.CSV"), "--min-rating", "4", "--results", str(tmp_path), "--dry-run"]
    with pytest.warns(UserWarning, match="left out"):
        assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"dialect of {tmp_path / 'SHOP.CSV'}: separator ';', decimal ','" in lines
    assert "left out because they have all items: 2 users ('all', 'all too')" in lines
    (tmp_path / "small.csv").write_text("user,item,rating\na,1,5\na,2,5\nb,1,5\nb,2,5\n")
    arguments[1] = str(tmp_path / "small.csv")
    assert cli.main(arguments) == 1
    assert "nothing is left to recommend to 2 users ('a', 'b') of 2, who have every item" in capsys.readouterr().err


def test_without_ratings_every_row_counts(shop):
    told = preparation(["--ratings", str(shop / "shop.csv.gz"), "--implicit"])
    assert told["ratings_file"] == {"path": str(shop / "shop.csv.gz"), "rating_column": None}
    assert told["min_rating"] == 1


def test_a_file_of_ones_own_is_a_full_run_of_an_unknown_dataset(shop):
    stages = build_stages(cli.parse(command(shop, "--min-rating", "4")))
    usual = build_stages(cli.parse(["--dataset", "yahoo-music", "--recommenders", "mf"]))
    assert [stage.name for stage in stages] == [stage.name for stage in usual]
    places = {"dataset", "results"}
    for stage, other in zip(stages[1:-1], usual[1:-1], strict=True):
        assert {name for name, value in stage.parameters.items() if value != other.parameters[name]} <= places
    assert lxr.explainers.published_settings("shop", "mf") == lxr.explainers.published_settings("ml-1m", "mf")


def test_a_sequence_file_reaches_the_notebook_and_keeps_all(tmp_path, capsys):
    lines = [f"{user} {user % 5} {user % 5 + 1} {user % 7} 8" for user in range(20)]
    (tmp_path / "Visits.txt").write_text("\n".join(lines) + "\n21 99\n")
    first = ["--sequences", str(tmp_path / "Visits.txt"), "--results", str(tmp_path / "results")]
    told = preparation(first)
    assert (told["dataset"], told["sequences_file"]) == ("Visits", {"path": str(tmp_path / "Visits.txt")})
    rule = {"min_rating": 1, "min_items_per_user": 2, "min_users_per_item": 1, "repeats": "keep"}
    assert {name: told[name] for name in rule} == rule and "ratings_file" not in told
    more = preparation([*first, "--min-users-per-item", "3", "--repeats", "last"])
    assert (more["min_users_per_item"], more["repeats"]) == (3, "last")
    assert cli.main([*first, "--dry-run"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == "81 rows, 0 of them duplicates"
    rows = {row.split()[0]: row.split()[1:4] for row in shown[4:]}
    assert rows["ratings"] == ["21", "9", "81"]  # users, items, interactions; then without the user of one item
    assert rows["kept"][:2] == ["20", "8"]
    assert not any("order" in row for row in shown)
    record(tmp_path / "results" / "Visits", told)
    assert preparation(["--dataset", "Visits", "--results", str(tmp_path / "results")]) == told
    (tmp_path / "Visits.csv").touch()
    with pytest.raises(SystemExit):
        cli.parse(["--ratings", str(tmp_path / "Visits.csv"), "--implicit", *first[2:]])
    assert f"has results of another file, {tmp_path / 'Visits.txt'}: name this one with --dataset" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--ratings", "a.csv"], "--ratings: cannot be combined with --sequences"),
        (["--items", "a.csv"], "--items: cannot be combined with --sequences"),
        (["--implicit"], "--implicit: cannot be combined with --sequences"),
        (["--min-rating", "4"], "--min-rating: cannot be combined with --sequences"),
        (["--time-column", "when"], "--timestamp-column: cannot be combined with --sequences"),
        ([], "--sequences: expected a file"),
        (["--dataset", "ml-1m"], "--dataset: expected a new name for"),
    ],
    ids=str,
)
def test_a_sequence_file_has_no_columns_and_no_ratings(tmp_path, capsys, more, message):
    with pytest.raises(SystemExit):
        cli.parse(["--sequences", str(tmp_path / "none.txt"), "--results", str(tmp_path), *more])
    assert f"argument {message}" in capsys.readouterr().err


BAD = {
    "no rule": ([], "--ratings: requires either --min-rating or --implicit"),
    "two rules": (["--min-rating", "4", "--implicit"], "--ratings: requires either --min-rating or --implicit"),
    "ratings that do not count": (["--implicit"], "--ratings: requires either --min-rating or --implicit"),
    "a registered name": (["--min-rating", "4", "--dataset", "ml-1m"], "--dataset: expected a new name for .*'ml-1m'"),
    "a path as name": (["--min-rating", "4", "--dataset", "../x"], r"--dataset: expected a new name for .*'\.\./x'"),
    "an empty name": (["--min-rating", "4", "--dataset", ""], "--dataset: expected a new name for .*found ''"),
    "a reserved name": (["--min-rating", "4", "--dataset", "smoke"], "found 'smoke', which is reserved"),
    "titles of nothing": (["--min-rating", "4", "--title-column", "name"], "--title-column: requires --items"),
    "a directory": (["--min-rating", "4", "--ratings", "."], "--dataset: expected a new name|expected a file"),
    "no path": (["--min-rating", "4", "--ratings", ""], "--ratings: expected a path, found an empty text"),
    "no file": (["--min-rating", "4", "--ratings", "none.csv"], r"--ratings: expected a file .*none\.csv, found none"),
    "no titles": (["--min-rating", "4", "--items", "none.csv"], r"--ratings: expected a file .*none\.csv, found none"),
}
BESIDE = [
    ["--repeats", "sum"],
    ["--timestamp-column", "when"],
    ["--min-rating", "4"],
    ["--implicit"],
    ["--items", "a.csv"],
    ["--user-column", "who"],
    ["--min-items-per-user", "1"],
]


@pytest.mark.parametrize(("more", "message"), BAD.values(), ids=BAD)
def test_a_bad_command_line_is_refused(shop, capsys, more, message):
    with pytest.raises(SystemExit) as exit_info:
        cli.parse(command(shop, *more))
    assert exit_info.value.code == 2
    assert pytest.RaisesExc(ValueError, match=message).matches(ValueError(capsys.readouterr().err))


@pytest.mark.parametrize("arguments", BESIDE, ids=" ".join)
def test_options_of_a_file_need_one(arguments, capsys):
    with pytest.raises(SystemExit):
        cli.parse(arguments)
    assert "argument --ratings: required by options of a ratings file" in capsys.readouterr().err


def record(root: Path, parameters: dict, **more) -> None:
    """Record that the first notebook leaves."""
    (root / "stages").mkdir(parents=True)
    (root / "stages" / f"{PREPARATION}.json").write_text(json.dumps({"parameters": parameters} | more))


def test_a_later_command_needs_only_the_name(shop):
    first = command(shop, "--min-rating", "4", "--items", str(shop / "items.csv"), "--title-column", "name")
    later = ["--dataset", "shop", "--results", str(shop / "results"), "--recommenders", "mf"]
    record(shop / "results" / "shop", preparation(first))
    assert preparation(later) == preparation(first)
    root = shop / "results" / "shop"
    keys = [Pipeline(build_stages(cli.parse(arguments)), root).keys for arguments in (first, later)]
    assert keys[0] == keys[1]
    before = plan_stages(cli.parse([*later, "--before", "02_mf"]))
    assert [stage.parameters for stage in before] == [preparation(first)]
    (shop / "shop.csv.gz").unlink()
    with pytest.raises(SystemExit):
        cli.parse(later)


def test_a_file_of_the_same_name_does_not_replace_the_results_of_another(shop, capsys):
    first = command(shop, "--min-rating", "4")
    record(shop / "results" / "shop", preparation(first))
    assert preparation(first)["dataset"] == "shop"  # again, or with another rule
    (shop / "other").mkdir()
    other = shop / "other" / "shop.csv"
    other.touch()
    with pytest.raises(SystemExit) as exit_info:
        cli.parse([*first, "--ratings", str(other)])
    said = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert (
        f"{shop / 'results' / 'shop'} has results of another file, {shop / 'shop.csv.gz'}: name this one with --datas"
        in said
    )
    assert preparation([*first, "--ratings", str(other), "--dataset", "shop-2"])["dataset"] == "shop-2"
    assert preparation([*first, "--ratings", str(other), "--dataset", "shop"])["ratings_file"]["path"] == str(other)


def test_a_path_told_to_a_notebook_starts_at_the_notebooks(tmp_path):
    rule = {"min_rating": 1, "min_items_per_user": 2, "min_users_per_item": 2}
    record(tmp_path / "own", {"ratings_file": {"path": "../requirements.txt"}} | rule)
    told = preparation(["--dataset", "own", "--results", str(tmp_path)])
    assert told["ratings_file"]["path"] == str(NOTEBOOKS.parent / "requirements.txt")


def test_what_is_published_of_a_run_has_no_path(shop):
    parameters = preparation(command(shop, "--min-rating", "4"))
    more = {"sources": {str(shop / "shop.csv.gz"): "digest"}, "environment": {"commit": None}, "seconds": 1}
    written = provenance(shop / "results" / "shop", {PREPARATION: {"parameters": parameters} | more}, threads=1)
    assert written["data"] == {"shop.csv.gz": "digest"}
    assert written["stages"][PREPARATION]["parameters"]["min_rating"] == 4
    assert "ratings_file" not in written["stages"][PREPARATION]["parameters"]


@pytest.mark.parametrize("parameters", [None, {}, {"ratings_file": {}}], ids=str)
def test_an_unknown_name_without_a_file_is_refused(tmp_path, capsys, parameters):
    if parameters is not None:
        record(tmp_path / "own", parameters)
    with pytest.raises(SystemExit):
        cli.parse(["--dataset", "own", "--results", str(tmp_path)])
    assert "invalid choice: 'own' (choose from 'synthetic'" in capsys.readouterr().err


def test_a_dry_run_says_what_is_kept_and_runs_nothing(shop, capsys):
    assert cli.main(command(shop, "--min-rating", "4", "--dry-run")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"shop: {shop / 'shop.csv.gz'}"
    assert lines[1:3] == [
        "35 rows, 1 of them duplicates; ratings from 3 to 5",
        "min_rating 4, min_items_per_user 2, min_users_per_item 2, repeats last",
    ]
    assert lines[-1] == "entries have no order of time: no user has entries of different times"
    table = {row.split()[0]: row.split()[1:4] for row in lines[4:]}
    assert table["ratings"] == ["12", "6", "35"] and table["kept"] == ["11", "5", "22"]
    assert [table[part][0] for part in ("training", "validation", "test")] == ["6", "2", "3"]
    assert not (shop / "results").exists()


def test_a_dry_run_says_what_is_known_of_users_and_who_is_judged(tmp_path, capsys):
    told = ["--smoke", "--dry-run", "--results", str(tmp_path)]
    assert cli.main(told) == 0
    plain = capsys.readouterr().out.splitlines()
    assert cli.main([*told, "--user-features", "--test-users", "9"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "user features: your hand (left), your hand (right)",
        "of the test users, 9 drawn at random are explained and evaluated",
    ]
    assert lines[:-2] == plain


def test_a_dry_run_of_a_bad_file_says_why(shop, capsys):
    assert cli.main(command(shop, "--min-rating", "6", "--dry-run")) == 1
    assert "no interaction is left of 35 ratings (from 3 to 5) with min_rating=6.0" in capsys.readouterr().err
    assert cli.main(command(shop, "--min-rating", "4", "--item-column", "sku", "--dry-run")) == 1
    assert "shop.csv.gz: expected a column sku, found customer, item, stars" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_is_prepared_again_where_it_is_missing_or_has_changed(shop):
    results = shop / "results"
    record(results / "shop", preparation(command(shop, "--min-rating", "4")))
    workspace = lxr.runs.Workspace("02_mf", {"dataset": "shop", "results": results})
    with pytest.raises(lxr.DataError, match=r"run (python run_all\.py .* --before 02_mf --seed 42)$") as caught:
        workspace.interactions()
    remedy = shlex.split(str(caught.value).partition("run_all.py ")[2])
    assert cli.main(remedy) == 0
    data = workspace.interactions()
    assert data.matrix.shape == (11, 5) and data.user_ids[0] == "u0"
    stage = build_stages(cli.parse(["--dataset", "shop", "--results", str(results)]))[0]
    pipeline = Pipeline([stage], results / "shop")
    assert pipeline.why_stale(stage) == ""
    frame = pd.read_csv(shop / "shop.csv.gz")
    frame.head(30).to_csv(shop / "shop.csv.gz", index=False)
    assert "shop.csv.gz has changed" in pipeline.why_stale(stage)
