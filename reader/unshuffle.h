/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The two ways in which HDF5 filters spread the bytes or the bits of numbers, undone.
 */
#ifndef BEAMCAST_READER_UNSHUFFLE_H
#define BEAMCAST_READER_UNSHUFFLE_H

#include <stddef.h>
#include <stdint.h>

/* HDF5's shuffle filter: in holds all first bytes of the elements, then all second ones, and so on;
 * what is left after the last whole element stands at the end as it is. in and out don't overlap.
 */
void unshuffle_bytes(const uint8_t *in, uint8_t *out, size_t bytes, size_t element_bytes);

/* One block of the bitshuffle filter (Masui et al., Astronomy and Computing 12, 2015): in holds
 * 8 * element_bytes planes of one bit of each of the elements; bit i of byte g of a plane is that
 * of element 8 g + i. elements is a multiple of 8. work has room for elements * element_bytes. */
void unshuffle_bits(const uint8_t *in, uint8_t *out, size_t elements, size_t element_bytes,
                    uint8_t *work);

#endif
