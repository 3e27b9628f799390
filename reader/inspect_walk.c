/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The walk through a file: every object once by its hard path, links followed into other files,
 * links that lead nowhere counted by where they lead. Bounded in depth and number.
 */
#include "inspect.h"

#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 24, OBJECTS_MAX = 200000, PATH_LIMIT = 2048, BROKEN_MAX = 200 };

/* A place where links lead and nothing is. */
struct broken {
  char *where; /* sentence about it */
  char *first; /* the first link */
  size_t links;
};

int object_token(hid_t where, const char *path, uint8_t token[24]) {
  H5O_info_t info;
  if (H5Oget_info_by_name2(where, path, &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0) {
    return -1;
  }
  memset(token, 0, 24);
  memcpy(token, &info.fileno, sizeof info.fileno);
  memcpy(token + 8, &info.addr, sizeof info.addr);
  return 0;
}

static void break_link(walk *w, const char *path, const char *where) {
  for (size_t i = 0; i < w->broken_count; i++) {
    if (strcmp(w->broken[i].where, where) == 0) {
      w->broken[i].links++;
      return;
    }
  }
  if (w->broken_count == BROKEN_MAX) {
    return;
  }
  struct broken *larger = realloc(w->broken, (w->broken_count + 1) * sizeof *larger);
  if (larger == NULL) {
    return;
  }
  w->broken = larger;
  struct broken *b = &w->broken[w->broken_count];
  *b = (struct broken){strdup(where), strdup(path), 1};
  if (b->where != NULL && b->first != NULL) {
    w->broken_count++;
  } else {
    free(b->where);
    free(b->first);
  }
}

int external_file(const char *linking, const char *name) {
  char folder[4096], candidate[8300];
  struct stat status;
  snprintf(folder, sizeof folder, "%s", linking);
  snprintf(candidate, sizeof candidate, "%s/%s", dirname(folder), name);
  if (stat(name, &status) == 0 || stat(candidate, &status) == 0) {
    return S_ISREG(status.st_mode) ? 1 : -1;
  }
  const char *base = strrchr(name, '/');
  snprintf(folder, sizeof folder, "%s", linking);
  snprintf(candidate, sizeof candidate, "%s/%s", dirname(folder), base != NULL ? base + 1 : name);
  return base != NULL && stat(candidate, &status) == 0 ? (S_ISREG(status.st_mode) ? 1 : -1) : 0;
}

/* The target of a soft or external link as a sentence; 1 when opening it may block or is in vain.
 */
static int name_target(const char *linking, hid_t group, const char *name, const H5L_info_t *link,
                       char *text, size_t size) {
  char *value = link->u.val_size < 65536 ? calloc(1, link->u.val_size + 1) : NULL;
  int in_vain = 0;
  snprintf(text, size, "a link");
  if (value != NULL && H5Lget_val(group, name, value, link->u.val_size, H5P_DEFAULT) >= 0) {
    if (link->type == H5L_TYPE_SOFT) {
      snprintf(text, size, "There is no %.300s", value);
    } else if (link->type == H5L_TYPE_EXTERNAL) {
      unsigned flags;
      const char *file = NULL, *object = NULL;
      if (H5Lunpack_elink_val(value, link->u.val_size, &flags, &file, &object) >= 0) {
        int there = external_file(linking, file);
        in_vain = there != 1;
        if (there == 0) {
          snprintf(text, size, "The file %.300s is missing", file);
        } else if (there < 0) {
          snprintf(text, size, "%.300s is no ordinary file", file);
        } else {
          snprintf(text, size, "There is no %.200s in the file %.200s", object, file);
        }
      }
    }
  }
  free(value);
  return in_vain;
}

static found_object *add_object(walk *w, const char *path, const H5O_info_t *info) {
  if (w->count >= OBJECTS_MAX) {
    w->truncated = 1;
    return NULL;
  }
  if (w->count == w->capacity) {
    size_t capacity = w->capacity > 0 ? 2 * w->capacity : 64;
    found_object *larger = realloc(w->object, capacity * sizeof *larger);
    if (larger == NULL) {
      w->truncated = 1;
      return NULL;
    }
    w->object = larger;
    w->capacity = capacity;
  }
  found_object *object = &w->object[w->count];
  memset(object, 0, sizeof *object);
  object->path = strdup(path);
  if (object->path == NULL) {
    return NULL;
  }
  memcpy(object->token, &info->fileno, sizeof info->fileno);
  memcpy(object->token + 8, &info->addr, sizeof info->addr);
  object->is_group = info->type == H5O_TYPE_GROUP;
  object->attributes = (int)info->num_attrs;
  object->hard_links = info->rc;
  w->count++;
  return object;
}

/* Whether the group was met before: the way to it from the root may be a circle. A group of the
 * file itself with one hard link is met once. */
static int group_seen(const walk *w, const H5O_info_t *info) {
  uint8_t token[24] = {0};
  memcpy(token, &info->fileno, sizeof info->fileno);
  memcpy(token + 8, &info->addr, sizeof info->addr);
  const int other_file =
      w->count > 0 && memcmp(w->object[0].token, &info->fileno, sizeof info->fileno) != 0;
  if (info->rc < 2 && !other_file) {
    return 0;
  }
  for (size_t i = 0; i < w->count; i++) {
    if (w->object[i].is_group && memcmp(w->object[i].token, token, sizeof token) == 0) {
      return 1;
    }
  }
  return 0;
}

typedef struct level {
  walk *w;
  const char *path;
  int depth;
  size_t group; /* index of the group's object */
} level;

static void visit(walk *w, hid_t opened, const char *path, const H5O_info_t *info, int depth);

static herr_t each_link(hid_t group, const char *name, const H5L_info_t *link, void *context) {
  const level *here = context;
  walk *w = here->w;
  char path[PATH_LIMIT], target[700];
  if (w->truncated || snprintf(path, sizeof path, "%s/%s", here->path, name) >= (int)sizeof path) {
    return 0;
  }
  if (strcmp(name, "image_key") == 0) {
    w->object[here->group].has_image_key = 1;
  }
  int in_vain = 0;
  if (link->type == H5L_TYPE_SOFT || link->type == H5L_TYPE_EXTERNAL) {
    in_vain = name_target(w->file->path, group, name, link, target, sizeof target);
  } else if (link->type != H5L_TYPE_HARD) {
    return 0;
  }
  H5O_info_t info;
  hid_t opened = in_vain                       ? -1
                 : link->type == H5L_TYPE_HARD ? H5Oopen_by_addr(group, link->u.address)
                                               : H5Oopen(group, name, H5P_DEFAULT);
  if (opened < 0 || H5Oget_info2(opened, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS) < 0) {
    if (opened >= 0) {
      H5Oclose(opened);
    }
    if (link->type == H5L_TYPE_HARD) {
      snprintf(target, sizeof target, "%.600s can't be opened", path);
    }
    break_link(w, path, target);
    return 0;
  }
  /* A soft link's object is met by its hard path; the exception is one that passes another file. */
  if (link->type == H5L_TYPE_SOFT) {
    H5O_info_t self;
    if (H5Oget_info2(group, &self, H5O_INFO_BASIC) >= 0 && self.fileno == info.fileno) {
      H5Oclose(opened);
      return 0;
    }
  }
  visit(w, opened, path, &info, here->depth + 1);
  H5Oclose(opened);
  return 0;
}

/* Of a dataset: what it is, or what is wrong with it. */
static void look_at(walk *w, hid_t dataset, found_object *object) {
  volume looked_at = {0};
  beamcast_error reason = {0};
  if (inspect_opened(w->file, dataset, object->path, &looked_at, &reason) == BEAMCAST_OK) {
    object->looked_at = malloc(sizeof looked_at);
    if (object->looked_at != NULL) {
      *object->looked_at = looked_at;
    }
  } else if (reason.code == BEAMCAST_ERR_IO) {
    object->problem = strdup(reason.message);
  }
}

/* opened: the object, which stays the caller's. */
static void visit(walk *w, hid_t opened, const char *path, const H5O_info_t *info, int depth) {
  if (info->type == H5O_TYPE_DATASET) {
    w->datasets++;
    found_object *object = add_object(w, path, info);
    if (object != NULL) {
      look_at(w, opened, object);
    }
    return;
  }
  if (info->type != H5O_TYPE_GROUP || depth > DEPTH_MAX || group_seen(w, info)) {
    return;
  }
  found_object *object = add_object(w, *path != 0 ? path : "/", info);
  if (object == NULL) {
    return;
  }
  if (object->attributes > 0) {
    char *class = h5_attribute_text(opened, "NX_class");
    if (class != NULL) {
      snprintf(object->nx_class, sizeof object->nx_class, "%s", class);
      free(class);
    }
  }
  level here = {w, path, depth, w->count - 1};
  hsize_t index = 0;
  if (H5Literate(opened, H5_INDEX_NAME, H5_ITER_NATIVE, &index, each_link, &here) < 0) {
    volumes_miss(w->file, "The group %.300s is damaged; a part of it can't be listed",
                 *path != 0 ? path : "/");
  }
}

int walk_file(beamcast_hdf5_file *file, walk *w, beamcast_error *error) {
  memset(w, 0, sizeof *w);
  w->file = file;
  H5O_info_t info;
  hid_t root = H5Gopen2(file->id, "/", H5P_DEFAULT);
  if (root < 0 || H5Oget_info2(root, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS) < 0) {
    if (root >= 0) {
      H5Gclose(root);
    }
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "The root of %s can't be read; the file is damaged", file->path);
  }
  visit(w, root, "", &info, 0);
  H5Gclose(root);
  for (size_t i = 0; i < w->broken_count; i++) {
    const struct broken *b = &w->broken[i];
    if (b->links > 1) {
      volumes_miss(file, "%s (%zu links lead there, the first is %.200s)", b->where, b->links,
                   b->first);
    } else {
      volumes_miss(file, "%s (the link %.200s leads there)", b->where, b->first);
    }
  }
  if (w->truncated) {
    volumes_miss(file, "Only the first %d objects of the file were looked at; name the dataset",
                 OBJECTS_MAX);
  }
  return BEAMCAST_OK;
}

void walk_free(walk *w) {
  for (size_t i = 0; i < w->count; i++) {
    free(w->object[i].path);
    free(w->object[i].looked_at);
    free(w->object[i].problem);
  }
  for (size_t i = 0; i < w->broken_count; i++) {
    free(w->broken[i].where);
    free(w->broken[i].first);
  }
  free(w->object);
  free(w->broken);
}

void walk_use(walk *w, const uint8_t token[24]) {
  for (size_t i = 0; i < w->count; i++) {
    if (!w->object[i].is_group && memcmp(w->object[i].token, token, 24) == 0) {
      w->object[i].used = 1;
    }
  }
}

int walk_used(const walk *w, const uint8_t token[24]) {
  for (size_t i = 0; i < w->count; i++) {
    if (w->object[i].used && memcmp(w->object[i].token, token, 24) == 0) {
      return 1;
    }
  }
  return 0;
}
