/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509_vfy.h>

#include "log/timestamp.h"

#define DAY 86400
/* The year 2200: an authority that says more says nothing. */
#define SECONDS_MAX ((int64_t)7258118400)

/* ---- reading ---------------------------------------------------------- */

/* Every certificate of the text is trusted. */
static int
read_store(const char *ca, size_t len, X509_STORE **out)
{
	X509_STORE *store = X509_STORE_new();
	BIO *bio = len > INT_MAX ? NULL : BIO_new_mem_buf(ca, (int)len);
	size_t count = 0;
	X509 *certificate;
	bool done = store != NULL && bio != NULL;

	while (done &&
	    (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		done = X509_STORE_add_cert(store, certificate) == 1;
		X509_free(certificate);
		count++;
	}
	BIO_free(bio);
	if (done && count > 0) {
		*out = store;
		return TALLY_OK;
	}
	X509_STORE_free(store);
	return done ? TALLY_E_USAGE : TALLY_E_MEMORY;
}

/* The token of a response that granted one, or a token alone. */
static PKCS7 *
read_token(const void *bytes, size_t len)
{
	const unsigned char *at = bytes, *end = at + len;
	TS_RESP *response;
	PKCS7 *token = NULL;
	long status;

	if (len == 0 || len > TALLY_TIMESTAMP_MAX)
		return NULL;
	response = d2i_TS_RESP(NULL, &at, (long)len);
	if (response != NULL) {
		status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(
		    TS_RESP_get_status_info(response)));
		if (at == end && TS_RESP_get_token(response) != NULL &&
		    (status == TS_STATUS_GRANTED ||
			status == TS_STATUS_GRANTED_WITH_MODS))
			token = PKCS7_dup(TS_RESP_get_token(response));
		TS_RESP_free(response);
		return token;
	}
	at = bytes;
	token = d2i_PKCS7(NULL, &at, (long)len);
	if (token != NULL && at == end)
		return token;
	PKCS7_free(token);
	return NULL;
}

/* ---- judging ---------------------------------------------------------- */

static bool
is_sha2(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *object = NULL;
	int nid;

	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	nid = OBJ_obj2nid(object);
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

/* Rule 2. */
static bool
is_strong(PKCS7 *token, TS_TST_INFO *info)
{
	STACK_OF(PKCS7_SIGNER_INFO) *signers = PKCS7_get_signer_info(token);
	X509_ALGOR *digest = NULL;

	TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(info);

	if (!is_sha2(TS_MSG_IMPRINT_get_algo(imprint)))
		return false;
	if (signers == NULL || sk_PKCS7_SIGNER_INFO_num(signers) != 1)
		return false;
	PKCS7_SIGNER_INFO_get0_algs(sk_PKCS7_SIGNER_INFO_value(signers, 0),
	    NULL, &digest, NULL);
	return digest != NULL && is_sha2(digest);
}

/* Rule 3; *out_begin: as the token says it, for the certificates. */
static bool
read_time(TS_TST_INFO *info, int64_t *out_begin, int64_t *out_end)
{
	const ASN1_GENERALIZEDTIME *said = TS_TST_INFO_get_time(info);
	TS_ACCURACY *accuracy = TS_TST_INFO_get_accuracy(info);
	const ASN1_INTEGER *seconds;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, rest = 0;
	int64_t more = 0;
	bool done = epoch != NULL && said != NULL &&
	    ASN1_TIME_diff(&days, &rest, epoch, said) == 1;

	ASN1_TIME_free(epoch);
	*out_begin = (int64_t)days * DAY + rest;
	/* What is shorter than a second is at most one. */
	if (done &&
	    memchr(ASN1_STRING_get0_data(said), '.',
		(size_t)ASN1_STRING_length(said)) != NULL)
		more++;
	if (done && accuracy != NULL) {
		seconds = TS_ACCURACY_get_seconds(accuracy);
		if (TS_ACCURACY_get_millis(accuracy) != NULL ||
		    TS_ACCURACY_get_micros(accuracy) != NULL)
			more++;
		/* A negative one, or none that fits, is -1 or less. */
		if (seconds != NULL) {
			long n = ASN1_INTEGER_get(seconds);

			done = n >= 0 && n < SECONDS_MAX;
			more += n;
		}
	}
	*out_end = *out_begin + more;
	return done && *out_begin > 0 && *out_end < SECONDS_MAX;
}

/* Rule 1. */
static bool
holds(PKCS7 *token, X509_STORE *store, int64_t when, const void *data,
    size_t len)
{
	TS_VERIFY_CTX *how = TS_VERIFY_CTX_new();
	BIO *bio = len > INT_MAX ? NULL : BIO_new_mem_buf(data, (int)len);
	bool done = false;

	if (how != NULL && bio != NULL && X509_STORE_up_ref(store) == 1) {
		X509_VERIFY_PARAM_set_time(X509_STORE_get0_param(store),
		    (time_t)when);
		(void)TS_VERIFY_CTX_set_store(how, store);
		(void)TS_VERIFY_CTX_set_data(how, bio);
		bio = NULL;
		(void)TS_VERIFY_CTX_set_flags(how,
		    TS_VFY_VERSION | TS_VFY_SIGNATURE | TS_VFY_DATA);
		done = TS_RESP_verify_token(how, token) == 1;
	}
	TS_VERIFY_CTX_free(how);
	BIO_free(bio);
	return done;
}

static int
judge(PKCS7 *token, X509_STORE *store, const void *data, size_t len,
    int64_t *out_seconds, const char **out_detail)
{
	TS_TST_INFO *info = PKCS7_to_TS_TST_INFO(token);
	int64_t begin = 0;
	int result = TALLY_END;

	if (info == NULL)
		*out_detail = "it is no timestamp";
	else if (!is_strong(token, info))
		*out_detail = "it was made with a digest that is not SHA-2";
	else if (!read_time(info, &begin, out_seconds))
		*out_detail = "its time cannot be read";
	else if (!holds(token, store, begin, data, len))
		*out_detail = "it is not one of the authority that is trusted,"
			      " or is over something else";
	else
		result = TALLY_OK;
	TS_TST_INFO_free(info);
	return result;
}

int
tally_timestamp_check(const void *token, size_t token_len, const void *data,
    size_t data_len, const char *ca, size_t ca_len, int64_t *out_seconds,
    const char **out_detail)
{
	X509_STORE *store = NULL;
	PKCS7 *parsed = NULL;
	int result;

	/* The caller's errors stay as they are. */
	ERR_set_mark();
	result = read_store(ca, ca_len, &store);
	if (result == 0) {
		parsed = read_token(token, token_len);
		*out_detail = "it is no timestamp";
		result = parsed == NULL ? TALLY_END
					: judge(parsed, store, data, data_len,
					      out_seconds, out_detail);
	}
	PKCS7_free(parsed);
	X509_STORE_free(store);
	ERR_pop_to_mark();
	return result;
}
