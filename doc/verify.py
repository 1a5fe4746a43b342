#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verifies a log without tally: python3 verify.py DIR.  Standard library only,
written from doc/format.md.  Prints every break, then the verdict and the root.
Exit status: 0 intact, 1 not."""
import glob, hashlib, json, os, re, sys

LINE = re.compile(rb'(\{"chain":.*?,"v":1),"hash":"([0-9a-f]{64})"'
                  rb'(?:,"event-at":"((?:[^"\\\\]|\\\\["\\\\])+)"|'
                  rb'(?:,"salt":"([0-9a-f]{32})")?,"event":(.+))\}\n')
sha256 = lambda *parts: hashlib.sha256(b"".join(parts))

def judge(line, heads, leaves):
    header, stored, source, salt, event = LINE.fullmatch(line).groups()
    has, leaf = json.loads(header + b"}"), sha256(b"\0", header, b"}")
    _ = json.loads(event.decode()) if event else source.decode()
    seq, prev = heads.get(has["chain"], (0, "0" * 64))
    heads[has["chain"]] = has["seq"], leaf.hexdigest()
    leaves.append(leaf.digest())
    # An event that is elsewhere cannot be judged here; the record can.
    digest = bytes.fromhex(has["digest"]).hex() if source else sha256(
        b"\2", bytes.fromhex((salt or b"0" * 32).decode()), event).hexdigest()
    must = {name: has[name] for name in ("chain", "id", "time") if name in has}
    must.update(digest=digest, prev=prev, seq=seq + 1, v=1)
    text = json.dumps(must, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if (text.encode(), leaf.hexdigest()) != (header + b"}", stored.decode()) or salt == b"0" * 32:
        raise ValueError(f'chain {has["chain"]}, seq {has["seq"]}')
    return bool(source)

def root(hashes):
    half = 1 << (len(hashes) - 1).bit_length() - 1 if len(hashes) > 1 else 0
    return sha256(b"\1", root(hashes[:half]), root(hashes[half:])).digest() if half else hashes[0]

def verify(directory):
    index, breaks, elsewhere, heads, leaves = 0, 0, 0, {}, []
    for path in sorted(glob.glob(os.path.join(directory, "log", "*.jsonl"))):
        if os.path.basename(path) != f"{index:020}.jsonl":
            breaks += print(f"{path} does not begin with index {index}") is None
        for index, line in enumerate(open(path, "rb"), index + 1):
            try:
                elsewhere += judge(line, heads, leaves)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                breaks += print(f"index {index - 1} does not hold: {error}") is None
    if breaks or not index:
        return print(f"not intact: {index} records, {breaks} breaks") or 1
    if elsewhere:
        print(f"{elsewhere} events are kept elsewhere, and were not judged")
    return print(f"intact: {index} records in {len(heads)} chains\nroot {index}:{root(leaves).hex()}") or 0

if __name__ == "__main__":
    sys.exit(verify(sys.argv[1]))
