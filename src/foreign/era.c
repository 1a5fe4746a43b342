/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/fail.h"
#include "core/text.h"
#include "foreign/era.h"
#include "log/sys.h"

#define PART_RECORDS 256
#define PART_BYTES ((size_t)1 << 16)
#define PART_FIRST ((size_t)512)
#define STORED_MAX 128
#define ID_SIZE (sizeof("adopt/") + TALLY_DECIMAL_MAX)

int
tally_era_init(struct tally_era *era, const char *chain, size_t chain_len)
{
	memset(era, 0, sizeof(*era));
	era->chain = tally_sys_alloc(chain_len + 1);
	if (era->chain == NULL)
		return TALLY_E_MEMORY;
	memcpy(era->chain, chain, chain_len);
	era->chain_len = (uint16_t)chain_len;
	era->window = era->base = 1;
	return 0;
}

static void
free_part(struct tally_era *era)
{
	if (era->part == NULL)
		return;
	tally_out_wipe(&era->part->records);
	tally_out_wipe(&era->part->findings);
	tally_sys_free(era->part);
	era->part = NULL;
}

void
tally_era_drop(struct tally_eras *eras, struct tally_era *era)
{
	eras->held -= era->capacity * sizeof(*era->memory);
	tally_sys_free(era->memory);
	era->memory = NULL;
	if (era->sealed_len > 0)
		era->at_end = false;
	era->begin = era->capacity = era->sealed_len = 0;
}

void
tally_era_wipe(struct tally_eras *eras, struct tally_era *era)
{
	tally_era_drop(eras, era);
	free_part(era);
	tally_sys_free(era->chain);
}

static size_t
format_id(uint64_t first, char out[ID_SIZE])
{
	return (size_t)snprintf(out, ID_SIZE, "adopt/%llu",
	    (unsigned long long)first);
}

/* ---- what is sealed --------------------------------------------------- */

static int
refuse_part(struct tally_eras *eras, const struct tally_era *era,
    uint64_t first)
{
	return tally_fail(eras->error, TALLY_E_DAMAGED,
	    "the record \"adopt/%llu\" of chain \"%s\" is no part of an"
	    " adoption",
	    (unsigned long long)first, era->chain);
}

static int
make_room(struct tally_eras *eras, struct tally_era *era, size_t more)
{
	size_t wanted = era->sealed_len + more;
	void *grown;

	if (era->begin > 0)
		memmove(era->memory, era->memory + era->begin,
		    era->sealed_len * sizeof(*era->memory));
	era->begin = 0;
	if (wanted <= era->capacity)
		return 0;
	grown = tally_sys_realloc(era->memory, wanted * sizeof(*era->memory));
	if (grown == NULL)
		return tally_fail(eras->error, TALLY_E_MEMORY, "out of memory");
	eras->held += (wanted - era->capacity) * sizeof(*era->memory);
	era->memory = grown;
	era->capacity = (uint32_t)wanted;
	return 0;
}

/* Takes the digests of a part's records into the window. */
static int
take_part(struct tally_eras *eras, struct tally_era *era, uint64_t first,
    json_t *part)
{
	json_t *records = json_object_get(part, "records");
	size_t len = json_array_size(records), i;
	int r;

	if (len == 0 ||
	    (uint64_t)json_integer_value(json_object_get(part, "first")) !=
		first)
		return refuse_part(eras, era, first);
	r = make_room(eras, era, len);
	for (i = 0; i < len && r == 0; i++) {
		json_t *digest = json_array_get(json_array_get(records, i), 0);

		if (!json_is_string(digest) ||
		    tally_hash_parse(json_string_value(digest),
			json_string_length(digest),
			&era->memory[era->sealed_len + i]) != 0)
			r = refuse_part(eras, era, first);
	}
	era->sealed_len += r == 0 ? (uint32_t)len : 0;
	return r;
}

static int
read_part(struct tally_eras *eras, struct tally_era *era)
{
	uint64_t first = era->window + era->sealed_len;
	char id[ID_SIZE];
	struct tally_find find = { .by = TALLY_KEY_ID,
		.chain = era->chain,
		.chain_len = era->chain_len,
		.id = id,
		.id_len = format_id(first, id) };
	struct tally_record record;
	json_t *event;
	int r;

	/* Nothing before it is needed again. */
	if (era->sealed_len == 0)
		era->base = era->window;
	r = tally_cursor_find(eras->cursor, &find, &record, eras->error);

	if (r == TALLY_END)
		era->at_end = true;
	if (r != 0)
		return r == TALLY_END ? 0 : r;
	if (record.event == NULL)
		return tally_fail(eras->error, TALLY_E_DAMAGED,
		    "the adopted records from %llu of chain \"%s\" were"
		    " erased",
		    (unsigned long long)first, era->chain);
	event = json_loadb(record.event, record.event_len, 0, NULL);
	r = take_part(eras, era, first, json_object_get(event, "adopted"));
	json_decref(event);
	return r;
}

/* The memory was taken away within a part: reads on from where one begins. */
static int
read_again(struct tally_eras *eras, struct tally_era *era)
{
	uint64_t window = era->window;
	int r = 0;

	era->window = era->base;
	while (r == 0 && !era->at_end && era->window < window) {
		if (era->sealed_len == 0)
			r = read_part(eras, era);
		if (r == 0)
			tally_era_slide(era,
			    window - era->window < era->sealed_len
				? window - era->window
				: era->sealed_len);
	}
	era->window = window;
	return r;
}

int
tally_era_look(struct tally_eras *eras, struct tally_era *era, size_t records)
{
	int r = 0;

	if (eras->log == NULL)
		era->at_end = true;
	if (!era->at_end && era->memory == NULL && era->base < era->window)
		r = read_again(eras, era);
	while (r == 0 && !era->at_end && era->sealed_len < records)
		r = read_part(eras, era);
	if (era->sealed_len == 0)
		tally_era_drop(eras, era);
	return r;
}

