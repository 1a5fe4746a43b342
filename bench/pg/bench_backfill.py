#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tally.backfill beside writers: what they lose, and how long it takes.

Writers insert and update rows of the table whose old rows are sealed.  They
work in turns, with the backfill and without: it is cancelled and goes on where
it was, as it may be in life.  After these turns it runs to its end, beside
them.  Then everything is verified.

Exit status: 0 no fork, nothing found and the goal reached; 1 not.
"""

import argparse
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from servers import Installation, Server, run  # noqa: E402

GOAL = 0.8
FILL = 250_000
OLD = """INSERT INTO audit_logs (org_id, actor, action, resource, details)
SELECT i %% 10, 'user-' || i, 'document.update', 'document/' || i,
	jsonb_build_object('ip', '198.51.100.7', 'version', i)
FROM generate_series(%d, %d) i"""
WRITER = """\\set org random(0, 9)
\\set id random(1, {rows})
\\set kind random(1, 4)
\\if :kind = 1
UPDATE audit_logs SET action = 'document.delete' WHERE id = :id;
\\else
INSERT INTO audit_logs (org_id, actor, action, resource, details)
VALUES (:org, 'user-1', 'document.update', 'document/1', '{{"version": 1}}');
\\endif
"""


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=500_000,
                        help="old rows (500000)")
    parser.add_argument("--writers", type=int, default=16,
                        help="sessions that write (16)")
    parser.add_argument("--seconds", type=int, default=8,
                        help="seconds of one turn (8)")
    parser.add_argument("--pairs", type=int, default=5,
                        help="turns with it and turns without (5)")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--rest", type=float, default=5)
    parser.add_argument("--last-rest", type=float,
                        help="when the turns are over (as before)")
    parser.add_argument("--dir", default="/var/tmp",
                        help="where the server lives: a real disk (/var/tmp)")
    parser.add_argument("--shim",
                        default=str(ROOT / "build/release/bench/slow_sync.so"),
                        help="the library that counts syncs")
    return parser.parse_args(argv)


class Bench:
    """A server with the table, its old rows, and writers."""

    def __init__(self, args, work):
        self.args = args
        self.work = pathlib.Path(work)
        programs = run([str(ROOT / "tools/pg-root"),
                        str(ROOT / "build/pg/root")]).strip()
        self.server = Server(Installation(self.work, programs),
                             self.work / "server", args.shim, 0)
        self.server.initdb()
        self.server.start({"shared_preload_libraries": "tally"})
        self.script = self.work / "writer.sql"
        self.script.write_text(WRITER.format(rows=args.rows), encoding="ascii")

    def fill(self):
        rows = self.args.rows
        self.server.script(HERE / "sql" / "table.sql")
        for first in range(1, rows + 1, FILL):
            self.server.sql(OLD % (first, min(first + FILL - 1, rows)))
        self.server.sql("VACUUM ANALYZE audit_logs")
        self.server.sql("CREATE EXTENSION tally")
        self.server.sql("SELECT tally.attach('audit_logs', chain_by =>"
                        " 'org_id', append_only => false)")
        self.server.sql("CHECKPOINT")

    def write(self, seconds):
        """Transactions a second."""
        said = run(self.server.client("pgbench") + [
            "-n", "-M", "prepared", "-T", str(seconds),
            "-c", str(self.args.writers), "-j", "2",
            "-f", str(self.script), "postgres"])
        if not re.search("^number of failed transactions: 0 ", said, re.M):
            raise RuntimeError("writers failed")
        return float(re.search(r"^tps = ([0-9.]+)", said, re.M).group(1))

    def start_backfill(self, rest):
        call = ("CALL tally.backfill('audit_logs', batch => "
                f"{self.args.batch}, rest => {rest})")
        return subprocess.Popen(
            self.server.client("psql") + ["-XqAt", "-d", "postgres", "-c",
                                          call],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)

    def cancel(self, backfill):
        self.server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                        " WHERE query LIKE 'CALL tally.backfill%'")
        backfill.communicate()

    def taken(self):
        return int(self.server.sql("SELECT coalesce(sum(taken), 0)"
                                   " FROM tally.backfill"))


def turns(bench):
    """Ratios of the writers' speed with it and without."""
    ratios = []
    filled = seconds = 0
    for number in range(bench.args.pairs):
        speed = {}
        for beside in (True, False) if number % 2 else (False, True):
            before, begin = bench.taken(), time.monotonic()
            backfill = bench.start_backfill(bench.args.rest) if beside else None
            speed[beside] = bench.write(bench.args.seconds)
            if beside:
                if backfill.poll() is not None:
                    raise RuntimeError("it was done too early: --rows")
                bench.cancel(backfill)
                filled += bench.taken() - before
                seconds += time.monotonic() - begin
        ratios.append(speed[True] / speed[False])
        print(f"writers {speed[False]:8.0f}/s alone, {speed[True]:8.0f}/s"
              f" beside it: {ratios[-1]:.2f}", flush=True)
    print(f"old rows sealed meanwhile: {filled / seconds:.0f}/s", flush=True)
    return ratios


def finish(bench):
    """To the end, beside writers."""
    begin, before = time.monotonic(), bench.taken()
    rest = bench.args.last_rest
    backfill = bench.start_backfill(bench.args.rest if rest is None else rest)
    while backfill.poll() is None:
        bench.write(bench.args.seconds)
        print(f"{bench.taken()} of {bench.args.rows} rows", flush=True)
    said = backfill.communicate()[1].strip().splitlines()
    seconds = time.monotonic() - begin
    print(f"the rest: {bench.taken() - before} rows in {seconds:.0f} s:"
          f" {said[-1] if said else ''}")
    return backfill.returncode == 0


def main(argv):
    args = parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tally-bench.",
                                     dir=args.dir) as work:
        os.chmod(work, 0o755)
        bench = Bench(args, work)
        try:
            bench.fill()
            print(f"{args.rows} old rows, {args.writers} writers, batch"
                  f" {args.batch}, rest {args.rest}; load"
                  f" {os.getloadavg()[0]:.1f}", flush=True)
            ratios = turns(bench)
            done = finish(bench)
            begin = time.monotonic()
            found = bench.server.sql("SELECT verdict, records, findings"
                                     " FROM tally.verify_summary()")
        finally:
            bench.server.stop()
    median = statistics.median(ratios)
    print(f"verified in {time.monotonic() - begin:.0f} s: {found}")
    print(f"median {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f}),"
          f" goal {GOAL}")
    sound = done and found.startswith("intact|") and found.endswith("|0")
    return 0 if sound and median >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
