/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much memory this process may still take: what the system has left, and what its control
 * groups leave it (a batch job's, a container's), of version 1 or 2 and of all groups above.
 * A group that is asked for more does not refuse: the kernel ends a process in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static uint64_t read_number(const char *folder, const char *name, uint64_t otherwise) {
  char path[1100];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "re");
  unsigned long long value = 0;
  if (file == NULL) {
    return otherwise;
  }
  int got = fscanf(file, "%llu", &value); /* "max" is no number */
  (void)fclose(file);
  return got == 1 ? value : otherwise;
}

/* The number behind a name in a file of lines "name number unit"; 0 if it is not there. */
static uint64_t read_field(const char *path, const char *name) {
  FILE *file = fopen(path, "re");
  char line[256];
  size_t length = strlen(name);
  uint64_t value = 0;
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, name, length) == 0 && (line[length] == ' ' || line[length] == ':')) {
      value = strtoull(line + length + 1, NULL, 10);
      break;
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  return value;
}

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* What a group has left. Pages of files that nobody uses are given back when they are wanted. */
static uint64_t left_in(const char *folder, bool first) {
  char path[1100];
  uint64_t limit = read_number(folder, first ? "memory.limit_in_bytes" : "memory.max", UINT64_MAX);
  uint64_t used = read_number(folder, first ? "memory.usage_in_bytes" : "memory.current", 0);
  (void)snprintf(path, sizeof path, "%s/memory.stat", folder);
  used -= smaller(used, read_field(path, first ? "total_inactive_file" : "inactive_file"));
  return limit > used ? limit - used : 0;
}

/* What a group and those above it have left. root: where the groups are mounted. A process that
 * sees only its own part of them (in a container) finds that at the root. */
static uint64_t left_from(const char *root, const char *group, bool first) {
  char folder[1024];
  uint64_t left = UINT64_MAX;
  int end = snprintf(folder, sizeof folder, "%s%s", root, group);
  if (end < 0 || (size_t)end >= sizeof folder) {
    return left;
  }
  for (;;) {
    left = smaller(left, left_in(folder, first));
    char *slash = strrchr(folder, '/');
    if (slash == NULL || (size_t)(slash - folder) < strlen(root)) {
      return left;
    }
    *slash = '\0';
  }
}

uint64_t bc_memory_available(void) {
  uint64_t available = 1024 * read_field("/proc/meminfo", "MemAvailable");
  char line[800];
  FILE *file = fopen("/proc/self/cgroup", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    const char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
    if (group == NULL) {
      continue;
    }
    if (strncmp(line, "0::", 3) == 0) {
      available = smaller(available, left_from("/sys/fs/cgroup", group + 1, false));
    } else if (strncmp(names, ":memory:", 8) == 0) {
      available = smaller(available, left_from("/sys/fs/cgroup/memory", group + 1, true));
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  return available;
}
