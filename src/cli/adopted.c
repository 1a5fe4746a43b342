/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adopted.h"
#include "handle.h"
#include "signals.h"

/* ---- the source ------------------------------------------------------- */

static int
begin_query(void *arg, struct tally_profile_source *out,
    struct tally_error *error)
{
	struct adopted_source *source = arg;
	int result;

	if (source->is_open)
		foreign_close(&source->foreign);
	result = foreign_open(&source->foreign, source->options, error);
	source->is_open = true;
	*out = source->foreign.source;
	return result;
}

enum status
adopted_prepare(struct tally_adoption *adoption,
    const struct foreign_options *options, struct adopted_source *source)
{
	struct tally_error error = { 0 };
	struct tally_profile_about about;
	int result = profile_load(options->profile, options->set,
	    &adoption->profile, &error);

	if (result != 0)
		return output_failure(result, &error, false);
	tally_profile_describe(adoption->profile, &about);
	if (adoption->chain == NULL)
		adoption->chain = about.name;
	if (adoption->path == NULL) {
		adoption->begin = begin_query;
		adoption->begin_arg = source;
		if (adoption->from == NULL)
			adoption->from = about.title != NULL ? about.title
							     : about.name;
	} else {
		foreign_tell_mark(adoption->path);
		if (foreign_is_csv(options, adoption->path))
			adoption->format = TALLY_PROFILE_CSV;
	}
	return STATUS_DONE;
}

void
adopted_end(struct tally_adoption *adoption, struct adopted_source *source)
{
	if (source->is_open)
		foreign_close(&source->foreign);
	tally_profile_free(adoption->profile);
}

/* ---- a table ---------------------------------------------------------- */

static int
is_interrupted(void *arg)
{
	(void)arg;
	return signals_caught();
}

static void
put_name(const char *name)
{
	output_name(name, strlen(name));
}

static void
print_plan(const struct adopted_table *table, const char *chain_by,
    const struct tally_pg_adopted *state)
{
	if (state->attached) {
		printf("plan      go on: the table is attached; %s\n",
		    state->sealed ? "its rows of before are sealed"
				  : "its rows of before are to be sealed");
		return;
	}
	printf("plan      seal what was found, attach ");
	put_name(table->name);
	if (chain_by != NULL) {
		printf(" by ");
		put_name(chain_by);
		printf(", a chain for each value");
	}
	printf(", seal its rows of before; --apply does it\n");
}

static void
print_state(const struct adopted_table *table, const char *chain_by,
    const struct tally_pg_adopted *state)
{
	bool done = state->attached && state->sealed && state->told;

	if (!done) {
		print_plan(table, chain_by, state);
		return;
	}
	printf("adopted   as ");
	put_name(state->label);
	printf(" on %s: since then its rows are proven by their"
	       " records (tally pg verify)\n",
	    state->time);
	printf("before    by their own hashes, but for %" PRIu64
	       " findings, of which chain ",
	    state->findings);
	put_name(state->chain);
	printf(" tells\n");
}

enum status
adopted_attach(const struct tally_adoption *adoption,
    const struct tally_adopted *adopted, const struct adopted_table *table)
{
	struct tally_pg_adoption how = { .table = table->name,
		.chain_by = table->chain_by,
		.interrupted = is_interrupted };
	struct tally_profile_about about;
	struct tally_pg_adopted state;
	struct tally_error error = { 0 };
	char *event = NULL;
	int result = 0;

	tally_profile_describe(adoption->profile, &about);
	if (how.chain_by == NULL)
		how.chain_by = about.chain;
	if (table->apply)
		result = tally_adopt_event(adoption, adopted, &event, &error);
	how.event = event;
	if (result == 0)
		result = tally_pg_adopt(table->conninfo, &how, &state, &error);
	free(event);
	if (result == TALLY_PARTIAL) {
		complain("interrupted; the same call goes on");
		return STATUS_INTERRUPTED;
	}
	if (result != 0)
		return output_failure(result, &error, false);
	if (!table->json)
		print_state(table, how.chain_by, &state);
	return STATUS_DONE;
}

/* ---- verifying what was adopted --------------------------------------- */

/* What the verdict rests on, for people. */
static void
print_grounds(const struct tally_adoption *adoption,
    const struct tally_verdict *verdict, const struct tally_adopted *adopted)
{
	printf("adopted   %" PRIu64 " records are as they were adopted into ",
	    verdict->records);
	output_name(adoption->chain, strlen(adoption->chain));
	if (adopted->time_us > 0) {
		printf(" on ");
		output_time(adopted->time_us);
	}
	printf("\nbefore    ");
	if (adopted->time_us == 0)
		printf("the adoption was interrupted; \"tally adopt\" goes"
		       " on\n");
	else if (adopted->diagnosis.findings == 0)
		printf("they are proven by their own hashes\n");
	else
		printf("by their own hashes, but for %" PRIu64
		       " findings that the log holds\n",
		    adopted->diagnosis.findings);
	if (adopted->time_us > 0 && adopted->unsaid > 0)
		printf("unfinished %" PRIu64
		       " of what was adopted: by an adoption that was"
		       " interrupted,\n          or by somebody else; \"tally"
		       " adopt\" goes on\n",
		    adopted->unsaid);
	if (adopted->since > 0)
		printf("since     %" PRIu64
		       " records came after; \"tally adopt\" adopts them\n",
		    adopted->since);
}

enum status
adopted_verify(struct tally_adoption *adoption, const char *dir,
    struct verifying *verifying)
{
	struct tally_verify_options how = { 0 };
	struct tally_verdict verdict = { 0 };
	struct tally_adopted adopted = { 0 };
	struct tally_error error = { 0 };
	struct tally_log *log = NULL;
	enum status status;
	int result;

	/* What a log that was changed says of the source is worth nothing. */
	verifying_begin(verifying, &how);
	result = tally_verify(dir, &how, &verdict, &error);
	if (result != 0 || verdict.verdict != TALLY_INTACT)
		return verifying_end(verifying, result, &verdict, VERDICT_LOG,
		    &error);
	status = handle_open_reader(dir, &log);
	if (status != STATUS_DONE)
		return status;
	adoption->options = &how;
	memset(&verdict, 0, sizeof(verdict));
	result = tally_adopt_verify(adoption, log, &verdict, &adopted, &error);
	status = verifying_end(verifying, result, &verdict, VERDICT_FOREIGN,
	    &error);
	if (result == 0 && !verifying->json && !verifying->quiet)
		print_grounds(adoption, &verdict, &adopted);
	return handle_close(log, status);
}
