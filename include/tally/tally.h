/* SPDX-License-Identifier: Apache-2.0 */
/* All of libtally. */
#ifndef TALLY_TALLY_H
#define TALLY_TALLY_H

#include <tally/adopt.h>
#include <tally/bundle.h>
#include <tally/carry.h>
#include <tally/diagnose.h>
#include <tally/dispatch.h>
#include <tally/error.h>
#include <tally/log.h>
#include <tally/profile.h>
#include <tally/proof.h>
#include <tally/publish.h>
#include <tally/record.h>
#include <tally/verify.h>
#include <tally/witness.h>

#endif
