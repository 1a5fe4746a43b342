/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/sys.h"
#include "verify/judge.h"

#define FILE_NAME "public/checkpoint"

/* ---- before ----------------------------------------------------------- */

/* What the note says, if it is one. */
static void
parse(struct tally_served *served)
{
	struct tally_note note;

	served->state = TALLY_SERVED_OTHER;
	if (tally_note_parse(served->note, served->len, &note) == 0 &&
	    tally_checkpoint_parse(note.text.at, note.text.len,
		&served->says) == 0)
		served->state = TALLY_SERVED_THERE;
}

static int
read_note(struct tally_served *served, int fd)
{
	struct tally_sys_stat stat;
	int64_t n;

	if (tally_sys_stat(fd, &stat) != 0)
		return 0;
	if (stat.size > TALLY_NOTE_MAX) {
		served->state = TALLY_SERVED_OTHER;
		return 0;
	}
	served->note = tally_sys_alloc((size_t)stat.size + 1);
	if (served->note == NULL)
		return TALLY_E_MEMORY;
	n = tally_sys_read(fd, served->note, (size_t)stat.size, 0);
	if (n >= 0) {
		served->len = (size_t)n;
		parse(served);
	}
	return 0;
}

int
tally_served_read(struct tally_served *served, const char *dir)
{
	int at = tally_sys_open_dir(TALLY_SYS_CWD, dir), fd, r = 0;

	memset(served, 0, sizeof(*served));
	if (at < 0)
		return 0; /* the snapshot says why */
	fd = tally_sys_open(at, FILE_NAME, TALLY_SYS_READ);
	tally_sys_close(at);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	served->state = TALLY_SERVED_CLOSED;
	if (fd >= 0)
		r = read_note(served, fd);
	tally_sys_close(fd);
	return r;
}

void
tally_served_wipe(struct tally_served *served)
{
	tally_sys_free(served->note);
	memset(served, 0, sizeof(*served));
}

/* ---- on the way ------------------------------------------------------- */

void
tally_served_pass(struct tally_judge *judge)
{
	struct tally_served *served = &judge->served;

	if (served->state != TALLY_SERVED_THERE ||
	    judge->size != served->says.size)
		return;
	served->root = tally_frontier_root(&judge->scanner->hasher,
	    &judge->frontier);
	served->is_passed = true;
}

bool
tally_served_is_inside(const struct tally_judge *judge,
    const struct tally_chunk *chunk)
{
	const struct tally_served *served = &judge->served;

	return served->state == TALLY_SERVED_THERE &&
	    served->says.size > judge->size &&
	    served->says.size < judge->size + chunk->records;
}

/* ---- at the end ------------------------------------------------------- */

static void
tell(struct tally_judge *judge, enum tally_finding_kind kind,
    const char *detail)
{
	const struct tally_notice notice = {
		.kind = kind, .file = FILE_NAME, .detail = detail
	};

	tally_report_tell(judge->report, &notice);
}

/* Could the key sign a checkpoint of this size? */
static bool
may_sign(const struct tally_judge *judge, size_t i)
{
	const struct tally_orders *orders = &judge->orders;

	return !orders->ring.key[i].is_retired ||
	    judge->served.says.size <= orders->retired_at[i];
}

/* Who signed it, by the keys as the orders left them. */
static void
judge_signature(struct tally_judge *judge)
{
	const struct tally_keyring *ring = &judge->orders.ring;
	struct tally_served *served = &judge->served;
	bool is_signed = false, is_late = false, is_wrong = false;
	struct tally_note note;
	size_t i;

	if (tally_note_parse(served->note, served->len, &note) != 0)
		return;
	for (i = 0; i < ring->len; i++) {
		switch (tally_note_check(&note, &ring->key[i].vkey, NULL)) {
		case TALLY_SIGNED:
			is_signed |= may_sign(judge, i);
			is_late |= !may_sign(judge, i);
			break;
		case TALLY_SIGNED_WRONGLY:
			is_wrong = true;
			break;
		case TALLY_UNSIGNED:
			break;
		}
	}
	/* Nobody is accused for want of memory. */
	if ((is_wrong || !is_signed) && !tally_sign_works())
		judge->no_memory = true;
	else if (is_wrong)
		tell(judge, TALLY_CONTENT_ALTERED,
		    "a signature of the log's key does not hold");
	else if (is_signed)
		return;
	else if (is_late)
		tell(judge, TALLY_INSERTED,
		    "it was signed with a key that the log had retired"
		    " before");
	else if (ring->len == 0 || judge->plan->only != NULL)
		/* Orders of another chain were not judged. */
		served->is_unjudged = true;
	else
		tell(judge, TALLY_INSERTED,
		    "no key that was given, and none that such a key"
		    " introduced, signed it");
}

