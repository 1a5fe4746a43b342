/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adopted.h"
#include "handle.h"

enum status
adopted_prepare(struct tally_adoption *adoption,
    const struct foreign_options *options)
{
	struct tally_error error = { 0 };
	struct tally_profile_about about;
	int result = profile_load(options->profile, options->set,
	    &adoption->profile, &error);

	if (result != 0)
		return output_failure(result, &error, false);
	tally_profile_describe(adoption->profile, &about);
	if (adoption->chain == NULL)
		adoption->chain = about.name;
	if (foreign_is_csv(options, adoption->path))
		adoption->format = TALLY_PROFILE_CSV;
	return STATUS_DONE;
}

/* What the verdict rests on, for people. */
static void
print_grounds(const struct tally_adoption *adoption,
    const struct tally_verdict *verdict, const struct tally_adopted *adopted)
{
	printf("adopted   %" PRIu64 " records are as they were adopted into ",
	    verdict->records);
	output_name(adoption->chain, strlen(adoption->chain));
	if (adopted->time_us > 0) {
		printf(" on ");
		output_time(adopted->time_us);
	}
	printf("\nbefore    ");
	if (adopted->time_us == 0)
		printf("the adoption was interrupted; \"tally adopt\" goes"
		       " on\n");
	else if (adopted->diagnosis.findings == 0)
		printf("they are proven by their own hashes\n");
	else
		printf("by their own hashes, but for %" PRIu64
		       " findings that the log holds\n",
		    adopted->diagnosis.findings);
	if (adopted->since > 0)
		printf("since     %" PRIu64
		       " records came after; \"tally adopt\" adopts them\n",
		    adopted->since);
}

enum status
adopted_verify(struct tally_adoption *adoption, const char *dir,
    struct verifying *verifying)
{
	struct tally_verify_options how = { 0 };
	struct tally_verdict verdict = { 0 };
	struct tally_adopted adopted = { 0 };
	struct tally_error error = { 0 };
	struct tally_log *log = NULL;
	enum status status;
	int result;

	/* What a log that was changed says of the source is worth nothing. */
	verifying_begin(verifying, &how);
	result = tally_verify(dir, &how, &verdict, &error);
	if (result != 0 || verdict.verdict != TALLY_INTACT)
		return verifying_end(verifying, result, &verdict, VERDICT_LOG,
		    &error);
	status = handle_open_reader(dir, &log);
	if (status != STATUS_DONE)
		return status;
	adoption->options = &how;
	memset(&verdict, 0, sizeof(verdict));
	result = tally_adopt_verify(adoption, log, &verdict, &adopted, &error);
	status = verifying_end(verifying, result, &verdict, VERDICT_FOREIGN,
	    &error);
	if (result == 0 && !verifying->json && !verifying->quiet)
		print_grounds(adoption, &verdict, &adopted);
	return handle_close(log, status);
}
