/* SPDX-License-Identifier: BSD-3-Clause */
#include "h5_support.h"

#include <pthread.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex;
static int depth;
static H5E_auto2_t old_handler;
static void *old_context;
static char last_message[240];

static void make_mutex(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

void h5_lock(void) {
  pthread_once(&once, make_mutex);
  pthread_mutex_lock(&mutex);
  if (depth++ == 0) {
    H5open();
    H5Eget_auto2(H5E_DEFAULT, &old_handler, &old_context);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  }
}

void h5_unlock(void) {
  if (--depth == 0) {
    H5Eset_auto2(H5E_DEFAULT, old_handler, old_context);
  }
  pthread_mutex_unlock(&mutex);
}

static herr_t take_first(unsigned n, const H5E_error2_t *error, void *context) {
  (void)context;
  if (n == 0 && error->desc != NULL) {
    snprintf(last_message, sizeof last_message, "%s", error->desc);
    return 1;
  }
  return 0;
}

const char *h5_last_message(void) {
  last_message[0] = 0;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, NULL);
  for (char *c = last_message; *c != 0; c++) {
    if (*c == '\n') {
      *c = ' ';
    }
  }
  return last_message;
}

enum { TEXT_LIMIT = 65536, TEXTS_LIMIT = 64 };

/* Copies fixed-length text: ends at a zero or at length, trailing spaces off. */
static char *copy_text(const char *text, size_t length) {
  size_t used = strnlen(text, length < TEXT_LIMIT ? length : TEXT_LIMIT);
  while (used > 0 && text[used - 1] == ' ') {
    used--;
  }
  char *copy = malloc(used + 1);
  if (copy != NULL) {
    memcpy(copy, text, used);
    copy[used] = 0;
  }
  return copy;
}

typedef herr_t (*text_reader)(hid_t object, hid_t memory_type, void *buffer);

static herr_t read_attribute(hid_t object, hid_t memory_type, void *buffer) {
  return H5Aread(object, memory_type, buffer);
}

static herr_t read_dataset(hid_t object, hid_t memory_type, void *buffer) {
  return H5Dread(object, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer);
}

/* Reads string elements of an attribute or dataset; at most TEXTS_LIMIT of them are taken, and none
 * of an object with more than 4096. */
static size_t read_texts(hid_t object, hid_t type, hid_t space, text_reader read, char ***texts) {
  *texts = NULL;
  hssize_t points = H5Sget_simple_extent_npoints(space);
  if (H5Tget_class(type) != H5T_STRING || points < 1 || points > 4096) {
    return 0;
  }
  size_t count = (size_t)points, kept = 0;
  size_t wanted = count < TEXTS_LIMIT ? count : TEXTS_LIMIT;
  char **result = calloc(wanted, sizeof *result);
  hid_t memory_type = H5Tcopy(H5T_C_S1);
  H5Tset_cset(memory_type, H5Tget_cset(type));
  if (H5Tis_variable_str(type) > 0) {
    H5Tset_size(memory_type, H5T_VARIABLE);
    char **values = calloc(count, sizeof *values);
    if (result != NULL && values != NULL && read(object, memory_type, values) >= 0) {
      for (; kept < wanted; kept++) {
        result[kept] = copy_text(values[kept] != NULL ? values[kept] : "", TEXT_LIMIT);
      }
      H5Dvlen_reclaim(memory_type, space, H5P_DEFAULT, values);
    }
    free(values);
  } else {
    size_t size = H5Tget_size(type);
    char *values = size > 0 && size <= TEXT_LIMIT ? calloc(count, size + 1) : NULL;
    H5Tset_size(memory_type, size + 1);
    if (result != NULL && values != NULL && read(object, memory_type, values) >= 0) {
      for (; kept < wanted; kept++) {
        result[kept] = copy_text(values + kept * (size + 1), size);
      }
    }
    free(values);
  }
  H5Tclose(memory_type);
  for (size_t i = 0; i < kept; i++) {
    if (result[i] == NULL) {
      h5_free_texts(result, kept);
      return 0;
    }
  }
  if (kept == 0) {
    free(result);
    return 0;
  }
  *texts = result;
  return kept;
}

void h5_free_texts(char **texts, size_t count) {
  for (size_t i = 0; texts != NULL && i < count; i++) {
    free(texts[i]);
  }
  free(texts);
}

size_t h5_attribute_texts(hid_t object, const char *name, char ***texts) {
  *texts = NULL;
  if (H5Aexists(object, name) <= 0) {
    return 0;
  }
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) {
    return 0;
  }
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  size_t count = 0;
  if (type >= 0 && space >= 0) {
    count = read_texts(attribute, type, space, read_attribute, texts);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  return count;
}

char *h5_attribute_text(hid_t object, const char *name) {
  char **texts;
  size_t count = h5_attribute_texts(object, name, &texts);
  char *first = NULL;
  if (count > 0) {
    first = texts[0];
    texts[0] = NULL;
    h5_free_texts(texts, count);
  }
  return first;
}

static int is_number(hid_t type) {
  H5T_class_t class = H5Tget_class(type);
  return class == H5T_INTEGER || class == H5T_FLOAT;
}

size_t h5_attribute_numbers(hid_t object, const char *name, double *values, size_t limit) {
  if (H5Aexists(object, name) <= 0) {
    return 0;
  }
  hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
  if (attribute < 0) {
    return 0;
  }
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  hssize_t points = H5Sget_simple_extent_npoints(space);
  size_t count = 0;
  if (type >= 0 && is_number(type) && points > 0 && points <= 4096) {
    double *all = calloc((size_t)points, sizeof *all);
    if (all != NULL && H5Aread(attribute, H5T_NATIVE_DOUBLE, all) >= 0) {
      count = (size_t)points < limit ? (size_t)points : limit;
      memcpy(values, all, count * sizeof *all);
    }
    free(all);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  return count;
}

size_t h5_dataset_numbers(hid_t where, const char *path, double *values, size_t limit) {
  hid_t dataset = H5Dopen2(where, path, H5P_DEFAULT);
  if (dataset < 0) {
    return 0;
  }
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  int rank = H5Sget_simple_extent_ndims(space);
  hssize_t points = H5Sget_simple_extent_npoints(space);
  size_t count = 0;
  if (type >= 0 && is_number(type) && points > 0 && (rank == 0 || rank == 1)) {
    hsize_t take = (hsize_t)points < limit ? (hsize_t)points : limit, start = 0;
    hid_t memory = H5Screate_simple(1, &take, NULL);
    if (rank == 1) {
      H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &take, NULL);
    }
    if (H5Dread(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, values) >= 0) {
      count = (size_t)take;
    }
    H5Sclose(memory);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(dataset);
  return count;
}

char *h5_dataset_text(hid_t where, const char *path) {
  hid_t dataset = h5_exists(where, path) ? H5Dopen2(where, path, H5P_DEFAULT) : -1;
  if (dataset < 0) {
    return NULL;
  }
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
  char **texts = NULL, *first = NULL;
  size_t count =
      type >= 0 && space >= 0 ? read_texts(dataset, type, space, read_dataset, &texts) : 0;
  if (count > 0) {
    first = texts[0];
    texts[0] = NULL;
    h5_free_texts(texts, count);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(dataset);
  return first;
}

int h5_exists(hid_t where, const char *path) {
  H5O_info_t info;
  return H5Oget_info_by_name2(where, path, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0;
}
