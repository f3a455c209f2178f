"""Journals of studies: files that several processes share, checked when they are opened."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lxr.tuning.spaces import distributions
from lxr.tuning.subjects import Tuning
from lxr.utils.environment import package_versions
from lxr.utils.extras import extra
from lxr.utils.storage import DataError

if TYPE_CHECKING:
    import optuna

STUDY = "study"  # each journal holds one
STUDY_PACKAGES = ("torch", "optuna")


def open_study(path: str | Path, tuning: Tuning | None = None) -> "optuna.Study":
    """Open the study of a journal, to read it or to take part in it.

    Args:
        path: the journal.
        tuning: expected subject of the study; a missing study is created.

    Returns:
        The study.

    Raises:
        DataError: the file is missing or not a journal, or the study has another subject.
        OSError: the file cannot be read or written.

    Example:
        >>> open_study("none.journal")
        Traceback (most recent call last):
        ...
        lxr.utils.storage.DataError: none.journal is missing: run the tuning that makes it
    """
    with extra("tuning"):
        import optuna
        from optuna.storages.journal import JournalFileBackend

    path, space = Path(path), {name: list(values) for name, values in tuning.space.items()} if tuning else {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if tuning is None:
        if not path.is_file():
            raise DataError(f"{path} is missing: run the tuning that makes it")
    else:
        distributions(tuning.space)  # fails before a file is made
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        if tuning is None:
            return optuna.load_study(study_name=STUDY, storage=storage)
        with locked(path):
            _drop_torn_line(path)
            study = optuna.create_study(
                storage=storage,
                study_name=STUDY,
                direction=direction_of(tuning),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=tuning.warmup),
                load_if_exists=True,
            )
            if not study.user_attrs and not study.get_trials(deepcopy=False):
                study.set_user_attr("about", dict(tuning.about))
                study.set_user_attr("space", space)
                study.set_user_attr("versions", package_versions(STUDY_PACKAGES))
    except OSError:
        raise
    except Exception as error:  # a damaged journal raises many kinds
        raise DataError(f"{path} is not a valid study journal ({error}): delete it to start over") from error
    _check_same(path, study.user_attrs.get("about", {}), tuning.about)
    _check_same(path, study.user_attrs["space"], space, "space of ")
    _check_same(path, {"direction": study.direction.name.lower()}, {"direction": direction_of(tuning)})
    return study


def direction_of(tuning: Tuning) -> Literal["minimize", "maximize"]:
    """Direction of the metric in Optuna's words."""
    return "minimize" if tuning.lower_is_better else "maximize"


def _drop_torn_line(path: Path) -> None:
    """Cut off an incomplete last line, which a killed process has left."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)


def _check_same(path: Path, found: Mapping, expected: Mapping, what: str = "") -> None:
    """Refuse a study of another subject.

    Raises:
        DataError: names the file and what differs.
    """
    for name in {**expected, **found}:
        if name not in found or name not in expected or found[name] != expected[name]:
            raise DataError(
                f"{path} holds another study, {what}{name}: expected {expected.get(name, 'nothing')}, "
                f"found {found.get(name, 'nothing')}; delete it to start over"
            )


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time draw trials of a study; the journal itself locks only single lines."""
    with extra("tuning"):
        from optuna.storages.journal import JournalFileOpenLock

    lock = JournalFileOpenLock(f"{path}.draw")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
