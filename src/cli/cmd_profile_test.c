/* SPDX-License-Identifier: Apache-2.0 */
/* tally profile test: the bytes that are hashed for one record. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "profile.h"

struct settings {
	struct foreign_options foreign;
	struct option_count index;
	const char *against;
	bool json;
};

static const struct option options[] = {
	FOREIGN_OPTIONS(offsetof(struct settings, foreign)),
	{ "index", "N", OPTION_COUNT, offsetof(struct settings, index),
	    "the record, counted from 0; the first" },
	{ "against", "FILE", OPTION_TEXT, offsetof(struct settings, against),
	    "the bytes that the system itself hashed" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

#define HINTS_MAX 32
#define HINT_BYTES 512

struct testing {
	const struct settings *settings;
	uint64_t rules; /* printed */
	/* With --json they come last. */
	char hints[HINTS_MAX][HINT_BYTES];
	size_t hints_len;
};

/* Are they bytes that can be shown as text? */
static bool
is_text(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)bytes[i] < 0x20 && bytes[i] != '\n' &&
			bytes[i] != '\t') ||
		    bytes[i] == 0x7f)
			return false;
	}
	return true;
}

static void
put_hex(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		printf("%02x", (unsigned)(unsigned char)bytes[i]);
}

/* Text between quotation marks, other bytes in hexadecimal. */
static void
put_bytes(const char *bytes, size_t len)
{
	if (is_text(bytes, len)) {
		output_json(bytes, len);
		return;
	}
	fputs("0x", stdout);
	put_hex(bytes, len);
}

static void
on_record(void *arg, const char *text, size_t len, const char *stored,
    size_t stored_len)
{
	const struct testing *t = arg;

	if (t->settings->json) {
		fputs("{\"record\":", stdout);
		output_json(text, len);
		fputs(",\"stored\":", stdout);
		output_json(stored, stored_len);
		fputs(",\"rules\":[", stdout);
		return;
	}
	fputs("record  ", stdout);
	output_name(text, len);
	fputs("\nstored  ", stdout);
	output_name(stored, stored_len);
	fputc('\n', stdout);
}

/* ---- JSON ---------------------------------------------------------------- */

static void
put_hex_member(const char *name, const char *bytes, size_t len)
{
	printf(",\"%s\":", name);
	if (bytes == NULL) {
		fputs("null", stdout);
		return;
	}
	fputc('"', stdout);
	put_hex(bytes, len);
	fputc('"', stdout);
}

static void
trial_json(const struct tally_profile_trial *trial)
{
	fputs("{\"name\":", stdout);
	if (trial->name != NULL)
		output_json(trial->name, strlen(trial->name));
	else
		fputs("null", stdout);
	printf(",\"trap\":%s,\"applies\":%s,\"fits\":%s,\"steps\":[",
	    trial->is_trap ? "true" : "false",
	    trial->applies && trial->has_basis ? "true" : "false",
	    trial->fits ? "true" : "false");
	for (size_t i = 0; i < trial->steps_len; i++) {
		const struct tally_profile_step *step = &trial->steps[i];

		printf("%s{\"path\":", i > 0 ? "," : "");
		output_json(step->path, strlen(step->path));
		printf(",\"depth\":%u,\"digest\":%d", step->depth, step->nests);
		put_hex_member("hex", step->bytes, step->len);
		fputc('}', stdout);
	}
	fputc(']', stdout);
	put_hex_member("input_hex", trial->input, trial->input_len);
	fputs(",\"digest\":", stdout);
	if (trial->digest != NULL)
		output_json(trial->digest, strlen(trial->digest));
	else
		fputs("null", stdout);
	fputc('}', stdout);
}

/* ---- text ---------------------------------------------------------------- */

static void
step_text(const struct tally_profile_step *step)
{
	printf("  %*s%-*s  ", (int)(2 * step->depth), "",
	    30 - (int)(2 * step->depth), step->path);
	if (step->nests != 0)
		fputs(step->nests > 0 ? "a digest of" : "ends here", stdout);
	else if (step->bytes == NULL)
		fputs("cannot be written so", stdout);
	else
		put_bytes(step->bytes, step->len);
	fputc('\n', stdout);
}

