"""Brings up the sources of a run: those that were named, and for the rest the bench's own."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path

from .files import duckdb_file, parquet_folder, sqlite_file
from .home import Home
from .load import load_mariadb, load_postgres
from .servers import start_mariadb, start_postgres
from .sources import Server, Sources


def open_sources(home: Home, given: dict[str, str], stack: ExitStack) -> Sources:
    """All sources, loaded. Servers that this starts stop when `stack` closes."""
    duck = Path(given["duck"]).resolve() if "duck" in given else duckdb_file(home.duckdb, home.scale)
    lite = Path(given["lite"]).resolve() if "lite" in given else sqlite_file(home.sqlite, duck)
    lake = Path(given["lake"]).resolve() if "lake" in given else parquet_folder(lake_folder(home, given), duck)
    return Sources(postgres(home, given, duck, stack), mariadb(home, given, duck, stack), lite, duck, lake)


def lake_folder(home: Home, given: dict[str, str]) -> Path:
    """Where the Parquet files go: beside the data they are made of, which may have been given."""
    if "duck" not in given:
        return home.lake
    mark = hashlib.blake2b(str(Path(given["duck"]).resolve()).encode(), digest_size=4).hexdigest()
    return home.root / f"lake-{mark}"


def postgres(home: Home, given: dict[str, str], duck: Path, stack: ExitStack) -> Server:
    if "pg" in given:
        return Server.parse(given["pg"])
    process, server = start_postgres(home)
    stack.callback(process.stop)
    load_postgres(server, duck)
    return server


def mariadb(home: Home, given: dict[str, str], duck: Path, stack: ExitStack) -> Server:
    if "my" in given:
        return Server.parse(given["my"])
    process, server = start_mariadb(home)
    stack.callback(process.stop)
    load_mariadb(server, duck)
    return server
