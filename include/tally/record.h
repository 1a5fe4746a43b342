/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record as its readers see it.  doc/format.md is normative for every
 * byte; this header only names the parts.
 *
 * index  0-based position of a record in its log
 * seq    1-based position of a record in its chain
 * size   a count of records; a log of size n holds the indexes 0 ... n - 1
 */
#ifndef TALLY_RECORD_H
#define TALLY_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TALLY_FORMAT_VERSION 1

#define TALLY_HASH_SIZE 32
#define TALLY_SALT_SIZE 16
#define TALLY_CHAIN_MAX 255 /* bytes of a chain's name */
#define TALLY_ID_MAX 128    /* bytes of an id */
#define TALLY_ORIGIN_MAX 255
#define TALLY_SEQ_MAX ((uint64_t)9007199254740991) /* 2^53 - 1 */
#define TALLY_EVENT_DEFAULT ((uint32_t)1 << 20)
#define TALLY_EVENT_MAX ((uint32_t)16 << 20)

/* "2026-11-21T01:26:18.123456Z" and a NUL. */
#define TALLY_TIME_TEXT_SIZE 28
#define TALLY_HASH_TEXT_SIZE 65

/* A SHA-256 value: assignable, typed, never short. */
struct tally_hash {
	uint8_t b[TALLY_HASH_SIZE];
};

/* The last record of a chain, as somebody outside knows it. */
struct tally_outside_head {
	const char *chain; /* plain name */
	size_t chain_len;
	uint64_t seq;
	struct tally_hash hash;
};

/* What became of a record's event. */
enum tally_body {
	TALLY_BODY_EVENT = 0, /* the event is there */
	TALLY_BODY_ELSEWHERE, /* carried from another store without it */
	TALLY_BODY_ERASED,    /* erased by the order tally:log / order_seq */
};

/*
 * One record.  All pointers view memory of whoever filled the struct (a
 * cursor, a proof) and live as long as it says; chain and id are the plain
 * names (unescaped), NUL-terminated.
 */
struct tally_record {
	uint64_t index;
	uint64_t seq;
	int64_t time_us; /* microseconds since 1970-01-01T00:00:00Z */
	const char *chain;
	size_t chain_len;
	const char *id; /* NULL where the record has none */
	size_t id_len;
	struct tally_hash digest;
	struct tally_hash prev;
	struct tally_hash hash;
	enum tally_body body;
	const char *event; /* compact JSON, not terminated; NULL if not there */
	size_t event_len;
	const uint8_t *salt; /* TALLY_SALT_SIZE bytes, or NULL */
	uint64_t order_seq;  /* TALLY_BODY_ERASED: seq in tally:log */
	const char *line;    /* the line as stored, with its line feed */
	size_t line_len;
};

/* Writes 64 lower-case hexadecimal digits and a NUL. */
TALLY_API void
tally_hash_format(const struct tally_hash *hash,
    char out[TALLY_HASH_TEXT_SIZE]);

/*
 * Reads exactly 64 hexadecimal digits of either case.
 * Returns 0, or TALLY_E_FORMAT (out is left alone).
 */
TALLY_API TALLY_MUST_CHECK int
tally_hash_parse(const char *text, size_t len, struct tally_hash *out);

/*
 * Writes an instant of the years 1970 to 9999 as RFC 3339 in UTC with six
 * fractional digits, "Z" and a NUL.  An instant outside is clamped.
 */
TALLY_API void
tally_time_format(int64_t time_us, char out[TALLY_TIME_TEXT_SIZE]);

/*
 * Reads an RFC 3339 instant; the fraction may have 0 to 9 digits (what is
 * below a microsecond is cut off), the zone may be an offset.
 * Returns 0, or TALLY_E_FORMAT.
 */
TALLY_API TALLY_MUST_CHECK int
tally_time_parse(const char *text, size_t len, int64_t *out_time_us);

/*
 * The value of a string member at the top level of a compact or spaced JSON
 * object, unescaped, NUL-terminated.  The object must be valid JSON.
 * Returns 0; TALLY_END if there is no such member, or it is no string;
 * TALLY_E_LIMIT if it does not fit out_size bytes.
 */
TALLY_API TALLY_MUST_CHECK int
tally_event_member(const char *event, size_t event_len, const char *member,
    char *out, size_t out_size, size_t *out_len);

#ifdef __cplusplus
}
#endif
#endif
