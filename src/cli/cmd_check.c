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
	const char *key;
	const char *policy;
	bool json;
};

static const struct option options[] = {
	{ "root", "[SIZE:]HEX", OPTION_ROOT, offsetof(struct settings, root),
	    "the root that somebody vouches for" },
	{ "key", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the log's public key, or a file that begins with it" },
	{ "policy", "FILE", OPTION_TEXT, offsetof(struct settings, policy),
	    "a C2SP policy: logs, witnesses, quorum" },
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
	[TALLY_PROOF_SIGNED] = { "holds, and its root is signed", "signed",
	    COLOUR_GOOD, STATUS_DONE },
	[TALLY_PROOF_OTHER_KEY] = { "consistent, but not signed by whom you"
				    " trust",
	    "other-key", COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_FORGED] = { "forged: a signature under a trusted key does"
				 " not hold",
	    "forged", COLOUR_BAD, STATUS_TAMPERED },
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
	printf(" (%s)\nroot    %" PRIu64 ":",
	    proof->verdict == TALLY_PROOF_SIGNED ? "signed"
		: proof->has_signatures          ? "signatures not judged"
						 : "not signed",
	    proof->size);
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

/* What is to be trusted, in memory. */
struct trusted {
	char *key_text; /* of a file */
	const char *vkey;
	char *policy;
	size_t policy_len;
};

/* A vkey is one, and everything else is the name of a file. */
static enum status
read_trust(const struct settings *settings, struct trusted *out)
{
	enum status status = STATUS_DONE;
	size_t len;

	out->vkey = settings->key;
	if (settings->key != NULL && strchr(settings->key, '+') == NULL) {
		status = read_proof(settings->key, &out->key_text, &len);
		if (status == STATUS_DONE) {
			const char *feed = memchr(out->key_text, '\n', len);

			/* read_proof leaves room for the NUL. */
			len = feed == NULL ? len
					   : (size_t)(feed - out->key_text);
			out->key_text[len] = '\0';
			out->vkey = out->key_text;
		}
	}
	if (status == STATUS_DONE && settings->policy != NULL)
		status = read_proof(settings->policy, &out->policy,
		    &out->policy_len);
	return status;
}

static void
advise(const struct tally_proof *proof)
{
	if (proof->verdict == TALLY_PROOF_UNSIGNED && proof->has_signatures)
		complain("nobody you trust vouches for the root; say whom you"
			 " trust by \"--key\" or \"--policy\"");
	else if (proof->verdict == TALLY_PROOF_UNSIGNED)
		complain("nobody vouches for the root; compare it with one"
			 " from outside by \"--root\"");
}

static enum status
check(const struct settings *settings, const struct trusted *trusted,
    const char *text, size_t len)
{
	const struct option_root *root = &settings->root;
	const struct tally_trust trust = {
		.root = root->given ? &root->hash : NULL,
		.vkeys = &trusted->vkey,
		.vkeys_len = trusted->vkey != NULL,
		.policy = trusted->policy,
		.policy_len = trusted->policy_len,
	};
	struct tally_error error = { 0 };
	struct tally_proof proof;
	const struct finding *finding;
	int result = tally_proof_judge(text, len, &trust, &proof, &error);

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
	advise(&proof);
	tally_proof_wipe(&proof);
	return finding->status;
}

static enum status
run(const void *data, char *const *operand)
{
	struct trusted trusted = { 0 };
	char *text = NULL;
	size_t len = 0;
	enum status status = read_trust(data, &trusted);

	if (status == STATUS_DONE)
		status = read_proof(operand[0], &text, &len);
	if (status == STATUS_DONE)
		status = check(data, &trusted, text, len);
	free(text);
	free(trusted.key_text);
	free(trusted.policy);
	return status;
}

const struct command command_check = {
	.name = "check",
	.summary = "judge such a proof, without the log",
	.synopsis = "check FILE [--key VKEY|FILE] [--policy FILE]\n"
		    "                   [--root [SIZE:]HEX] [--json]",
	.about =
	    "Judges a proof that \"tally prove\" made; FILE \"-\" is standard"
	    " input.  It holds if\nwho is trusted signed its root: a key, a"
	    " policy, or you, who know the root.  A\nroot that nobody vouches"
	    " for makes it \"consistent, unsigned\".",
	.options = options,
	.example = "  tally check proof --key audit.pub",
	.statuses = "  0 holds against whom you trust  1 broken, forged, or"
		    " for another root\n  3 consistent, but not signed by whom"
		    " you trust; or no proof at all\n  4 no such file",
	.operands = { "FILE" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
