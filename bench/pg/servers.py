# SPDX-License-Identifier: Apache-2.0
"""Throw-away PostgreSQL servers for bench_pg.py: each with settings, a disk
that may be slowed, and perhaps a synchronous standby beside it."""

import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time

START_S = 60
# As for a small production server; what is not here is PostgreSQL's default.
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "wal_level": "replica",
    "max_wal_size": "8GB",
    "min_wal_size": "1GB",
    "wal_buffers": "16MB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}


def as_owner():
    """PostgreSQL refuses to run as root; and no server outlives us."""
    words = ["setpriv", "--pdeathsig", "INT"]
    if os.getuid() == 0:
        words += ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return words


def run(argv, env=None):
    """What a program printed; RuntimeError with its last words if it fails."""
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace",
                          check=False)
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        errors = [line for line in words if "ERROR" in line]
        raise RuntimeError((errors or words or
                            [f"{argv[0]}: status {done.returncode}"])[0])
    return done.stdout


def owned_folder(path):
    path.mkdir()
    if os.getuid() == 0:
        shutil.chown(path, "postgres", "postgres")
    return path


class Installation:
    """PostgreSQL with one build of the extension."""

    def __init__(self, work, programs):
        self.bin = pathlib.Path(programs)
        reachable = subprocess.run(
            as_owner() + ["test", "-x", str(self.bin / "postgres")],
            check=False).returncode == 0
        if not reachable:
            # A checkout may be closed to that user.
            system = run([os.environ.get("PG_CONFIG", "pg_config"),
                          "--bindir"]).strip()
            root = str(self.bin)[:-len(system)]
            copy = work / pathlib.Path(root).name
            shutil.copytree(root, copy, symlinks=True)
            self.bin = pathlib.Path(str(copy) + system)

    def program(self, name):
        return str(self.bin / name)


class Server:
    """A cluster in a folder of its own, which holds its socket as well."""

    def __init__(self, installation, folder, shim, slow_us):
        self.installation = installation
        self.folder = owned_folder(folder)
        self.data = self.folder / "data"
        self.syncs_file = self.folder / "syncs"
        self.syncs_file.write_bytes(bytes(8))
        self.syncs_file.chmod(0o666)
        self.env = dict(os.environ, LD_PRELOAD=shim,
                        BENCH_SYNC_US=str(slow_us),
                        BENCH_SYNC_FILE=str(self.syncs_file))
        self.process = None
        self.standby = None

    def initdb(self):
        run(as_owner() + [self.installation.program("initdb"), "-D",
                          str(self.data), "-U", "postgres", "-A", "trust",
                          "-N", "--locale=C", "-E", "UTF8"])

    def start(self, more):
        argv = as_owner() + [self.installation.program("postgres"), "-D",
                             str(self.data), "-k", str(self.folder)]
        for name, value in {**SETTINGS, **more}.items():
            argv += ["-c", f"{name}={value}"]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT)
        end = time.monotonic() + START_S
        ready = [self.installation.program("pg_isready"), "-q", "-h",
                 str(self.folder)]
        while subprocess.run(ready, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("the server does not start: "
                                   + self.last_words())
            time.sleep(0.05)

    def start_standby(self, folder, shim, slow_us, more):
        """A copy that follows; from here on commits wait for it."""
        standby = Server(self.installation, folder, shim, slow_us)
        run(as_owner() + [self.installation.program("pg_basebackup"), "-D",
                          str(standby.data), "-h", str(self.folder), "-U",
                          "postgres", "-R", "-N", "-c", "fast"])
        standby.start(more)
        self.standby = standby
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")
        end = time.monotonic() + START_S
        while self.sql("SELECT count(*) FROM pg_stat_replication"
                       " WHERE sync_state = 'sync'") != "1":
            if time.monotonic() > end:
                raise RuntimeError("the standby does not follow")
            time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait()
            self.process = None
        if self.standby is not None:
            self.standby.stop()

    def last_words(self):
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        return lines[-1] if lines else "it said nothing"

    def syncs(self):
        return struct.unpack("=Q", self.syncs_file.read_bytes())[0]

    # ---- clients -----------------------------------------------------

    def client(self, name):
        return [self.installation.program(name), "-h", str(self.folder),
                "-U", "postgres"]

    def sql(self, text):
        """The rows, one a line, columns separated by "|"."""
        return run(self.client("psql")
                   + ["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", "postgres",
                      "-c", text]).strip()

    def empty(self):
        self.sql("SET client_min_messages = error;"
                 " DROP EXTENSION IF EXISTS tally CASCADE;"
                 " DROP SCHEMA IF EXISTS tally CASCADE;"
                 " DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    def script(self, *paths):
        argv = self.client("psql") + ["-XqAt", "-v", "ON_ERROR_STOP=1",
                                      "-d", "postgres"]
        for path in paths:
            argv += ["-f", str(path)]
        return run(argv).strip()
