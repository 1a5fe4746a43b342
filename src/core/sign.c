/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signature that does not hold is an answer, not an error: what libcrypto
 * notes about it in the thread's queue of errors is taken out again, since the
 * queue belongs to the host.
 *
 * Without memory libcrypto gives the same answer as of a signature that does
 * not hold.  So what does not hold is asked twice, and whoever would accuse
 * somebody for it asks whether a signature holds that must.
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

static bool
check(const uint8_t key[TALLY_SIGN_PUBLIC_SIZE], const void *message,
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

bool
tally_sign_works(void)
{
	static const uint8_t key[TALLY_SIGN_PUBLIC_SIZE] = { 0xd7, 0x5a, 0x98,
		0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9,
		0x64, 0x07, 0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23,
		0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a };
	static const uint8_t signature[TALLY_SIGN_SIZE] = { 0xe5, 0x56, 0x43,
		0x00, 0xc3, 0x60, 0xac, 0x72, 0x90, 0x86, 0xe2, 0xcc, 0x80,
		0x6e, 0x82, 0x8a, 0x84, 0x87, 0x7f, 0x1e, 0xb8, 0xe5, 0xd9,
		0x74, 0xd8, 0x73, 0xe0, 0x65, 0x22, 0x49, 0x01, 0x55, 0x5f,
		0xb8, 0x82, 0x15, 0x90, 0xa3, 0x3b, 0xac, 0xc6, 0x1e, 0x39,
		0x70, 0x1c, 0xf9, 0xb4, 0x6b, 0xd2, 0x5b, 0xf5, 0xf0, 0x59,
		0x5b, 0xbe, 0x24, 0x65, 0x51, 0x41, 0x43, 0x8e, 0x7a, 0x10,
		0x0b };

	return check(key, "", 0, signature);
}

bool
tally_sign_check(const uint8_t key[TALLY_SIGN_PUBLIC_SIZE], const void *message,
    size_t len, const uint8_t signature[TALLY_SIGN_SIZE])
{
	return check(key, message, len, signature) ||
	    check(key, message, len, signature);
}

void
tally_sign_wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
