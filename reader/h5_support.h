/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What all users of the HDF5 library here share: the one lock around it, silence on its error
 * stack, and attributes and scalars read without trusting them. Every function but h5_lock expects
 * the lock to be held.
 */
#ifndef BEAMCAST_READER_H5_SUPPORT_H
#define BEAMCAST_READER_H5_SUPPORT_H

/* The HDF5 1.10 names of functions that 1.12 renamed: one source for both. */
#ifndef H5_USE_110_API
#define H5_USE_110_API 1
#endif
#include <hdf5.h>

#include "beamcast_types.h"

/* The library may not be thread-safe: one thread at a time. May be taken again by its holder. While
 * it is held the library prints no errors. */
void h5_lock(void);
void h5_unlock(void);

/* The innermost message on the library's error stack, "" when there is none. Static storage, valid
 * while the lock is held. */
const char *h5_last_message(void);

/* The text of a string attribute (its first element), NULL when there is none such. The caller
 * frees. Texts longer than 64 KiB are cut. */
char *h5_attribute_text(hid_t object, const char *name);

/* All elements of a string attribute, as malloc'ed texts in a malloc'ed array; 0 when none. */
size_t h5_attribute_texts(hid_t object, const char *name, char ***texts);
void h5_free_texts(char **texts, size_t count);

/* Up to limit numbers of a numeric attribute; returns how many there are in values. */
size_t h5_attribute_numbers(hid_t object, const char *name, double *values, size_t limit);

/* Up to limit numbers of a numeric dataset, from its start; how many, or 0 when it can't be read.
 */
size_t h5_dataset_numbers(hid_t where, const char *path, double *values, size_t limit);

/* The text of a scalar string dataset; NULL when it is none. The caller frees. */
char *h5_dataset_text(hid_t where, const char *path);

/* Whether an object called path can be opened. */
int h5_exists(hid_t where, const char *path);

#endif
