"""The command line of the bench."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import costs, home
from .queries import GROUPS
from .sources import NAMES

ENGINES = ("junto", "duckdb", "chdb", "trino")
DESCRIPTION = "Compares Junto with other federated engines on TPC-H spread over several databases."
EPILOG = """examples:
  ./dev bench --scale 0.01 --runs 1               a smoke run of a minute or two
  ./dev bench                                     everything at scale 1
  ./dev bench f05 q17 --engines junto duckdb      two queries, two engines
  ./dev bench --placement mixed --group everyday  other tables in other places
  ./dev bench --memory-limit 512MB --engines junto
  ./dev bench --costs duck lake                   what work costs in DuckDB and in Parquet files
  ./dev bench readers                             the micro benchmark of the readers"""


def parse(words: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("query", nargs="*", help="queries to run: q05, f01, e12_search_text; all when none is named")
    add("--scale", type=float, default=1.0, help="TPC-H scale factor (default 1: about 1 GB in each source)")
    add("--runs", type=int, default=3, help="runs of each query on each engine; the median counts (default 3)")
    add("--engines", nargs="+", choices=ENGINES, metavar="NAME",
        help=f"of {', '.join(ENGINES)}; by default all, Trino if a server answers and can read the placement")
    add("--placement", nargs="+", default=["three_sources", "two_servers"], metavar="NAME",
        help="which table is where: names in bench/placements or JSON files (default three_sources two_servers)")
    add("--group", nargs="+", choices=GROUPS, default=list(GROUPS), help=f"groups of queries: {', '.join(GROUPS)}")
    add("--servers", nargs="+", default=[], metavar="SOURCE=WHERE",
        help=f"sources that are up and loaded already: {', '.join(NAMES)}; a URL for the first two, else a path")
    add("--memory-limit", metavar="SIZE", help="give Junto this limit and report the most memory it used")
    add("--timeout", type=float, default=180.0, metavar="SECONDS", help="time for one run of a query (default 180)")
    add("--no-native", action="store_true", help="leave out the statements without `@`")
    add("--native-only", action="store_true", help="measure only the statements without `@`")
    add("--costs", nargs="+", choices=costs.IN_PROCESS, metavar="SOURCE",
        help=f"measure only what work costs in sources that run inside Junto: {', '.join(costs.IN_PROCESS)}")
    add("--trino-port", type=int, default=18080, metavar="PORT", help="where a Trino server may answer (default 18080)")
    add("--junto", metavar="PROGRAM", help="the binary to measure, instead of a release build of this tree")
    add("--home", type=Path, default=home.DEFAULT, metavar="DIR", help="folder of the data (default ~/.cache/junto/bench)")
    add("--results", type=Path, metavar="DIR", help="folder of the report (default: one by date under the home)")
    add("--load-only", action="store_true", help="start the servers, load the data, stop")
    arguments = parser.parse_intermixed_args(words)
    if arguments.runs < 1 or arguments.scale <= 0 or arguments.timeout <= 0:
        parser.error("--runs, --scale and --timeout must be above zero")
    arguments.servers = read_servers(parser, arguments.servers)
    return arguments


def read_servers(parser: argparse.ArgumentParser, words: list[str]) -> dict[str, str]:
    """Reads the words `SOURCE=WHERE`."""
    given = {}
    for word in words:
        source, equals, where = word.partition("=")
        if source not in NAMES or not equals:
            parser.error(f"--servers takes SOURCE=WHERE with a source of {', '.join(NAMES)}, not `{word}`")
        given[source] = where
    return given
