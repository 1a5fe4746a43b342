#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes render.json beside itself: rows, and what is sealed of them.

doc/format.md, sections 2 and 6, once more, sharing nothing with the C: json
and hashlib only.  What a type's output function gives is computed where Python
has the means (numbers, dates, bytes, addresses), else written down from
PostgreSQL's documentation, chapter 8 and section 9.9.  No server is asked.
It is deterministic, and what it writes is checked in.

    values   one column each, beside a key: type, input, text, event, digest
    rows     whole tables: columns and attachment, event, digest, key, chain
"""

import datetime
import decimal
import hashlib
import ipaddress
import json
import math
import os
import struct
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
KEY_MAX = 512
CHAIN_MAX = 255


def quote(text):
    """A string as RFC 8785 has it: Python's own escapes are the same."""
    return json.dumps(text, ensure_ascii=False)


def members(pairs):
    """An object in the order of UTF-16 code units."""
    ordered = sorted(pairs, key=lambda pair: pair[0].encode("utf-16-be"))
    return "{" + ",".join(quote(k) + ":" + v for k, v in ordered) + "}"


def event_of(row, label):
    texts = [(name, quote(text)) for name, text in row if text is not None]
    return members([("row", members(texts)), ("table", quote(label))])


def digest_of(event):
    return hashlib.sha256(b"\x02" + bytes(16) + event.encode()).hexdigest()


def key_of(texts):
    if len(texts) == 1:
        key = texts[0]
    else:
        key = "[" + ",".join(quote(text) for text in texts) + "]"
    if len(key.encode()) <= KEY_MAX:
        return key
    return "#" + hashlib.sha256(key.encode()).hexdigest()


def is_control(character):
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0


def chain_of(prefix, value):
    if value is None:
        return prefix
    name = f"{prefix}/{value}"
    legal = value != "" and not any(is_control(c) for c in value)
    if legal and len(name.encode()) <= CHAIN_MAX:
        return name
    return f"{prefix}#{hashlib.sha256(value.encode()).hexdigest()}"


# ---- texts of types ---------------------------------------------------------


