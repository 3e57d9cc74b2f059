"""The sources a run reads: where each of them is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a placement may name, and what each of them is.
NAMES = {
    "pg": "PostgreSQL",
    "my": "MariaDB",
    "lite": "SQLite",
    "duck": "DuckDB",
    "lake": "Parquet files",
}


@dataclass(frozen=True)
class Server:
    """A database on a server."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @staticmethod
    def parse(url: str) -> Server:
        """Reads `scheme://user:password@host:port/database`."""
        parts = urlsplit(url)
        if not parts.hostname or not parts.port or not parts.path.strip("/"):
            raise SystemExit(f"`{url}` is no URL of the form scheme://user:password@host:port/database")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return Server(parts.hostname, parts.port, user, password, parts.path.strip("/"))

    def url(self, scheme: str) -> str:
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True)
class Sources:
    """All sources of one run; each holds every table."""

    pg: Server
    my: Server
    lite: Path
    duck: Path
    lake: Path

    def junto_url(self, name: str) -> str:
        """The source called `name`, as Junto connects to it."""
        return {
            "pg": self.pg.url("postgres"),
            "my": self.my.url("mysql"),
            "lite": f"sqlite:{self.lite}",
            "duck": f"duckdb:{self.duck}",
            "lake": f"files:{self.lake}",
        }[name]

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Sources:
        raw = json.loads(text)
        return Sources(Server(**raw["pg"]), Server(**raw["my"]), *(Path(raw[name]) for name in ("lite", "duck", "lake")))
