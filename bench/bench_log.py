#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of make bench-log: durable appends of this log beside those of
others, on this machine, in one run.

A row is a peer and a number of writers.  The rows take turns of under a
second; a round is one turn of every row, every other round backwards; a
figure is the median of the rounds, and a ratio the median of the ratios
within the rounds, so that a disk whose speed changes from minute to minute
changes it for both sides.  Every turn has a directory of its own, which is
checked after the measurement and removed.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import bench_table

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
SLOW_US = 1000
TURN_TIMEOUT_S = 180
CEILING_LINE = re.compile(
    r"(?P<rate>\d+) appends/s.*syncs/s=(?P<syncs>\d+) batch=(?P<batch>[\d.]+)"
    r" p50=(?P<p50>\d+)us p99max=(?P<p99>\d+)us")


class Row:
    """One line of the table, in one of the two conditions of the disk."""

    def __init__(self, key, label, writers, argv, slow_us):
        self.key = (key, writers, slow_us)
        self.label = label
        self.writers = writers
        self.argv = argv
        self.slow_us = slow_us
        self.turns = []     # one result (a dict) or None per round
        self.failure = None


class Bench:
    """What a turn needs: programs, directories, seconds."""

    def __init__(self, args, work):
        self.args = args
        self.work = pathlib.Path(work)
        self.cell = args.cell
        self.peers = set()
        self.ceiling = None
        self.notes = []
        self.count_file = self.work / "syncs"
        self.count_file.write_bytes(bytes(8))

    def environment(self, slow_us):
        env = dict(os.environ, BENCH_SYNC_US=str(slow_us),
                   BENCH_SYNC_FILE=str(self.count_file))
        env["LD_PRELOAD"] = self.args.shim
        return env

    def find_peers(self):
        self.peers = set(subprocess.run(
            [self.cell], check=True, capture_output=True,
            text=True).stdout.split())
        if "sqlite" not in self.peers:
            self.notes.append("SQLite is left out: this build has no "
                              "libsqlite3 (Debian: libsqlite3-dev)")
        self.ceiling = self.build_ceiling()

    def build_ceiling(self):
        """The program that is the machine's ceiling is no part of the
        project: its source is used where it is found."""
        named = os.environ.get("TALLY_CEILING_SRC")
        beside = ROOT.parent / "shared" / "bench" / "ceiling.c"
        source = pathlib.Path(named) if named else beside
        if not source.is_file():
            self.notes.append("the ceiling is left out: TALLY_CEILING_SRC "
                              "does not name its source")
            return None
        program = self.work / "ceiling"
        done = subprocess.run(
            [os.environ.get("CC", "cc"), "-O2", "-march=native", "-w",
             "-pthread", str(source), "-o", str(program)],
            capture_output=True, text=True)
        if done.returncode != 0:
            self.notes.append("the ceiling is left out: it does not compile "
                              "here")
            return None
        return str(program)

    def turn(self, row):
        directory = tempfile.mkdtemp(dir=self.work)
        try:
            os.sync()
            argv = [arg.replace("{dir}", directory) for arg in row.argv]
            if argv[0] == "ceiling":
                return self.ceiling_turn(argv[1:], row.slow_us)
            if argv[0] == "reread":
                argv[0:1] = [sys.executable, str(HERE / "reread.py")]
            else:
                argv.insert(0, self.cell)
            argv += ["--seconds", str(self.args.seconds)]
            done = self.run(argv, self.environment(row.slow_us))
            return json.loads(done)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def ceiling_turn(self, argv, slow_us):
        mode, writers, path = argv
        env = dict(os.environ, CHECK="1")
        out = self.run([self.ceiling, path, "durable", writers,
                        str(self.args.seconds), mode, "growing",
                        str(slow_us)], env)
        match = CEILING_LINE.search(out)
        if match is None or "chain ok" not in out:
            raise RuntimeError("the ceiling's chain does not hold")
        rate = float(match["rate"])
        return {"peer": "ceiling", "rate": rate,
                "p50_us": float(match["p50"]), "p99_us": float(match["p99"]),
                "records": rate * self.args.seconds,
                "syncs": float(match["syncs"]) * self.args.seconds}

    @staticmethod
    def run(argv, env):
        done = subprocess.run(argv, env=env, capture_output=True, text=True,
                              timeout=TURN_TIMEOUT_S)
        if done.returncode != 0:
            words = done.stderr.strip().splitlines() or [
                f"status {done.returncode}"]
            raise RuntimeError(words[-1])
        return done.stdout


