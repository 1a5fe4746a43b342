/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles of a chain, and proofs that one checkpoint goes on from another. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define CONSISTENCY_MAX ((size_t)256 << 10)

/* ---- bundles ---------------------------------------------------------- */

/* What is proven, and against whom. */
static void
print_proven(const struct tally_bundle *bundle)
{
	bool is_all = bundle->from_seq == 1 &&
	    bundle->to_seq == bundle->head_seq;

	if (is_all)
		puts("proven  all records that the chain had, unchanged, in"
		     " their order");
	else
		puts("proven  these records, unchanged, in their order, with"
		     " none left out between");
	check_print_against(bundle->verdict);
	puts("        and, once somebody who holds all records computed the"
	     " heads' root\n        anew, whoever signed");
}

static void
print_bundle(const struct tally_bundle *bundle,
    const struct check_finding *finding)
{
	bool is_broken = bundle->verdict == TALLY_PROOF_BROKEN;

	output_word(finding->colour, finding->words);
	if (is_broken)
		printf(": %s", bundle->detail);
	fputs("\nchain   ", stdout);
	output_name(bundle->chain, bundle->chain_len);
	fputc('\n', stdout);
	if (!is_broken) {
		printf("seqs    %" PRIu64 " to %" PRIu64 " of %" PRIu64 "\n",
		    bundle->from_seq, bundle->to_seq, bundle->head_seq);
		fputs("head    ", stdout);
		output_hash(&bundle->head_hash);
		fputc('\n', stdout);
	}
	if (bundle->elsewhere > 0)
		printf("without their event  %" PRIu64 "\n", bundle->elsewhere);
	if (bundle->erased > 0)
		printf("erased  %" PRIu64 "\n", bundle->erased);
	check_print_root(bundle->origin, bundle->verdict,
	    bundle->has_signatures, bundle->size, &bundle->root);
	if (finding->status == STATUS_DONE)
		print_proven(bundle);
}

static void
print_bundle_json(const struct tally_bundle *bundle,
    const struct check_finding *finding)
{
	printf("{\"verdict\":\"%s\",\"detail\":", finding->word);
	output_json(bundle->detail, strlen(bundle->detail));
	fputs(",\"origin\":", stdout);
	output_json(bundle->origin, strlen(bundle->origin));
	printf(",\"size\":%" PRIu64 ",\"root\":\"", bundle->size);
	output_hash(&bundle->root);
	fputs("\",\"chain\":", stdout);
	output_json(bundle->chain, bundle->chain_len);
	printf(",\"chains\":%" PRIu64 ",\"from\":%" PRIu64 ",\"to\":%" PRIu64
	       ",\"head\":%" PRIu64 ",\"hash\":\"",
	    bundle->chains, bundle->from_seq, bundle->to_seq, bundle->head_seq);
	output_hash(&bundle->head_hash);
	printf("\",\"elsewhere\":%" PRIu64 ",\"erased\":%" PRIu64 "}\n",
	    bundle->elsewhere, bundle->erased);
}

enum status
check_bundle(const struct check *check, struct input *input)
{
	struct tally_error error = { 0 };
	const struct check_finding *finding;
	struct tally_bundle bundle;
	int result = tally_bundle_judge(input_read, input, check->trust,
	    &bundle, &error);

	if (result == TALLY_E_IO)
		return STATUS_IO;
	if (result != 0)
		return output_failure(result, &error, true);
	finding = check_find(check, bundle.verdict, bundle.size);
	if (check->json)
		print_bundle_json(&bundle, finding);
	else
		print_bundle(&bundle, finding);
	check_advise(check, bundle.verdict, bundle.has_signatures);
	return finding->status == STATUS_DONE
	    ? check_without_event(bundle.erased, bundle.elsewhere)
	    : finding->status;
}

/* ---- consistency ------------------------------------------------------ */

static void
print_consistency(const struct tally_consistency_proof *proof,
    const struct check_finding *finding)
{
	output_word(finding->colour, finding->words);
	if (proof->verdict == TALLY_PROOF_BROKEN)
		printf(": %s", proof->detail);
	printf("\nold     %" PRIu64 ":", proof->old_size);
	output_hash(&proof->old_root);
	fputc('\n', stdout);
	check_print_root(proof->origin, proof->verdict, proof->has_signatures,
	    proof->size, &proof->root);
	if (finding->status == STATUS_DONE)
		puts("proven  the new checkpoint's log begins with all records"
		     " of the old one's");
}

static void
print_consistency_json(const struct tally_consistency_proof *proof,
    const struct check_finding *finding)
{
	printf("{\"verdict\":\"%s\"", finding->word);
	if (proof->detail != NULL) {
		fputs(",\"detail\":", stdout);
		output_json(proof->detail, strlen(proof->detail));
	}
	fputs(",\"origin\":", stdout);
	output_json(proof->origin, strlen(proof->origin));
	printf(",\"old_size\":%" PRIu64 ",\"old_root\":\"", proof->old_size);
	output_hash(&proof->old_root);
	printf("\",\"size\":%" PRIu64 ",\"root\":\"", proof->size);
	output_hash(&proof->root);
	fputs("\"}\n", stdout);
}

enum status
check_consistency(const struct check *check, struct input *input)
{
	struct tally_error error = { 0 };
	const struct check_finding *finding;
	struct tally_consistency_proof proof;
	char *text = NULL;
	size_t len = 0;
	enum status status = input_all(input, CONSISTENCY_MAX, "a proof", &text,
	    &len);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = tally_consistency_judge(text, len, check->trust, &proof,
	    &error);
	free(text);
	if (result != 0)
		return output_failure(result, &error, true);
	finding = check_find(check, proof.verdict, proof.size);
	if (check->json)
		print_consistency_json(&proof, finding);
	else
		print_consistency(&proof, finding);
	check_advise(check, proof.verdict, proof.has_signatures);
	return finding->status;
}
