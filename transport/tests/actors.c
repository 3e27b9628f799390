/* SPDX-License-Identifier: BSD-3-Clause
 * A receiver and a producer that do as they are told; see harness.h. */
#include "actors.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "witness.h"

enum { FRAMES_MAX = 256 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void note(answer *a, int code, const beamcast_error *error) {
  a->code = code;
  if (code != BEAMCAST_OK) {
    (void)snprintf(a->text, sizeof a->text, "%s", error->message);
  }
}

/* --- a receiver ----------------------------------------------------------------------------------
 */

typedef struct log_lines {
  pthread_mutex_t lock;
  char text[1 << 18];
  size_t size;
} log_lines;

typedef struct receiver {
  bc_receiver *r;
  int rank, ranks;
  bc_frame *frame[FRAMES_MAX];
  log_lines log;
} receiver;

static void log_line(void *context, const char *line) {
  log_lines *log = context;
  pthread_mutex_lock(&log->lock);
  int more = snprintf(log->text + log->size, sizeof log->text - log->size, "%s\n", line);
  if (more > 0 && (size_t)more < sizeof log->text - log->size) {
    log->size += (size_t)more;
  }
  if (getenv("BEAMCAST_TEST_VERBOSE") != NULL) {
    (void)fprintf(stderr, "server %d: %s\n", (int)getpid(), line);
  }
  pthread_mutex_unlock(&log->lock);
}

static uint64_t count_logged(log_lines *log, const char *text) {
  uint64_t count = 0;
  pthread_mutex_lock(&log->lock);
  log->text[log->size] = '\0';
  for (char *line = log->text; *line != '\0';) {
    char *end = strchr(line, '\n');
    char *found = strstr(line, text);
    count += found != NULL && found < end;
    line = end + 1;
  }
  pthread_mutex_unlock(&log->lock);
  return count;
}

static bc_frame **find_frame(receiver *me, uint64_t serial) {
  for (int i = 0; i < FRAMES_MAX; i++) {
    bc_frame_info info = {0};
    if (me->frame[i] != NULL) {
      bc_frame_describe(me->frame[i], &info);
    }
    if (info.serial == serial) {
      return &me->frame[i];
    }
  }
  return NULL;
}

static void take(receiver *me, const order *o, answer *a) {
  bc_frame **place = find_frame(me, 0), *frame = bc_receiver_take(me->r, o->serial);
  bc_frame_info info;
  if (frame == NULL || place == NULL) {
    a->code = BEAMCAST_ERR_ARGUMENT;
    return;
  }
  *place = frame;
  bc_frame_describe(frame, &info);
  a->serial = info.serial;
  a->step = info.step;
  a->run = info.run_id;
}

static int wrong(answer *a, const char *what) {
  a->code = BEAMCAST_ERR_PROTOCOL;
  (void)snprintf(a->text, sizeof a->text, "%s", what);
  return a->code;
}

static int check_grid(const receiver *me, const order *o, const bc_frame_info *info, answer *a) {
  const test_scene *s = &o->scene;
  bc_box own, memory;
  bc_layout(s->volume, o->settings.split, me->rank, me->ranks, o->settings.ghosts, &own, &memory);
  if (memcmp(info->volume, s->volume, sizeof info->volume) != 0 ||
      memcmp(info->spacing, s->spacing, sizeof info->spacing) != 0 ||
      memcmp(info->origin, s->origin, sizeof info->origin) != 0 ||
      strcmp(info->length_unit, "um") != 0 || info->direction[0] != 1 || info->direction[1] != 0) {
    return wrong(a, "the grid is another one");
  }
  if (!bc_box_equal(&own, &info->own) || !bc_box_equal(&memory, &info->memory)) {
    return wrong(a, "the rank holds another part of the volume");
  }
  return info->arrays == s->arrays ? BEAMCAST_OK : wrong(a, "the number of arrays is another one");
}

static int check_array(const order *o, const bc_frame_info *info, const bc_array *array, int index,
                       answer *a) {
  const scene_array *expected = &o->scene.array[index];
  char text[300];
  if (array->type != expected->type || array->components != expected->components ||
      strcmp(array->unit, "1/cm") != 0) {
    return wrong(a, "an array is described otherwise");
  }
  if (bc_box_is_empty(&info->memory)) {
    return BEAMCAST_OK;
  }
  if (array->data == NULL) {
    return wrong(a, "an array has no data");
  }
  return scene_holds(&o->scene, info->run_id, info->step, index, &info->memory, array->data, text,
                     sizeof text) &&
                 witness_agrees(array, info->serial, &info->memory, &o->scene, index, text,
                                sizeof text)
             ? BEAMCAST_OK
             : wrong(a, text);
}

static void check(receiver *me, const order *o, answer *a) {
  bc_frame **place = find_frame(me, o->serial);
  bc_frame_info info;
  if (place == NULL) {
    (void)wrong(a, "the step was not taken");
    return;
  }
  bc_frame_describe(*place, &info);
  int code = check_grid(me, o, &info, a), found = 0;
  for (int i = 0; i < info.arrays && code == BEAMCAST_OK; i++) {
    bc_array array;
    bc_frame_array(*place, i, &array);
    for (int k = 0; k < o->scene.arrays && code == BEAMCAST_OK; k++) {
      if (strcmp(array.name, o->scene.array[k].name) == 0) {
        code = check_array(o, &info, &array, k, a);
        found++;
      }
    }
  }
  if (code == BEAMCAST_OK && found != o->scene.arrays) {
    code = wrong(a, "an array is missing");
  }
  if (code == BEAMCAST_OK && strstr(info.header, o->text) == NULL) {
    (void)wrong(a, info.header);
  }
  /* takes the lock once: with one slot, nothing else orders what was read before what is written
   * there next */
  (void)bc_receiver_activity(me->r);
}

static void usage(answer *a) {
  char line[256];
  unsigned long long kilobytes = 0;
  FILE *file = fopen("/proc/self/status", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    (void)sscanf(line, "Threads: %d", &a->threads);
    if (sscanf(line, "VmRSS: %llu", &kilobytes) == 1) {
      a->resident = kilobytes * 1024;
    }
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  file = fopen("/proc/self/maps", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    a->mappings += strstr(line, "beamcast-slot") != NULL;
  }
  if (file != NULL) {
    (void)fclose(file);
  }
  DIR *folder = opendir("/proc/self/fd");
  while (folder != NULL && readdir(folder) != NULL) {
    a->files++;
  }
  if (folder != NULL) {
    (void)closedir(folder);
  }
}

/* A child that has all our files and does nothing, as between a program's fork and its exec. */
static void fork_idle(void) {
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent) {
      (void)pause();
    }
    _exit(0);
  }
}