def shape(writers, threads_per_process):
    threads = min(writers, threads_per_process)
    return ["--processes", str(writers // threads), "--threads", str(threads)]


def log_rows(writers, add):
    """This log and the ceiling."""
    add("tally-t", "this log, threads", writers,
        ["tally", "{dir}"] + shape(writers, writers))
    if writers > 1:
        add("tally-p", "this log, processes", writers,
            ["tally", "{dir}"] + shape(writers, 1))
    if writers >= 16:
        add("tally-4", "this log, 4 processes", writers,
            ["tally", "{dir}"] + shape(writers, writers // 4))
    add("ceiling-t", "ceiling, threads", writers,
        ["ceiling", "t", str(writers), "{dir}/ceiling"])
    if writers > 1:
        add("ceiling-p", "ceiling, processes", writers,
            ["ceiling", "p", str(writers), "{dir}/ceiling"])


def peer_rows(writers, add):
    """The others: processes up to 4, then threads in 4 processes."""
    shaped = shape(writers, max(writers // 4, 1))
    if writers == 1:
        add("raw", "write + fdatasync, no chain", 1, ["raw", "{dir}"])
    add("sqlite", "SQLite, WAL, FULL", writers, ["sqlite", "{dir}"] + shaped)
    add("flock", "flock + append + fdatasync", writers,
        ["flock", "{dir}"] + shaped)
    for records in (1000, 10000):
        if records == 1000 or writers in (1, 64):
            add(f"reread-{records}", f"re-reads {records:,} records", writers,
                ["reread", "{dir}", "--processes", str(writers),
                 "--preload", str(records)])


def batch_rows(add):
    batch = ["--batch", "1000"]
    for writers in (1, 4):
        threads = shape(writers, writers)
        add("batch", "this log, 1,000 in a call", writers,
            ["tally", "{dir}"] + batch + threads)
        add("batch-ids", "the same, with random ids", writers,
            ["tally", "{dir}", "--ids"] + batch + threads)
        if writers == 1:
            add("batch-raw", "write of 1,000 + fdatasync", 1,
                ["raw", "{dir}"] + batch)


def make_rows(bench):
    """The plan: rows to be compared stand side by side."""
    rows = []
    only = bench.args.only

    def adder(slow_us):
        def add(key, label, writers, argv):
            kind = argv[0]
            if kind == "ceiling" and bench.ceiling is None:
                return
            if kind == "sqlite" and "sqlite" not in bench.peers:
                return
            if only and not any(word in key for word in only.split(",")):
                return
            rows.append(Row(key, label, writers, argv, slow_us))
        return add

    for slow_us in (0, SLOW_US):
        add = adder(slow_us)
        for writers in bench.args.writers:
            log_rows(writers, add)
            peer_rows(writers, add)
        if slow_us == 0:
            batch_rows(add)
        add("pair", "this log beside write + fdatasync", 1, ["pair", "{dir}"])
    return rows


def run_round(bench, rows, number):
    for at, row in enumerate(rows if number % 2 == 0 else rows[::-1]):
        if sys.stderr.isatty():
            print(f"\rround {number + 1}, row {at + 1} of {len(rows)}: "
                  f"{row.label:36.36}", end="", file=sys.stderr)
        result = None
        if row.failure is None:
            try:
                result = bench.turn(row)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                row.failure = str(error)
        row.turns.append(result)
    if sys.stderr.isatty():
        print("\r" + " " * 72 + "\r", end="", file=sys.stderr)


def run_rounds(bench, rows):
    """At least args.rounds; more while they fit into the budget."""
    begin = time.monotonic()
    number = 0
    while True:
        run_round(bench, rows, number)
        number += 1
        spent = time.monotonic() - begin
        if number >= bench.args.rounds and (
                spent * (number + 1) / number > bench.args.budget):
            return spent


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cell", default=str(ROOT / "build/bench/bench_cell"),
                        help="the program that measures one turn")
    parser.add_argument("--shim", default=str(ROOT / "build/bench/slow_sync.so"),
                        help="the library that slows and counts syncs")
    parser.add_argument("--dir", help="where to write: a real disk "
                        "(default: beside --cell)")
    parser.add_argument("--budget", type=float,
                        help="seconds for the whole table (330; quick: 60)")
    parser.add_argument("--seconds", type=float,
                        help="seconds of one turn (0.6; quick: 0.3)")
    parser.add_argument("--rounds", type=int, default=3,
                        help="rounds at the least (3)")
    parser.add_argument("--writers",
                        help="numbers of writers (1,4,16,64; quick: 1,64)")
    parser.add_argument("--only", help="rows whose key contains one of these "
                        "words, e.g. tally,ceiling")
    parser.add_argument("--quick", action="store_true",
                        help="1 and 64 writers, short turns: a first look")
    parser.add_argument("--json", metavar="FILE",
                        help="write every turn there as well")
    args = parser.parse_args(argv)
    for name, full, quick in (("writers", "1,4,16,64", "1,64"),
                              ("seconds", 0.6, 0.3), ("budget", 330, 60)):
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    args.writers = [int(word) for word in args.writers.split(",")]
    if any(writers not in (1, 4, 16, 64) for writers in args.writers):
        parser.error("writers are 1, 4, 16 or 64")
    if args.dir is None:
        args.dir = str(pathlib.Path(args.cell).resolve().parent)
    return args


def shown(argv):
    """The arguments without the programs that make has built."""
    pairs = zip([None] + argv, argv)
    return [arg for before, arg in pairs
            if arg not in ("--cell", "--shim")
            and before not in ("--cell", "--shim")]


def main(argv):
    args = parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bench.", dir=args.dir) as work:
        facts = bench_table.facts(work, shown(argv))
        bench = Bench(args, work)
        bench.find_peers()
        rows = make_rows(bench)
        facts["seconds"] = round(run_rounds(bench, rows), 1)
    facts["load after"] = os.getloadavg()[0]
    facts["turn seconds"] = args.seconds
    table = bench_table.Table(facts, rows, bench.notes)
    table.print()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(table.as_json(), file, indent=1)
            file.write("\n")
    return 1 if any(row.failure for row in rows) else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
