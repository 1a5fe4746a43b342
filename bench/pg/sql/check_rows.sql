-- SPDX-License-Identifier: Apache-2.0
-- Nothing is chained here.
SELECT count(*), 0, 0, 0 FROM audit_logs;
