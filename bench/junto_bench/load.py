"""Loads every table into the servers; what is loaded already stays."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Iterator

import duckdb
import psycopg
import pymysql

from .progress import timed
from .sources import Server
from .tables import TABLES, Table, index_ddl

CHUNK_BYTES = 1 << 20
# A table of this name says that the others are complete.
MARK = "loaded"


def load_postgres(server: Server, duck: Path) -> None:
    """Copies the tables of a DuckDB file to PostgreSQL."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        if connection.execute("select to_regclass(%s)", [MARK]).fetchone() != (None,):
            return
        with timed("Loading PostgreSQL"):
            for table, file in exported(duck):
                connection.execute(f"drop table if exists {table.name}")
                connection.execute(table.ddl())
                with file.open("rb") as rows, connection.cursor() as cursor:
                    with cursor.copy(f"copy {table.name} from stdin (format csv)") as copy:
                        while chunk := rows.read(CHUNK_BYTES):
                            copy.write(chunk)
            for statement in (*index_ddl(), "vacuum analyze", f"create table {MARK} ()"):
                connection.execute(statement)


def load_mariadb(server: Server, duck: Path) -> None:
    """Copies the tables of a DuckDB file to MariaDB."""
    with mariadb_connection(server) as connection, connection.cursor() as cursor:
        if cursor.execute(f"show tables like '{MARK}'"):
            return
        with timed("Loading MariaDB"):
            cursor.execute("set unique_checks = 0, foreign_key_checks = 0")
            for table, file in exported(duck):
                cursor.execute(f"drop table if exists {table.name}")
                cursor.execute(table.ddl())
                cursor.execute(
                    f"load data local infile '{file}' into table {table.name} character set utf8mb4"
                    """ fields terminated by ',' optionally enclosed by '"' escaped by '' lines terminated by '\\n'"""
                )
            for statement in index_ddl():
                cursor.execute(statement)
            cursor.execute("analyze table " + ", ".join(table.name for table in TABLES))
            cursor.execute(f"create table {MARK} (at timestamp)")


def versions(pg: Server, my: Server) -> dict[str, str]:
    """What the servers call themselves."""
    with psycopg.connect(pg.url("postgres")) as connection:
        postgres = connection.execute("show server_version").fetchone()[0]
    with mariadb_connection(my) as connection, connection.cursor() as cursor:
        cursor.execute("select version()")
        return {"PostgreSQL": postgres, "MariaDB": cursor.fetchone()[0]}


def mariadb_connection(server: Server) -> pymysql.Connection:
    return pymysql.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, database=server.database,
        local_infile=True, autocommit=True,
    )


def exported(duck: Path) -> Iterator[tuple[Table, Path]]:
    """Each table with a CSV file of its rows, which is gone when the next one is asked for."""
    with tempfile.TemporaryDirectory(dir=duck.parent) as folder, duckdb.connect(str(duck), read_only=True) as made:
        for table in TABLES:
            file = Path(folder) / f"{table.name}.csv"
            made.execute(f"copy {table.name} to '{file}' (format csv, header false)")
            yield table, file
            file.unlink()
