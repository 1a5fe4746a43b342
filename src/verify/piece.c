/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that are not one good line, up to where the next line begins as a
 * record does.  What is wrong, and with which record:
 *
 *	header hashes to the stored hash, layout holds    content-altered
 *	layout holds, header hashes to another            link-altered
 *	layout holds, event matches, but is no event      damaged
 *	anything else                                     damaged
 *
 * A line feed that was overwritten leaves two records in one line.  They are
 * told apart where the bytes before a record's beginning are a good line but
 * for their last byte, or the bytes from it on are a good line; everything
 * else in between is one damaged record.
 *
 * The work is bounded by a constant times the length, whatever the bytes.
 */
#include <string.h>

#include "verify/judge.h"

/* Bytes hashed in looking for records inside a line: so many times its
 * length, and some. */
#define SPLIT_FACTOR 8
#define SPLIT_CONSTANT ((uint64_t)64 << 10)

/* One record's worth of bytes.  text: its beginning, or all of it. */
struct piece {
	uint32_t extent;
	uint64_t begin;
	const char *text;
	size_t text_len;
	bool whole; /* text is all of it */
};

enum split {
	SPLIT_NONE,
	SPLIT_FRONT, /* [0, at) holds but for its line feed */
	SPLIT_TAIL,  /* [at, len) holds */
};

static int
tell_piece(struct tally_judge *judge, enum tally_finding_kind kind,
    uint32_t chain, uint64_t seq, const struct tally_where *where)
{
	static const char *const details[] = {
		[TALLY_DAMAGED] = "the bytes are no record",
		[TALLY_CONTENT_ALTERED] =
		    "the event does not match the digest in its header",
		[TALLY_LINK_ALTERED] =
		    "the header does not hash to the hash in its line",
	};

	tally_tell_chain(judge, kind, chain, seq, where, details[kind]);
	return 0;
}

/* In how many hexadecimal digits do they differ? */
static unsigned
digits_apart(const struct tally_hash *a, const struct tally_hash *b)
{
	unsigned apart = 0, x;
	size_t i;

	for (i = 0; i < TALLY_HASH_SIZE; i++) {
		x = a->b[i] ^ b->b[i];
		apart += ((x & 0xf0) != 0) + ((x & 0x0f) != 0);
	}
	return apart;
}

/*
 * The hash that the record had: the stored one, but where that was changed in
 * a digit or two, or is not there; and the other one as a second guess.
 */
static void
guess_hash(const struct tally_salvage *salvage, struct tally_step *step)
{
	bool stored = salvage->has_hash;
	bool computed = salvage->chain_len > 0;

	step->wild = !stored && !computed;
	step->has_alt = stored && computed && !salvage->header_holds;
	step->hash = stored ? salvage->hash : salvage->computed;
	step->alt = salvage->computed;
	if (step->has_alt &&
	    digits_apart(&salvage->hash, &salvage->computed) <= 2) {
		step->hash = salvage->computed;
		step->alt = salvage->hash;
	}
}

static bool
is_other_chain(const struct tally_judge *judge, const char *name, size_t len)
{
	return judge->plan->only != NULL &&
	    (len != judge->plan->only_len ||
		memcmp(name, judge->plan->only, len) != 0);
}

static void
lose(struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_salvage *salvage, const struct tally_where *where)
{
	struct tally_lost lost = {
		.kind = kind,
		.where = *where,
		.chain = TALLY_CHAIN_NONE,
		.has_seq = salvage->has_seq,
		.has_hash = salvage->has_hash,
		.seq = salvage->seq,
		.hash = salvage->hash,
	};

	if (salvage->has_chain) {
		memcpy(lost.name, salvage->chain, salvage->chain_len);
		lost.name_len = salvage->chain_len;
		lost.chain = tally_chains_find(&judge->chains, lost.name,
		    lost.name_len,
		    tally_chains_key(judge->chains.seed, lost.name,
			lost.name_len));
	}
	tally_steps_lose(judge, &lost);
}

/* A record whose header does not hold. */
static int
take_bad(struct tally_judge *judge, enum tally_finding_kind kind,
    const char *text, const struct tally_salvage *salvage,
    const struct tally_where *where)
{
	struct tally_step step = { .where = *where, .accused = true };
	int r;

	guess_hash(salvage, &step);
	if (salvage->has_chain &&
	    is_other_chain(judge, salvage->chain, salvage->chain_len)) {
		tally_judge_leaf(judge, &step.hash);
		return 0;
	}
	r = tally_judge_identify(judge, text, salvage, &step.chain, &step.seq);
	if (r != 0)
		return r;
	if (step.chain == TALLY_CHAIN_NONE) {
		lose(judge, kind, salvage, where);
	} else {
		step.prev = salvage->prev;
		r = tell_piece(judge, kind, step.chain, step.seq, where);
		tally_steps_force(judge, &step);
	}
	tally_judge_leaf(judge, &step.hash);
	return r;
}

