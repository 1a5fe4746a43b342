# SPDX-License-Identifier: Apache-2.0
"""What doc/format.md says, in Python, for recompute.py.

Bytes into bytes: nothing here talks to a server or reads a file.
"""

import hashlib
import json
import re

NO_HASH = bytes(32)
NO_SALT = bytes(16)
LOG = "tally:log"
NAME_MAX = 255
ID_MAX = 128
KEY_MAX = 512
SEQ_MAX = 2**53 - 1
EVENT_MAX = 16 << 20
DEPTH_MAX = 64
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
# A JSON string whole, so that white space inside of it is passed over.
WHITE = re.compile(r'"(?:[^"\\]|\\.)*"|([ \t\r\n])')


class Malformed(Exception):
    """An event or a configuration that is none."""


def jcs_string(text):
    """A string as RFC 8785 writes it."""
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
    out = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            out.append("\\" + char)
        elif code >= 32:
            out.append(char)
        else:
            out.append(short.get(code) or f"\\u{code:04x}")
    return '"' + "".join(out) + '"'


def jcs(value):
    """RFC 8785 text of strings, integers, booleans, arrays and objects."""
    if isinstance(value, str):
        return jcs_string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(jcs(item) for item in value) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        members = [jcs_string(name) + ":" + jcs(value[name]) for name in names]
        return "{" + ",".join(members) + "}"
    raise Malformed(f"{value!r} does not occur here")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def utf8(text):
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("an unpaired surrogate") from None


def is_name(text, most):
    return 1 <= len(utf8(text)) <= most and not CONTROLS.search(text)


def commitment(event, salt):
    return sha256(b"\x02", salt or NO_SALT, utf8(event))


def header(record):
    """The header that the record must have had, in its canonical form."""
    members = {
        "chain": record.chain,
        "digest": record.digest.hex(),
        "prev": record.prev.hex(),
        "seq": record.seq,
        "time": record.time,
        "v": 1,
    }
    if record.id is not None:
        members["id"] = record.id
    return utf8(jcs(members))


def once(pairs):
    """An object whose members have different names."""
    names = dict(pairs)
    if len(names) != len(pairs):
        raise Malformed("a member name stands twice")
    return names


def refuse(word):
    raise Malformed(f"{word} is no JSON")


def parse(text):
    """The value of an event; Malformed unless it is one, and compact."""
    if len(utf8(text)) > EVENT_MAX:
        raise Malformed("it is too long")
    if any(match.group(1) for match in WHITE.finditer(text)):
        raise Malformed("it is not compact")
    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
    check_values(value)
    return value


def check_values(value):
    """No unpaired surrogates, no more than 64 open arrays and objects."""
    level = [value]
    depth = 0
    while level:
        below = []
        for item in level:
            if isinstance(item, str):
                utf8(item)
            elif isinstance(item, dict):
                for name in item:
                    utf8(name)
                below += list(item.values())
            elif isinstance(item, list):
                below += item
        if any(isinstance(item, (dict, list)) for item in level):
            depth += 1
        level = below
    if depth > DEPTH_MAX:
        raise Malformed("it is nested too deep")


def row_event(label, row, operation=None):
    """The event of a row: names and texts, without those that are NULL."""
    event = {"row": row, "table": label}
    if operation:
        event["op"] = operation
    return jcs(event)


def key_text(texts):
    text = texts[0] if len(texts) == 1 else jcs(texts)
    if len(utf8(text)) > KEY_MAX:
        return "#" + sha256(utf8(text)).hex()
    return text


def chain_name(prefix, value):
    if value is None:
        return prefix
    name = f"{prefix}/{value}"
    if is_name(value, NAME_MAX) and len(utf8(name)) <= NAME_MAX:
        return name
    return f"{prefix}#{sha256(utf8(value)).hex()}"


class Moment:
    """When an epoch begins or ends: what was written before it, what behind."""

    TYPES = {"running": list, "unclear": str, "xid": str}
    OPTIONAL = {"running", "unclear"}

    def __init__(self, members):
        texts = members.get("running", [])
        if not all(isinstance(text, str) for text in texts):
            raise Malformed("what was running is no list of numbers")
        self.running = [decimal(text) for text in texts]
        self.xid = decimal(members["xid"])
        if self.running != sorted(set(self.running)):
            raise Malformed("what was running is not in order")
        if "unclear" in members:
            decimal(members["unclear"])

    def is_before(self, xid):
        return self.xid <= xid or xid in self.running


class Origin:
    """What an event "origin" says: from which place to which, and the heads."""

    TYPES = {"by": str, "chains": int, "from": dict, "heads": list,
             "note": str, "to": dict}
    PLACE = {"cluster": str, "database": str, "oid": int, "record": int,
             "timeline": int}
    HEAD = {"chain": str, "hash": str, "seq": int}

    def __init__(self, members):
        check_members(members, self.TYPES, {"heads"})
        self.places = []
        for name in ("from", "to"):
            place = members[name]
            check_members(place, self.PLACE, ())
            self.places.append((decimal(place["cluster"]), place["oid"],
                                place["record"], place["timeline"],
                                place["database"]))
        self.heads = members.get("heads")
        for head in self.heads or []:
            if not isinstance(head, dict):
                raise Malformed("a head is no object")
            check_members(head, self.HEAD, ())
        if self.heads is None:
            return
        names = [utf8(head["chain"]) for head in self.heads]
        if names != sorted(set(names)) or len(names) != members["chains"]:
            raise Malformed("its heads are not one of each chain, in order")

    def is_move(self):
        """Into another place; timelines and names are no part of it."""
        return self.places[0][:3] != self.places[1][:3]


