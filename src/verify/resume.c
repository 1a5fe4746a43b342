/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a verification that was interrupted. */
#include <string.h>

#include "core/fail.h"
#include "log/sys.h"
#include "verify/resume.h"

static const char magic[] = "tally-verify-resume/4\n";
#define MAGIC_LEN (sizeof(magic) - 1)

/* ---- writing ---------------------------------------------------------- */

static void
put_where(struct tally_bytes *out, const struct tally_where *where)
{
	tally_bytes_put_u64(out, where->index);
	tally_bytes_put_u64(out, where->offset);
	tally_bytes_put_u64(out, where->extent);
}

static void
put_step(struct tally_bytes *out, const struct tally_step *step)
{
	tally_bytes_put_hash(out, &step->prev);
	tally_bytes_put_hash(out, &step->hash);
	tally_bytes_put_hash(out, &step->alt);
	tally_bytes_put_u64(out, step->seq);
	put_where(out, &step->where);
	tally_bytes_put_u64(out, step->chain);
	tally_bytes_put_u64(out,
	    (uint64_t)step->has_alt | (uint64_t)step->wild << 1 |
		(uint64_t)step->accused << 2);
}

static void
put_chains(struct tally_bytes *out, const struct tally_judge *judge)
{
	const struct tally_chain *c;
	uint32_t i;

	tally_bytes_put_u64(out, judge->chains.len);
	for (i = 0; i < judge->chains.len; i++) {
		c = &judge->chains.items[i];
		tally_bytes_put_text(out, c->name, c->name_len);
		tally_bytes_put_hash(out, &c->hash);
		tally_bytes_put_u64(out, c->seq);
		tally_bytes_put_u64(out, c->first_index);
		put_where(out, &c->where);
		tally_bytes_put_u64(out, c->place);
	}
}

static void
put_troubles(struct tally_bytes *out, const struct tally_judge *judge)
{
	const struct tally_trouble *trouble;
	uint32_t i;

	tally_bytes_put_u64(out, judge->troubles_used);
	for (i = 0; i < TALLY_TROUBLES_MAX; i++) {
		trouble = &judge->troubles[i];
		if (trouble->chain == TALLY_CHAIN_NONE)
			continue;
		tally_bytes_put_u64(out, trouble->chain);
		tally_bytes_put_u64(out,
		    (uint64_t)trouble->has_next |
			(uint64_t)trouble->has_alt << 1 |
			(uint64_t)trouble->wild << 2 |
			(uint64_t)trouble->accused << 3);
		tally_bytes_put_hash(out, &trouble->alt);
		put_step(out, &trouble->next);
	}
	tally_bytes_put_u64(out, judge->earlies_len);
	for (i = 0; i < judge->earlies_len; i++)
		put_step(out, &judge->earlies[i]);
}

static void
put_gaps(struct tally_bytes *out, const struct tally_judge *judge)
{
	const struct tally_gap *gap;
	uint32_t i;

	tally_bytes_put_u64(out, judge->gaps_len);
	for (i = 0; i < judge->gaps_len; i++) {
		gap = &judge->gaps[i];
		tally_bytes_put_u64(out, gap->chain);
		tally_bytes_put_u64(out,
		    (uint64_t)gap->has_before | (uint64_t)gap->has_after << 1);
		tally_bytes_put_u64(out, gap->begin);
		tally_bytes_put_u64(out, gap->end);
		tally_bytes_put_hash(out, &gap->before);
		tally_bytes_put_hash(out, &gap->after);
		tally_bytes_put_u64(out, gap->low_index);
		tally_bytes_put_u64(out, gap->extent);
		put_where(out, &gap->where);
	}
}

static void
put_lost(struct tally_bytes *out, const struct tally_judge *judge)
{
	const struct tally_lost *lost;
	const struct tally_doubt *doubt;
	uint32_t i;

	tally_bytes_put_u64(out, judge->lost_len);
	for (i = 0; i < judge->lost_len; i++) {
		lost = &judge->lost[i];
		tally_bytes_put_u64(out, lost->kind);
		put_where(out, &lost->where);
		tally_bytes_put_u64(out, lost->chain);
		tally_bytes_put_u64(out,
		    (uint64_t)lost->has_seq | (uint64_t)lost->has_hash << 1);
		tally_bytes_put_u64(out, lost->seq);
		tally_bytes_put_hash(out, &lost->hash);
		tally_bytes_put_text(out, lost->name, lost->name_len);
	}
	tally_bytes_put_u64(out, judge->doubts_len);
	for (i = 0; i < judge->doubts_len; i++) {
		doubt = &judge->doubts[i];
		put_step(out, &doubt->step);
		tally_bytes_put_u64(out, doubt->has_prev);
	}
}