/* A record whose header holds, and so says who it is. */
static int
take_known(struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_salvage *salvage, const struct tally_where *where)
{
	struct tally_step step = {
		.prev = salvage->prev,
		.hash = salvage->hash,
		.seq = salvage->seq,
		.where = *where,
	};
	uint64_t key;
	int r = 0;

	if (is_other_chain(judge, salvage->chain, salvage->chain_len)) {
		tally_judge_leaf(judge, &step.hash);
		return 0;
	}
	key = tally_chains_key(judge->chains.seed, salvage->chain,
	    salvage->chain_len);
	step.chain = tally_chains_find(&judge->chains, salvage->chain,
	    salvage->chain_len, key);
	if (step.chain == TALLY_CHAIN_NONE)
		r = tally_chains_add(&judge->chains, salvage->chain,
		    salvage->chain_len, key, &step.chain);
	if (r != 0)
		return r;
	r = tell_piece(judge, kind, step.chain, step.seq, where);
	tally_steps_take(judge, &step);
	tally_judge_leaf(judge, &step.hash);
	return r;
}

static int
take_piece(struct tally_judge *judge, const struct piece *piece)
{
	struct tally_where where = { judge->size, piece->begin, piece->extent };
	struct tally_hasher *hasher = &judge->scanner->hasher;
	struct tally_salvage salvage;
	struct tally_line line;
	bool decodes;

	/* A line feed inside is one that was not there. */
	decodes = piece->whole &&
	    memchr(piece->text, '\n', piece->text_len - 1) == NULL &&
	    tally_line_decode(piece->text, piece->text_len, &line) == 0;
	tally_salvage_walk(hasher, piece->text, piece->text_len, &salvage);
	if (tally_hasher_failed(hasher))
		return TALLY_E_BUG;
	if (!salvage.header_holds || !salvage.has_chain || !salvage.has_prev ||
	    !salvage.has_seq)
		return take_bad(judge,
		    decodes ? TALLY_LINK_ALTERED : TALLY_DAMAGED, piece->text,
		    &salvage, &where);
	if (decodes && !tally_line_event_holds(hasher, &line))
		return take_known(judge, TALLY_CONTENT_ALTERED, &salvage,
		    &where);
	return take_known(judge, TALLY_DAMAGED, &salvage, &where);
}

/* Does text hold as a line?  Takes what it costs off the budget. */
static bool
is_line(struct tally_judge *judge, const char *text, size_t len,
    uint64_t *budget)
{
	struct tally_hasher *hasher = &judge->scanner->hasher;
	struct tally_line line;
	struct tally_hash hash;

	if (tally_line_decode(text, len, &line) != 0)
		return false;
	hash = tally_line_header_hash(hasher, &line);
	if (!tally_hash_equal(&hash, &line.hash))
		return false;
	if (*budget < len) {
		*budget = 0;
		return false;
	}
	*budget -= len;
	return tally_line_event_holds(hasher, &line);
}

static const char *
find_begin(const char *at, const char *end)
{
	while (end - at >= (ptrdiff_t)TALLY_BEGIN_LEN) {
		at = memchr(at, TALLY_BEGIN[0],
		    (size_t)(end - at) - TALLY_BEGIN_LEN + 1);
		if (at == NULL)
			return NULL;
		if (memcmp(at, TALLY_BEGIN, TALLY_BEGIN_LEN) == 0)
			return at;
		at++;
	}
	return NULL;
}

/*
 * Looks for another record inside text[0, len).  With front, also for the end
 * of one that begins at 0.
 */
static enum split
find_split(struct tally_judge *judge, char *text, size_t len, bool front,
    uint64_t *budget, size_t *out_at)
{
	const char *found = text;
	bool holds;
	size_t at;
	char last;

	while (*budget > 0) {
		found = find_begin(found + 1, text + len);
		if (found == NULL)
			break;
		at = *out_at = (size_t)(found - text);
		last = text[at - 1];
		if (front && last != '\n') {
			text[at - 1] = '\n';
			holds = is_line(judge, text, at, budget);
			text[at - 1] = last;
			if (holds)
				return SPLIT_FRONT;
		}
		if (is_line(judge, found, len - at, budget))
			return SPLIT_TAIL;
	}
	return SPLIT_NONE;
}

