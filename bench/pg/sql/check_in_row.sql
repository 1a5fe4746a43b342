-- SPDX-License-Identifier: Apache-2.0
-- rows; those that share their predecessor with another; those whose
-- predecessor is not there, and numbers that are missing; rows without a link
WITH link AS (SELECT org_id AS chain, seq, prev, hash FROM audit_logs)
SELECT count(*),
	(SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM link
		GROUP BY chain, prev HAVING count(*) > 1) f),
	count(*) FILTER (WHERE p.hash IS NULL AND l.seq > 1) +
	(SELECT coalesce(sum(gaps), 0) FROM (SELECT max(seq) - count(DISTINCT seq)
		AS gaps FROM link GROUP BY chain) g),
	count(*) FILTER (WHERE l.hash IS NULL)
FROM link l LEFT JOIN (SELECT DISTINCT chain, seq, hash FROM link) p
	ON p.chain = l.chain AND p.hash = l.prev AND p.seq = l.seq - 1;
