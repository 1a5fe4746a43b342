/* SPDX-License-Identifier: Apache-2.0 */
#include "verifying.h"
#include "signals.h"

static void
on_finding(void *arg, const struct tally_finding *finding)
{
	struct verifying *verifying = arg;

	progress_clear(&verifying->progress);
	verdict_finding(finding, verifying->json, verifying->findings++ == 0);
}

static int
on_progress(void *arg, const struct tally_progress *now)
{
	struct verifying *verifying = arg;

	progress_draw(&verifying->progress, now);
	return signals_caught();
}

void
verifying_begin(struct verifying *verifying, struct tally_verify_options *how)
{
	how->finding = on_finding;
	how->progress = on_progress;
	how->arg = verifying;
	progress_init(&verifying->progress, verifying->quiet);
	signals_catch();
}

enum status
verifying_end(struct verifying *verifying, int result,
    const struct tally_verdict *verdict, enum verdict_of what,
    const struct tally_error *error)
{
	progress_clear(&verifying->progress);
	if (result != 0) {
		/* What was begun stays one JSON object. */
		if (verifying->json)
			verdict_break_off(verifying->findings);
		if (result != TALLY_PARTIAL)
			return output_failure(result, error, true);
		complain("%s", verifying->interrupted);
		return STATUS_INTERRUPTED;
	}
	if (verifying->json || !verifying->quiet ||
	    verdict->verdict != TALLY_INTACT)
		verdict_print(verdict, what, verifying->json,
		    verifying->findings);
	return verdict_status(verdict);
}
