#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the first inputs of the fuzzers of the core: a few of each kind, from
the vectors and by hand.  Files that a fuzzer found have other names and are
left alone."""

import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "..", "vectors")

EVENTS = [
    b"",
    b"{}",
    b'{"a":"x","b":[1,-0.5e+3,true,false,null]}',
    b' { "a" : "x y" , "b" : [ 1 , 2 ] } \n',
    b'{"a":1,"\\u0061":2}',
    b'{"\\ud83d\\ude00":"\xf0\x9f\x98\x80","a":"caf\xc3\xa9 \\n"}',
    b'["\\ud800"]',
    b'["\xed\xa0\x80"]',
    b"[" * 70,
    b'{"":' * 64 + b"1" + b"}" * 64,
    b"{" + b",".join(b'"%02d":%d' % (i * 7 % 50, i) for i in range(50)) + b"}",
    b"{" + b",".join(b'"%02d":%d' % (i % 49, i) for i in range(50)) + b"}",
    b"\xef\xbb\xbf{}",
    b'"' + b"x" * 100 + b"\x01",
]
TEXTS = [
    b"\x00Zm9vYmE=",
    b"\x00Zh==",
    b"\x0100112233445566778899aabbccddeeff",
    b"\x01AABB",
    b"\x022024-02-29T23:59:59.999999Z",
    b"\x021996-12-19T16:39:57.25-08:00",
    b'\x03we"ird\\n\xc3\xbc',
    b'\x03org\\"/42","digest"',
    b"\x0418446744073709551615",
    b"\x0400",
]
NUMBERS = [0, 1, 2, 5, 2**32, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]


def load(name):
    with open(os.path.join(VECTORS, name), encoding="utf-8") as file:
        return json.load(file)


def write(kind, inputs):
    folder = os.path.join(HERE, kind)
    os.makedirs(folder, exist_ok=True)
    for number, data in enumerate(inputs):
        with open(os.path.join(folder, f"seed-{number:02}"), "wb") as file:
            file.write(data)


def trees():
    for index, size in zip(NUMBERS, NUMBERS[1:] + [0]):
        yield struct.pack("<QQ", index, size) + bytes(64 * 32)
    proofs = load("tree.json")
    for proof in proofs["inclusion"][40:44]:
        data = bytes.fromhex("".join(proof["proof"]))
        yield struct.pack("<QQ", proof["index"], proof["size"]) + data
    yield struct.pack("<QQ", 1, 1) + b"\x5a" * 32
    yield b"short"


def main():
    write("event", EVENTS)
    write("text", TEXTS)
    write("tree", trees())
    lines = [r["line"].encode() for r in load("records.json")["records"]]
    hostile = load("hostile-lines.json")["lines"]
    lines += [bytes.fromhex(h["hex"]) for h in hostile[::9]]
    write("line", lines)


if __name__ == "__main__":
    main()
