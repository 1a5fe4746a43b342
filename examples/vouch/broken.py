#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vouch's writer before it took a lock: reads the head, then appends.

    broken.py FILE COUNT [--kill]    --kill: ends within its last line
"""

import hashlib
import json
import os
import sys
import time
import uuid


def canon(record):
    return json.dumps(record, separators=(",", ":"), sort_keys=True)


def last_hash(path):
    prev = "0" * 64
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    prev = json.loads(line).get("hash", prev)
                except ValueError:
                    pass
    return prev


def main():
    path, count, kill = sys.argv[1], int(sys.argv[2]), "--kill" in sys.argv
    for number in range(count):
        record = {"id": uuid.uuid4().hex, "event": "claim.create",
                  "actor": f"agent-{os.getpid()}", "data": {"n": number},
                  "prev_hash": last_hash(path)}
        time.sleep(0.0005)  # whatever else a request does
        record["hash"] = hashlib.sha256(
            (record["prev_hash"] + canon(record)).encode()).hexdigest()
        line = canon(record) + "\n"
        with open(path, "a", encoding="utf-8") as file:
            if kill and number == count - 1:
                file.write(line[:40])
                file.flush()
                os.kill(os.getpid(), 9)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


main()
