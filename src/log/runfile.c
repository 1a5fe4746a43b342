/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "log/bytes.h"
#include "log/fail.h"
#include "log/runfile.h"
#include "log/sys.h"

#define MAGIC "tallyky2"
#define HEAD_BYTES 512
#define HEAD_SUMMED (8 + 16 + 4 * 8)
#define ENTRIES_PER_BUCKET 16
#define BLOOM_BLOCK 64 /* bytes */
#define BLOOM_BITS_PER_KEY 12
#define BLOOM_PROBES 6
#define BITS_MAX 32
#define BUFFER_ENTRIES 4096
#define KEYS_NEW "keys.new"

void
tally_runfile_name(uint64_t from, uint64_t to,
    char out[TALLY_RUNFILE_NAME_SIZE])
{
	snprintf(out, TALLY_RUNFILE_NAME_SIZE,
	    TALLY_RUNFILE_PREFIX "%020llu-%020llu", (unsigned long long)from,
	    (unsigned long long)to);
}

static unsigned
bits_for(uint64_t count)
{
	unsigned bits = 0;

	while (bits < BITS_MAX && (count >> bits) > ENTRIES_PER_BUCKET)
		bits++;
	return bits;
}

static uint64_t
bucket_of(const struct tally_run *run, uint64_t key)
{
	return run->bits == 0 ? 0 : key >> (64 - run->bits);
}

/* ---- the filter ------------------------------------------------------- */

static uint64_t
bloom_blocks(const struct tally_run *run)
{
	return run->count * BLOOM_BITS_PER_KEY / (8 * BLOOM_BLOCK) + 1;
}

/* The block that a key's bits are in: by other bits than its bucket. */
static uint64_t
bloom_block(const struct tally_run *run, uint64_t key)
{
	return (key & UINT32_MAX) * bloom_blocks(run) >> 32;
}

static void
bloom_set(unsigned char block[BLOOM_BLOCK], uint64_t key)
{
	uint64_t bits = key * UINT64_C(0x9e3779b97f4a7c15);

	for (int i = 0; i < BLOOM_PROBES; i++, bits >>= 9)
		block[bits >> 3 & 63] |= (unsigned char)(1u << (bits & 7));
}

static bool
bloom_has(const unsigned char block[BLOOM_BLOCK], uint64_t key)
{
	uint64_t bits = key * UINT64_C(0x9e3779b97f4a7c15);

	for (int i = 0; i < BLOOM_PROBES; i++, bits >>= 9) {
		if ((block[bits >> 3 & 63] & 1u << (bits & 7)) == 0)
			return false;
	}
	return true;
}

static uint64_t
starts_at(const struct tally_run *run)
{
	return HEAD_BYTES + bloom_blocks(run) * BLOOM_BLOCK;
}

static uint64_t
entries_at(const struct tally_run *run)
{
	return starts_at(run) + (((uint64_t)1 << run->bits) + 1) * 8;
}

static void
head_format(const struct tally_run *run, const uint8_t log_id[16],
    struct tally_hasher *hasher, char out[HEAD_BYTES])
{
	struct tally_hash sum;

	memset(out, 0, HEAD_BYTES);
	memcpy(out, MAGIC, 8);
	memcpy(out + 8, log_id, 16);
	tally_put64(out + 24, run->from);
	tally_put64(out + 32, run->to);
	tally_put64(out + 40, run->count);
	tally_put64(out + 48, run->bits);
	sum = tally_hash_bytes(hasher, out, HEAD_SUMMED);
	memcpy(out + HEAD_SUMMED, sum.b, sizeof(sum.b));
}

int
tally_runfile_open(int index_dir, const char *name, const uint8_t log_id[16],
    struct tally_hasher *hasher, struct tally_run *out)
{
	char head[HEAD_BYTES], again[HEAD_BYTES];
	char own[TALLY_RUNFILE_NAME_SIZE];
	struct tally_sys_stat st;

	if (strncmp(name, TALLY_RUNFILE_PREFIX, strlen(TALLY_RUNFILE_PREFIX)) !=
	    0)
		return TALLY_END;
	out->fd = tally_sys_open(index_dir, name, TALLY_SYS_READ);
	if (out->fd < 0)
		return TALLY_END;
	if (tally_sys_read(out->fd, head, sizeof(head), 0) != HEAD_BYTES ||
	    tally_sys_stat(out->fd, &st) != 0)
		goto out;
	out->from = tally_get64(head + 24);
	out->to = tally_get64(head + 32);
	out->count = tally_get64(head + 40);
	out->bits = (unsigned)tally_get64(head + 48);
	head_format(out, log_id, hasher, again);
	tally_runfile_name(out->from, out->to, own);
	if (memcmp(head, again, HEAD_BYTES) == 0 && strcmp(name, own) == 0 &&
	    out->bits == bits_for(out->count) && out->from < out->to &&
	    st.size == entries_at(out) + out->count * TALLY_RUNFILE_ENTRY)
		return TALLY_OK;
out:
	tally_sys_close(out->fd);
	out->fd = -1;
	return TALLY_END;
}

