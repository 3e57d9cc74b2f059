"""The statements that are measured, and where their tables are."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .sources import NAMES
from .tables import TABLES

FOLDER = Path(__file__).parent.parent
# `tpch` is TPC-H's own 22 queries; the others are folders of SQL files.
GROUPS = ("tpch", "federated", "everyday")

Placement = dict[str, str]


@dataclass(frozen=True)
class Query:
    """A statement over the tables' plain names."""

    name: str
    group: str
    sql: str

    def placed(self, placement: Placement, name: Callable[[str, str], str]) -> str:
        """The statement with each table called `name(source, table)`."""
        return placed(self.sql, placement, name)


def placed(sql: str, placement: Placement, name: Callable[[str, str], str]) -> str:
    """Renames the tables that follow FROM, JOIN or a comma. A word before a point is a qualifier and stays."""
    tables = "|".join(placement)
    pattern = re.compile(rf"((?:\bfrom\s|\bjoin\s|,)\s*)({tables})\b(?!\s*\.)", re.IGNORECASE)

    def renamed(match: re.Match[str]) -> str:
        table = match.group(2).lower()
        return match.group(1) + name(placement[table], table)

    return pattern.sub(renamed, sql)


def all_queries(groups: list[str]) -> list[Query]:
    """The statements of these groups, in the order of groups and names."""
    return [query for group in groups for query in (tpch() if group == "tpch" else folder(group))]


def tpch() -> list[Query]:
    """TPC-H's queries as DuckDB's extension spells them."""
    import duckdb
    import duckdb_extensions

    connection = duckdb.connect()
    duckdb_extensions.import_extension("tpch")
    connection.execute("load tpch")
    rows = connection.execute("select query_nr, query from tpch_queries() order by query_nr").fetchall()
    return [Query(f"q{number:02}", "tpch", trimmed(sql)) for number, sql in rows]


def folder(group: str) -> list[Query]:
    """The SQL files of a folder."""
    files = sorted((FOLDER / group).glob("*.sql"))
    return [Query(file.stem, group, trimmed(file.read_text())) for file in files]


def trimmed(sql: str) -> str:
    return sql.strip().rstrip(";")


def chosen(queries: list[Query], names: list[str]) -> list[Query]:
    """The queries called so, by their full name or the part before `_`; all when no name is given."""
    if not names:
        return queries
    known = {name for query in queries for name in (query.name, query.name.split("_")[0])}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no query is called `{unknown[0]}`; there are {', '.join(query.name for query in queries)}")
    return [query for query in queries if query.name in names or query.name.split("_")[0] in names]


def read_placement(name: str) -> tuple[str, Placement]:
    """A placement of the folder `placements`, or a file: its short name and the source of each table."""
    file = Path(name) if name.endswith(".json") else FOLDER / "placements" / f"{name}.json"
    if not file.exists():
        known = ", ".join(sorted(path.stem for path in (FOLDER / "placements").glob("*.json")))
        raise SystemExit(f"there is no placement `{name}`; there are {known}")
    placement: Placement = json.loads(file.read_text())
    if set(placement) != {table.name for table in TABLES} or not set(placement.values()) <= set(NAMES):
        raise SystemExit(f"{file} must give each table of TPC-H one of the sources {', '.join(NAMES)}")
    return file.stem, placement
