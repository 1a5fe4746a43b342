/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signature that does not hold is an answer, not an error: what libcrypto
 * notes about it in the thread's queue of errors is taken out again, since the
 * queue belongs to the host.
 */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/sign.h"

int
tally_sign_public(const uint8_t seed[TALLY_SIGN_SEED_SIZE],
    uint8_t out[TALLY_SIGN_PUBLIC_SIZE])
{
	size_t len = TALLY_SIGN_PUBLIC_SIZE;
	EVP_PKEY *key;
	int done;

	ERR_set_mark();
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
	    TALLY_SIGN_SEED_SIZE);
	done = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &len) == 1;
	EVP_PKEY_free(key);
	ERR_pop_to_mark();
	return done && len == TALLY_SIGN_PUBLIC_SIZE ? 0 : TALLY_E_MEMORY;
}

int
tally_sign_make(const uint8_t seed[TALLY_SIGN_SEED_SIZE], const void *message,
    size_t len, uint8_t out[TALLY_SIGN_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t out_len = TALLY_SIGN_SIZE;
	EVP_PKEY *key;
	int done;

	ERR_set_mark();
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed,
	    TALLY_SIGN_SEED_SIZE);
	done = context != NULL && key != NULL &&
	    EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(context, out, &out_len, message, len) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_pop_to_mark();
	return done && out_len == TALLY_SIGN_SIZE ? 0 : TALLY_E_MEMORY;
}

bool
tally_sign_check(const uint8_t key[TALLY_SIGN_PUBLIC_SIZE], const void *message,
    size_t len, const uint8_t signature[TALLY_SIGN_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY *public_key;
	bool holds;

	ERR_set_mark();
	public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key,
	    TALLY_SIGN_PUBLIC_SIZE);
	holds = context != NULL && public_key != NULL &&
	    EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key) == 1 &&
	    EVP_DigestVerify(context, signature, TALLY_SIGN_SIZE, message,
		len) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(public_key);
	ERR_pop_to_mark();
	return holds;
}

void
tally_sign_wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