def shortest(value, single=False):
    """The shortest digits that give the number back, laid out as %.15g does
    (%.6g for single)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    if single:
        digits = next(
            f"{value:.{n}e}"
            for n in range(20)
            if struct.pack("f", float(f"{value:.{n}e}")) == struct.pack("f", value)
        )
    else:
        digits = next(
            f"{value:.{n}e}" for n in range(20) if float(f"{value:.{n}e}") == value
        )
    mantissa, exponent = digits.split("e")
    exponent = int(exponent)
    if -4 <= exponent < (6 if single else 15):
        return format(decimal.Decimal(digits), "f")
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def date(year, month, day):
    if year > 0:
        return f"{year:04d}-{month:02d}-{day:02d}"
    return f"{1 - year:04d}-{month:02d}-{day:02d} BC"


def instant(moment):
    """A datetime in UTC as ISO with the fraction cut short."""
    text = moment.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")
    if moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    return text


UTC = datetime.timezone.utc
KATHMANDU = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
MOMENTS = [
    datetime.datetime(2026, 11, 21, 1, 26, 18, 123456, UTC),
    datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
    datetime.datetime(1970, 1, 1, 0, 0, 0, 0, UTC),
    datetime.datetime(1999, 12, 31, 23, 59, 59, 900000, UTC),
    datetime.datetime(2000, 1, 1, 0, 0, 0, 1, UTC),
    datetime.datetime(2000, 2, 29, 12, 0, 0, 100, UTC),
    datetime.datetime(1, 1, 1, 0, 0, 0, 0, UTC),
    datetime.datetime(1582, 10, 15, 0, 0, 0, 0, UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    datetime.datetime(2024, 3, 31, 2, 30, 0, 0, KATHMANDU),
]
ODD_TEXTS = [
    "",
    "plain",
    'quote " backslash \\ slash /',
    "'single' $1 $$ %s {} ,",
    "".join(chr(c) for c in range(1, 0x20)),
    "\x7f\x80\x9f\xa0",
    "é ß ﬁ 汉字 😀 \U0010ffff",
    "\u2028\u2029\ufeff\ufffe\uffff",
    "e\u0301 is not é",
    "NULL",
    " spaces ",
    "x" * 700,
    "\n" * 300,
    ("汉字😀" * 40) + '"',
]


def base_values():
    """(type, input, text) of each accepted built-in type."""
    yield from (("boolean", b, b[0]) for b in ("true", "false"))
    yield '"char"', "a", "a"
    yield '"char"', "", ""
    yield '"char"', '"', '"'
    yield '"char"', "\\377", "\\377"
    yield "name", 'a "name"', 'a "name"'
    for text in ODD_TEXTS:
        yield "text", text, text
        yield "character varying", text, text
    yield "character varying(3)", "abc", "abc"
    yield "character(5)", "ab", "ab   "
    yield "character(5)", "é", "é    "
    yield '"char"[]', '{a,""}', '{a,""}'
    yield "refcursor", 'c "1"', 'c "1"'
    for name, bits in (("smallint", 16), ("integer", 32), ("bigint", 64)):
        for n in (0, 1, -1, 10, -10, 12345, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))):
            yield name, str(n), str(n)
    yield "bigint", str(2**53 + 1), str(2**53 + 1)
    for name, top in (("oid", 32), ("xid", 32), ("cid", 32), ("xid8", 64)):
        yield name, "0", "0"
        yield name, str(2**top - 1), str(2**top - 1)
    yield "tid", "(0,1)", "(0,1)"
    yield "tid", "(4294967295,65535)", "(4294967295,65535)"
    yield "int2vector", "1 -2 3", "1 -2 3"
    yield "oidvector", "1 4294967295", "1 4294967295"

    doubles = [0.0, -0.0, 1.0, 0.1, -2.5, 1e15, 1e14, 123456789012345678.0, 1e-4]
    doubles += [1e-5, 1e300, 5e-324, 2.2250738585072014e-308, 1 / 3, math.pi]
    doubles += [1.7976931348623157e308, math.inf, -math.inf, math.nan, 0.1 + 0.2]
    for value in doubles:
        yield "double precision", repr(value), shortest(value)
    singles = [0.0, -0.0, 0.1, 1 / 3, 16777216.0, 1e6, 1e5, 1e-4, 1e-5, 3.4028235e38]
    for value in singles + [1e-45, math.inf, math.nan]:
        rounded = struct.unpack("f", struct.pack("f", value))[0]
        yield "real", repr(rounded), shortest(rounded, single=True)
    numbers = ["0", "12.50", "-0.000001", "1E-20", "123456789012345678901234567890"]
    for text in numbers:
        yield "numeric", text, format(decimal.Decimal(text), "f")
    yield "numeric", "1e100", "1" + 100 * "0"
    yield "numeric", "-0.00", "0.00"
    yield "numeric(10,2)", "12.5", "12.50"
    yield from (("numeric", n, n) for n in ("NaN", "Infinity", "-Infinity"))
    yield "money", "0", "$0.00"
    yield "money", "1234.5", "$1,234.50"
    yield "money", "-0.01", "-$0.01"
    yield "money", "92233720368547758.07", "$92,233,720,368,547,758.07"
    yield "money", "-92233720368547758.08", "-$92,233,720,368,547,758.08"

    for ymd in ((2026, 11, 21), (1, 1, 1), (0, 12, 31), (-43, 3, 15), (2000, 2, 29)):
        yield "date", date(*ymd), date(*ymd)
    yield "date", "4714-11-24 BC", "4714-11-24 BC"
    yield "date", "5874897-12-31", "5874897-12-31"
    for text in ("infinity", "-infinity"):
        yield "date", text, text
        yield "timestamp", text, text
        yield "timestamp with time zone", text, text
    for moment in MOMENTS:
        local = moment.replace(tzinfo=None)
        yield "timestamp", local.isoformat(), instant(local)
        in_utc = moment.astimezone(UTC)
        yield "timestamp with time zone", moment.isoformat(), instant(in_utc) + "+00"
    yield "timestamp", "4714-11-24 00:00:00 BC", "4714-11-24 00:00:00 BC"
    yield "timestamp", "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999"
    for text in ("4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00"):
        yield "timestamp with time zone", text, text
    yield "timestamp(0)", "2026-11-21 01:26:18.4", "2026-11-21 01:26:18"
    for text in ("00:00:00", "23:59:59.999999", "24:00:00", "04:05:06.78"):
        yield "time", text, text
    for text in ("04:05:06+05:45", "04:05:06.5-03:30", "00:00:00+00", "24:00:00-15:59"):
        yield "time with time zone", text, text
    yield "time with time zone", "01:02:03+01:02:03", "01:02:03+01:02:03"
    for given, text in (
        ("PT0S", "PT0S"),
        ("P1Y2M3DT4H5M6.789S", "P1Y2M3DT4H5M6.789S"),
        ("P-1Y-2M3DT-4H-5M-6S", "P-1Y-2M3DT-4H-5M-6S"),
        ("P14M", "P1Y2M"),
        ("P-14M40DT-1S", "P-1Y-2M40DT-1S"),
        ("PT0.000001S", "PT0.000001S"),
        ("PT-0.1S", "PT-0.1S"),
        ("PT100H", "PT100H"),
        ("P178000000Y", "P178000000Y"),
    ):
        yield "interval", given, text

    for raw in (b"", b"\x00\xff", bytes(range(256))):
        yield "bytea", "\\x" + raw.hex(), "\\x" + raw.hex()
    yield "bit(3)", "101", "101"
    yield "bit varying", "", ""
    yield "bit varying(5)", "0101", "0101"
    for text in ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "f" * 32, "0" * 32):
        yield "uuid", text, str(uuid.UUID(text))
    for text in ("10.1.2.3", "::1", "2001:db8::a00:1", "::ffff:10.1.2.3"):
        yield "inet", text, text
        assert str(ipaddress.ip_address(text)) or text
    yield "inet", "10.1.2.3/8", "10.1.2.3/8"
    yield "inet", "10.1.2.3/32", "10.1.2.3"
    yield "inet", "2001:db8::/32", "2001:db8::/32"
    for text in ("10.0.0.0/8", "10.1.2.3/32", "2001:db8::/32", "::/0"):
        yield "cidr", text, str(ipaddress.ip_network(text))
    yield "cidr", "10.1.2.3", "10.1.2.3/32"
    yield "macaddr", "0800.2B01.0203", "08:00:2b:01:02:03"
    yield "macaddr8", "08002b:0102030405", "08:00:2b:01:02:03:04:05"

    yield "json", '{ "b":1.0,\n"b" : "\\u00e9" }', '{ "b":1.0,\n"b" : "\\u00e9" }'
    yield "jsonb", '{"b":1,"aa":2}', '{"b": 1, "aa": 2}'
    yield "jsonb", '"\\u00e9\\n\\u0001\\""', '"é\\n\\u0001\\""'
    yield "jsonb", "[1.50, 1e2, null, true, {}]", "[1.50, 100, null, true, {}]"
    yield "jsonpath", "$.a[*] ? (@ > 1.5)", '$."a"[*]?(@ > 1.5)'
    yield "xml", '<a b="é">&lt;</a>', '<a b="é">&lt;</a>'
    yield "xml", "text only", "text only"
    yield "xml", '<?xml version="1.0" encoding="UTF-8"?><a/>', "<a/>"
    yield "tsvector", "fat:2,4C cat:3A 'it''s'", "'cat':3A 'fat':2,4C 'it''s'"
    yield "tsquery", "fat & (rat:AB | !cat:*)", "'fat' & ( 'rat':AB | !'cat':* )"
    yield "pg_lsn", "16/b374d848", "16/B374D848"
    for name in ("pg_snapshot", "txid_snapshot"):
        yield name, "10:20:10,14,15", "10:20:10,14,15"

    third, text = repr(1 / 3), shortest(1 / 3)
    yield "point", f"({third},-2)", f"({text},-2)"
    yield "lseg", f"[(0,0),({third},1)]", f"[(0,0),({text},1)]"
    yield "path", f"((0,0),({third},1))", f"((0,0),({text},1))"
    yield "path", f"[(0,0),({third},1)]", f"[(0,0),({text},1)]"
    yield "box", f"(0,0),({third},1)", f"({text},1),(0,0)"
    yield "polygon", f"((0,0),({third},1),(2,2))", f"((0,0),({text},1),(2,2))"
    yield "line", f"{{{third},2,3}}", f"{{{text},2,3}}"
    yield "circle", f"<(1,2),{third}>", f"<(1,2),{text}>"


RANGES = [
    ("int4", "[1,5]", "[1,6)"),
    ("int8", "(1,5]", "[2,6)"),
    ("num", "(1.50,5]", "(1.50,5]"),
    ("date", "[2024-01-01,2024-02-29]", "[2024-01-01,2024-03-01)"),
    (
        "ts",
        "[2024-01-01 00:00,)",
        '["2024-01-01 00:00:00",)',
    ),
    (
        "tstz",
        "[2024-01-01 00:00+05:45,infinity]",
        '["2023-12-31 18:15:00+00",infinity]',
    ),
]


def container_values():
    """Types with types in them; the last ones are made by the test."""
    for name, given, text in RANGES:
        yield f"{name}range", given, text
        yield f"{name}range", "empty", "empty"
        yield f"{name}range", "(,)", "(,)"
        yield f"{name}multirange", "{" + given + "}", "{" + text + "}"
        yield f"{name}multirange", "{}", "{}"
    yield "int4multirange", "{[7,8],[1,2],[2,4]}", "{[1,5),[7,9)}"

    yield "integer[]", "{1,NULL,-3}", "{1,NULL,-3}"
    yield "integer[]", "{}", "{}"
    yield "integer[]", "[0:1][2:3]={{1,2},{3,4}}", "[0:1][2:3]={{1,2},{3,4}}"
    yield "boolean[]", "{true,false}", "{t,f}"
    odd = '{"a,b","c\\"d","e\\\\f","",NULL,"NULL"," g ",h}'
    yield "text[]", odd, odd
    yield "timestamp with time zone[]", "{2024-01-01 00:00+05:45}", (
        '{"2023-12-31 18:15:00+00"}'
    )
    yield "date[]", "{2024-02-29,infinity}", "{2024-02-29,infinity}"
    yield "interval[]", "{P1DT2H}", "{P1DT2H}"
    yield "double precision[]", "{0.1,-0}", "{0.1,-0}"
    yield "bytea[]", '{"\\\\x00ff"}', '{"\\\\x00ff"}'
    yield "money[]", '{1234.5}', '{"$1,234.50"}'
    yield "daterange[]", '{"[2024-01-01,2024-01-02)"}', '{"[2024-01-01,2024-01-02)"}'

    yield "v_mood", "sad", "sad"
    yield "v_mood", 'very "ok"', 'very "ok"'
    yield "v_mood[]", '{sad,"very \\"ok\\""}', '{sad,"very \\"ok\\""}'
    yield "v_zip", "42", "42"
    yield "v_when", "2024-01-01 00:00+05:45", "2023-12-31 18:15:00+00"
    yield "v_name", 'x "y"', 'x "y"'
    yield "v_place", '("a ""b""",42,sad,)', '("a ""b""",42,sad,)'
    yield "v_place", "(,,,)", "(,,,)"
    yield "v_place", "(a,1,,2024-01-01 00:00+05:45)", '(a,1,,"2023-12-31 18:15:00+00")'
    yield "v_trip", '("(a,1,sad,)","{0.1}","{""(b,2,,)"",NULL}")', (
        '("(a,1,sad,)",{0.1},"{""(b,2,,)"",NULL}")'
    )
    yield "v_trips", '{"(,{},)",NULL}', '{"(,{},)",NULL}'
    yield "v_span", "[0.10,1/3)".replace("1/3", "0.3333"), "[0.1,0.3333)"
    yield "v_spans", "{[0,1]}", "{[0,1]}"
    yield "v_paid", '(1234.5,"{-1}")', '("$1,234.50",{-$1.00})'


