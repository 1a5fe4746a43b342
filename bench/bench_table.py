# SPDX-License-Identifier: Apache-2.0
"""How the table of bench_log.py is printed: the machine, the rows, and the
ratios with the goal of each beside it."""

import os
import platform
import statistics
import time

SLOW_US = 1000

# (row, writers, other row, writers, goal as is, goal with a slow sync,
# words).  The row of the goals is this log's, 64 writers in 4 processes.
RATIOS = [
    ("tally-4", "ceiling-p", 64, 0.7, 0.8, "ceiling, 64 processes"),
    ("tally-4", "ceiling-t", 64, 0.7, 0.8, "ceiling, 64 threads"),
    ("tally-4", "sqlite", 64, 8, 25, "SQLite"),
    ("tally-4", "flock", 64, 15, 25, "flock + fdatasync"),
]
PAIR_GOAL = 0.9
BATCH_GOAL = 1e6


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def file_system(path):
    """Type, device and options of what path is on, from the mount table."""
    path, best = os.path.realpath(path), None
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            left, right = line.split(" - ", 1)
            point = left.split()[4]
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and (best is None or len(point) >= len(best[0])):
                kind, device, options = right.split()[:3]
                best = (point, f"{kind} on {device} ({options})")
    return best[1] if best else "unknown"


def facts(path, argv):
    uname = os.uname()
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": f"{cpu_name()}, {os.cpu_count()} processors",
        "kernel": f"{uname.sysname} {uname.release} {uname.machine}",
        "file system": file_system(path),
        "command": " ".join(["bench_log.py"] + argv),
        "load before": os.getloadavg()[0],
    }


def middle(values):
    return statistics.median(values) if values else None


def rate_text(value):
    return "-" if value is None else f"{value:,.0f}"


def ms_text(us):
    if us is None:
        return "-"
    ms = us / 1000
    return f"{ms:.2f}" if ms < 100 else f"{ms:,.0f}"


