/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/text.h"
#include "pgclient/record.h"
#include "pgclient/verifier.h"

#define FIRST_CAPACITY 256

int
tally_pg_chains_init(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_chains *chains = &v->chains;

	(void)pthread_mutex_init(&chains->lock, NULL);
	chains->seed = v->seed;
	chains->capacity = FIRST_CAPACITY;
	chains->all = calloc(FIRST_CAPACITY, sizeof(*chains->all));
	chains->ids = calloc(FIRST_CAPACITY, sizeof(*chains->ids));
	chains->names = calloc(FIRST_CAPACITY, sizeof(*chains->names));
	if (chains->all == NULL || chains->ids == NULL || chains->names == NULL)
		return tally_pg_no_memory(error);
	return 0;
}

void
tally_pg_chains_wipe(struct tally_pg_chains *chains)
{
	if (chains->capacity == 0)
		return;
	(void)pthread_mutex_destroy(&chains->lock);
	free(chains->all);
	free(chains->ids);
	free(chains->names);
	memset(chains, 0, sizeof(*chains));
}

static size_t
id_slot(const struct tally_pg_chains *chains, int64_t id)
{
	return (size_t)tally_sip(&chains->seed, &id, sizeof(id)) &
	    (chains->capacity - 1);
}

static size_t
name_slot(const struct tally_pg_chains *chains, const char *name, size_t len)
{
	return (size_t)tally_sip(&chains->seed, name, len) &
	    (chains->capacity - 1);
}

static void
link_chain(struct tally_pg_chains *chains, struct tally_pg_chain *chain)
{
	size_t at = id_slot(chains, chain->seen.id);

	chain->next_id = chains->ids[at];
	chains->ids[at] = chain;
	if (chain->seen.name == NULL)
		return;
	at = name_slot(chains, chain->seen.name, strlen(chain->seen.name));
	chain->next_name = chains->names[at];
	chains->names[at] = chain;
}

static bool
grow(struct tally_pg_chains *chains)
{
	size_t capacity = chains->capacity * 2;
	struct tally_pg_chain **all = realloc(chains->all,
	    capacity * sizeof(*all));
	struct tally_pg_chain **ids = calloc(capacity, sizeof(*ids));
	struct tally_pg_chain **names = calloc(capacity, sizeof(*names));

	if (all != NULL)
		chains->all = all;
	if (all == NULL || ids == NULL || names == NULL) {
		free(ids);
		free(names);
		return false;
	}
	free(chains->ids);
	free(chains->names);
	chains->ids = ids;
	chains->names = names;
	chains->capacity = capacity;
	/* Those found by name first are to be found first again. */
	for (size_t i = chains->count; i-- > 0;)
		link_chain(chains, chains->all[i]);
	return true;
}

static struct tally_pg_chain *
add(struct tally_pg_verifier *v, int64_t id)
{
	struct tally_pg_chains *chains = &v->chains;
	struct tally_pg_chain *chain;

	if (chains->count == chains->capacity && !grow(chains))
		return NULL;
	chain = tally_pg_arena_get(&v->arena, sizeof(*chain));
	if (chain == NULL)
		return NULL;
	chain->seen.id = id;
	chains->all[chains->count++] = chain;
	link_chain(chains, chain);
	return chain;
}

struct tally_pg_chain *
tally_pg_chains_get(struct tally_pg_verifier *v, int64_t id)
{
	struct tally_pg_chains *chains = &v->chains;
	struct tally_pg_chain *chain;

	(void)pthread_mutex_lock(&chains->lock);
	chain = chains->ids[id_slot(chains, id)];
	while (chain != NULL && chain->seen.id != id)
		chain = chain->next_id;
	if (chain == NULL)
		chain = add(v, id);
	(void)pthread_mutex_unlock(&chains->lock);
	return chain;
}

struct tally_pg_chain *
tally_pg_chains_find(struct tally_pg_verifier *v, const char *name, size_t len)
{
	struct tally_pg_chains *chains = &v->chains;
	struct tally_pg_chain *chain;

	(void)pthread_mutex_lock(&chains->lock);
	chain = chains->names[name_slot(chains, name, len)];
	while (chain != NULL &&
	    (strlen(chain->seen.name) != len ||
		memcmp(chain->seen.name, name, len) != 0))
		chain = chain->next_name;
	(void)pthread_mutex_unlock(&chains->lock);
	return chain;
}

