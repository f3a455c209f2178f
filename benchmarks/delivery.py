"""How fast and in how much memory `lxr explain` explains everyone: `python benchmarks/delivery.py`.

A generated set of users as in `scale.py`, an MF and an explainer trained for one epoch on a few of them: how good these are
does not matter here. The command then runs in processes of its own, whose memory is added up.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
from scale import generated_ratings

import lxr

QUICK = {"lxr": {"epochs": 1}, "lxr-path": {"epochs": 1, "n_users": 500}}  # options of training, by family


def prepared(folder: Path, n_users: int, n_items: int, explainer: str) -> list[str]:
    """Make the recommender, the data and the explainer, unless they are there; returns them as words of the command."""
    model_file, data_file, explainer_file = (folder / name for name in ("mf.pt", "data.npz", f"{explainer}.pt"))
    if not data_file.is_file():
        lxr.prepare(generated_ratings(n_users, n_items)).save(data_file)
    data = lxr.Interactions.load(data_file)
    train, validation, _ = (data.matrix[users[:5000]] for users in lxr.split_users(data.matrix.shape[0], seed=42))
    if not model_file.is_file():
        model = lxr.MF(data.n_items)
        lxr.fit(model, train, validation[:1000], epochs=1)
        model.save(model_file)
    spec = lxr.EXPLAINERS[explainer]
    if spec.is_trained and not explainer_file.is_file():
        spec(lxr.load(model_file), train, validation[:200], **QUICK[spec.family]).save(explainer_file)
    print(f"{data.matrix.shape[0]} users, {data.n_items} items, {data.matrix.nnz} interactions")
    made = str(explainer_file) if spec.is_trained else explainer
    return ["--model", str(model_file), "--data", str(data_file), "--explainer", made]


def memory_of(process: psutil.Process) -> float:
    """Memory [GB] of a process and its children."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 1024**3


def watched(command: list[str]) -> tuple[str, dict]:
    """Last line that a command prints, its wall time and the highest memory of its processes."""
    started, highest = time.perf_counter(), 0.0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    while process.poll() is None:
        try:
            highest = max(highest, memory_of(psutil.Process(process.pid)))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.2)
    printed, _ = process.communicate()
    if process.returncode:
        sys.exit(process.returncode)
    return printed.splitlines()[-1], {"seconds": time.perf_counter() - started, "peak [GB]": highest}


def main() -> None:
    """Print what the command says, and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(100_000, 10_000), metavar=("USERS", "ITEMS"))
    parser.add_argument("--explainer", default="lxr-path-pure-rank", choices=list(lxr.EXPLAINERS), metavar="NAME")
    parser.add_argument("--top", default="1", metavar="N")
    parser.add_argument("--jobs", default="2", metavar="N")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep data and models there, for another measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "out"
        words = prepared(options.folder or Path(temporary), *options.size, options.explainer)
        how = ["--top", options.top, "--jobs", options.jobs, "--out", str(out)]
        said, found = watched([sys.executable, "-m", "lxr", "explain", *words, *how])
        n_bytes = sum(path.stat().st_size for path in out.glob("part-*"))
    n_users = int(said.split(" explanations of ")[1].split()[0])
    table = pd.DataFrame(
        [found | {"users / s": n_users / found["seconds"], "files [MB]": n_bytes / 1024**2}], index=[options.explainer]
    )
    print(f"{said}\n\n{table.round(2).to_string()}")


if __name__ == "__main__":
    main()
