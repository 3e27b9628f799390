/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Hears what a receiver tells of voxels while they land, and remembers what was there then: only
 * final bytes may be told, and in the end all of them.
 */
#ifndef BEAMCAST_TESTS_WITNESS_H
#define BEAMCAST_TESTS_WITNESS_H

#include "receiver.h"
#include "scene.h"

extern const beamcast_landing_calls witness_calls;

/* Whether the boxes told of a complete step's array hold what they held when they were told, and
 * are together what the scene's bricks cover of `memory`; else what is wrong, in text. */
bool witness_agrees(const bc_array *array, uint64_t serial, const bc_box *memory,
                    const test_scene *scene, int index, char *text, size_t size);

/* Bytes told of the array that began last, and not taken back; and how many arrays have begun. */
uint64_t witness_bytes(uint64_t *arrays);

#endif
