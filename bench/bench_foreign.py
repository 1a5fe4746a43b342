#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Foreign chains: how long verifying and diagnosing take, and how much memory.

    bench/bench_foreign.py [--rows N] [--forks N] [--chains N] [--pg] [--tally FILE]

Makes rows of breeze's kind (profile breeze-v1), in chains that fork now and then
as two writers would make them, times tally on them as JSON Lines, and with --pg as
a table with breeze's index in a server of its own.  Prints the verdict, wall time,
processor time and resident memory of each.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
START = 1_780_000_000_000_000
COLUMNS = ("id", "org_id", "actor_type", "actor_id", "action", "resource_type",
           "resource_id", "result", "details", "timestamp", "prev_checksum",
           "checksum")


def instant(number):
    seconds, micros = divmod(START + number * 1000, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"


def rows(count, forks, chains):
    """Each row as a tuple in the order of COLUMNS, by time."""
    rand = random.Random(1)
    heads = [[None, None] for _ in range(chains)]
    every = max(count // forks, 2) if forks else 0
    for number in range(count):
        chain = number % chains
        head = heads[chain]
        prev = head[0]
        if every and number % every == every - 1 and head[1]:
            prev = head[1]  # what the last writer saw, too
        org = f"00000000-0000-4000-8000-{chain:012d}"
        row = f"{rand.getrandbits(96):024x}"
        row = f"{row[:8]}-{row[8:12]}-4{row[12:15]}-8{row[15:18]}-{number:012x}"
        when = instant(number)
        details = f'{{"cpu": {number % 97}, "host": "h{number % 1009}"}}'
        text = (f"{prev or ''}|{row}|agent||telemetry.report|device||success|"
                f"{details}|{when}")
        checksum = hashlib.sha256(text.encode()).hexdigest()
        heads[chain] = [checksum, head[0]]
        yield (row, org, "agent", None, "telemetry.report", "device", None,
               "success", details, when, prev, checksum)


def timed(name, command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    print(f"{name:<16} status {done.returncode}  {wall:6.1f} s wall  {cpu:6.1f} s "
          f"processor  {after.ru_maxrss // 1024:5d} MiB at most so far", flush=True)


def time_lines(options, tally):
    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "chain.jsonl")
        with open(path, "w", encoding="ascii") as file:
            for row in rows(options.rows, options.forks, options.chains):
                file.write(json.dumps(dict(zip(COLUMNS, row))) + "\n")
        for what in ("verify", "diagnose"):
            timed(what, [tally, what, path, "--profile", "breeze-v1", "--json"])


def copy_text(options, file):
    for row in rows(options.rows, options.forks, options.chains):
        file.write("\t".join("\\N" if cell is None else cell for cell in row) + "\n")


def time_table(options, tally):
    """Runs beside a server that the environment names."""
    schema = os.path.join(ROOT, "examples", "breeze", "schema.sql")
    psql = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(psql + ["-f", schema, "-c",
                           "DROP TRIGGER audit_log_chain ON audit_logs"], check=True)
    copy = f"COPY audit_logs ({', '.join(COLUMNS)}) FROM STDIN".replace(
        "timestamp", '"timestamp"')
    with subprocess.Popen(psql + ["-c", copy], stdin=subprocess.PIPE, text=True) as load:
        copy_text(options, load.stdin)
    subprocess.run(psql + ["-c", "VACUUM ANALYZE audit_logs"], check=True)
    for what in ("verify", "diagnose"):
        timed(f"{what} --pg", [tally, what, "--pg", "dbname=postgres",
                               "--profile", "breeze-v1", "--json"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--forks", type=int, default=100_000)
    parser.add_argument("--chains", type=int, default=100)
    parser.add_argument("--pg", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--tally", default=os.path.join(
        ROOT, "build", "release", "src", "tally"))
    options = parser.parse_args()
    os.environ.setdefault("TALLY_PROFILES", os.path.join(ROOT, "profiles"))
    if options.inside:
        time_table(options, options.tally)
        return 0
    print(f"{options.rows:,} rows, {options.chains} chains, about {options.forks:,} "
          f"forks", flush=True)
    time_lines(options, options.tally)
    if options.pg:
        command = [sys.executable, os.path.abspath(__file__), "--inside",
                   "--rows", str(options.rows), "--forks", str(options.forks),
                   "--chains", str(options.chains), "--tally", options.tally]
        return subprocess.run(
            [os.path.join(ROOT, "tools", "pg-server"), "--preload", "-c",
             "shared_buffers=512MB", "--run", " ".join(command)],
            check=False).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
