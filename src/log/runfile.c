/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/bytes.h"
#include "log/fail.h"
#include "log/runfile.h"
#include "log/sys.h"

#define MAGIC "tallyky3"
#define SMALL_PAGE 64 /* head, blocks of the filter, starts */
#define BLOCK_BITS (8 * (SMALL_PAGE - TALLY_PAGE_SUM))
#define STARTS_PER_PAGE 6
#define ENTRY_BYTES 24
#define ENTRIES_PER_BUCKET 16
#define FILTER_BITS_PER_KEY 12
#define FILTER_PROBES 6
#define BITS_MAX 32
#define BUFFER_BYTES ((size_t)64 << 10)
#define BUFFER_PAGES (BUFFER_BYTES / TALLY_RUNFILE_PAGE)
#define KEYS_NEW "keys.new"

_Static_assert(TALLY_RUNFILE_FIT *ENTRY_BYTES + TALLY_PAGE_SUM ==
	TALLY_RUNFILE_PAGE,
    "a page is full");
_Static_assert((STARTS_PER_PAGE + 1) * 8 + TALLY_PAGE_SUM == SMALL_PAGE,
    "a page is full");

void
tally_runfile_name(uint64_t from, uint64_t to,
    char out[TALLY_RUNFILE_NAME_SIZE])
{
	snprintf(out, TALLY_RUNFILE_NAME_SIZE,
	    TALLY_RUNFILE_PREFIX "%020llu-%020llu", (unsigned long long)from,
	    (unsigned long long)to);
}

/* ---- where everything lies -------------------------------------------- */

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

static uint64_t
filter_blocks(const struct tally_run *run)
{
	return run->count * FILTER_BITS_PER_KEY / BLOCK_BITS + 1;
}

static uint64_t
filter_block(const struct tally_run *run, uint64_t key)
{
	return (key >> 32) * filter_blocks(run) >> 32;
}

static uint64_t
starts_at(const struct tally_run *run)
{
	return SMALL_PAGE + filter_blocks(run) * SMALL_PAGE;
}

static uint64_t
entries_at(const struct tally_run *run)
{
	uint64_t buckets = (uint64_t)1 << run->bits;

	return starts_at(run) +
	    (buckets + STARTS_PER_PAGE - 1) / STARTS_PER_PAGE * SMALL_PAGE;
}

static uint64_t
end_at(const struct tally_run *run)
{
	return entries_at(run) +
	    (run->count + TALLY_RUNFILE_FIT - 1) / TALLY_RUNFILE_FIT *
	    TALLY_RUNFILE_PAGE;
}

/* Six bits of a block, by what the choice of the block has left. */
static void
filter_set(char *block, uint64_t key)
{
	uint64_t bits = key * UINT64_C(0x9e3779b97f4a7c15);

	for (int i = 0; i < FILTER_PROBES; i++, bits >>= 10) {
		uint64_t bit = (bits & 1023) * BLOCK_BITS >> 10;

		block[bit >> 3] |= (char)(1u << (bit & 7));
	}
}

static bool
filter_has(const char *block, uint64_t key)
{
	uint64_t bits = key * UINT64_C(0x9e3779b97f4a7c15);

	for (int i = 0; i < FILTER_PROBES; i++, bits >>= 10) {
		uint64_t bit = (bits & 1023) * BLOCK_BITS >> 10;

		if ((block[bit >> 3] & 1u << (bit & 7)) == 0)
			return false;
	}
	return true;
}

/* ---- opening ---------------------------------------------------------- */

static void
head_format(const struct tally_run *run, char out[SMALL_PAGE])
{
	memset(out, 0, SMALL_PAGE);
	memcpy(out, MAGIC, 8);
	tally_put64(out + 8, run->from);
	tally_put64(out + 16, run->to);
	tally_put64(out + 24, run->count);
	tally_put64(out + 32, run->bits);
	tally_page_seal(&run->file.key, 0, out, SMALL_PAGE);
}

int
tally_runfile_open(int index_dir, const char *name,
    const struct tally_sip_key *secret, struct tally_run *out)
{
	char head[SMALL_PAGE], again[SMALL_PAGE];
	char own[TALLY_RUNFILE_NAME_SIZE];
	struct tally_sys_stat st;

	memset(out, 0, sizeof(*out));
	out->file.fd = -1;
	if (strncmp(name, TALLY_RUNFILE_PREFIX, strlen(TALLY_RUNFILE_PREFIX)) !=
		0 ||
	    tally_paged_open(&out->file, index_dir, name, TALLY_SYS_READ,
		secret) != 0)
		return TALLY_END;
	if (tally_sys_read(out->file.fd, head, sizeof(head), 0) ==
		sizeof(head) &&
	    tally_sys_stat(out->file.fd, &st) == 0) {
		out->from = tally_get64(head + 8);
		out->to = tally_get64(head + 16);
		out->count = tally_get64(head + 24);
		out->bits = bits_for(out->count);
		head_format(out, again);
		tally_runfile_name(out->from, out->to, own);
		if (memcmp(head, again, sizeof(head)) == 0 &&
		    strcmp(name, own) == 0 && out->from < out->to &&
		    st.size == end_at(out))
			return TALLY_OK;
	}
	tally_paged_close(&out->file);
	return TALLY_END;
}

