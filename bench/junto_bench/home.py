"""Where the bench keeps its data and results."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

DEFAULT = Path.home() / ".cache" / "junto" / "bench"
# For PostgreSQL's data when the home cannot be entered by the account the server runs under.
OPEN_TO_ALL = Path("/var/tmp/junto-bench")


@dataclass(frozen=True)
class Home:
    """A folder of data for one scale factor, kept for the next run."""

    root: Path
    scale: float

    @property
    def data(self) -> Path:
        return self.root / f"scale-{self.scale:g}"

    @property
    def duckdb(self) -> Path:
        return self.data / "tpch.duckdb"

    @property
    def sqlite(self) -> Path:
        return self.data / "tpch.sqlite"

    @property
    def lake(self) -> Path:
        return self.data / "lake"

    @property
    def mariadb(self) -> Path:
        return self.data / "mariadb"

    def postgres(self, account: str | None) -> Path:
        """The data folder of PostgreSQL, which an account other than ours may have to reach."""
        if account is None or reachable_by_all(self.data):
            return self.data / "postgres"
        return OPEN_TO_ALL / f"scale-{self.scale:g}" / "postgres"


def reachable_by_all(folder: Path) -> bool:
    """Whether every account may enter the folder and those above it."""
    existing = [part for part in (folder, *folder.parents) if part.exists()]
    return all(part.stat().st_mode & stat.S_IXOTH for part in existing)


def server_account() -> str | None:
    """The account PostgreSQL has to run under: none of its own unless we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise SystemExit("PostgreSQL does not run as root, and there is no account `postgres` or `nobody`")
