"""The sources that are files: made once for a scale factor, then kept."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Callable

import duckdb
import duckdb_extensions

from .progress import timed
from .tables import TABLES, Table, index_ddl

BATCH_ROWS = 20_000


def duckdb_file(target: Path, scale: float) -> Path:
    """The tables in a DuckDB file, as DuckDB's own generator makes them."""

    def make(file: Path) -> None:
        with duckdb.connect(str(file)) as connection:
            duckdb_extensions.import_extension("tpch")
            connection.execute("load tpch")
            connection.execute("create schema made")
            connection.execute(f"call dbgen(sf = {scale:g}, schema = 'made')")
            for table in TABLES:
                connection.execute(table.ddl())
                connection.execute(f"insert into {table.name} select {', '.join(table.columns)} from made.{table.name}")
            connection.execute("drop schema made cascade")

    return made_once(target, "Generating TPC-H in a DuckDB file", make)


def parquet_folder(target: Path, duck: Path) -> Path:
    """The tables of a DuckDB file as Parquet files."""

    def make(folder: Path) -> None:
        folder.mkdir()
        with duckdb.connect(str(duck), read_only=True) as connection:
            for table in TABLES:
                connection.execute(f"copy {table.name} to '{folder / table.name}.parquet' (format parquet)")

    return made_once(target, "Writing Parquet files", make)


def sqlite_file(target: Path, duck: Path) -> Path:
    """The tables of a DuckDB file in a SQLite file, indexed and analyzed."""

    def make(file: Path) -> None:
        connection = sqlite3.connect(file)
        connection.execute("pragma journal_mode = off")
        connection.execute("pragma synchronous = off")
        with duckdb.connect(str(duck), read_only=True) as made:
            for table in TABLES:
                connection.execute(table.ddl())
                rows = made.execute(f"select {', '.join(as_sqlite_takes_them(table))} from {table.name}")
                insert = f"insert into {table.name} values ({', '.join('?' * len(table.columns))})"
                while batch := rows.fetchmany(BATCH_ROWS):
                    connection.executemany(insert, batch)
        for statement in (*index_ddl(), "analyze"):
            connection.execute(statement)
        connection.commit()
        connection.close()

    return made_once(target, "Loading SQLite", make)


def as_sqlite_takes_them(table: Table) -> list[str]:
    """The columns of a table; decimals and dates, which Python's SQLite module does not know, as text."""
    return [name if kind == "integer" else f"{name}::varchar" for name, kind in table.columns.items()]


def made_once(target: Path, doing: str, make: Callable[[Path], None]) -> Path:
    """The target, which `make` writes under another name first: what has the name is complete."""
    if not target.exists():
        partial = target.with_name(f"{target.name}.partial")
        partial.unlink(missing_ok=True) if not partial.is_dir() else shutil.rmtree(partial)
        target.parent.mkdir(parents=True, exist_ok=True)
        with timed(doing):
            make(partial)
        partial.rename(target)
    return target
