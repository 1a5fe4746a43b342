SELECT log_activity('update', 'page' || :client_id, 'title ' || (random() * 1000)::int);
