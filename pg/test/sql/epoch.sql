-- Reading the event of an attach that an adversary has rewritten: whatever it
-- is, it is refused or taken for what it says, and never an error.
-- tally.status reads it anew each time.
CREATE TABLE t (id integer, "b ""\	é" text, c text, PRIMARY KEY (id, c));
SELECT tally.attach('t', chain_by => 'c', only_when => $$c <> '"'$$);
SELECT e.id AS epoch, e.event FROM tally.attachment a
	JOIN tally.event e ON e.id = a.epoch \gset
SELECT regexp_replace(regexp_replace(regexp_replace(:'event',
	'"xid":"\d+"', '"xid":"<xid>"'), '"cluster":"\d+"', '"cluster":"<cluster>"'),
	'"relation":\d+', '"relation":<oid>') AS event;
SELECT set_config('test.epoch', :'epoch', false) IS NOT NULL AS set;
ALTER TABLE tally.event DISABLE TRIGGER guard;

-- Is the table still attached as far as tally.status can tell?
CREATE FUNCTION is_read(changed text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	UPDATE tally.event SET event = changed
		WHERE id = current_setting('test.epoch')::bigint;
	SELECT state INTO STRICT found FROM tally.status WHERE item = 'table';
	RETURN found <> 'configuration changed';
END
$$;
SELECT is_read(:'event');

-- Cut off anywhere, and with something behind it.
SELECT count(*) FROM generate_series(0, length(:'event') - 1) n
	WHERE is_read(left(:'event', n));
SELECT count(*) FROM unnest(ARRAY[' ', E'\n', '}', ',', 'x']) more
	WHERE is_read(:'event' || more);

-- Each character taken out, or doubled.  What is left may be another name or
-- another number, so some are read.  One whose structure is broken is not;
-- the one in the first list is a quote within a name.
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE c IN ('{', '}', '[', ']', ':', '"'))
		AS broken
	FROM generate_series(1, length(:'event')) n,
		substr(:'event', n, 1) c
	WHERE position('only_when' in left(:'event', n)) = 0
		AND is_read(overlay(:'event' placing '' from n for 1));
SELECT count(*) FILTER (WHERE c IN ('{', '}', '[', ']', '"')) AS broken
	FROM generate_series(1, length(:'event')) n,
		substr(:'event', n, 1) c
	WHERE position('only_when' in left(:'event', n)) = 0
		AND is_read(overlay(:'event' placing c || c from n for 1));
-- Each character replaced by one that means something, or by any.
SELECT count(is_read(overlay(:'event' placing new from n for 1))) > 0 AS survived
	FROM generate_series(1, length(:'event')) n,
		unnest(ARRAY['"', '\', '{', '}', '[', ']', ',', ':', '0', '-', 'é',
			E'\x01', E'\x7f']) new;

-- One thing changed at a time.
CREATE TABLE changes (old text, new text);
INSERT INTO changes VALUES
	-- the same value in another spelling
	('"integer"', '"in\u0074eger"'),
	('"integer"', '"in\/teger"'),
	('"b \"\\', '"b \u0022\\'),
	('\té', E'\té'),
	('\té', '\u0009é'),
	('é', '\u00e9'),
	('"number":1', '"number":01'),
	('"number":1', '"number":1.0'),
	('"number":1', '"number":1e0'),
	('"number":1', '"number":"1"'),
	('"typmod":-1', '"typmod":-01'),
	('"append_only":true', '"append_only":True'),
	('"append_only":true', '"append_only":1'),
	('"xid":"', '"xid":"0'),
	('"cluster":"', '"cluster":"+'),
	('"relation":', '"relation":0'),
	('{"attach":', '{ "attach":'),
	('"label":"t",', '"label": "t",'),
	-- no JSON, or none of ours
	('"integer"', '"in\uteger"'),
	('"integer"', '"in\u00"'),
	('"integer"', '"in\ud800teger"'),
	('"integer"', '"in\u0000teger"'),
	('"integer"', E'"in\teger"'),
	('"label":"t"', '"label":"t'),
	('"label":"t"', '"label":t'),
	('"label":"t"', '"label":null'),
	('"keep_event":false,', ''),
	('"keep_event":false', '"keep_event":fals'),
	('"keep_event":false', '"keep_event":null'),
	('"keep_event":false,', '"keep_event":false,"keep_event":false,'),
	('"keep_event":false,', '"keep_event":false,"kin":1,'),
	('"attach"', '"detach"'),
	('"salted":false', '"sealed":false'),
	-- what cannot be
	('"number":1,', '"number":0,'),
	('"number":1,', '"number":-1,'),
	('"number":1,', '"number":3,'),
	('"number":3,', '"number":2,'),
	('"number":3,', '"number":1601,'),
	('"number":3,', '"number":65539,'),
	('"number":3,', '"number":18446744073709551619,'),
	('"typmod":-1', '"typmod":-2'),
	('"typmod":-1', '"typmod":2147483648'),
	('"name":"c"', '"name":"id"'),
	('"key":["id","c"]', '"key":[]'),
	('"key":["id","c"]', '"key":["nothing"]'),
	('"key":["id","c"]', '"key":["id",]'),
	('"key":["id","c"]', '"key":["id"'),
	('"chain_by":"c"', '"chain_by":"nothing"'),
	('"relation":', '"relation":-'),
	('"relation":', '"relation":99999999999'),
	('"xid":"', '"xid":"99999999999999999999'),
	('"cluster":"', '"cluster":"99999999999999999999');
SELECT c.* FROM changes c WHERE position(old in :'event') = 0;
SELECT c.* FROM changes c WHERE is_read(replace(:'event', old, new));
-- A column more than a table can have, a column of a key more than an index.
SELECT is_read(replace(:'event', '"number":3,', '"number":3,' || repeat(' ', 100)));
SELECT is_read(regexp_replace(:'event', '"columns":\[.*\],"database"',
	'"columns":[' || (SELECT string_agg(format(
		'{"name":"%s","number":%s,"type":"integer","typmod":-1}',
		CASE n WHEN 1 THEN 'id' WHEN 2 THEN 'c' ELSE 'x' || n END, n), ',')
		FROM generate_series(1, last) n) || '],"database"'))
	FROM unnest(ARRAY[1600, 1601]) last;
SELECT is_read(replace(:'event', '"key":["id","c"]', '"key":["id"'
	|| repeat(',"c"', more) || ']')) FROM unnest(ARRAY[31, 32]) more;
-- Longer than any event.
SELECT is_read(replace(:'event', '"public.t"', '"' || repeat('x', n) || '"'))
	FROM unnest(ARRAY[16000000, 16777216]) n;
SELECT is_read('');
SELECT is_read(repeat('[', 100000));
SELECT is_read('{"attach":{"append_only":true,"columns":['
	|| repeat('{"name":"a","number":1,"type":"x","typmod":-1},', 1000));
SELECT is_read(:'event');
