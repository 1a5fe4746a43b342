/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>

#include <tally/witness.h>

#include "serve/witness.h"

#include "commands.h"
#include "signer.h"

struct settings {
	const char *key;
	const char *listen;
	const char *passphrase_file;
};

static const struct option options[] = {
	{ "key", "FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the witness's key" },
	{ "listen", "ADDRESS", OPTION_TEXT, offsetof(struct settings, listen),
	    "127.0.0.1:PORT, [::1]:PORT or unix:PATH" },
	{ "passphrase-file", "FILE", OPTION_TEXT,
	    offsetof(struct settings, passphrase_file),
	    "the key's passphrase is FILE's first line" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static void
failed(const char *message)
{
	complain("%s", message);
}

/* The server's threads are born with these blocked; they are ours. */
static void
block_signals(sigset_t *out)
{
	(void)sigemptyset(out);
	(void)sigaddset(out, SIGINT);
	(void)sigaddset(out, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, out, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static enum status
serve(const struct settings *settings, struct tally_witness *witness)
{
	struct serve_witness what = { .witness = witness, .failed = failed };
	const struct http_options how = { .listen = settings->listen,
		.body_max = TALLY_WITNESS_REQUEST_MAX,
		.answer = serve_witness_answer,
		.arg = &what };
	char address[HTTP_ADDRESS_SIZE], why[HTTP_WHY_SIZE];
	enum status status;
	struct http *http;
	sigset_t signals;
	int number;

	block_signals(&signals);
	if (http_start(&how, &http, address, why) != 0) {
		complain("%s", why);
		return STATUS_IO;
	}
	printf("listening on %s\n", address);
	status = output_flush();
	if (status == STATUS_DONE)
		(void)sigwait(&signals, &number);
	http_stop(http);
	return status;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct tally_signer *signer = NULL;
	struct tally_witness *witness = NULL;
	struct tally_error error = { 0 };
	enum status status;
	int result;

	if (settings->key == NULL || settings->listen == NULL)
		return options_refuse(&command_witness_serve,
		    "\"--%s\" is missing",
		    settings->key == NULL ? "key" : "listen");
	status = signer_load(settings->key, settings->passphrase_file, &signer);
	if (status != STATUS_DONE)
		return status;
	result = tally_witness_open(operand[0], &signer, 1, &witness, &error);
	status = result == 0 ? serve(settings, witness)
			     : output_failure(result, &error, false);
	tally_witness_close(witness);
	tally_signer_free(signer);
	return status;
}

const struct command command_witness_serve = {
	.name = "witness serve",
	.summary = "answer as a witness",
	.synopsis = "witness serve STATE --key FILE --listen ADDRESS\n"
		    "                           [--passphrase-file FILE]",
	.about =
	    "Cosigns checkpoints that extend the last one of their log, over"
	    " HTTP\n(c2sp.org/tlog-witness), until SIGTERM.  What it cosigned"
	    " is on stable\nstorage before it answers, and it never goes back."
	    "  A proxy in front of it\nbrings TLS and the public address.",
	.options = options,
	.example = "  tally witness serve state --key witness.key"
		   " --listen 127.0.0.1:8080",
	.statuses = "  0 ended by a signal  2 refused  4 no such state or key"
		    "  5 cannot listen",
	.operands = { "STATE" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
