"""The process one peer runs in: `python -m junto_bench.contestants.worker NAME SOURCES TRINO_PORT`.

Each line of standard input is a request, each line of standard output its answer; both are JSON. What the peer itself
prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any

from ..digest import digest
from ..queries import placed
from ..sources import Sources
from .peers import Peer, open_peer


def main() -> None:
    name, sources, trino_port = sys.argv[1:4]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = open_peer(name, Sources.from_json(sources), int(trino_port))
    print(json.dumps({"version": peer.version()}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(peer, json.loads(line))), file=answers, flush=True)


def answer(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    """Runs a statement as often as asked. Reading the answer to its last row is part of the time, its digest is not."""
    seconds, rows = [], []
    try:
        sql = placed(request["sql"], request["placement"], peer.table)
        for _ in range(request["runs"]):
            del rows
            started = time.perf_counter()
            rows = peer.rows(sql)
            seconds.append(time.perf_counter() - started)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"seconds": seconds, "digest": asdict(digest(rows))}


if __name__ == "__main__":
    main()
