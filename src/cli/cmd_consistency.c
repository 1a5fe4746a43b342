/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/bundle.h>

#include "commands.h"
#include "handle.h"
#include "input.h"

#define NOTE_MAX ((size_t)64 << 10)

static const struct option options[] = {
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

struct notes {
	char *old, *new;
	size_t old_len, new_len;
};

static enum status
prove(struct tally_log *log, const struct notes *notes)
{
	static const char *const words[] = {
		[TALLY_CONSISTENT_NOT_OLD] =
		    "the log does not go on from the old checkpoint: it has"
		    " another root at that size",
		[TALLY_CONSISTENT_NOT_NEW] =
		    "the log is not that of the new checkpoint: it has another"
		    " root at that size",
		[TALLY_CONSISTENT_SHORT] =
		    "the log is shorter than the new checkpoint says: it was"
		    " cut or put back",
	};
	enum tally_consistency_verdict verdict = TALLY_CONSISTENT;
	struct tally_error error = { 0 };
	char *text = NULL;
	size_t len = 0;
	int result = tally_log_prove_consistency(log, notes->old,
	    notes->old_len, notes->new, notes->new_len, &verdict, &text, &len,
	    &error);

	if (result == TALLY_END) {
		complain("%s", error.message);
		return STATUS_NOT_FOUND;
	}
	if (result != 0)
		return output_failure(result, &error, false);
	if (verdict != TALLY_CONSISTENT) {
		complain("%s", words[verdict]);
		return STATUS_TAMPERED;
	}
	(void)fwrite(text, 1, len, stdout);
	free(text);
	return STATUS_DONE;
}

static enum status
run(const void *data, char *const *operand)
{
	struct notes notes = { 0 };
	struct tally_log *log;
	enum status status = input_file(operand[1], NOTE_MAX, "a checkpoint",
	    &notes.old, &notes.old_len);

	(void)data;
	if (status == STATUS_DONE && operand[2] != NULL)
		status = input_file(operand[2], NOTE_MAX, "a checkpoint",
		    &notes.new, &notes.new_len);
	if (status == STATUS_DONE)
		status = handle_open_reader(operand[0], &log);
	if (status == STATUS_DONE)
		status = handle_close(log, prove(log, &notes));
	free(notes.old);
	free(notes.new);
	return status;
}

const struct command command_consistency = {
	.name = "consistency",
	.summary = "prove that one checkpoint goes on from another",
	.synopsis = "consistency DIR OLD [NEW]",
	.about =
	    "Prints the proof that the log of the checkpoint in the file NEW"
	    " begins with all\nrecords of that in OLD.  Without NEW it is the"
	    " one that went out last,\nDIR/public/checkpoint.  \"tally check\""
	    " judges the proof without the log.",
	.options = options,
	.example =
	    "  tally consistency audit.log /elsewhere/checkpoint >proof\n"
	    "  tally check proof --key audit.pub",
	.statuses = "  0 done  1 the log is not that of both  2 refused"
		    "  3 no checkpoint\n  4 no such log or file  5 input or"
		    " output error",
	.operands = { "DIR", "OLD", "NEW" },
	.needed = 2,
	.settings_size = 1,
	.run = run,
};
