/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "commands.h"
#include "trust.h"

#define ORDERS_MAX ((size_t)64 << 20)

struct settings {
	struct option_root root;
	const char *key;
	const char *policy;
	const char *orders;
	bool json;
};

static const struct option options[] = {
	{ "root", "[SIZE:]HEX", OPTION_ROOT, offsetof(struct settings, root),
	    "the root that somebody vouches for" },
	{ "key", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the log's public key, or a file that begins so" },
	{ "policy", "FILE", OPTION_TEXT, offsetof(struct settings, policy),
	    "a C2SP policy: logs, witnesses, quorum" },
	{ "orders", "FILE", OPTION_TEXT, offsetof(struct settings, orders),
	    "the bundle of tally:log: keys that came and went" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static const struct check_finding findings[] = {
	[TALLY_PROOF_ROOT] = { "holds against the root that was given", "holds",
	    COLOUR_GOOD, STATUS_DONE },
	[TALLY_PROOF_UNSIGNED] = { "consistent, unsigned", "unsigned",
	    COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_OTHER_ROOT] = { "mismatch: holds for another root than"
				     " the one given",
	    "other-root", COLOUR_BAD, STATUS_TAMPERED },
	[TALLY_PROOF_SIGNED] = { "holds, and its root is signed", "signed",
	    COLOUR_GOOD, STATUS_DONE },
	[TALLY_PROOF_OTHER_KEY] = { "consistent, but not signed by whom you"
				    " trust",
	    "other-key", COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_FORGED] = { "forged: a signature under a trusted key does"
				 " not hold",
	    "forged", COLOUR_BAD, STATUS_TAMPERED },
	[TALLY_PROOF_RETIRED] = { "consistent, but signed with a key that was"
				  " retired, and no cosignature is older",
	    "retired", COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_BROKEN] = { "broken", "broken", COLOUR_BAD,
	    STATUS_TAMPERED },
};

/* A root of another size says nothing about this one. */
static const struct check_finding other_size = {
	"cannot be compared: the root given"
	" is of another size",
	"other-size", COLOUR_UNSURE, STATUS_UNJUDGED
};

const struct check_finding *
check_find(const struct check *check, enum tally_proof_verdict verdict,
    uint64_t size)
{
	/* Nor does an equal one: a path can lead to it from another size. */
	if (check->root->has_size && check->root->size != size &&
	    (verdict == TALLY_PROOF_OTHER_ROOT || verdict == TALLY_PROOF_ROOT ||
		verdict == TALLY_PROOF_SIGNED))
		return &other_size;
	return &findings[verdict];
}

void
check_advise(enum tally_proof_verdict verdict, bool has_signatures)
{
	if (verdict == TALLY_PROOF_UNSIGNED && has_signatures)
		complain("nobody you trust vouches for the root; say whom you"
			 " trust by \"--key\" or \"--policy\"");
	else if (verdict == TALLY_PROOF_UNSIGNED)
		complain("nobody vouches for the root; compare it with one"
			 " from outside by \"--root\"");
}

void
check_print_root(const char *origin, enum tally_proof_verdict verdict,
    bool has_signatures, uint64_t size, const struct tally_hash *root)
{
	fputs("origin  ", stdout);
	output_name(origin, strlen(origin));
	printf(" (%s)\nroot    %" PRIu64 ":",
	    verdict == TALLY_PROOF_SIGNED ? "signed"
		: has_signatures          ? "signatures not judged"
					  : "not signed",
	    size);
	output_hash(root);
	fputc('\n', stdout);
}

void
check_print_against(enum tally_proof_verdict verdict)
{
	puts(verdict == TALLY_PROOF_SIGNED
		? "against everybody who cannot sign with the key"
		: "against everybody who cannot change the root that was"
		  " given");
}

enum status
check_without_event(uint64_t erased, uint64_t elsewhere)
{
	if (erased > 0)
		complain("whether the erased records were erased by order,"
			 " \"tally verify\" says, of the log");
	if (elsewhere > 0)
		complain("the events that are not there can be judged with the"
			 " store that has them");
	return erased + elsewhere > 0 ? STATUS_UNJUDGED : STATUS_DONE;
}

static enum status
check_input(const struct check *check, struct input *input)
{
	if (input_begins(input, "tally-bundle/v1"))
		return check_bundle(check, input);
	if (input_begins(input, "tally-consistency/v1"))
		return check_consistency(check, input);
	return check_proof(check, input);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct trust trusted;
	char *orders = NULL;
	size_t orders_len = 0;
	enum status status = trust_read(settings->key, settings->policy,
	    &trusted);
	struct tally_trust trust = {
		.root = settings->root.given ? &settings->root.hash : NULL,
		.vkeys = trusted.vkey,
		.vkeys_len = trusted.vkeys,
		.policy = trusted.policy,
		.policy_len = trusted.policy_len,
	};
	const struct check check = { &trust, &settings->root, settings->json };
	struct input input;

	if (status == STATUS_DONE && settings->orders != NULL)
		status = input_file(settings->orders, ORDERS_MAX, "orders",
		    &orders, &orders_len);
	trust.orders = orders;
	trust.orders_len = orders_len;
	if (status == STATUS_DONE) {
		status = input_open(&input, operand[0]);
		if (status == STATUS_DONE)
			status = check_input(&check, &input);
		input_close(&input);
	}
	free(orders);
	trust_free(&trusted);
	return status;
}

const struct command command_check = {
	.name = "check",
	.summary = "judge a proof or a bundle, without the log",
	.synopsis = "check FILE [--key VKEY|FILE] [--policy FILE]"
		    " [--orders FILE]\n"
		    "                   [--root [SIZE:]HEX] [--json]",
	.about =
	    "Judges what \"tally prove\" or \"tally consistency\" made; FILE"
	    " \"-\" is standard\ninput.  It holds if who is trusted signed its"
	    " root: a key, a policy, or you, who\nknow the root.  A root that"
	    " nobody vouches for makes it \"consistent, unsigned\".",
	.options = options,
	.example = "  tally check proof --key audit.pub",
	.statuses = "  0 holds against whom you trust  1 broken, forged, or"
		    " for another root\n  3 consistent, but not signed by whom"
		    " you trust; or no proof at all\n  4 no such file",
	.operands = { "FILE" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
