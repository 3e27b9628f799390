/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small files and folders: written in one piece, private to the user.
 */
#ifndef BEAMCAST_SESSION_FILES_H
#define BEAMCAST_SESSION_FILES_H

#include <jansson.h>
#include <stdbool.h>

#include "beamcast_types.h"

/* Joins as printf does; false if it does not fit. */
bool bs_join(char *path, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes a folder and those above it, mode 0700. */
int bs_make_folders(const char *path, beamcast_error *error);

/* Writes a file, mode 0600, in one piece: a new file, renamed. */
int bs_write_file(const char *path, const void *bytes, size_t size, beamcast_error *error);
int bs_write_json(const char *path, const json_t *value, beamcast_error *error);

/* Reads a JSON object; NULL where there is none. */
json_t *bs_read_json(const char *path);

/* Reads a small file as text, without the line's end; false if it can't. */
bool bs_read_line(const char *path, char *text, size_t size);

/* Removes a folder and all that is in it. */
void bs_remove_folder(const char *path);

/* The program called name: beside this library or program, in the folder bin next to it, or in
 * PATH.
 */
bool bs_find_program(const char *name, char *path, size_t size);

/* A script's whole path, [PATH_MAX]: that of a file, or of one of Beamcast's own by its name, with
 * or without ".py". */
bool bs_find_script(const char *name, char *path);

#endif
