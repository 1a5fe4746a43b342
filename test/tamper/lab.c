/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/record.h"
#include "core/tree.h"
#include "log/snapshot.h"
#include "log/sys.h"
#include "tamper/lab.h"

#define ID "00112233445566778899aabbccddeeff"

/* The lab that tally_snapshot_take answers for. */
static struct lab *current;

int
tally_snapshot_take(const char *dir, struct tally_snapshot *out,
    struct tally_error *error)
{
	char path[128];
	size_t i;

	(void)error;
	memset(out, 0, sizeof(*out));
	out->log_dir = -1;
	if (strcmp(dir, current->dir) != 0)
		return TALLY_E_NO_LOG;
	snprintf(path, sizeof(path), "%s/log", dir);
	out->log_dir = tally_sys_open_dir(-1, path);
	assert_true(out->log_dir >= 0);
	strcpy(out->identity.id, ID);
	strcpy(out->identity.origin, current->origin);
	out->identity.format = 1;
	out->extents = calloc(current->segments_len + 1, sizeof(*out->extents));
	out->extents_len = current->segments_len;
	for (i = 0; i < current->segments_len; i++) {
		snprintf(out->extents[i].name, sizeof(out->extents[i].name),
		    "%020llu.jsonl",
		    (unsigned long long)current->segments[i].first_index);
		out->extents[i].first_index = current->segments[i].first_index;
		out->extents[i].bytes = current->segments[i].len;
		out->bytes += current->segments[i].len;
	}
	out->live = current->live;
	out->size = UINT64_MAX;
	out->has_watermark = i > 0 && !current->no_watermark;
	if (out->has_watermark) {
		out->mark_size = current->mark_size;
		out->mark_segment = out->extents[i - 1].first_index;
		out->mark_offset = out->extents[i - 1].bytes -
		    current->mark_back;
	}
	return 0;
}

void
tally_snapshot_wipe(struct tally_snapshot *snapshot)
{
	if (snapshot->log_dir >= 0)
		tally_sys_close(snapshot->log_dir);
	free(snapshot->extents);
	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->log_dir = -1;
}

struct lab *
lab_new(void)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	char path[128], event[512];

	assert_non_null(lab);
	strcpy(lab->dir,
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm/tally-lab-XXXXXX"
					  : "/tmp/tally-lab-XXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	snprintf(path, sizeof(path), "%s/log", lab->dir);
	assert_int_equal(tally_sys_mkdir(-1, path), 0);
	strcpy(lab->origin, "localhost/" ID);
	snprintf(event, sizeof(event),
	    "{\"created\":{\"format\":1,\"id\":\"" ID "\",\"origin\":\"%s\"}}",
	    lab->origin);
	lab_append(lab, "tally:log", NULL, false, event);
	return lab;
}

static void
drop_segments(struct lab *lab)
{
	char path[160];
	size_t i;

	for (i = 0; i < lab->segments_len; i++) {
		snprintf(path, sizeof(path), "%s/log/%020llu.jsonl", lab->dir,
		    (unsigned long long)lab->segments[i].first_index);
		unlink(path);
		free(lab->segments[i].text);
	}
	lab->segments_len = 0;
}

void
lab_free(struct lab *lab)
{
	char path[128];
	size_t i;

	drop_segments(lab);
	for (i = 0; i < lab->len; i++)
		free(lab->records[i].line);
	snprintf(path, sizeof(path), "%s/log", lab->dir);
	rmdir(path);
	rmdir(lab->dir);
	free(lab);
}