static void
put_judge(struct tally_bytes *out, const struct tally_judge *judge)
{
	uint32_t i;

	tally_bytes_put_u64(out, judge->size);
	tally_bytes_put_u64(out, judge->records);
	tally_bytes_put_u64(out, judge->extent);
	tally_bytes_put_u64(out, judge->done_extent);
	tally_bytes_put_u64(out, judge->done_offset);
	tally_bytes_put_u64(out,
	    (uint64_t)judge->cut | (uint64_t)judge->root_seen << 1 |
		(uint64_t)judge->log_begun << 2 |
		(uint64_t)judge->has_erased << 3);
	tally_bytes_put_hash(out, &judge->root);
	put_where(out, &judge->log_where);
	tally_bytes_put_u64(out, judge->frontier.size);
	for (i = 0; i < 64; i++)
		tally_bytes_put_hash(out, &judge->frontier.node[i]);
	tally_bytes_put_u64(out, judge->bounds_len);
	for (i = 0; i < judge->bounds_len; i++) {
		tally_bytes_put_u64(out, judge->bounds[i].extent);
		tally_bytes_put_u64(out, (uint64_t)judge->bounds[i].shift);
	}
	tally_bytes_put_u64(out, (uint64_t)judge->shift);
	tally_bytes_put_u64(out, judge->extra);
	tally_bytes_put_u64(out, judge->missing);
	tally_bytes_put_u64(out, judge->moved);
	tally_bytes_put_u64(out, judge->repair_budget);
	tally_bytes_put_u64(out, judge->visit_budget);
}

static void
put_report(struct tally_bytes *out, const struct tally_report *report)
{
	uint32_t i;

	tally_bytes_put_u64(out, report->findings);
	for (i = 0; i < TALLY_KIND_COUNT; i++)
		tally_bytes_put_u64(out, report->by_kind[i]);
	tally_bytes_put_u64(out, report->left_out);
	tally_bytes_put_text(out, (const char *)report->kept.at,
	    report->kept.len);
}

/* What a state is only good for. */
static struct tally_hash
scope_of(struct tally_judge *judge, bool without_root)
{
	static const struct tally_hash none;
	const struct tally_verify_options *options = judge->options;
	struct tally_hasher *hasher = &judge->scanner->hasher;
	struct tally_bytes bytes = { 0 };
	struct tally_hash hash = { { 0 } };
	bool has_root = options->has_root && !without_root;
	size_t i;

	tally_bytes_put_text(&bytes, judge->snapshot->identity.id,
	    strlen(judge->snapshot->identity.id));
	tally_bytes_put_text(&bytes, judge->plan->only, judge->plan->only_len);
	tally_bytes_put_u64(&bytes,
	    (uint64_t)has_root | (uint64_t)options->heads_complete << 1);
	tally_bytes_put_u64(&bytes, has_root ? options->root_size : 0);
	tally_bytes_put_hash(&bytes, has_root ? &options->root : &none);
	for (i = 0; i < options->heads_len; i++) {
		tally_bytes_put_text(&bytes, options->heads[i].chain,
		    options->heads[i].chain_len);
		tally_bytes_put_u64(&bytes, options->heads[i].seq);
		tally_bytes_put_hash(&bytes, &options->heads[i].hash);
	}
	for (i = 0; i < options->vkeys_len; i++)
		tally_bytes_put_text(&bytes, options->vkeys[i],
		    strlen(options->vkeys[i]));
	if (bytes.failed)
		judge->no_memory = true;
	else
		hash = tally_hash_bytes(hasher, bytes.at, bytes.len);
	tally_bytes_wipe(&bytes);
	return hash;
}

