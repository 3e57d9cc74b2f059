"""The report: Markdown for people, JSON for programs, a chart of each placement."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .chart import Bar, bar_chart
from .compare import Comparison, Row
from .figures import MIB, engines, geometric_mean, groups, memory_bound, ratios, ratios_to, size_bytes
from .measurement import Measurement, Status
from .native import Native
from .sources import NAMES

WORST = 6


@dataclass
class Report:
    """Everything that one run found out."""

    date: str
    command: str
    machine: dict[str, str]
    versions: dict[str, str]
    scale: str
    runs: int
    memory_limit: str | None
    load_before: float
    comparisons: list[Comparison]
    native: list[Native]

    def write(self, folder: Path) -> Path:
        """Writes all files into a folder and returns the Markdown file."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(self.raw(), indent=1, default=str) + "\n")
        for comparison in self.comparisons:
            if bars := chart_bars(comparison):
                title = f"Junto / best correct peer: {comparison.name}"
                (folder / chart_name(comparison)).write_text(bar_chart(title, bars))
        file = folder / "report.md"
        file.write_text(self.markdown())
        return file

    def raw(self) -> dict[str, Any]:
        """All figures."""
        return asdict(self)

    def markdown(self) -> str:
        parts = ["# Junto and its peers", self._heading()]
        for comparison in self.comparisons:
            parts += [f"## {comparison.name}", placement_text(comparison), summary(comparison)]
            if chart_bars(comparison):
                parts.append(f"![Ratio of each query]({chart_name(comparison)})")
            parts += [table(comparison), failures(comparison)]
            if self.memory_limit:
                parts.append(memory_table(comparison, self.memory_limit))
        if self.native:
            parts += ["## Statements without `@`", native_table(self.native)]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _heading(self) -> str:
        lines = [f"- {self.date}, TPC-H scale factor {self.scale}, median of {self.runs}"]
        lines += [f"- {name}: {value}" for name, value in {**self.machine, **self.versions}.items()]
        lines.append(f"- load average before: {self.load_before:.2f}")
        if self.memory_limit:
            lines.append(f"- memory limit of Junto: {self.memory_limit}")
        return "\n".join([*lines, f"- command: `{self.command}`"])


def placement_text(comparison: Comparison) -> str:
    tables: dict[str, list[str]] = {}
    for table_name, source in comparison.placement.items():
        tables.setdefault(source, []).append(table_name)
    return "; ".join(f"{NAMES[source]} (`{source}`): {', '.join(names)}" for source, names in tables.items()) + "."


def summary(comparison: Comparison) -> str:
    """Geometric means, and the queries where Junto does worst; nothing when Junto took no part."""
    if "junto" not in engines(comparison):
        return ""
    lines = ["| Junto / … | queries | geometric mean | above 1 |", "|---|--:|--:|--:|"]
    names = groups(comparison)
    selections = [("all", comparison.rows)]
    if {"tpch", "federated"} <= set(names):
        selections.append(("tpch and federated", [row for row in comparison.rows if row.query.group in ("tpch", "federated")]))
    if len(names) > 1:
        selections += [(name, [row for row in comparison.rows if row.query.group == name]) for name in names]
    for name, rows in selections:
        lines.append(summary_line(f"best correct peer, {name}", ratios(rows)))
    for peer in engines(comparison):
        if peer != "junto":
            lines.append(summary_line(f"{peer}, where it is right", ratios_to(comparison.rows, peer)))
    worst = sorted((row for row in comparison.rows if row.ratio() is not None), key=Row.ratio, reverse=True)[:WORST]
    named = ", ".join(f"{row.query.name} {row.ratio():.2f}" for row in worst)
    return "\n".join(lines) + (f"\n\nWorst: {named}." if named else "")


def summary_line(name: str, found: list[float]) -> str:
    mean = geometric_mean(found)
    above = sum(ratio > 1 for ratio in found)
    return f"| {name} | {len(found)} | {'–' if mean is None else f'{mean:.3f}'} | {above} |"


def table(comparison: Comparison) -> str:
    """Seconds of each engine; the best correct peer in bold."""
    names = engines(comparison)
    lines = [f"| query | {' | '.join(names)} | Junto / best |", f"|---|{'--:|' * (len(names) + 1)}"]
    for row in comparison.rows:
        best, ratio = row.best_peer(), row.ratio()
        cells = [cell(row.measurements[name], best is not None and best[0] == name) for name in names]
        lines.append(f"| {row.query.name} | {' | '.join(cells)} | {'–' if ratio is None else f'{ratio:.3f}'} |")
    return "\n".join(lines)


def cell(measured: Measurement, is_best: bool) -> str:
    if measured.status is not Status.RIGHT:
        return str(measured.status)
    seconds = f"{measured.median:.4f}" if measured.median < 0.1 else f"{measured.median:.2f}"
    return f"**{seconds}**" if is_best else seconds


def failures(comparison: Comparison) -> str:
    """What engines said when they gave no answer."""
    lines = [
        f"- {row.query.name}, {name}: {measured.error.replace('`', '')}"
        for row in comparison.rows
        for name, measured in row.measurements.items()
        if measured.error
    ]
    return "\n".join(["Without an answer:", "", *lines]) if lines else ""


def memory_table(comparison: Comparison, limit: str) -> str:
    """The most memory Junto's process had resident in each query."""
    bound = memory_bound(size_bytes(limit))
    lines = [f"Peak resident memory; the bound is {bound / MIB:.0f} MiB (limit × 1.3 + 150 MiB).", ""]
    lines += ["| query | peak MiB | of the bound |", "|---|--:|--:|"]
    peaks = [(row.query.name, row.measurements["junto"].peak_bytes) for row in comparison.rows if "junto" in row.measurements]
    for name, peak in peaks:
        if peak is not None:
            over = " over" if peak > bound else ""
            lines.append(f"| {name} | {peak / MIB:.0f} | {peak / bound:.0%}{over} |")
    return "\n".join(lines)


def native_table(results: list[Native]) -> str:
    """Junto beside the client library, in milliseconds."""
    lines = ["| server | statement | library ms | Junto ms | over ms | over | within |", "|---|---|--:|--:|--:|--:|---|"]
    for result in results:
        lines.append(
            f"| {result.source} | {result.statement} | {result.library_ms:.3f} | {result.junto_ms:.3f}"
            f" | {result.over_ms:+.3f} | {result.over_fraction:+.0%} | {'yes' if result.within else 'no'} |"
        )
    return "\n".join(lines) + "\n\nWithin: at most 10 % or 2 ms over the client library, whichever is more."


def chart_bars(comparison: Comparison) -> list[Bar]:
    bars = []
    for row in comparison.rows:
        best, ratio = row.best_peer(), row.ratio()
        if best is not None and ratio is not None:
            note = f"{row.query.name}: Junto {row.measurements['junto'].median:.3f} s, {best[0]} {best[1]:.3f} s"
            bars.append(Bar(row.query.name, ratio, note))
    return bars


def chart_name(comparison: Comparison) -> str:
    return f"ratios-{comparison.name}.svg"
