/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timestamps of RFC 3161 over the checkpoint, by an authority that a file of
 * certificates names.  The note and the response lie beside the queue, as
 * "token-<size>.note" and "token-<size>.tsr": "openssl ts -verify" takes them.
 *
 * The authority keeps nothing; what is read back are these files.  Whoever
 * holds the queue can remove them, not make others: each is verified anew.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ts.h>
#include <openssl/x509_vfy.h>

#include "outside/disk.h"
#include "outside/fail.h"
#include "outside/http.h"
#include "outside/sink.h"

#define NAME_SIZE 64
#define REPLY_MAX ((size_t)1 << 20)
#define SHA256_SIZE 32
#define NONCE_SIZE 8

struct rfc3161 {
	char *url, *http_ca;
	X509_STORE *store;
};

static int
rfc3161_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	struct rfc3161 *own = calloc(1, sizeof(*own));
	const char *ca = NULL;
	int result;

	if (own == NULL)
		return tally_outside_fail_memory(error);
	sink->own = own;
	result = tally_sink_text_dup(sink, config, "url", true, &own->url,
	    error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "http_ca", false,
		    &own->http_ca, error);
	if (result == 0)
		result = tally_sink_text(sink, config, "ca", true, &ca, error);
	if (result != 0)
		return result;
	own->store = X509_STORE_new();
	if (own->store == NULL)
		return tally_outside_fail_memory(error);
	ERR_set_mark();
	if (X509_STORE_load_file(own->store, ca) != 1)
		result = tally_fail(error, TALLY_E_USAGE,
		    "\"%s\" holds no certificates", ca);
	ERR_pop_to_mark();
	return result;
}

static void
rfc3161_close(struct tally_sink *sink)
{
	struct rfc3161 *own = sink->own;

	free(own->url);
	free(own->http_ca);
	X509_STORE_free(own->store);
	free(own);
}

/* ---- asking ----------------------------------------------------------- */

static bool
fill_imprint(TS_MSG_IMPRINT *imprint, const char *note, size_t len)
{
	uint8_t digest[SHA256_SIZE];
	X509_ALGOR *how = X509_ALGOR_new();
	size_t got;
	bool done = how != NULL &&
	    EVP_Q_digest(NULL, "SHA256", NULL, note, len, digest, &got) == 1 &&
	    X509_ALGOR_set0(how, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) ==
		1 &&
	    TS_MSG_IMPRINT_set_algo(imprint, how) == 1 &&
	    TS_MSG_IMPRINT_set_msg(imprint, digest, sizeof(digest)) == 1;

	X509_ALGOR_free(how);
	return done;
}

static bool
fill_nonce(TS_REQ *request)
{
	uint8_t bytes[NONCE_SIZE];
	ASN1_INTEGER *nonce = NULL;
	BIGNUM *number = NULL;
	bool done = false;

	if (RAND_bytes(bytes, sizeof(bytes)) == 1) {
		number = BN_bin2bn(bytes, sizeof(bytes), NULL);
		nonce = number == NULL ? NULL
				       : BN_to_ASN1_INTEGER(number, NULL);
		done = nonce != NULL && TS_REQ_set_nonce(request, nonce) == 1;
	}
	ASN1_INTEGER_free(nonce);
	BN_free(number);
	return done;
}

static TS_REQ *
make_request(const char *note, size_t len)
{
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	TS_REQ *request = TS_REQ_new();
	bool done = imprint != NULL && request != NULL &&
	    fill_imprint(imprint, note, len) &&
	    TS_REQ_set_version(request, 1) == 1 &&
	    TS_REQ_set_msg_imprint(request, imprint) == 1 &&
	    fill_nonce(request) && TS_REQ_set_cert_req(request, 1) == 1;

	TS_MSG_IMPRINT_free(imprint);
	if (done)
		return request;
	TS_REQ_free(request);
	return NULL;
}

/* Does the response hold, for this note, and (request not NULL) this nonce? */
static bool
holds(const struct rfc3161 *own, TS_REQ *request, const char *note, size_t len,
    TS_RESP *response)
{
	TS_VERIFY_CTX *how = request == NULL
	    ? TS_VERIFY_CTX_new()
	    : TS_REQ_to_TS_VERIFY_CTX(request, NULL);
	BIO *data = BIO_new_mem_buf(note, (int)len);
	bool done = false;

	if (how != NULL && data != NULL && X509_STORE_up_ref(own->store) == 1) {
		(void)TS_VERIFY_CTX_set_store(how, own->store);
		if (request == NULL) {
			(void)TS_VERIFY_CTX_set_data(how, data);
			data = NULL;
			(void)TS_VERIFY_CTX_set_flags(how,
			    TS_VFY_VERSION | TS_VFY_SIGNATURE | TS_VFY_DATA);
		} else {
			(void)TS_VERIFY_CTX_add_flags(how, TS_VFY_SIGNATURE);
		}
		done = TS_RESP_verify_response(how, response) == 1;
	}
	TS_VERIFY_CTX_free(how);
	BIO_free(data);
	return done;
}

static int
ask(const struct rfc3161 *own, TS_REQ *request, uint8_t *body, size_t len,
    struct tally_http *http, struct tally_error *error)
{
	int result;