static void
write_line(struct lab_record *record, const char *id, bool salted,
    const char *event)
{
	static const uint8_t salt[TALLY_SALT_SIZE] = "saltsaltsaltsal";
	char chain[TALLY_CHAIN_TEXT_MAX], id_text[TALLY_ID_TEXT_MAX];
	struct tally_header header = { .chain = chain, .id = id_text };
	char text[TALLY_HEADER_MAX];
	struct tally_hasher hasher;
	const char *what;
	size_t len = strlen(event);

	assert_int_equal(tally_name_escape(record->chain, strlen(record->chain),
			     TALLY_CHAIN_MAX, chain, &header.chain_len, &what),
	    0);
	if (id != NULL)
		assert_int_equal(tally_name_escape(id, strlen(id), TALLY_ID_MAX,
				     id_text, &header.id_len, &what),
		    0);
	assert_int_equal(tally_hasher_open(&hasher), 0);
	header.digest = tally_hash_commitment(&hasher, salted ? salt : NULL,
	    event, len);
	header.prev = record->prev;
	header.seq = record->seq;
	header.time_us = 1795224378123456 + (int64_t)record->seq;
	record->header_len = tally_header_encode(&header, text);
	record->hash = tally_hash_leaf(&hasher, text, record->header_len);
	free(record->line);
	record->line = malloc(record->header_len + TALLY_LINE_EXTRA + len);
	assert_non_null(record->line);
	record->len = tally_line_encode(text, record->header_len, &record->hash,
	    salted ? salt : NULL, event, len, record->line);
	record->header_len--;
	record->body_at = record->header_len + 9 + 64;
	tally_hasher_close(&hasher);
}

struct lab_record *
lab_append(struct lab *lab, const char *chain, const char *id, bool salted,
    const char *event)
{
	struct lab_record *record = &lab->records[lab->len];
	size_t i;

	assert_true(lab->len < LAB_RECORDS_MAX);
	strcpy(record->chain, chain);
	record->seq = 1;
	for (i = lab->len; i-- > 0;) {
		if (strcmp(lab->records[i].chain, chain) == 0) {
			record->seq = lab->records[i].seq + 1;
			record->prev = lab->records[i].hash;
			break;
		}
	}
	write_line(record, id, salted, event);
	lab->len++;
	return record;
}

void
lab_forge(struct lab_record *record, const char *chain, uint64_t seq,
    const struct tally_hash *prev, const char *event)
{
	if (record->chain != chain)
		strcpy(record->chain, chain);
	record->seq = seq;
	record->prev = *prev;
	write_line(record, NULL, false, event);
}

struct lab *
lab_small(void)
{
	static const char *const chains[] = { "org/42", "a", "b\"q\\x",
		"org/42", "org/7", "a", "org/42", "b\"q\\x", "a", "org/7",
		"solo", "a", "b\"q\\x", "org/42" };
	struct lab *lab = lab_new();
	char event[128], id[32];
	size_t i;

	for (i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		snprintf(event, sizeof(event),
		    i % 3 == 0
			? "{\"n\":%zu,\"who\":\"zo\xc3\xab\"}"
			: "{\"n\":%zu,\"deep\":{\"x\":[1,{}]},\"t\":\"\\n\"}",
		    i);
		snprintf(id, sizeof(id), "id-%zu\\\"", i);
		lab_append(lab, chains[i], i % 4 == 1 ? id : NULL, i % 5 == 2,
		    event);
	}
	return lab;
}

/* Adds a segment of exactly these records, the first of which has the index. */
static void
lay_segment(struct lab *lab, const size_t *order, size_t len, uint64_t index)
{
	struct lab_segment *segment = &lab->segments[lab->segments_len++];
	const struct lab_record *record;
	size_t i, room = 0;

	assert_true(lab->segments_len <= LAB_SEGMENTS_MAX);
	for (i = 0; i < len; i++)
		room += lab->records[order[i]].len;
	memset(segment, 0, sizeof(*segment));
	segment->first_index = index;
	/* At once: AddressSanitizer moves whatever grows. */
	segment->text = malloc(room);
	assert_non_null(segment->text);
	for (i = 0; i < len; i++) {
		record = &lab->records[order[i]];
		memcpy(segment->text + segment->len, record->line, record->len);
		segment->len += record->len;
	}
}

void
lab_lay(struct lab *lab, const size_t *order, size_t len, size_t per)
{
	size_t i, count;

	drop_segments(lab);
	for (i = 0; i < len; i += count) {
		count = per != 0 && per < len - i ? per : len - i;
		lay_segment(lab, order + i, count, i);
	}
}

void
lab_lay_all(struct lab *lab, size_t per)
{
	size_t order[LAB_RECORDS_MAX], i;

	for (i = 0; i < lab->len; i++)
		order[i] = i;
	lab_lay(lab, order, lab->len, per);
}

