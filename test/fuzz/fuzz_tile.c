/* SPDX-License-Identifier: Apache-2.0 */
/* Names of tiles, and bundles, of any bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tile.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char again[TALLY_TILE_PATH_MAX];
	const char *text = (const char *)data;
	size_t cursor = 0, total = 0, len;
	struct tally_tile tile;
	const uint8_t *entry;
	int result;

	if (tally_tile_path_parse(text, size, &tile) == 0 &&
	    (tally_tile_path(&tile, again) != size ||
		memcmp(again, text, size) != 0))
		abort();
	while ((result = tally_bundle_next(data, size, &cursor, &entry,
		    &len)) == 0) {
		total += 2 + len;
		if (entry + len > data + size)
			abort();
	}
	if ((result == TALLY_END) != (total == size))
		abort();
	return 0;
}