/* ---- writing ---------------------------------------------------------- */

static void
writer_free(struct tally_runfile_writer *writer)
{
	tally_sys_close(writer->fd);
	tally_sys_free(writer->start);
	tally_sys_free(writer->bloom);
	tally_sys_free(writer->buffer);
	writer->fd = -1;
	writer->start = NULL;
	writer->bloom = NULL;
	writer->buffer = NULL;
}

int
tally_runfile_create(struct tally_runfile_writer *writer, int index_dir,
    const struct tally_run *run, struct tally_error *error)
{
	memset(writer, 0, sizeof(*writer));
	writer->index_dir = index_dir;
	writer->run = *run;
	writer->run.bits = bits_for(run->count);
	writer->offset = entries_at(&writer->run);
	writer->start = tally_sys_alloc((((size_t)1 << writer->run.bits) + 1) *
	    sizeof(uint64_t));
	writer->buffer = tally_sys_alloc(BUFFER_ENTRIES * TALLY_RUNFILE_ENTRY);
	writer->bloom = tally_sys_alloc((size_t)bloom_blocks(&writer->run) *
	    BLOOM_BLOCK);
	writer->fd = -1;
	if (writer->bloom == NULL || writer->start == NULL ||
	    writer->buffer == NULL)
		return tally_fail_memory(error);
	(void)tally_sys_unlink(index_dir, KEYS_NEW);
	writer->fd = tally_sys_open(index_dir, KEYS_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EXCLUSIVE);
	if (writer->fd < 0)
		return tally_fail_os(error, writer->fd,
		    "cannot write the index");
	return TALLY_OK;
}

static int
writer_flush(struct tally_runfile_writer *writer, struct tally_error *error)
{
	int result = tally_sys_write(writer->fd, writer->buffer, writer->filled,
	    writer->offset, NULL);

	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	writer->offset += writer->filled;
	writer->filled = 0;
	return TALLY_OK;
}

int
tally_runfile_put(struct tally_runfile_writer *writer,
    const struct tally_keyed *key, struct tally_error *error)
{
	uint64_t bucket = bucket_of(&writer->run, key->key);
	char *at;
	int result;

	if (writer->filled == BUFFER_ENTRIES * TALLY_RUNFILE_ENTRY) {
		result = writer_flush(writer, error);
		if (result != 0)
			return result;
	}
	bloom_set(writer->bloom +
		bloom_block(&writer->run, key->key) * BLOOM_BLOCK,
	    key->key);
	while (writer->bucket < bucket)
		writer->start[++writer->bucket] = writer->put;
	at = writer->buffer + writer->filled;
	tally_put64(at, key->key);
	tally_put64(at + 8, key->index);
	tally_put64(at + 16, key->offset);
	writer->filled += TALLY_RUNFILE_ENTRY;
	writer->put++;
	return TALLY_OK;
}

/* The filter, the starts of the buckets, and the head. */
static int
writer_front(struct tally_runfile_writer *writer, const uint8_t log_id[16],
    struct tally_hasher *hasher, struct tally_error *error)
{
	uint64_t buckets = (uint64_t)1 << writer->run.bits;
	char *starts = (char *)writer->start;
	char head[HEAD_BYTES];
	int result;

	while (writer->bucket < buckets)
		writer->start[++writer->bucket] = writer->put;
	for (uint64_t i = 0; i <= buckets; i++) {
		uint64_t start = writer->start[i];

		tally_put64(starts + i * 8, start);
	}
	result = tally_sys_write(writer->fd, writer->bloom,
	    (size_t)bloom_blocks(&writer->run) * BLOOM_BLOCK, HEAD_BYTES, NULL);
	if (result == 0)
		result = tally_sys_write(writer->fd, starts,
		    (size_t)(buckets + 1) * 8, starts_at(&writer->run), NULL);
	if (result == 0) {
		head_format(&writer->run, log_id, hasher, head);
		result = tally_sys_write(writer->fd, head, sizeof(head), 0,
		    NULL);
	}
	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	return TALLY_OK;
}