/* Is this what a power cut leaves, rather than what somebody wrote? */
static bool
is_torn(struct tally_judge *judge, const struct piece *piece, uint64_t end,
    bool *out_at_end)
{
	const struct tally_snapshot *snapshot = judge->snapshot;
	const struct tally_extent *extent = &snapshot->extents[piece->extent];
	struct tally_line line;
	bool above;

	*out_at_end = end == extent->bytes;
	if (snapshot->live || piece->extent + 1 != snapshot->extents_len)
		return false;
	above = !snapshot->has_watermark ||
	    snapshot->mark_segment < extent->first_index ||
	    (snapshot->mark_segment == extent->first_index &&
		piece->begin >= snapshot->mark_offset);
	if (!above || (!*out_at_end && !snapshot->has_watermark))
		return false;
	/* Whole lines are not torn, unless pages of them did not come. */
	return !piece->whole ||
	    tally_line_decode(piece->text, piece->text_len, &line) != 0 ||
	    (snapshot->has_watermark && line.event != NULL &&
		memchr(line.event, 0, line.event_len) != NULL);
}

static void
tell_torn(struct tally_judge *judge, const struct piece *piece, bool at_end)
{
	struct tally_where where = { judge->size, piece->begin, piece->extent };
	struct tally_notice notice = {
		.kind = at_end ? TALLY_TORN_TAIL : TALLY_NOT_JUDGED,
		.where = &where,
		.detail = at_end
		    ? "what follows was never durable; the next writer sets it "
		      "aside"
		    : "bytes that are no record, above what is known to have "
		      "been durable, with records behind them; the next writer "
		      "sets all of it aside",
	};

	judge->cut = true;
	tally_report_tell(judge->report, &notice);
}

/* The good line at the end of a run. */
static int
take_tail(struct tally_judge *judge, uint32_t extent, uint64_t offset,
    const char *text, size_t len)
{
	struct tally_where where = { judge->size, offset, extent };
	struct tally_line line;
	int r;

	if (tally_line_decode(text, len, &line) != 0)
		return TALLY_E_BUG;
	r = tally_judge_record(judge, &line, &where);
	if (r == 0)
		tally_judge_leaf(judge, &line.hash);
	return r;
}

/* A record that is good but for its line feed. */
static int
take_front(struct tally_judge *judge, const struct piece *piece)
{
	struct tally_where where = { judge->size, piece->begin, piece->extent };
	struct tally_salvage salvage;

	tally_salvage_walk(&judge->scanner->hasher, piece->text,
	    piece->text_len, &salvage);
	return take_known(judge, TALLY_DAMAGED, &salvage, &where);
}

/* Reads what of [begin, end) there is room for: the end of it. */
static int
read_run(struct tally_judge *judge, uint64_t end, char *prefix,
    struct piece *piece, size_t *out_len)
{
	size_t len = TALLY_LINE_LONGEST;
	int r;

	if (end - piece->begin <= len)
		len = (size_t)(end - piece->begin);
	r = tally_big_text(judge->big, len);
	if (r == 0)
		r = tally_source_read(&judge->source, piece->extent, end - len,
		    judge->big->text, len, judge->error);
	*out_len = len;
	piece->whole = len == end - piece->begin;
	piece->text = judge->big->text;
	piece->text_len = len;
	if (r == 0 && !piece->whole) {
		piece->text = prefix;
		piece->text_len = TALLY_PREFIX_MAX;
		r = tally_source_read(&judge->source, piece->extent,
		    piece->begin, prefix, TALLY_PREFIX_MAX, judge->error);
	}
	return r;
}

int
tally_judge_run(struct tally_judge *judge, uint32_t extent, uint64_t begin,
    uint64_t end)
{
	struct piece piece = { .extent = extent, .begin = begin };
	char prefix[TALLY_PREFIX_MAX], *text;
	enum split split = SPLIT_FRONT;
	uint64_t budget;
	size_t at = 0, len;
	bool at_end;
	int r;

	r = read_run(judge, end, prefix, &piece, &len);
	if (r != 0)
		return r;
	text = judge->big->text;
	budget = SPLIT_FACTOR * (uint64_t)len + SPLIT_CONSTANT;
	if (is_torn(judge, &piece, end, &at_end)) {
		/* Zeros may run into a good line. */
		if (at_end &&
		    find_split(judge, text, len, piece.whole, &budget, &at) !=
			SPLIT_NONE)
			at_end = !judge->snapshot->has_watermark;
		tell_torn(judge, &piece, at_end);
		return 0;
	}
	while (r == 0 && len > 0 && split == SPLIT_FRONT) {
		split = find_split(judge, text, len, piece.whole, &budget, &at);
		if (piece.whole) {
			piece.text = text;
			piece.text_len = split == SPLIT_NONE ? len : at;
		}
		if (split == SPLIT_FRONT) {
			r = take_front(judge, &piece);
			piece.begin += at;
			text += at;
			len -= at;
			if (r == 0 && is_line(judge, text, len, &budget))
				return take_tail(judge, extent, piece.begin,
				    text, len);
			continue;
		}
		r = take_piece(judge, &piece);
		if (r == 0 && split == SPLIT_TAIL)
			r = take_tail(judge, extent, end - (len - at),
			    text + at, len - at);
	}
	return r;
}
