/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which types can be rendered: those whose output function depends on nothing
 * but the value and the settings that render.c pins.
 */
#ifndef TALLY_PG_TYPES_H
#define TALLY_PG_TYPES_H

#include "postgres.h"

/* What must be pinned to render a type; bits. */
#define TALLY_NEEDS_NOTHING 0
#define TALLY_NEEDS_SETTINGS 1	/* dates, times, intervals, floats, bytea */
#define TALLY_NEEDS_MONETARY 2	/* lc_monetary, which is dear to set */
/* Not a need: to make a value, not to print it, may call a user's function. */
#define TALLY_MAY_CALL 4

/*
 * True if values of the type can be rendered, with what must be pinned; else
 * false with a reason for a message, palloc'd, such as
 *   type "regclass" prints the names of objects, which can change
 * Looks through domains, arrays, ranges, multiranges and composites.
 */
extern bool tally_type_is_stable(Oid type, int *out_needs, char **out_why);

/* The type that values of an array or a range are made of, or InvalidOid. */
extern Oid	tally_type_contained(Oid type);

/*
 * The type's name as epochs have it, palloc'd: fully qualified, with the
 * modifier unless that is -1.
 */
extern char *tally_type_name(Oid type, int32 typmod);

#endif
