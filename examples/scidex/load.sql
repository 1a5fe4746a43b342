\set what random(1, 3)
\if :what = 1
INSERT INTO hypotheses (title, score) VALUES ('hypothesis of ' || :client_id, round(random()::numeric, 3));
\elif :what = 2
INSERT INTO debates (verdict) VALUES ('open');
\else
INSERT INTO wiki_edits (page, body) VALUES ('page' || :client_id, md5(random()::text));
\endif
