-- Telemetry of one organisation.
INSERT INTO audit_logs (org_id, actor_type, action, resource_type, details, result)
VALUES ('00000000-0000-4000-8000-000000000042', 'agent', 'telemetry.report',
    'device', jsonb_build_object('cpu', random(), 'client', :client_id), 'success');
