"""Build the source distribution and the wheel, and use the wheel away from the repository.

    .venv/bin/python .ci/package.py

Fails if one of them lacks a tracked file of the library, or if the installed wheel cannot explain a recommendation.
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
USE = """
import pathlib, sys, torch, lxr
assert pathlib.Path(lxr.__file__).is_relative_to(sys.argv[1]), lxr.__file__
assert pathlib.Path(lxr.__file__).with_name("py.typed").is_file()
lxr.explainers.published_settings("ml-1m", "vae")
model = lxr.wrap(lambda history: history @ torch.eye(160).roll(1, 1), 160, "sigmoid")
data = lxr.load_dataset("synthetic")
explainer = lxr.EXPLAINERS["leave-one-out"](model, data.matrix)
print(lxr.explain(model, data, rows=0, explainer=explainer).to_frame(reasons=3))
"""


def run(*command: str | Path, **options) -> str:
    """Run a command and return what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8", **options).stdout


def check_complete(kind: str, tracked: set[str], found: set[str]) -> None:
    """Exit if files of the library are missing from a distribution."""
    if tracked - found:
        sys.exit(f"{kind} lacks {', '.join(sorted(tracked - found))}")


def main() -> None:
    """Build, compare with what git tracks, install elsewhere, use."""
    tracked = set(run("git", "ls-files", "lxr", cwd=ROOT).split())
    with tempfile.TemporaryDirectory() as directory:
        dist, site = Path(directory) / "dist", Path(directory) / "site"
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT)
        (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
        check_complete(wheel.name, tracked, set(zipfile.ZipFile(wheel).namelist()))
        with tarfile.open(sdist) as archive:
            check_complete(sdist.name, tracked, {name.partition("/")[2] for name in archive.getnames()})
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel)
        print(run(sys.executable, "-c", USE, site, cwd=directory, env={"PYTHONPATH": str(site)}))
        print(f"{sdist.name} and {wheel.name} are complete")


if __name__ == "__main__":
    main()