int
tally_resume_save(struct tally_judge *judge, const char *path,
    const struct tally_position *position, bool is_kept)
{
	struct tally_bytes out = { 0 };
	struct tally_hash hash;
	int r, written = 0;

	tally_bytes_put(&out, magic, MAGIC_LEN);
	hash = scope_of(judge, is_kept);
	tally_bytes_put_hash(&out, &hash);
	tally_bytes_put_u64(&out, position->extent);
	tally_bytes_put_u64(&out, position->offset);
	put_chains(&out, judge);
	put_judge(&out, judge);
	put_troubles(&out, judge);
	put_gaps(&out, judge);
	put_lost(&out, judge);
	tally_orders_put(&out, judge);
	tally_sealed_put(&out, judge);
	tally_served_put(&out, judge, is_kept);
	put_report(&out, judge->report);
	if (!out.failed)
		hash = tally_hash_bytes(&judge->scanner->hasher, out.at,
		    out.len);
	tally_bytes_put_hash(&out, &hash);
	/* A state that nobody can take up is none. */
	if (tally_hasher_failed(&judge->scanner->hasher))
		r = TALLY_E_BUG;
	else if (out.failed || judge->no_memory)
		r = TALLY_E_MEMORY;
	else
		r = written = tally_resume_write(path, &out);
	if (written < 0) {
		tally_fail(judge->error, TALLY_E_IO, "cannot write \"%s\": %s",
		    path, strerror(-written));
		if (judge->error != NULL)
			judge->error->os_errno = -written;
		r = TALLY_E_IO;
	}
	tally_bytes_wipe(&out);
	return r;
}

/* ---- reading ---------------------------------------------------------- */

static struct tally_where
get_where(struct tally_bytes_reader *in, const struct tally_judge *judge)
{
	struct tally_where where;

	where.index = tally_bytes_get_u64(in);
	where.offset = tally_bytes_get_u64(in);
	where.extent = (uint32_t)tally_bytes_get_max(in,
	    judge->snapshot->extents_len - 1);
	return where;
}

static uint32_t
get_chain(struct tally_bytes_reader *in, const struct tally_judge *judge)
{
	return (uint32_t)tally_bytes_get_max(in, judge->chains.len - 1);
}

static struct tally_step
get_step(struct tally_bytes_reader *in, const struct tally_judge *judge)
{
	struct tally_step step;
	uint64_t bits;

	step.prev = tally_bytes_get_hash(in);
	step.hash = tally_bytes_get_hash(in);
	step.alt = tally_bytes_get_hash(in);
	step.seq = tally_bytes_get_u64(in);
	step.where = get_where(in, judge);
	step.chain = get_chain(in, judge);
	bits = tally_bytes_get_max(in, 7);
	step.has_alt = bits & 1;
	step.wild = bits >> 1 & 1;
	step.accused = bits >> 2 & 1;
	return step;
}

static int
get_chains(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	uint64_t count = tally_bytes_get_max(in, UINT32_MAX / 4), i, key;
	struct tally_chain *c;
	const char *name;
	uint32_t chain;
	size_t len;
	int r = 0;

	for (i = 0; r == 0 && !in->failed && i < count; i++) {
		name = tally_bytes_get_text(in, &len);
		if (name == NULL || len > TALLY_CHAIN_TEXT_MAX)
			return TALLY_E_FORMAT;
		key = tally_chains_key(judge->chains.seed, name, len);
		chain = tally_chains_find(&judge->chains, name, len, key);
		/* The log's own and those watched are there already. */
		if (chain == TALLY_CHAIN_NONE)
			r = tally_chains_add(&judge->chains, name, len, key,
			    &chain);
		if (r == 0 && chain != i)
			return TALLY_E_FORMAT;
		if (r != 0)
			return r;
		c = &judge->chains.items[chain];
		c->hash = tally_bytes_get_hash(in);
		c->seq = tally_bytes_get_u64(in);
		c->first_index = tally_bytes_get_u64(in);
		c->where = get_where(in, judge);
		c->place = (uint32_t)tally_bytes_get_max(in, count);
	}
	return r;
}

