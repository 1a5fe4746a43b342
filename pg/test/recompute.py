#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recomputes every record of a database from its tables, without tally.

    recompute.py [CONNINFO]

Standard library only, written from doc/format.md alone; shares nothing with
the extension.  For tests, since it holds everything in memory at once.  Reads
through psql, as a superuser, under one snapshot; PGHOST and so on come from
the environment.  Prints a line for each difference between what the tables
hold and what the format says, then what was judged.

Exit status: 0 all agrees and at least one record was judged, 1 something does
not agree, 2 usage, 3 could not be read, or there was nothing to judge.
"""

import json
import re
import subprocess
import sys
import uuid

from recompute_format import (
    ID_MAX, LOG, NAME_MAX, NO_HASH, NO_SALT, SEQ_MAX, Epoch, Era, Malformed,
    Moment, Origin, Tracking, check_members, commitment, decimal, header,
    is_name, jcs, parse,
    sha256,
)

SETTINGS = """
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = 1;
SET bytea_output = 'hex';
SET xmlbinary = 'base64';
SET lc_monetary = 'C';
SET search_path = '';
SET row_security = off;
BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
"""

TIME = """pg_catalog.to_char("time", 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
RECORDS = f"""
SELECT pg_catalog.json_build_array(chain_id, seq, {TIME}, epoch, event_id,
  pg_catalog.encode(digest, 'hex'), pg_catalog.encode(prev, 'hex'),
  pg_catalog.encode(hash, 'hex'), key, id, pg_catalog.encode(salt, 'hex'))
FROM tally.record
"""
VIEW = f"""
SELECT pg_catalog.json_build_array(chain, seq, {TIME}, source, key, id,
  pg_catalog.encode(digest, 'hex'), pg_catalog.encode(salt, 'hex'),
  pg_catalog.encode(prev, 'hex'), pg_catalog.encode(hash, 'hex'))
FROM tally.log
"""
HEADS = f"""
SELECT pg_catalog.json_build_array(chain, seq, pg_catalog.encode(hash, 'hex'),
  {TIME})
FROM tally.heads
"""
CHAINS = "SELECT pg_catalog.json_build_array(id, name) FROM tally.chain"
EVENTS = "SELECT pg_catalog.json_build_array(id, event) FROM tally.event"
ATTACHMENTS = """
SELECT pg_catalog.json_build_array(relation::oid::bigint, epoch, label)
FROM tally.attachment
"""
HAS_ORIGINS = "SELECT pg_catalog.to_regclass('tally.origin') IS NOT NULL;"
ORIGINS = """
SELECT pg_catalog.json_build_array(number, cluster, database::bigint,
  record::bigint, timeline, name)
FROM tally.origin ORDER BY number
"""
COLUMNS = """
SELECT pg_catalog.json_build_array(attnum, attname, atttypid::bigint,
  atttypmod, attisdropped)
FROM pg_catalog.pg_attribute WHERE attrelid = %d AND attnum > 0
"""
RELATION = """
SELECT pg_catalog.json_build_array(n.nspname, c.relname, c.relkind)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
  ON n.oid = c.relnamespace
WHERE c.oid = %d
"""
TYPE = "SELECT pg_catalog.to_regtype(%s)::oid::bigint;"
NOW = """
SELECT pg_catalog.pg_snapshot_xmax(
  pg_catalog.pg_current_snapshot())::text::bigint;
"""


class Unreadable(Exception):
    """The server did not answer as it must."""


class Server:
    """One session of psql, asked one query after the other."""

    def __init__(self, conninfo):
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        if conninfo:
            command += ["-d", conninfo]
        self.psql = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.ask(SETTINGS)
        if self.ask("SHOW server_encoding;") != ["UTF8"]:
            raise Unreadable("the database's encoding is not UTF8")

    def ask(self, query):
        """The lines of the answer."""
        end = uuid.uuid4().hex
        try:
            self.psql.stdin.write(f"{query}\n\\echo {end}\n".encode())
            self.psql.stdin.flush()
        except BrokenPipeError:
            raise Unreadable("psql went away") from None
        lines = []
        for line in self.psql.stdout:
            text = line.decode("ascii").rstrip("\n")
            if text == end:
                return lines
            lines.append(text)
        raise Unreadable("the server refused a query, or went away")

    def rows(self, query):
        """What a query gives that has one column, of JSON arrays.  They
        travel as ASCII: psql drops characters that it cannot print."""
        lines = self.ask(
            "SELECT pg_catalog.encode(pg_catalog.convert_to(answer::text,"
            f" 'UTF8'), 'hex') FROM ({query}) AS query(answer);"
        )
        return [json.loads(bytes.fromhex(line)) for line in lines]

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def free_name(name, taken):
    while name in taken:
        name += "_"
    return identifier(name)


class Record:
    """A row of tally.record, its chain by name."""

    def __init__(self, values, chains):
        (chain_id, self.seq, self.time, self.epoch, self.event_id, digest,
         prev, stored, self.key, self.id, salt) = values
        self.chain = chains.get(chain_id, f"?{chain_id}")
        self.known = chain_id in chains
        self.digest = bytes.fromhex(digest)
        self.prev = bytes.fromhex(prev)
        self.hash = bytes.fromhex(stored)
        self.salt = None if salt is None else bytes.fromhex(salt)

    def place(self):
        return f'chain "{self.chain}" seq {self.seq}'

    def shown(self, source):
        """As tally.log shows it."""
        chain = self.chain if self.known else None
        salt = None if self.salt is None else self.salt.hex()
        return (chain, self.seq, self.time, source, self.key, self.id,
                self.digest.hex(), salt, self.prev.hex(), self.hash.hex())


class Row:
    """A row of an attached table, as an epoch has it."""

    def __init__(self, epoch, xmin, wanted, texts):
        names = [column["name"] for column in epoch.columns]
        self.xmin = xmin
        self.wanted = wanted
        self.row = {n: t for n, t in zip(names, texts) if t is not None}
        self.key = epoch.key_of(self.row)
        self.chain = epoch.chain_of(self.row)


class Tables:
    """Attached tables, read as an epoch has them."""

    def __init__(self, server):
        self.server = server
        self.newest = int(server.ask(NOW)[0])

    def read(self, epoch):
        """All rows, by the place where they lie."""
        schema, table, kind = self.relation(epoch.relation)
        now = ", ".join(identifier(name) for name in self.names_now(epoch))
        names = [column["name"] for column in epoch.columns]
        then = [identifier(name) for name in names]
        # Names for the system columns that no column of the epoch has.
        place = free_name("place", names)
        version = free_name("version", names)
        only = "ONLY " if kind == "r" else ""
        # num_nulls asks for the value itself; IS NULL would also be true of a
        # composite value whose fields are all null.
        texts = ", ".join(
            f"CASE WHEN pg_catalog.num_nulls({name}) = 0"
            f" THEN pg_catalog.format('%s', {name}) END"
            for name in then
        )
        query = f"""
SELECT pg_catalog.json_build_array({place}, {version},
  ({epoch.only_when or "true"}) IS TRUE,
  pg_catalog.array_to_json(ARRAY[{texts}]::text[]))
FROM (SELECT tableoid::text || ctid::text, xmin::text::bigint, {now}
  FROM {only}{identifier(schema)}.{identifier(table)})
  AS "then"({place}, {version}, {", ".join(then)})
"""
        return {
            place: Row(epoch, self.full_xid(xmin), wanted, texts)
            for place, xmin, wanted, texts in self.server.rows(query)
        }

    def full_xid(self, xmin):
        """The newest full transaction id that ends like this one."""
        if xmin < 3:
            return 0
        full = (self.newest & ~0xFFFFFFFF) | xmin
        return full if full <= self.newest else full - (1 << 32)

    def relation(self, oid):
        found = self.server.rows(RELATION % oid)
        if not found:
            raise Malformed("is gone")
        return found[0]

    def names_now(self, epoch):
        """What the columns of the epoch are called today."""
        there = {row[0]: row[1:] for row in
                 self.server.rows(COLUMNS % epoch.relation)}
        names = []
        for column in epoch.columns:
            name, kind, modifier, dropped = there.get(
                column["number"], (None, None, None, True))
            if dropped:
                raise Malformed(f'has no column "{column["name"]}" any more')
            type_then = self.server.ask(TYPE % literal(column["type"]))
            if type_then != [str(kind)] or column["typmod"] != modifier:
                raise Malformed(
                    f'has another type of column "{column["name"]}"')
            names.append(name)
        return names


class Judge:
    """Reads it all, and holds it against the format."""

    def __init__(self, server):
        self.server = server
        self.differences = []
        self.unjudged = 0
        self.chains = dict(server.rows(CHAINS))
        self.events = dict(server.rows(EVENTS))
        self.records = [Record(values, self.chains) for values in
                        sorted(server.rows(RECORDS), key=lambda v: v[:2])]
        self.epochs = {}
        self.eras = {}
        self.trackings = {}
        self.retired = set()
        self.rewritten = set()
        self.origins = []
        self.place = 0

    def differs(self, what, place, detail):
        self.differences.append(f"{what}  {place}  {detail}")

    def run(self):
        self.judge_chains()
        self.judge_log()
        self.judge_origins()
        self.judge_attachments()
        self.take_over()
        for record in self.records:
            self.judge_kept(record)
        tables = Tables(self.server)
        for relation in sorted({e.relation for e in self.epochs.values()
                                if e.place == self.place}):
            self.judge_table(relation, tables)
        for record in self.records:
            base = self.base_of(record)
            self.unjudged += bool(base and base.place != self.place and
                                  record.event_id is None)
        self.judge_shown()

    # Chains: names, links, hashes.

    def judge_chains(self):
        for name in self.chains.values():
            if not is_name(name, NAME_MAX):
                self.differs("chain", f"chain {name!r}", "is no legal name")
        seen = set()
        last = {}
        for record in self.records:
            self.judge_link(record, last.get(record.chain))
            self.judge_id(record, seen)
            last[record.chain] = record
        for name in set(self.chains.values()) - set(last):
            self.differs("chain", f'chain "{name}"', "has no record")
        used = {record.event_id for record in self.records}
        for number in sorted(set(self.events) - used):
            self.differs("event", f"event {number}", "belongs to no record")

    def judge_link(self, record, before):
        if not record.known:
            self.differs("chain", record.place(), "the chain has no name")
        seq, prev = (before.seq, before.hash) if before else (0, NO_HASH)
        if record.seq != seq + 1 or record.seq > SEQ_MAX:
            self.differs("seq", record.place(), f"follows {seq}")
        if record.prev != prev:
            self.differs("prev", record.place(), "is not the hash before it")
        if len(record.digest) != 32 or record.salt in (b"", NO_SALT):
            self.differs("digest", record.place(), "or salt is none")
        if record.time[:4] < "1970" or len(record.time) != 27:
            self.differs("time", record.place(), f"{record.time} is none")
        if record.hash != sha256(b"\x00", header(record)):
            self.differs("hash", record.place(), "is not that of the header")

    def judge_id(self, record, seen):
        if record.id is None:
            return
        if not is_name(record.id, ID_MAX):
            self.differs("id", record.place(), "is no legal id")
        if (record.chain, record.id) in seen:
            self.differs("id", record.place(), "is there twice")
        seen.add((record.chain, record.id))

    # tally:log: what was created, attached and detached.

    def judge_log(self):
        for record in self.records:
            text = self.events.get(record.event_id)
            if record.chain != LOG or text is None:
                continue
            try:
                self.judge_log_event(record, text)
            except Malformed as error:
                self.differs("event", record.place(), str(error))

    def judge_log_event(self, record, text):
        value = parse(text)
        if not isinstance(value, dict) or len(value) != 1:
            raise Malformed("is no event of the log")
        (kind, members), = value.items()
        if (kind == "created") != (record.seq == 1):
            raise Malformed(f"{kind} is not in its place")
        if not isinstance(members, dict) or text != jcs(value):
            raise Malformed("is not in canonical form")
        if kind == "created":
            check_created(members)
        elif kind == "attach":
            self.begin_epoch(Epoch(record.event_id, members))
        elif kind == "alter":
            epoch = Epoch(record.event_id, members)
            before = self.epoch_of(epoch.relation, self.place)
            if before is None:
                raise Malformed("alters what is not attached")
            before.end = epoch.begin
            self.begin_epoch(epoch)
        elif kind == "backfill":
            self.begin_era(record.event_id, members)
        elif kind == "detach":
            self.end_epoch(members)
        elif kind == "track":
            self.begin_tracking(Tracking(record.event_id, members))
        elif kind == "untrack":
            self.end_tracking(members)
        elif kind == "retire":
            self.retire(members)
        elif kind == "rewrite":
            self.rewrite(members)
        elif kind == "origin":
            self.move(record, Origin(members))
        else:
            raise Malformed(f"{kind} is unknown")

    def retire(self, members):
        """The rows of these records go."""
        check_members(members, {"chains": list, "label": str,
                                "partition": str, "relation": int,
                                "rows": int, "table": str}, ())
        for chain in members["chains"]:
            check_members(chain, {"chain": str, "seqs": list}, ())
            for first, last in chain["seqs"]:
                self.retired.update((chain["chain"], seq)
                                    for seq in range(first, last + 1))

    def rewrite(self, members):
        """All rows have this xmin, and some may be without a record."""
        check_members(members, {"label": str, "relation": int, "rows": int,
                                "table": str, "xid": str}, ())
        if members["rows"] > 0:
            self.rewritten.add(decimal(members["xid"]))

    def epoch_of(self, relation, place):
        """The one that is in force."""
        for epoch in self.epochs.values():
            if (epoch.relation, epoch.place) == (relation, place) and \
                    epoch.end is None:
                return epoch
        return None

    def begin_epoch(self, epoch):
        if self.epoch_of(epoch.relation, self.place):
            raise Malformed("attaches what is attached")
        epoch.place = self.place
        self.epochs[epoch.number] = epoch

    def begin_era(self, number, members):
        relation = members.get("relation")
        first = [e for e in self.epochs.values()
                 if (e.relation, e.place) == (relation, self.place)][:1]
        base = self.epoch_of(relation, self.place)
        self.eras[number] = Era(number, members, base, *first or [None])

    def base_of(self, record):
        """The epoch of a record, or None; that of an era is its base."""
        era = self.eras.get(record.epoch)
        return era.base if era else self.epochs.get(record.epoch)

    def end_epoch(self, members):
        check_members(members, {"label": str, "relation": int, "table": str,
                                **Moment.TYPES}, Moment.OPTIONAL)
        ended = [e for e in self.epochs.values() if e.end is None and
                 (e.relation, e.label) == (members["relation"],
                                           members["label"])]
        if not ended:
            raise Malformed("detaches what is not attached")
        # Where it is ended in another place, its end is of that place.
        ended[0].end = Moment(members)
        ended[0].is_handed_over = ended[0].place == self.place - 1

    def begin_tracking(self, tracking):
        if any(t.relation == tracking.relation and not t.ended and
               t.place == self.place for t in self.trackings.values()):
            raise Malformed("tracks what is tracked")
        tracking.place = self.place
        self.trackings[tracking.number] = tracking

    def end_tracking(self, members):
        check_members(members, {"label": str, "relation": int,
                                "table": str, "xid": str}, ())
        ended = [t for t in self.trackings.values() if not t.ended and
                 (t.relation, t.label) == (members["relation"],
                                           members["label"])]
        if not ended:
            raise Malformed("untracks what is not tracked")
        ended[0].ended = True

    # Places: where it was sealed, and what is taken over from there.

    def move(self, record, origin):
        """The log goes on in another place, or after it was cut."""
        if self.origins and self.origins[-1].places[1] != origin.places[0]:
            raise Malformed("comes from where the log was not")
        self.origins.append(origin)
        self.place += origin.is_move()
        there = {(r.chain, r.seq): r.hash.hex() for r in self.records}
        for head in origin.heads or []:
            if there.get((head["chain"], head["seq"])) != head["hash"] or \
                    (head["chain"] == LOG and head["seq"] >= record.seq):
                self.differs("head", record.place(),
                             f'of chain "{head["chain"]}" is not its record')

    def judge_origins(self):
        """The table of places says what the log says.  Plain SQL has none."""
        if self.server.ask(HAS_ORIGINS) != ["t"]:
            return
        stored = [tuple(row) for row in self.server.rows(ORIGINS)]
        if not self.origins:
            if len(stored) > 1 or (self.records and not stored):
                self.differs("origin", "tally.origin", "has not one row")
            return
        places = [self.origins[0].places[0]]
        places += [origin.places[1] for origin in self.origins]
        meant = [(number, str(place[0]), *place[1:])
                 for number, place in enumerate(places, 1)]
        if stored != meant:
            self.differs("origin", "tally.origin", "is not what the log says")

    def take_over(self):
        """What was sealed in other places, of tables that are here now: a
        label goes on, and its columns are found by name."""
        for epoch in reversed(list(self.epochs.values())):
            if epoch.place == self.place or not epoch.is_handed_over:
                continue
            after = next((e for e in self.epochs.values()
                          if e.label == epoch.label
                          and e.number > epoch.number), None)
            if after is None or after.place != self.place:
                continue
            numbers = {column["name"]: column["number"]
                       for column in after.columns}
            if {c["name"] for c in epoch.columns} - set(numbers):
                continue
            for column in epoch.columns:
                column["number"] = numbers[column["name"]]
            epoch.relation = after.relation
            epoch.place = self.place
            if after.is_handed_over:
                epoch.end = after.end
            # Its own beginning is a moment of elsewhere: who knows how old a
            # row is that no record seals.
            epoch.begin = epoch.end
            for era in self.eras.values():
                if era.base is epoch:
                    era.begin = epoch.end

    def judge_attachments(self):
        """The table of what is in force says what the log says."""
        live = [e for e in self.epochs.values() if e.end is None]
        live += [t for t in self.trackings.values() if not t.ended]
        # Of a table that was not taken over only the label is known.
        here = {e.number: e.relation for e in live if e.place == self.place}
        stored = {(row[0] if row[1] in here else None, row[1], row[2])
                  for row in self.server.rows(ATTACHMENTS)}
        meant = {(here.get(e.number), e.number, e.label) for e in live}
        for row in sorted(stored ^ meant, key=repr):
            where = "the log" if row in meant else "tally.attachment"
            self.differs("attachment", f'table "{row[2]}"',
                         f"only {where} has it")

    # Events that are kept, with the records that they belong to.

    def judge_kept(self, record):
        if record.event_id is None:
            if record.epoch is None:
                self.differs("event", record.place(), "is not kept")
            return
        text = self.events.get(record.event_id)
        if text is None:
            self.differs("event", record.place(), "is gone")
            return
        try:
            value = parse(text)
            if commitment(text, record.salt) != record.digest:
                raise Malformed("does not give the digest")
            if record.epoch in self.trackings:
                self.trackings[record.epoch].judge(record, text, value)
            elif record.epoch is not None:
                self.judge_kept_row(record, text, value)
            elif record.key is not None:
                raise Malformed("has a key, and no row")
        except Malformed as error:
            self.differs("event", record.place(), str(error))

    def judge_kept_row(self, record, text, value):
        epoch = self.base_of(record)
        if epoch is None:
            return
        row, operation = row_of(value)
        names = {column["name"] for column in epoch.columns}
        if set(row) - names or set(epoch.key) - set(row):
            raise Malformed("has other columns than its epoch")
        if (operation == "backfill") != (record.epoch in self.eras):
            raise Malformed("is of an old row, or not, against its epoch")
        if operation in ("update", "delete") and epoch.append_only:
            raise Malformed("is more than a row that came")
        if text != epoch.event(row, operation):
            raise Malformed("is not in the form of its epoch")
        if record.key != epoch.key_of(row):
            raise Malformed("has another key")
        # A deletion has the row as it was, so this holds for moves too.
        if record.chain != epoch.chain_of(row):
            raise Malformed("is of another chain")

    def is_deletion(self, record):
        """Only a kept event says it."""
        try:
            value = parse(self.events.get(record.event_id, ""))
        except Malformed:
            return False
        return isinstance(value, dict) and value.get("op") == "delete"

    # The rows of an attached table, and the records that speak of them.

    def judge_table(self, relation, tables):
        """All epochs of a table, the newest first."""
        epochs = [e for e in self.epochs.values()
                  if (e.relation, e.place) == (relation, self.place)]
        epochs.reverse()
        places = self.places_of(epochs)
        if epochs[0].end is not None:
            self.unjudged += sum(
                len(records) for chains in places.values()
                for records in chains.values())
            return
        try:
            rows = {epoch.number: tables.read(epoch) for epoch in epochs}
        except Malformed as error:
            self.differs("table", f'table "{epochs[0].label}"', str(error))
            return
        for place in rows[epochs[0].number]:
            row = [(epoch, rows[epoch.number][place]) for epoch in epochs]
            self.judge_row(row, self.take_records(row, places))
        for chains in places.values():
            for records in chains.values():
                self.judge_gone(records)

    def places_of(self, epochs):
        """The records of a table by key and chain, in their order."""
        places = {}
        numbers = {epoch.number for epoch in epochs}
        numbers |= {era.number for era in self.eras.values()
                    if era.base in epochs}
        for record in self.records:
            if record.epoch in numbers:
                chains = places.setdefault(record.key, {})
                chains.setdefault(record.chain, []).append(record)
        return places

    def take_records(self, row, places):
        """Takes out of places the records whose last one says that the row is
        there: of each chain a list, those of the newest epoch first."""
        found = []
        for epoch, then in row:
            chains = places.get(then.key, {})
            for chain in list(chains):
                last = chains[chain][-1]
                if self.base_of(last) is epoch and not self.is_deletion(last):
                    found.append((epoch, then, chains.pop(chain)))
        return found

    def judge_row(self, row, found):
        """A row against its records; row has it as each epoch does."""
        # After the end of its epoch a row may change unseen.
        judged = [f for f in found
                  if not (f[0].end and f[0].end.is_before(f[1].xmin))]
        if not judged:
            self.unjudged += sum(len(records) for _, _, records in found)
            self.judge_unsealed(row)
            return
        epoch, then, records = judged[0]
        for other, _, more in found:
            if more is not records and other is epoch:
                self.differs("row", more[-1].place(), "is there twice")
        self.judge_sealed(epoch, then, records)

    def judge_unsealed(self, row):
        if row[0][1].xmin in self.rewritten:
            self.unjudged += 1
            return
        for epoch, then in row:
            if epoch.covers(then.xmin) and then.wanted:
                self.differs("row", f'table "{epoch.label}"',
                             f"{then.key!r} has no record")

    def judge_sealed(self, epoch, row, records):
        """The records of one row in one chain, against the row."""
        last = records[-1]
        if not row.wanted:
            self.differs("row", last.place(), "is not the attachment's")
        if last.chain != row.chain:
            self.differs("row", last.place(),
                         f'belongs into chain "{row.chain}"')
        if (last.event_id is not None) != epoch.keep_event:
            self.differs("event", last.place(), "is kept, or not, against "
                         "what its epoch says")
        era = self.eras.get(last.epoch)
        if era and not era.is_of(row.xmin):
            self.differs("row", last.place(), f"{row.key!r} is sealed as an "
                         "old row, and is none")
        for record in records:
            if (record.salt is not None) != self.base_of(record).salted:
                self.differs("row", record.place(), "is salted, or not, "
                             "against what its epoch says")
            # What stands in an append-only chain twice is the same twice.
            if record is last or (epoch.append_only and
                                  self.base_of(record) is epoch):
                events = self.events_of(record, row)
                if record.digest not in [
                    commitment(event, record.salt) for event in events
                ]:
                    self.differs("row", record.place(), f"{row.key!r} does "
                                 f"not give the digest: {events[0]}")
            else:
                self.unjudged += record.event_id is None

    def events_of(self, record, row):
        """What the record can have sealed, of which the row is left."""
        epoch = self.base_of(record)
        if record.epoch in self.eras:
            operations = ["backfill"]
        else:
            operations = [None] if epoch.append_only else [None, "update"]
        return [epoch.event(row.row, op) for op in operations]

    def judge_gone(self, records):
        """No row answers to these."""
        last = records[-1]
        if (last.chain, last.seq) in self.retired:
            return
        if not self.is_deletion(last) and self.base_of(last).end is None:
            self.differs("row", last.place(), f"no row {last.key!r} is there")
        self.unjudged += sum(r.event_id is None for r in records)

    # What is shown.

    def judge_shown(self):
        """The views show what the tables hold."""
        shown = [tuple(row) for row in self.server.rows(VIEW)]
        meant = []
        for record in self.records:
            epoch = self.base_of(record) or self.trackings.get(record.epoch)
            if record.epoch is not None and epoch is None:
                self.differs("epoch", record.place(), "is not in the log")
            meant.append(record.shown(epoch.label if epoch else None))
        for row in sorted(set(shown) ^ set(meant), key=repr):
            self.differs("view", f'chain "{row[0]}" seq {row[1]}',
                         "tally.log shows it otherwise")
        if len(shown) != len(meant):
            self.differs("view", "tally.log", "has another number of rows")
        heads = {r.chain: [r.chain, r.seq, r.hash.hex(), r.time]
                 for r in self.records if r.known}
        if sorted(self.server.rows(HEADS)) != sorted(heads.values()):
            self.differs("view", "tally.heads", "shows other heads")


def check_created(members):
    check_members(members, {"format": int, "id": str, "origin": str}, ())
    if members["format"] != 1 or not re.fullmatch(
        "[0-9a-f]{32}", members["id"]
    ):
        raise Malformed("is of another format")


def row_of(value):
    """Row and operation of a row's event."""
    if not isinstance(value, dict) or set(value) - {"op", "row", "table"}:
        raise Malformed("is no event of a row")
    row = value.get("row")
    if not isinstance(row, dict) or not all(
        isinstance(text, str) for text in row.values()
    ):
        raise Malformed("has no row of texts")
    if "op" in value and value["op"] not in ("update", "delete", "backfill"):
        raise Malformed("does what is unknown")
    return row, value.get("op")


def main():
    if len(sys.argv) > 2 or (len(sys.argv) == 2 and sys.argv[1][:1] == "-"):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        server = Server("".join(sys.argv[1:]))
        judge = Judge(server)
        judge.run()
        server.close()
    except Unreadable as error:
        print(f"recompute: {error}", file=sys.stderr)
        return 3
    for line in judge.differences:
        print(line)
    records = len(judge.records)
    print(f"{records} records in {len(judge.chains)} chains recomputed, "
          f"{judge.unjudged} of them without row or event that they speak of; "
          f"{len(judge.differences)} differences")
    if judge.differences:
        return 1
    return 0 if records > judge.unjudged else 3


if __name__ == "__main__":
    sys.exit(main())
