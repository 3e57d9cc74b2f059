"""Answers that are the same whatever an engine's types, and answers that are not."""

from __future__ import annotations

import datetime
import unittest
from decimal import Decimal
from typing import Any

from junto_bench.digest import digest


def agree(left: list[list[Any]], right: list[list[Any]]) -> bool:
    return digest(left).agrees(digest(right))


class Agreement(unittest.TestCase):
    def test_types_and_order_do_not_count(self) -> None:
        left = [[1, Decimal("2.50"), datetime.date(1995, 3, 1), None], [2, Decimal("0"), datetime.date(1995, 3, 2), "x"]]
        right = [[2.0, 0.0, "1995-03-02T00:00:00", "x"], [1, 2.5, "1995-03-01", None]]
        self.assertTrue(agree(left, right))

    def test_half_a_cent_rounded_either_way(self) -> None:
        self.assertTrue(agree([[Decimal("0.125")]], [[0.12499999999]]))
        self.assertTrue(agree([[Decimal("38.2739")]], [[Decimal("38.27")]]))

    def test_no_negative_zero(self) -> None:
        self.assertTrue(agree([[-0.0]], [[0]]))

    def test_other_values_rows_and_nulls(self) -> None:
        self.assertFalse(agree([[1.00]], [[1.01]]))
        self.assertFalse(agree([[1]], [[1], [1]]))
        self.assertFalse(agree([[None]], [[0]]))
        self.assertFalse(agree([[1, 2]], [[2, 1]]))
