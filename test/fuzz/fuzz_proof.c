/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of any bytes: what is read is written again as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/proof.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct tally_proof_text proof;
	struct tally_error error;
	size_t extra_len = 0, len;
	uint8_t *extra;
	char *again;

	if (tally_proof_text_parse(text, size, &proof, &error) != 0)
		return 0;
	extra = malloc(proof.extra.len + 1);
	if (extra == NULL)
		abort();
	/* The extra is opaque here: it may be no base64. */
	if (proof.has_extra &&
	    tally_base64_parse(proof.extra.at, proof.extra.len, extra,
		proof.extra.len, &extra_len) != 0) {
		free(extra);
		return 0;
	}
	again = malloc(tally_proof_text_size(extra_len, proof.path_len,
	    proof.under.text.len));
	if (again == NULL)
		abort();
	len = tally_proof_text_format(extra, extra_len, proof.index, proof.path,
	    proof.path_len, proof.under.text.at, proof.under.text.len, again);
	if (len != size || memcmp(again, text, size) != 0)
		abort();
	free(again);
	free(extra);
	return 0;
}