static void obey(receiver *me, const order *o, answer *a) {
  beamcast_error error = {0};
  bc_frame **place;
  switch (o->kind) {
  case R_ADDRESS:
    bc_receiver_address(me->r, a->address);
    break;
  case R_JOIN:
    note(a, bc_receiver_join(me->r, o->address[0], &error), &error);
    break;
  case R_CONFIGURE:
    note(a, bc_receiver_configure(me->r, o->stream, &o->settings, &error), &error);
    break;
  case R_STATUS:
    bc_receiver_status(me->r, o->stream, &a->status);
    break;
  case R_PICK:
    a->serial = bc_receiver_pick(me->r, o->stream, o->serial, (bc_pick_which)o->number);
    break;
  case R_PICK_KEPT:
    a->serial = bc_receiver_pick_kept(me->r, o->stream, o->serial);
    break;
  case R_KEPT:
    a->number = (uint64_t)bc_receiver_kept(me->r, o->stream, a->kept, 32);
    break;
  case R_TAKE:
    take(me, o, a);
    break;
  case R_CHECK:
    check(me, o, a);
    break;
  case R_RELEASE:
    place = find_frame(me, o->serial);
    if (place == NULL) {
      (void)wrong(a, "the step was not taken");
    } else {
      bc_frame_release(*place);
      *place = NULL;
    }
    break;
  case R_REQUEST:
    note(a, bc_receiver_request(me->r, o->stream, o->text, &error), &error);
    break;
  case R_VIEW:
    (o->number ? bc_receiver_view_open : bc_receiver_view_close)(me->r, o->stream);
    break;
  case R_USAGE:
    usage(a);
    break;
  case R_LOGGED:
    a->number = count_logged(&me->log, o->text);
    break;
  case R_FORK:
    fork_idle();
    break;
  case R_TOLD:
    a->number = witness_bytes(&a->serial);
    break;
  default:
    (void)wrong(a, "this is no order for a receiver");
  }
}

