/* SPDX-License-Identifier: Apache-2.0 */
/* A socket that listens on a loopback address, or on a path. */
#ifndef TALLY_SERVE_LISTEN_H
#define TALLY_SERVE_LISTEN_H

#include "serve/http.h"

/*
 * Returns the descriptor and the address as it became, or -1 and why.
 */
int
listen_open(const char *where, char out_address[HTTP_ADDRESS_SIZE],
    char out_why[HTTP_WHY_SIZE]);

/* Removes the socket's name, if it has one; does not close it. */
void
listen_remove(const char *where);

#endif
