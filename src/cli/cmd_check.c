/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/proof.h>

#include "commands.h"
#include "text.h"

/* The longest record's line in base64, with room for the rest. */
#define PROOF_MAX ((size_t)32 << 20)

struct settings {
	struct option_root root;
	bool json;
};

static const struct option options[] = {
	{ "root", "[SIZE:]HEX", OPTION_ROOT, offsetof(struct settings, root),
	    "the root that somebody vouches for" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

/* What was found, in words, for a machine, and as an exit status. */
struct finding {
	const char *words;
	const char *word;
	enum colour colour;
	enum status status;
};

static const struct finding findings[] = {
	[TALLY_PROOF_ROOT] = { "holds against the root that was given", "holds",
	    COLOUR_GOOD, STATUS_DONE },
	[TALLY_PROOF_UNSIGNED] = { "consistent, unsigned", "unsigned",
	    COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_OTHER_ROOT] = { "mismatch: holds for another root than"
				     " the one given",
	    "other-root", COLOUR_BAD, STATUS_TAMPERED },
	[TALLY_PROOF_BROKEN] = { "broken", "broken", COLOUR_BAD,
	    STATUS_TAMPERED },
};

/* A root of another size says nothing about this one. */
static const struct finding other_size = { "cannot be compared: the root given"
					   " is of another size",
	"other-size", COLOUR_UNSURE, STATUS_UNJUDGED };

/* Reads it all, from a file or from standard input. */
static enum status
read_proof(const char *path, char **out_text, size_t *out_len)
{
	bool is_input = strcmp(path, "-") == 0;
	FILE *file = is_input ? stdin : fopen(path, "r");
	char *text = malloc(PROOF_MAX);
	enum status status = STATUS_IO;
	size_t len = 0;

	if (file == NULL) {
		status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
		complain("cannot read \"%s\": %s", path, output_reason(errno));
		free(text);
		return status;
	}
	if (text != NULL)
		len = fread(text, 1, PROOF_MAX, file);
	if (text == NULL) {
		complain("out of memory");
	} else if (ferror(file)) {
		complain("cannot read \"%s\": %s", path, output_reason(errno));
	} else if (len == PROOF_MAX) {
		complain("\"%s\" is too long for a proof", path);
		status = STATUS_UNJUDGED;
	} else {
		status = STATUS_DONE;
	}
	if (!is_input)
		(void)fclose(file);
	if (status != STATUS_DONE) {
		free(text);
		return status;
	}
	*out_text = text;
	*out_len = len;
	return STATUS_DONE;
}

static void
print_text(const struct tally_proof *proof, const struct finding *finding)
{
	const struct tally_record *record = &proof->record;

	output_word(finding->colour, finding->words);
	if (proof->verdict == TALLY_PROOF_BROKEN && proof->detail != NULL)
		printf(": %s", proof->detail);
	fputc('\n', stdout);
	if (record->chain == NULL)
		return;
	fputs("chain   ", stdout);
	output_name(record->chain, record->chain_len);
	printf("\nseq     %" PRIu64 "\nindex   %" PRIu64 "\ntime    ",
	    record->seq, record->index);
	output_time(record->time_us);
	fputs("\nhash    ", stdout);
	output_hash(&record->hash);
	if (record->id != NULL) {
		fputs("\nid      ", stdout);
		output_name(record->id, record->id_len);
	}
	if (record->event != NULL) {
		fputs("\nevent   ", stdout);
		text_put_visible(stdout, record->event, record->event_len);
	}
	fputs("\norigin  ", stdout);
	output_name(proof->origin, strlen(proof->origin));
	printf(" (not signed)\nroot    %" PRIu64 ":", proof->size);
	output_hash(&proof->root);
	fputc('\n', stdout);
}

static void
print_json_record(const struct tally_record *record)
{
	fputs(",\"chain\":", stdout);
	output_json(record->chain, record->chain_len);
	printf(",\"seq\":%" PRIu64 ",\"index\":%" PRIu64 ",\"time\":\"",
	    record->seq, record->index);
	output_time(record->time_us);
	fputs("\",\"hash\":\"", stdout);
	output_hash(&record->hash);
	fputc('"', stdout);
	if (record->id != NULL) {
		fputs(",\"id\":", stdout);
		output_json(record->id, record->id_len);
	}
	if (record->event != NULL) {
		fputs(",\"event\":", stdout);
		(void)fwrite(record->event, 1, record->event_len, stdout);
	}
}

static void
print_json(const struct tally_proof *proof, const struct finding *finding)
{
	printf("{\"verdict\":\"%s\"", finding->word);
	if (proof->verdict == TALLY_PROOF_BROKEN && proof->detail != NULL) {
		fputs(",\"detail\":", stdout);
		output_json(proof->detail, strlen(proof->detail));
	}
	fputs(",\"origin\":", stdout);
	output_json(proof->origin, strlen(proof->origin));
	printf(",\"size\":%" PRIu64 ",\"root\":\"", proof->size);
	output_hash(&proof->root);
	fputc('"', stdout);
	if (proof->record.chain != NULL)
		print_json_record(&proof->record);
	fputs("}\n", stdout);
}

static enum status
check(const struct settings *settings, const char *text, size_t len)
{
	const struct option_root *root = &settings->root;
	struct tally_error error = { 0 };
	struct tally_proof proof;
	const struct finding *finding;
	int result;

	memset(&proof, 0, sizeof(proof));
	result = tally_proof_check(text, len, root->given ? &root->hash : NULL,
	    &proof, &error);
	if (result != 0)
		return output_failure(result, &error, true);
	finding = &findings[proof.verdict];
	if (root->has_size && root->size != proof.size &&
	    proof.verdict == TALLY_PROOF_OTHER_ROOT)
		finding = &other_size;
	if (settings->json)
		print_json(&proof, finding);
	else
		print_text(&proof, finding);
	if (proof.verdict == TALLY_PROOF_UNSIGNED)
		complain("nobody vouches for the root; compare it with one"
			 " from outside by \"--root\"");
	tally_proof_wipe(&proof);
	return finding->status;
}

static enum status
run(const void *data, char *const *operand)
{
	char *text = NULL;
	size_t len = 0;
	enum status status = read_proof(operand[0], &text, &len);

	if (status != STATUS_DONE)
		return status;
	status = check(data, text, len);
	free(text);
	return status;
}

const struct command command_check = {
	.name = "check",
	.summary = "judge such a proof, without the log",
	.synopsis = "check FILE [--root [SIZE:]HEX] [--json]",
	.about =
	    "Judges a proof that \"tally prove\" made; FILE \"-\" is standard"
	    " input.  A root that\nnobody vouches for makes it \"consistent,"
	    " unsigned\".",
	.options = options,
	.example = "  tally check proof --root 5751:9f86d081884c7d65...",
	.statuses = "  0 holds against the given root  1 broken, or for another"
		    " root\n  3 consistent, but unsigned; or no proof at all"
		    "  4 no such file",
	.operands = { "FILE" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
