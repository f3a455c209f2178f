"""The explorer in a real browser, as a page of Voilà and in JupyterLab: find, click, untick, see the change.

On the page: two visitors at once, one of them on a phone and by a link; kernels end with their pages, and one that dies is
missed. In JupyterLab, hostile titles stay text.

Skipped where there is no browser. With ``LXR_SCREENSHOTS=docs`` it leaves the screenshots of the README in that folder, and
with ``LXR_EXPLORE=results/ml-1m`` it explores the trained models of that run instead of tiny ones.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
import scipy.sparse as sp
from hostile_titles import HOSTILE

import lxr
from lxr.app import Exploration, TrainedModels, trained
from lxr.app.fall import sentence
from lxr.utils.environment import PROJECT_ROOT

pytest.importorskip("voila")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CONFIG = f"--Voila.config_file_paths={PROJECT_ROOT / 'notebooks/config'}"
CULLING = ("--MappingKernelManager.cull_idle_timeout=8", "--MappingKernelManager.cull_interval=1")  # not five minutes
SERVERS = {
    "explore": ("voila", "explore.py", "--Voila.ip=127.0.0.1", "--show_tracebacks=True", CONFIG, *CULLING),
    "explore_lab": (
        "jupyterlab",
        "--ip=127.0.0.1",
        "--allow-root",
        "--IdentityProvider.token=lxr",
        "--LabApp.news_url=None",
    ),
}
PATHS = {"explore": "", "explore_lab": "doc/tree/explore.ipynb?token=lxr"}
SHOTS = os.environ.get("LXR_SCREENSHOTS")


@pytest.fixture(scope="module")
def models(trained_results) -> TrainedModels:
    """Models that the page explores."""
    root = Path(os.environ.get("LXR_EXPLORE", trained_results / "synthetic")).resolve()
    return TrainedModels(root.parent, root.name, trained(root.parent)[root.name][0])


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory) -> Path:
    """A folder with the page, and with the notebook, told what to explore."""
    notebook = nbformat.read(PROJECT_ROOT / "notebooks/examples/explore.ipynb", as_version=4)
    told = {"results": str(models.root.parent), "dataset": models.root.name, "recommender": models.recommender}
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += "\n" + "\n".join(f"{name} = {value!r}" for name, value in told.items())
    folder = tmp_path_factory.mktemp("served")
    nbformat.write(notebook, folder / "explore.ipynb")
    shutil.copy(PROJECT_ROOT / "notebooks/config/pages/explore.py", folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium: the system's, else the one that playwright has installed."""
    with playwright.sync_playwright() as driver:
        try:
            chromium = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])  # root has no sandbox
        except playwright.Error as error:
            pytest.skip(f"no browser: {error.message.splitlines()[0]}")
        yield chromium
        chromium.close()


