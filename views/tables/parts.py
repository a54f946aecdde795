"""Tables of what is below trials, in parts: whole trials stand in each, so what is counted by trial is counted by part.

A part that is full goes to disk as Parquet files, one for each table, so that no more than one is in memory.
"""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pandas as pd
import pandera.pandas as pa

from adapter.errors import BadInputError
from views.tables.columns import Columns

if TYPE_CHECKING:
    import dask.dataframe as dd

PART_ROWS = 50_000
"""Rows of its longest table at which a part is full: about 100 MB while they are collected, and 5 MB on disk."""

type Part = dict[str, pd.DataFrame]
"""The tables of some trials, by name."""


class Parts:
    """Tables that grow trial by trial; it can be gone through any number of times, part by part.

    Args:
        schemas: of the tables, by name.
        part_rows: when a part is full.
    """

    def __init__(self, schemas: Mapping[str, pa.DataFrameSchema], part_rows: int = PART_ROWS) -> None:
        self._schemas = dict(schemas)
        self._part_rows = part_rows
        self._full = 0
        self._folder: Path | None = None
        self._begin()

    @property
    def names(self) -> tuple[str, ...]:
        """The tables' names."""
        return tuple(self._schemas)

    def add(self, rows: Mapping[str, Iterable[Mapping[str, object]]]) -> None:
        """Adds all rows of one trial, by table; a table that is not named has none of it."""
        for name, columns in self._last.items():
            for row in rows.get(name, ()):
                columns.add(row)
        if max(map(len, self._last.values()), default=0) >= self._part_rows:
            self._put_away()

    def __iter__(self) -> Iterator[Part]:
        """Each part; of no rows at all, one without rows."""
        for number in range(self._full):
            yield {name: pd.read_parquet(self._path(name, number)) for name in self._schemas}
        if not self._full or any(map(len, self._last.values())):
            yield self._frames()

    def whole(self, name: str) -> pd.DataFrame:
        """One table, all of it."""
        return pd.concat([part[name] for part in self], ignore_index=True)

    def write(self, folder: Path) -> None:
        """Writes the tables into an existing folder: `NAME.parquet`, or `NAME/part-00000.parquet` and on for several.

        What an earlier run wrote there under these names is replaced.

        Raises:
            OSError: it cannot be written.
        """
        for name in self._schemas:
            for old in (folder / f"{name}.parquet", *(folder / name).glob("part-*.parquet")):
                old.unlink(missing_ok=True)
            if self._full:
                (folder / name).mkdir(exist_ok=True)
            for number in range(self._full):
                shutil.copyfile(self._path(name, number), folder / name / _part(number))
        if not self._full:
            for name, table in self._frames().items():
                table.to_parquet(folder / f"{name}.parquet", index=False)
        elif any(map(len, self._last.values())):
            for name, table in self._frames().items():
                table.to_parquet(folder / name / _part(self._full), index=False)

    def _begin(self) -> None:
        self._last = {name: Columns(schema) for name, schema in self._schemas.items()}

    def _frames(self) -> Part:
        return {name: columns.frame() for name, columns in self._last.items()}

    def _put_away(self) -> None:
        for name, table in self._frames().items():
            table.to_parquet(self._path(name, self._full), index=False)
        self._full += 1
        self._begin()

    def _path(self, name: str, number: int) -> Path:
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="kilobench-tables-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / f"{name}-{_part(number)}"


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A table that was written into a folder, in one file or in parts.

    Raises:
        BadInputError: it is not there.
    """
    return pd.concat([pd.read_parquet(path) for path in files_of(folder, name)], ignore_index=True)


def joined(folder: Path, name: str) -> dd.DataFrame:
    """A table that was written into a folder as one of Dask's: a partition for each part, read when it is computed.

    Raises:
        BadInputError: it is not there, or Dask is not installed.
    """
    try:
        import dask.dataframe as dd
    except ImportError as error:
        raise BadInputError("Joining the parts of a table needs Dask.", 'pip install "kilobench[dask]"') from error
    return dd.from_map(pd.read_parquet, [str(path) for path in files_of(folder, name)])


def files_of(folder: Path, name: str) -> list[Path]:
    """The files of a table in a folder, in the order of its rows.

    Raises:
        BadInputError: there is none.
    """
    one = folder / f"{name}.parquet"
    found = [one] if one.is_file() else sorted((folder / name).glob("part-*.parquet"))
    if not found:
        raise BadInputError(
            f"{folder} holds no table {name}.", "Give the folder of --tables DIR, of `kilobench run` or `compare`."
        )
    return found


def _part(number: int) -> str:
    return f"part-{number:05}.parquet"
