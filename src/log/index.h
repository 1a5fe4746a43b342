/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_LOG_INDEX_H
#define TALLY_LOG_INDEX_H
struct tally_index {
	int unused;
};
#endif
