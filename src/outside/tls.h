/* SPDX-License-Identifier: Apache-2.0 */
/* One message over TLS (1.2 or newer), to a server that was told by name. */
#ifndef TALLY_OUTSIDE_TLS_H
#define TALLY_OUTSIDE_TLS_H

#include <stddef.h>

#include <tally/error.h>

struct tally_tls {
	const char *address; /* for messages */
	const char *name;    /* what the certificate must be for; or an IP */
	const char *ca;      /* file of certificates; NULL: the system's */
	/* The client's own, with its chain, and its key: PEM; NULL: none. */
	const char *certificate, *key;
};

/*
 * Over a connected socket, which stays the caller's: the handshake, the bytes,
 * the end of what is sent, and then the server's own end (RFC 5425, 4.4), or
 * that of the connection, since many servers say none.  So whoever returns 0
 * knows that the server did not refuse the client's certificate, and has taken
 * all of it; not that it has written it down.  Where only the connection ends,
 * which somebody in between can do, even that is not certain.  All of this
 * takes at most ten seconds.  TALLY_E_IO, or _MEMORY.
 */
TALLY_MUST_CHECK int
tally_tls_deliver(int fd, const struct tally_tls *tls, const char *bytes,
    size_t len, struct tally_error *error);

#endif
