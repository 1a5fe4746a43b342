/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of one record. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "text.h"

/* The longest record's line in base64, with room for the rest. */
#define PROOF_MAX ((size_t)32 << 20)

static void
print_body(const struct tally_record *record)
{
	switch (record->body) {
	case TALLY_BODY_EVENT:
		fputs("\nevent   ", stdout);
		text_put_visible(stdout, record->event, record->event_len);
		break;
	case TALLY_BODY_ERASED:
		printf("\nerased  by tally:log %" PRIu64, record->order_seq);
		break;
	default:
		fputs("\nwithout its event", stdout);
		break;
	}
}

static void
print_proven(const struct tally_proof *proof)
{
	puts("proven  this record is in the log, unchanged, at this place");
	check_print_against(proof->verdict);
}

static void
print_text(const struct tally_proof *proof, const struct check_finding *finding)
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
	print_body(record);
	fputc('\n', stdout);
	check_print_root(proof->origin, proof->verdict, proof->has_signatures,
	    proof->size, &proof->root);
	if (finding->status == STATUS_DONE)
		print_proven(proof);
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
	printf(",\"elsewhere\":%d,\"erased\":%d",
	    record->body == TALLY_BODY_ELSEWHERE,
	    record->body == TALLY_BODY_ERASED);
}

static void
print_json(const struct tally_proof *proof, const struct check_finding *finding)
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

enum status
check_proof(const struct check *check, struct input *input)
{
	struct tally_error error = { 0 };
	const struct check_finding *finding;
	struct tally_proof proof;
	char *text = NULL;
	size_t len = 0;
	enum status status = input_all(input, PROOF_MAX - 1, "a proof", &text,
	    &len);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = tally_proof_judge(text, len, check->trust, &proof, &error);
	free(text);
	if (result != 0)
		return output_failure(result, &error, true);
	finding = check_find(check, proof.verdict, proof.size);
	if (check->json)
		print_json(&proof, finding);
	else
		print_text(&proof, finding);
	check_advise(check, proof.verdict, proof.has_signatures);
	status = finding->status;
	if (status == STATUS_DONE)
		status = check_without_event(proof.record.body ==
			TALLY_BODY_ERASED,
		    proof.record.body == TALLY_BODY_ELSEWHERE);
	tally_proof_wipe(&proof);
	return status;
}
