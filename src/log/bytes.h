/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian numbers in the derived files. */
#ifndef TALLY_LOG_BYTES_H
#define TALLY_LOG_BYTES_H

#include <stdint.h>

static inline void
tally_put16(char *at, uint16_t value)
{
	at[0] = (char)(value & 0xff);
	at[1] = (char)(value >> 8);
}

static inline uint16_t
tally_get16(const char *at)
{
	return (uint16_t)((uint8_t)at[0] | (uint8_t)at[1] << 8);
}

static inline void
tally_put64(char *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (char)(value >> 8 * i & 0xff);
}

static inline uint64_t
tally_get64(const char *at)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)(uint8_t)at[i] << 8 * i;
	return value;
}

#endif
