"""The committed notebooks are in their canonical form; that they still give these outputs is checked by nbval."""

import copy
import re

import nbformat
import pytest

from lxr.runs.canonical_notebooks import canonical
from lxr.runs.plan import QUICKSTART
from lxr.runs.stage import read_code
from lxr.utils.environment import PROJECT_ROOT

NOTEBOOKS = [path for folder in ("", "examples") for path in sorted((PROJECT_ROOT / "notebooks" / folder).glob("*.ipynb"))]
COURSE = [path for path in NOTEBOOKS if path.parent.name == "notebooks"]
IGNORED = "NBVAL_IGNORE_OUTPUT"


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_all_notebooks_are_there():
    names = [path.stem for path in NOTEBOOKS]
    assert names == [
        QUICKSTART,
        "01_data_preparation",
        "02_mf",
        "03_vae",
        "04_ncf",
        "05_lxr",
        "06_lxr_ablation",
        "07_lxr_path",
        "08_lxr_path_analysis",
        "09_lxr_path_ablation",
        "10_baselines",
        "11_tuning",
        "12_evaluation",
        "13_bounds",
        "14_sanity",
        "15_one_shot",
        "16_protocol",
        "17_counterfactual_sets",
        "18_report",
        "19_ease",
        "20_lightgcn",
        "21_sasrec",
        "22_gru4rec",
        "23_order",
        "bring_your_own_recommender",
        "explore",
        "internet_scale",
    ]


def test_it_was_executed_in_order_and_without_error(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = [output.output_type for cell in code for output in cell.outputs]
    assert "error" not in kinds


def test_it_is_canonical(notebook):
    assert canonical(copy.deepcopy(notebook)) == notebook


def test_the_quickstart_lists_every_notebook_once_in_reading_order():
    text = "".join(cell.source for cell in nbformat.read(COURSE[0], as_version=4).cells if cell.cell_type == "markdown")
    links = re.findall(r"^\| \[(\w+)\]\(([\w/]+\.ipynb)\) \|", text, flags=re.MULTILINE)
    linked = [(COURSE[0].parent / target).resolve() for _, target in links]
    assert sorted(linked) == sorted(NOTEBOOKS[1:])
    assert [path for path in linked if path in COURSE] == COURSE[1:]
    assert [name for name, _ in links] == [path.stem for path in linked]


@pytest.mark.parametrize("path", COURSE[1:], ids=lambda path: path.stem, indirect=True)
def test_it_ends_with_its_outputs_and_limits(notebook):
    headings = re.findall(r"^## (.*)$", "\n".join(cell.source for cell in notebook.cells), flags=re.MULTILINE)
    assert headings.count("Outputs and limits") == 1 and headings[-1] == "Outputs and limits"


def test_enough_cells_are_compared(path, code):
    compared = [cell for cell in code if cell.outputs and IGNORED not in cell.source]
    assert len(compared) >= (2 if path.stem == QUICKSTART else 3)  # most of the quickstart depends on the data at hand


def test_it_has_one_parameters_cell_of_plain_values(path, notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    expected = {"dataset"} | ({"seed"} if path.stem != "internet_scale" else set())  # it draws nothing
    expected |= {"results"} if path.stem != QUICKSTART else set()
    assert expected <= set(read_code(path).defaults)


def test_it_is_thin_and_small(path, code):
    assert path.stat().st_size < 100_000
    assert 5 <= len(code) <= 8 if path.stem == QUICKSTART else 8 <= len(code) <= 15
    for cell in code:
        assert "def " not in cell.source
        assert "class " not in cell.source


def test_it_names_no_place_of_a_machine(path):
    assert not re.search(r"/(home|root|tmp|work|Users)/|[A-Z]:\\\\", path.read_text(encoding="utf-8"))


def test_cells_have_stable_names(notebook):
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert not any(len(name) == 8 and all(c in "0123456789abcdef" for c in name) for name in ids)


def test_canonical_drops_what_cannot_be_compared():
    cell = nbformat.v4.new_code_cell("1 + 1")
    cell.execution_count = 7
    cell.metadata = {"tags": ["parameters"], "papermill": {"duration": 1}}
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
        nbformat.v4.new_output("stream", name="stdout", text="prin"),
        nbformat.v4.new_output("stream", name="stdout", text="ted"),
        nbformat.v4.new_output("display_data", data={"image/png": "…"}),
        nbformat.v4.new_output("execute_result", data={"text/plain": "2", "text/html": "<b>2</b>"}, execution_count=7),
    ]
    result = canonical(nbformat.v4.new_notebook(cells=[cell])).cells[0]
    assert result.execution_count == 1
    assert result.metadata == {"tags": ["parameters"]}
    assert [output.output_type for output in result.outputs] == ["stream", "execute_result"]
    assert result.outputs[0].text == "printed"
    assert result.outputs[1].data == {"text/plain": "2"}
