"""The command `lxr explain`: shards that are what `lxr.explain` says, resumed, refused; exit statuses."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import lxr
from lxr.delivery import read_explanations
from lxr.delivery.files import RUN
from lxr.runs import cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with ``mf.pt`` and ``data.npz``: 45 users of the synthetic data, and an MF."""
    folder, data = tmp_path_factory.mktemp("delivery"), lxr.load_dataset("synthetic")
    model = lxr.MF(data.n_items, n_factors=8)
    lxr.fit(model, data.matrix[45:400], data.matrix[400:], epochs=10)
    model.save(folder / "mf.pt")
    lxr.Interactions(data.matrix[:45], data.user_ids[:45], data.item_ids, data.item_titles).save(folder / "data.npz")
    return folder


@pytest.fixture
def explain(folder, tmp_path):
    """Runs the command on the folder, into ``tmp_path / "out"`` if it is not told otherwise; returns the exit status."""

    def run(*words):
        out = [] if "--out" in words else ["--out", tmp_path / "out"]
        command = [
            "explain",
            "--model",
            folder / "mf.pt",
            "--data",
            folder / "data.npz",
            "--users-per-file",
            10,
            "--jobs",
            1,
        ]
        return cli.main([str(word) for word in [*command, *out, *words]])

    return run


def in_one_go(folder, **options) -> list[dict]:
    """Records of the same users by the function."""
    model, data = lxr.load(folder / "mf.pt"), lxr.Interactions.load(folder / "data.npz")
    return list(lxr.explain(model, data, **options).records())


def close(found: list[dict], expected: list[dict]) -> bool:
    """Whether records are the same, their numbers up to rounding."""
    found, expected = (pd.json_normalize(json.loads(json.dumps(records))) for records in (found, expected))
    numbers = ["score", "probability"]
    np.testing.assert_allclose(found[numbers], expected[numbers], rtol=1e-5)
    return found.drop(columns=numbers).equals(expected.drop(columns=numbers))


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_shards_hold_what_the_function_says(explain, folder, tmp_path, capsys, kind):
    assert explain("--format", kind, "--top", "3") == 0
    printed = capsys.readouterr().out
    assert printed.startswith("135 explanations of 45 users by rank-margin-path: 5 files in ")
    assert "; 45 users in " in printed and printed.endswith(" a second\n")
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == [RUN, *(f"part-0000{number}.{kind}" for number in range(5))]
    records = read_explanations(tmp_path / "out").to_dict("records")
    assert close(records, in_one_go(folder, n_recommendations=3))


def test_other_readers_read_the_directory(explain, tmp_path):
    assert explain() == 0
    frame = pd.read_parquet(tmp_path / "out")
    assert frame["user"].tolist() == read_explanations(tmp_path / "out")["user"].tolist() and len(frame) == 45


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(explain, tmp_path, capsys):
    for jobs in (1, 2, 3):
        assert explain("--jobs", jobs, "--out", tmp_path / str(jobs)) == 0
    one, *others = [sorted((tmp_path / str(jobs)).glob("part-*")) for jobs in (1, 2, 3)]
    assert len(one) == 5
    for other in others:
        assert [path.read_bytes() for path in other] == [path.read_bytes() for path in one]


