"""Figures drawn from a comparison."""

from __future__ import annotations

import math
import re
from typing import Iterable

from .compare import Comparison, Row

MIB = 1 << 20
# What a process may use: its limit, and this much more.
MEMORY_FACTOR = 1.3
MEMORY_EXTRA_BYTES = 150 * MIB
UNITS = {"k": 1 << 10, "m": MIB, "g": 1 << 30, "": 1}


def geometric_mean(values: Iterable[float]) -> float | None:
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


def ratios(rows: Iterable[Row]) -> list[float]:
    """Junto / best correct peer, where both answered."""
    return [ratio for row in rows if (ratio := row.ratio()) is not None]


def ratios_to(rows: Iterable[Row], peer: str) -> list[float]:
    """Junto / one peer, where both answered right."""
    found = []
    for row in rows:
        ours, theirs = row.measurements.get("junto"), row.measurements.get(peer)
        if ours is not None and theirs is not None and ours.counts and theirs.counts:
            found.append(ours.median / theirs.median)
    return found


def groups(comparison: Comparison) -> list[str]:
    """The groups of queries that were measured, in order."""
    return list(dict.fromkeys(row.query.group for row in comparison.rows))


def engines(comparison: Comparison) -> list[str]:
    """The engines that were measured: Junto first, `local` not among them."""
    names = dict.fromkeys(name for row in comparison.rows for name in row.measurements if name != "local")
    return sorted(names, key=lambda name: name != "junto")


def size_bytes(text: str) -> int:
    """Reads a size as Junto does: `512MB`, `2g`; units are powers of 1024."""
    match = re.fullmatch(r"(\d+)\s*([kmg]?)(?:i?b)?", text.strip().lower())
    if not match:
        raise SystemExit(f"`{text}` is no size")
    return int(match.group(1)) * UNITS[match.group(2)]


def memory_bound(limit_bytes: int) -> float:
    """What a process with this limit may have resident at most."""
    return limit_bytes * MEMORY_FACTOR + MEMORY_EXTRA_BYTES
