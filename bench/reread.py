#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A row of the table: a chain in a JSON Lines file whose writers find the
head by reading the whole file, as programs in the field do: take a lock,
parse every line, link, append, fsync.  Prints what bench_cell prints."""

import argparse
import fcntl
import hashlib
import json
import mmap
import os
import sys
import time

GENESIS = "0" * 64
GO, STOP = 0, 1


def canonical(record):
    return json.dumps(record, separators=(",", ":"), sort_keys=True)


def sealed(prev, event):
    """The line of an event that follows prev, and its hash."""
    record = {"event": event, "prev_hash": prev}
    text = prev + canonical(record)
    record["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return canonical(record) + "\n", record["hash"]


def make_event(writer, number):
    event = {"actor": f"user-{writer:08}", "event": "document.shared",
             "request": f"{number:016x}", "note": ""}
    event["note"] = "x" * (300 - len(canonical(event)))
    return event


def last_hash(path):
    last = GENESIS
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                last = json.loads(line)["hash"]
    return last


def append(path, event):
    with open(path + ".lock", "a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line, _ = sealed(last_hash(path), event)
        with open(path, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def preload(path, records):
    prev = GENESIS
    with open(path, "w", encoding="utf-8") as file:
        for number in range(records):
            line, prev = sealed(prev, make_event(0, number))
            file.write(line)
        file.flush()
        os.fsync(file.fileno())


def check(path):
    """The number of records, all of which follow one another."""
    prev, count = GENESIS, 0
    with open(path, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            if sealed(prev, record["event"])[0] != line:
                sys.exit(f"reread: the chain breaks at line {count + 1}")
            prev, count = record["hash"], count + 1
    return count


def writer_main(path, writer, shared, out):
    latencies, counted, number = [], 0, 0
    os.write(out, b"ready\n")
    while shared[GO] == 0:
        time.sleep(0.001)
    while shared[STOP] == 0:
        event = make_event(writer, number)
        before = time.monotonic()
        append(path, event)
        latencies.append(time.monotonic() - before)
        number += 1
        counted += shared[STOP] == 0
    with os.fdopen(out, "w") as file:
        json.dump({"counted": counted, "latencies": latencies}, file)


def start(path, writers, shared):
    pipes = []
    for writer in range(writers):
        read, write = os.pipe()
        if os.fork() == 0:
            os.close(read)
            writer_main(path, writer, shared, write)
            os._exit(0)
        os.close(write)
        pipes.append(os.fdopen(read))
    for pipe in pipes:
        pipe.readline()
    return pipes


def run(path, writers, seconds):
    shared = mmap.mmap(-1, 2)
    pipes = start(path, writers, shared)
    begin = time.monotonic()
    shared[GO] = 1
    time.sleep(seconds)
    shared[STOP] = 1
    elapsed = time.monotonic() - begin
    results = [json.load(pipe) for pipe in pipes]
    for _ in pipes:
        if os.wait()[1] != 0:
            sys.exit("reread: a writer failed")
    counted = sum(result["counted"] for result in results)
    latencies = sorted(sum((r["latencies"] for r in results), []))
    return elapsed, counted, latencies


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dir")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--preload", type=int, default=1000)
    args = parser.parse_args()
    path = os.path.join(args.dir, "reread.jsonl")
    preload(path, args.preload)
    elapsed, counted, latencies = run(path, args.processes, args.seconds)
    count = check(path)
    if count != args.preload + len(latencies):
        sys.exit(f"reread: {count} records in the file")

    def part_us(part):
        at = min(int(part * len(latencies)), len(latencies) - 1)
        return round(latencies[at] * 1e6, 2)

    print(json.dumps({
        "peer": "reread", "processes": args.processes, "threads": 1,
        "batch": 1, "ids": False, "seconds": round(elapsed, 4),
        "records": len(latencies), "syncs": len(latencies),
        "rate": round(counted / elapsed, 1), "p50_us": part_us(0.5),
        "p99_us": part_us(0.99), "max_us": part_us(1)}))


if __name__ == "__main__":
    main()
