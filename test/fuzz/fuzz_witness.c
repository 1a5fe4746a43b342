/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a witness of any bytes: one that is taken is the only way to say
 * what it says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/witness.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tally_witness_request request;
	static char head[TALLY_WITNESS_HEAD_MAX];
	size_t len;

	if (tally_witness_request_parse((const char *)data, size, &request) !=
	    0)
		return 0;
	if (request.proof_len > TALLY_WITNESS_PROOF_MAX ||
	    request.old_size > TALLY_CHECKPOINT_SIZE_MAX)
		abort();
	len = tally_witness_request_head(request.old_size, request.proof,
	    request.proof_len, head);
	if (len + request.note_text.len != size ||
	    memcmp(head, data, len) != 0 ||
	    request.note_text.at != (const char *)data + len)
		abort();
	return 0;
}
