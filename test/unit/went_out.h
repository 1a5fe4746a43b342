/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log of which a part went out, kept, so that each try begins with it.
 * Include behind scarce.h and <tally/publish.h>.
 */
#ifndef TALLY_TEST_WENT_OUT_H
#define TALLY_TEST_WENT_OUT_H

#include "log/sys.h"

#define PLACE_ORIGIN "example.org/unit"
#include "place.h"

static struct place *place;
static char key[192], second[192], registers[192], now[160];
static char vkey[TALLY_VKEY_TEXT_SIZE], next[TALLY_VKEY_TEXT_SIZE];
static struct tally_signer *signer;

/* ---- the log, and what lies beside it ---------------------------------- */

static inline void
must(int result)
{
	if (result != 0)
		fail_msg("%d, %s", result, place->error.message);
}

static inline void
append(struct tally_log *log, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char name[16];
		struct tally_append request = {
			.chain = name, .event = "{\"a\":1}", .event_len = 7
		};

		request.chain_len = (size_t)snprintf(name, sizeof(name), "c%u",
		    i % 7);
		must(tally_log_append(log, &request, 1, TALLY_BUFFERED, NULL,
		    &place->error));
	}
}

static inline int
publish(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	const struct tally_publish_options how = {
		.signers = &signer, .signers_len = 1, .register_dir = registers
	};
	struct tally_published_checkpoint out;
	int result = tally_publish(now, &how, &out, error);

	tally_sys_free(out.note);
	/* That one went out before the call could say so is no other
	 * outcome. */
	if (result == 0)
		(void)snprintf(outcome, SCARCE_OUTCOME, "%s, size %llu",
		    out.verdict <= TALLY_PUBLISH_CURRENT ? "signed" : "refused",
		    (unsigned long long)out.size);
	return result;
}

/* A log of which a part went out, kept as "log" and "register". */
static inline int
begin(void **state)
{
	char outcome[SCARCE_OUTCOME];
	struct tally_log *log;

	/* Made anew hundreds of times, and no power will go. */
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 0);
	if (setup(state) != 0)
		return -1;
	place = *state;
	(void)snprintf(key, sizeof(key), "%s/key", place->top);
	(void)snprintf(second, sizeof(second), "%s/second", place->top);
	(void)snprintf(registers, sizeof(registers), "%s/now/register",
	    place->top);
	(void)snprintf(now, sizeof(now), "%s/audit", place->top);
	must(shell("mkdir '%s/now'", place->top));
	must(tally_key_generate(key, PLACE_ORIGIN, NULL, vkey, &place->error));
	must(tally_key_generate(second, PLACE_ORIGIN, NULL, next,
	    &place->error));
	must(tally_signer_load(key, NULL, &signer, &place->error));
	log = must_open(place);
	append(log, 0, 300);
	must_close(log);
	must(publish(outcome, &place->error));
	log = must_open(place);
	must(tally_key_order(log, signer, TALLY_KEY_ADD, next, NULL,
	    &place->error));
	append(log, 0, 20);
	must_close(log);
	must(shell("cd '%s' && mkdir kept && cp -a audit now/register kept",
	    place->top));
	return 0;
}

static inline int
end(void **state)
{
	tally_signer_free(signer);
	return teardown(state);
}

static inline void
put_back(void)
{
	must(shell("cd '%s' && rm -rf now audit new && mkdir now &&"
		   " cp -a kept/audit . && cp -a kept/register now",
	    place->top));
}

#endif
