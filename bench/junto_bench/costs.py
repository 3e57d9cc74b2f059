"""What work costs in a source that runs inside Junto: DuckDB and SQLite files, Parquet.

Each statement goes to the source as it is (it has no `@`), on one core, so that elapsed time is work. A figure is the
least of the runs, in microseconds for each row of `lineitem`. Differences between lines are the constants of `Costs` in
the source's connector.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from .native import junto_ms
from .progress import say
from .sources import Sources

IN_PROCESS = ("duck", "lake", "lite")
LINES = "lineitem"


@dataclass(frozen=True)
class Work:
    """One statement over the lines of all orders; `group` and `what` say what it costs."""

    group: str
    what: str
    sql: str


def _select(group: str, what: str, columns: str, rest: str = "") -> Work:
    return Work(group, what, f"select {columns} from {LINES} {rest}".strip())


def _grouped(what: str, columns: str) -> Work:
    return Work("groups", what, f"select count(*) from (select {columns}, count(*) as n from {LINES} group by {columns}) g")


def _joined(what: str, other: str, condition: str, value: str) -> Work:
    return Work("joins", what, f"select sum({value}) from {LINES} join {other} on {condition}")


WORK = (
    _select("rows", "a query of no rows", "l_orderkey", "where l_orderkey < -1"),
    _select("rows", "one column looked at", "count(*)", "where l_suppkey <> 77"),
    _select("conditions", "a decimal", "count(*)", "where l_extendedprice = 10000.01"),
    _select("conditions", "a date", "count(*)", "where l_shipdate = date '1995-01-01'"),
    _select("conditions", "three decimals", "count(*)", "where l_extendedprice <> 10000.01 and l_tax <> 0.05 and l_discount <> 0.05"),
    _select("conditions", "a text of few values", "count(*)", "where l_shipmode = 'AIR'"),
    _select("conditions", "a text of many values", "count(*)", "where l_comment = 'abc'"),
    _select("conditions", "LIKE 'a%'", "count(*)", "where l_comment like 'abc%'"),
    _select("conditions", "LIKE '%a%b%'", "count(*)", "where l_comment like '%special%requests%'"),
    _grouped("an integer of 7 values", "l_linenumber"),
    _grouped("two texts of few values", "l_returnflag, l_linestatus"),
    _grouped("an integer of 10,000 values", "l_suppkey"),
    _grouped("an integer of 200,000 values", "l_partkey"),
    _grouped("an integer of 1.5 million values", "l_orderkey"),
    _select("sums", "1 decimal", "sum(l_quantity)"),
    _select("sums", "4 decimals", "sum(l_quantity), sum(l_extendedprice), sum(l_discount), sum(l_tax)"),
    _select("sums", "a product of 2 decimals, 1 subtraction", "sum(l_extendedprice * (1 - l_discount))"),
    _select("sums", "a product of 3 decimals, 2 additions", "sum(l_extendedprice * (1 - l_discount) * (1 + l_tax))"),
    _joined("with 10,000 rows", "supplier", "l_suppkey = s_suppkey", "s_nationkey"),
    _joined("with 200,000 rows", "part", "l_partkey = p_partkey", "p_size"),
    _joined("with 1.5 million rows", "orders", "l_orderkey = o_orderkey", "o_shippriority"),
    _select("sent", "1 integer", "l_suppkey"),
    _select("sent", "4 integers", "l_orderkey, l_partkey, l_suppkey, l_linenumber"),
    _select("sent", "4 decimals", "l_quantity, l_extendedprice, l_discount, l_tax"),
    _select("sent", "3 texts of few values", "l_returnflag, l_linestatus, l_shipmode"),
    _select("sent", "a text of 27 bytes", "l_comment"),
    _select("sent", "16 columns", "*"),
)


def measure_costs(program: str, sources: Sources, names: list[str], runs: int) -> str:
    """Measures each of the sources and returns a Markdown table: a line per statement, microseconds per row."""
    # Inherited by the programs that are measured.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    urls = {name: sources.junto_url(name) for name in names}
    rows = {name: _count(program, url) for name, url in urls.items()}
    lines = [f"| statement | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for work in WORK:
        figures = [min(junto_ms(program, urls[name], work.sql, runs)[1:]) * 1000 / rows[name] for name in names]
        lines.append(f"| {work.group}: {work.what} | {' | '.join(f'{figure:.3f}' for figure in figures)} |")
        say(lines[-1])
    return "\n".join(lines)


def _count(program: str, url: str) -> int:
    command = [program, "query", "-c", f"s={url}", "--format", "jsonl-array", f"select count(*) from {LINES}"]
    return int(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])[0])
