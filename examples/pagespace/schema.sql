-- PageSpace's activity_logs: one chain for everybody, its head read without a
-- lock, and a basis that is made up where it cannot be read.
CREATE TABLE activity_logs (
    id text PRIMARY KEY,
    "timestamp" timestamp NOT NULL,
    "userId" text,
    "actorEmail" text,
    operation text NOT NULL,
    "resourceType" text NOT NULL,
    "resourceId" text NOT NULL,
    "driveId" text,
    "pageId" text,
    "contentSnapshot" text,
    "previousValues" jsonb,
    "newValues" jsonb,
    metadata jsonb,
    "chainSeq" bigserial NOT NULL,
    "previousLogHash" text,
    "logHash" text,
    "chainSeed" text
);
CREATE INDEX ON activity_logs ("chainSeq");

-- stableStringify() of the eleven members, for values without nesting.
CREATE FUNCTION activity_text(r activity_logs) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT '{' || string_agg(to_json(k)::text || ':' || v, ',' ORDER BY k COLLATE "C") || '}'
    FROM (VALUES
        ('contentSnapshot', coalesce(to_json(r."contentSnapshot")::text, 'null')),
        ('driveId', coalesce(to_json(r."driveId")::text, 'null')),
        ('id', to_json(r.id)::text),
        ('metadata', 'null'),
        ('newValues', coalesce(replace(r."newValues"::text, '": ', '":'), 'null')),
        ('operation', to_json(r.operation)::text),
        ('pageId', coalesce(to_json(r."pageId")::text, 'null')),
        ('previousValues', 'null'),
        ('resourceId', to_json(r."resourceId")::text),
        ('resourceType', to_json(r."resourceType")::text),
        ('timestamp', to_json(to_char(r."timestamp", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))::text)
    ) AS members (k, v)
$$;

-- "fire and forget": whatever goes wrong, the caller never hears of it.
CREATE FUNCTION log_activity(op text, page text, title text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    r activity_logs;
    basis text;
BEGIN
    r.id := md5(random()::text || clock_timestamp()::text);
    r."timestamp" := date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC');
    r.operation := op;
    r."resourceType" := 'page';
    r."resourceId" := page;
    r."pageId" := page;
    r."newValues" := jsonb_build_object('title', title);
    BEGIN
        SELECT "logHash" INTO r."previousLogHash" FROM activity_logs
            WHERE "logHash" IS NOT NULL ORDER BY "chainSeq" DESC LIMIT 1;
        basis := r."previousLogHash";
        IF basis IS NULL THEN
            r."chainSeed" := encode(sha256(random()::text::bytea), 'hex');
            basis := r."chainSeed";
        END IF;
    EXCEPTION WHEN OTHERS THEN
        basis := '';  -- the head could not be read
    END;
    r."logHash" := encode(sha256(convert_to(basis || activity_text(r), 'UTF8')), 'hex');
    r."chainSeq" := nextval('"activity_logs_chainSeq_seq"');
    INSERT INTO activity_logs SELECT r.*;
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'activity lost: %', SQLERRM;
END $$;
