/* SPDX-License-Identifier: Apache-2.0 */
/* Findings on their way to the caller. */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "verify/report.h"

#define FILE_MAX (sizeof("log/") + TALLY_SEGMENT_NAME_SIZE)

static void
keep(struct tally_report *report, const struct tally_finding *finding)
{
	struct tally_bytes *kept = &report->kept;

	if (kept->len >= TALLY_REPORT_KEEP_MAX) {
		report->left_out++;
		return;
	}
	tally_bytes_put_u64(kept, finding->kind);
	tally_bytes_put_u64(kept, finding->seq);
	tally_bytes_put_u64(kept, finding->seq_end);
	tally_bytes_put_u64(kept, finding->index);
	tally_bytes_put_u64(kept, finding->offset);
	tally_bytes_put_text(kept, finding->chain,
	    finding->chain == NULL ? 0 : strlen(finding->chain) + 1);
	tally_bytes_put_text(kept, finding->file,
	    finding->file == NULL ? 0 : strlen(finding->file) + 1);
	tally_bytes_put_text(kept, finding->detail,
	    strlen(finding->detail) + 1);
}

static void
tell(struct tally_report *report, const struct tally_finding *finding)
{
	pthread_mutex_lock(&report->lock);
	report->findings++;
	report->by_kind[finding->kind]++;
	if (report->keep)
		keep(report, finding);
	if (report->options->finding != NULL)
		report->options->finding(report->options->arg, finding);
	pthread_mutex_unlock(&report->lock);
}

void
tally_report_tell(struct tally_report *report,
    const struct tally_notice *notice)
{
	struct tally_finding finding = {
		.kind = notice->kind,
		.seq = notice->seq,
		.seq_end = notice->seq_end,
		.index = UINT64_MAX,
		.file = notice->file,
		.detail = notice->detail,
	};
	char chain[TALLY_CHAIN_MAX + 1], file[FILE_MAX];
	size_t len;

	if (notice->chain != NULL &&
	    tally_name_unescape(notice->chain, notice->chain_len,
		TALLY_CHAIN_MAX, chain, &len) == 0)
		finding.chain = chain;
	if (finding.seq != 0 && finding.seq_end == 0)
		finding.seq_end = finding.seq + 1;
	if (notice->where != NULL) {
		if (!notice->no_index)
			finding.index = notice->where->index;
		finding.offset = notice->where->offset;
		if (finding.file == NULL) {
			snprintf(file, sizeof(file), "log/%s",
			    report->snapshot->extents[notice->where->extent]
				.name);
			finding.file = file;
		}
	}
	tell(report, &finding);
}

static bool
is_text(const char *text, size_t len)
{
	return text == NULL ||
	    (len > 0 && memchr(text, 0, len) == text + len - 1);
}

int
tally_report_repeat(struct tally_report *report)
{
	struct tally_bytes_reader in = { report->kept.at, report->kept.len,
		false };
	struct tally_finding finding;
	size_t chain_len, file_len, detail_len;

	while (in.left > 0) {
		memset(&finding, 0, sizeof(finding));
		finding.kind = (enum tally_finding_kind)tally_bytes_get_max(&in,
		    TALLY_KIND_COUNT - 1);
		finding.seq = tally_bytes_get_u64(&in);
		finding.seq_end = tally_bytes_get_u64(&in);
		finding.index = tally_bytes_get_u64(&in);
		finding.offset = tally_bytes_get_u64(&in);
		finding.chain = tally_bytes_get_text(&in, &chain_len);
		finding.file = tally_bytes_get_text(&in, &file_len);
		finding.detail = tally_bytes_get_text(&in, &detail_len);
		if (in.failed || finding.detail == NULL ||
		    !is_text(finding.chain, chain_len) ||
		    !is_text(finding.file, file_len) ||
		    !is_text(finding.detail, detail_len))
			return TALLY_E_FORMAT;
		pthread_mutex_lock(&report->lock);
		if (report->options->finding != NULL)
			report->options->finding(report->options->arg,
			    &finding);
		pthread_mutex_unlock(&report->lock);
	}
	return 0;
}

uint64_t
tally_report_breaks(const struct tally_report *report)
{
	uint64_t breaks = 0;
	unsigned kind;

	for (kind = 0; kind < TALLY_KIND_COUNT; kind++) {
		if (tally_finding_is_break((enum tally_finding_kind)kind))
			breaks += report->by_kind[kind];
	}
	return breaks;
}