int
tally_runfile_finish(struct tally_runfile_writer *writer, int so_far,
    const uint8_t log_id[16], struct tally_hasher *hasher, bool sync,
    struct tally_run *out, struct tally_error *error)
{
	char name[TALLY_RUNFILE_NAME_SIZE];
	int result = so_far;

	if (result == 0 && writer->put != writer->run.count)
		result = tally_fail(error, TALLY_E_BUG,
		    "a run of the index is short");
	if (result == 0)
		result = writer_flush(writer, error);
	if (result == 0)
		result = writer_front(writer, log_id, hasher, error);
	if (result == 0) {
		tally_runfile_name(writer->run.from, writer->run.to, name);
		if (sync)
			result = tally_sys_sync_all(writer->fd);
		if (result == 0)
			result = tally_sys_rename(writer->index_dir, KEYS_NEW,
			    name);
		if (result != 0)
			result = tally_fail_os(error, result,
			    "cannot write the index");
	}
	if (result == 0) {
		*out = writer->run;
		out->fd = writer->fd;
		writer->fd = -1;
	}
	writer_free(writer);
	return result;
}

/* ---- reading ---------------------------------------------------------- */

int
tally_runfile_read(const struct tally_run *run, uint64_t begin, char *out,
    size_t count, struct tally_error *error)
{
	size_t len = count * TALLY_RUNFILE_ENTRY;
	int64_t n = tally_sys_read(run->fd, out, len,
	    entries_at(run) + begin * TALLY_RUNFILE_ENTRY);

	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read the index");
	return (uint64_t)n == len
	    ? TALLY_OK
	    : tally_fail(error, TALLY_E_IO, "the index is short");
}

int
tally_runfile_may_have(const struct tally_run *run, uint64_t key, bool *out_may,
    struct tally_error *error)
{
	unsigned char block[BLOOM_BLOCK];
	int64_t n = tally_sys_read(run->fd, block, sizeof(block),
	    HEAD_BYTES + bloom_block(run, key) * BLOOM_BLOCK);

	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read the index");
	if (n != sizeof(block))
		return tally_fail(error, TALLY_E_IO, "the index is short");
	*out_may = bloom_has(block, key);
	return TALLY_OK;
}

int
tally_runfile_bucket(const struct tally_run *run, uint64_t key,
    uint64_t *out_begin, uint64_t *out_end, struct tally_error *error)
{
	char starts[16];
	int64_t n = tally_sys_read(run->fd, starts, sizeof(starts),
	    starts_at(run) + bucket_of(run, key) * 8);

	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read the index");
	*out_begin = tally_get64(starts);
	*out_end = tally_get64(starts + 8);
	if (n != sizeof(starts) || *out_begin > *out_end ||
	    *out_end > run->count)
		return tally_fail(error, TALLY_E_IO,
		    "the index is damaged;"
		    " remove the directory \"index\", it comes back");
	return TALLY_OK;
}

static int
reader_fill(struct tally_runfile_reader *reader, struct tally_error *error)
{
	uint64_t count = reader->run->count - reader->read;
	int result;

	if (count > BUFFER_ENTRIES)
		count = BUFFER_ENTRIES;
	result = tally_runfile_read(reader->run, reader->read, reader->buffer,
	    (size_t)count, error);
	reader->read += count;
	reader->at = 0;
	reader->filled = (size_t)count;
	return result;
}

static int
reader_take(struct tally_runfile_reader *reader, struct tally_error *error)
{
	const char *at;

	if (reader->left == 0)
		return TALLY_OK;
	if (reader->at == reader->filled) {
		int result = reader_fill(reader, error);

		if (result != 0)
			return result;
	}
	at = reader->buffer + reader->at++ * TALLY_RUNFILE_ENTRY;
	reader->next.key = tally_get64(at);
	reader->next.index = tally_get64(at + 8);
	reader->next.offset = tally_get64(at + 16);
	return TALLY_OK;
}

int
tally_runfile_reader_open(struct tally_runfile_reader *reader,
    const struct tally_run *run, struct tally_error *error)
{
	memset(reader, 0, sizeof(*reader));
	reader->run = run;
	reader->left = run->count;
	reader->buffer = tally_sys_alloc(BUFFER_ENTRIES * TALLY_RUNFILE_ENTRY);
	if (reader->buffer == NULL)
		return tally_fail_memory(error);
	return reader_take(reader, error);
}

int
tally_runfile_reader_step(struct tally_runfile_reader *reader,
    struct tally_error *error)
{
	reader->left--;
	return reader_take(reader, error);
}

void
tally_runfile_reader_close(struct tally_runfile_reader *reader)
{
	tally_sys_free(reader->buffer);
	memset(reader, 0, sizeof(*reader));
}
