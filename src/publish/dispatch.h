/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a dispatch that its writer and its reader share. */
#ifndef TALLY_PUBLISH_DISPATCH_H
#define TALLY_PUBLISH_DISPATCH_H

#include <tally/dispatch.h>

/* Before and behind the object that is signed. */
#define TALLY_DISPATCH_BEGIN "{\"dispatch\":"
#define TALLY_DISPATCH_MIDDLE ",\"signature\":\""
#define TALLY_DISPATCH_END "\"}"

/* Signed is this and the object: so nothing else that a key signs, no
 * checkpoint and no order, can be taken for it. */
#define TALLY_DISPATCH_DOMAIN "tally-dispatch/v1\n"

#endif
