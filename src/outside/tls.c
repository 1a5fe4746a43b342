/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "outside/clock.h"
#include "outside/fail.h"
#include "outside/tls.h"

#define TOTAL_MS 10000

struct exchange {
	const struct tally_tls *tls;
	SSL *ssl;
	int fd;
	int64_t until_ms;
	struct tally_error *error;
};

static int
fail(const struct tally_tls *tls, const char *why, struct tally_error *error)
{
	ERR_clear_error();
	return tally_fail(error, TALLY_E_IO, "cannot send to \"%s\": %s",
	    tls->address, why);
}

/* ---- the socket ------------------------------------------------------- */

/* libssl's own writes with write(2), and a peer that is gone would be a signal
 * for the whole process. */
static int
bio_write(BIO *bio, const char *bytes, int len)
{
	const struct exchange *e = BIO_get_data(bio);
	ssize_t n = send(e->fd, bytes, (size_t)len, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

/* libssl reads on while there is something that is for itself alone, and a
 * peer can have no end of that: so the time is kept here. */
static int
bio_read(BIO *bio, char *bytes, int len)
{
	const struct exchange *e = BIO_get_data(bio);
	ssize_t n = -1;

	if (tally_clock_ms() >= e->until_ms)
		errno = EAGAIN;
	else
		n = recv(e->fd, bytes, (size_t)len, 0);
	if (n == 0)
		errno = 0;
	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO *
make_bio(BIO_METHOD *method, struct exchange *e)
{
	BIO *bio;

	if (method == NULL || BIO_meth_set_write(method, bio_write) != 1 ||
	    BIO_meth_set_read(method, bio_read) != 1 ||
	    BIO_meth_set_ctrl(method, bio_ctrl) != 1)
		return NULL;
	bio = BIO_new(method);
	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, e);
	BIO_set_init(bio, 1);
	return bio;
}

/* ---- whom we trust, and who we are ------------------------------------ */

/* A key with a passphrase: there is nobody to ask. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static int
set_up(SSL_CTX *context, const struct tally_tls *tls, struct tally_error *error)
{
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return fail(tls, "libssl knows no TLS 1.2", error);
	if (tls->ca == NULL ? SSL_CTX_set_default_verify_paths(context) != 1
			    : SSL_CTX_load_verify_file(context, tls->ca) != 1)
		return fail(tls, "\"ca\" cannot be read", error);
	if (tls->certificate == NULL)
		return TALLY_OK;
	if (SSL_CTX_use_certificate_chain_file(context, tls->certificate) != 1)
		return fail(tls, "\"client_certificate\" cannot be read",
		    error);
	if (SSL_CTX_use_PrivateKey_file(context, tls->key, SSL_FILETYPE_PEM) !=
	    1)
		return fail(tls,
		    "\"client_key\" cannot be read, or is that of another"
		    " certificate",
		    error);
	return TALLY_OK;
}

/* Its certificate must be for this name, or for this address. */
static bool
demand_name(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1)
		return true;
	ERR_clear_error();
	X509_VERIFY_PARAM_set_hostflags(parameters,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* The macro for it casts const away, which clang does not take. */
	return X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1 &&
	    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name) == 1;
}

/* ---- talking ---------------------------------------------------------- */

/* The connection ended without an end of TLS. */
static bool
is_bare_end(int reason, int os_errno)
{
	return (reason == SSL_ERROR_SYSCALL && os_errno == 0) ||
	    (reason == SSL_ERROR_SSL &&
		ERR_GET_REASON(ERR_peek_error()) ==
		    SSL_R_UNEXPECTED_EOF_WHILE_READING);
}

/* Why libssl could not go on. */
static int
tell(struct exchange *e, int reason, int os_errno)
{
	unsigned long code = ERR_peek_error();
	long verdict = SSL_get_verify_result(e->ssl);
	const char *words = NULL;

	if (reason == SSL_ERROR_SSL && verdict != X509_V_OK)
		words = X509_verify_cert_error_string(verdict);
	else if (reason == SSL_ERROR_SSL && !is_bare_end(reason, 0))
		words = ERR_reason_error_string(code);
	else if (reason == SSL_ERROR_SYSCALL && os_errno != 0)
		words = strerror(os_errno);
	return fail(e->tls,
	    words == NULL ? "the server closed the connection" : words,
	    e->error);
}

/* Whether it is worth another call: waits until the socket can. */
static int
wait_for(struct exchange *e, int result)
{
	int os_errno = errno, reason = SSL_get_error(e->ssl, result);
	struct pollfd polled = { .fd = e->fd };
	int64_t left = e->until_ms - tally_clock_ms();

	if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
		return tell(e, reason, os_errno);
	polled.events = reason == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
	if (left <= 0 ||
	    (poll(&polled, 1, (int)left) == 0 &&
		tally_clock_ms() >= e->until_ms))
		return fail(e->tls, "the server took too long", e->error);
	return TALLY_OK;
}

static int
shake_hands(struct exchange *e)
{
	int result = TALLY_OK, done;

	while (result == 0) {
		ERR_clear_error();
		done = SSL_connect(e->ssl);
		if (done == 1)
			return TALLY_OK;
		result = wait_for(e, done);
	}
	return result;
}

static int
send_all(struct exchange *e, const char *bytes, size_t len)
{
	int result = TALLY_OK;
	size_t n;

	while (len > 0 && result == 0) {
		ERR_clear_error();
		if (SSL_write_ex(e->ssl, bytes, len, &n) == 1) {
			bytes += n;
			len -= n;
		} else {
			result = wait_for(e, 0);
		}
	}
	return result;
}

static int
say_end(struct exchange *e)
{
	int result = TALLY_OK, done;

	while (result == 0) {
		ERR_clear_error();
		done = SSL_shutdown(e->ssl);
		if (done >= 0)
			return TALLY_OK;
		result = wait_for(e, done);
	}
	return result;
}

/*
 * A server that closed before it read everything answers what is on its way to
 * it with a reset: so its system must have taken the last byte.
 */
static int
await_taken(struct exchange *e)
{
	const struct timespec pause = { 0, 2000000 };
	int failed = 0, left = 1;
	socklen_t size = sizeof(failed);

	while (tally_clock_ms() < e->until_ms) {
		if (ioctl(e->fd, TIOCOUTQ, &left) != 0)
			failed = errno;
		else if (getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &failed,
			     &size) != 0)
			failed = errno;
		if (failed != 0)
			return fail(e->tls, strerror(failed), e->error);
		if (left == 0)
			return TALLY_OK;
		(void)nanosleep(&pause, NULL);
	}
	return fail(e->tls, "the server took too long", e->error);
}

