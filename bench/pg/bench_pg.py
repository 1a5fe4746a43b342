#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of make bench-pg: commits into an audit table, chained by this
extension and in other ways, on this machine, in one run.

A row of the table is a contender, a condition and a number of sessions.  The
rows take turns of some seconds; a round is one turn of every row, every other
round backwards; a figure is the median of the rounds, and a ratio the median
of the ratios within the rounds.  Every turn begins with empty tables and a
checkpoint, drops the first part of its time, and then looks through the
chains for forks and gaps.  The load is pgbench's.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import pg_table  # noqa: E402
import tracking  # noqa: E402
import verifying  # noqa: E402
from contenders import CELLS, CONTENDERS, GOALS, Row, measures  # noqa: E402
from servers import Installation, Server, run  # noqa: E402

SLOW_US = 1000
WARM_UP = 0.3       # of a turn
SESSIONS = (1, 4, 16, 64)
GOAL_ROWS = {key for cell, *keys, _ in GOALS for key in keys} | {"plain"}


class Bench:
    """The servers, started when they are first needed, and a turn."""

    def __init__(self, args, work):
        self.args = args
        self.work = pathlib.Path(work)
        self.installations = {}
        self.servers = {}
        # Where PostgreSQL's own user can read it.
        self.shim = str(shutil.copy(args.shim, self.work))

    def installation(self, build):
        if build not in self.installations:
            option, name = {"chained": ([], "root"),
                            "unchained": (["--unchained"],
                                          "root-unchained")}[build]
            programs = run([str(ROOT / "tools/pg-root"), *option,
                            str(ROOT / "build/pg" / name)])
            self.installations[build] = Installation(self.work,
                                                     programs.strip())
        return self.installations[build]

    def server(self, build, preload, disk):
        key = (build, preload, disk)
        if key not in self.servers:
            slow_us = SLOW_US if disk == "slow" else 0
            settings = {}
            if preload:
                settings["shared_preload_libraries"] = "tally"
            folder = self.work / f"{build[0]}{int(preload)}-{disk}"
            server = Server(self.installation(build), folder, self.shim,
                            slow_us)
            self.servers[key] = server
            server.initdb()
            server.start(settings)
            if disk == "standby":
                server.start_standby(
                    pathlib.Path(str(folder) + "-2"), self.shim, slow_us,
                    settings)
        return self.servers[key]

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def version(self):
        return self.server("chained", True, "as-is").sql(
            "SELECT current_setting('server_version')")

    def turn(self, row):
        contender = row.contender
        server = self.server(contender.build, contender.preload,
                             row.cell.disk)
        server.empty()
        server.script(*scripts(("table",) + contender.tables))
        server.sql("CHECKPOINT")
        os.sync()
        syncs = server.syncs()
        result = self.pgbench(server, row)
        result["syncs"] = server.syncs() - syncs
        found = server.script(HERE / "sql" / f"{contender.check}.sql")
        rows, forked, gaps, unsealed = (int(word) for word in
                                        found.split("|"))
        result.update(rows=rows, forked=forked, gaps=gaps, unsealed=unsealed)
        if rows < result["commits"]:
            raise RuntimeError(f"{result['commits'] - rows} committed rows "
                               "are not there")
        if unsealed:
            raise RuntimeError(f"{unsealed} rows have no record")
        if (forked or gaps) and not contender.forks:
            raise RuntimeError(f"{forked} rows forked, {gaps} gaps")
        return result

    def pgbench(self, server, row):
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.work))
        script = folder / "script.sql"
        script.write_text(row.cell.script(row.contender), encoding="utf-8")
        env = dict(os.environ, PGOPTIONS=row.contender.options)
        try:
            run(server.client("pgbench")
                + ["-n", "-M", "prepared", "-T", str(self.args.seconds),
                   "-c", str(row.sessions), "-j", str(min(row.sessions, 2)),
                   "-l", "--log-prefix", str(folder / "log"),
                   "-f", str(script), "postgres"], env)
            return read_logs(folder.glob("log.*"))
        finally:
            shutil.rmtree(folder)


def scripts(names):
    """The files of these scripts, which are one session's."""
    plain = ROOT / "pg/sql/plain"
    for name in names:
        if name == "parts":
            parts = (plain / name).read_text(encoding="ascii").split()
            yield from (plain / f"{part}.sql" for part in parts)
        else:
            yield HERE / "sql" / f"{name}.sql"


