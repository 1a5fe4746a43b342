#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verifies a log without tally: python3 verify.py DIR

Standard library only, written from doc/format.md.  Prints every break, then
the verdict; if the log is intact, also the root of its tree as SIZE:HEX.
Exit status: 0 intact, 1 not."""

import glob, hashlib, json, os, re, sys

LINE = re.compile(rb'(\{"chain":.*?,"v":1),"hash":"([0-9a-f]{64})"'
                  rb'(?:,"salt":"([0-9a-f]{32})")?,"event":(.+)\}\n')
NAMES = ["chain", "digest", "id", "prev", "seq", "time", "v"]

def sha256(*parts):
    return hashlib.sha256(b"".join(parts))

def judge(line, heads, leaves):
    match = LINE.fullmatch(line)
    if not match or match[3] == b"0" * 32:
        raise ValueError("is no record")
    header, has = match[1] + b"}", json.loads(match[1] + b"}")
    json.loads(match[4].decode())
    seq, prev = heads.get(has["chain"], (0, "0" * 64))
    salt = bytes.fromhex((match[3] or b"0" * 32).decode())
    must = {name: has[name] for name in NAMES if name != "id" or "id" in has}
    must.update(digest=sha256(b"\2", salt, match[4]).hexdigest(), prev=prev, seq=seq + 1)
    leaf = sha256(b"\0", header)
    heads[has["chain"]] = has["seq"], leaf.hexdigest()
    leaves.append(leaf.digest())
    wrong = [name for name in must if must[name] != has.get(name)]
    if leaf.hexdigest() != match[2].decode():
        wrong.append("hash")
    if json.dumps(must, ensure_ascii=False, separators=(",", ":")).encode() != header:
        wrong = wrong or ["form"]
    if wrong:
        raise ValueError(f'chain {has["chain"]}, seq {has["seq"]}: wrong {", ".join(wrong)}')

def root(leaves):
    if len(leaves) < 2:
        return b"".join(leaves)
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1", root(leaves[:half]), root(leaves[half:])).digest()

def verify(directory):
    index, breaks, heads, leaves = 0, 0, {}, []
    for path in sorted(glob.glob(os.path.join(directory, "log", "*.jsonl"))):
        if os.path.basename(path) != f"{index:020}.jsonl":
            breaks += 1
            print(f"{path} does not begin with index {index}")
        for line in open(path, "rb"):
            try:
                judge(line, heads, leaves)
            except (ValueError, KeyError, TypeError) as error:
                breaks += 1
                print(f"index {index}: {error}")
            index += 1
    if breaks or not index:
        print(f"not intact: {index} records, {breaks} breaks")
        return 1
    print(f"intact: {index} records in {len(heads)} chains")
    print(f"root {index}:{root(leaves).hex()}")
    return 0

if __name__ == "__main__":
    sys.exit(verify(sys.argv[1]))