static void
get_troubles(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	uint64_t count = tally_bytes_get_max(in, TALLY_TROUBLES_MAX), i, bits;
	struct tally_trouble *trouble;
	struct tally_step step;
	uint32_t chain;

	for (i = 0; !in->failed && i < count; i++) {
		chain = get_chain(in, judge);
		trouble = tally_trouble_make(judge, chain);
		bits = tally_bytes_get_max(in, 15);
		trouble->has_next = bits & 1;
		trouble->has_alt = bits >> 1 & 1;
		trouble->wild = bits >> 2 & 1;
		trouble->accused = bits >> 3 & 1;
		trouble->alt = tally_bytes_get_hash(in);
		trouble->next = get_step(in, judge);
	}
	count = tally_bytes_get_max(in, TALLY_EARLIES_MAX);
	for (i = 0; !in->failed && i < count; i++) {
		step = get_step(in, judge);
		tally_early_add(judge, &step);
	}
}

static void
get_gaps(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	uint64_t count = tally_bytes_get_max(in, TALLY_GAPS_MAX), i, bits;
	struct tally_gap *gap;
	void *larger;

	for (i = 0; !in->failed && i < count; i++) {
		larger = tally_table_room(judge, judge->gaps, judge->gaps_len,
		    sizeof(*judge->gaps));
		if (larger == NULL)
			return;
		judge->gaps = larger;
		gap = &judge->gaps[judge->gaps_len++];
		gap->chain = get_chain(in, judge);
		bits = tally_bytes_get_max(in, 3);
		gap->has_before = bits & 1;
		gap->has_after = bits >> 1 & 1;
		gap->begin = tally_bytes_get_u64(in);
		gap->end = tally_bytes_get_u64(in);
		gap->before = tally_bytes_get_hash(in);
		gap->after = tally_bytes_get_hash(in);
		gap->low_index = tally_bytes_get_u64(in);
		gap->extent = (uint32_t)tally_bytes_get_max(in, UINT32_MAX);
		gap->where = get_where(in, judge);
	}
}

static void
get_lost(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	uint64_t count = tally_bytes_get_max(in, TALLY_LOST_MAX), i, bits;
	struct tally_lost record, *lost = &record;
	struct tally_step step;
	const char *name;

	for (i = 0; !in->failed && i < count; i++) {
		memset(lost, 0, sizeof(*lost));
		lost->kind = (enum tally_finding_kind)tally_bytes_get_max(in,
		    TALLY_KIND_COUNT - 1);
		lost->where = get_where(in, judge);
		lost->chain = (uint32_t)tally_bytes_get_max(in, UINT32_MAX);
		bits = tally_bytes_get_max(in, 3);
		lost->has_seq = bits & 1;
		lost->has_hash = bits >> 1 & 1;
		lost->seq = tally_bytes_get_u64(in);
		lost->hash = tally_bytes_get_hash(in);
		name = tally_bytes_get_text(in, &lost->name_len);
		if (name == NULL || lost->name_len > sizeof(lost->name))
			in->failed = true;
		else
			memcpy(lost->name, name, lost->name_len);
		tally_steps_lose(judge, lost);
	}
	count = tally_bytes_get_max(in, TALLY_DOUBTS_MAX);
	for (i = 0; !in->failed && i < count; i++) {
		step = get_step(in, judge);
		tally_doubt_add(judge, &step);
		if (judge->no_memory)
			return;
		judge->doubts[i].has_prev = tally_bytes_get_max(in, 1) != 0;
	}
}

static void
get_judge(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	uint32_t i;
	uint64_t bits;

	judge->size = tally_bytes_get_u64(in);
	judge->records = tally_bytes_get_u64(in);
	judge->extent = (uint32_t)tally_bytes_get_max(in,
	    judge->snapshot->extents_len);
	judge->done_extent = (uint32_t)tally_bytes_get_max(in, UINT32_MAX);
	judge->done_offset = tally_bytes_get_u64(in);
	bits = tally_bytes_get_max(in, 15);
	judge->cut = bits & 1;
	judge->root_seen = bits >> 1 & 1;
	judge->log_begun = bits >> 2 & 1;
	judge->has_erased = bits >> 3 & 1;
	judge->root = tally_bytes_get_hash(in);
	judge->log_where = get_where(in, judge);
	judge->frontier.size = tally_bytes_get_u64(in);
	for (i = 0; i < 64; i++)
		judge->frontier.node[i] = tally_bytes_get_hash(in);
	judge->bounds_len = (uint32_t)tally_bytes_get_max(in, TALLY_BOUNDS_MAX);
	for (i = 0; !in->failed && i < judge->bounds_len; i++) {
		judge->bounds[i].extent = (uint32_t)tally_bytes_get_max(in,
		    judge->snapshot->extents_len - 1);
		judge->bounds[i].shift = (int64_t)tally_bytes_get_u64(in);
	}
	judge->shift = (int64_t)tally_bytes_get_u64(in);
	judge->extra = tally_bytes_get_u64(in);
	judge->missing = tally_bytes_get_u64(in);
	judge->moved = tally_bytes_get_u64(in);
	judge->repair_budget = tally_bytes_get_u64(in);
	judge->visit_budget = tally_bytes_get_u64(in);
}

