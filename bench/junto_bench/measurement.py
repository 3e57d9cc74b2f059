"""What one engine did with one query."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from enum import StrEnum

from .digest import Digest


class Status(StrEnum):
    """What became of a query. Only right answers count."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CRASHED = "crashed"


@dataclass
class Measurement:
    """The times of one query on one engine. Without a digest there was no answer, and `error` says why."""

    status: Status
    seconds: list[float] = field(default_factory=list)
    digest: Digest | None = None
    error: str | None = None
    peak_bytes: int | None = None

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def counts(self) -> bool:
        return self.status is Status.RIGHT and bool(self.seconds)

    def judged(self, answer: Digest) -> Measurement:
        """This measurement, marked wrong unless its answer is `answer`."""
        if self.digest is not None and not self.digest.agrees(answer):
            self.status = Status.WRONG
        return self


def failed(status: Status, error: str) -> Measurement:
    return Measurement(status, error=" ".join(error.split())[:300])
