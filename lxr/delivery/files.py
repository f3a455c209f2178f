"""Files of records: JSON lines, and Parquet with nested columns."""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lxr.delivery.records import SCHEMA, Record, arrow_schema
from lxr.utils.records import read_json
from lxr.utils.storage import DataError, atomic_path, read_checked, save_table, sha256, short

RUN = "_run"  # readers of Parquet directories ignore names that begin with an underscore


def write_jsonl(records: Iterable[Record], path: str | Path) -> None:
    """Write records to a file, one per line, in UTF-8, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(records: Iterable[Record], path: str | Path, user: type, item: type) -> None:
    """Write records to a Parquet file with a checksum, atomically.

    Args:
        records: the records.
        path: the file.
        user: type of user ids, ``int`` or ``str``.
        item: type of item ids, ``int`` or ``str``.
    """
    save_table(pa.Table.from_pylist(list(records), schema=arrow_schema(user, item)), path)


def read_explanations(path: str | Path) -> pd.DataFrame:
    """Read the records of a file, or of a directory of ``lxr explain``.

    Args:
        path: a complete directory of ``lxr explain``, or a file of :meth:`Explanations.to_parquet` or
            :meth:`Explanations.to_jsonl`.

    Returns:
        One row for each record; ``reasons`` are lists of dictionaries, ``counterfactual`` is a dictionary or None.

    Raises:
        DataError: a file is missing or damaged, or has records of another schema.

    Example:
        >>> import lxr, tempfile
        >>> data = lxr.load_dataset("synthetic")
        >>> explanations = lxr.explain(lxr.MF(data.n_items), data, users=[3, 5])
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     explanations.to_parquet(f"{directory}/explanations.parquet")
        ...     read_explanations(f"{directory}/explanations.parquet")[["user", "item", "rank"]]
           user  item  rank
        0     3   107     1
        1     5   158     1
    """
    path = Path(path)
    files = _files_of(path) if path.is_dir() else [path]
    return pd.DataFrame([record for file in files for record in _read(file)], columns=list(Record.__annotations__))


def _files_of(directory: Path) -> list[Path]:
    """Files of a complete directory of ``lxr explain``."""
    contents = read_json(directory / RUN / "contents.json")
    if contents is None:
        raise DataError(f"{directory}: expected a directory of lxr explain, found no record of it in {RUN}")
    files = [directory / name for name in contents["files"]]
    whole = [path for path in files if recorded(path)]
    if len(whole) < len(files):
        raise DataError(
            f"{directory}: expected {len(files)} files, found {len(whole)} complete ones: run the same command again"
        )
    return files


def record_of(path: Path) -> Path:
    """Record of a file of a directory."""
    return path.parent / RUN / f"{path.stem}.json"


def recorded(path: Path) -> dict | None:
    """Record of a file of a directory; None without a record, or if the file differs from it."""
    record = read_json(record_of(path))
    return record if record and path.is_file() and sha256(path) == record.get("file") else None


def _read(path: Path) -> list[dict]:
    """Records of one file."""
    records = _json_lines(path) if path.suffix == ".jsonl" else read_checked(path, pq.read_table).to_pylist()
    other = next((each.get("schema") for each in records if each.get("schema") != SCHEMA), SCHEMA)
    if other != SCHEMA:
        raise DataError(f"{path}: expected records of the schema {SCHEMA}, found {other!r}")
    return records


def _json_lines(path: Path) -> list[dict]:
    """Objects of a file of JSON lines."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a file of JSON lines, found: {short(error)}") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(dict(json.loads(line)))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}, line {number}: expected a JSON object, found: {short(error)}") from error
    return records
