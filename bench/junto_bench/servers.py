"""PostgreSQL and MariaDB servers of the bench's own: Debian's programs, data in the bench's folder, a port of 127.0.0.1."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable

from .home import Home, server_account
from .sources import Server

USER = PASSWORD = DATABASE = "tpch"
START_SECONDS = 60
STOP_SECONDS = 120
MIB = 1 << 20


class Process:
    """A server that runs until `stop`."""

    def __init__(self, name: str, command: list[str], folder: Path, account: str | None, stop: signal.Signals) -> None:
        self.name = name
        self.log = folder / "server.log"
        self._stop_signal = stop
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, start_new_session=True, **as_account(account)
            )

    def wait_until(self, answers: Callable[[], None]) -> None:
        """Returns when `answers` raises no more."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return answers()
            except Exception as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                    raise SystemExit(f"{self.name} did not start: {error}\n{tail}") from error
                time.sleep(0.1)

    def stop(self) -> None:
        """Ends the server in good order and waits for it."""
        if self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def start_postgres(home: Home) -> tuple[Process, Server]:
    """Starts PostgreSQL, creating its data folder the first time."""
    programs = postgres_programs()
    account = server_account()
    folder = home.postgres(account)
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        make_folder(folder, account)
        shutil.rmtree(data, ignore_errors=True)
        password = folder / "password"
        password.write_text(PASSWORD)
        if account:
            shutil.chown(password, account)
        run(
            [programs / "initdb", "--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8",
             f"--username={USER}", f"--pwfile={password}", f"--pgdata={data}"],
            folder, account,
        )
    server = Server("127.0.0.1", remembered_port(folder), USER, PASSWORD, DATABASE)
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "shared_buffers": f"{share_of_memory(8, 1024)}MB",
        "maintenance_work_mem": "256MB",
        "max_wal_size": "4GB",
        "fsync": "off",
    }
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(server.port)]
    command += [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    process = Process("PostgreSQL", command, folder, account, signal.SIGINT)
    process.wait_until(lambda: create_postgres_database(server))
    return process, server


def create_postgres_database(server: Server) -> None:
    import psycopg

    with psycopg.connect(server.url("postgres").rsplit("/", 1)[0] + "/postgres", autocommit=True) as connection:
        if not connection.execute("select 1 from pg_database where datname = %s", [server.database]).fetchone():
            connection.execute(f"create database {server.database}")


def start_mariadb(home: Home) -> tuple[Process, Server]:
    """Starts MariaDB, creating its data folder the first time."""
    program = found("mariadbd", "mysqld")
    folder = home.mariadb
    data = folder / "data"
    account = ["--user=root"] if os.geteuid() == 0 else []
    if not (folder / "created").exists():
        make_folder(folder, None)
        shutil.rmtree(data, ignore_errors=True)
        installer = found("mariadb-install-db", "mysql_install_db")
        run(
            [installer, "--no-defaults", *account, "--auth-root-authentication-method=normal", "--skip-test-db",
             f"--datadir={data}", f"--tmpdir={folder}"],
            folder, None,
        )
        (folder / "created").touch()
    server = Server("127.0.0.1", remembered_port(folder), USER, PASSWORD, DATABASE)
    command = [
        str(program), "--no-defaults", *account, f"--datadir={data}", f"--tmpdir={folder}",
        f"--socket={folder / 'server.sock'}", f"--pid-file={folder / 'server.pid'}",
        "--bind-address=127.0.0.1", f"--port={server.port}", "--local-infile=1", "--character-set-server=utf8mb4",
        f"--innodb-buffer-pool-size={share_of_memory(4, 2048)}M", "--innodb-log-file-size=512M",
        "--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=64M",
    ]
    process = Process("MariaDB", command, folder, None, signal.SIGTERM)
    process.wait_until(lambda: create_mariadb_database(server))
    return process, server


def create_mariadb_database(server: Server) -> None:
    import pymysql

    with pymysql.connect(host=server.host, port=server.port, user="root") as connection, connection.cursor() as cursor:
        cursor.execute(f"create database if not exists {server.database}")
        cursor.execute(f"create user if not exists {server.user}@'%' identified by '{server.password}'")
        cursor.execute(f"grant all on {server.database}.* to {server.user}@'%'")


def postgres_programs() -> Path:
    """The folder of the newest PostgreSQL that is installed."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name))
    return Path(found("initdb")).parent


def found(*names: str) -> str:
    """The first of these programs that is installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for name in names:
        if program := shutil.which(name, path=path):
            return program
    raise SystemExit(f"`{names[0]}` is not installed")


def remembered_port(folder: Path) -> int:
    """The port of the last run, so that others can be configured to know it; another one if that is taken."""
    note = folder / "port"
    ports = [int(note.read_text())] if note.exists() else []
    for port in (*ports, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            port = probe.getsockname()[1]
            note.write_text(str(port))
            return port
    raise SystemExit("no free port")


def share_of_memory(divisor: int, most: int) -> int:
    """A share of this machine's memory in MiB, at most `most`."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    return min(most, memory // divisor)


def make_folder(folder: Path, account: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if account:
        shutil.chown(folder, account)


def as_account(account: str | None) -> dict[str, object]:
    """Arguments of `subprocess` that run a program under an account."""
    if account is None:
        return {}
    entry = pwd.getpwnam(account)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def run(command: list[str | Path], folder: Path, account: str | None) -> None:
    """Runs a program whose output matters only when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, **as_account(account))
    if done.returncode:
        raise SystemExit(f"`{words[0]}` failed\n{done.stdout}{done.stderr}")
