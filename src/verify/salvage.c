/* SPDX-License-Identifier: Apache-2.0 */
/* What can still be read of a line. */
#include <string.h>

#include "verify/salvage.h"

#define HASH_LEN ((size_t)2 * TALLY_HASH_SIZE)
#define TIME_LEN ((size_t)TALLY_TIME_TEXT_SIZE - 1)
#define SEQ_LEN ((size_t)16) /* digits of TALLY_SEQ_MAX */

/* Literals between the members, see doc/format.md, sections 3 and 5. */
#define DIGEST "\",\"digest\":\""
#define ID "\",\"id\":\""
#define PREV "\",\"prev\":\""
#define SEQ "\",\"seq\":"
#define TIME ",\"time\":\""
#define HASH "\",\"v\":1,\"hash\":\""
#define LEN(literal) (sizeof(literal) - 1)
#define HEADER_END LEN("\",\"v\":1") /* of HASH, what is still header */

unsigned
tally_salvage_near(const char *text, const char *literal, size_t len)
{
	unsigned wrong = 0;
	size_t i;

	for (i = 0; i < len; i++)
		wrong += text[i] != literal[i];
	return wrong;
}

/* One byte of a literal may be wrong. */
static bool
is_at(const char *text, size_t len, size_t at, const char *literal,
    size_t literal_len)
{
	return at <= len && literal_len <= len - at &&
	    tally_salvage_near(text + at, literal, literal_len) <= 1;
}

/*
 * Finds literal at from ... to; as it is if it can be had, else with one wrong
 * byte.  Returns where, or 0.
 */
static size_t
find(const char *text, size_t len, size_t from, size_t to, const char *literal,
    size_t literal_len)
{
	size_t at, second = 0;
	unsigned wrong;

	for (at = from; at <= to && at + literal_len <= len; at++) {
		wrong = tally_salvage_near(text + at, literal, literal_len);
		if (wrong == 0)
			return at;
		if (wrong == 1 && second == 0)
			second = at;
	}
	return second;
}

static bool
read_hash(const char *text, size_t at, struct tally_hash *out)
{
	return tally_hex_parse(text + at, HASH_LEN, true, out->b,
		   sizeof(out->b)) == 0;
}

/* Where the members are; 0 where one was not found. */
struct layout {
	size_t digest;
	size_t prev;
	size_t seq;
	size_t seq_end;
	size_t hash;
};

static bool
find_layout(const char *text, size_t len, struct layout *out)
{
	size_t at;

	at = find(text, len, TALLY_BEGIN_LEN + 1,
	    TALLY_BEGIN_LEN + TALLY_CHAIN_TEXT_MAX, DIGEST, LEN(DIGEST));
	if (at == 0)
		return false;
	out->digest = at + LEN(DIGEST);
	at = out->digest + HASH_LEN;
	if (!is_at(text, len, at, PREV, LEN(PREV))) {
		if (!is_at(text, len, at, ID, LEN(ID)))
			return false;
		at += LEN(ID);
		at = find(text, len, at + 1, at + TALLY_ID_TEXT_MAX, PREV,
		    LEN(PREV));
		if (at == 0)
			return false;
	}
	out->prev = at + LEN(PREV);
	at = out->prev + HASH_LEN;
	if (!is_at(text, len, at, SEQ, LEN(SEQ)))
		return false;
	out->seq = at + LEN(SEQ);
	out->seq_end = find(text, len, out->seq + 1, out->seq + SEQ_LEN, TIME,
	    LEN(TIME));
	if (out->seq_end == 0)
		return false;
	at = out->seq_end + LEN(TIME) + TIME_LEN;
	if (!is_at(text, len, at, HASH, LEN(HASH)))
		return false;
	out->hash = at + LEN(HASH);
	return out->hash + HASH_LEN <= len;
}

static struct tally_hash
hash_header(struct tally_hasher *hasher, const char *text, size_t len)
{
	char header[TALLY_HEADER_MAX + 1];

	memcpy(header, text, len);
	header[len] = '}';
	return tally_hash_leaf(hasher, header, len + 1);
}

void
tally_salvage_walk(struct tally_hasher *hasher, const char *text, size_t len,
    struct tally_salvage *out)
{
	char name[TALLY_CHAIN_MAX + 1];
	struct layout layout = { 0 };
	size_t name_len;

	memset(out, 0, sizeof(*out));
	if (len < TALLY_BEGIN_LEN ||
	    tally_salvage_near(text, TALLY_BEGIN, TALLY_BEGIN_LEN) > 2 ||
	    !find_layout(text, len, &layout))
		return;
	out->chain = text + TALLY_BEGIN_LEN;
	out->chain_len = layout.digest - LEN(DIGEST) - TALLY_BEGIN_LEN;
	out->has_chain = tally_name_unescape(out->chain, out->chain_len,
			     TALLY_CHAIN_MAX, name, &name_len) == 0;
	out->has_digest = read_hash(text, layout.digest, &out->digest);
	out->has_prev = read_hash(text, layout.prev, &out->prev);
	out->has_hash = read_hash(text, layout.hash, &out->hash);
	out->has_seq = tally_decimal_parse(text + layout.seq,
			   layout.seq_end - layout.seq, TALLY_SEQ_MAX,
			   &out->seq) == 0 &&
	    out->seq != 0;
	out->header_len = layout.hash - LEN(HASH) + HEADER_END;
	if (hasher == NULL || out->header_len > TALLY_HEADER_MAX)
		return;
	out->computed = hash_header(hasher, text, out->header_len);
	out->header_holds = out->has_hash &&
	    tally_hash_equal(&out->computed, &out->hash);
}

/* All the values of one byte. */
static bool
repair_byte(struct tally_hasher *hasher, char *header, size_t header_len,
    size_t at, const struct tally_hash *hash)
{
	char old = header[at];
	struct tally_hash found;
	unsigned value;

	for (value = 0; value < 256; value++) {
		if ((char)value == old)
			continue;
		header[at] = (char)value;
		found = tally_hash_leaf(hasher, header, header_len);
		if (tally_hash_equal(&found, hash))
			return true;
	}
	header[at] = old;
	return false;
}

bool
tally_salvage_repair(struct tally_hasher *hasher, const char *text,
    const struct tally_salvage *salvage, uint64_t *budget, char *out)
{
	char header[TALLY_HEADER_MAX + 1];
	size_t at, len = salvage->header_len, name_len;
	char name[TALLY_CHAIN_MAX + 1];

	if (salvage->chain_len == 0 || !salvage->has_hash ||
	    len > TALLY_HEADER_MAX)
		return false;
	memcpy(header, text, len);
	header[len++] = '}';
	for (at = TALLY_BEGIN_LEN; at < TALLY_BEGIN_LEN + salvage->chain_len;
	     at++) {
		if (*budget < 255)
			return false;
		*budget -= 255;
		if (!repair_byte(hasher, header, len, at, &salvage->hash))
			continue;
		memcpy(out, header + TALLY_BEGIN_LEN, salvage->chain_len);
		return tally_name_unescape(out, salvage->chain_len,
			   TALLY_CHAIN_MAX, name, &name_len) == 0;
	}
	return false;
}
