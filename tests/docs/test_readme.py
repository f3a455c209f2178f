"""The README is true: its examples run, its tables are those of the results, its files exist."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import lxr
from lxr.runs import cli
from lxr.runs.export import export_table
from lxr.runs.stages import plan_stages
from lxr.runs.workspace import PREPARATION
from lxr.utils.environment import PROJECT_ROOT

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"^(?:\w+=\S+ )?python run_all\.py (.*)", README.replace("\\\n", ""), flags=re.MULTILINE)
TABLES = re.findall(r"<!-- table: (\S+) -->\n(.*?)<!-- end -->", README, flags=re.DOTALL)


def forget(registry: dict, name: str, monkeypatch) -> None:
    """Have an entry that a test adds to a registry deleted afterwards."""
    monkeypatch.setitem(registry, name, None)
    monkeypatch.delitem(registry, name)


@pytest.fixture
def bookshop(tmp_path, monkeypatch) -> Path:
    """A data directory with the file of the example; what the examples register is forgotten afterwards."""
    rows = [f"{user},{item},5,Book {item}" for user in range(6) for item in range(user, user + 4)]
    (tmp_path / "bookshop.csv").write_text("user,item,rating,title\n" + "\n".join(rows))
    for registry, name in ((lxr.DATASETS, "bookshop"), (lxr.EXPLAINERS, "rarity")):
        forget(registry, name, monkeypatch)
    return tmp_path


@pytest.mark.slow
def test_the_examples_run_in_order(bookshop, capsys):
    names = {"data_dir": bookshop}
    assert len(EXAMPLES) == 8
    for example in EXAMPLES:
        exec(compile(example, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "POS@20" in printed
    assert "would have been recommended instead of" in printed
    assert names["explanation"].title in printed
    assert names["books"].item_titles[0].startswith("Book")
    rarity = lxr.EXPLAINERS["rarity"](names["model"], names["data"].matrix[names["train"]])
    assert rarity.explain(names["history"], names["target"]).shape == names["history"].shape


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A place with the files of the commands, and with what an earlier one has left of them."""
    (tmp_path / "rarity.py").write_text("import lxr\nlxr.explainers.register('rarity', lxr.explainers.RandomOrder)\n")
    forget(lxr.EXPLAINERS, "rarity", monkeypatch)
    for name in ("shop.csv", "plays.tsv.gz", "books.inter", "books.item"):
        (tmp_path / name).touch()
    (tmp_path / "results/shop/stages").mkdir(parents=True)
    parameters = {"ratings_file": {"path": str(tmp_path / "shop.csv")}} | lxr.data.preparation_rule("shop")
    (tmp_path / f"results/shop/stages/{PREPARATION}.json").write_text(json.dumps({"parameters": parameters}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lxr.runs.options.PROJECT_ROOT", tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_understood(shop, command):
    options = cli.parse(shlex.split(command, comments=True))
    assert plan_stages(options)


@pytest.mark.parametrize(("path", "table"), TABLES, ids=[path for path, _ in TABLES])
def test_the_tables_are_those_of_the_results(path, table):
    assert table.strip() == export_table(PROJECT_ROOT / "results" / path, "md").strip()


def shown_figures() -> set[str]:
    """Figures of results that the documentation and the notebooks show."""
    pages = [
        path
        for pattern in ("*.md", "results/*.md", "docs/**/*.md", "notebooks/*.ipynb")
        for path in PROJECT_ROOT.glob(pattern)
    ]
    texts = (path.read_text(encoding="utf-8") for path in pages)
    return {name for text in texts for name in re.findall(r"results/[\w-]+/figures/[\w-]+\.\w+", text)}


def test_committed_results_are_tables_records_and_what_is_shown():
    listed = subprocess.run(["git", "ls-files", "-z", "results"], cwd=PROJECT_ROOT, capture_output=True, check=False)
    names = set(listed.stdout.decode().split("\0")) - {"", "results/README.md"}
    if not names:
        pytest.skip("no clone of the repository")
    records = r"results/[\w-]+/(tables/(marks/)?[\w-]+\.csv|run\.json|tuned_\w+\.json)"
    assert {name for name in names if not re.fullmatch(records, name)} == shown_figures()


def test_every_linked_and_mapped_file_exists():
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", README, flags=re.DOTALL)
    linked = re.findall(r"\]\(((?!https?:)[^)#]+)\)", prose)
    mapped = re.findall(r"^\| (`.*?`) \|", README.partition("\n## Map\n")[2].partition("\n## ")[0], flags=re.MULTILINE)
    folder = PROJECT_ROOT
    for row in mapped:
        for name in re.findall(r"`([^`]+)`", row):
            folder = PROJECT_ROOT / Path(name).parts[0] if "/" in name else folder
            linked.append(name if "/" in name or (PROJECT_ROOT / name).exists() else f"{folder.name}/{name}")
    assert len(linked) > 20
    missing = [name for name in linked if not (PROJECT_ROOT / name).exists()]
    assert not missing
