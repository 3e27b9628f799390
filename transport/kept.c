/* SPDX-License-Identifier: BSD-3-Clause
 * Arrays that stay where they are; see kept.h. */
#include "kept.h"

#include <pthread.h>
#include <stdlib.h>

enum { DOMAINS = 8 }; /* devices; what is reached over a ninth is registered for each step */

typedef struct kept_array {
  const unsigned char *data;
  uint64_t bytes;
  void *region[DOMAINS];
  bool tried[DOMAINS];
  struct kept_array *next;
} kept_array;

struct bc_kept {
  pthread_mutex_t lock;
  kept_array *arrays;
  struct {
    void *domain;
    const bc_kept_ways *ways;
    int links; /* 0: the place is free */
  } at[DOMAINS];
};

bc_kept *bc_kept_new(void) {
  bc_kept *kept = calloc(1, sizeof *kept);
  if (kept != NULL) {
    pthread_mutex_init(&kept->lock, NULL);
  }
  return kept;
}

void bc_kept_free(bc_kept *kept) {
  if (kept == NULL) {
    return;
  }
  while (kept->arrays != NULL) {
    kept_array *array = kept->arrays;
    kept->arrays = array->next;
    free(array);
  }
  pthread_mutex_destroy(&kept->lock);
  free(kept);
}

static void drop(bc_kept *kept, kept_array *array, int domain) {
  if (array->region[domain] != NULL) {
    kept->at[domain].ways->drop(array->region[domain]);
  }
  array->region[domain] = NULL;
  array->tried[domain] = false;
}

/* --- arrays --------------------------------------------------------------------------------------
 */

/* The first array that has a byte of this memory. */
static kept_array *find_overlap(bc_kept *kept, const unsigned char *data, uint64_t bytes) {
  kept_array *array = kept->arrays;
  while (array != NULL && (data + bytes <= array->data || array->data + array->bytes <= data)) {
    array = array->next;
  }
  return array;
}

int bc_kept_add(bc_kept *kept, const void *data, uint64_t bytes, beamcast_error *error) {
  int code = BEAMCAST_OK;
  pthread_mutex_lock(&kept->lock);
  kept_array *other = find_overlap(kept, data, bytes);
  if (other == NULL) {
    kept_array *array = calloc(1, sizeof *array);
    if (array == NULL) {
      code = beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    } else {
      array->data = data;
      array->bytes = bytes;
      array->next = kept->arrays;
      kept->arrays = array;
    }
  } else if (other->data != data || other->bytes != bytes) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "register: the array shares memory with one of %llu bytes that is "
                         "registered already; unregister that one first",
                         (unsigned long long)other->bytes);
  }
  pthread_mutex_unlock(&kept->lock);
  return code;
}

int bc_kept_remove(bc_kept *kept, const void *data, beamcast_error *error) {
  pthread_mutex_lock(&kept->lock);
  kept_array **at = &kept->arrays;
  while (*at != NULL && (*at)->data != data) {
    at = &(*at)->next;
  }
  kept_array *array = *at;
  if (array != NULL) {
    *at = array->next;
    for (int domain = 0; domain < DOMAINS; domain++) {
      drop(kept, array, domain);
    }
  }
  pthread_mutex_unlock(&kept->lock);
  free(array);
  return array != NULL ? BEAMCAST_OK
                       : beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                                       "unregister: no array that begins here is registered");
}

/* --- domains -------------------------------------------------------------------------------------
 */

/* -1: it is not there. */
static int find_domain(const bc_kept *kept, const void *domain) {
  for (int i = 0; i < DOMAINS; i++) {
    if (kept->at[i].links > 0 && kept->at[i].domain == domain) {
      return i;
    }
  }
  return -1;
}

void bc_kept_join(bc_kept *kept, void *domain, const bc_kept_ways *ways) {
  pthread_mutex_lock(&kept->lock);
  int at = find_domain(kept, domain);
  for (int i = 0; i < DOMAINS && at < 0; i++) {
    at = kept->at[i].links == 0 ? i : -1;
  }
  if (at >= 0) {
    kept->at[at].domain = domain;
    kept->at[at].ways = ways;
    kept->at[at].links++;
  }
  pthread_mutex_unlock(&kept->lock);
}

void bc_kept_leave(bc_kept *kept, void *domain) {
  pthread_mutex_lock(&kept->lock);
  int at = find_domain(kept, domain);
  if (at >= 0 && --kept->at[at].links == 0) {
    for (kept_array *array = kept->arrays; array != NULL; array = array->next) {
      drop(kept, array, at);
    }
  }
  pthread_mutex_unlock(&kept->lock);
}

void *bc_kept_region(bc_kept *kept, void *domain, const void *data, uint64_t bytes,
                     bool on_device) {
  const unsigned char *begin = data;
  void *region = NULL;
  pthread_mutex_lock(&kept->lock);
  int at = find_domain(kept, domain);
  kept_array *array = at >= 0 ? find_overlap(kept, begin, bytes) : NULL;
  if (array != NULL && array->data <= begin && begin + bytes <= array->data + array->bytes) {
    if (!array->tried[at]) {
      array->tried[at] = true;
      array->region[at] = kept->at[at].ways->make(domain, array->data, array->bytes, on_device);
    }
    region = array->region[at];
  }
  pthread_mutex_unlock(&kept->lock);
  return region;
}
