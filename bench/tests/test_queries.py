"""Placing tables, and the files that ship."""

from __future__ import annotations

import unittest

from junto_bench.queries import FOLDER, chosen, folder, placed, read_placement

PLACEMENT = {"orders": "pg", "lineitem": "my", "nation": "lite"}


def check(sql: str, expected: str) -> None:
    found = placed(sql, PLACEMENT, lambda source, table: f"@{source}.{table}")
    unittest.TestCase().assertEqual(found, expected)


class Placed(unittest.TestCase):
    def test_tables_of_a_from_list(self) -> None:
        check("select 1 from orders, lineitem l where a = b", "select 1 from @pg.orders, @my.lineitem l where a = b")

    def test_joins_whatever_the_case(self) -> None:
        check("FROM Orders o JOIN lineitem ON x", "FROM @pg.orders o JOIN @my.lineitem ON x")

    def test_names_of_columns_stay(self) -> None:
        check("select nation, o_year from nation n1", "select nation, o_year from @lite.nation n1")

    def test_qualifiers_stay(self) -> None:
        check("select a, lineitem.b from lineitem", "select a, lineitem.b from @my.lineitem")

    def test_parts_of_names_stay(self) -> None:
        check("select 1 from orders_of_mine", "select 1 from orders_of_mine")


class Files(unittest.TestCase):
    def test_placements_name_every_table(self) -> None:
        for file in (FOLDER / "placements").glob("*.json"):
            self.assertEqual(len(read_placement(str(file))[1]), 8, file)

    def test_queries_use_tables_that_are_placed(self) -> None:
        _, placement = read_placement("mixed")
        for query in folder("federated") + folder("everyday"):
            self.assertIn("@", query.placed(placement, lambda source, table: f"@{source}.{table}"), query.name)

    def test_a_query_is_found_by_its_number(self) -> None:
        self.assertEqual([query.name for query in chosen(folder("federated"), ["f05"])], ["f05_point_lookup_cross"])
        with self.assertRaises(SystemExit):
            chosen(folder("federated"), ["f99"])