static void
trial_text(const struct tally_profile_trial *trial)
{
	printf("%s ", trial->is_trap ? "trap" : "era");
	if (trial->name != NULL)
		output_name(trial->name, strlen(trial->name));
	if (!trial->applies || !trial->has_basis) {
		puts(trial->applies
			? ": nothing is there in the place of the link"
			: ": not for this record");
		return;
	}
	fputc('\n', stdout);
	for (size_t i = 0; i < trial->steps_len; i++)
		step_text(&trial->steps[i]);
	if (trial->input == NULL)
		return;
	fputs("  hashed  ", stdout);
	put_bytes(trial->input, trial->input_len);
	printf("\n  digest  %s  ", trial->digest);
	output_word(trial->fits ? COLOUR_GOOD : COLOUR_BAD,
	    trial->fits ? "fits" : "does not fit");
	fputc('\n', stdout);
}

static void
on_trial(void *arg, const struct tally_profile_trial *trial)
{
	struct testing *t = arg;

	if (!t->settings->json) {
		trial_text(trial);
		return;
	}
	if (t->rules++ > 0)
		fputc(',', stdout);
	trial_json(trial);
}

static void
on_hint(void *arg, const char *hint)
{
	struct testing *t = arg;

	if (!t->settings->json) {
		fputs("hint  ", stdout);
		output_name(hint, strlen(hint));
		fputc('\n', stdout);
		return;
	}
	if (t->hints_len < HINTS_MAX)
		(void)snprintf(t->hints[t->hints_len++], HINT_BYTES, "%s",
		    hint);
}

/* ---- the command --------------------------------------------------------- */

static void
end_json(const struct testing *t, bool fits)
{
	fputs("],\"hints\":[", stdout);
	for (size_t i = 0; i < t->hints_len; i++) {
		if (i > 0)
			fputc(',', stdout);
		output_json(t->hints[i], strlen(t->hints[i]));
	}
	printf("],\"fits\":%s}\n", fits ? "true" : "false");
}

static enum status
test(struct testing *t, const struct foreign_options *where, const char *bytes,
    size_t len)
{
	struct tally_profile_test_options how = {
		.index = t->settings->index.value,
		.against = bytes,
		.against_len = len,
		.record = on_record,
		.trial = on_trial,
		.hint = on_hint,
		.arg = t,
	};
	struct tally_error error = { 0 };
	struct foreign foreign;
	bool fits = false;
	int result = foreign_open(&foreign, where, &error);

	if (result == 0)
		result = tally_profile_test(foreign.profile, &foreign.source,
		    &how, &fits, &error);
	foreign_close(&foreign);
	if (result != 0)
		return output_failure(result, &error, true);
	if (t->settings->json)
		end_json(t, fits);
	return fits ? STATUS_DONE : STATUS_UNJUDGED;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct foreign_options where = settings->foreign;
	struct testing t = { .settings = settings };
	struct tally_error error = { 0 };
	enum status status;
	char *bytes = NULL;
	size_t len = 0;
	int result = 0;

	where.path = operand[0];
	status = foreign_check(&command_profile_test, &where);
	if (status != STATUS_DONE)
		return status;
	if (settings->against != NULL)
		result = profile_slurp(settings->against, &bytes, &len, &error);
	if (result != 0)
		return output_failure(result, &error, false);
	status = test(&t, &where, bytes, len);
	free(bytes);
	return status;
}

const struct command command_profile_test = {
	.name = "profile test",
	.summary = "show what a profile hashes for one record",
	.synopsis = "profile test (FILE | --pg CONNINFO) --profile NAME"
		    " [--index N]\n"
		    "                          [--query SQL] [--csv]"
		    " [--set NAME=VALUE]\n"
		    "                          [--against FILE] [--json]",
	.about = "Prints, for each rule of the profile, what every step gives,"
		 " all that is hashed,\nand the digest beside the one that is"
		 " stored.  If none fits, other spellings of\none or two steps"
		 " are tried, steps left out, and in other places; those\n"
		 "that would fit are named.",
	.options = options,
	.example = "  tally profile test chain.jsonl --profile ./mine.json"
		   " --index 3",
	.statuses =
	    "  0 an era fits  2 the profile is wrong  3 none fits  4 no such"
	    " record\n  5 input, output or database error",
	.operands = { "FILE" },
	.needed = 0,
	.settings_size = sizeof(struct settings),
	.run = run,
};
