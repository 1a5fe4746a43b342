/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings: named, counted, handed to the caller.
 */
#include "postgres.h"

#include "store.h"
#include "verify.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

/* The columns of a finding, as tally.verify() returns it. */
enum
{
	FINDING_KIND,
	FINDING_CHAIN,
	FINDING_SEQ,
	FINDING_SOURCE,
	FINDING_KEY,
	FINDING_DETAIL,
	FINDING_COLUMNS,
};

struct tally_report
{
	ReturnSetInfo *result;		/* NULL: findings are only counted */
	int64		by_kind[TALLY_KIND_COUNT];
	List	   *not_covered;	/* of char * */
};

/* The same words as in the file log. */
static const char *const kind_names[TALLY_KIND_COUNT] = {
	[TALLY_DAMAGED] = "damaged",
	[TALLY_CONTENT_ALTERED] = "content-altered",
	[TALLY_LINK_ALTERED] = "link-altered",
	[TALLY_MISSING] = "missing",
	[TALLY_INSERTED] = "inserted",
	[TALLY_REORDERED] = "reordered",
	[TALLY_FORKED] = "forked",
	[TALLY_DUPLICATE] = "duplicate",
	[TALLY_TRUNCATED] = "truncated",
	[TALLY_ROLLED_BACK] = "rolled-back",
	[TALLY_UNSEALED] = "unsealed",
	[TALLY_ERASED] = "erased",
	[TALLY_TORN_TAIL] = "torn-tail",
	[TALLY_LEGACY] = "legacy",
	[TALLY_NOT_JUDGED] = "unverifiable",
};

static bool
is_break(enum tally_finding_kind kind)
{
	return kind != TALLY_ERASED && kind != TALLY_TORN_TAIL &&
		kind != TALLY_LEGACY && kind != TALLY_NOT_JUDGED;
}

void
tally_report_open(struct tally_verifier *v, void *result)
{
	v->report = MemoryContextAllocZero(v->context, sizeof(*v->report));
	v->report->result = result;
}

static void
put_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;

	if (text !=NULL)
		values[column] = CStringGetTextDatum(text);
}

static void
put_finding(struct tally_report *report, enum tally_finding_kind kind,
			const struct tally_subject *subject, const char *detail)
{
	Datum		values[FINDING_COLUMNS] = {0};
	bool		nulls[FINDING_COLUMNS] = {false};

	put_text(values, nulls, FINDING_KIND, kind_names[kind]);
	put_text(values, nulls, FINDING_CHAIN, subject->chain);
	values[FINDING_SEQ] = Int64GetDatum(subject->seq);
	nulls[FINDING_SEQ] = subject->seq == 0;
	put_text(values, nulls, FINDING_SOURCE, subject->source);
	put_text(values, nulls, FINDING_KEY, subject->key);
	put_text(values, nulls, FINDING_DETAIL, detail);
	tuplestore_putvalues(report->result->setResult, report->result->setDesc,
						 values, nulls);
}

/* Neighbours of the records that were asked for are read, but not judged. */
static bool
is_out_of_scope(const struct tally_scope *scope,
				const struct tally_subject *subject)
{
	if (scope->chain == NULL || subject->chain == NULL || subject->seq == 0)
		return false;
	if (strcmp(scope->chain, subject->chain) == 0)
		return subject->seq < scope->from || subject->seq > scope->to;
	/* Configuration is told as what a record of tally:log says. */
	return strcmp(TALLY_LOG_CHAIN, subject->chain) != 0;
}

static char *format_text(const char *format, va_list args)
			pg_attribute_printf(1, 0);

static char *
format_text(const char *format, va_list args)
{
	StringInfoData text;
	va_list		copy;
	int			needed;

	initStringInfo(&text);
	for (;;)
	{
		va_copy(copy, args);
		needed = appendStringInfoVA(&text, format, copy);
		va_end(copy);
		if (needed == 0)
			return text.data;

		enlargeStringInfo(&text, needed);
	}
}

void
tally_report_vtell(struct tally_verifier *v, enum tally_finding_kind kind,
				   const struct tally_subject *subject, const char *format,
				   va_list args)
{
	struct tally_report *report = v->report;
	MemoryContext saved;
	MemoryContext context;

	if (is_out_of_scope(&v->scope, subject))
		return;
	report->by_kind[kind]++;
	if (report->result == NULL)
		return;
	context = AllocSetContextCreate(v->context, "tally finding",
									ALLOCSET_SMALL_SIZES);
	saved = MemoryContextSwitchTo(context);
	put_finding(report, kind, subject, format_text(format, args));
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(context);
}

void
tally_report_tell(struct tally_verifier *v, enum tally_finding_kind kind,
				  const struct tally_subject *subject, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	tally_report_vtell(v, kind, subject, format, args);
	va_end(args);
}

void
tally_report_tell_general(struct tally_verifier *v,
						  enum tally_finding_kind kind, const char *format,...)
{
	struct tally_subject nothing = {0};
	va_list		args;

	va_start(args, format);
	tally_report_vtell(v, kind, &nothing, format, args);
	va_end(args);
}

void
tally_report_not_covered(struct tally_verifier *v, const char *format,...)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);
	va_list		args;

	va_start(args, format);
	v->report->not_covered = lappend(v->report->not_covered,
									 format_text(format, args));
	va_end(args);
	MemoryContextSwitchTo(saved);
}

int64
tally_report_findings(const struct tally_verifier *v)
{
	int64		count = 0;
	int			kind;

	for (kind = 0; kind < TALLY_KIND_COUNT; kind++)
		count += v->report->by_kind[kind];
	return count;
}

const char *
tally_report_verdict(const struct tally_verifier *v, int64 records)
{
	int			kind;

	for (kind = 0; kind < TALLY_KIND_COUNT; kind++)
	{
		if (v->report->by_kind[kind] > 0 && is_break(kind))
			return "tampered";
	}
	if (records == 0 || v->report->by_kind[TALLY_NOT_JUDGED] > 0)
		return "unverifiable";
	return "intact";
}

Datum
tally_report_uncovered(const struct tally_verifier *v)
{
	List	   *texts = v->report->not_covered;
	Datum	   *values = palloc(sizeof(Datum) * (list_length(texts) + 1));
	ListCell   *cell;
	int			n = 0;

	foreach(cell, texts)
		values[n++] = CStringGetTextDatum(lfirst(cell));
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false,
										   TYPALIGN_INT));
}
