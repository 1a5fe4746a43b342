SELECT mesh.broker_append('m1', 'message_sent', 'peer' || :client_id,
    jsonb_build_object('targetSpec', '*', 'priority', 'now', 'n', (random() * 1000)::int));
