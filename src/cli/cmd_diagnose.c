/* SPDX-License-Identifier: Apache-2.0 */
/* tally diagnose: what happened to a foreign chain. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/diagnose.h>

#include "commands.h"
#include "diagnose_picture.h"
#include "profile.h"
#include "progress.h"
#include "signals.h"
#include "verdict.h"

#define SHOWN 10 /* of symptoms and of forks, without --all */

struct settings {
	struct foreign_options foreign;
	bool all;
	struct option_count at;
	struct option_count around;
	const char *svg;
	bool json;
};

static const struct option options[] = {
	FOREIGN_OPTIONS(offsetof(struct settings, foreign)),
	{ "all", NULL, OPTION_FLAG, offsetof(struct settings, all),
	    "print all, not only the first ten" },
	{ "at", "INDEX", OPTION_COUNT, offsetof(struct settings, at),
	    "show what is near this finding; the first" },
	{ "around", "N", OPTION_COUNT, offsetof(struct settings, around),
	    "so many records on each side of it; 8" },
	{ "svg", "FILE", OPTION_TEXT, offsetof(struct settings, svg),
	    "draw what is near it" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

/* The parts of what is printed, in their order. */
enum part {
	PART_NONE,
	PART_SYMPTOMS,
	PART_FORKS,
	PART_NEAR,
	PART_END,
};

struct diagnosing {
	const struct settings *settings;
	struct progress progress;
	struct picture *picture;
	enum part part;
	uint64_t told; /* of this part */
};

/* ---- JSON: one object whose parts are there, be they empty -------------- */

static void
go_to(struct diagnosing *d, enum part part)
{
	static const char *const names[] = { "", "{\"symptoms\":[",
		"],\"forks\":[", "],\"near\":[", "]" };

	progress_clear(&d->progress);
	while (d->part < part) {
		d->part++;
		d->told = 0;
		if (d->settings->json)
			fputs(names[d->part], stdout);
	}
	if (d->settings->json && part != PART_END && d->told > 0)
		fputc(',', stdout);
	d->told++;
}

static void
put_chain(const char *chain)
{
	fputs("\"chain\":", stdout);
	if (chain != NULL)
		output_json(chain, strlen(chain));
	else
		fputs("null", stdout);
}

static const char *
truth(bool value)
{
	return value ? "true" : "false";
}

static void
put_index(const char *name, uint64_t index)
{
	if (index != UINT64_MAX)
		printf("\"%s\":%" PRIu64, name, index);
	else
		printf("\"%s\":null", name);
}

static void
fork_json(const struct tally_fork *fork)
{
	uint64_t i;

	fputc('{', stdout);
	put_chain(fork->chain);
	if (fork->has_parent)
		printf(",\"parent\":{\"index\":%" PRIu64 ",\"seq\":%" PRIu64
		       ",\"holds\":%s}",
		    fork->parent_index, fork->parent_seq,
		    truth(fork->parent_holds));
	else
		fputs(",\"parent\":null", stdout);
	printf(",\"width\":%" PRIu64 ",\"benign\":%s,\"healed\":%s"
	       ",\"records\":%" PRIu64 ",\"seconds\":",
	    fork->width, truth(fork->benign), truth(fork->healed),
	    fork->records);
	if (fork->has_seconds)
		printf("%.6f", fork->seconds);
	else
		fputs("null", stdout);
	fputs(",\"branches\":[", stdout);
	for (i = 0; i < fork->described; i++) {
		const struct tally_branch *branch = &fork->branch[i];

		fputs(i > 0 ? ",{" : "{", stdout);
		put_index("index", branch->index);
		printf(",\"seq\":%" PRIu64 ",\"records\":%" PRIu64
		       ",\"last_index\":%" PRIu64 ",\"last_seq\":%" PRIu64
		       ",\"holds\":%s}",
		    branch->seq, branch->records, branch->last_index,
		    branch->last_seq, truth(branch->holds));
	}
	fputs("]}", stdout);
}

static void
near_json(const char *chain, const struct tally_near *record)
{
	fputc('{', stdout);
	put_chain(chain);
	printf(",\"seq\":%" PRIu64 ",\"parent_seq\":", record->seq);
	if (record->has_parent)
		printf("%" PRIu64, record->parent_seq);
	else
		fputs("null", stdout);
	printf(",\"start\":%s,\"far\":%s,\"finding\":", truth(record->is_start),
	    truth(record->is_far));
	if (record->is_found)
		printf("\"%s\"}", tally_finding_name(record->kind));
	else
		fputs("null}", stdout);
}

static void
end_json(const struct tally_diagnosis *is)
{
	const char *comma = "";

	printf(",\"verdict\":\"%s\",\"records\":%" PRIu64 ",\"holds\":%" PRIu64
	       ",\"chains\":%" PRIu64 ",\"findings\":%" PRIu64 ",\"causes\":{",
	    tally_verdict_name(is->verdict.verdict), is->verdict.records,
	    is->holds, is->verdict.chains, is->verdict.findings);
	for (int cause = 1; cause < TALLY_CAUSE_COUNT; cause++) {
		const uint64_t *by = is->by_cause[cause];

		if (by[0] + by[1] + by[2] == 0)
			continue;
		printf("%s\"%s\":{\"possible\":%" PRIu64 ",\"likely\":%" PRIu64
		       ",\"certain\":%" PRIu64 "}",
		    comma, tally_cause_name((enum tally_cause)cause), by[0],
		    by[1], by[2]);
		comma = ",";
	}
	printf("},\"graph\":{\"forks\":%" PRIu64 ",\"benign\":%" PRIu64
	       ",\"open\":%" PRIu64 ",\"widest\":%" PRIu64 ",",
	    is->forks, is->benign, is->open, is->widest);
	put_index("first_index", is->forks > 0 ? is->first_fork : UINT64_MAX);
	fputc(',', stdout);
	put_index("last_index", is->forks > 0 ? is->last_fork : UINT64_MAX);
	printf(",\"longest\":%" PRIu64 ",\"complete\":%s},\"seconds\":%.6f}\n",
	    is->longest, truth(!is->is_cut), is->verdict.seconds);
}

/* ---- text ---------------------------------------------------------------- */

static void
put_cause(const struct tally_symptom *symptom)
{
	if (symptom->cause != TALLY_CAUSE_NONE)
		printf("    %s, %s: %s\n", tally_cause_name(symptom->cause),
		    tally_sure_name(symptom->sure), symptom->why);
}

static void
fork_text(const struct tally_fork *fork)
{
	uint64_t i;

	fputs("fork", stdout);
	if (fork->chain != NULL) {
		fputs("  chain \"", stdout);
		output_name(fork->chain, strlen(fork->chain));
		fputc('"', stdout);
	}
	if (fork->has_parent)
		printf("  behind seq %" PRIu64 " (%s)", fork->parent_seq,
		    fork->parent_holds ? "holds" : "does not hold");
	else
		fputs("  at the beginning", stdout);
	printf(", %" PRIu64 " branches, %s", fork->width,
	    fork->healed ? "healed after" : "open at the end after");
	printf(" %" PRIu64 " record%s", fork->records,
	    fork->records == 1 ? "" : "s");
	if (fork->has_seconds)
		printf(", %.3f s", fork->seconds);
	fputc('\n', stdout);
	for (i = 0; i < fork->described; i++) {
		const struct tally_branch *branch = &fork->branch[i];

		printf("    from seq %" PRIu64 ": %" PRIu64
		       " record%s, the last one seq %" PRIu64 "; %s\n",
		    branch->seq, branch->records,
		    branch->records == 1 ? "" : "s", branch->last_seq,
		    branch->holds ? "all hold" : "not all hold");
	}
	if (fork->described < fork->width)
		printf("    and %" PRIu64 " more\n",
		    fork->width - fork->described);
}

static void
end_text(const struct tally_diagnosis *is)
{
	fputs("verdict   ", stdout);
	output_word(is->verdict.verdict == TALLY_INTACT ? COLOUR_GOOD
		: is->verdict.verdict == TALLY_TAMPERED ? COLOUR_BAD
							: COLOUR_UNSURE,
	    tally_verdict_name(is->verdict.verdict));
	printf("\nrecords   %" PRIu64 ", of which %" PRIu64
	       " hold\nchains    %" PRIu64 "\nfindings  %" PRIu64 "\n",
	    is->verdict.records, is->holds, is->verdict.chains,
	    is->verdict.findings);
	for (int cause = 1; cause < TALLY_CAUSE_COUNT; cause++) {
		for (int sure = TALLY_CERTAIN; sure >= TALLY_POSSIBLE; sure--) {
			if (is->by_cause[cause][sure] > 0)
				printf("  %s, %s: %" PRIu64 "\n",
				    tally_cause_name((enum tally_cause)cause),
				    tally_sure_name((enum tally_sure)sure),
				    is->by_cause[cause][sure]);
		}
	}
	printf("forks     %" PRIu64, is->forks);
	if (is->forks > 0)
		printf(", %" PRIu64 " of them benign, %" PRIu64
		       " open at the end\n  from index %" PRIu64
		       " to index %" PRIu64 ", up to %" PRIu64 " branches",
		    is->benign, is->open, is->first_fork, is->last_fork,
		    is->widest);
	if (is->longest > 0)
		printf(", healed after %" PRIu64 " record%s at most",
		    is->longest, is->longest == 1 ? "" : "s");
	fputc('\n', stdout);
	if (is->is_cut)
		puts("  the graph is not complete: it has its first 4 million"
		     " pieces only");
	printf("seconds   %.3f\n", is->verdict.seconds);
}

/* ---- as it comes --------------------------------------------------------- */

/* Is this one still to be printed?  Says so once if not. */
static bool
is_shown(const struct diagnosing *d, const char *what)
{
	if (d->settings->all || d->told <= SHOWN)
		return true;
	if (d->told == SHOWN + 1)
		printf("and more %s; \"--all\" or \"--json\" prints them\n",
		    what);
	return false;
}

static void
on_symptom(void *arg, const struct tally_symptom *symptom)
{
	struct diagnosing *d = arg;

	go_to(d, PART_SYMPTOMS);
	if (!d->settings->json) {
		if (is_shown(d, "findings")) {
			verdict_finding(&symptom->finding, false, false);
			put_cause(symptom);
		}
		return;
	}
	fputs("{\"finding\":", stdout);
	verdict_object(&symptom->finding);
	if (symptom->cause != TALLY_CAUSE_NONE) {
		printf(",\"cause\":\"%s\",\"sure\":\"%s\",\"why\":",
		    tally_cause_name(symptom->cause),
		    tally_sure_name(symptom->sure));
		output_json(symptom->why, strlen(symptom->why));
		fputc('}', stdout);
	} else {
		fputs(",\"cause\":null,\"sure\":null,\"why\":null}", stdout);
	}
}

static void
on_fork(void *arg, const struct tally_fork *fork)
{
	struct diagnosing *d = arg;

	go_to(d, PART_FORKS);
	if (d->settings->json)
		fork_json(fork);
	else if (is_shown(d, "forks"))
		fork_text(fork);
}

static void
on_near(void *arg, const char *chain, const struct tally_near *record)
{
	struct diagnosing *d = arg;

	go_to(d, PART_NEAR);
	picture_add(d->picture, chain, record);
	if (d->settings->json)
		near_json(chain, record);
}

static int
on_progress(void *arg, const struct tally_progress *now)
{
	struct diagnosing *d = arg;

	progress_draw(&d->progress, now);
	return signals_caught();
}

/* ---- the command --------------------------------------------------------- */

static enum status
draw(const struct diagnosing *d)
{
	FILE *file;
	bool good;

	if (d->settings->svg == NULL)
		return STATUS_DONE;
	file = fopen(d->settings->svg, "we");
	if (file == NULL) {
		complain("cannot write \"%s\": %s", d->settings->svg,
		    output_reason(errno));
		return STATUS_IO;
	}
	picture_svg(d->picture, file);
	good = ferror(file) == 0;
	if (fclose(file) == 0 && good)
		return STATUS_DONE;
	complain("cannot write \"%s\": %s", d->settings->svg,
	    output_reason(errno));
	return STATUS_IO;
}

static enum status
end(struct diagnosing *d, const struct tally_diagnosis *is)
{
	enum status status;

	go_to(d, PART_END);
	picture_arrange(d->picture);
	if (d->settings->json) {
		end_json(is);
	} else {
		picture_text(d->picture);
		end_text(is);
	}
	status = draw(d);
	return status != STATUS_DONE ? status : verdict_status(&is->verdict);
}

static enum status
diagnose(struct diagnosing *d, const struct foreign_options *where)
{
	struct tally_diagnose_options how = {
		.symptom = on_symptom,
		.fork = on_fork,
		.near = on_near,
		.progress = on_progress,
		.arg = d,
		.has_at = d->settings->at.given,
		.at = d->settings->at.value,
		.around = d->settings->around.value,
	};
	struct tally_error error = { 0 };
	struct tally_diagnosis diagnosis;
	struct foreign foreign;
	int result;

	result = foreign_open(&foreign, where, &error);
	if (result == 0)
		foreign_warn(&foreign);
	if (result == 0)
		result = tally_profile_diagnose(foreign.profile,
		    &foreign.source, &how, &diagnosis, &error);
	foreign_close(&foreign);
	progress_clear(&d->progress);
	if (result == 0)
		return end(d, &diagnosis);
	if (d->settings->json && d->part != PART_NONE) {
		go_to(d, PART_END);
		fputs(",\"verdict\":\"unverifiable\",\"incomplete\":true}\n",
		    stdout);
	}
	if (result != TALLY_PARTIAL)
		return output_failure(result, &error, true);
	complain("interrupted");
	return STATUS_INTERRUPTED;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct foreign_options where = settings->foreign;
	struct diagnosing d = { .settings = settings };
	enum status status;

	where.path = operand[0];
	status = foreign_check(&command_diagnose, &where);
	if (status != STATUS_DONE)
		return status;
	if (settings->around.given &&
	    (settings->around.value == 0 || settings->around.value > 1000))
		return options_refuse(&command_diagnose,
		    "\"--around\" needs 1 to 1000");
	d.picture = calloc(1, sizeof(*d.picture));
	if (d.picture == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	progress_init(&d.progress, false);
	signals_catch();
	status = diagnose(&d, &where);
	free(d.picture);
	return status;
}

const struct command command_diagnose = {
	.name = "diagnose",
	.summary = "say what happened to a chain of another system",
	.synopsis = "diagnose (FILE | --pg CONNINFO) --profile NAME"
		    " [--query SQL]\n"
		    "                      [--csv] [--set NAME=VALUE]"
		    " [--all] [--json]\n"
		    "                      [--at INDEX] [--around N]"
		    " [--svg FILE]",
	.about = "Verifies the chain, and says of each finding what most likely"
		 " caused it and how\nsure that is; then the forks, and the"
		 " records near a break.  Nothing is written.",
	.options = options,
	.example = "  tally diagnose .vouch/audit.log.jsonl --profile vouch"
		   " --svg break.svg",
	.statuses =
	    "  0 intact  1 tampering found  3 could not verify  4 no such"
	    " file\n  5 input, output or database error  130 interrupted",
	.operands = { "FILE" },
	.needed = 0,
	.settings_size = sizeof(struct settings),
	.run = run,
};
