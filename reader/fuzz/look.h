/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a user of the library does with a file, with checks of what it promises.
 */
#ifndef BEAMCAST_READER_FUZZ_LOOK_H
#define BEAMCAST_READER_FUZZ_LOOK_H

#include "beamcast_hdf5.h"

/* Opens, lists, describes, plans and reads; aborts where a promise of beamcast_hdf5.h is broken. */
void look_at(const char *path, const beamcast_hdf5_open_options *options);

#endif
