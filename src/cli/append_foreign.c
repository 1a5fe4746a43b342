/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines that are there together are appended together, under one lock and
 * with one sync; nobody waits for a line under the lock.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "append_foreign.h"
#include "lines.h"
#include "profile.h"
#include "signals.h"

#define LINE_BYTES ((size_t)16 << 20)

struct appending {
	struct tally_profile *profile;
	const char *path;
	bool json;
	uint64_t line; /* number of the batch's first line, 0: no lines */
	struct tally_profile_event event[LINES_MAX];
	struct tally_hash hash[LINES_MAX];
	struct lines lines;
};

static void
print_receipts(const struct appending *f, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fputs(f->json ? "{\"hash\":\"" : "", stdout);
		output_hash(&f->hash[i]);
		fputs(f->json ? "\"}\n" : "\n", stdout);
	}
}

static enum status
refused(const struct appending *f, uint64_t line, int result,
    const struct tally_error *error)
{
	if (f->line > 0)
		complain("line %" PRIu64 ": %s", line, error->message);
	else
		return output_failure(result, error, false);
	if (result == TALLY_E_POISONED)
		complain("line %" PRIu64
			 " and the ones behind it may be there or not",
		    line);
	return status_of(result, false);
}

static int
append_some(struct appending *f, size_t count, struct tally_error *error)
{
	uint64_t torn;
	int result = tally_profile_append(f->profile, f->path, f->event, count,
	    f->hash, &torn, error);

	if (result == 0 && torn > 0)
		complain("a torn last line of %" PRIu64
			 " bytes was moved to \"%s.torn\"",
		    torn, f->path);
	return result;
}

/* Appends event[0, count), or those before one that is refused. */
static enum status
append(struct appending *f, size_t count)
{
	struct tally_error error = { 0 }, again = { 0 };
	int result = append_some(f, count, &error);
	size_t good = count;
	enum status status;

	if (result == TALLY_E_EVENT || result == TALLY_E_LIMIT) {
		good = (size_t)error.item;
		if (good > 0 && append_some(f, good, &again) != 0)
			return refused(f, f->line, again.code, &again);
	} else if (result != 0) {
		return refused(f, f->line, result, &error);
	}
	print_receipts(f, good);
	status = output_flush();
	if (status != STATUS_DONE && good > 0)
		complain("what was submitted is in the file");
	if (status != STATUS_DONE || result == 0)
		return status;
	return refused(f, f->line + good, result, &error);
}

static enum status
append_lines(struct appending *f)
{
	struct lines *lines = &f->lines;
	enum status status = STATUS_DONE;

	if (lines_open(lines, STDIN_FILENO, LINE_BYTES) != 0) {
		complain("out of memory");
		return STATUS_IO;
	}
	f->line = 1;
	while (status == STATUS_DONE) {
		lines_next(lines);
		if (lines->count == 0 || signals_caught())
			break;
		for (size_t i = 0; i < lines->count; i++)
			f->event[i] = (struct tally_profile_event){
				lines->line[i].text, lines->line[i].len
			};
		status = append(f, lines->count);
		f->line += lines->count;
	}
	if (status == STATUS_DONE && signals_caught()) {
		status = STATUS_INTERRUPTED;
	} else if (status == STATUS_DONE && lines->os_errno != 0) {
		complain("line %" PRIu64 ": cannot read standard input: %s",
		    f->line, output_reason(lines->os_errno));
		status = STATUS_IO;
	}
	lines_close(lines);
	return status;
}

enum status
append_foreign(const char *profile, const char *path, const char *event,
    bool json)
{
	struct appending *f = calloc(1, sizeof(*f));
	struct tally_error error = { 0 };
	enum status status;
	int result;

	if (f == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	f->path = path;
	f->json = json;
	(void)signal(SIGPIPE, SIG_IGN);
	signals_catch();
	result = profile_load(profile, NULL, &f->profile, &error);
	if (result != 0) {
		status = output_failure(result, &error, false);
	} else if (event != NULL) {
		f->event[0] = (struct tally_profile_event){ event,
			strlen(event) };
		status = append(f, 1);
	} else {
		status = append_lines(f);
	}
	tally_profile_free(f->profile);
	free(f);
	return status;
}
