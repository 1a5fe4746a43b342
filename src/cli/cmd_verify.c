/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally verify: a log's verdict.
 *
 * Findings are printed as they come, so that memory is the same however many
 * there are; with --json they are the object's first member.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/verify.h>

#include "commands.h"
#include "heads.h"
#include "profile.h"
#include "progress.h"
#include "signals.h"

struct settings {
	const char *chain;
	struct option_count jobs;
	bool ids;
	struct option_root root;
	const char *heads;
	const char *resume;
	const char *profile;
	bool quiet;
	bool json;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "judge this chain only" },
	{ "jobs", "N", OPTION_COUNT, offsetof(struct settings, jobs),
	    "use N processors; all of them" },
	{ "ids", NULL, OPTION_FLAG, offsetof(struct settings, ids),
	    "also that no id stands twice" },
	{ "root", "SIZE:HEX", OPTION_ROOT, offsetof(struct settings, root),
	    "a root that was kept outside" },
	{ "heads", "FILE", OPTION_TEXT, offsetof(struct settings, heads),
	    "heads that were kept outside" },
	{ "resume", "FILE", OPTION_TEXT, offsetof(struct settings, resume),
	    "go on from FILE, keep the state there" },
	{ "profile", "NAME", OPTION_TEXT, offsetof(struct settings, profile),
	    "a foreign chain: FILE in place of DIR" },
	{ "quiet", NULL, OPTION_FLAG, offsetof(struct settings, quiet),
	    "print nothing if the log is intact" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

/* What was not covered: for a machine, and in words. */
static const struct {
	unsigned bit;
	const char *word;
	const char *words;
} uncovered[] = {
	{ TALLY_UNCOVERED_ORDER, "order", "the order between chains (--root)" },
	{ TALLY_UNCOVERED_LAST, "last",
	    "the last record of each chain and what stood behind it"
	    " (--root, --heads)" },
	{ TALLY_UNCOVERED_CHAINS, "chains",
	    "whole chains, removed or added (--root)" },
	{ TALLY_UNCOVERED_IDS, "ids", "that ids are unique (--ids)" },
	{ TALLY_UNCOVERED_OTHER_CHAINS, "other-chains",
	    "the chains that were not asked for" },
	{ TALLY_UNCOVERED_TAIL, "tail",
	    "what is not durable yet or came after it began" },
};

#define UNCOVERED (sizeof(uncovered) / sizeof(uncovered[0]))

struct verifier {
	const struct settings *settings;
	struct progress progress;
	uint64_t findings; /* printed */
};

static void
print_text_finding(const struct tally_finding *finding)
{
	bool is_break = tally_finding_is_break(finding->kind);

	output_word(is_break ? COLOUR_BAD : COLOUR_UNSURE,
	    tally_finding_name(finding->kind));
	if (finding->chain != NULL) {
		fputs("  chain \"", stdout);
		output_name(finding->chain, strlen(finding->chain));
		fputc('"', stdout);
	}
	if (finding->seq_end > finding->seq + 1)
		printf("  seq %" PRIu64 "-%" PRIu64, finding->seq,
		    finding->seq_end - 1);
	else if (finding->seq != 0)
		printf("  seq %" PRIu64, finding->seq);
	if (finding->index != UINT64_MAX)
		printf("  index %" PRIu64, finding->index);
	if (finding->file != NULL)
		printf("  %s:%" PRIu64, finding->file, finding->offset);
	if (finding->detail != NULL) {
		fputs("  ", stdout);
		output_name(finding->detail, strlen(finding->detail));
	}
	fputc('\n', stdout);
}

static void
print_json_finding(const struct tally_finding *finding)
{
	printf("{\"kind\":\"%s\",\"chain\":",
	    tally_finding_name(finding->kind));
	if (finding->chain != NULL)
		output_json(finding->chain, strlen(finding->chain));
	else
		fputs("null", stdout);
	if (finding->seq != 0)
		printf(",\"seq\":%" PRIu64, finding->seq);
	else
		fputs(",\"seq\":null", stdout);
	if (finding->seq_end > finding->seq + 1)
		printf(",\"seq_end\":%" PRIu64, finding->seq_end);
	if (finding->index != UINT64_MAX)
		printf(",\"index\":%" PRIu64, finding->index);
	else
		fputs(",\"index\":null", stdout);
	fputs(",\"detail\":", stdout);
	if (finding->detail != NULL)
		output_json(finding->detail, strlen(finding->detail));
	else
		fputs("null", stdout);
	if (finding->file != NULL) {
		fputs(",\"file\":", stdout);
		output_json(finding->file, strlen(finding->file));
		printf(",\"offset\":%" PRIu64, finding->offset);
	} else {
		fputs(",\"file\":null,\"offset\":null", stdout);
	}
	fputc('}', stdout);
}

static void
on_finding(void *arg, const struct tally_finding *finding)
{
	struct verifier *verifier = arg;

	progress_clear(&verifier->progress);
	if (verifier->settings->json) {
		fputs(verifier->findings == 0 ? "{\"findings\":[" : ",",
		    stdout);
		print_json_finding(finding);
	} else {
		print_text_finding(finding);
	}
	verifier->findings++;
	if (output_is_terminal())
		(void)fflush(stdout);
}

static int
on_progress(void *arg, const struct tally_progress *now)
{
	struct verifier *verifier = arg;

	progress_draw(&verifier->progress, now);
	return signals_caught();
}

static enum colour
colour_of(enum tally_verdict_code verdict)
{
	if (verdict == TALLY_INTACT)
		return COLOUR_GOOD;
	return verdict == TALLY_TAMPERED ? COLOUR_BAD : COLOUR_UNSURE;
}

/* The options behind the words are none of a foreign chain's. */
static int
words_len(const char *words, bool foreign)
{
	const char *option = strstr(words, " (--");

	return (int)(foreign && option != NULL ? (size_t)(option - words)
					       : strlen(words));
}

static void
print_text_verdict(const struct tally_verdict *verdict, bool foreign)
{
	fputs("verdict   ", stdout);
	output_word(colour_of(verdict->verdict),
	    tally_verdict_name(verdict->verdict));
	printf("\nrecords   %" PRIu64 "\nchains    %" PRIu64
	       "\nfindings  %" PRIu64,
	    verdict->records, verdict->chains, verdict->findings);
	if (!foreign) {
		printf("\nroot      %" PRIu64 ":", verdict->size);
		output_hash(&verdict->root);
	}
	printf("\nseconds   %.3f\n", verdict->seconds);
	if (verdict->not_covered == 0)
		return;
	fputs("not covered\n", stdout);
	for (size_t i = 0; i < UNCOVERED; i++)
		if (verdict->not_covered & uncovered[i].bit)
			printf("  %.*s\n",
			    words_len(uncovered[i].words, foreign),
			    uncovered[i].words);
}

static void
print_json_verdict(const struct tally_verdict *verdict, uint64_t findings,
    bool foreign)
{
	const char *comma = "";

	if (findings == 0)
		fputs("{\"findings\":[", stdout);
	printf("],\"verdict\":\"%s\",\"records\":%" PRIu64
	       ",\"chains\":%" PRIu64 ",\"size\":%" PRIu64,
	    tally_verdict_name(verdict->verdict), verdict->records,
	    verdict->chains, verdict->size);
	if (!foreign) {
		fputs(",\"root\":\"", stdout);
		output_hash(&verdict->root);
		fputc('"', stdout);
	}
	printf(",\"seconds\":%.6f,\"not_covered\":[", verdict->seconds);
	for (size_t i = 0; i < UNCOVERED; i++) {
		if ((verdict->not_covered & uncovered[i].bit) == 0)
			continue;
		printf("%s\"%s\"", comma, uncovered[i].word);
		comma = ",";
	}
	fputs("]}\n", stdout);
}

/* It could not verify to the end; what was begun stays one JSON object. */
static enum status
give_up(const struct verifier *verifier, int result,
    const struct tally_error *error)
{
	const struct settings *settings = verifier->settings;

	if (settings->json && verifier->findings > 0)
		fputs("],\"verdict\":\"unverifiable\",\"incomplete\":true}\n",
		    stdout);
	if (result != TALLY_PARTIAL)
		return output_failure(result, error, true);
	if (settings->resume != NULL)
		complain("interrupted; the same call goes on from \"%s\"",
		    settings->resume);
	else
		complain("interrupted; with \"--resume FILE\" it could go on");
	return STATUS_INTERRUPTED;
}

static enum status
verify(struct verifier *verifier, const char *dir, const struct heads *heads)
{
	const struct settings *settings = verifier->settings;
	struct tally_verify_options how = {
		.jobs = (unsigned)settings->jobs.value,
		.chain = settings->chain,
		.ids = settings->ids,
		.has_root = settings->root.given,
		.root_size = settings->root.size,
		.root = settings->root.hash,
		.heads = heads->head,
		.heads_len = heads->count,
		.resume = settings->resume,
		.finding = on_finding,
		.progress = on_progress,
		.arg = verifier,
	};
	struct tally_error error = { 0 };
	struct tally_verdict verdict;
	int result;

	if (settings->chain != NULL)
		how.chain_len = strlen(settings->chain);
	if (settings->profile != NULL)
		result = profile_verify(settings->profile, dir, &how, &verdict,
		    &error);
	else
		result = tally_verify(dir, &how, &verdict, &error);
	progress_clear(&verifier->progress);
	if (result != 0)
		return give_up(verifier, result, &error);
	if (settings->json)
		print_json_verdict(&verdict, verifier->findings,
		    settings->profile != NULL);
	else if (!settings->quiet || verdict.verdict != TALLY_INTACT)
		print_text_verdict(&verdict, settings->profile != NULL);
	if (verdict.verdict == TALLY_INTACT)
		return STATUS_DONE;
	return verdict.verdict == TALLY_TAMPERED ? STATUS_TAMPERED
						 : STATUS_UNJUDGED;
}

/* Is there an option that only a log of ours has a use for? */
static bool
takes_a_log(const struct settings *settings)
{
	return settings->chain != NULL || settings->jobs.given ||
	    settings->ids || settings->root.given || settings->heads != NULL ||
	    settings->resume != NULL;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct verifier verifier = { .settings = settings };
	struct heads heads = { 0 };
	enum status status = STATUS_DONE;

	if (settings->root.given && !settings->root.has_size)
		return options_refuse(&command_verify,
		    "\"--root\" needs the size, too: SIZE:HEX");
	if (settings->jobs.given &&
	    (settings->jobs.value == 0 || settings->jobs.value > 1024))
		return options_refuse(&command_verify,
		    "\"--jobs\" needs 1 to 1024");
	if (settings->profile != NULL && takes_a_log(settings))
		return options_refuse(&command_verify,
		    "\"--profile\" goes with \"--quiet\" and \"--json\" only");
	if (settings->heads != NULL)
		status = heads_read(&heads, settings->heads);
	if (status != STATUS_DONE)
		return status;
	progress_init(&verifier.progress, settings->quiet);
	signals_catch();
	status = verify(&verifier, operand[0], &heads);
	heads_free(&heads);
	return status;
}

const struct command command_verify = {
	.name = "verify",
	.summary = "verify a log, and name what was changed",
	.synopsis = "verify DIR [--chain NAME] [--jobs N] [--json] [--ids]\n"
		    "                    [--root SIZE:HEX] [--heads FILE]"
		    " [--resume FILE] [--quiet]\n"
		    "       tally verify FILE --profile NAME [--json]"
		    " [--quiet]",
	.about = "Reads the whole log, beside its writers, prints every finding"
		 " and the verdict,\nand says what it did not cover.  Roots and"
		 " heads from outside cover more.",
	.options = options,
	.example = "  tally head audit.log --json >/elsewhere/heads\n"
		   "  tally verify audit.log --heads /elsewhere/heads",
	.statuses =
	    "  0 intact  1 tampering found  3 could not verify  4 no such"
	    " log\n  5 input or output error  130 interrupted",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