void receiver_run(int fd, int rank, int ranks, const char *contact, uint64_t memory_limit) {
  static receiver me;
  beamcast_error error = {0};
  order o;
  me.rank = rank;
  me.ranks = ranks;
  pthread_mutex_init(&me.log.lock, NULL);
  if (memory_limit == 0 && getenv("BEAMCAST_MEMORY_LIMIT") == NULL) {
    memory_limit = 256 << 20; /* never this machine's memory */
  }
  bc_receiver_options options = {.rank = rank,
                                 .ranks = ranks,
                                 .ranks_on_host = ranks,
                                 .contact = contact,
                                 .memory_limit = memory_limit,
                                 .log = log_line,
                                 .log_context = &me.log,
                                 .landing = &witness_calls};
  me.r = bc_receiver_open(&options, &error);
  if (me.r == NULL) {
    (void)fprintf(stderr, "receiver: %s\n", error.message);
    _exit(4);
  }
  while (recv(fd, &o, sizeof o, 0) == (ssize_t)sizeof o && o.kind != R_CLOSE) {
    static answer a;
    memset(&a, 0, sizeof a);
    obey(&me, &o, &a);
    if (send(fd, &a, sizeof a, MSG_NOSIGNAL) != (ssize_t)sizeof a) {
      _exit(5);
    }
  }
  bc_receiver_close(me.r);
  for (int i = 0; i < FRAMES_MAX; i++) {
    if (me.frame[i] != NULL) {
      bc_frame_release(me.frame[i]);
    }
  }
  answer last = {0};
  (void)!send(fd, &last, sizeof last, MSG_NOSIGNAL);
  exit(0);
}

/* --- a producer ----------------------------------------------------------------------------------
 */

typedef struct producer {
  beamcast_stream *stream;
  int rank;
  uint64_t run, step;
  scene_data data[SCENE_BRICKS];
  int count;
} producer;

/* What was put is written over, as soon as the library has said that it may be. */
static void spoil(producer *me) {
  for (int i = 0; i < me->count; i++) {
    if (me->data[i].arena != NULL) {
      memset(me->data[i].arena, 0xdd, me->data[i].size);
      free(me->data[i].arena);
    }
  }
  me->count = 0;
}

static struct {
  unsigned char *pages;
  size_t size;
  atomic_int sprung; /* threads that came to it */
} trap;

/* The first touch of what lies behind the trap stops the process; when it goes on, it reads on. */
static void trapped(int number) {
  (void)number;
  int before = atomic_fetch_add(&trap.sprung, 1);
  if (trap.size == 0 || before > 1000) {
    _exit(6); /* a fault somewhere else */
  }
  (void)mprotect(trap.pages, trap.size, PROT_READ | PROT_WRITE);
  if (before == 0) {
    (void)raise(SIGSTOP);
  }
}

/* Moves a brick's voxels to pages whose second half can't be read without being trapped. */
static void set_trap(scene_data *data) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (data->size / page + 2) * page;
  unsigned char *pages =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    _exit(7);
  }
  memcpy(pages, data->arena, data->size);
  data->first = pages + (data->first - data->arena);
  trap.pages = pages + size / page / 2 * page;
  trap.size = size - (size_t)(trap.pages - pages);
  atomic_store(&trap.sprung, 0);
  (void)mprotect(trap.pages, trap.size, PROT_NONE);
  const struct sigaction action = {.sa_handler = trapped};
  (void)sigaction(SIGSEGV, &action, NULL);
}

/* From here on little more memory can be mapped than is now. */
static void cramp(void) {
  unsigned long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL || fscanf(file, "%llu", &pages) != 1) {
    _exit(8);
  }
  (void)fclose(file);
  rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (1 << 20);
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0) {
    _exit(8);
  }
  limit.rlim_cur = most;
  if (setrlimit(RLIMIT_AS, &limit) != 0) {
    _exit(8);
  }
}

static void uncramp(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_AS, &limit);
  }
}

static int put(producer *me, const order *o, beamcast_error *error) {
  const test_scene *s = &o->scene;
  int code = BEAMCAST_OK;
  for (int i = 0; i < s->bricks && code == BEAMCAST_OK; i++) {
    if (s->brick[i].producer != me->rank || me->count == SCENE_BRICKS) {
      continue;
    }
    scene_data *data = &me->data[me->count++];
    scene_fill(s, me->run, me->step, i, data);
    if (o->trap && data->arena != NULL) {
      set_trap(data);
    }
    if (o->cramped) {
      cramp();
    }
    beamcast_brick brick = scene_brick_of(s, i, data);
    code = beamcast_put(me->stream, &brick, error);
    if (o->cramped) {
      uncramp();
    }
    if (brick.copy && data->arena != NULL) {
      memset(data->arena, 0xcc, data->size);
    }
  }
  return code;
}