def values():
    found = []
    for name, given, text in [*base_values(), *container_values()]:
        columns = [("id", str(len(found) + 1)), ("v", text)]
        event = event_of(columns, f"value {name}")
        found.append(
            {
                "type": name,
                "input": given,
                "text": text,
                "event": event,
                "digest": digest_of(event),
            }
        )
    return found


# ---- rows ---------------------------------------------------------------


def row(what, columns, key=("id",), prefix="row", chain_by=None, exclude=()):
    """columns: (name, type, input, text or none if as the input)."""
    full = [(c[0], c[1], c[2], c[3] if len(c) > 3 else c[2]) for c in columns]
    texts = {name: text for name, _, _, text in full}
    label = f"row {what}"
    event = event_of([(n, t) for n, _, _, t in full if n not in exclude], label)
    return {
        "what": what,
        "label": label,
        "prefix": prefix,
        "chain_by": chain_by,
        "key": list(key),
        "exclude": list(exclude),
        "columns": [{"name": n, "type": t, "input": i} for n, t, i, _ in full],
        "event": event,
        "digest": digest_of(event),
        "key_text": key_of([texts[name] for name in key]),
        "chain": chain_of(prefix, texts[chain_by] if chain_by else None),
    }


def format_row():
    """The row that the format's authors give: event and digest are theirs."""
    made = row(
        "of the format",
        [
            ("id", "bigint", "1"),
            ("at", "timestamptz", "2026-11-21T01:26:18.123456Z",
             "2026-11-21 01:26:18.123456+00"),
            ("actor", "text", "alice"),
            ("amount", "numeric(10,2)", "12.5", "12.50"),
            ("ip", "inet", None),
            ("details", "jsonb", '{"b":1,"aa":2}', '{"b": 1, "aa": 2}'),
        ],
    )  # fmt: skip
    made["label"] = "audit_logs"
    made["event"] = (
        '{"row":{"actor":"alice","amount":"12.50",'
        '"at":"2026-11-21 01:26:18.123456+00",'
        '"details":"{\\"b\\": 1, \\"aa\\": 2}","id":"1"},"table":"audit_logs"}'
    )
    made["digest"] = "10c4219b39216a510002bec00a1f9a25ded5f3edc163df573a3def1cd2edf4cb"
    assert digest_of(made["event"]) == made["digest"]
    return made