def test_a_second_run_writes_what_is_missing_or_damaged(explain, folder, tmp_path, capsys):
    assert explain() == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("part-*")}
    times = {path: path.stat().st_mtime_ns for path in before}
    capsys.readouterr()
    assert explain() == 0
    assert "5 files in" in (printed := capsys.readouterr().out) and ", 5 of them from earlier runs; 0 users in" in printed
    (tmp_path / "out/part-00001.parquet").unlink()
    (tmp_path / "out/part-00003.parquet").write_bytes(before[tmp_path / "out/part-00003.parquet"][:-1])
    (tmp_path / "out" / RUN / "part-00004.json").write_text("{")
    assert explain() == 0
    assert ", 2 of them from earlier runs; 25 users in" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before
    kept = [path.name for path, time in sorted(times.items()) if path.stat().st_mtime_ns == time]
    assert kept == ["part-00000.parquet", "part-00002.parquet"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (["--top", "2"], "top was 1 there, and is 2 now"),
        (["--explainer", "gradient"], "explainer was None there, and is 'gradient' now"),
        (["--users", "3"], "users was None there, and is ['3'] now"),
        (["--format", "jsonl"], "format was 'parquet' there, and is 'jsonl' now"),
        (["--users-per-file", "9"], "users_per_shard was 10 there, and is 9 now"),
    ],
)
def test_another_command_does_not_mix_its_explanations_in(explain, tmp_path, capsys, other, message):
    assert explain() == 0
    assert explain(*other) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path / 'out'} holds explanations of another command: {message}: choose another directory")