static void
forget_name(struct tally_pg_chains *chains, struct tally_pg_chain *chain)
{
	struct tally_pg_chain **at = &chains->names[name_slot(chains,
	    chain->seen.name, strlen(chain->seen.name))];

	while (*at != NULL && *at != chain)
		at = &(*at)->next_name;
	if (*at == chain)
		*at = chain->next_name;
}

static int
take_name(struct tally_pg_verifier *v, struct tally_pg_chain *chain,
    const char *name, struct tally_error *error)
{
	char escaped[TALLY_CHAIN_TEXT_MAX];
	const char *what;
	size_t at;
	size_t len;

	chain->seen.name = tally_pg_arena_string(&v->arena, name);
	chain->seen.escaped = NULL;
	if (chain->seen.name != NULL &&
	    tally_name_escape(name, strlen(name), TALLY_CHAIN_MAX, escaped,
		&len, &what) == 0) {
		chain->seen.escaped = tally_pg_arena_copy(&v->arena, escaped,
		    len);
		chain->seen.escaped_len = len;
		if (chain->seen.escaped == NULL)
			return tally_pg_no_memory(error);
	}
	if (chain->seen.name == NULL)
		return tally_pg_no_memory(error);
	at = name_slot(&v->chains, name, strlen(name));
	chain->next_name = v->chains.names[at];
	v->chains.names[at] = chain;
	return 0;
}

/* One row of tally.chain; what is wrong with it is told. */
static int
take_row(struct tally_pg_verifier *v, const char *id_text, const char *name,
    struct tally_error *error)
{
	int64_t id = id_text == NULL ? 0 : strtoll(id_text, NULL, 10);
	struct tally_pg_subject subject = { .chain = name };
	struct tally_pg_chain *chain = NULL;
	const char *fault = NULL;

	if (id > 0) {
		chain = tally_pg_chains_get(v, id);
		if (chain == NULL)
			return tally_pg_no_memory(error);
	}
	if (chain == NULL)
		fault = "its number is null, or none";
	else if (name == NULL)
		fault = "its name is null";
	else if (chain->seen.name != NULL)
		fault = "another row has its number";
	else if (tally_pg_chains_find(v, name, strlen(name)) != NULL)
		fault = "another row has its name";
	if (fault != NULL)
		tally_pg_tell(v, TALLY_DAMAGED, &subject,
		    "a row of tally.chain is none: %s", fault);
	if (name == NULL || chain == NULL || chain->seen.name != NULL)
		return 0;
	if (take_name(v, chain, name, error) != 0)
		return TALLY_E_MEMORY;
	if (fault == NULL && chain->seen.escaped == NULL)
		tally_pg_tell(v, TALLY_DAMAGED, &subject,
		    "no chain has such a name");
	return 0;
}

int
tally_pg_chains_load(struct tally_pg_verifier *v, struct tally_error *error)
{
	static const char sql[] =
	    "COPY (SELECT c.id, c.name"
	    " FROM ONLY tally.chain AS c) TO STDOUT (FORMAT binary)";
	const struct tally_verify_options *options = v->options;
	struct tally_pg_conn *conn = &v->pool.first;
	struct tally_pg_text name = { 0 };
	struct tally_pg_field fields[2];
	bool first = true;
	char *row;
	size_t len;
	int result;

	result = tally_pg_conn_copy(conn, sql, error);
	while (result == 0) {
		char number[24];
		int64_t id = 0;

		result = tally_pg_conn_next(conn, &row, &len, error);
		if (result != 0)
			break;
		result = tally_pg_fields_decode(row, len, &first, fields, 2);
		if (result == TALLY_END) {
			result = 0;
			continue;
		}
		if (result != 0) {
			result = tally_fail(error, TALLY_E_IO,
			    "the database sent what is no row");
			break;
		}
		for (size_t i = 0; i < fields[0].len; i++)
			id = (int64_t)((uint64_t)id << 8 |
			    (uint8_t)fields[0].at[i]);
		snprintf(number, sizeof(number), "%lld", (long long)id);
		tally_pg_text_reset(&name);
		tally_pg_text_add(&name, fields[1].at, fields[1].len);
		if (name.failed)
			result = tally_pg_no_memory(error);
		else
			result = take_row(v,
			    fields[0].at == NULL ? NULL : number,
			    fields[1].at == NULL ? NULL : name.at, error);
	}
	tally_pg_text_wipe(&name);
	if (result != TALLY_END)
		return result;
	v->chains.log = tally_pg_chains_find(v, TALLY_PG_LOG_CHAIN,
	    strlen(TALLY_PG_LOG_CHAIN));
	if (options->chain == NULL)
		return 0;
	v->chains.only = tally_pg_chains_find(v, options->chain,
	    options->chain_len);
	if (v->chains.only == NULL)
		return tally_fail(error, TALLY_END,
		    "the database has no chain \"%s\"", options->chain);
	return 0;
}

