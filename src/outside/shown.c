/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "outside/shown.h"

static void
take_finding(void *arg, const struct tally_finding *finding)
{
	struct tally_shown *shown = arg;

	(void)snprintf(shown->detail, sizeof(shown->detail), "%s",
	    finding->detail);
}

int
tally_shown_judge(const struct tally_outside_options *options, const char *note,
    size_t len, struct tally_shown *out, struct tally_error *error)
{
	struct tally_shown shown = { .verdict = TALLY_SHOWN_NOTHING };
	struct tally_dispatch dispatch;
	uint64_t findings = 0;
	int result = tally_dispatch_parse(note, len, options->vkeys,
	    options->vkeys_len, &dispatch, error);

	/* Whoever stands between us and the witness can show anything. */
	if (result == TALLY_E_FORMAT) {
		*out = shown;
		return TALLY_OK;
	}
	if (result != 0)
		return result;
	if (dispatch.verdict == TALLY_DISPATCH_SIGNED &&
	    strcmp(dispatch.origin, options->origin) == 0) {
		shown.size = dispatch.size;
		result = tally_dispatch_compare(options->log, &dispatch,
		    take_finding, &shown, &findings, error);
		shown.verdict = findings > 0 ? TALLY_SHOWN_BREAK
					     : TALLY_SHOWN_AGREES;
	}
	tally_dispatch_wipe(&dispatch);
	if (result == 0)
		*out = shown;
	return result;
}
