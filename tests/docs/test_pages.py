"""The pages are true: their examples run, their tables are those of the results, the files that they link exist."""

import json
import re
import shlex
import subprocess

import pytest

import lxr
from docs.fill_tables import FITS, MARKED, asked, models_that_fit
from lxr.runs import cli
from lxr.runs.stages import plan_stages
from lxr.runs.workspace import PREPARATION
from lxr.utils.environment import PROJECT_ROOT, data_directory

PATHS = [*PROJECT_ROOT.glob("*.md"), PROJECT_ROOT / "results/README.md", PROJECT_ROOT / "Data/README.md"]
PATHS += [path for path in (PROJECT_ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
PAGES = {path.relative_to(PROJECT_ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(PATHS)}
TOLD = {name: page for name, page in PAGES.items() if name not in ("CHANGELOG.md", "CONTRIBUTING.md")}
EXAMPLES = {
    name: found for name, page in TOLD.items() if (found := re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL))
}
COMMANDS = [
    (name, command)
    for name, page in TOLD.items()
    for command in re.findall(r"^(?:\w+=\S+ )?python run_all\.py(?: +(.*))?$", page.replace("\\\n", ""), flags=re.MULTILINE)
]
TABLES = [(name, *found) for name, page in TOLD.items() for found in MARKED.findall(page)]


def forget(registry: dict, name: str, monkeypatch) -> None:
    """Have an entry that a test adds to a registry deleted afterwards."""
    monkeypatch.setitem(registry, name, None)
    monkeypatch.delitem(registry, name)


def run_examples(name: str) -> dict:
    """Run the examples of a page in their order, on generated data instead of downloads; returns their names."""
    names: dict = {}
    for example in EXAMPLES[name]:
        exec(compile(example.replace('"ml-100k"', '"synthetic"'), name, "exec"), names)
    return names


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_page_run_in_order(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = run_examples(name)
    if name == "README.md":
        printed = capsys.readouterr().out
        assert "would have been recommended instead of" in printed and names["explanation"].title in printed


@pytest.mark.slow
def test_the_quick_start_prints_what_the_readme_shows(capsys):
    if not any((data_directory() / "ml-100k" / name).is_file() for name in ("ml-100k.inter", "u.data")):
        pytest.skip("MovieLens 100K is not in the data directory (LXR_DATA_DIR)")
    exec(compile(EXAMPLES["README.md"][0], "README.md", "exec"), {})
    (shown,) = re.findall(r"```text\n(.*?)```", PAGES["README.md"], flags=re.DOTALL)
    printed = capsys.readouterr().out
    without_numbers = [re.sub(r"\d\.\d+", "", text) for text in (printed, shown)]  # the last digits depend on the processor
    assert without_numbers[0] == without_numbers[1]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A place with the files of the commands, and with what an earlier one has left of them."""
    (tmp_path / "rarity.py").write_text("import lxr\nlxr.explainers.register('rarity', lxr.explainers.RandomOrder)\n")
    forget(lxr.EXPLAINERS, "rarity", monkeypatch)
    for name in ("shop.csv", "plays.tsv.gz", "books.inter", "books.item", "plays.csv", "Beauty.txt"):
        (tmp_path / name).touch()
    (tmp_path / "results/shop/stages").mkdir(parents=True)
    parameters = {"ratings_file": {"path": str(tmp_path / "shop.csv")}} | lxr.data.preparation_rule("shop")
    (tmp_path / f"results/shop/stages/{PREPARATION}.json").write_text(json.dumps({"parameters": parameters}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lxr.runs.options.PROJECT_ROOT", tmp_path)


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_the_commands_are_understood(shop, name, command):
    options = cli.parse(shlex.split(command, comments=True))
    assert plan_stages(options)


@pytest.mark.parametrize(("name", "path", "parts", "table"), TABLES, ids=[f"{name}-{path}" for name, path, *_ in TABLES])
def test_the_tables_are_those_of_the_results(name, path, parts, table):
    assert table.strip() == asked(path, parts)


def test_the_pages_show_the_models_that_fit():
    shown = {name: found[0].strip() for name, page in TOLD.items() if (found := FITS.findall(page))}
    assert shown == dict.fromkeys(["README.md", "docs/howto/adapt.md"], models_that_fit())


def test_a_page_may_ask_for_a_part_of_a_table():
    shown = asked("ml-1m/tables/headline_vae.csv", " | lxr lxr-path-rank | NDCG INS")
    assert [line.split("|")[1].strip() for line in shown.splitlines()[2:]] == ["lxr", "lxr-path-rank"]
    assert shown.startswith("| explainer") and shown.count("**") == 4 and "DEL" not in shown


def shown_figures() -> set[str]:
    """Figures of results that the documentation and the notebooks show."""
    pages = [
        path
        for pattern in ("*.md", "results/*.md", "docs/**/*.md", "notebooks/**/*.ipynb")
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


@pytest.mark.parametrize("name", PAGES)
def test_every_linked_file_exists(name):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", PAGES[name], flags=re.DOTALL)
    linked = re.findall(r"\]\(((?!https?:)[^)#]+)(?:#[^)]*)?\)", prose)
    folder = (PROJECT_ROOT / name).parent
    assert [link for link in linked if not (folder / link).exists()] == []


def test_links_are_seen():
    assert any("](docs/howto/verify.md)" in page for page in PAGES.values())