/* ---- the log's own chain ---------------------------------------------- */

/* The name in tally.chain is not what its records are sealed under. */
static int
rename_to_log(struct tally_pg_verifier *v, struct tally_pg_chain *chain,
    struct tally_error *error)
{
	struct tally_pg_subject subject = { .chain = TALLY_PG_LOG_CHAIN };

	if (chain->seen.name == NULL)
		tally_pg_tell(v, TALLY_LINK_ALTERED, &subject,
		    "tally.chain has no row for it");
	else
		tally_pg_tell(v, TALLY_LINK_ALTERED, &subject,
		    "tally.chain calls it \"%s\"", chain->seen.name);
	/* Another chain that was given its name is told for that later. */
	if (chain->seen.name != NULL)
		forget_name(&v->chains, chain);
	if (v->chains.log != NULL)
		forget_name(&v->chains, v->chains.log);
	v->chains.log = chain;
	atomic_store(&chain->suspect, true);
	return take_name(v, chain, TALLY_PG_LOG_CHAIN, error);
}

int
tally_pg_chains_settle_log(struct tally_pg_verifier *v, bool *out_renamed,
    struct tally_error *error)
{
	static const char sql[] =
	    "COPY (SELECT " TALLY_PG_RECORD_COLUMNS
	    " FROM ONLY tally.record AS r WHERE r.seq = 1)"
	    " TO STDOUT (FORMAT binary)";
	struct tally_pg_field fields[TALLY_PG_RECORD_COUNT];
	struct tally_pg_chain *log = v->chains.log;
	struct tally_pg_conn *conn = &v->pool.first;
	struct tally_pg_record record;
	struct tally_hash hash;
	int64_t found = 0;
	bool first = true;
	char *row;
	size_t len;
	int result;

	*out_renamed = false;
	if (log != NULL && atomic_load(&log->bad) < atomic_load(&log->records))
		return 0;
	result = tally_pg_conn_copy(conn, sql, error);
	while (result == 0) {
		result = tally_pg_conn_next(conn, &row, &len, error);
		if (result != 0)
			break;
		if (tally_pg_fields_decode(row, len, &first, fields,
			TALLY_PG_RECORD_COUNT) != 0)
			continue;
		tally_pg_record_decode(fields, &record);
		if (record.has_chain && record.has_prev && record.has_hash &&
		    tally_parts_hash(&v->hasher, &record.parts,
			TALLY_PG_LOG_CHAIN, strlen(TALLY_PG_LOG_CHAIN), 1,
			&record.prev, &hash) &&
		    tally_hash_equal(&hash, &record.hash))
			found = record.chain_id;
	}
	if (result != TALLY_END)
		return result;
	if (found == 0 || (log != NULL && found == log->seen.id))
		return 0;
	*out_renamed = true;
	log = tally_pg_chains_get(v, found);
	if (log == NULL)
		return tally_pg_no_memory(error);
	return rename_to_log(v, log, error);
}

uint64_t
tally_pg_chains_count(struct tally_pg_verifier *v)
{
	uint64_t count = 0;

	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i];

		count += atomic_load(&chain->records) > 0 &&
		    (v->chains.only == NULL || chain == v->chains.only);
	}
	return count;
}