/* ---- a part that is being made ---------------------------------------- */

static int
put(struct tally_eras *eras, struct tally_canon_out *out, const char *text,
    size_t len)
{
	int r = tally_out_put(out, text, len, PART_FIRST);

	if (r != 0)
		return tally_fail(eras->error, r,
		    r == TALLY_E_LIMIT ? "a part of the adoption is too long"
				       : "out of memory");
	eras->bytes += len;
	return 0;
}

/* The stored hash, where it is text that needs no escape. */
static bool
is_plain(const struct tally_canon_text *hash)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ+/=_-";

	for (size_t i = 0; i < hash->len; i++) {
		if (memchr(plain, hash->at[i], sizeof(plain) - 1) == NULL)
			return false;
	}
	return hash->len <= STORED_MAX;
}

/* The part that is being made, which may be a new one; or NULL. */
static struct tally_part *
part_of(struct tally_eras *eras, struct tally_era *era)
{
	if (era->part == NULL) {
		era->part = tally_sys_alloc(sizeof(*era->part));
		if (era->part == NULL)
			(void)tally_fail(eras->error, TALLY_E_MEMORY,
			    "out of memory");
		else
			era->part->first = era->count;
	}
	return era->part;
}

int
tally_era_add(struct tally_eras *eras, struct tally_era *era,
    const struct tally_hash *digest, const struct tally_canon_text *hash)
{
	char text[TALLY_HASH_TEXT_SIZE + STORED_MAX + 16], hex[65];
	struct tally_part *part = part_of(eras, era);
	int len;

	if (part == NULL)
		return TALLY_E_MEMORY;
	tally_hash_format(digest, hex);
	len = snprintf(text, sizeof(text), "%s[\"%s\",\"%.*s\"]",
	    part->len == 0 ? "" : ",", hex, is_plain(hash) ? (int)hash->len : 0,
	    hash->at);
	part->len++;
	return put(eras, &part->records, text, (size_t)len);
}

int
tally_era_note(struct tally_eras *eras, struct tally_era *era, const char *kind,
    const char *detail)
{
	struct tally_part *part = era->part;
	char text[1200];
	struct tally_canon_out out = { text, 0, sizeof(text) - 64, false };
	int r;

	out.len = (size_t)snprintf(text, sizeof(text),
	    "%s{\"at\":%llu,\"detail\":", part->findings.len == 0 ? "" : ",",
	    (unsigned long long)era->count);
	r = tally_canon_write_string(TALLY_CANON_JS_UTF16, detail,
	    strlen(detail), &out, eras->error);
	if (r == 0 && out.full)
		r = tally_fail(eras->error, TALLY_E_LIMIT,
		    "a finding's detail is too long");
	if (r != 0)
		return r;
	out.len += (size_t)snprintf(text + out.len, sizeof(text) - out.len,
	    ",\"kind\":\"%s\"}", kind);
	return put(eras, &part->findings, text, out.len);
}

bool
tally_era_is_full(const struct tally_eras *eras, const struct tally_era *era)
{
	const struct tally_part *part = era->part;
	size_t limit = eras->log == NULL
	    ? PART_BYTES
	    : (size_t)tally_log_identity(eras->log)->event_bytes / 2;

	return part->len >= PART_RECORDS ||
	    part->records.len + part->findings.len >=
	    (limit < PART_BYTES ? limit : PART_BYTES);
}

static int
append(struct tally_eras *eras, struct tally_era *era, const char *event,
    size_t len)
{
	char id[ID_SIZE];
	struct tally_append request = { .chain = era->chain,
		.chain_len = era->chain_len,
		.id = id,
		.id_len = format_id(era->part->first, id),
		.event = event,
		.event_len = len,
		.salted = eras->salted };
	struct tally_receipt receipt;
	int r = tally_log_append(eras->log, &request, 1, TALLY_BUFFERED,
	    &receipt, eras->error);

	if (r == TALLY_E_CONFLICT || (r == 0 && receipt.repeated))
		return tally_fail(eras->error, TALLY_E_BUSY,
		    "somebody else is adopting into chain \"%s\"", era->chain);
	eras->appended += r == 0;
	return r;
}

/* The event of a part. */
static int
compose(struct tally_eras *eras, const struct tally_part *part,
    struct tally_canon_out *out)
{
	char first[64];
	int len = snprintf(first, sizeof(first), "\"first\":%llu,\"records\":[",
	    (unsigned long long)part->first);
	int r = put(eras, out, "{\"adopted\":{", 12);

	if (r == 0 && part->findings.len > 0) {
		r = put(eras, out, "\"findings\":[", 12);
		if (r == 0)
			r = put(eras, out, part->findings.at,
			    part->findings.len);
		if (r == 0)
			r = put(eras, out, "],", 2);
	}
	if (r == 0)
		r = put(eras, out, first, (size_t)len);
	if (r == 0)
		r = put(eras, out, part->records.at, part->records.len);
	return r == 0 ? put(eras, out, "]}}", 3) : r;
}

int
tally_era_append(struct tally_eras *eras, struct tally_era *era)
{
	struct tally_canon_out event = { 0 };
	size_t bytes = eras->bytes;
	int r;

	if (era->part == NULL || eras->log == NULL)
		return 0;
	bytes -= era->part->records.len + era->part->findings.len;
	r = compose(eras, era->part, &event);
	eras->bytes = bytes;
	if (r == 0)
		r = append(eras, era, event.at, event.len);
	tally_out_wipe(&event);
	free_part(era);
	return r;
}
