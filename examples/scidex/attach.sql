-- One chain for all three tables, updates and deletions sealed, too.
DROP TRIGGER audit ON hypotheses;
DROP TRIGGER audit ON debates;
DROP TRIGGER audit ON wiki_edits;
CREATE EXTENSION tally;
SELECT tally.attach('hypotheses', prefix => 'scidex', append_only => false);
SELECT tally.attach('debates', prefix => 'scidex', append_only => false);
SELECT tally.attach('wiki_edits', prefix => 'scidex', append_only => false);
-- What was there before is sealed now, in an era of its own.
CALL tally.backfill('hypotheses');
CALL tally.backfill('debates');
CALL tally.backfill('wiki_edits');
-- Who verifies can read, and nothing else.
CREATE ROLE scidex_audit LOGIN IN ROLE tally_reader;
GRANT SELECT ON hypotheses, debates, wiki_edits TO scidex_audit;
GRANT SELECT ON ALL TABLES IN SCHEMA tally TO scidex_audit;
