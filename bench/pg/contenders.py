# SPDX-License-Identifier: Apache-2.0
"""Who is measured by bench_pg.py, and under which conditions."""

from dataclasses import dataclass, field

INSERT = """\
\\set org random(1, {chains})
\\set who random(1, 1000000)
{begin}INSERT INTO audit_logs (org_id, actor, action, resource, details)
VALUES (:org, 'user-' || :who, 'document.update', 'document/' || :who, {json});
{end}"""

APPEND = """\
\\set org random(1, {chains})
\\set who random(1, 1000000)
{begin}SELECT append(:org, 'user-' || :who, 'document.update',
	'document/' || :who, {json});
{end}"""

# Without the extension: the chain is free before the flush, which is waited for
# before anybody is answered (doc/postgresql-plain.md).
GROUPED = INSERT.replace("{begin}", """\
BEGIN;
SET LOCAL synchronous_commit = off;
""").replace("{end}", """\
COMMIT;
SELECT pg_logical_emit_message(true, 'tally', '');
""")

JSON = ("'{\"ip\": \"198.51.100.7\", \"agent\": \"Mozilla/5.0 (X11; Linux"
        " x86_64)\", \"fields\": [\"title\", \"body\"], \"version\": 42,"
        " \"result\": \"success\"}'::jsonb")


@dataclass(frozen=True)
class Contender:
    key: str
    label: str
    tables: tuple = ()          # scripts in sql/, after table.sql
    check: str = "check_rows"
    script: str = INSERT
    build: str = "chained"      # or "unchained": which build of the module
    preload: bool = True
    options: str = ""           # PGOPTIONS of the clients
    forks: bool = False         # is known to fork: measured once, to show it


@dataclass(frozen=True)
class Cell:
    """A condition: the disk, the chains, and how long a transaction stays
    open."""

    key: str
    label: str
    disk: str                   # "as-is", "slow" or "standby"
    chains: int = 1
    open_ms: int = 0

    def script(self, contender):
        hold = {"begin": "", "end": ""}
        if self.open_ms:
            hold = {"begin": "BEGIN;\n",
                    "end": f"\\sleep {self.open_ms} ms\nCOMMIT;\n"}
        return contender.script.format(chains=self.chains, json=JSON, **hold)


def ours(key, label, level, **more):
    return Contender(key, label, ("tally",), "check_tally",
                     options=f"-c tally.early_release={level}", **more)


# "parts" stands for the script of tally pg sql.
PLAIN_SQL = ("plain_begin", "parts", "plain_end")

CONTENDERS = [
    Contender("plain", "plain insert, no chain"),
    Contender("unchained", "two inserts, rendered, no chain", ("tally",),
              build="unchained"),
    Contender("unlocked", "trigger, no lock", ("unlocked",), "check_in_row",
              forks=True),
    Contender("for-update", "trigger, head FOR UPDATE", ("for_update",),
              "check_in_row", forks=True),
    Contender("advisory", "trigger, advisory lock", ("advisory",),
              "check_in_row"),
    Contender("deferred", "deferred trigger, adv. lock", ("deferred",),
              "check_deferred"),
    Contender("unique", "UNIQUE (prev) + retry", ("unique_retry",),
              "check_in_row", script=APPEND),
    Contender("no-extension", "tally, plain SQL", PLAIN_SQL, "check_tally"),
    Contender("no-extension-grouped", "tally, plain SQL, group commit",
              PLAIN_SQL, "check_tally", script=GROUPED),
    ours("tally-off", "tally, off", "off"),
    ours("tally-local", "tally, local", "local"),
    ours("tally-full", "tally, full", "full"),
    ours("tally-off-np", "tally, off, not preloaded", "off", preload=False),
    ours("tally-local-np", "tally, local, not preloaded", "local",
         preload=False),
    ours("tally-full-np", "tally, full, not preloaded", "full",
         preload=False),
]

CELLS = [
    Cell("hot", "one chain, disk as is", "as-is"),
    Cell("slow", "one chain, each sync +1 ms", "slow"),
    Cell("standby", "one chain, synchronous standby", "standby"),
    Cell("open", "one chain, transactions open 5 ms", "as-is", open_ms=5),
    Cell("100", "100 chains, disk as is", "as-is", 100),
    Cell("100-slow", "100 chains, each sync +1 ms", "slow", 100),
    Cell("100-standby", "100 chains, synchronous standby", "standby", 100),
    Cell("100-open", "100 chains, transactions open 5 ms", "as-is", 100, 5),
]

# cell, ours, the other, at least so many times as fast; all with 64 sessions.
GOAL_SESSIONS = 64
GOALS = [
    ("hot", "tally-local", "unchained", 0.85),
    ("hot", "tally-local", "advisory", 3),
    ("slow", "tally-local", "unchained", 0.9),
    ("slow", "tally-local", "advisory", 15),
    ("standby", "tally-full", "unchained", 0.85),
    ("standby", "tally-full", "advisory", 6),
    ("open", "tally-local", "unchained", 0.9),
    ("open", "tally-local", "advisory", 40),
    ("100", "tally-local", "unchained", 0.9),
]
VERIFY_GOAL_ROWS = 5_000_000
VERIFY_GOAL_S = 60


def measures(contender, cell, sessions):
    """Is this one worth a turn?"""
    if contender.forks:
        return cell.chains == 1 and sessions == GOAL_SESSIONS
    if contender.script is GROUPED and cell.open_ms:
        return False
    # Without a standby, full does what local does; with one, local what off.
    if contender.key.startswith("tally-full"):
        return cell.disk == "standby"
    if contender.key.startswith("tally-local"):
        return cell.disk != "standby"
    return True


@dataclass
class Row:
    """One line of the table."""

    contender: Contender
    cell: Cell
    sessions: int
    turns: list = field(default_factory=list)   # a dict, or None, per round
    failure: str = None

    @property
    def key(self):
        return (self.contender.key, self.cell.key, self.sessions)
