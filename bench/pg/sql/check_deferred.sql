-- SPDX-License-Identifier: Apache-2.0
-- as check_in_row.sql; the order is that of chain_seq, which may have gaps
WITH link AS (SELECT org_id AS chain, prev, hash, lag(hash) OVER (
	PARTITION BY org_id ORDER BY chain_seq) AS last FROM audit_chain)
SELECT (SELECT count(*) FROM audit_logs),
	(SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM link
		GROUP BY chain, prev HAVING count(*) > 1) f),
	count(*) FILTER (WHERE prev IS DISTINCT FROM last),
	(SELECT count(*) FROM audit_logs) - count(*)
FROM link;
