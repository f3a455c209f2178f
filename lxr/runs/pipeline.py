"""Notebooks as stages of a directed graph, run by papermill and skipped if nothing has changed.

A stage is done when its notebook has run to the end and has a stamp. The stamp has a key: the hash of everything that
determines the result. That is the notebook's code, its parameters, the keys of the stages it needs, the sources of ``lxr``
that it can use (see :mod:`lxr.runs.imports`), the plugins that register explainers of its parameters, and the versions of
the packages. The record has these parts, so the next run can name the part that has changed. It also has the hash of every
file that the stage read and wrote, its executed notebook included, and the key of the stage that made each file that it
read.

A stage is skipped when its key and all these files are unchanged. It fails when it has read a file that differs from the
output of the stages that it needs.
"""

import contextlib
import hashlib
import inspect
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import KW_ONLY, dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

import psutil
from tqdm.auto import tqdm

from lxr.distributed.cluster import ClusterError, ClusterExecutor, SchedulerLostError
from lxr.runs.imports import Library, texts_in
from lxr.runs.plugins import PLUGINS, loaded_plugins, plugins_of
from lxr.runs.stage import DIRECTORIES, Stage, check_parameters, read_code
from lxr.runs.terminal import coloured
from lxr.runs.workspace import RUN, SCHEDULER, Workspace
from lxr.utils.environment import package_versions
from lxr.utils.records import write_json
from lxr.utils.storage import DataError, sha256, sweep

LONGEST_VALUE = 120  # length of parameters in a record; longer ones are replaced by their hash
# Descriptions of a change, by part of a stage's key.
CHANGES = {
    "parameters": "parameter {name}: {new}, was {old}",
    "library": "{name} has changed",
    "plugins": "the plugin of {name} has changed",
    "packages": "{name}: {new}, was {old}",
    "needs": "it needs {name}, which has changed",
}


@dataclass
class Outcome:
    """Outcome of a stage: ``"done"``, ``"skipped"``, ``"failed"`` or ``"not run"``, the reason, and the seconds.

    Attributes:
        state: one of these words.
        detail: the reason, or the failure.
        seconds: wall time.

    Example:
        >>> Outcome("done", "not finished before", seconds=2.5).state
        'done'
    """

    state: str
    detail: str = ""
    seconds: float = 0.0


