-- SPDX-License-Identifier: Apache-2.0
-- What every version must seal alike; some statements are meant to be refused.
-- tools/check-plain-versions judges what comes of it.
CREATE SCHEMA app;
SET search_path = app;
CREATE TABLE a (id bigint generated always as identity primary key, org int, body text, at timestamptz default now());
SELECT tally.attach('a', chain_by => 'org');
INSERT INTO a (org, body) VALUES (1,'x'),(2,'y"'),(1,'z');
BEGIN; INSERT INTO a(org,body) VALUES (1,'gone'); SAVEPOINT s; INSERT INTO a(org,body) VALUES (2,'sp'); ROLLBACK TO s; INSERT INTO a(org,body) VALUES (3,'kept'); COMMIT;
UPDATE a SET body = 'no' WHERE id = 1; DELETE FROM a; TRUNCATE a;
CREATE TABLE b (id int primary key, v text, o text);
SELECT tally.attach('b', append_only => false, only_when => $$v like 's%'$$, chain_by=>'o', keep_event=>true, salted=>true);
INSERT INTO b VALUES (1,'s1','x'),(2,'n','x'); UPDATE b SET v='s2'; UPDATE b SET o='y' WHERE id=1; DELETE FROM b WHERE id=2;
SELECT * FROM tally.append('d', '{"a": 1, "b c" : "x y"}', 'i1');
CALL tally.append_now('d', '{"a": 2}', 'i2');
CALL tally.append_now('d', '{"a": 2}', 'i2');
CALL tally.append_now('d', '{"a": 3}', 'i2');
SELECT tally.append('d', '{"a":1,"\u0061":2}');
SELECT tally.append('d', '"\ud800"');
SELECT * FROM tally.receipt('d','i2');
SELECT tally.detach('b');
SELECT chain, seq, source, key, id FROM tally.log ORDER BY 1,2;
SELECT chain, seq FROM tally.heads ORDER BY 1;
SELECT event FROM tally.event ORDER BY id;
UPDATE tally.record SET seq=1;
SELECT count(*) FROM tally.pending;
CREATE TABLE c (id bigint generated always as identity primary key, org int);
SELECT tally.attach('c', chain_by => 'org');
