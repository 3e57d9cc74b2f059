"""This side of a peer's process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ..digest import Digest
from ..measurement import Measurement, Status, failed
from ..queries import Placement, Query
from ..sources import Sources

PACKAGES = Path(__file__).parent.parent.parent
START_SECONDS = 120
END_SECONDS = 5


class RemotePeer:
    """A peer in a process of its own, which is started again after a statement that took too long."""

    def __init__(self, name: str, sources: Sources, trino_port: int) -> None:
        self.name = name
        self._command = [
            sys.executable, "-m", "junto_bench.contestants.worker", name, sources.to_json(), str(trino_port),
        ]
        self._process: subprocess.Popen[str] | None = None
        self._start()

    def measure(self, query: Query, placement: Placement, runs: int, timeout: float) -> Measurement:
        """Runs a query; `timeout` bounds one run of it."""
        if self._process is None:
            self._start()
        self._send({"sql": query.sql, "placement": placement, "runs": runs})
        reply = self._receive(timeout * runs)
        if reply is None:
            ended = self._process is not None and self._process.poll() is not None
            self.close()
            return failed(Status.CRASHED, "the process ended") if ended else failed(Status.TIMEOUT, f"over {timeout:g} s")
        if "error" in reply:
            return failed(Status.REFUSED, reply["error"])
        return Measurement(Status.RIGHT, reply["seconds"], Digest(**reply["digest"]))

    def close(self) -> None:
        """Ends the process: it ends by itself, and cleans up, when no more requests can come."""
        if self._process is not None:
            try:
                self._process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
            self._process = None

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(PACKAGES)}
        # A file, not a pipe: nobody reads what the peer says until it fails.
        self._messages = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._messages, text=True, env=environment,
            start_new_session=True,
        )
        reply = self._receive(START_SECONDS)
        if reply is None:
            self.close()
            self._messages.seek(0)
            raise SystemExit(f"{self.name} did not start: {self._messages.read()[-1000:]}")
        self.version: str = reply["version"]

    def _send(self, request: dict[str, Any]) -> None:
        print(json.dumps(request), file=self._process.stdin, flush=True)

    def _receive(self, timeout: float) -> dict[str, Any] | None:
        """The next answer; none when it does not come in time or the process ended."""
        deadline = time.monotonic() + timeout
        ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        line = self._process.stdout.readline() if ready else ""
        return json.loads(line) if line else None
