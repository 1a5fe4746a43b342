/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "verdict.h"

/* What was not covered: for a machine, and in words. */
static const struct {
	unsigned bit;
	const char *word;
	const char *words;
	const char *in_database; /* instead; NULL: the same */
} uncovered[] = {
	{ TALLY_UNCOVERED_ORDER, "order", "the order between chains (--root)",
	    NULL },
	{ TALLY_UNCOVERED_LAST, "last",
	    "the last record of each chain and what stood behind it"
	    " (--root, --heads)",
	    "the last record of each chain and what stood behind it"
	    " (--heads)" },
	{ TALLY_UNCOVERED_CHAINS, "chains",
	    "whole chains, removed or added (--root)",
	    "whole chains, removed or added" },
	{ TALLY_UNCOVERED_IDS, "ids", "that ids are unique (--ids)", NULL },
	{ TALLY_UNCOVERED_OTHER_CHAINS, "other-chains",
	    "the chains that were not asked for", NULL },
	{ TALLY_UNCOVERED_TAIL, "tail",
	    "what is not durable yet or came after it began", NULL },
	{ TALLY_UNCOVERED_ORDERS, "orders",
	    "who signed the orders in tally:log (--key)", NULL },
	{ TALLY_UNCOVERED_CHECKPOINT, "checkpoint",
	    "who signed public/checkpoint (--key)", NULL },
	{ TALLY_UNCOVERED_DETACHED, "detached",
	    "what was done to rows while their table was detached", NULL },
};

#define UNCOVERED (sizeof(uncovered) / sizeof(uncovered[0]))

static void
put_text(const struct tally_finding *finding)
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
	if (finding->file != NULL) {
		fputs("  ", stdout);
		output_name(finding->file, strlen(finding->file));
		printf(":%" PRIu64, finding->offset);
	}
	if (finding->source != NULL) {
		fputs("  source \"", stdout);
		output_name(finding->source, strlen(finding->source));
		fputc('"', stdout);
	}
	if (finding->key != NULL) {
		fputs("  key \"", stdout);
		output_name(finding->key, strlen(finding->key));
		fputc('"', stdout);
	}
	if (finding->detail != NULL) {
		fputs("  ", stdout);
		output_name(finding->detail, strlen(finding->detail));
	}
	fputc('\n', stdout);
}

void
verdict_object(const struct tally_finding *finding)
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
	if (finding->source != NULL) {
		fputs(",\"source\":", stdout);
		output_json(finding->source, strlen(finding->source));
	}
	if (finding->key != NULL) {
		fputs(",\"key\":", stdout);
		output_json(finding->key, strlen(finding->key));
	}
	fputc('}', stdout);
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
words_len(const char *words, enum verdict_of what)
{
	const char *option = strstr(words, " (--");

	return (int)(what == VERDICT_FOREIGN && option != NULL
		? (size_t)(option - words)
		: strlen(words));
}

static void
put_uncovered(size_t i, enum verdict_of what)
{
	const char *words = uncovered[i].words;

	if (what == VERDICT_DATABASE && uncovered[i].in_database != NULL)
		words = uncovered[i].in_database;
	printf("  %.*s\n", words_len(words, what), words);
}

static void
put_text_verdict(const struct tally_verdict *verdict, enum verdict_of what)
{
	fputs("verdict   ", stdout);
	output_word(colour_of(verdict->verdict),
	    tally_verdict_name(verdict->verdict));
	printf("\nrecords   %" PRIu64 "\nchains    %" PRIu64
	       "\nfindings  %" PRIu64 "\n",
	    verdict->records, verdict->chains, verdict->findings);
	if (what == VERDICT_LOG) {
		printf("root      %" PRIu64 ":", verdict->size);
		output_hash(&verdict->root);
		fputc('\n', stdout);
	}
	printf("seconds   %.3f\n", verdict->seconds);
	if (verdict->not_covered == 0)
		return;
	fputs("not covered\n", stdout);
	for (size_t i = 0; i < UNCOVERED; i++)
		if (verdict->not_covered & uncovered[i].bit)
			put_uncovered(i, what);
}

static void
put_json_verdict(const struct tally_verdict *verdict, enum verdict_of what)
{
	const char *comma = "";

	printf("],\"verdict\":\"%s\",\"records\":%" PRIu64
	       ",\"chains\":%" PRIu64 ",\"size\":%" PRIu64 ",\"root\":",
	    tally_verdict_name(verdict->verdict), verdict->records,
	    verdict->chains, verdict->size);
	if (what == VERDICT_LOG) {
		fputc('"', stdout);
		output_hash(&verdict->root);
		fputc('"', stdout);
	} else {
		fputs("null", stdout);
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

void
verdict_finding(const struct tally_finding *finding, bool json, bool first)
{
	if (json) {
		fputs(first ? "{\"findings\":[" : ",", stdout);
		verdict_object(finding);
	} else {
		put_text(finding);
	}
	if (output_is_terminal())
		(void)fflush(stdout);
}

void
verdict_print(const struct tally_verdict *verdict, enum verdict_of what,
    bool json, uint64_t findings)
{
	if (!json) {
		put_text_verdict(verdict, what);
		return;
	}
	if (findings == 0)
		fputs("{\"findings\":[", stdout);
	put_json_verdict(verdict, what);
}

void
verdict_break_off(uint64_t findings)
{
	if (findings > 0)
		fputs("],\"verdict\":\"unverifiable\",\"incomplete\":true}\n",
		    stdout);
}

enum status
verdict_status(const struct tally_verdict *verdict)
{
	if (verdict->verdict == TALLY_INTACT)
		return STATUS_DONE;
	return verdict->verdict == TALLY_TAMPERED ? STATUS_TAMPERED
						  : STATUS_UNJUDGED;
}
