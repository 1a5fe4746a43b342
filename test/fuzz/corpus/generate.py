#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the first inputs of the fuzzers of the core: a few of each kind, from
the vectors and by hand.  Files that a fuzzer found have other names and are
left alone."""

import base64
import hashlib
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
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
POLICIES = [
    b"",
    b"quorum none\n",
    f"# a\nlog {VKEY} https://example.com/\nquorum none\n".encode(),
    f"log {VKEY}\nwitness a WITNESS u\ngroup g any a\nquorum g\n".encode(),
    b"group g all x y z\nquorum g\n",
    b"quorum none\nquorum none\n",
]
ROOT = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
TEXT = f"example.com/foo\n7\n{ROOT}\n"
PROOFS = [
    f"c2sp.org/tlog-proof@v1\nindex 0\n\n{TEXT}\n".encode(),
    f"c2sp.org/tlog-proof@v1\nextra eA==\nindex 5\n{ROOT}\n{ROOT}\n\n{TEXT}\n"
    "\u2014 example.com/foo AAAAAAA=\n".encode(),
    f"c2sp.org/tlog-proof@v1\nextra eA\nindex 5\n{ROOT}\n\n{TEXT}more\n\n".encode(),
    b"c2sp.org/tlog-proof@v2\n",
    b"c2sp.org/tlog-proof@v1\nindex 0\n" + f"{ROOT}\n".encode() * 65,
]
TILES = [
    b"tile/0/x001/x234/067",
    b"tile/entries/999.p/2",
    b"tile/63/x036/x028/x797/x018/x963/968.p/255",
    b"tile/64/000",
    b"tile/0/000.p/256",
    b"\x00\x03one\x00\x03two",
    b"\x00\x00\x00\x03on",
    b"\xff\xff" + bytes(65535),
]
NOTE = f"{TEXT}\n\u2014 example.com/foo " + base64.b64encode(bytes(68)).decode()
HASH = "5a" * 32
REQUESTS = [
    f"old 0\n\n{NOTE}\n".encode(),
    f"old 3\n{ROOT}\n{ROOT}\n\n{NOTE}\n".encode(),
    b"old 9223372036854775807\n" + f"{ROOT}\n".encode() * 63
    + f"\n{NOTE}\n".encode(),
    b"old 1\n" + f"{ROOT}\n".encode() * 64 + f"\n{NOTE}\n".encode(),
    b"old 01\n\n",
]
STATE = (
    b'{"failing_since_us":0,"failures":2,"message":"m","next_try_us":5,'
    b'"offered_size":9,"origin":"0123","sent_size":7,"sent_us":3,"version":1}'
)
QUEUES = [
    STATE,
    STATE + b"\0" + b"00000000000000000008-000001-000002\n"
    b"00000000000000000008-000002-000002\n"
    b"00000000000000000009-000001-000003",
    STATE.replace(b"7", b"-7"),
    STATE[:-30],
    b"\x0099999999999999999999-000001-000001\n9-1-1",
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


def dispatches():
    def line(note, heads, rest=',"part":1,"parts":2,"since":4'):
        signature = base64.b64encode(bytes(64)).decode()
        note = json.dumps(note, ensure_ascii=False)
        return (f'{{"dispatch":{{"checkpoint":{note},"heads":[{heads}]{rest}}},'
                f'"signature":"{signature}"}}\n').encode()

    head = f'{{"chain":"c","hash":"{HASH}","seq":3}}'
    yield (NOTE + "\n").encode()
    yield line(NOTE + "\n", "")
    yield line(NOTE + "\n", f"{head},{head}")
    yield line(NOTE + "\n", head, ',"part":3,"parts":2,"since":4')
    yield line(TEXT, head)
    yield line(NOTE + "\n", "[" * 3000)


def witness():
    """The vkey of a witness that nobody is."""
    key = b"\x04" + bytes(32)
    ident = hashlib.sha256(b"w\n" + key).hexdigest()[:8]
    return f"w+{ident}+{base64.b64encode(key).decode()}"


def main():
    write("event", EVENTS)
    write("text", TEXTS)
    write("tree", trees())
    notes = load("notes.json")
    kinds = (("good", "note"), ("wrong", "note"), ("malformed", "note"),
             ("bad_keys", "key"), ("bad_texts", "text"))
    texts = [item[name] for kind, name in kinds for item in notes[kind]]
    write("note", [text.encode() for text in notes["keys"] + texts])
    write("policy", [text.replace(b"WITNESS", witness().encode())
                     for text in POLICIES])
    write("proof", PROOFS)
    write("tile", TILES)
    lines = [r["line"].encode() for r in load("records.json")["records"]]
    hostile = load("hostile-lines.json")["lines"]
    lines += [bytes.fromhex(h["hex"]) for h in hostile[::9]]
    write("line", lines)
    write("dispatch", dispatches())
    write("witness", REQUESTS)
    write("queue", QUEUES)


if __name__ == "__main__":
    main()
