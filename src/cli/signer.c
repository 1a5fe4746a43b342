/* SPDX-License-Identifier: Apache-2.0 */
#include "signer.h"
#include "passphrase.h"

enum status
signer_load(const char *path, const char *passphrase_file,
    struct tally_signer **out)
{
	struct passphrase passphrase = { 0 };
	char vkey[TALLY_VKEY_TEXT_SIZE];
	struct tally_error error = { 0 };
	enum status status = STATUS_DONE;
	bool encrypted = false;
	int result = tally_key_show(path, vkey, &encrypted, &error);

	if (result == 0 && encrypted)
		status = passphrase_get(passphrase_file, false, &passphrase);
	if (result == 0 && status == STATUS_DONE)
		result = tally_signer_load(path,
		    passphrase.given ? passphrase.text : NULL, out, &error);
	passphrase_wipe(&passphrase);
	return result != 0 ? output_failure(result, &error, false) : status;
}