NAMES = [
    "a", "A", "b", "aa", "a b", 'quote"', "back\\slash", "tab\t", "line\n", "_",
    "~", "é", "\x7f", "ß", "\u20ac", "\ud7ff", "\ue000", "\ufb33", "\ufffd",
    "\U00010000", "\U0001f600", "\U0010ffff", "x\ue000", "x\U00010000", "x",
    "select", "Column", "1", "10", "9", "\u0080", "\u00f6",
]  # fmt: skip


def rows():
    yield format_row()
    yield row(
        "names in the order of UTF-16",
        [("id", "integer", "1")] + [(name, "text", name) for name in NAMES],
    )
    yield row("nothing but a key", [("id", "integer", "7"), ("v", "text", None)])
    yield row(
        "all but the key excluded",
        [("id", "integer", "7"), ("v", "text", "secret"), ("w", "regclass", "0", "-")],
        exclude=("v", "w"),
    )
    yield row(
        "two columns in the key",
        [("n", "integer", "5"), ("t", "text", 'a "b" \\ é 😀\n')],
        key=("t", "n"),
    )
    yield row(
        "a key that looks like several",
        [("id", "text", '["a","b"]'), ("n", "integer", None)],
    )
    yield row("a key of time", [("id", "timestamptz", "2024-01-01T00:00:00+05:45",
                                 "2023-12-31 18:15:00+00")])  # fmt: skip
    yield row("an empty key", [("id", "text", "")])
    for length in (511, 512, 513, 1500):
        yield row(f"a key of {length} bytes", [("id", "text", "k" * length)])
        yield row(
            f"two columns of together {length} bytes",
            [("a", "text", '"' * 100), ("b", "text", "x" * (length - 2 * 100 - 7))],
            key=("a", "b"),
        )
    yield row("a key of 512 bytes of UTF-8", [("id", "text", "é" * 256)])
    yield row("a key of 514 bytes of UTF-8", [("id", "text", "é" * 257)])

    chains = [None, "42", "", "a/b", "a#b", "tally:log", "é 😀", 'quote " \\', "\n"]
    chains += ["a\x7f", "a\x80b", "a\x9f", "a\xa0", " ", "x" * 251, "x" * 252]
    chains += ["é" * 125 + "x", "é" * 126, "x" * 600]
    for number, value in enumerate(chains):
        yield row(
            f"chain {number}",
            [("id", "integer", str(number)), ("org", "text", value)],
            chain_by="org",
        )
    yield row(
        "a chain of a number",
        [("id", "integer", "1"), ("org", "bigint", "-5")],
        prefix="org",
        chain_by="org",
    )
    yield row(
        "the longest prefix",
        [("id", "integer", "1"), ("org", "text", "x" * 64)],
        prefix="p" * 190,
        chain_by="org",
    )
    yield row(
        "a chain of the excluding sort",
        [("id", "integer", "1"), ("at", "date", "2024-02-29")],
        prefix='odd " \\ prefix',
        chain_by="at",
    )


def main():
    vectors = {
        "provenance": "pg/test/vectors/generate.py; doc/format.md, sections 2 and 6",
        "values": values(),
        "rows": list(rows()),
    }
    path = os.path.join(HERE, "render.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(vectors, file, ensure_ascii=True, indent=1)
        file.write("\n")
    print(len(vectors["values"]), "values,", len(vectors["rows"]), "rows")


if __name__ == "__main__":
    main()
