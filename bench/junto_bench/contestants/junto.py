"""Junto: its binary, run once for each query."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

from ..digest import digest
from ..measurement import Measurement, Status, failed
from ..queries import Placement, Query
from ..sources import Sources

PEAK = Path(__file__).with_name("peak.py")
# Its own word for a statement that took too long.
TIMED_OUT = "timed out after"
CRASHED_CODE = 3
# Connecting and the end of the program, on top of the runs.
SPARE_SECONDS = 30


class Junto:
    """`junto query --timing --repeat N`, which measures inside the program: from the text to the last row."""

    name = "junto"

    def __init__(self, program: str, sources: Sources, memory_limit: str | None) -> None:
        self._program = program
        self._sources = sources
        self._memory_limit = memory_limit
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        self.version = version.stdout.strip()

    def measure(self, query: Query, placement: Placement, runs: int, timeout: float) -> Measurement:
        """Runs a query; `timeout` bounds one run of it."""
        sql = query.placed(placement, lambda source, table: f"@{source}.{table}")
        with tempfile.TemporaryDirectory() as folder:
            outcome = Outcome(Path(folder))
            command = self._command(sql, sorted(set(placement.values())), runs, timeout)
            code = outcome.run(command, timeout * runs + SPARE_SECONDS)
            if code is None or TIMED_OUT in outcome.errors():
                return failed(Status.TIMEOUT, f"over {timeout:g} s")
            if code != 0:
                status = Status.CRASHED if code >= CRASHED_CODE else Status.REFUSED
                return failed(status, outcome.errors()[-300:])
            return Measurement(Status.RIGHT, outcome.seconds(), digest(outcome.rows()), peak_bytes=outcome.peak_bytes())

    def close(self) -> None:
        """Nothing stays open between queries."""

    def _command(self, sql: str, used: list[str], runs: int, timeout: float) -> list[str]:
        connections = [word for source in used for word in ("-c", f"{source}={self._sources.junto_url(source)}")]
        limits = ["--limit", "none", "--timeout", f"{timeout:g}s"]
        if self._memory_limit:
            limits += ["--memory-limit", self._memory_limit]
        shape = ["--format", "jsonl-array", "--timing", "--repeat", str(runs)]
        return [self._program, "query", *connections, *limits, *shape, sql]


class Outcome:
    """What one run of the program leaves behind, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._rows, self._messages, self._peak = (folder / name for name in ("rows", "messages", "peak"))

    def run(self, command: list[str], timeout: float) -> int | None:
        """The exit code; none when it had to be killed."""
        with self._rows.open("wb") as rows, self._messages.open("wb") as messages:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(PEAK), str(self._peak), *command],
                stdin=subprocess.DEVNULL, stdout=rows, stderr=messages, start_new_session=True,
            )
            try:
                return process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return None

    def seconds(self) -> list[float]:
        return [line["elapsed_ms"] / 1000 for line in self._timing()]

    def rows(self) -> Iterator[list[Any]]:
        with self._rows.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def errors(self) -> str:
        """What the program said, its timing lines left out."""
        lines = self._messages.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if not line.startswith("{"))

    def peak_bytes(self) -> int:
        return int(self._peak.read_text())

    def _timing(self) -> list[dict[str, Any]]:
        lines = self._messages.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]