static void
collect(void *arg, const struct tally_finding *finding)
{
	struct lab *lab = arg;
	struct lab_finding *to;

	if (lab->findings_len == LAB_FINDINGS_MAX)
		return;
	to = &lab->findings[lab->findings_len++];
	memset(to, 0, sizeof(*to));
	to->kind = finding->kind;
	to->has_chain = finding->chain != NULL;
	if (to->has_chain)
		strcpy(to->chain, finding->chain);
	to->seq = finding->seq;
	to->seq_end = finding->seq_end;
	to->index = finding->index;
	if (finding->file != NULL)
		snprintf(to->file, sizeof(to->file), "%s", finding->file);
	to->offset = finding->offset;
	snprintf(to->detail, sizeof(to->detail), "%s", finding->detail);
}

int
lab_verify(struct lab *lab, const struct tally_verify_options *options)
{
	struct tally_verify_options own = { .jobs = 1 };
	char path[160];
	FILE *file;
	size_t i;

	if (options != NULL)
		own = *options;
	if (own.arg == NULL) {
		own.finding = collect;
		own.arg = lab;
	}
	for (i = 0; i < lab->segments_len; i++) {
		snprintf(path, sizeof(path), "%s/log/%020llu.jsonl", lab->dir,
		    (unsigned long long)lab->segments[i].first_index);
		file = fopen(path, "wb");
		assert_non_null(file);
		assert_int_equal(fwrite(lab->segments[i].text, 1,
				     lab->segments[i].len, file),
		    lab->segments[i].len);
		assert_int_equal(fclose(file), 0);
	}
	lab->findings_len = 0;
	current = lab;
	return tally_verify(lab->dir, &own, &lab->verdict, &lab->error);
}

struct tally_hash
lab_root(const struct lab *lab, size_t size)
{
	struct tally_frontier frontier;
	struct tally_hasher hasher;
	struct tally_hash root;
	size_t i;

	assert_int_equal(tally_hasher_open(&hasher), 0);
	tally_frontier_init(&frontier);
	for (i = 0; i < size; i++)
		tally_frontier_append(&hasher, &frontier,
		    &lab->records[i].hash);
	root = tally_frontier_root(&hasher, &frontier);
	tally_hasher_close(&hasher);
	return root;
}

void
lab_show(const struct lab *lab)
{
	const struct lab_finding *f;
	size_t i;

	fprintf(stderr, "# %s, %zu findings, size %llu\n",
	    tally_verdict_name(lab->verdict.verdict), lab->findings_len,
	    (unsigned long long)lab->verdict.size);
	for (i = 0; i < lab->findings_len; i++) {
		f = &lab->findings[i];
		fprintf(stderr, "#   %s %s/%llu index %lld %s@%llu: %s\n",
		    tally_finding_name(f->kind), f->has_chain ? f->chain : "?",
		    (unsigned long long)f->seq, (long long)f->index, f->file,
		    (unsigned long long)f->offset, f->detail);
	}
}

size_t
lab_count(const struct lab *lab, enum tally_finding_kind kind,
    const char *chain, uint64_t seq)
{
	const struct lab_finding *f;
	size_t i, count = 0;

	for (i = 0; i < lab->findings_len; i++) {
		f = &lab->findings[i];
		count += f->kind == kind && (seq == 0 || f->seq == seq) &&
		    (chain == NULL ||
			(f->has_chain && strcmp(f->chain, chain) == 0));
	}
	return count;
}

void
lab_assert_one(const struct lab *lab, enum tally_finding_kind kind,
    const char *chain, uint64_t seq)
{
	if (lab->findings_len != 1 || lab_count(lab, kind, chain, seq) != 1) {
		lab_show(lab);
		fail_msg("expected %s %s/%llu", tally_finding_name(kind),
		    chain == NULL ? "?" : chain, (unsigned long long)seq);
	}
	assert_int_equal(lab->verdict.verdict,
	    tally_finding_is_break(kind)   ? TALLY_TAMPERED
		: kind == TALLY_NOT_JUDGED ? TALLY_UNVERIFIABLE
					   : TALLY_INTACT);
}

void
lab_assert_intact(const struct lab *lab)
{
	if (lab->findings_len != 0 || lab->verdict.verdict != TALLY_INTACT) {
		lab_show(lab);
		fail_msg("expected intact");
	}
}