static int connect_to(producer *me, const order *o, beamcast_error *error) {
  beamcast_connect_options options = {.name = o->stream,
                                      .rank = o->rank,
                                      .ranks = o->ranks,
                                      .run_id = o->run,
                                      .time_limit = o->limit,
                                      .token = o->text[0] ? o->text : NULL,
                                      .wire = o->wire[0] ? o->wire : NULL,
                                      .connections = o->connections,
                                      .overlap = o->overlap};
  me->rank = o->rank;
  me->run = o->run;
  if (o->choose) {
    (void)unsetenv("BEAMCAST_WIRE");
  }
  if (o->relay) {
    (void)setenv("BEAMCAST_RELAY", "1", 1);
  }
  me->stream = beamcast_connect(o->contact, &options, error);
  return me->stream ? BEAMCAST_OK : error->code;
}

/* Steps o->step to o->last, each put as one; ends at the first failure that is no drop. */
static int run_steps(producer *me, const order *o, answer *a, beamcast_error *error) {
  int code = BEAMCAST_OK;
  for (uint64_t step = o->step; step <= o->last && code == BEAMCAST_OK; step++) {
    double began = now();
    me->step = step;
    code = beamcast_begin_step(me->stream, step, (double)step, error);
    double begun = now();
    if (code == BEAMCAST_OK) {
      code = put(me, o, error);
    }
    double done = now();
    if (code == BEAMCAST_OK) {
      code = beamcast_end_step(me->stream, error);
    }
    double ended = now();
    const double took[3] = {begun - began, done - begun, ended - done};
    for (int i = 0; i < 3; i++) {
      a->slowest = took[i] > a->slowest ? took[i] : a->slowest;
    }
    spoil(me);
    a->number += code == BEAMCAST_OK;
    a->dropped += code == BEAMCAST_DROPPED;
    code = code == BEAMCAST_DROPPED ? BEAMCAST_OK : code;
  }
  return code;
}

static void produce(producer *me, const order *o, answer *a) {
  beamcast_error error = {0};
  beamcast_message message = {0};
  switch (o->kind) {
  case P_CONNECT:
    note(a, connect_to(me, o, &error), &error);
    break;
  case P_BEGIN:
    spoil(me);
    me->step = o->step;
    note(a, beamcast_begin_step(me->stream, o->step, o->time, &error), &error);
    break;
  case P_PUT:
    note(a, put(me, o, &error), &error);
    break;
  case P_SPOIL:
    spoil(me);
    break;
  case P_END:
    note(a, beamcast_end_step(me->stream, &error), &error);
    spoil(me);
    break;
  case P_AWAIT:
    note(a, beamcast_await(me->stream, &error), &error);
    break;
  case P_ANNOTATE:
    note(a, beamcast_annotate(me->stream, o->stream, o->text, &error), &error);
    break;
  case P_REQUEST:
    note(a, beamcast_request(me->stream, &message, &error), &error);
    a->number = message.number;
    (void)snprintf(a->text, sizeof a->text, "%s", message.json ? message.json : "");
    break;
  case P_DESCRIBE:
    beamcast_stream_describe(me->stream, &a->info);
    (void)snprintf(a->text, sizeof a->text, "%s", a->info.wire);
    a->info.wire = NULL; /* a pointer of this process */
    break;
  case P_RUN:
    note(a, run_steps(me, o, a, &error), &error);
    break;
  case P_USAGE:
    usage(a);
    break;
  case P_CLOSE:
  case P_EXIT:
    beamcast_close(me->stream);
    me->stream = NULL;
    spoil(me);
    break;
  default:
    (void)wrong(a, "this is no order for a producer");
  }
}

void producer_run(int fd, int rank, int ranks, const char *contact, uint64_t memory_limit) {
  static producer me;
  order o;
  (void)rank;
  (void)ranks;
  (void)contact;
  (void)memory_limit;
  while (recv(fd, &o, sizeof o, 0) == (ssize_t)sizeof o) {
    answer a = {0};
    produce(&me, &o, &a);
    if (send(fd, &a, sizeof a, MSG_NOSIGNAL) != (ssize_t)sizeof a) {
      _exit(5);
    }
    if (o.kind == P_EXIT) {
      exit(0);
    }
  }
  _exit(0);
}
