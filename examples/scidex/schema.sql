-- SciDEX: rows of several tables, one chain for all of them in audit_chain.
-- The source is not public: this follows its description.
CREATE TABLE hypotheses (id serial PRIMARY KEY, title text NOT NULL, score numeric);
CREATE TABLE debates (id serial PRIMARY KEY, hypothesis int REFERENCES hypotheses, verdict text);
CREATE TABLE wiki_edits (id serial PRIMARY KEY, page text NOT NULL, body text NOT NULL);

CREATE TABLE audit_chain (
    seq bigserial PRIMARY KEY,
    event_kind text NOT NULL,
    event_pk text NOT NULL,
    event_hash bytea NOT NULL,
    prev_hash bytea NOT NULL,
    chain_hash bytea NOT NULL,
    appended_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (event_kind, event_pk)
);

-- FOR UPDATE on the last row does not serialise: who waits for it goes on with
-- it, although it is not the last one any more.
CREATE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    prev bytea;
    event bytea := sha256(convert_to(to_jsonb(NEW)::text, 'UTF8'));
    number bigint;
BEGIN
    SELECT chain_hash INTO prev FROM audit_chain ORDER BY seq DESC LIMIT 1 FOR UPDATE;
    number := nextval('audit_chain_seq_seq');
    prev := coalesce(prev, decode(repeat('00', 32), 'hex'));
    INSERT INTO audit_chain (seq, event_kind, event_pk, event_hash, prev_hash, chain_hash)
        VALUES (number, TG_TABLE_NAME, to_jsonb(NEW) ->> 'id', event, prev,
            sha256(prev || event || int8send(number)));
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT ON hypotheses FOR EACH ROW EXECUTE FUNCTION audit_append();
CREATE TRIGGER audit AFTER INSERT ON debates FOR EACH ROW EXECUTE FUNCTION audit_append();
CREATE TRIGGER audit AFTER INSERT ON wiki_edits FOR EACH ROW EXECUTE FUNCTION audit_append();

CREATE TABLE senate_alerts (
    id serial PRIMARY KEY,
    kind text NOT NULL,
    severity text NOT NULL,
    chain text,
    seq bigint,
    event_pk text,
    detail text,
    raised_at timestamptz NOT NULL DEFAULT now()
);
