"""Speed and memory of `lxr explain` for all users: `python benchmarks/delivery.py`.

Users are generated as in `scale.py`. An MF and an explainer are trained for one epoch on a few of them, because their
quality does not matter here. The command then runs in separate processes, whose memory is added up.
"""

import argparse
import contextlib
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
    """Make the recommender, the data and the explainer unless they exist; returns them as words of the command."""
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


class Usage:
    """Memory and processor time of a process and its children, polled repeatedly."""

    def __init__(self, process: psutil.Process):
        self.process, self.highest, self.seconds = process, 0, {}

    def look(self) -> None:
        """Update the highest memory [bytes] of all processes together, and the time [s] of each."""
        total = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [self.process, *self.process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += each.memory_info().rss
                    self.seconds[each.pid] = sum(each.cpu_times()[:2])
        self.highest = max(self.highest, total)


def watched(command: list[str]) -> tuple[str, dict]:
    """Last line of a command's output, its wall time, its processor time and the highest memory of its processes."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    usage = Usage(psutil.Process(process.pid))
    while process.poll() is None:
        usage.look()
        time.sleep(0.2)
    printed, _ = process.communicate()
    if process.returncode:
        sys.exit(process.returncode)
    seconds, gigabytes = time.perf_counter() - started, usage.highest / 1024**3
    found = {"seconds": seconds, "processor [s]": sum(usage.seconds.values()), "peak [GB]": gigabytes}
    return printed.splitlines()[-1], found


def main() -> None:
    """Print the output of the command, and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(100_000, 10_000), metavar=("USERS", "ITEMS"))
    parser.add_argument("--explainer", default="lxr-path-pure-rank", choices=list(lxr.EXPLAINERS), metavar="NAME")
    parser.add_argument("--top", default="1", metavar="N")
    parser.add_argument("--jobs", default="2", metavar="N")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keeps data and models for another measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "out"
        words = prepared(options.folder or Path(temporary), *options.size, options.explainer)
        how = ["--top", options.top, "--jobs", options.jobs, "--out", str(out)]
        said, found = watched([sys.executable, "-m", "lxr", "explain", *words, *how])
        n_bytes = sum(path.stat().st_size for path in out.glob("part-*"))
    n_users = int(said.split(" explanations of ")[1].split()[0])
    found |= {"users / s": n_users / found["seconds"], "users / processor s": n_users / found["processor [s]"]}
    table = pd.DataFrame([found | {"files [MB]": n_bytes / 1024**2}], index=[options.explainer])
    print(f"{said}\n\n{table.round(2).to_string()}")


if __name__ == "__main__":
    main()
