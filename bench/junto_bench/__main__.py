"""The bench: data, servers, measurements, report. `python -m junto_bench --help` lists the options."""

from __future__ import annotations

import datetime
import os
import shlex
import shutil
import signal
import socket
import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from . import machine
from .arguments import ENGINES, parse
from .compare import Comparison, Contestant, compare
from .contestants.junto import Junto
from .contestants.remote import RemotePeer
from .costs import measure_costs
from .home import Home
from .load import versions
from .native import measure_native
from .progress import say
from .queries import Placement, all_queries, chosen, read_placement
from .report import Report, summary
from .setup import open_sources
from .sources import Sources

TRINO_READS = {"pg", "my"}


def main() -> None:
    arguments = parse(sys.argv[1:])
    placements = [read_placement(name) for name in arguments.placement]
    home = Home(arguments.home.expanduser().resolve(), arguments.scale)
    # However it is stopped, the servers end in good order and what was measured is reported.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: sys.exit("stopped"))
    with ExitStack() as stack:
        sources = open_sources(home, arguments.servers, stack)
        if arguments.load_only:
            return say(f"loaded: PostgreSQL {sources.pg.port}, MariaDB {sources.my.port}, files in {home.data}")
        if arguments.costs:
            return print(measure_costs(junto_program(arguments), sources, arguments.costs, arguments.runs))
        report = new_report(arguments, sources)
        try:
            measure(arguments, placements, sources, report)
        finally:
            folder = arguments.results or home.root / "results" / report.date.replace(":", "").replace(" ", "-")
            conclude(report, folder)


def conclude(report: Report, folder: Path) -> None:
    """Writes the report, if there is anything to report, and prints where it is."""
    report.comparisons = [comparison for comparison in report.comparisons if comparison.rows]
    for comparison in report.comparisons:
        if text := summary(comparison):
            say(f"\n{comparison.name}\n{text}")
    if report.comparisons or report.native:
        print(report.write(folder))


def new_report(arguments: Namespace, sources: Sources) -> Report:
    return Report(
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


def measure(
    arguments: Namespace, placements: list[tuple[str, Placement]], sources: Sources, report: Report
) -> None:
    """Runs what the command line asks for and adds to the report as it goes."""
    names = arguments.engines or [name for name in ENGINES if name != "trino" or answers(arguments.trino_port)]
    junto = junto_program(arguments) if "junto" in names else ""
    if not arguments.native_only:
        with ExitStack() as stack:
            compare_all(arguments, placements, open_engines(arguments, names, junto, sources, stack), report)
    if "junto" in names and not arguments.no_native:
        say("")
        measure_native(junto, sources, report.native)


def open_engines(
    arguments: Namespace, names: list[str], junto: str, sources: Sources, stack: ExitStack
) -> dict[str, Contestant]:
    """The engines by name, `local` first. They end when `stack` closes."""
    engines: dict[str, Contestant] = {}
    for name in ("local", *names):
        if name == "junto":
            engines[name] = Junto(junto, sources, arguments.memory_limit)
        else:
            engines[name] = RemotePeer(name, sources, arguments.trino_port)
        stack.callback(engines[name].close)
    return engines


def compare_all(
    arguments: Namespace, placements: list[tuple[str, Placement]], engines: dict[str, Contestant], report: Report
) -> None:
    """One comparison for each placement."""
    report.versions.update({name: engine.version for name, engine in engines.items()})
    queries = chosen(all_queries(arguments.group), arguments.query)
    for name, placement in placements:
        comparison = Comparison(name, placement)
        report.comparisons.append(comparison)
        takes_part = [
            engine for engine in engines.values()
            if engine.name != "local" and (engine.name != "trino" or trino_reads(placement))
        ]
        compare(comparison, queries, engines["local"], takes_part, arguments.runs, arguments.timeout)


def trino_reads(placement: Placement) -> bool:
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