def test_a_foreign_directory_stays_as_it_is(explain, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    assert explain("--out", tmp_path / "mine") == 1
    assert "found one with notes.txt" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_people_who_are_not_in_the_data(explain, folder, tmp_path):
    (tmp_path / "people.csv").write_text("user,item\n9001,3\n9001,5\n9000,8\n")
    assert explain("--histories", tmp_path / "people.csv", "--explainer", "leave-one-out") == 0
    found = read_explanations(tmp_path / "out").to_dict("records")
    assert close(found, in_one_go(folder, histories={9001: [3, 5], 9000: [8]}, explainer="leave-one-out"))


def test_smallest_sets_are_asked_for(explain, folder, tmp_path):
    assert explain("--users", "3", "5", "--sets", "smallest", "--time-limit", "20") == 0
    assert {each["certificate"] for each in read_explanations(tmp_path / "out")["counterfactual"]} == {"optimal"}


def test_chosen_users_and_items(explain, folder, tmp_path):
    assert explain("--users", "7", "3", "--items", "107", "--explainer", "cosine") == 0
    found = read_explanations(tmp_path / "out").to_dict("records")
    assert close(found, in_one_go(folder, users=[7, 3], items=107, explainer="cosine"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:LXR")
@pytest.mark.parametrize("name", ["lxr", "lxr-refined"])
def test_an_explainer_is_trained_once(folder, tmp_path, capsys, name):
    command = ["explain", "--model", folder / "mf.pt", "--data", folder / "data.npz", "--users", 3, 5, "--explainer", name]
    command = [str(word) for word in [*command, "--out", tmp_path / "out"]]
    assert cli.main(command) == 0
    network = tmp_path / "out" / RUN / "explainer.pt"
    trained = network.stat().st_mtime_ns
    (tmp_path / "out/part-00000.parquet").unlink()
    assert cli.main(command) == 0 and network.stat().st_mtime_ns == trained
    expected = in_one_go(folder, users=[3, 5], explainer=name)
    assert close(read_explanations(tmp_path / "out").to_dict("records"), expected)
    if name == "lxr":
        assert cli.main([*command[:-4], "--explainer", str(network), "--out", str(tmp_path / "file")]) == 0
        found = read_explanations(tmp_path / "file")
        assert found["explainer"].unique().tolist() == ["LXR"]
        assert found["reasons"].tolist() == [record["reasons"] for record in expected]


def test_a_run_of_notebooks_is_a_source(trained_results, tmp_path):
    command = ["explain", "--results", trained_results, "--dataset", "synthetic", "--explainer", "lxr", "--users", 3]
    assert cli.main([str(word) for word in [*command, "--out", tmp_path / "out"]]) == 0
    root = trained_results / "synthetic"
    model, data = lxr.load(root / "mf/recommender.pt"), lxr.Interactions.load(root / "interactions.npz")
    expected = lxr.explain(model, data, users=3, explainer=lxr.LXR.load(root / "mf/lxr.pt", model))
    (found,) = read_explanations(tmp_path / "out").to_dict("records")
    assert found["explainer"] == "lxr" and found["reasons"] == next(expected.records())["reasons"]
    assert not (tmp_path / "out" / RUN / "explainer.pt").exists()


def test_a_bundle_brings_its_explainer_and_its_data(folder, tmp_path, capsys):
    model, data = lxr.load(folder / "mf.pt"), lxr.Interactions.load(folder / "data.npz")
    explainer = lxr.EXPLAINERS["leave-one-out"](model, data.matrix)
    lxr.save(tmp_path / "bundle", model=model, explainer=explainer, data=data)
    command = ["explain", "--model", str(tmp_path / "bundle"), "--jobs", "1", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 0
    assert "45 explanations of 45 users by LeaveOneOut:" in capsys.readouterr().out
    records = read_explanations(tmp_path / "out").to_dict("records")
    assert close(records, list(lxr.explain(model, data, explainer=explainer).records()))
    lxr.save(tmp_path / "bundle", model=model, data=data)  # another bundle is another command
    assert cli.main(command) == 1 and "holds explanations of another command: model was" in capsys.readouterr().err


def test_a_bundle_without_data_needs_a_file_of_it(folder, tmp_path, capsys):
    lxr.save(tmp_path / "bundle", model=lxr.load(folder / "mf.pt"))
    command = ["explain", "--model", str(tmp_path / "bundle"), "--jobs", "1", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 1 and "expected a bundle with data, or --data" in capsys.readouterr().err
    assert cli.main([*command, "--data", str(folder / "data.npz")]) == 0


def test_a_bundle_that_runs_code_has_to_be_trusted(folder, tmp_path, capsys):
    data = lxr.Interactions.load(folder / "data.npz")
    module = torch.nn.Linear(data.n_items, data.n_items)
    lxr.save(tmp_path / "bundle", model=lxr.wrap(module, data.n_items, "softmax"), data=data)
    command = ["explain", "--model", str(tmp_path / "bundle"), "--jobs", "1", "--out", str(tmp_path / "out")]
    assert cli.main(command) == 1 and "trusted" in capsys.readouterr().err
    assert cli.main([*command, "--trusted"]) == 0


def test_an_incomplete_directory_is_not_read(explain, tmp_path):
    assert explain() == 0
    (tmp_path / "out/part-00002.parquet").unlink()
    with pytest.raises(lxr.DataError, match=r"out: expected 5 files, found 4 complete ones: run the same command again"):
        read_explanations(tmp_path / "out")
    with pytest.raises(lxr.DataError, match=r"expected a directory of lxr explain"):
        read_explanations(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--users", "3", "999"], "users: unknown user ids 999"),
        (["--users", "x"], "expected integer ids, as in the data"),
        (["--items", "9999"], "items: unknown item ids 9999"),
        (["--histories", "nowhere.csv"], "nowhere.csv"),
        (["--model", "nowhere.pt"], "nowhere.pt"),
    ],
)
def test_unusable_input_is_one_line_and_status_1(explain, tmp_path, capsys, words, message):
    assert explain(*words) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and message in errors[0]
    assert not list((tmp_path / "out").glob("part-*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--top", "0"], "argument --top: expected a positive integer, found '0'"),
        (["--seed", "-1"], "argument --seed: expected "),
        (["--explainer", "oracle"], "argument --explainer: expected a file or one of random, popularity"),
        (["--time-limit", "0"], "argument --time-limit: expected a positive number, found '0'"),
        (["--sets", "all"], "argument --sets: invalid choice: 'all'"),
        (["--format", "csv"], "argument --format: invalid choice: 'csv'"),
        (["--results", "results"], "expected either --model and --data, or --model with a bundle, or --results"),
        (["--users", "3", "--histories", "p.csv"], "not allowed with argument"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_bad_command_line_is_status_2(explain, tmp_path, capsys, words, message):
    with pytest.raises(SystemExit) as ended:
        explain(*words)
    assert ended.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
