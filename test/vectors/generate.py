#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes records.json, hostile-lines.json and tree.json beside itself.

An implementation of doc/format.md, sections 2 to 5 and 7, that shares nothing
with the C: hashlib and json only, trees by the recursive definitions of RFC
6962, section 2.1.  It is deterministic; what it writes is checked in, and a
difference after running it again is a change of the format.
"""

import datetime
import hashlib
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
ZERO = "00" * 32
EPOCH = datetime.datetime(1970, 1, 1)


def sha256(data):
    return hashlib.sha256(data).digest()


def text(value):
    """JSON of one value as RFC 8785 has it, for what headers hold."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def digest(event, salt):
    raw = bytes.fromhex(salt) if salt else bytes(16)
    return sha256(b"\x02" + raw + event.encode()).hex()


def header(record):
    members = {
        "chain": record["chain"],
        "digest": record["digest"],
        "id": record["id"],
        "prev": record["prev"],
        "seq": record["seq"],
        "time": record["time"],
        "v": 1,
    }
    if members["id"] is None:
        del members["id"]
    assert list(members) == sorted(members)
    return text(members)


def line(record):
    """The line of a record; erased ones keep the length that they had."""
    front = record["header"][:-1] + ',"hash":"' + record["hash"] + '"'
    salt = ',"salt":"' + record["salt"] + '"' if record["salt"] else ""
    whole = front + salt + ',"event":' + (record["event"] or "0") + "}\n"
    if record["source"] is not None:
        return front + ',"event-at":' + text(record["source"]) + "}\n"
    if record["order"] is not None:
        order = {"chain": "tally:log", "seq": record["order"]}
        erased = front + ',"erased":' + text(order)
        return erased.ljust(len(whole) - 2) + "}\n"
    return whole


def micros(time):
    at = datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%fZ") - EPOCH
    return (at.days * 86400 + at.seconds) * 1000000 + at.microseconds


def make_record(what, chain="org/42", seq=1, event="{}", **more):
    record = {
        "what": what,
        "chain": chain,
        "id": more.get("id"),
        "seq": seq,
        "time": more.get("time", "2026-11-21T01:26:18.123456Z"),
        "prev": more.get("prev", ZERO),
        "salt": more.get("salt"),
        "event": event,
        "source": more.get("source"),
        "order": more.get("order"),
    }
    record["time_us"] = micros(record["time"])
    record["digest"] = digest(event, record["salt"])
    record["header"] = header(record)
    record["hash"] = sha256(b"\x00" + record["header"].encode()).hex()
    record["line"] = line(record)
    # What an erased record was, and what one without its event is, is gone.
    if record["source"] is not None or record["order"] is not None:
        record["event"] = None
        record["salt"] = None
    return record


def records():
    salt = "000102030405060708090a0b0c0d0e0f"
    out = [make_record("the first of a chain", event='{"actor":"alice"}')]
    out.append(
        make_record(
            "linked to the first, with an id",
            seq=2,
            prev=out[0]["hash"],
            id="req-0001",
            event='{"n":9007199254740993,"x":1.10,"e":1E+2}',
        )
    )
    out.append(
        make_record(
            "salted, escapes kept as given",
            seq=3,
            prev=out[1]["hash"],
            salt=salt,
            event='{"note":"caf\\u00e9 \\ud83d\\ude00 \\/","a\\u0062":[]}',
        )
    )
    out += [
        make_record("quotes and backslashes", chain='we"ird\\name', id='"\\"'),
        make_record("all of the name is escaped", chain='"' * 255,
            id="\\" * 128),
        make_record("not ASCII", chain="ünïcode/日本/😀", id="¡id!\u00a0"),
        make_record("the longest name", chain="c" * 255, id="i" * 128),
        make_record("the shortest names", chain="x", id="y"),
        make_record("line separator and byte order mark are no controls",
            chain="\u2028\ufeff\uffff"),
        make_record("slash, apostrophe and markup are not escaped",
            chain="a/b'c<d>&e", id="</script>"),
        make_record("the log's own chain", chain="tally:log",
            event='{"created":{"format":1,"id":"' + "0f" * 16
            + '","origin":"localhost/x"}}'),
        make_record("the largest seq", seq=2**53 - 1, prev="ab" * 32),
        make_record("the first instant", time="1970-01-01T00:00:00.000000Z"),
        make_record("the last instant", time="9999-12-31T23:59:59.999999Z"),
        make_record("a leap day", time="2024-02-29T12:00:00.000001Z"),
        make_record("a leap day of a century",
            time="2000-02-29T00:00:00.000000Z"),
        make_record("an event that is a string", event='"}\\n"'),
        make_record("an event that is a number", event="-0.0e-0"),
        make_record("an event that is null", event="null"),
        make_record("salted, the salt of one bit", salt="00" * 15 + "01"),
        make_record("an event that looks like a line's end",
            event='{"a":"x\\",\\"event\\":{}}"}'),
        make_record("without its event", source="pg/7123/5/audit_logs",
            event='{"a":1}'),
        make_record("without its event, a source with escapes",
            source='a"b\\c/ü', salt=salt),
        make_record("without its event, the longest source",
            source="s" * 255),
        make_record("erased", salt=salt, order=12,
            event='{"name":"to be forgotten"}'),
        make_record("erased, the shortest event", salt=salt, order=5,
            event="1"),
        make_record("erased, the shortest event and the largest order",
            salt=salt, order=10**13 - 1, event="1"),
        make_record("erased, no space left over", salt=salt, order=123456,
            event="1" * 6),
    ]
    return out