/* ---- writing ---------------------------------------------------------- */

static bool
stream_new(struct tally_runfile_stream *stream, uint64_t offset, size_t page)
{
	stream->offset = offset;
	stream->page = page;
	stream->capacity = BUFFER_BYTES / page;
	stream->buffer = tally_sys_alloc(BUFFER_BYTES);
	return stream->buffer != NULL;
}

/* The page that is being filled; it began as zeros. */
static char *
stream_page(const struct tally_runfile_stream *stream)
{
	return stream->buffer + stream->filled * stream->page;
}

static int
stream_flush(struct tally_runfile_writer *writer,
    struct tally_runfile_stream *stream, struct tally_error *error)
{
	size_t len = stream->filled * stream->page;
	int result;

	if (len == 0)
		return TALLY_OK;
	result = tally_sys_write(writer->run.file.fd, stream->buffer, len,
	    stream->offset, NULL);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	memset(stream->buffer, 0, len);
	stream->offset += len;
	stream->filled = 0;
	return TALLY_OK;
}

/* The page is full. */
static int
stream_next(struct tally_runfile_writer *writer,
    struct tally_runfile_stream *stream, struct tally_error *error)
{
	tally_page_seal(&writer->run.file.key,
	    stream->offset + stream->filled * stream->page, stream_page(stream),
	    stream->page);
	stream->filled++;
	return stream->filled < stream->capacity
	    ? TALLY_OK
	    : stream_flush(writer, stream, error);
}

static void
writer_free(struct tally_runfile_writer *writer)
{
	tally_paged_close(&writer->run.file);
	tally_sys_free(writer->filter.buffer);
	tally_sys_free(writer->starts.buffer);
	tally_sys_free(writer->entries.buffer);
	writer->filter.buffer = NULL;
	writer->starts.buffer = NULL;
	writer->entries.buffer = NULL;
}

int
tally_runfile_create(struct tally_runfile_writer *writer, int index_dir,
    const struct tally_sip_key *secret, const struct tally_run *run,
    struct tally_error *error)
{
	int fd;

	memset(writer, 0, sizeof(*writer));
	writer->index_dir = index_dir;
	writer->run = *run;
	writer->run.bits = bits_for(run->count);
	writer->run.file.fd = -1;
	tally_runfile_name(run->from, run->to, writer->name);
	if (!stream_new(&writer->filter, SMALL_PAGE, SMALL_PAGE) ||
	    !stream_new(&writer->starts, starts_at(&writer->run), SMALL_PAGE) ||
	    !stream_new(&writer->entries, entries_at(&writer->run),
		TALLY_RUNFILE_PAGE))
		return tally_fail_memory(error);
	(void)tally_sys_unlink(index_dir, KEYS_NEW);
	fd = tally_sys_open(index_dir, KEYS_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EXCLUSIVE);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot write the index");
	writer->run.file.fd = fd;
	/* By the name that it will have. */
	writer->run.file.key = tally_sip_derive(secret, writer->name);
	return TALLY_OK;
}

/* Bucket `bucket` begins with the next entry. */
static int
put_start(struct tally_runfile_writer *writer, uint64_t bucket,
    struct tally_error *error)
{
	uint64_t slot = bucket % STARTS_PER_PAGE;

	if (slot == 0) {
		int result;

		tally_put64(stream_page(&writer->starts) + STARTS_PER_PAGE * 8,
		    writer->put);
		result = stream_next(writer, &writer->starts, error);
		if (result != 0)
			return result;
	}
	tally_put64(stream_page(&writer->starts) + slot * 8, writer->put);
	return TALLY_OK;
}

/* What lies before a block and a bucket is finished. */
static int
advance(struct tally_runfile_writer *writer, uint64_t block, uint64_t bucket,
    struct tally_error *error)
{
	int result = TALLY_OK;

	for (; writer->block < block && result == 0; writer->block++)
		result = stream_next(writer, &writer->filter, error);
	while (writer->bucket < bucket && result == 0)
		result = put_start(writer, ++writer->bucket, error);
	return result;
}

int
tally_runfile_put(struct tally_runfile_writer *writer,
    const struct tally_keyed *key, struct tally_error *error)
{
	int result = advance(writer, filter_block(&writer->run, key->key),
	    bucket_of(&writer->run, key->key), error);
	char *at;

	if (result != 0)
		return result;
	filter_set(stream_page(&writer->filter), key->key);
	at = stream_page(&writer->entries) +
	    writer->put % TALLY_RUNFILE_FIT * ENTRY_BYTES;
	tally_put64(at, key->key);
	tally_put64(at + 8, key->index);
	tally_put64(at + 16, key->offset);
	writer->put++;
	return writer->put % TALLY_RUNFILE_FIT != 0
	    ? TALLY_OK
	    : stream_next(writer, &writer->entries, error);
}