@dataclass
class Pipeline:
    """Runs stages in the order of their needs, several at a time.

    Args:
        stages: the graph; every need must be among them.
        root: directory of the run, ``<results>/<dataset>``.
        jobs: notebooks at a time, which share the processors.
        force: run every stage, even if its stamp is valid.
        executor: workers of a cluster, which run the notebooks; None for this machine. Checks and stamps stay here.

    Attributes:
        parts: name of each stage → parts of its key.
        keys: name of each stage → its key.
        records: name of each finished or skipped stage → its record.
        made: each file of these stages → name of the stage and hash of the file.

    Example:
        >>> import lxr
        >>> options = lxr.runs.RunOptions(dataset="synthetic", before="02_mf")
        >>> pipeline = Pipeline(lxr.runs.plan_stages(options), options.root / "nowhere")
        >>> pipeline.state(pipeline.stages[0])
        ('missing', 'not finished before')
    """

    stages: Sequence[Stage]
    root: Path
    _: KW_ONLY
    jobs: int = 1
    force: bool = False
    executor: ClusterExecutor | None = None
    parts: dict[str, dict] = field(default_factory=dict, init=False)
    keys: dict[str, str] = field(default_factory=dict, init=False)
    records: dict[str, dict] = field(default_factory=dict, init=False)
    made: dict[Path, tuple[str, str]] = field(default_factory=dict, init=False)

    def __post_init__(self):
        self.by_name = {stage.name: stage for stage in self.stages}
        library, packages = Library(), package_versions()
        for name in TopologicalSorter({stage.name: stage.needs for stage in self.stages}).static_order():
            self.parts[name] = self._parts(self.by_name[name], library) | {"packages": packages}
            self.keys[name] = _hash(self.parts[name])

    @property
    def threads(self) -> int:
        """Threads of each notebook: its share of the processors."""
        return max(1, (os.cpu_count() or 1) // self.jobs)

    def environment(self) -> dict[str, str]:
        """Environment variables that the kernels of notebooks inherit."""
        return {
            "OMP_NUM_THREADS": str(self.threads),
            RUN: str(self.root),
            PLUGINS: os.pathsep.join(map(str, loaded_plugins())),
            # A stage that has taken a GPU of the cluster keeps its shards of users there.
            SCHEDULER: str(self.executor.address) if self.executor and not self.executor.resources else "",
        }

    def _parts(self, stage: Stage, library: Library) -> dict:
        """Parts of a stage's key: everything that determines its result, except input files and packages."""
        parameters = {name: value for name, value in stage.parameters.items() if name not in DIRECTORIES}
        texts = texts_in(parameters)
        plugins = plugins_of(texts)
        code, source = _code_of(stage)
        sources = [source, *(path.read_text(encoding="utf-8") for path in plugins.values())]
        parts = {
            "code": code,
            "parameters": {name: _shortened(value) for name, value in parameters.items()},
            "needs": {need: self.keys[need] for need in stage.needs},
            "library": library.sources("\n".join(sources), texts),
            "plugins": {name: sha256(path) for name, path in plugins.items()},
        }
        return json.loads(json.dumps(parts))  # in the form of a record

    def why_stale(self, stage: Stage) -> str:
        """Reason why a stage must run, or an empty string."""
        if self.force:
            return "forced"
        if stage.resumable:
            return "it resumes its earlier work"
        record = stage.record(self.root)
        if record is None or "key" not in record:
            return "not finished before"
        if not all(isinstance(record.get(kind), dict) for kind in ("sources", "inputs", "outputs")):
            return "its record is damaged"
        if not isinstance(record.get("made_from"), dict):
            return "its record is of an earlier version"
        data_dir = stage.parameters.get("data_dir")
        if data_dir and not all(Path(name).is_relative_to(data_dir) for name in record["sources"]):
            return "it read another data directory"
        if record["key"] != self.keys[stage.name]:
            return self._change(stage, record["made_from"])
        files = self.files(stage, record, "inputs") | self.files(stage, record, "outputs")
        files |= {Path(name): expected for name, expected in record["sources"].items()}
        for path, expected in files.items():
            if not path.is_file():
                return f"{path} is missing"
            if sha256(path) != expected:
                return f"{path} has changed or is damaged"
        return ""

    def _change(self, stage: Stage, before: dict) -> str:
        """Description of the first changed part of a stage's key."""
        now = self.parts[stage.name]
        if now["code"] != before.get("code"):
            return f"the code of {stage.label} has changed"
        changes = (
            text.format(name=name, new=new, old=old)
            for kind, text in CHANGES.items()
            for name, new, old in _differences(now[kind], before.get(kind, {}))
        )
        return next(changes, "its record is of another version")

    def files(self, stage: Stage, record: dict, kind: str) -> dict[Path, str]:
        """Paths → hashes of the ``"inputs"`` or ``"outputs"`` in the record of a stage."""
        folder = (self.root / stage.name).parent
        return {folder / name: expected for name, expected in record[kind].items()}

    def state(self, stage: Stage) -> tuple[str, str]:
        """``"done"``, ``"stale"`` or ``"missing"`` (never finished), and the reason why it must run."""
        reason = self.why_stale(stage)
        finished = "key" in (stage.record(self.root) or {})
        return ("stale" if finished else "missing") if reason else "done", reason

    def run(self) -> dict[str, Outcome]:
        """Run stale stages; a failed stage stops only those that need it.

        Returns:
            Name → outcome, in the order of the stages.
        """
        sweep(self.root)
        outcomes: dict[str, Outcome] = {}
        sorter = TopologicalSorter({stage.name: stage.needs for stage in self.stages})
        sorter.prepare()
        running: dict[Future, str] = {}
        with (
            _environment_variables(**self.environment()),
            tqdm(total=len(self.stages), desc="stages", unit="stage", leave=False, disable=None) as progress,
            ThreadPoolExecutor(self.jobs) as pool,
        ):
            try:
                while sorter.is_active():
                    for name in sorter.get_ready():
                        stage = self.by_name[name]
                        blocked = [need for need in stage.needs if outcomes[need].state in ("failed", "not run")]
                        if blocked:
                            outcomes[name] = Outcome("not run", f"it needs {', '.join(blocked)}")
                            sorter.done(name)
                            progress.update()
                        else:
                            running[pool.submit(self.run_stage, stage)] = name
                    finished, _ = wait(running, return_when=FIRST_COMPLETED) if running else ((), ())
                    for future in finished:
                        name = running.pop(future)
                        outcomes[name] = future.result()
                        sorter.done(name)
                        progress.update()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                if self.executor:
                    self.executor.shutdown(wait=False)  # workers end their kernels
                else:  # kernels outlive an interrupted papermill: end them, so that its threads end too
                    for child in psutil.Process().children(recursive=True):
                        child.kill()
                raise
        return {stage.name: outcomes[stage.name] for stage in self.stages}

    def run_stage(self, stage: Stage) -> Outcome:
        """Run or skip one stage."""
        reason = self.why_stale(stage)
        if not reason:
            self.note(stage, stage.record(self.root) or {})
            tqdm.write(f"  {coloured('skip')} {stage.name}: unchanged")
            return Outcome("skipped")
        tqdm.write(f"  {coloured('run ')} {stage.name}: {reason}")
        started = time.perf_counter()
        try:
            error = self.act(stage, stage.action) if stage.action else self.execute(stage)
            if not error:
                self.stamp(stage)
        except SchedulerLostError:
            raise
        except ClusterError as failure:
            error = f"{stage.label}: {failure}"
        except OSError as failure:  # the results directory is read-only, full, or not a directory
            error = f"{stage.label}: cannot write to {self.root}: {failure}"
        except DataError as failure:
            error = f"{stage.label}: {failure}"
        seconds = time.perf_counter() - started
        if error:
            tqdm.write(f"  {coloured('FAIL')} {stage.name} after {seconds:.1f} s")
            return Outcome("failed", error, seconds)
        tqdm.write(f"  {coloured('done')} {stage.name} in {seconds:.1f} s")
        return Outcome("done", reason, seconds)

    def execute(self, stage: Stage) -> str:
        """Run the notebook of a stage, here or on a worker; returns an empty string, or the failure."""
        from lxr.runs import execution  # imported here because only a run needs this extra

        if self.executor is None:
            return execution.execute(stage, self.root)
        errand = execution.Errand.of(stage, self.root, self.environment())
        return self.executor.submit(execution.execute_on_worker, errand).result()

    def act(self, stage: Stage, action: Callable[..., None]) -> str:
        """Run the action of a stage; returns an empty string, or the failure."""
        stage.path(self.root, "stages", "json").unlink(missing_ok=True)
        path = self.root / stage.name
        folders = {"dataset": path.parent.name, "results": path.parent.parent}
        workspace = Workspace(path.name, folders | stage.parameters)
        try:
            action(self, workspace, **stage.parameters)
        except Exception as error:  # as in a notebook
            return f"{stage.label}: {type(error).__name__}: {error}"
        return ""

    def stamp(self, stage: Stage) -> None:
        """Mark a stage as finished: complete its record.

        The executed notebook becomes one of its outputs. The record gets its key, and the key of the stage that made each
        input.

        Raises:
            DataError: an input differs from the output of the stages that it needs.
        """
        path, record = stage.path(self.root, "stages", "json"), stage.record(self.root)
        if record is None:
            raise FileNotFoundError(f"the notebook ended without its record {path}")
        if stage.notebook:
            executed = stage.path(self.root, "notebooks", "ipynb")
            record["outputs"][executed.relative_to((self.root / stage.name).parent).as_posix()] = sha256(executed)
        makers = [self.maker(stage, read, digest) for read, digest in self.files(stage, record, "inputs").items()]
        record["made_by"] = {name: self.keys[maker] for name, maker in zip(record["inputs"], makers, strict=True)}
        record |= {"made_from": self.parts[stage.name], "key": self.keys[stage.name]}
        write_json(record, path)
        self.note(stage, record)

    def note(self, stage: Stage, record: dict) -> None:
        """Remember the files of a finished stage, its record included."""
        path, self.records[stage.name] = stage.path(self.root, "stages", "json"), record
        for made, digest in (self.files(stage, record, "outputs") | {path: sha256(path)}).items():
            self.made[made] = (stage.name, digest)

    def maker(self, stage: Stage, path: Path, digest: str) -> str:
        """Name of the stage that made an input of another stage.

        Raises:
            DataError: no stage that it needs has made the file, or the file has changed since.
        """
        maker, expected = self.made.get(path, (None, None))
        if maker not in self.needed(stage):
            raise DataError(f"it has read {path}, which none of the stages that it needs has made")
        if digest != expected and not self.made_again(self.by_name[maker], path, digest):
            raise DataError(
                f"it has read {path}, which has changed since {maker} wrote it: another process has written to "
                f"{self.root}. Run again"
            )
        return maker

    def needed(self, stage: Stage) -> set[str]:
        """Names of all stages that a stage needs, directly or through others."""
        found, waiting = set(), list(stage.needs)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.by_name[name].needs
        return found

    def made_again(self, maker: Stage, path: Path, digest: str) -> bool:
        """Check whether a stage was done again meanwhile, by its notebook in an editor.

        With the same parameters and the same input files, only measured times differ.
        """
        before, now = self.records[maker.name], maker.record(self.root) or {}
        same = all(now.get(part) == before[part] for part in ("parameters", "sources", "inputs"))
        return same and self.files(maker, now, "outputs").get(path) == digest


def _hash(value: object) -> str:
    """Hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _shortened(value: object) -> object:
    """A value, or the first digits of its hash if it is long."""
    return value if len(json.dumps(value)) <= LONGEST_VALUE else f"#{_hash(value)[:12]}"


def _code_of(stage: Stage) -> tuple[str, str]:
    """Hash of a stage's code, and the source for the search of its imports.

    This source does not include defaults of parameters that the stage replaces.

    Raises:
        ValueError: the stage has a parameter that the notebook does not have.
    """
    if stage.notebook is None:
        source = Path(inspect.getfile(stage.action)).read_text(encoding="utf-8") if stage.action else ""
        return _hash(source), source
    code = read_code(stage.notebook)
    check_parameters(stage, code)
    defaults = [value for name, value in code.defaults.items() if name not in stage.parameters]
    return _hash([code.parameters, code.cells]), "\n".join([*code.cells, *defaults])


def _differences(now: dict, before: dict) -> Iterator[tuple[str, object, object]]:
    """Names with different values, and both values; a missing name has the value None."""
    for name in dict.fromkeys([*now, *before]):
        if now.get(name) != before.get(name):
            yield name, now.get(name), before.get(name)


@contextlib.contextmanager
def _environment_variables(**values: str) -> Iterator[None]:
    """Context with environment variables, which kernels inherit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