static int
get_report(struct tally_bytes_reader *in, struct tally_report *report)
{
	const char *kept;
	uint32_t i;
	size_t len;

	report->findings = tally_bytes_get_u64(in);
	for (i = 0; i < TALLY_KIND_COUNT; i++)
		report->by_kind[i] = tally_bytes_get_u64(in);
	report->left_out = tally_bytes_get_u64(in);
	kept = tally_bytes_get_text(in, &len);
	if (kept != NULL)
		tally_bytes_put(&report->kept, kept, len);
	if (report->kept.failed)
		return TALLY_E_MEMORY;
	return in->failed || in->left != 0 ? TALLY_E_FORMAT : 0;
}

static int
get_all(struct tally_bytes_reader *in, struct tally_judge *judge,
    struct tally_position *out)
{
	const struct tally_snapshot *snapshot = judge->snapshot;
	struct tally_hash scope = tally_bytes_get_hash(in);
	struct tally_hash own = scope_of(judge, false);
	uint32_t i;
	int r;

	out->extent = (uint32_t)tally_bytes_get_max(in, UINT32_MAX);
	out->offset = tally_bytes_get_u64(in);
	if (in->failed || !tally_hash_equal(&scope, &own) ||
	    out->extent >= snapshot->extents_len ||
	    out->offset > snapshot->extents[out->extent].bytes)
		return TALLY_E_FORMAT;
	r = get_chains(in, judge);
	if (r != 0)
		return r;
	get_judge(in, judge);
	get_troubles(in, judge);
	get_gaps(in, judge);
	get_lost(in, judge);
	r = tally_orders_get(in, judge);
	if (r != 0)
		return r;
	tally_sealed_get(in, judge);
	r = tally_served_get(in, judge);
	if (r != 0)
		return r;
	r = judge->no_memory ? TALLY_E_MEMORY : get_report(in, judge->report);
	if (r != 0)
		return r;
	for (i = 0; i < judge->chains.len; i++)
		tally_barrier_set(judge, i);
	return tally_report_repeat(judge->report);
}

int
tally_resume_load(struct tally_judge *judge, const char *path,
    struct tally_position *out_position)
{
	struct tally_bytes_reader in;
	struct tally_bytes bytes = { 0 };
	struct tally_hash hash;
	size_t len;
	int r;

	r = tally_resume_read(path, &bytes);
	if (r == 0) {
		r = TALLY_E_FORMAT;
		len = bytes.len - sizeof(hash.b);
		if (bytes.len >= MAGIC_LEN + sizeof(hash.b) &&
		    judge->snapshot->extents_len > 0 &&
		    memcmp(bytes.at, magic, MAGIC_LEN) == 0) {
			hash = tally_hash_bytes(&judge->scanner->hasher,
			    bytes.at, len);
			in.at = bytes.at + MAGIC_LEN;
			in.left = len - MAGIC_LEN;
			in.failed = memcmp(hash.b, bytes.at + len,
					sizeof(hash.b)) != 0;
			r = get_all(&in, judge, out_position);
			if (tally_hasher_failed(&judge->scanner->hasher))
				r = TALLY_E_BUG;
			else if (judge->no_memory)
				r = TALLY_E_MEMORY;
		}
	}
	tally_bytes_wipe(&bytes);
	if (r == TALLY_E_FORMAT)
		tally_fail(judge->error, r,
		    "\"%s\" does not hold the state "
		    "of this verification; remove it to begin anew",
		    path);
	if (r == TALLY_E_IO)
		tally_fail(judge->error, r, "cannot read \"%s\"", path);
	return r;
}