@contextlib.contextmanager
def serving(name: str, folder: Path, results: Path | None = None):
    """The address of a server of the page or the notebook, on a free port, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *SERVERS[name], "--no-browser", f"--port={port}"]
    places = {f"JUPYTER_{kind}_DIR": str(folder / f".{kind.lower()}") for kind in ("RUNTIME", "CONFIG")}
    places |= {"LXR_RESULTS": str(results)}
    with (
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=os.environ | places, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            wait_for(port, server, folder / f"{name}.log")
            yield f"http://127.0.0.1:{port}/{PATHS[name]}", server
        finally:
            server.terminate()


def wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    """Wait until a server answers; one that has ended instead fails the test by what it said."""
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def expected(models: TrainedModels) -> tuple[Exploration, int]:
    """A test user, not the first, for whom the second recommendation moves without its first reason; and its new rank."""
    for user in models.test[1:].tolist():
        exploration = Exploration(models, user)
        exploration.choose_target(int(exploration.recommendations()["item"].iloc[1]))
        rank = exploration.recommendation.without(exploration.recommendation.explanation("leave-one-out").items[:1]).rank
        if rank > 2:
            return exploration, rank
    raise AssertionError("every second recommendation stays where it is")


def run_all_cells(page) -> None:
    """Run a notebook in JupyterLab."""
    page.get_by_text("| Idle").wait_for()  # the kernel is there
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
    page.locator("[data-command='runmenu:run-all']").click()


def explore(app, models: TrainedModels) -> None:
    """Find a user, click, untick, see the list ranked anew; at the end the first three reasons are left out."""
    exploration, rank = expected(models)
    first, second = exploration.recommendations(2)["title"]
    playwright.expect(app).to_contain_text("What if?", timeout=60_000)
    app.get_by_placeholder("find a user").fill(str(models.data.user_ids[exploration.user]))
    app.get_by_placeholder("find a user").press("Enter")
    recommended = app.locator(".lxr-ranking button")
    playwright.expect(recommended.first).to_contain_text(f"1. {first}", timeout=60_000)  # after the other cells
    playwright.expect(recommended.first).to_have_attribute("aria-pressed", "true")
    recommendation = Exploration(models, exploration.user).recommendation
    playwright.expect(app).to_contain_text(recommendation.sentence, timeout=20_000)

    recommended.nth(1).focus()
    recommended.nth(1).press("Enter")
    playwright.expect(recommended.nth(1)).to_have_attribute("aria-pressed", "true")
    playwright.expect(recommended.first).to_have_attribute("aria-pressed", "false")
    playwright.expect(app).to_contain_text(f"“{second}” has rank 2")
    playwright.expect(app).to_contain_text(exploration.recommendation.sentence, timeout=20_000)

    reason = app.locator(".lxr-row").nth(12)  # the first of the second panel
    title = exploration.recommendation.explanation("leave-one-out").to_frame(1)["title"].iloc[0]
    playwright.expect(reason).to_contain_text(title)
    reason.get_by_role("checkbox").press("Space")
    playwright.expect(app.locator(".lxr-live", has_text="What if?")).to_have_attribute("aria-live", "polite")
    playwright.expect(app).to_contain_text(f"rank 2 → {rank}")
    playwright.expect(app.locator(".lxr-ranking button[aria-pressed=true]")).to_contain_text(f"{rank} (was 2). {second}")

    app.locator(".lxr-ranking button", has_text=first).click()
    playwright.expect(app).to_contain_text(recommendation.sentence, timeout=20_000)
    said = sentence("leave-one-out", recommendation.fall("leave-one-out"))
    playwright.expect(app.locator(".lxr-falls")).to_contain_text(said)
    playwright.expect(app.get_by_role("button", name="less important")).to_have_count(2)
    app.get_by_role("button", name="Leave out the first").nth(1).click()
    rank = recommendation.without(recommendation.explanation("leave-one-out").items[:3]).rank
    playwright.expect(app).to_contain_text(f"rank 1 → {rank}")


def build_a_history(app, title: str) -> None:
    """Start from nothing, and add an item by its title."""
    app.get_by_role("button", name="Start empty").click()
    playwright.expect(app).to_contain_text("Add items by their titles.")
    playwright.expect(app.locator(".lxr-ranking button:visible")).to_have_count(0)
    search = app.get_by_placeholder("add an item")
    search.fill("no such title")
    search.press("Enter")
    playwright.expect(app).to_contain_text("No title has “no such title” in it.")
    search.fill(title)
    search.press("Enter")
    playwright.expect(app).to_contain_text("Recommended to you, from 1 item")


def test_find_click_untick_and_see_the_list_ranked_anew_in_jupyterlab(browser, models, folder, tmp_path):
    with (
        serving("explore_lab", folder) as (address, _),
        contextlib.closing(browser.new_page(viewport={"width": 1400, "height": 1300})) as page,
    ):
        page.set_default_timeout(60_000)
        page.goto(address)
        run_all_cells(page)
        app = page.locator(".lxr-app")
        explore(app, models)
        app.screenshot(path=Path(SHOTS or tmp_path) / "explore_lab.png", style=".Toastify { display: none }")
        build_a_history(app, models.data.titles(np.array([0]))[0])


def kernel_of(page, server: subprocess.Popen) -> psutil.Process:
    """The kernel of a page."""
    name = page.evaluate("JSON.parse(document.getElementById('jupyter-config-data').textContent).kernelId")
    (found,) = (each for each in psutil.Process(server.pid).children() if any(name in word for word in each.cmdline()))
    return found


def wait_until_gone(process: psutil.Process) -> None:
    """Wait until a process has ended."""
    deadline = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_two_visitors_of_the_page_whose_kernels_end_with_it(browser, models, folder, tmp_path):
    results = folder / "results"
    (results / models.root.name).parent.mkdir()
    (results / models.root.name).symlink_to(models.root)
    desk, phone = ({"width": 1400, "height": 1000}, {"width": 390, "height": 844})
    with serving("explore", folder, results) as (address, server):
        page = browser.new_page(viewport=desk, permissions=["clipboard-read", "clipboard-write"])
        asked: list[playwright.Request] = []
        page.on("request", lambda request: asked.append(request))
        page.goto(address, timeout=60_000)
        app = page.locator(".lxr-app")
        explore(app, models)
        page.locator(".lxr-page").screenshot(path=Path(SHOTS or tmp_path) / "explore.png")
        assert page.title() == "Why was this recommended?" and "without=" in page.url
        without = app.get_by_role("heading", name="What if?").inner_text()
        elsewhere = [request for request in asked if not request.url.startswith((address, "data:", "blob:"))]
        assert {request.failure for request in elsewhere} <= {"csp"}  # refused before it left the browser

        page.get_by_role("button", name="Copy as text").click()
        playwright.expect(app).to_contain_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()").startswith("Recommended to user ")

        other = browser.new_page(viewport=phone)
        other.goto(page.url, timeout=60_000)
        playwright.expect(other.get_by_role("heading", name="What if?")).to_have_text(without, timeout=60_000)
        other.screenshot(path=tmp_path / "phone.png")
        places = [other.locator(".lxr-app .lxr-row").nth(row).bounding_box() for row in (0, 12)]
        assert places[0]["x"] == places[1]["x"] and other.evaluate("document.documentElement.scrollWidth") == phone["width"]

        build_a_history(app, models.data.titles(np.array([0]))[0])
        playwright.expect(other.get_by_role("heading", name="What if?")).to_have_text(without)
        first, second = kernel_of(page, server), kernel_of(other, server)
        page.goto("about:blank")  # with a farewell
        wait_until_gone(first)

        second.kill()
        playwright.expect(other.get_by_role("alert")).to_contain_text("has ended", timeout=30_000)
        other.get_by_role("button", name="Reload the page").click()
        playwright.expect(other.get_by_role("heading", name="What if?")).to_have_text(without, timeout=60_000)
        assert other.locator("#lxr-ended").count() == 0
        third = kernel_of(other, server)
        other.close()  # without
        wait_until_gone(third)


HOSTILE_CELLS = (
    "import pandas as pd, lxr\nfrom IPython.display import HTML, Markdown\nfrom lxr.app import Explorer, TrainedModels",
    "from lxr.reporting.formats import to_markdown\nfrom lxr.utils.markup import html_text, markdown_text",
    "pd.set_option('display.html.use_mathjax', False)",
    "names = TrainedModels({results!r}, 'toy', 'mf').data.names\n"
    "explorer = Explorer(TrainedModels({results!r}, 'toy', 'mf'), ('leave-one-out', 'cosine'))\nexplorer.empty.click()",
    "for name in names[:9]:\n    explorer.search.view.value = name\nexplorer",
    "explorer.exploration.recommendation.explanation('leave-one-out')",
    "HTML(html_text('; '.join(names)))",
    "frame = pd.DataFrame({{'title': names}})\nframe",
    "Markdown(to_markdown(frame, 3))",
    "Markdown('### ' + markdown_text(names[5]) + '\\n\\n' + markdown_text('; '.join(names)))",
    "Markdown('typeset: $x^2$')",
    "HTML('<p>typeset: from $5 to $10</p>')",
)


def test_hostile_titles_are_text_in_jupyter(browser, tmp_path):
    """No script runs, nothing is fetched, and only the formulas of the last two cells are typeset."""
    root, count = tmp_path / "results/toy", len(HOSTILE)
    matrix = sp.csr_matrix((np.random.default_rng(0).random((40, count)) < 0.6).astype(np.float32))
    lxr.Interactions(matrix, np.arange(40), np.arange(count), np.array(HOSTILE)).save(root / "interactions.npz")
    lxr.data.save_split(*lxr.split_users(40, seed=42), root / "split.npz")
    lxr.MF(count, n_factors=4).save(root / "mf/recommender.pt")
    cells = [nbformat.v4.new_code_cell(cell.format(results=str(root.parent))) for cell in HOSTILE_CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "explore.ipynb")
    asked = []
    with (
        serving("explore_lab", tmp_path) as (address, _),
        contextlib.closing(browser.new_page(viewport={"width": 1280, "height": 6000})) as page,
    ):
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        run_all_cells(page)
        page.locator(".jp-OutputArea-output mjx-container").nth(1).wait_for()
        app = page.locator(".lxr-app")
        playwright.expect(app).to_contain_text("In words")
        playwright.expect(app).not_to_contain_text("looking for", timeout=20_000)
        page.wait_for_timeout(500)
        page.screenshot(path=Path(os.environ.get("LXR_HOSTILE", tmp_path)) / "hostile.png")
        typeset = page.locator(".jp-OutputArea-output:has(mjx-container)")
        assert [text.partition(":")[0] for text in typeset.all_inner_texts()] == ["typeset"] * 2
        outputs = page.locator(".jp-OutputArea-output").all_inner_texts()
        assert sum("From $5 to $10" in text for text in outputs) >= 5 and any("M*A*S*H" in text for text in outputs)
        assert page.evaluate("window.hacked") is None
        assert not [url for url in asked if "example.org" in url]
