"""Statements without `@`: what Junto adds to the time of the database's own client library.

The baseline is the C library (libpq, libmariadb): send the text, receive the whole answer, look at no value.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

from .progress import say
from .sources import Server, Sources

# A statement may take this much longer than through the library alone: the larger of the two counts.
OVER_FRACTION = 0.10
OVER_MS = 2.0


@dataclass(frozen=True)
class Statement:
    name: str
    sql: str
    repeats: int


STATEMENTS = (
    Statement("one row by key", "select * from orders where o_orderkey = 4711", 200),
    Statement("about 25 rows by index", "select o_orderkey, o_orderdate, o_totalprice from orders where o_custkey in (370, 781, 1234)", 200),
    Statement("aggregate of a month", "select count(*), sum(o_totalprice) from orders where o_orderdate >= '1996-03-01' and o_orderdate < '1996-04-01'", 50),
    Statement("scan of a month", "select o_orderkey, o_custkey, o_totalprice, o_orderdate, o_comment from orders where o_orderdate >= '1996-03-01' and o_orderdate < '1996-04-01'", 50),
    Statement("scan of a year", "select o_orderkey, o_custkey, o_totalprice, o_orderdate, o_comment from orders where o_orderdate >= '1996-01-01' and o_orderdate < '1997-01-01'", 11),
)


@dataclass(frozen=True)
class Native:
    """One statement on one server, in milliseconds; medians."""

    source: str
    statement: str
    sql: str
    repeats: int
    library_ms: float
    junto_ms: float
    junto_first_ms: float

    @property
    def over_ms(self) -> float:
        return self.junto_ms - self.library_ms

    @property
    def over_fraction(self) -> float:
        return self.over_ms / self.library_ms

    @property
    def within(self) -> bool:
        return self.over_ms <= max(OVER_MS, self.library_ms * OVER_FRACTION)


def measure_native(program: str, sources: Sources, results: list[Native]) -> None:
    """Measures each statement on PostgreSQL and MariaDB, first the library, then Junto, and adds to the results."""
    for source, url, library in (
        ("PostgreSQL", sources.junto_url("pg"), libpq(sources.pg)),
        ("MariaDB", sources.junto_url("my"), libmariadb(sources.my)),
    ):
        for statement in STATEMENTS:
            library(statement.sql)
            direct = [timed_ms(library, statement.sql) for _ in range(statement.repeats)]
            through = junto_ms(program, url, statement.sql, statement.repeats)
            result = Native(
                source, statement.name, statement.sql, statement.repeats,
                statistics.median(direct), statistics.median(through[1:]), through[0],
            )
            say(f"{source:11} {statement.name:24} library {result.library_ms:9.3f} ms  junto {result.junto_ms:9.3f} ms")
            results.append(result)


def junto_ms(program: str, url: str, sql: str, repeats: int) -> list[float]:
    """The times of all runs. The first one connects and writes the rows, the others read them."""
    command = [program, "query", "-c", f"db={url}", "--limit", "none", "--timeout", "none", "--format", "jsonl-array"]
    command += ["--timing", "--repeat", str(repeats + 1), sql]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"junto failed on `{sql}`: {done.stderr}")
    return [json.loads(line)["elapsed_ms"] for line in done.stderr.splitlines() if line.startswith("{")]


def timed_ms(run: Callable[[str], None], sql: str) -> float:
    started = time.perf_counter()
    run(sql)
    return (time.perf_counter() - started) * 1000


def libpq(server: Server) -> Callable[[str], None]:
    """Runs a statement through PostgreSQL's library."""
    import psycopg

    connection = psycopg.connect(server.url("postgres"), autocommit=True).pgconn

    def run(sql: str) -> None:
        result = connection.exec_(sql.encode())
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise SystemExit(f"`{sql}`: {result.error_message.decode()}")
        result.clear()

    return run


def libmariadb(server: Server) -> Callable[[str], None]:
    """Runs a statement through MariaDB's library."""
    library = ctypes.CDLL(ctypes.util.find_library("mariadb") or "libmariadb.so.3")
    for function in ("mysql_init", "mysql_real_connect", "mysql_store_result", "mysql_error"):
        getattr(library, function).restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.mysql_init(None))
    text = [part.encode() for part in (server.host, server.user, server.password, server.database)]
    if not library.mysql_real_connect(handle, *text, ctypes.c_uint(server.port), None, ctypes.c_ulong(0)):
        raise SystemExit(ctypes.string_at(library.mysql_error(handle)).decode())

    def run(sql: str) -> None:
        statement = sql.encode()
        if library.mysql_real_query(handle, statement, ctypes.c_ulong(len(statement))):
            raise SystemExit(f"`{sql}`: {ctypes.string_at(library.mysql_error(handle)).decode()}")
        library.mysql_free_result(ctypes.c_void_p(library.mysql_store_result(handle)))

    return run
