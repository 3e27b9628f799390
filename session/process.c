/* SPDX-License-Identifier: BSD-3-Clause */
#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

enum { ENVIRONMENT_MAX = 1 << 20 };

/* Field 22 of /proc/PID/stat; 0 if there is no such process, or only its zombie. */
static unsigned long long start_ticks(pid_t pid) {
  char path[64], text[1024];
  (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0) {
    (void)close(fd);
  }
  if (length <= 0) {
    return 0;
  }
  text[length] = '\0';
  char *at = strrchr(text, ')'); /* the name before may hold anything */
  if (at == NULL || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X') {
    return 0;
  }
  for (int field = 2; field < 22 && at != NULL; field++) {
    at = strchr(at + 1, ' ');
  }
  return at != NULL ? strtoull(at, NULL, 10) : 0;
}

static void this_boot(char boot[BS_BOOT_MAX]) {
  if (!bs_read_line("/proc/sys/kernel/random/boot_id", boot, BS_BOOT_MAX)) {
    boot[0] = '\0';
  }
}

void bs_process_self(bs_process *self) {
  memset(self, 0, sizeof *self);
  self->pid = getpid();
  self->ticks = start_ticks(self->pid);
  this_boot(self->boot);
  (void)gethostname(self->host, sizeof self->host - 1);
}

bool bs_process_is_here(const bs_process *process) {
  char host[256] = "";
  (void)gethostname(host, sizeof host - 1);
  return strcmp(host, process->host) == 0;
}

bool bs_process_lives(const bs_process *process) {
  char boot[BS_BOOT_MAX];
  this_boot(boot);
  return process->pid > 0 && strcmp(boot, process->boot) == 0 &&
         start_ticks(process->pid) == process->ticks && process->ticks != 0;
}

static bool has_mark(pid_t pid, const char *mark, char *buffer) {
  char path[64];
  struct stat state;
  (void)snprintf(path, sizeof path, "/proc/%ld", (long)pid);
  if (stat(path, &state) != 0 || state.st_uid != geteuid()) {
    return false;
  }
  (void)snprintf(path, sizeof path, "/proc/%ld/environ", (long)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  size_t size = 0;
  for (ssize_t got = 1;
       fd >= 0 && got > 0 && size<ENVIRONMENT_MAX; size += got> 0 ? (size_t)got : 0) {
    got = read(fd, buffer + size, ENVIRONMENT_MAX - size);
  }
  if (fd >= 0) {
    (void)close(fd);
  }
  buffer[size] = '\0';
  for (size_t at = 0; at < size; at += strlen(buffer + at) + 1) {
    if (strcmp(buffer + at, mark) == 0) {
      return true;
    }
  }
  return false;
}

int bs_signal_marked(const char *name, const char *value, int sign) {
  char mark[256];
  char *buffer = malloc(ENVIRONMENT_MAX + 1);
  DIR *list = opendir("/proc");
  int count = 0;
  if (buffer != NULL && list != NULL && bs_join(mark, sizeof mark, "%s=%s", name, value)) {
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
      pid_t pid =
          isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;
      if (pid > 1 && pid != getpid() && start_ticks(pid) != 0 && has_mark(pid, mark, buffer)) {
        count++;
        (void)kill(pid, sign);
      }
    }
  }
  if (list != NULL) {
    (void)closedir(list);
  }
  free(buffer);
  return count;
}

void bs_sleep_ms(int milliseconds) {
  struct timespec span = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  (void)nanosleep(&span, NULL);
}

double bs_now(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
