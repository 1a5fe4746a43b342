# SPDX-License-Identifier: Apache-2.0
"""Verifying a long chain: this extension beside a loop in PL/pgSQL.

Both have one table of the same rows in one chain.  This extension reads every
row and every record, and says what is missing or extra as well; the loop
recomputes the hash of every row and compares it with the next row's prev.
"""

import pathlib
import time

HERE = pathlib.Path(__file__).resolve().parent
SQL = HERE / "sql"

FILL = """INSERT INTO audit_logs (org_id, actor, action, resource, details)
SELECT 1, 'user-' || i, 'document.update', 'document/' || i,
	jsonb_build_object('ip', '198.51.100.7', 'version', i, 'result', 'success')
FROM generate_series({first}, {last}) i"""
BATCH = 250_000


def measure(bench):
    """(who, rows, seconds or None, what went wrong) of each."""
    server = bench.server("chained", True, "as-is")
    rows = bench.args.verify_rows
    found = []
    for who, scripts, query, expected in (
            ("tally.verify_summary", ("table", "tally"),
             "SELECT verdict, findings FROM tally.verify_summary()",
             "intact|0"),
            ("loop in PL/pgSQL", ("table", "advisory", "verify_loop"),
             "SELECT checked, broken FROM verify_loop()", f"{rows}|0")):
        server.empty()
        try:
            server.script(*(SQL / f"{name}.sql" for name in scripts))
            for first in range(1, rows + 1, BATCH):
                server.sql(FILL.format(
                    first=first, last=min(first + BATCH - 1, rows)))
            server.sql("VACUUM ANALYZE")
            server.sql("CHECKPOINT")
            begin = time.monotonic()
            said = server.sql(query)
            seconds = time.monotonic() - begin
            if said != expected:
                raise RuntimeError(f"it said {said}")
            found.append((who, rows, seconds, None))
        except RuntimeError as error:
            found.append((who, rows, None, str(error)))
    return found