/* Its end; what it says before is nothing to us. */
static int
await_end(struct exchange *e)
{
	int result = TALLY_OK;
	char nothing[512];
	size_t n;

	while (result == 0) {
		ERR_clear_error();
		errno = 0;
		if (SSL_read_ex(e->ssl, nothing, sizeof(nothing), &n) == 1)
			continue;
		if (SSL_get_error(e->ssl, 0) == SSL_ERROR_ZERO_RETURN)
			return TALLY_OK;
		if (is_bare_end(SSL_get_error(e->ssl, 0), errno))
			return await_taken(e);
		result = wait_for(e, 0);
	}
	return result;
}

int
tally_tls_deliver(int fd, const struct tally_tls *tls, const char *bytes,
    size_t len, struct tally_error *error)
{
	struct exchange e = { tls, NULL, fd, tally_clock_ms() + TOTAL_MS,
		error };
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
	BIO *bio = make_bio(method, &e);
	int result = TALLY_E_MEMORY;

	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	if (context != NULL && bio != NULL)
		result = set_up(context, tls, error);
	if (result == 0) {
		e.ssl = SSL_new(context);
		if (e.ssl == NULL || !demand_name(e.ssl, tls->name))
			result = TALLY_E_MEMORY;
	}
	if (result == 0) {
		SSL_set_bio(e.ssl, bio, bio);
		bio = NULL;
		result = shake_hands(&e);
	}
	if (result == 0)
		result = send_all(&e, bytes, len);
	if (result == 0)
		result = say_end(&e);
	if (result == 0)
		result = await_end(&e);
	SSL_free(e.ssl);
	BIO_free(bio);
	BIO_meth_free(method);
	SSL_CTX_free(context);
	ERR_clear_error();
	return result == TALLY_E_MEMORY ? tally_outside_fail_memory(error)
					: result;
}
