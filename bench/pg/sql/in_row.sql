-- SPDX-License-Identifier: Apache-2.0
-- For the contenders that keep the chain in the audit table itself.
ALTER TABLE audit_logs ADD seq bigint, ADD prev bytea, ADD hash bytea;
CREATE INDEX audit_logs_head ON audit_logs (org_id, seq);
