/* SPDX-License-Identifier: Apache-2.0 */
/* How the steps of a cycle tell what is wrong. */
#include <stdio.h>

#include "watch/cycle.h"

#define DETAIL_MAX 640

void
watch_cycle_trouble(struct cycle *cycle, const char *kind, const char *sink,
    const char *evidence)
{
	const struct watch_break what = {
		.kind = kind, .sink = sink, .evidence = evidence
	};

	watch_report_break(cycle->target->report, &what);
}

void
watch_cycle_fail(struct cycle *cycle, const char *doing, int result,
    const struct tally_error *error)
{
	char text[DETAIL_MAX];

	(void)snprintf(text, sizeof(text), "%s: %s", doing,
	    error->message[0] != '\0' ? error->message
				      : tally_strerror(result));
	cycle->target->failures++;
	cycle->is_partial = true;
	watch_cycle_trouble(cycle, WATCH_FAILED, NULL, text);
}

void
watch_cycle_fail_log(struct cycle *cycle, const char *doing, int result,
    const struct tally_error *error)
{
	watch_cycle_fail(cycle, doing, result, error);
	if (result == TALLY_E_SWAPPED || result == TALLY_E_POISONED ||
	    result == TALLY_E_IO)
		watch_target_disconnect(cycle->target);
}

void
watch_cycle_broken(struct cycle *cycle, const char *kind, const char *evidence)
{
	const struct watch_break what = {
		.kind = kind, .is_break = true, .evidence = evidence
	};

	cycle->is_broken = true;
	watch_report_break(cycle->target->report, &what);
}

/* Of a verification, or of a comparison with a sink. */
void
watch_cycle_finding(void *arg, const struct tally_finding *finding)
{
	struct cycle *cycle = arg;
	char evidence[DETAIL_MAX];
	const struct watch_break what = {
		.kind = tally_finding_name(finding->kind),
		.is_break = true,
		.chain = finding->chain,
		.seq = finding->seq,
		.sink = cycle->sink,
		.evidence = evidence
	};

	if (!tally_finding_is_break(finding->kind))
		return;
	if (finding->source != NULL && finding->key != NULL)
		(void)snprintf(evidence, sizeof(evidence),
		    "%s (table \"%s\", key %s)", finding->detail,
		    finding->source, finding->key);
	else if (finding->file != NULL)
		(void)snprintf(evidence, sizeof(evidence),
		    "%s (\"%s\", offset %llu)", finding->detail, finding->file,
		    (unsigned long long)finding->offset);
	else
		(void)snprintf(evidence, sizeof(evidence), "%s",
		    finding->detail);
	cycle->is_broken = true;
	watch_report_break(cycle->target->report, &what);
}
