"""`notebooks/explore.ipynb` in a real browser, as a page of Voilà and in JupyterLab: choose, click, untick, see the change.

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
import pytest

from lxr.datasets import PROJECT_ROOT
from lxr.exploration import Exploration, TrainedModels, trained

pytest.importorskip("voila")
playwright = pytest.importorskip("playwright.sync_api")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SERVERS = {
    "explore": ("voila", "explore.ipynb", "--Voila.ip=127.0.0.1", "--show_tracebacks=True"),
    "explore_lab": (
        "jupyterlab",
        "--ip=127.0.0.1",
        "--allow-root",
        "--IdentityProvider.token=lxr",
        "--LabApp.news_url=None",
    ),
}
PATHS = {"explore": "", "explore_lab": "doc/tree/explore.ipynb?token=lxr"}


@pytest.fixture(scope="module")
def models(trained_results) -> TrainedModels:
    """What is explored."""
    root = Path(os.environ.get("LXR_EXPLORE", trained_results / "synthetic")).resolve()
    return TrainedModels(root.parent, root.name, trained(root.parent)[root.name][0])


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory) -> Path:
    """A folder with the notebook, told what to explore."""
    notebook = nbformat.read(PROJECT_ROOT / "notebooks/explore.ipynb", as_version=4)
    told = {"results": str(models.root.parent), "dataset": models.root.name, "recommender": models.recommender}
    (parameters,) = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += "\n" + "\n".join(f"{name} = {value!r}" for name, value in told.items())
    folder = tmp_path_factory.mktemp("served")
    nbformat.write(notebook, folder / "explore.ipynb")
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
def serving(name: str, folder: Path):
    """The address of a server of the notebook, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *SERVERS[name], "--no-browser", f"--port={port}"]
    places = {f"JUPYTER_{kind}_DIR": str(folder / f".{kind.lower()}") for kind in ("RUNTIME", "CONFIG")}
    with (
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=os.environ | places, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            wait_for(port, server, folder / f"{name}.log")
            yield f"http://127.0.0.1:{port}/{PATHS[name]}"
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
        rank = exploration.case.without(exploration.case.explanation("leave-one-out").items[:1]).rank
        if rank > 2:
            return exploration, rank
    raise AssertionError("every second recommendation stays where it is")


@pytest.mark.parametrize("name", list(SERVERS))
def test_choose_click_untick_and_see_the_rank_change(name, browser, models, folder, tmp_path):
    exploration, rank = expected(models)
    user = models.test.tolist().index(exploration.user)
    first, second = exploration.recommendations(2)["title"]
    with (
        serving(name, folder) as address,
        contextlib.closing(browser.new_page(viewport={"width": 1280, "height": 900})) as page,
    ):
        page.set_default_timeout(60_000)
        page.goto(address)
        if name == "explore_lab":
            page.get_by_text("| Idle").wait_for()  # the kernel is there
            page.locator(".lm-MenuBar-itemLabel", has_text="Run").click()
            page.locator("[data-command='runmenu:run-all']").click()
        app = page.locator(".lxr-app")
        playwright.expect(app).to_contain_text("What if?", timeout=60_000)

        app.get_by_label("User").select_option(index=user)
        recommended = app.locator(".widget-toggle-buttons button")
        playwright.expect(recommended.first).to_contain_text(first)
        playwright.expect(app).to_contain_text(f"{first} without 0 of")
        case = Exploration(models, exploration.user).case
        playwright.expect(app).to_contain_text(case.sentence, timeout=20_000)

        recommended.nth(1).click()
        playwright.expect(app).to_contain_text("rank 2 → 2")
        playwright.expect(app).to_contain_text(f"{second} without 0 of")

        reason = app.locator(".lxr-row").nth(12)  # the first of the second panel
        playwright.expect(reason).to_contain_text(exploration.case.explanation("leave-one-out").to_frame(1)["title"].iloc[0])
        reason.get_by_role("checkbox").uncheck()
        playwright.expect(app).to_contain_text(f"rank 2 → {rank}")

        recommended.first.click()
        playwright.expect(app).to_contain_text(case.sentence, timeout=20_000)
        app.get_by_role("button", name="Leave out the first").nth(1).click()
        rank = case.without(case.explanation("leave-one-out").items[:3]).rank
        playwright.expect(app).to_contain_text(f"rank 1 → {rank}")
        app.screenshot(path=Path(os.environ.get("LXR_SCREENSHOTS", tmp_path)) / f"{name}.png")

        app.get_by_role("button", name="Start from nothing").click()
        playwright.expect(app).to_contain_text("Add items by their titles.")
        app.get_by_placeholder("add an item").fill(first)
        app.get_by_placeholder("add an item").press("Enter")
        playwright.expect(app).to_contain_text("without 0 of 1 history items")
