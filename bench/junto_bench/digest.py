"""A short mark of an answer, the same for engines that agree."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from typing import Any, Iterable, Sequence

DATE = re.compile(r"\d{4}-\d\d-\d\d")
# An odd fraction: averages often end in exactly half a cent, where one engine's binary fractions round down and
# another's decimals up, and never near this.
SHIFT = 0.00137
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Digest:
    """The number of rows and two marks of their values. `rounded` takes numbers to the nearest hundredth, for engines
    whose averages have two digits; `shifted` cuts them elsewhere, for those that keep more."""

    rows: int
    rounded: str
    shifted: str

    def agrees(self, other: Digest) -> bool:
        return self.rows == other.rows and (self.rounded == other.rounded or self.shifted == other.shifted)


def digest(rows: Iterable[Sequence[Any]]) -> Digest:
    """The digest of rows in any order. It keeps no row, so that it can follow a stream."""
    count = rounded = shifted = 0
    for row in rows:
        count += 1
        rounded += hashed("|".join(written(value, 0.0) for value in row))
        shifted += hashed("|".join(written(value, SHIFT) for value in row))
    return Digest(count, f"{rounded & MASK:016x}", f"{shifted & MASK:016x}")


def hashed(line: str) -> int:
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "big")


def written(value: Any, shift: float) -> str:
    """A value as text: numbers to hundredths whatever their type, instants of midnight as dates, NULL as `~`."""
    if value is None:
        return "~"
    if isinstance(value, bool):
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        text = str(value)
        return text[:10] if DATE.match(text) else text
    if math.isfinite(number) and abs(number) < 1e12:
        text = f"{number + shift:.2f}"
        return "0.00" if text == "-0.00" else text
    return f"{number:.6e}"
