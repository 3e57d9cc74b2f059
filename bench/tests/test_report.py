"""Ratios, means and what is written about them."""

from __future__ import annotations

import unittest
from xml.etree import ElementTree

from junto_bench.chart import Bar, bar_chart
from junto_bench.compare import Comparison, Row
from junto_bench.digest import digest
from junto_bench.figures import geometric_mean, memory_bound, ratios, size_bytes
from junto_bench.measurement import Measurement, Status, failed
from junto_bench.queries import Query
from junto_bench.report import summary, table

ANSWER = digest([[1]])


def row(name: str, junto: float, **peers: Measurement) -> Row:
    measurements = {"junto": Measurement(Status.RIGHT, [junto], ANSWER), **peers}
    return Row(Query(name, "tpch", "select 1"), measurements)


def right(*seconds: float) -> Measurement:
    return Measurement(Status.RIGHT, list(seconds), ANSWER)


class Ratios(unittest.TestCase):
    def test_only_right_answers_count(self) -> None:
        wrong = Measurement(Status.RIGHT, [0.1], digest([[2]])).judged(ANSWER)
        found = row("q01", 1.0, duckdb=right(3.0, 2.0, 9.0), chdb=wrong, trino=failed(Status.REFUSED, "no"))
        self.assertEqual(found.best_peer(), ("duckdb", 3.0))
        self.assertAlmostEqual(found.ratio(), 1 / 3)

    def test_a_query_without_a_correct_peer_has_no_ratio(self) -> None:
        self.assertEqual(ratios([row("q01", 1.0, duckdb=failed(Status.TIMEOUT, "late"))]), [])

    def test_geometric_mean(self) -> None:
        self.assertAlmostEqual(geometric_mean([0.1, 10.0]), 1.0)
        self.assertIsNone(geometric_mean([]))

    def test_sizes_and_the_bound(self) -> None:
        self.assertEqual(size_bytes("512MB"), 512 << 20)
        self.assertEqual(size_bytes("2g"), 2 << 30)
        self.assertEqual(memory_bound(100 << 20), 280 << 20)


class Written(unittest.TestCase):
    def test_table_and_summary(self) -> None:
        rows = [row("q01", 1.0, duckdb=right(2.0)), row("q02", 3.0, duckdb=right(2.0))]
        comparison = Comparison("two", {"orders": "pg"}, rows)
        self.assertIn("| q01 | 1.00 | **2.00** | 0.500 |", table(comparison))
        self.assertIn("| best correct peer, all | 2 | 0.866 | 1 |", summary(comparison))
        self.assertIn("Worst: q02 1.50, q01 0.50.", summary(comparison))

    def test_the_chart_is_well_formed(self) -> None:
        for values in ([0.001, 0.5, 1.0, 30.0], [0.9], [1.0], []):
            bars = [Bar(f"q<{value}", value, "a & b") for value in values]
            ElementTree.fromstring(bar_chart("Junto / best", bars))
