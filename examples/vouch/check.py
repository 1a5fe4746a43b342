#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What vouch's own verifier says of a file: the first line that fails."""

import hashlib
import json
import sys


def main():
    prev = "0" * 64
    with open(sys.argv[1], encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError:
                return f"line {number}: malformed JSON"
            if "hash" not in record:
                return f"line {number}: legacy event is not hash-chained"
            stored = record.pop("hash")
            text = json.dumps(record, separators=(",", ":"), sort_keys=True)
            if record["prev_hash"] != prev:
                return f"line {number}: previous hash mismatch"
            if hashlib.sha256((prev + text).encode()).hexdigest() != stored:
                return f"line {number}: event hash mismatch"
            prev = stored
    return None


failure = main()
print(failure or "ok")
sys.exit(failure is not None)
