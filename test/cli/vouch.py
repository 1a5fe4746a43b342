#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vouch's own rules, without our code.

    vouch.py verify FILE        prints how many records hold; 1 at a break
    vouch.py write FILE COUNT   appends, under the lock that vouch takes
"""

import fcntl
import hashlib
import json
import os
import sys
import uuid

START = "0" * 64


def canon(record):
    return json.dumps(record, separators=(",", ":"), sort_keys=True)


def digest(prev, record):
    return hashlib.sha256((prev + canon(record)).encode()).hexdigest()


def verify(path):
    prev, count = START, 0
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            record = json.loads(line)
            stored = record.pop("hash")
            if record["prev_hash"] != prev or digest(prev, record) != stored:
                print(f"line {number}")
                return 1
            prev, count = stored, count + 1
    print(count)
    return 0


def last_hash(path):
    prev = START
    with open(path, encoding="utf-8") as file:
        for line in file:
            prev = json.loads(line).get("hash", prev)
    return prev


def write(path, count):
    for number in range(count):
        with open(path + ".lock", "a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with open(path, "a+", encoding="utf-8") as file:
                prev = last_hash(path)
                record = {
                    "id": uuid.uuid4().hex, "event": f"python {number}",
                    "actor": "p", "data": {"n": number / 3}, "prev_hash": prev}
                record["hash"] = digest(prev, record)
                file.write(canon(record) + "\n")
                file.flush()
                os.fsync(file.fileno())
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "verify":
        sys.exit(verify(sys.argv[2]))
    sys.exit(write(sys.argv[2], int(sys.argv[3])))
