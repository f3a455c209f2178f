"""The machine, the versions, and the directories in which the project reads and writes."""

import contextlib
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pooch
import psutil
import torch

from lxr.utils.checks import (
    check_choice,
)

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DATA_DIR = "LXR_DATA_DIR"  # environment variable: the directory of raw data


def in_checkout() -> bool:
    """True in a clone of the repository, which has the notebooks; false for an installed copy."""
    return (PROJECT_ROOT / "notebooks").is_dir()


def data_directory(data_dir: str | Path | None = None) -> Path:
    """Directory of raw data.

    Args:
        data_dir: if given; ``~`` is the home directory.

    Returns:
        The argument, else the environment's ``LXR_DATA_DIR``, else ``Data/`` of the project. An installed copy of the
        package has no project: there it is a cache directory of the user.
    """
    given = data_dir or os.environ.get(DATA_DIR)
    if given:
        return Path(given).expanduser()
    return PROJECT_ROOT / "Data" if in_checkout() else pooch.os_cache("lxr")


def results_directory(results: str | Path) -> Path:
    """Directory of all results.

    Args:
        results: absolute, or relative to the project, wherever a notebook runs; ``~`` is the home directory. An installed
            copy of the package has no project: there a relative path starts at the working directory.
    """
    results = Path(results).expanduser()
    return PROJECT_ROOT / results if in_checkout() else results.absolute()


def choose_device(name: str = "auto") -> torch.device:
    """PyTorch device by name.

    Args:
        name: ``"cpu"``, ``"cuda"``, or ``"auto"``, which is CUDA if PyTorch finds it.

    Returns:
        The device.

    Raises:
        ValueError: the name is neither ``auto``, ``cpu`` nor ``cuda``, or there is no CUDA device.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    check_choice(("auto", "cpu", "cuda"), device=name)
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: expected a CUDA device for 'cuda', but PyTorch finds none")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


PACKAGES = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "lime",
    "shap",
    "captum",
    "optuna",
    "matplotlib",
    "seaborn",
    "papermill",
)


def environment() -> dict:
    """Versions, commit and machine, on which a result depends in addition to its parameters."""
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "packages": package_versions(),
        "system": platform.system(),
        "machine": machine(),
    }


def machine() -> dict:
    """Describe the machine without naming it: architecture, processor, number of processors, memory in GiB."""
    return {
        "architecture": platform.machine(),
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def processor_name() -> str | None:
    """The model of the processor, as the system names it; None if it does not."""
    information = Path("/proc/cpuinfo")  # Linux
    if information.is_file():
        names = re.findall(
            r"^model name\s*:\s*(.+)", information.read_text(encoding="utf-8", errors="replace"), flags=re.MULTILINE
        )
        return names[0].strip() if names else None
    if platform.system() == "Darwin":
        finished = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return finished.stdout.strip() or None
    return platform.processor() or None


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Name → version of installed packages; by default of all packages on which results depend."""
    installed = {}
    for name in names:
        with contextlib.suppress(PackageNotFoundError):  # an extra that is not installed
            installed[name] = version(name)
    return installed


def commit() -> str | None:
    """Commit of the project, with ``+changes`` where tracked files differ from it; None outside a git checkout."""
    if not in_checkout():  # an installed copy may be inside another repository
        return None

    def git(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, encoding="utf-8", errors="replace", check=False
        )

    try:
        head = git("rev-parse", "HEAD")
    except FileNotFoundError:  # git is not installed
        return None
    if head.returncode:
        return None
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!results").stdout.strip()
    return head.stdout.strip() + ("+changes" if changed else "")
