# SPDX-License-Identifier: Apache-2.0
"""How the table of bench_pg.py is printed: the machine, the rows, and the
ratios with the goal of each beside it."""


from bench_table import facts as machine
from bench_table import middle, ms_text, rate_text
from contenders import (CONTENDERS, GOAL_SESSIONS, GOALS, VERIFY_GOAL_ROWS,
                        VERIFY_GOAL_S)
from servers import SETTINGS

LABELS = {who.key: who.label for who in CONTENDERS}


def facts(path, argv):
    found = machine(path, argv)
    found["command"] = " ".join(["bench_pg.py"] + shown(argv))
    return found


def shown(argv):
    """The arguments without the library that make has built."""
    pairs = zip([None] + argv, argv)
    return [arg for before, arg in pairs
            if arg != "--shim" and before != "--shim"]


class Table:
    def __init__(self, facts_found, rows, verified, tracked):
        self.facts = facts_found
        self.rows = rows
        self.verified = verified
        self.tracked = tracked
        self.by_key = {row.key: row for row in rows}
        self.rounds = max((len(row.turns) for row in rows), default=0)

    # ---- figures -----------------------------------------------------

    @staticmethod
    def column(row, name):
        return [turn[name] for turn in row.turns if turn is not None]

    def ratios(self, cell, key, other):
        """One's rate by the other's, round by round."""
        ours = self.by_key.get((key, cell, GOAL_SESSIONS))
        theirs = self.by_key.get((other, cell, GOAL_SESSIONS))
        if ours is None or theirs is None:
            return []
        return [a["rate"] / b["rate"] for a, b in
                zip(ours.turns, theirs.turns) if a and b]

    def goals(self):
        """(words, ratios of the rounds, goal), in printing order."""
        found = []
        for cell, key, other, goal in GOALS:
            words = f"{cell}: {LABELS[key]} / {LABELS[other]}"
            found.append((words, self.ratios(cell, key, other), goal))
        return [goal for goal in found if goal[1]]

    # ---- printing ----------------------------------------------------

    def print(self):
        self.print_facts()
        cells = dict.fromkeys(row.cell for row in self.rows)
        for cell in cells:
            self.print_cell(cell)
        self.print_goals()
        self.print_verified()
        self.print_tracked()
        print("note: without a standby, full does what local does; with one, "
              "local does what off does")
        if "tmpfs" in self.facts["file system"]:
            print("note: on tmpfs a sync costs nothing: choose a disk with "
                  "--dir")

    def print_facts(self):
        print("One commit, one row of some 300 bytes in an audit table\n")
        for name in ("date", "machine", "kernel", "file system", "PostgreSQL",
                     "command"):
            print(f"  {name:12} {self.facts[name]}")
        settings = [f"{name} = {value}" for name, value in SETTINGS.items()
                    if value]
        for at in range(0, len(settings), 3):
            print(f"  {'' if at else 'settings':12} "
                  + ", ".join(settings[at:at + 3]))
        print(f"  {'method':12} {self.rounds} round"
              f"{'s' * (self.rounds > 1)} in turns of "
              f"{self.facts['turn seconds']} s, medians; pgbench, prepared "
              "statements, unix sockets")
        print(f"  {'load':12} {self.facts['load before']:.2f} before, "
              f"{self.facts['load after']:.2f} after; "
              f"{self.facts['seconds']:.0f} s in all")

    def print_cell(self, cell):
        print(f"\n{cell.key + ': ' + cell.label:45} {'sessions':>8} "
              f"{'commits/s':>9} {'lowest':>8} {'highest':>8} {'p50 ms':>7} "
              f"{'p99 ms':>7} {'per sync':>8} {'forked':>7} {'gaps':>5}")
        sessions = None
        for row in self.rows:
            if row.cell != cell:
                continue
            if sessions not in (None, row.sessions):
                print()
            sessions = row.sessions
            self.print_row(row)

    def print_row(self, row):
        head = f"{row.contender.label:45} {row.sessions:>8}"
        rates = self.column(row, "rate")
        if row.failure is not None or not rates:
            print(f"{head} failed: {row.failure}")
            return
        syncs = sum(self.column(row, "syncs"))
        commits = sum(self.column(row, "commits"))
        per_sync = f"{commits / syncs:,.1f}" if syncs else "-"
        forked, gaps = "-", "-"
        if row.contender.check != "check_rows" and (
                row.contender.build == "chained"):
            rows = sum(self.column(row, "rows"))
            share = sum(self.column(row, "forked")) / rows
            forked = f"{share:.0%}" if share else "0"
            gaps = f"{sum(self.column(row, 'gaps')):,}"
        print(f"{head} {rate_text(middle(rates)):>9} "
              f"{rate_text(min(rates)):>8} {rate_text(max(rates)):>8} "
              f"{ms_text(middle(self.column(row, 'p50_us'))):>7} "
              f"{ms_text(middle(self.column(row, 'p99_us'))):>7} "
              f"{per_sync:>8} {forked:>7} {gaps:>5}")

    def print_goals(self):
        goals = self.goals()
        if not goals:
            return
        print(f"\n{f'ratios, {GOAL_SESSIONS} sessions':69} {'measured':>9} "
              f"{'lowest':>8} {'highest':>8} {'goal':>8}")
        for words, values, goal in goals:
            verdict = "met" if middle(values) >= goal else "missed"
            print(f"{words:69} {middle(values):>7.2f} x {min(values):>6.2f} x "
                  f"{max(values):>6.2f} x {goal:>6g} x {verdict}")

    def print_verified(self):
        if not self.verified:
            return
        print(f"\n{'verifying one chain':45} {'rows':>10} {'seconds':>8} "
              f"{'rows/s':>10}   goal: {VERIFY_GOAL_ROWS:,} rows in "
              f"{VERIFY_GOAL_S} s")
        for who, rows, seconds, failure in self.verified:
            if seconds is None:
                print(f"{who:45} {rows:>10,} failed: {failure}")
                continue
            print(f"{who:45} {rows:>10,} {seconds:>8.1f} "
                  f"{rows / seconds:>10,.0f}")

    def print_tracked(self):
        if not self.tracked:
            return
        print(f"\n{'statements on a table':33} {'rows':>9} {'plain ms':>9} "
              f"{'tracked ms':>11} {'median':>7} {'lowest':>8} {'highest':>8}")
        for what, rows, plain, tracked, ratios in self.tracked:
            print(f"{what:33} {rows:>9,} {plain * 1e3:>9.0f} "
                  f"{tracked * 1e3:>11.0f} {middle(ratios):>5.2f} x "
                  f"{min(ratios):>6.2f} x {max(ratios):>6.2f} x")

    def as_json(self):
        rows = [{"contender": row.contender.key, "cell": row.cell.key,
                 "sessions": row.sessions, "failure": row.failure,
                 "turns": row.turns} for row in self.rows]
        goals = [{"what": words, "median": middle(values),
                  "lowest": min(values), "highest": max(values),
                  "goal": goal} for words, values, goal in self.goals()]
        verified = [{"who": who, "rows": count, "seconds": seconds,
                     "failure": failure}
                    for who, count, seconds, failure in self.verified]
        return {"facts": self.facts, "rounds": self.rounds, "rows": rows,
                "goals": goals, "verified": verified,
                "tracked": [{"what": what, "rows": rows, "plain_s": plain,
                             "tracked_s": tracked, "ratios": ratios}
                            for what, rows, plain, tracked, ratios
                            in self.tracked],
                "settings": SETTINGS}
