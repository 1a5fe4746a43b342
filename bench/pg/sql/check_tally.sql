-- SPDX-License-Identifier: Apache-2.0
-- as check_in_row.sql
WITH link AS (SELECT r.chain_id AS chain, r.seq, r.prev, r.hash
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
	WHERE c.name <> 'tally:log')
SELECT (SELECT count(*) FROM audit_logs),
	(SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM link
		GROUP BY chain, prev HAVING count(*) > 1) f),
	count(*) FILTER (WHERE p.hash IS NULL AND l.seq > 1) +
	(SELECT coalesce(sum(gaps), 0) FROM (SELECT max(seq) - count(DISTINCT seq)
		AS gaps FROM link GROUP BY chain) g),
	(SELECT count(*) FROM audit_logs) - count(*)
FROM link l LEFT JOIN link p
	ON p.chain = l.chain AND p.hash = l.prev AND p.seq = l.seq - 1;
