-- The writer afterwards: one INSERT, and an error is an error.
CREATE OR REPLACE FUNCTION log_activity(op text, page text, title text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO activity_logs (id, "timestamp", operation, "resourceType",
        "resourceId", "pageId", "newValues")
    VALUES (gen_random_uuid(), clock_timestamp() AT TIME ZONE 'UTC', op, 'page',
        page, page, jsonb_build_object('title', title))
$$;
