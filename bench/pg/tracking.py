# SPDX-License-Identifier: Apache-2.0
"""What tracking a table costs: statements on one that is tracked beside the same
on one that is not, turn by turn.

Statements of many rows cost rendering and hashing; statements of one row cost a
record each.
"""

import statistics
import time

SMALL = 2_000
STEPS = (
    ("insert", "INSERT INTO {table} SELECT i, 0, 'note ' || i"
     " FROM generate_series(1, {rows}) i"),
    ("update", "UPDATE {table} SET n = n + 1"),
    ("update by one, each a commit", "CALL one_by_one('{table}', {small})"),
    ("delete", "DELETE FROM {table}"),
)
SETUP = """CREATE EXTENSION tally;
CREATE TABLE plain (id int PRIMARY KEY, n int, note text);
CREATE TABLE tracked (id int PRIMARY KEY, n int, note text);
SELECT tally.track('tracked');
CREATE PROCEDURE one_by_one(name text, times int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		EXECUTE format('UPDATE %I SET n = n + 1 WHERE id = $1', name) USING i;
		COMMIT;
	END LOOP;
END $$"""


def turn(server, table, rows):
    """Seconds of each step."""
    found = []
    for _, sql in STEPS:
        server.sql("CHECKPOINT")
        begin = time.monotonic()
        server.sql(sql.format(table=table, rows=rows, small=SMALL))
        found.append(time.monotonic() - begin)
    server.sql(f"VACUUM {table}")
    return found


def measure(bench):
    """(what, rows, seconds plain, seconds tracked, ratios of the rounds)."""
    rows = bench.args.track_rows
    server = bench.server("chained", True, "as-is")
    server.empty()
    for statement in SETUP.split(";\n", 4):
        server.sql(statement)
    rounds = [(turn(server, "plain", rows), turn(server, "tracked", rows))
              for _ in range(bench.args.rounds)]
    found = []
    for step, (what, _) in enumerate(STEPS):
        plain = [one[step] for one, _ in rounds]
        tracked = [other[step] for _, other in rounds]
        found.append((what, SMALL if "by one" in what else rows,
                      statistics.median(plain), statistics.median(tracked),
                      [b / a for a, b in zip(plain, tracked)]))
    return found