def read_logs(paths):
    """pgbench writes a line for each transaction: client, number, latency in
    microseconds, script, and the time at which it ended."""
    ends = []
    for path in paths:
        for line in path.read_text(encoding="ascii").splitlines():
            words = line.split()
            ends.append((int(words[4]) + int(words[5]) / 1e6, int(words[2])))
    if not ends:
        raise RuntimeError("pgbench committed nothing")
    ends.sort()
    begin, end = ends[0][0], ends[-1][0]
    begin += (end - begin) * WARM_UP
    latencies = sorted(us for at, us in ends if at > begin)
    if len(latencies) < 2:
        raise RuntimeError("too few commits for a figure: longer turns "
                           "(--seconds)")
    return {"rate": len(latencies) / (end - begin), "commits": len(ends),
            "p50_us": statistics.median(latencies),
            "p99_us": latencies[len(latencies) * 99 // 100]}


def make_rows(args):
    rows = []
    for cell in CELLS:
        if args.cells and cell.key not in args.cells:
            continue
        for sessions in args.sessions or SESSIONS:
            if not args.sessions and sessions != 64 and not (
                    args.all or cell.key == "hot"):
                continue
            rows += [Row(contender, cell, sessions)
                     for contender in CONTENDERS
                     if measures(contender, cell, sessions)
                     and wanted(args, contender)]
    return rows


def wanted(args, contender):
    if args.only:
        return any(word in contender.key for word in args.only)
    return not args.quick or contender.key in GOAL_ROWS


def run_round(bench, rows, number):
    for at, row in enumerate(rows if number % 2 == 0 else rows[::-1]):
        if sys.stderr.isatty():
            print(f"\rround {number + 1}, row {at + 1} of {len(rows)}: "
                  f"{row.contender.key}, {row.cell.key}, {row.sessions}"
                  .ljust(70), end="", file=sys.stderr, flush=True)
        result = None
        if row.failure is None:
            try:
                result = bench.turn(row)
            except RuntimeError as error:
                row.failure = str(error)
        row.turns.append(result)
    if sys.stderr.isatty():
        print("\r" + " " * 70 + "\r", end="", file=sys.stderr)


def run_rounds(bench, rows):
    """At least args.rounds; more while they fit into the budget."""
    begin = time.monotonic()
    number = 0
    while rows:
        run_round(bench, rows, number)
        number += 1
        spent = time.monotonic() - begin
        if number >= bench.args.rounds and (
                spent * (number + 1) / number > bench.args.budget):
            break
    return time.monotonic() - begin


def words(text):
    return text.split(",") if text else []


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shim",
                        default=str(ROOT / "build/release/bench/slow_sync.so"),
                        help="the library that slows and counts syncs")
    parser.add_argument("--dir", default="/var/tmp",
                        help="where the servers live: a real disk (/var/tmp)")
    parser.add_argument("--budget", type=float,
                        help="seconds for all rounds (900; quick: 60)")
    parser.add_argument("--seconds", type=int, default=2,
                        help="seconds of one turn, connecting included (2)")
    parser.add_argument("--rounds", type=int,
                        help="rounds at the least (3; quick: 1)")
    parser.add_argument("--sessions", type=words,
                        help="numbers of sessions, in every condition (64; "
                        "in the first condition 1, 4, 16 as well)")
    parser.add_argument("--all", action="store_true",
                        help="1, 4, 16 and 64 sessions in every condition")
    parser.add_argument("--cells", type=words, help="conditions: "
                        + ",".join(cell.key for cell in CELLS))
    parser.add_argument("--only", type=words,
                        help="contenders whose key contains one of these: "
                        + ",".join(who.key for who in CONTENDERS))
    parser.add_argument("--verify-rows", type=int, default=1_000_000,
                        help="rows to verify (1000000); 0: none")
    parser.add_argument("--track-rows", type=int, default=100_000,
                        help="rows of statements on a tracked table (100000);"
                        " 0: none")
    parser.add_argument("--quick", action="store_true",
                        help="only what the goals need, one round: a first look")
    parser.add_argument("--json", metavar="FILE",
                        help="write every turn there as well")
    args = parser.parse_args(argv)
    for name, full, quick in (("budget", 900, 60), ("rounds", 3, 1)):
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    if args.quick and not args.cells:
        args.cells = list(dict.fromkeys(goal[0] for goal in GOALS))
    if args.quick and not args.sessions:
        args.sessions = [64]
    args.sessions = [int(word) for word in args.sessions or []]
    if not os.path.isfile(args.shim):
        parser.error(f"there is no {args.shim}: make bench-pg builds it")
    return args


def main(argv):
    args = parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="tally-bench.",
                                     dir=args.dir) as work:
        os.chmod(work, 0o755)
        facts = pg_table.facts(work, argv)
        bench = Bench(args, work)
        try:
            facts["PostgreSQL"] = bench.version()
            rows = make_rows(args)
            facts["seconds"] = run_rounds(bench, rows)
            verified = verifying.measure(bench) if args.verify_rows else []
            tracked = tracking.measure(bench) if args.track_rows else []
        finally:
            bench.stop()
    facts["load after"] = os.getloadavg()[0]
    facts["turn seconds"] = args.seconds
    table = pg_table.Table(facts, rows, verified, tracked)
    table.print()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(table.as_json(), file, indent=1)
            file.write("\n")
    failures = [row.failure for row in rows] + [one[3] for one in verified]
    return 1 if any(failures) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
