/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP interface of a witness (c2sp.org/tlog-witness). */
#ifndef TALLY_SERVE_WITNESS_H
#define TALLY_SERVE_WITNESS_H

#include <tally/witness.h>

#include "serve/http.h"

/*
 * What serve_witness_answer needs; failed is told, from any thread, what the
 * one who asked is not: why it was status 500.
 */
struct serve_witness {
	struct tally_witness *witness;
	void (*failed)(const char *message);
};

/*
 *     POST /add-checkpoint
 *     GET  /<SHA-256 of the origin>/checkpoint
 */
void
serve_witness_answer(void *arg, const struct http_request *request,
    struct http_reply *out);

#endif
