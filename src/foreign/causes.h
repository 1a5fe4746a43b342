/* SPDX-License-Identifier: Apache-2.0 */
/* What most likely caused what was found. */
#ifndef TALLY_FOREIGN_CAUSES_H
#define TALLY_FOREIGN_CAUSES_H

#include <tally/diagnose.h>

#include "foreign/found.h"
#include "foreign/graph.h"

/* Sets cause, sure and why; graph is finished. */
void
tally_cause_find(const struct tally_graph *graph,
    const struct tally_found *found, struct tally_symptom *out);

#endif
