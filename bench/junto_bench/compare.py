"""The comparison: each query on each engine, one after another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .measurement import Measurement, Status
from .progress import say
from .queries import Placement, Query


class Contestant(Protocol):
    """An engine that can be measured."""

    name: str
    version: str

    def measure(self, query: Query, placement: Placement, runs: int, timeout: float) -> Measurement: ...

    def close(self) -> None: ...


@dataclass
class Row:
    """One query: what each engine did with it."""

    query: Query
    measurements: dict[str, Measurement] = field(default_factory=dict)

    def best_peer(self) -> tuple[str, float] | None:
        """The fastest peer with the right answer, and its seconds."""
        peers = [
            (measured.median, name)
            for name, measured in self.measurements.items()
            if name not in ("junto", "local") and measured.counts
        ]
        return (min(peers)[1], min(peers)[0]) if peers else None

    def ratio(self) -> float | None:
        """Junto's seconds divided by those of the best peer."""
        junto, best = self.measurements.get("junto"), self.best_peer()
        return junto.median / best[1] if junto is not None and junto.counts and best is not None else None


@dataclass
class Comparison:
    """All queries in one placement."""

    name: str
    placement: Placement
    rows: list[Row] = field(default_factory=list)


def compare(
    comparison: Comparison,
    queries: list[Query],
    local: Contestant,
    contestants: list[Contestant],
    runs: int,
    timeout: float,
) -> None:
    """Measures every query and adds its row as soon as it is known, for an interrupted run is worth a report too. What an
    engine answers is right when `local` answers it too."""
    placement = comparison.placement
    say(f"\n{comparison.name}: {', '.join(f'{table} in {source}' for table, source in placement.items())}")
    say("  ".join([f"{'query':28}", *(f"{contestant.name:>10}" for contestant in (local, *contestants))]))
    for query in queries:
        truth = local.measure(query, placement, 1, timeout)
        if truth.digest is None:
            raise SystemExit(f"{query.name} has no right answer to compare with: {truth.error}")
        row = Row(query, {local.name: truth})
        for contestant in contestants:
            measured = contestant.measure(query, placement, runs, timeout)
            row.measurements[contestant.name] = measured.judged(truth.digest)
        say("  ".join([f"{query.name:28}", *(f"{shown(measured):>10}" for measured in row.measurements.values())]))
        comparison.rows.append(row)


def shown(measured: Measurement) -> str:
    """Seconds of a right answer, or what went wrong."""
    return f"{measured.median:.3f}" if measured.status is Status.RIGHT else str(measured.status)
