-- One request: its transaction writes an audit row; while it is open, the same
-- request writes a second one on another connection, and waits for it.
BEGIN;
INSERT INTO audit_logs (org_id, actor_type, action, resource_type, result)
VALUES ('00000000-0000-4000-8000-000000000042', 'user', 'device.update', 'device', 'success');
\! psql -XqAt -c "SET lock_timeout = '2s'" -c "INSERT INTO audit_logs (org_id, actor_type, action, resource_type, result) VALUES ('00000000-0000-4000-8000-000000000042', 'user', 'session.touch', 'session', 'success')" && echo 'the second connection was served'
COMMIT;
