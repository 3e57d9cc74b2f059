"""What the bench says while it works."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import Iterator


def say(text: str) -> None:
    """One line on standard error, at once."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def timed(doing: str) -> Iterator[None]:
    """Says what begins and how long it took."""
    say(f"{doing} …")
    started = time.monotonic()
    yield
    say(f"{doing}: {time.monotonic() - started:.0f} s")