def hostile_lines():
    """Pairs of a reason and a line (bytes) that no reader accepts."""
    good = make_record("", id="r1", seq=7, event='{"a":"b"}',
        prev="ab" * 32)["line"].encode()
    salted = make_record("", salt="00" * 15 + "01")["line"].encode()
    erased = make_record("", salt="11" * 16, order=12,
        event='{"a":"bcdefgh"}')["line"].encode()
    moved = make_record("", source="pg/1")["line"].encode()
    out = []

    def bad(reason, base, old, new):
        old = old.encode() if isinstance(old, str) else old
        new = new.encode() if isinstance(new, str) else new
        changed = base.replace(old, new, 1)
        assert changed != base
        out.append((reason, changed))

    bad("no line feed", good, "\n", "")
    bad("carriage return", good, "\n", "\r\n")
    bad("two line feeds", good, "\n", "\n\n")
    bad("another bracket at the end", good, "}}\n", "}]\n")
    bad("a space behind the last brace", good, "}}\n", "}} \n")
    bad("space before", good, "{", " {")
    bad("byte order mark", good, "{", b"\xef\xbb\xbf{")
    bad("space after a colon", good, ":", ": ")
    bad("space after a comma", good, ",", ", ")
    bad("first member is not chain", good, "chain", "chian")
    bad("chain twice", good, '{"chain":"org/42"',
        '{"chain":"org/42","chain":"org/42"')
    bad("chain is empty", good, "org/42", "")
    bad("chain is too long", good, "org/42", "c" * 256)
    bad("chain is too long, escaped", good, "org/42", '\\"' * 256)
    bad("chain holds a NUL", good, "org/42", b"org\x00")
    bad("chain holds a control character", good, "org/42", b"org\x1f")
    bad("chain holds an escaped control character", good, "org/42",
        "org\\u001f")
    bad("chain holds a tab escape", good, "org/42", "org\\t")
    bad("chain holds U+007F", good, "org/42", b"org\x7f")
    bad("chain holds U+0080", good, "org/42", "org\u0080")
    bad("chain holds U+009F", good, "org/42", "org\u009f")
    bad("chain escapes a slash", good, "org/42", "org\\/42")
    bad("chain escapes a letter", good, "org/42", "\\u006frg/42")
    bad("chain ends in a backslash", good, "org/42", "org\\")
    bad("chain is not UTF-8", good, "org/42", b"org\xff")
    bad("chain holds an overlong form", good, "org/42", b"org\xc0\xaf")
    bad("chain holds a surrogate", good, "org/42", b"\xed\xa0\x80")
    bad("chain holds more than U+10FFFF", good, "org/42",
        b"\xf4\x90\x80\x80")
    bad("chain ends inside a character", good, "org/42", b"org\xe2\x82")
    bad("chain is a number", good, '"org/42"', "42")
    first = good.split(b'"digest":"')[1][:64].decode()
    bad("digest in upper case", good, first, first.upper())
    bad("digest too short", good, first, first[:63])
    bad("digest too long", good, first, first + "0")
    bad("digest holds no digit", good, first, "g" + first[1:])
    bad("digest is not closed", good, first + '"', first)
    bad("id is empty", good, '"id":"r1"', '"id":""')
    bad("id is null", good, '"id":"r1"', '"id":null')
    bad("id is too long", good, '"r1"', '"' + "i" * 129 + '"')
    bad("id holds a control character", good, '"r1"', b'"r\x01"')
    bad("id holds U+0085", good, '"r1"', '"r\u0085"')
    bad("id before digest", good, good.split(b",")[1] + b',"id":"r1"',
        b'"id":"r1",' + good.split(b",")[1])
    bad("prev in upper case", good, "ab" * 32, "AB" * 32)
    bad("prev of one upper-case digit", good, "ab" * 32,
        "ab" * 31 + "aB")
    bad("prev too short", good, "ab" * 32, "ab" * 31)
    bad("prev too long", good, "ab" * 32, "ab" * 33)
    bad("prev is missing", good, '"prev":"' + "ab" * 32 + '",', "")
    bad("seq is 0", good, '"seq":7', '"seq":0')
    bad("seq has a leading zero", good, '"seq":7', '"seq":07')
    bad("seq is negative", good, '"seq":7', '"seq":-7')
    bad("seq has a plus", good, '"seq":7', '"seq":+7')
    bad("seq has a fraction", good, '"seq":7', '"seq":7.0')
    bad("seq has an exponent", good, '"seq":7', '"seq":7e0')
    bad("seq is a string", good, '"seq":7', '"seq":"7"')
    bad("seq is missing", good, '"seq":7,', "")
    bad("seq is empty", good, '"seq":7', '"seq":')
    bad("seq is 2^53", good, '"seq":7', '"seq":9007199254740992')
    bad("seq is 2^64 + 7", good, '"seq":7', '"seq":18446744073709551623')
    bad("seq has 40 digits", good, '"seq":7', '"seq":' + "7" * 40)
    time = "2026-11-21T01:26:18.123456Z"
    for reason, other in [
        ("month 0", "2026-00-21T01:26:18.123456Z"),
        ("month 13", "2026-13-21T01:26:18.123456Z"),
        ("day 0", "2026-11-00T01:26:18.123456Z"),
        ("30 February", "2024-02-30T01:26:18.123456Z"),
        ("29 February of no leap year", "2026-02-29T01:26:18.123456Z"),
        ("29 February 2100", "2100-02-29T01:26:18.123456Z"),
        ("31 November", "2026-11-31T01:26:18.123456Z"),
        ("hour 24", "2026-11-21T24:00:00.000000Z"),
        ("minute 60", "2026-11-21T01:60:18.123456Z"),
        ("second 60", "2016-12-31T23:59:60.000000Z"),
        ("before 1970", "1969-12-31T23:59:59.999999Z"),
        ("three digits of fraction", "2026-11-21T01:26:18.123Z"),
        ("no fraction", "2026-11-21T01:26:18Z"),
        ("a comma for the point", "2026-11-21T01:26:18,123456Z"),
        ("an offset", "2026-11-21T01:26:18.123456+00:00"),
        ("a small t", "2026-11-21t01:26:18.123456Z"),
        ("a small z", "2026-11-21T01:26:18.123456z"),
        ("a space for the T", "2026-11-21 01:26:18.123456Z"),
        ("a sign in a field", "2026-11-21T01:26:+8.123456Z"),
        ("a space in a field", "2026-11-21T 1:26:18.123456Z"),
        ("five digits of the year", "12026-11-21T01:26:18.123456Z"),
    ]:
        bad("time: " + reason, good, time, other)
    bad("v is 2", good, '"v":1', '"v":2')
    bad("v is 10", good, '"v":1', '"v":10')
    bad("v is 1.0", good, '"v":1', '"v":1.0')
    bad("v is missing", good, ',"v":1', "")
    bad("a member after v", good, '"v":1', '"v":1,"w":1')
    stored = good.split(b'"hash":"')[1][:64].decode()
    bad("hash is missing", good, ',"hash":"' + stored + '"', "")
    bad("hash in upper case", good, stored, stored.upper())
    bad("hash too short", good, stored, stored[1:])
    bad("hash too long", good, stored, stored + "00")
    bad("event is missing", good, ',"event":{"a":"b"}', "")
    bad("event is empty", good, '"event":{"a":"b"}', '"event":')
    bad("event before hash", good, ',"hash"', ',"event":{},"hash"')
    bad("another member for the event", good, '"event"', '"evnt"')
    bad("space before the event member", good, ',"event"', ', "event"')
    bad("salt is all zero", salted, "00" * 15 + "01", "00" * 16)
    bad("salt in upper case", salted, "00" * 15 + "01", "00" * 15 + "0A")
    bad("salt too short", salted, "00" * 15 + "01", "00" * 14 + "01")
    bad("salt too long", salted, "00" * 15 + "01", "00" * 16 + "01")
    bad("salt is empty", salted, "00" * 15 + "01", "")
    bad("salt twice", salted, '"event"',
        '"salt":"' + "00" * 15 + '01","event"')
    bad("salt without event", salted, ',"event":{}', "")
    bad("event-at is empty", moved, "pg/1", "")
    bad("event-at is too long", moved, "pg/1", "s" * 256)
    bad("event-at holds a control character", moved, "pg/1", b"pg\n1")
    bad("event-at holds an escape that is not needed", moved, "pg/1",
        "pg\\/1")
    bad("event-at is not UTF-8", moved, "pg/1", b"pg\x80")
    bad("event-at is not closed", moved, 'pg/1"', "pg/1")
    bad("event-at and salt", moved, ',"event-at"',
        ',"salt":"' + "11" * 16 + '","event-at"')
    bad("event-at and event", moved, '"pg/1"', '"pg/1","event":{}')
    bad("event-at with spaces", moved, '"pg/1"}', '"pg/1" }')
    bad("erased by another chain", erased, "tally:log", "tally:heads")
    bad("erased by seq 0", erased, '"seq":12', '"seq":0')
    bad("erased by seq with leading zero", erased, '"seq":12', '"seq":012')
    bad("erased by seq 2^53", erased, '"seq":12',
        '"seq":9007199254740992')
    bad("erased by a string", erased, '"seq":12', '"seq":"12"')
    bad("erased, members in another order", erased,
        '{"chain":"tally:log","seq":12}', '{"seq":12,"chain":"tally:log"}')
    bad("erased, a member more", erased, '"seq":12', '"seq":12,"x":1')
    bad("erased, a tab for a space", erased, "12} ", "12}\t")
    bad("erased, a letter among the spaces", erased, "  }", " x}")
    bad("erased, a line feed among the spaces", erased, "  }", " \n}")
    bad("erased, spaces inside", erased, '"seq":12', '"seq": 12')
    bad("erased, spaces before the member", erased, ',"erased"',
        ' ,"erased"')
    bad("erased, spaces behind the last brace", erased, " }\n", "} \n")
    bad("erased, without the room of a salt",
        erased.replace(b" ", b""), '"seq":12}', '"seq":12}' + " " * 11)
    bad("erased, without spaces", erased, " " * erased.count(b" "), "")
    bad("erased and salt", erased, ',"erased"',
        ',"salt":"' + "11" * 16 + '","erased"')
    bad("erased and event", erased, "  }", ',"event":0}')
    out += [("nothing", b""), ("a line feed", b"\n"), ("braces", b"{}\n"),
        ("an array", b"[]\n"), ("zero bytes", bytes(400)),
        ("half a line", good[: len(good) // 2] + b"\n")]
    return out


def leaf(n):
    return sha256(b"\x00leaf " + str(n).encode())


def split(n):
    """The largest power of two below n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def root(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [root(leaves[k:])]
    return path(m - k, leaves[k:]) + [root(leaves[:k])]


def subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root(leaves[:k])]


def hexes(hashes):
    return [h.hex() for h in hashes]


def tree():
    leaves = [leaf(n) for n in range(300)]
    pairs = [(m, n) for n in range(1, 10) for m in range(n)]
    pairs += [(m, n) for n in (127, 128, 129, 256, 300)
        for m in (0, 1, 63, 64, 126, n - 1)]
    return {
        "provenance": "generate.py; leaf i is SHA-256(0x00 'leaf ' i)",
        "leaves": hexes(leaves[:9]),
        "roots": hexes(root(leaves[:n]) for n in range(131)),
        "inclusion": [
            {"index": m, "size": n, "proof": hexes(path(m, leaves[:n]))}
            for m, n in pairs
        ],
        "consistency": [
            {"old": m + 1, "size": n,
             "proof": hexes(subproof(m + 1, leaves[:n], True))}
            for m, n in pairs
        ],
        "root_256": root(leaves[:256]).hex(),
        "root_300": root(leaves).hex(),
    }


def write(name, value):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=True)
        file.write("\n")


def main():
    write("records.json", {
        "provenance": "generate.py; doc/format.md, sections 2 to 5",
        "records": records(),
    })
    write("hostile-lines.json", {
        "provenance": "generate.py; each line, in hexadecimal, is damage",
        "lines": [{"reason": reason, "hex": data.hex()}
            for reason, data in hostile_lines()],
    })
    write("tree.json", tree())


if __name__ == "__main__":
    main()
