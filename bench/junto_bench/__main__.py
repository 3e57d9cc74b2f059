"""The bench: data, servers, measurements, report. `python -m junto_bench --help` lists the options."""

from __future__ import annotations

import datetime
import os
import shlex
import shutil
import socket
import sys
from argparse import Namespace
from contextlib import ExitStack

from . import machine
from .arguments import ENGINES, parse
from .compare import Comparison, Contestant, compare
from .contestants.junto import Junto
from .contestants.remote import RemotePeer
from .home import Home
from .load import versions
from .native import measure_native
from .progress import say
from .queries import all_queries, chosen, read_placement
from .report import Report, summary
from .setup import open_sources
from .sources import Sources

TRINO_READS = {"pg", "my"}


def main() -> None:
    arguments = parse(sys.argv[1:])
    placements = [read_placement(name) for name in arguments.placement]
    home = Home(arguments.home.expanduser().resolve(), arguments.scale)
    with ExitStack() as stack:
        sources = open_sources(home, arguments.servers, stack)
        if arguments.load_only:
            return say(f"loaded: PostgreSQL {sources.pg.port}, MariaDB {sources.my.port}, files in {home.data}")
        report = measure(arguments, placements, sources)
    folder = arguments.results or home.root / "results" / report.date.replace(":", "").replace(" ", "-")
    for comparison in report.comparisons:
        if text := summary(comparison):
            say(f"\n{comparison.name}\n{text}")
    print(report.write(folder))


def measure(arguments: Namespace, placements: list[tuple[str, dict[str, str]]], sources: Sources) -> Report:
    """Runs what the command line asks for."""
    names = arguments.engines or [name for name in ENGINES if name != "trino" or answers(arguments.trino_port)]
    junto = junto_program(arguments) if "junto" in names else ""
    report = Report(
        date=datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        command=shlex.join(["./dev", "bench", *without_servers(sys.argv[1:])]),
        machine=machine.describe(),
        versions={"tree": machine.revision(), **versions(sources.pg, sources.my)},
        scale=f"{arguments.scale:g}",
        runs=arguments.runs,
        memory_limit=arguments.memory_limit,
        load_before=machine.load_average(),
        comparisons=[],
        native=[],
    )
    if not arguments.native_only:
        with ExitStack() as stack:
            report.comparisons, engines = compare_all(arguments, placements, sources, names, junto, stack)
        report.versions.update(engines)
    if "junto" in names and not arguments.no_native:
        say("")
        report.native = measure_native(junto, sources)
    return report


def compare_all(
    arguments: Namespace,
    placements: list[tuple[str, dict[str, str]]],
    sources: Sources,
    names: list[str],
    junto: str,
    stack: ExitStack,
) -> tuple[list[Comparison], dict[str, str]]:
    """One comparison for each placement, and the versions of the engines."""
    queries = chosen(all_queries(arguments.group), arguments.query)
    contestants: dict[str, Contestant] = {}
    for name in ("local", *names):
        if name == "junto":
            contestants[name] = Junto(junto, sources, arguments.memory_limit)
        else:
            contestants[name] = RemotePeer(name, sources, arguments.trino_port)
        stack.callback(contestants[name].close)
    comparisons = []
    for name, placement in placements:
        takes_part = [contestants[engine] for engine in names if engine != "trino" or trino_reads(placement)]
        comparisons.append(
            compare(name, placement, queries, contestants["local"], takes_part, arguments.runs, arguments.timeout)
        )
    return comparisons, {name: contestant.version for name, contestant in contestants.items()}


def trino_reads(placement: dict[str, str]) -> bool:
    return set(placement.values()) <= TRINO_READS


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def junto_program(arguments: Namespace) -> str:
    """The binary that is measured."""
    program = arguments.junto or os.environ.get("JUNTO") or "junto"
    if not (found := shutil.which(program)):
        raise SystemExit(f"there is no program `{program}`; `./dev bench` builds it, or name one with --junto")
    return found


def without_servers(words: list[str]) -> list[str]:
    """The command without where the servers are, which may hold passwords."""
    kept = []
    for word in words:
        source, equals, _ = word.partition("=")
        kept.append(f"{source}=…" if equals and source in ("pg", "my") else word)
    return kept


if __name__ == "__main__":
    main()