class Table:
    def __init__(self, facts_found, rows, notes):
        self.facts = facts_found
        self.rows = rows
        self.notes = list(notes)
        self.by_key = {row.key: row for row in rows}
        self.rounds = max((len(row.turns) for row in rows), default=0)
        if "tmpfs" in self.facts["file system"]:
            self.notes.append("on tmpfs a sync costs nothing: choose a disk "
                              "with --dir")

    # ---- figures -----------------------------------------------------

    @staticmethod
    def column(row, name):
        return [turn[name] for turn in row.turns
                if turn is not None and name in turn]

    def ratios(self, key, other, writers, slow_us):
        """This log's rate by the other's, round by round."""
        ours = self.by_key.get((key, writers, slow_us))
        theirs = self.by_key.get((other, writers, slow_us))
        if ours is None or theirs is None:
            return []
        return [a["rate"] / b["rate"] for a, b in
                zip(ours.turns, theirs.turns) if a and b and b["rate"] > 0]

    def goals(self):
        """(words, values of the rounds, goal or None), in printing order."""
        found = []
        for slow_us in (0, SLOW_US):
            disk = ", sync +1 ms" if slow_us else ""
            for key, other, writers, goal, slow_goal, words in RATIOS:
                values = self.ratios(key, other, writers, slow_us)
                found.append((f"64 writers{disk} / {words}", values,
                              slow_goal if slow_us else goal, "x"))
            pair = self.by_key.get(("pair", 1, slow_us))
            found.append((f"1 writer{disk} / write + fdatasync, short turns",
                          self.column(pair, "ratio") if pair else [],
                          None if slow_us else PAIR_GOAL, "x"))
        for key, words, goal in (("batch", "without ids", BATCH_GOAL),
                                 ("batch-ids", "with random ids", None)):
            for writers in (1, 4):
                row = self.by_key.get((key, writers, 0))
                found.append((f"batches of 1,000, {words}, "
                              f"{writers} writer{'s' * (writers > 1)}",
                              self.column(row, "rate") if row else [],
                              goal, "/s"))
        return [goal for goal in found if goal[1]]

    # ---- printing ----------------------------------------------------

    def print(self):
        self.print_facts()
        for slow_us in (0, SLOW_US):
            rows = [row for row in self.rows
                    if row.slow_us == slow_us and row.key[0] != "pair"]
            if rows:
                self.print_rows(rows, slow_us)
        self.print_pairs()
        self.print_goals()
        for note in self.notes:
            print(f"note: {note}")

    def print_facts(self):
        print("Durable appends of 300-byte JSON events to one chain\n")
        for name in ("date", "machine", "kernel", "file system", "command"):
            print(f"  {name:12} {self.facts[name]}")
        print(f"  {'durability':12} every append returns after a sync "
              "covered it (this log: TALLY_SYNC)")
        print(f"  {'method':12} {self.rounds} rounds in turns of "
              f"{self.facts['turn seconds']} s, medians; each turn's data "
              "checked")
        print(f"  {'load':12} {self.facts['load before']:.2f} before, "
              f"{self.facts['load after']:.2f} after; "
              f"{self.facts['seconds']:.0f} s in all")

    def print_rows(self, rows, slow_us):
        disk = "each sync +1 ms" if slow_us else "disk as is"
        print(f"\n{disk:27} {'writers':>7} {'records/s':>10} "
              f"{'lowest':>9} {'highest':>9} {'p50 ms':>7} {'p99 ms':>7} "
              f"{'max ms':>7} {'per sync':>8}")
        writers = rows[0].writers
        for row in rows:
            if row.writers != writers:
                print()
            writers = row.writers
            self.print_row(row)

    def print_row(self, row):
        head = f"{row.label:27} {row.writers:>7}"
        if row.failure is not None:
            print(f"{head} failed: {row.failure}")
            return
        rates = self.column(row, "rate")
        syncs = sum(self.column(row, "syncs"))
        records = sum(self.column(row, "records"))
        per_sync = f"{records / syncs:,.1f}" if syncs else "-"
        max_us = max(self.column(row, "max_us"), default=None)
        print(f"{head} {rate_text(middle(rates)):>10} "
              f"{rate_text(min(rates)):>9} {rate_text(max(rates)):>9} "
              f"{ms_text(middle(self.column(row, 'p50_us'))):>7} "
              f"{ms_text(middle(self.column(row, 'p99_us'))):>7} "
              f"{ms_text(max_us):>7} {per_sync:>8}")

    def print_pairs(self):
        for slow_us in (0, SLOW_US):
            pair = self.by_key.get(("pair", 1, slow_us))
            if pair is None:
                continue
            disk = "each sync +1 ms" if slow_us else "disk as is"
            if pair.failure is not None:
                print(f"\n{disk}, short turns: failed: {pair.failure}")
                continue
            print(f"\n{disk}, 1 writer, short turns side by side: this log "
                  f"{rate_text(middle(self.column(pair, 'rate')))}/s, p50 "
                  f"{middle(self.column(pair, 'p50_us')):.0f} us; write + "
                  "fdatasync "
                  f"{rate_text(middle(self.column(pair, 'raw_rate')))}/s, "
                  f"p50 {middle(self.column(pair, 'raw_p50_us')):.0f} us")

    def print_goals(self):
        goals = self.goals()
        if not goals:
            return
        print(f"\n{'this log, 4 x 16 threads at 64 writers':52} "
              f"{'measured':>10} {'lowest':>9} {'highest':>9} {'goal':>10}")
        for words, values, goal, unit in goals:
            form = (lambda v: f"{v:.2f} x") if unit == "x" else rate_text
            verdict = ""
            if goal is not None:
                verdict = "met" if middle(values) >= goal else "missed"
            goal_text = "-" if goal is None else (
                f"{goal:g} x" if unit == "x" else rate_text(goal))
            print(f"{words:52} {form(middle(values)):>10} "
                  f"{form(min(values)):>9} {form(max(values)):>9} "
                  f"{goal_text:>10} {verdict}")

    def as_json(self):
        rows = [{"row": row.key[0], "label": row.label,
                 "writers": row.writers, "slow_us": row.slow_us,
                 "failure": row.failure, "turns": row.turns}
                for row in self.rows]
        goals = [{"what": words, "median": middle(values),
                  "lowest": min(values), "highest": max(values),
                  "goal": goal, "unit": unit}
                 for words, values, goal, unit in self.goals()]
        return {"facts": self.facts, "rounds": self.rounds, "rows": rows,
                "goals": goals, "notes": self.notes}