class Tracking:
    """What a track event says, and what its statements' events are."""

    TYPES = {
        "actor": bool, "chain_by": str, "cluster": str, "columns": list,
        "database": str, "label": str, "only_when": str, "prefix": str,
        "relation": int, "salted": bool, "table": str, "xid": str,
    }
    SIDES = {"insert": [{"new"}], "delete": [{"old"}],
             "update": [{"new", "old"}, {"new"}, {"old"}]}

    def __init__(self, number, members):
        check_members(members, self.TYPES, {"chain_by", "only_when"})
        self.number = number
        self.place = None
        self.ended = False
        for name in self.TYPES:
            setattr(self, name, members.get(name))
        self.names = {column["name"] for column in self.columns}
        decimal(self.xid)
        decimal(self.cluster)

    def chain_of(self, row):
        return chain_name(self.prefix, row.get(self.chain_by))

    def judge(self, record, text, value):
        """The event of a statement, and where its record stands."""
        check_members(value, {"actor": dict, "op": str, "part": int,
                              "parts": int, "rows": list, "table": str},
                      {"actor", "part", "parts", "rows"})
        if record.key is not None:
            raise Malformed("has a key, and is of a statement")
        if text != jcs(value) or value["table"] != self.label or \
                ("actor" in value) != self.actor:
            raise Malformed("is not in the form of its epoch")
        if ("part" in value) != ("parts" in value) or \
                not 1 <= value.get("part", 1) <= value.get("parts", 1):
            raise Malformed("is no part of a statement")
        if value["op"] == "truncate":
            if "rows" in value or record.chain != self.prefix:
                raise Malformed("is no truncation")
            return
        for entry in value["rows"]:
            self.judge_row(record, value["op"], entry)

    def judge_row(self, record, operation, entry):
        if set(entry) not in self.SIDES[operation]:
            raise Malformed("has not the sides of its operation")
        for row in entry.values():
            if set(row) - self.names:
                raise Malformed("has other columns than its epoch")
            if self.chain_of(row) != record.chain:
                raise Malformed("is of another chain")


class Epoch:
    """What an attach event says."""

    # Optional members have a default; the others must be there.
    TYPES = {
        "append_only": bool, "chain_by": str, "cluster": str, "columns": list,
        "database": str, "keep_event": bool, "key": list, "label": str,
        "only_when": str, "prefix": str, "relation": int, "salted": bool,
        "table": str, **Moment.TYPES,
    }
    OPTIONAL = {"chain_by", "only_when", *Moment.OPTIONAL}
    COLUMN = {"name": str, "number": int, "shape": list, "type": str,
              "typmod": int}

    def __init__(self, number, members):
        check_members(members, self.TYPES, self.OPTIONAL)
        self.number = number
        # Counts the moves before it; they are told by Judge.
        self.place = None
        self.end = None
        self.is_handed_over = False
        for name in self.TYPES:
            setattr(self, name, members.get(name))
        for column in self.columns:
            if not isinstance(column, dict):
                raise Malformed("a column is no object")
            check_members(column, self.COLUMN, {"shape"})
        numbers = [column["number"] for column in self.columns]
        names = [column["name"] for column in self.columns]
        if numbers != sorted(set(numbers)):
            raise Malformed("the columns are not in order")
        wanted = self.key + ([self.chain_by] if self.chain_by else [])
        if len(set(names)) != len(names) or set(wanted) - set(names):
            raise Malformed("the names of columns do not fit together")
        self.begin = Moment(members)
        decimal(self.cluster)

    def event(self, row, operation=None):
        return row_event(self.label, row, operation)

    def covers(self, xid):
        """Does what this transaction wrote belong to the epoch?"""
        return self.begin.is_before(xid) and not (
            self.end and self.end.is_before(xid))

    def key_of(self, row):
        return key_text([row[name] for name in self.key])

    def chain_of(self, row):
        return chain_name(self.prefix, row.get(self.chain_by))


class Era(Epoch):
    """What a backfill event says: an epoch for rows from before the attach."""

    TYPES = {**Epoch.TYPES, "order_by": list}
    OWN = {"order_by", "end", "number", "begin", *Moment.TYPES}

    def __init__(self, number, members, base, first):
        super().__init__(number, members)
        self.base = base
        if base is None:
            raise Malformed("backfills what is not attached")
        if not self.order_by or not all(
            isinstance(name, str) for name in self.order_by
        ):
            raise Malformed("its order is no list of names")
        if any(getattr(self, name) != getattr(base, name)
               for name in set(Epoch.TYPES) - self.OWN):
            raise Malformed("backfills in another way than it is attached")
        if any(getattr(self, name) != getattr(first, name)
               for name in Moment.TYPES):
            raise Malformed("backfills from another moment than the first")

    def is_of(self, xid):
        """Is what this transaction wrote old, or of a later epoch?"""
        return not self.begin.is_before(xid) or bool(
            self.base.end and self.base.end.is_before(xid))


def check_members(value, types, optional):
    for name in set(types) - set(optional) - set(value):
        raise Malformed(f"it has no {name}")
    for name, item in value.items():
        if name not in types or type(item) is not types[name]:
            raise Malformed(f"its member {name} is not as it must be")


def decimal(text):
    if not re.fullmatch("0|[1-9][0-9]*", text):
        raise Malformed(f"{text!r} is no number")
    return int(text)