/* What the last entry has left open, and the head. */
static int
writer_end(struct tally_runfile_writer *writer, struct tally_error *error)
{
	char head[SMALL_PAGE];
	int result;

	if (writer->put != writer->run.count)
		return tally_fail(error, TALLY_E_BUG,
		    "a run of the index is short");
	/* Its page is never full then, for no power of two is a multiple of
	 * six. */
	result = advance(writer, filter_blocks(&writer->run),
	    (uint64_t)1 << writer->run.bits, error);
	if (result == 0)
		result = stream_next(writer, &writer->starts, error);
	if (result == 0 && writer->put % TALLY_RUNFILE_FIT != 0)
		result = stream_next(writer, &writer->entries, error);
	if (result == 0)
		result = stream_flush(writer, &writer->filter, error);
	if (result == 0)
		result = stream_flush(writer, &writer->starts, error);
	if (result == 0)
		result = stream_flush(writer, &writer->entries, error);
	if (result != 0)
		return result;
	head_format(&writer->run, head);
	result = tally_sys_write(writer->run.file.fd, head, sizeof(head), 0,
	    NULL);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	return TALLY_OK;
}

int
tally_runfile_finish(struct tally_runfile_writer *writer, int so_far, bool sync,
    struct tally_run *out, struct tally_error *error)
{
	int result = so_far;

	if (result == 0)
		result = writer_end(writer, error);
	if (result == 0) {
		if (sync)
			result = tally_sys_sync_all(writer->run.file.fd);
		if (result == 0)
			result = tally_sys_rename(writer->index_dir, KEYS_NEW,
			    writer->name);
		if (result != 0)
			result = tally_fail_os(error, result,
			    "cannot write the index");
	}
	if (result == 0) {
		*out = writer->run;
		writer->run.file.fd = -1;
	}
	writer_free(writer);
	return result;
}

/* ---- reading ---------------------------------------------------------- */

int
tally_runfile_read(const struct tally_run *run, uint64_t begin, char *out,
    size_t pages, struct tally_error *error)
{
	return tally_pages_read(&run->file,
	    entries_at(run) + begin / TALLY_RUNFILE_FIT * TALLY_RUNFILE_PAGE,
	    TALLY_RUNFILE_PAGE, pages, out, error);
}

struct tally_keyed
tally_runfile_entry(const char *pages, size_t nth)
{
	const char *at = pages + nth / TALLY_RUNFILE_FIT * TALLY_RUNFILE_PAGE +
	    nth % TALLY_RUNFILE_FIT * ENTRY_BYTES;

	return (struct tally_keyed){
		.key = tally_get64(at),
		.index = tally_get64(at + 8),
		.offset = tally_get64(at + 16),
	};
}

int
tally_runfile_may_have(const struct tally_run *run, uint64_t key, bool *out_may,
    struct tally_error *error)
{
	char block[SMALL_PAGE];
	int result = tally_pages_read(&run->file,
	    SMALL_PAGE + filter_block(run, key) * SMALL_PAGE, SMALL_PAGE, 1,
	    block, error);

	if (result == 0)
		*out_may = filter_has(block, key);
	return result;
}

int
tally_runfile_bucket(const struct tally_run *run, uint64_t key,
    uint64_t *out_begin, uint64_t *out_end, struct tally_error *error)
{
	uint64_t bucket = bucket_of(run, key);
	char page[SMALL_PAGE];
	const char *at = page + bucket % STARTS_PER_PAGE * 8;
	int result = tally_pages_read(&run->file,
	    starts_at(run) + bucket / STARTS_PER_PAGE * SMALL_PAGE, SMALL_PAGE,
	    1, page, error);

	if (result != 0)
		return result;
	*out_begin = tally_get64(at);
	*out_end = tally_get64(at + 8);
	return TALLY_OK;
}

static int
reader_fill(struct tally_runfile_reader *reader, struct tally_error *error)
{
	uint64_t count = reader->run->count - reader->read;
	int result;

	if (count > BUFFER_PAGES * TALLY_RUNFILE_FIT)
		count = BUFFER_PAGES * TALLY_RUNFILE_FIT;
	result = tally_runfile_read(reader->run, reader->read, reader->buffer,
	    (size_t)(count + TALLY_RUNFILE_FIT - 1) / TALLY_RUNFILE_FIT, error);
	reader->read += count;
	reader->at = 0;
	reader->filled = (size_t)count;
	return result;
}

static int
reader_take(struct tally_runfile_reader *reader, struct tally_error *error)
{
	if (reader->left == 0)
		return TALLY_OK;
	if (reader->at == reader->filled) {
		int result = reader_fill(reader, error);

		if (result != 0)
			return result;
	}
	reader->next = tally_runfile_entry(reader->buffer, reader->at++);
	return TALLY_OK;
}

int
tally_runfile_reader_open(struct tally_runfile_reader *reader,
    const struct tally_run *run, struct tally_error *error)
{
	memset(reader, 0, sizeof(*reader));
	reader->run = run;
	reader->left = run->count;
	reader->buffer = tally_sys_alloc(BUFFER_BYTES);
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