	(void)request;
	http->method = "POST";
	http->url = own->url;
	http->body = body;
	http->body_len = len;
	http->ca = own->http_ca;
	http->reply_max = REPLY_MAX;
	result = tally_http_header(&http->headers, "Content-Type",
	    "application/timestamp-query", error);
	if (result == 0)
		result = tally_http_perform(http, error);
	if (result == 0 && http->status != 200)
		result = tally_http_refused(http, error);
	curl_slist_free_all(http->headers);
	return result;
}

/* ---- tokens ----------------------------------------------------------- */

static int
keep(const struct tally_sink *sink, const struct tally_dispatch *dispatch,
    const struct tally_http *http, struct tally_error *error)
{
	char name[NAME_SIZE];
	int failed;

	(void)snprintf(name, sizeof(name), "token-%020" PRIu64 ".tsr",
	    dispatch->size);
	failed = tally_disk_replace(sink->queue.dir, name, http->reply,
	    http->reply_len);
	(void)snprintf(name, sizeof(name), "token-%020" PRIu64 ".note",
	    dispatch->size);
	if (failed == 0)
		failed = tally_disk_replace(sink->queue.dir, name,
		    dispatch->note, dispatch->note_len);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot keep a timestamp");
	return TALLY_OK;
}

static int
rfc3161_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct tally_dispatch *dispatch = line->dispatch;
	const struct rfc3161 *own = sink->own;
	struct tally_http http = { 0 };
	TS_RESP *response = NULL;
	const uint8_t *at;
	uint8_t *body = NULL;
	TS_REQ *request;
	int result, len = 0;

	/* A timestamp is over the checkpoint, which every part has. */
	if (dispatch->part != dispatch->parts)
		return TALLY_OK;
	request = make_request(dispatch->note, dispatch->note_len);
	if (request != NULL)
		len = i2d_TS_REQ(request, &body);
	if (len <= 0) {
		TS_REQ_free(request);
		return tally_outside_fail_memory(error);
	}
	result = ask(own, request, body, (size_t)len, &http, error);
	ERR_set_mark();
	at = (const uint8_t *)http.reply;
	if (result == 0)
		response = d2i_TS_RESP(NULL, &at, (long)http.reply_len);
	if (result == 0 &&
	    (response == NULL ||
		!holds(own, request, dispatch->note, dispatch->note_len,
		    response)))
		result = tally_fail(error, TALLY_E_IO,
		    "\"%s\" gives no timestamp that holds: the authority"
		    " refused, or its certificate is not in \"ca\"",
		    own->url);
	ERR_pop_to_mark();
	if (result == 0)
		result = keep(sink, dispatch, &http, error);
	TS_RESP_free(response);
	TS_REQ_free(request);
	OPENSSL_free(body);
	tally_http_wipe(&http);
	return result;
}

/* ---- reading ---------------------------------------------------------- */

/* One token: its note, if the timestamp holds. */
static int
read_token(const struct tally_sink *sink, const char *name,
    tally_sink_line_fn *fn, void *arg, struct tally_error *error)
{
	const struct rfc3161 *own = sink->own;
	char note_name[NAME_SIZE];
	char *note = NULL, *token = NULL;
	size_t note_len = 0, token_len = 0;
	TS_RESP *response = NULL;
	const uint8_t *at;
	int failed, result = TALLY_OK;

	(void)snprintf(note_name, sizeof(note_name), "%.*s.note",
	    (int)(strlen(name) - 4), name);
	failed = tally_disk_read(sink->queue.dir, name, REPLY_MAX, &token,
	    &token_len);
	if (failed == 0)
		failed = tally_disk_read(sink->queue.dir, note_name, REPLY_MAX,
		    &note, &note_len);
	/* Killed in between: the token comes again. */
	if (failed == ENOENT)
		failed = 0;
	else if (failed == 0) {
		ERR_set_mark();
		at = (const uint8_t *)token;
		response = d2i_TS_RESP(NULL, &at, (long)token_len);
		if (response != NULL &&
		    holds(own, NULL, note, note_len, response))
			result = fn(arg, note, note_len);
		else
			result = fn(arg, "", 0);
		ERR_pop_to_mark();
	}
	TS_RESP_free(response);
	free(note);
	free(token);
	if (failed != 0)
		return tally_outside_fail(error, failed, "cannot read \"%s\"",
		    name);
	return result;
}

static int
rfc3161_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	int fd = openat(sink->queue.dir, ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	unsigned long long size;
	int result = TALLY_OK;

	if (sink->queue.dir < 0)
		return TALLY_OK;
	if (dir == NULL) {
		result = tally_outside_fail(error, errno,
		    "cannot read the timestamps");
		if (fd >= 0)
			(void)close(fd);
		return result;
	}
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strlen(name) == 6 + 20 + 4 &&
		    strcmp(name + 26, ".tsr") == 0 &&
		    sscanf(name, "token-%20llu", &size) == 1 && size > since)
			result = read_token(sink, name, fn, arg, error);
	}
	(void)closedir(dir);
	return result;
}

const struct tally_sink_kind tally_sink_rfc3161 = {
	.type = "rfc3161",
	.open = rfc3161_open,
	.send = rfc3161_send,
	.read = rfc3161_read,
	.close = rfc3161_close,
};
