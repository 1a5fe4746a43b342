/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

size_t
ledger_event(const struct entry *entry, char out[EVENT_MAX])
{
	size_t bytes = entry->bytes > EVENT_MAX - 64 ? EVENT_MAX - 64
						     : entry->bytes;
	size_t len;

	len = (size_t)snprintf(out, EVENT_MAX, "{\"n\":%u,\"pad\":\"",
	    entry->n);
	while (len < bytes) {
		out[len] = (char)('a' + (len * 7 + entry->n) % 26);
		len++;
	}
	memcpy(out + len, "\"}", 2);
	return len + 2;
}

struct entry *
ledger_find(struct ledger *ledger, const char *event, size_t len)
{
	char text[EVENT_MAX];
	unsigned long n;

	if (len < 6 || len > EVENT_MAX || memcmp(event, "{\"n\":", 5) != 0)
		return NULL;
	memcpy(text, event + 5, len - 5);
	text[len - 5] = '\0';
	n = strtoul(text, NULL, 10);
	for (size_t i = 0; i < ledger->len; i++) {
		struct entry *entry = &ledger->entry[i];

		if (entry->n == n && ledger_event(entry, text) == len &&
		    memcmp(text, event, len) == 0)
			return entry;
	}
	return NULL;
}

void
ledger_synced(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->len; i++) {
		if (ledger->entry[i].promise == PROMISE_BUFFERED)
			ledger->entry[i].promise = PROMISE_DURABLE;
	}
}