void
tally_served_finish(struct tally_judge *judge)
{
	struct tally_served *served = &judge->served;
	char detail[120];

	if (served->state == TALLY_SERVED_CLOSED)
		tell(judge, TALLY_NOT_JUDGED, "it cannot be read");
	if (served->state == TALLY_SERVED_OTHER ||
	    (served->state == TALLY_SERVED_THERE &&
		strcmp(served->says.origin, judge->snapshot->identity.origin) !=
		    0)) {
		tell(judge, TALLY_DAMAGED, "it is no checkpoint of this log");
		return;
	}
	if (served->state != TALLY_SERVED_THERE)
		return;
	if (served->says.size == 0) {
		served->root = tally_hash_bytes(&judge->scanner->hasher, "", 0);
		served->is_passed = true;
	}
	if (served->is_below) {
		served->is_unjudged = true;
		judge_signature(judge);
	} else if (!served->is_passed) {
		(void)snprintf(detail, sizeof(detail),
		    "it has %llu records, the log %llu",
		    (unsigned long long)served->says.size,
		    (unsigned long long)judge->size);
		tell(judge, TALLY_TRUNCATED, detail);
	} else {
		if (!tally_hash_equal(&served->root, &served->says.root))
			tell(judge, TALLY_ROLLED_BACK,
			    "the log has another root at its size");
		judge_signature(judge);
	}
}

/* ---- interrupted, and kept ---------------------------------------------- */

void
tally_served_put(struct tally_bytes *out, const struct tally_judge *judge,
    bool is_kept)
{
	const struct tally_served *served = &judge->served;

	tally_bytes_put_u64(out, served->state);
	tally_bytes_put_text(out, served->note, served->len);
	tally_bytes_put_u64(out,
	    (uint64_t)served->is_passed | (uint64_t)served->is_below << 1 |
		(uint64_t)is_kept << 2);
	tally_bytes_put_hash(out, &served->root);
}

/* What another verification knew of the root there. */
static void
go_on_from(struct tally_judge *judge, const struct tally_served *kept)
{
	struct tally_served *served = &judge->served;

	if (served->state != TALLY_SERVED_THERE)
		return;
	if (kept->state == TALLY_SERVED_THERE &&
	    kept->says.size == served->says.size) {
		served->is_passed = kept->is_passed;
		served->root = kept->root;
	}
	tally_served_pass(judge);
	served->is_below = !served->is_passed &&
	    served->says.size < judge->size;
}

static int
get_note(struct tally_bytes_reader *in, struct tally_served *served)
{
	const char *note;
	size_t len;

	served->state = (enum tally_served_state)tally_bytes_get_max(in,
	    TALLY_SERVED_CLOSED);
	note = tally_bytes_get_text(in, &len);
	if (note != NULL) {
		served->note = tally_sys_alloc(len + 1);
		if (served->note == NULL)
			return TALLY_E_MEMORY;
		memcpy(served->note, note, len);
		served->len = len;
	}
	if (served->state == TALLY_SERVED_THERE) {
		if (note != NULL)
			parse(served);
		else
			in->failed = true;
	}
	return 0;
}

int
tally_served_get(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	struct tally_served kept = { .state = TALLY_SERVED_NONE };
	uint64_t bits;
	int r = get_note(in, &kept);

	if (r != 0)
		return r;
	bits = tally_bytes_get_max(in, 7);
	kept.is_passed = bits & 1;
	kept.is_below = bits >> 1 & 1;
	kept.root = tally_bytes_get_hash(in);
	if ((bits >> 2 & 1) != 0) {
		go_on_from(judge, &kept);
		tally_served_wipe(&kept);
	} else {
		tally_served_wipe(&judge->served);
		judge->served = kept;
	}
	return 0;
}
