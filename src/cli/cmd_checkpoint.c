/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/publish.h>

#include "commands.h"
#include "register.h"
#include "signer.h"

struct settings {
	const char *key;
	const char *passphrase_file;
	const char *where; /* the register */
	bool beat;
	bool json;
};

static const struct option options[] = {
	{ "key", "FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the key; DIR/keys/key" },
	{ "passphrase-file", "FILE", OPTION_TEXT,
	    offsetof(struct settings, passphrase_file),
	    "the passphrase is FILE's first line" },
	{ "register", "WHERE", OPTION_TEXT, offsetof(struct settings, where),
	    "where sizes are registered; DIR/register" },
	{ "beat", NULL, OPTION_FLAG, offsetof(struct settings, beat),
	    "a new one although nothing was appended" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static const struct {
	const char *word;
	enum colour colour;
	enum status status;
} verdicts[] = {
	[TALLY_PUBLISH_SIGNED] = { "signed", COLOUR_GOOD, STATUS_DONE },
	[TALLY_PUBLISH_CURRENT] = { "current", COLOUR_GOOD, STATUS_DONE },
	[TALLY_PUBLISH_TRUNCATED] = { "truncated", COLOUR_BAD,
	    STATUS_TAMPERED },
	[TALLY_PUBLISH_ROLLED_BACK] = { "rolled-back", COLOUR_BAD,
	    STATUS_TAMPERED },
};

static void
print_root(const char *word, uint64_t size, const struct tally_hash *root)
{
	printf("%s%" PRIu64 ":", word, size);
	output_hash(root);
	fputc('\n', stdout);
}

static void
print_text(const struct tally_published_checkpoint *out)
{
	fputs("checkpoint  ", stdout);
	output_word(verdicts[out->verdict].colour, verdicts[out->verdict].word);
	fputc('\n', stdout);
	if (verdicts[out->verdict].status == STATUS_DONE)
		print_root("root        ", out->size, &out->root);
	else
		printf("size        %" PRIu64 "\n", out->size);
	if (out->last_size != 0)
		print_root("last        ", out->last_size, &out->last_root);
}

static void
print_json(const struct tally_published_checkpoint *out)
{
	printf("{\"verdict\":\"%s\",\"size\":%" PRIu64,
	    verdicts[out->verdict].word, out->size);
	if (verdicts[out->verdict].status == STATUS_DONE) {
		fputs(",\"root\":\"", stdout);
		output_hash(&out->root);
		fputc('"', stdout);
	}
	printf(",\"last_size\":%" PRIu64, out->last_size);
	if (out->last_size != 0) {
		fputs(",\"last_root\":\"", stdout);
		output_hash(&out->last_root);
		fputc('"', stdout);
	}
	printf(",\"register_beside\":%s",
	    out->register_beside ? "true" : "false");
	if (out->note != NULL) {
		fputs(",\"checkpoint\":", stdout);
		output_json(out->note, out->note_len);
	}
	fputs("}\n", stdout);
}

/* What a human is told beside the data. */
static void
warn(const struct tally_published_checkpoint *out)
{
	if (out->verdict == TALLY_PUBLISH_TRUNCATED)
		complain("the log has %" PRIu64 " records, and %" PRIu64
			 " went out: it was cut or put back; nothing was"
			 " signed",
		    out->size, out->last_size);
	else if (out->verdict == TALLY_PUBLISH_ROLLED_BACK)
		complain("the first %" PRIu64 " records are others than those"
			 " that went out; nothing was signed",
		    out->last_size);
	else if (out->register_beside)
		complain("the register lies on the log's file system, where"
			 " both can be put back together; keep it on another"
			 " one by \"--register\"");
}

static enum status
publish(const struct settings *settings, const char *dir,
    struct tally_signer *signer, struct tally_register *reg)
{
	struct tally_signer *const signers[] = { signer };
	const struct tally_publish_options how = { .signers = signers,
		.signers_len = 1,
		.register_dir = settings->where,
		.reg = reg,
		.beat = settings->beat };
	struct tally_published_checkpoint out;
	struct tally_error error = { 0 };
	int result = tally_publish(dir, &how, &out, &error);
	enum status status;

	if (result != 0)
		return output_failure(result, &error, false);
	status = verdicts[out.verdict].status;
	if (settings->json)
		print_json(&out);
	else
		print_text(&out);
	warn(&out);
	free(out.note);
	return status;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	size_t room = strlen(operand[0]) + sizeof("/keys/key");
	struct tally_signer *signer = NULL;
	struct tally_register *reg = NULL;
	char *path = malloc(room);
	enum status status;

	if (path == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	(void)snprintf(path, room, "%s/keys/key", operand[0]);
	status = signer_load(settings->key != NULL ? settings->key : path,
	    settings->passphrase_file, &signer);
	free(path);
	if (status == STATUS_DONE)
		status = register_open(settings->where, &reg);
	if (status == STATUS_DONE)
		status = publish(settings, operand[0], signer, reg);
	tally_outside_register_close(reg);
	tally_signer_free(signer);
	return status;
}

const struct command command_checkpoint = {
	.name = "checkpoint",
	.summary = "sign a checkpoint of a log",
	.synopsis = "checkpoint DIR [--key FILE] [--register WHERE]\n"
		    "                        [--passphrase-file FILE]"
		    " [--beat] [--json]",
	.about =
	    "Holds the log against what went out last, seals its heads,"
	    " registers size and\nroot, and signs them: a C2SP checkpoint in"
	    " DIR/public, with tiles beside it.  A\nlog that was cut or put"
	    " back is not signed.  WHERE is a\ndirectory, or a file *.json that"
	    " names one in S3, for several hosts.",
	.options = options,
	.example = "  tally checkpoint audit.log --key audit.key"
		   " --register /elsewhere/register",
	.statuses =
	    "  0 signed, or nothing was new  1 the log is not what went out"
	    "  2 refused\n  4 no such log or key  5 input or output error"
	    "  6 locked",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
