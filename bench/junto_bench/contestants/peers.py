"""The peers: how each opens the sources, names a table and runs a statement. They run inside `worker.py`."""

from __future__ import annotations

import json
from typing import Any, Protocol, Sequence

from ..sources import Sources

Rows = Sequence[Sequence[Any]]
TRINO_HOST = "127.0.0.1"


class Peer(Protocol):
    """An engine with all sources open."""

    def version(self) -> str: ...

    def table(self, source: str, table: str) -> str:
        """How a statement names a table of a source."""
        ...

    def rows(self, sql: str) -> Rows:
        """The whole answer."""
        ...


class Local:
    """DuckDB over a file of its own that holds every table: the right answers, and no federation."""

    def __init__(self, sources: Sources) -> None:
        import duckdb

        self._connection = duckdb.connect(str(sources.duck), read_only=True)
        self._version = duckdb.__version__

    def version(self) -> str:
        return f"DuckDB {self._version}, all tables in one file"

    def table(self, source: str, table: str) -> str:
        return table

    def rows(self, sql: str) -> Rows:
        return self._connection.execute(sql).fetchall()


class DuckDb:
    """DuckDB with its extensions for PostgreSQL, MySQL and SQLite."""

    def __init__(self, sources: Sources) -> None:
        import duckdb
        import duckdb_extensions

        self._version = duckdb.__version__
        self._connection = duckdb.connect()
        run = self._connection.execute
        for extension in ("postgres_scanner", "mysql_scanner", "sqlite_scanner"):
            duckdb_extensions.import_extension(extension)
            run(f"load {extension}")
        server = "host={0.host} port={0.port} user={0.user} password={0.password} {1}={0.database}"
        run(f"attach '{server.format(sources.pg, 'dbname')}' as pg (type postgres, read_only)")
        run(f"attach '{server.format(sources.my, 'database')}' as my (type mysql, read_only)")
        run(f"attach '{sources.lite}' as lite (type sqlite, read_only)")
        run(f"attach '{sources.duck}' as duck (read_only)")
        run("create schema lake")
        for file in sources.lake.glob("*.parquet"):
            run(f"create view lake.{file.stem} as from '{file}'")

    def version(self) -> str:
        return f"DuckDB {self._version}"

    def table(self, source: str, table: str) -> str:
        return f"pg.public.{table}" if source == "pg" else f"{source}.{table}"

    def rows(self, sql: str) -> Rows:
        return self._connection.execute(sql).fetchall()


class ChDb:
    """ClickHouse inside Python, with its database engines for PostgreSQL, MySQL and SQLite. It reads no DuckDB files."""

    def __init__(self, sources: Sources) -> None:
        from chdb import session

        self._session = session.Session()
        run = self._session.query
        # Outer joins as SQL has them: without a match there is NULL, not zero or an empty text.
        run("set join_use_nulls = 1")
        for name, engine, server in (("pg", "PostgreSQL", sources.pg), ("my", "MySQL", sources.my)):
            login = f"'{server.host}:{server.port}', '{server.database}', '{server.user}', '{server.password}'"
            run(f"create database {name} engine = {engine}({login})")
        run(f"create database lite engine = SQLite('{sources.lite}')")
        run("create database lake")
        for file in sources.lake.glob("*.parquet"):
            run(f"create view lake.{file.stem} as select * from file('{file}', Parquet)")

    def version(self) -> str:
        from importlib.metadata import version

        engine = json.loads(self._session.query("select version()", "JSONCompact").bytes())["data"][0][0]
        return f"chDB {version('chdb')} (ClickHouse {engine})"

    def table(self, source: str, table: str) -> str:
        return f"{source}.{table}"

    def rows(self, sql: str) -> Rows:
        answer = self._session.query(sql, "JSONCompact").bytes()
        return json.loads(answer)["data"] if answer else []


class Trino:
    """A Trino server with catalogs `pg` and `my`. It reads neither SQLite nor DuckDB files."""

    def __init__(self, sources: Sources, port: int) -> None:
        from trino.dbapi import connect

        self._connection = connect(host=TRINO_HOST, port=port, user="bench")
        self._database = sources.my.database

    def version(self) -> str:
        return f"Trino {self.rows('select version()')[0][0]}"

    def table(self, source: str, table: str) -> str:
        return f"pg.public.{table}" if source == "pg" else f"{source}.{self._database}.{table}"

    def rows(self, sql: str) -> Rows:
        cursor = self._connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall()


def open_peer(name: str, sources: Sources, trino_port: int) -> Peer:
    """The peer called so, with its sources open."""
    if name == "trino":
        return Trino(sources, trino_port)
    return {"local": Local, "duckdb": DuckDb, "chdb": ChDb}[name](sources)
