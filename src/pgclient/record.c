/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading tally.record.
 *
 * The types of its columns were looked at (catalog.c); what is in them can be
 * anything.
 */
#include <stdlib.h>
#include <string.h>

#include "pgclient/record.h"

/* Microseconds between 1970-01-01 and PostgreSQL's epoch, 2000-01-01. */
#define EPOCH_SHIFT_US INT64_C(946684800000000)

/* 10000-01-01, in microseconds since 1970. */
#define YEAR_10000_US INT64_C(253402300800000000)

static uint64_t
read_number(const char *at, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | (uint8_t)at[i];
	return value;
}

/* "PGCOPY\n\377\r\n\0", flags, and the length of what else there is. */
static const char *
skip_header(const char *row, const char *end)
{
	static const char signature[11] = { 'P', 'G', 'C', 'O', 'P', 'Y', '\n',
		'\377', '\r', '\n', '\0' };
	uint64_t more;

	if (end - row < 19 || memcmp(row, signature, sizeof(signature)) != 0)
		return NULL;
	more = read_number(row + 15, 4);
	row += 19;
	return more > (uint64_t)(end - row) ? NULL : row + more;
}

int
tally_pg_fields_decode(const char *row, size_t len, bool *first,
    struct tally_pg_field *fields, int count)
{
	const char *end = row + len;
	uint64_t number;

	if (*first)
		row = skip_header(row, end);
	*first = false;
	if (row == NULL || end - row < 2)
		return TALLY_E_FORMAT;
	number = read_number(row, 2);
	row += 2;
	if (number == 0xffff)
		return TALLY_END;
	if (number != (uint64_t)count)
		return TALLY_E_FORMAT;
	for (int i = 0; i < count; i++) {
		if (end - row < 4)
			return TALLY_E_FORMAT;
		number = read_number(row, 4);
		row += 4;
		fields[i].at = number == UINT32_MAX ? NULL : row;
		fields[i].len = number == UINT32_MAX ? 0 : number;
		if (fields[i].len > (size_t)(end - row))
			return TALLY_E_FORMAT;
		row += fields[i].len;
	}
	return row == end ? 0 : TALLY_E_FORMAT;
}

static bool
get_int8(const struct tally_pg_field *field, int64_t *out)
{
	*out = 0;
	if (field->at == NULL || field->len != 8)
		return false;
	*out = (int64_t)read_number(field->at, 8);
	return true;
}

static void
read_hash(const struct tally_pg_field *field, bool *out_has,
    struct tally_hash *out, struct tally_pg_record *record, const char *damage)
{
	*out_has = field->at != NULL && field->len == TALLY_HASH_SIZE;
	if (*out_has)
		memcpy(out->b, field->at, TALLY_HASH_SIZE);
	else
		record->damage = damage;
}

static void
read_time(const struct tally_pg_field *field, struct tally_pg_record *record)
{
	int64_t time;

	if (!get_int8(field, &time)) {
		record->damage = "its time is null";
		return;
	}
	if (time < -EPOCH_SHIFT_US || time >= YEAR_10000_US - EPOCH_SHIFT_US) {
		record->damage = "its time is not in the years 1970 to 9999";
	} else {
		record->parts.has_time = true;
		record->parts.time_us = time + EPOCH_SHIFT_US;
	}
}

static void
read_names(const struct tally_pg_field *fields, struct tally_pg_record *record)
{
	static const char no_salt[TALLY_SALT_SIZE];
	const struct tally_pg_field *salt = &fields[2];

	record->key = fields[0].at;
	record->key_len = fields[0].len;
	if (record->key_len > TALLY_PG_KEY_MAX) {
		record->damage = "its key is longer than any";
		record->key_len = TALLY_PG_KEY_MAX;
	}
	record->parts.id = fields[1].at;
	record->parts.id_len = fields[1].len;
	if (record->parts.id != NULL &&
	    (record->parts.id_len == 0 ||
		record->parts.id_len > TALLY_ID_MAX)) {
		record->damage = "its id is empty, or longer than any";
		/* Whatever it was, no header holds with this. */
		record->parts.id_len = 0;
	}
	if (salt->at == NULL)
		return;
	if (salt->len != TALLY_SALT_SIZE)
		record->damage = "its salt is not 16 bytes long";
	else if (memcmp(salt->at, no_salt, TALLY_SALT_SIZE) == 0)
		record->damage = "its salt is the one that is not written";
	else
		record->salt = (const void *)salt->at;
}

void
tally_pg_record_decode(const struct tally_pg_field *fields,
    struct tally_pg_record *out)
{
	memset(out, 0, sizeof(*out));
	if (fields[0].at != NULL && fields[0].len == 6)
		out->tid = read_number(fields[0].at, 6);
	out->has_chain = get_int8(&fields[1], &out->chain_id) &&
	    out->chain_id > 0;
	out->has_seq = get_int8(&fields[2], &out->seq) && out->seq > 0 &&
	    out->seq <= (int64_t)TALLY_SEQ_MAX;
	if (!out->has_chain)
		out->damage = "its chain_id is null, or none";
	if (!out->has_seq)
		out->damage = "its seq is null, or none";
	(void)get_int8(&fields[4], &out->epoch);
	(void)get_int8(&fields[5], &out->event_id);
	read_hash(&fields[6], &out->parts.has_digest, &out->parts.digest, out,
	    "its digest is not 32 bytes long");
	read_hash(&fields[7], &out->has_prev, &out->prev, out,
	    "its prev is not 32 bytes long");
	read_hash(&fields[8], &out->has_hash, &out->hash, out,
	    "its hash is not 32 bytes long");
	read_time(&fields[3], out);
	read_names(&fields[9], out);
}

struct tally_pg_record *
tally_pg_record_dup(const struct tally_pg_record *record)
{
	size_t size = sizeof(*record) + record->key_len + record->parts.id_len +
	    TALLY_SALT_SIZE;
	struct tally_pg_record *copy = malloc(size);
	char *room = (char *)(copy + 1);

	if (copy == NULL)
		return NULL;
	*copy = *record;
	if (record->key != NULL)
		copy->key = memcpy(room, record->key, record->key_len);
	room += record->key_len;
	if (record->parts.id != NULL)
		copy->parts.id = memcpy(room, record->parts.id,
		    record->parts.id_len);
	room += record->parts.id_len;
	if (record->salt != NULL)
		copy->salt = memcpy(room, record->salt, TALLY_SALT_SIZE);
	return copy;
}
