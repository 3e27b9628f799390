/* SPDX-License-Identifier: BSD-3-Clause */
#include "slurm.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "names.h"
#include "paraview_entry.h"
#include "run.h"

static const double answer_seconds = 60, end_seconds = 90, gentle_seconds = 15;
enum { OPTIONS_MAX = 64, OPTIONS_BYTES = 4096, HALF_STARTED_SECONDS = 120 };

static int find_slurm(const char *name, char *path, size_t size, beamcast_error *error) {
  return bs_find_program(name, path, size)
             ? BEAMCAST_OK
             : beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                             "Slurm is not here, its command %s is missing: log in where it is, or "
                             "start the session on this machine, without --slurm",
                             name);
}

/* --- slurm.json ------------------------------------------------------------------------------ */

static void read_job(const char *folder, char job[32], char final[32]) {
  char path[BEAMCAST_SESSION_PATH_MAX];
  json_t *json = bs_join(path, sizeof path, "%s/slurm.json", folder) ? bs_read_json(path) : NULL;
  const char *number = json_string_value(json_object_get(json, "job"));
  const char *end = json_string_value(json_object_get(json, "final"));
  (void)snprintf(job, 32, "%s", number ? number : "");
  (void)snprintf(final, 32, "%s", end ? end : "");
  json_decref(json);
}

static int write_job(const char *folder, const char *job, const char *final,
                     beamcast_error *error) {
  char path[BEAMCAST_SESSION_PATH_MAX];
  json_t *json = json_pack("{s:s, s:s}", "job", job, "final", final);
  int code = json != NULL && bs_join(path, sizeof path, "%s/slurm.json", folder)
                 ? bs_write_json(path, json, error)
                 : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  json_decref(json);
  return code;
}

/* --- start ----------------------------------------------------------------------------------- */

/* Splits the user's options into words. A word that is no option would be taken for the script, so
 * it has to follow a short option: "-p gpu". "partition=gpu" is taken as "--partition=gpu". */
static int split_options(const char *options, char words[OPTIONS_BYTES], char *argv[], int *count,
                         beamcast_error *error) {
  size_t at = 0;
  while (*options != '\0') {
    options += strspn(options, " \t\n");
    size_t length = strcspn(options, " \t\n");
    if (length == 0) {
      break;
    }
    if (*count >= OPTIONS_MAX - 1 || at + length + 3 >= OPTIONS_BYTES) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "too many options for sbatch");
    }
    const char *before = argv[*count - 1];
    bool is_value = before[0] == '-' && before[1] != '-' && before[1] != '\0' && before[2] == '\0';
    bool has_value = memchr(options, '=', length) != NULL;
    if (options[0] != '-' && !is_value && !has_value) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                           "\"%.*s\" is no option for sbatch: write --name=value, such as "
                           "--slurm=\"--partition=gpu --time=2:00:00\"",
                           (int)(length < 100 ? length : 100), options);
    }
    if (strncmp(options, "--wrap", 6) == 0) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "sbatch gets its script from beamcast");
    }
    argv[(*count)++] = words + at;
    at += (size_t)snprintf(words + at, OPTIONS_BYTES - at, "%s%.*s",
                           options[0] != '-' && !is_value ? "--" : "", (int)length, options) +
          1;
    options += length;
  }
  return BEAMCAST_OK;
}

/* Whether the user's options say something about GPUs. */
static bool names_gpus(const char *options) {
  return strstr(options, "gres") != NULL || strstr(options, "gpu") != NULL ||
         strncmp(options, "-G", 2) == 0 || strstr(options, " -G") != NULL;
}

/* The path of the log for sbatch, in which % begins a pattern. */
static bool log_option(char *option, size_t size, const char *log) {
  bool fits = bs_join(option, size, "--output=");
  for (; *log != '\0' && fits; log++) {
    size_t at = strlen(option);
    fits = bs_join(option + at, size - at, *log == '%' ? "%%%%" : "%c", *log);
  }
  return fits;
}

/* The partition that the options name, into text of 64 bytes; "" for the default one. */
static void find_partition(const char *options, char *text) {
  static const char *const names[] = {"--partition=", "partition=", "-p"};
  text[0] = '\0';
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *at = strstr(options, names[i]);
    if (at != NULL && (at == options || at[-1] == ' ')) {
      at += strlen(names[i]);
      at += strspn(at, " =");
      (void)snprintf(text, 64, "%.*s", (int)strcspn(at, " ,"), at);
      return;
    }
  }
}

static uint64_t gpu_memory(const char *name) {
  static const struct {
    const char *name;
    int gibi;
  } known[] = {{"b200", 180}, {"gh200", 96}, {"h200", 141}, {"h100", 80}, {"a100", 40}, {"a40", 48},
               {"a30", 24},   {"l40", 48},   {"l4", 24},    {"v100", 16}, {"p100", 16}, {"t4", 16}};
  const char *given = getenv("BEAMCAST_GPU_MEMORY");
  double gibi = given != NULL ? strtod(given, NULL) : 0;
  for (size_t i = 0; i < sizeof known / sizeof known[0] && !(gibi > 0); i++) {
    gibi = strstr(name, known[i].name) != NULL ? known[i].gibi : 0;
  }
  gibi = gibi > 0 && gibi < 1e6 ? gibi : 16; /* the least that is usual */
  return (uint64_t)(gibi * (1 << 30));
}

/* gpu:TYPE:NUMBER(S:0-1), gpu:NUMBER; others may stand before and after it. */
static void take_gpus(const char *gres, bs_node *node) {
  char type[64];
  const char *at = strstr(gres, "gpu:");
  if (at == NULL) {
    return;
  }
  at += 4;
  size_t length = strcspn(at, ":(,\n");
  (void)snprintf(type, sizeof type, "%.*s", (int)length, at);
  const char *number = isdigit((unsigned char)at[0]) && at[length] != ':' ? at
                       : at[length] == ':'                                ? at + length + 1
                                                                          : "0";
  node->gpus = (int)strtol(number, NULL, 10);
  node->gpu_memory = gpu_memory(type);
}

void bs_slurm_node(const char *options, bs_node *node) {
  char sinfo[BEAMCAST_SESSION_PATH_MAX], partition[64];
  bs_result result;
  char *const argv[] = {sinfo, (char[]){"--noheader"}, (char[]){"--format=%P|%m|%G|%D"}, NULL};
  memset(node, 0, sizeof *node);
  find_partition(options, partition);
  if (find_slurm("sinfo", sinfo, sizeof sinfo, NULL) != BEAMCAST_OK ||
      bs_run_program(argv, "", NULL, answer_seconds, &result, NULL) != BEAMCAST_OK) {
    node->count = 1; /* sbatch is going to say why */
    return;
  }
  for (const char *line = result.out; *line != '\0'; line += *line == '\n') {
    size_t name = strcspn(line, "*|"), length = strcspn(line, "\n");
    const char *memory = memchr(line, '|', length);
    bool ours = partition[0] == '\0'
                    ? line[name] == '*'
                    : name == strlen(partition) && strncmp(line, partition, name) == 0;
    uint64_t bytes = memory != NULL ? strtoull(memory + 1, NULL, 10) << 20 : 0;
    if (ours && bytes >> 20 > 1 && bytes > node->memory) { /* 1: the cluster does not say */
      node->memory = bytes;
    }
    const char *bar = line + length;
    while (bar > line && *bar != '|') {
      bar--;
    }
    node->count += ours ? (int)strtol(bar + 1, NULL, 10) : 0;
    const char *gres = memory != NULL ? strchr(memory + 1, '|') : NULL;
    if (ours && gres != NULL && !names_gpus(options)) {
      char text[256];
      (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(gres, "\n"), gres);
      take_gpus(text, node);
    }
    line += length;
  }
  node->count = node->count > 0 ? node->count : 1;
}

static int submit(const bs_record *record, const char *folder, const char *options,
                  beamcast_error *error) {
  char sbatch[BEAMCAST_SESSION_PATH_MAX], keeper[BEAMCAST_SESSION_PATH_MAX];
  char script[8 * BEAMCAST_SESSION_PATH_MAX] = "#!/bin/sh\nexec", words[OPTIONS_BYTES];
  char log[2 * BEAMCAST_SESSION_PATH_MAX], name[64], tasks[32], memory[48], gpus[48], nodes[32],
      most[32], line[320];
  int code = find_slurm("sbatch", sbatch, sizeof sbatch, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  if (!bs_find_program("beamcast-keeper", keeper, sizeof keeper)) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "the program beamcast-keeper is missing: it belongs beside `beamcast`");
  }
  if (!bs_append_quoted(script, sizeof script, keeper) ||
      !bs_append_quoted(script, sizeof script, folder) ||
      !log_option(log, sizeof log, record->info.log)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the path of the state folder is too long");
  }
  (void)snprintf(script + strlen(script), sizeof script - strlen(script), "\n");
  (void)snprintf(name, sizeof name, "--job-name=beamcast-%s", record->info.id);
  (void)snprintf(tasks, sizeof tasks, "--ntasks=%d", record->info.ranks);
  char *argv[OPTIONS_MAX + 1] = {
      sbatch, (char[]){"--parsable"}, (char[]){"--open-mode=append"}, name, tasks, log};
  int count = 6;
  int several = record->nodes > 1 ? record->nodes : 1; /* sbatch takes these per node */
  if (record->nodes > 0) {
    (void)snprintf(nodes, sizeof nodes, "--nodes=%d", several);
    argv[count++] = nodes;
  }
  if (several > 1) { /* with --ntasks it is the most; Slurm would fill the first node */
    (void)snprintf(most, sizeof most, "--ntasks-per-node=%d",
                   (record->info.ranks + several - 1) / several);
    argv[count++] = most;
  }
  if (record->memory > 0) {
    (void)snprintf(memory, sizeof memory, "--mem=%lluM",
                   (unsigned long long)(record->memory >> 20) + 1);
    argv[count++] = memory;
  }
  if (record->gpus > 0) {
    (void)snprintf(gpus, sizeof gpus, "--gres=gpu:%d", (record->gpus + several - 1) / several);
    argv[count++] = gpus;
  }
  code = split_options(options, words, argv, &count, error);
  bs_result result;
  if (code == BEAMCAST_OK) {
    code = bs_run_program(argv, script, NULL, answer_seconds, &result, error);
  }
  if (code != BEAMCAST_OK) {
    return code;
  }
  result.out[strcspn(result.out, ";\n")] = '\0'; /* NUMBER or NUMBER;CLUSTER */
  if (result.status != 0 || !isdigit((unsigned char)result.out[0])) {
    bs_last_line(result.err, line, sizeof line);
    return beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "Slurm did not take the job: %s; `sinfo` shows what there is", line);
  }
  return write_job(folder, result.out, "", error);
}

/* A client may listen before the job runs, so that it has to know the connect id already. */
static int prepare_client(const bs_record *record, beamcast_error *error) {
  char connect_id[16];
  int code = bs_draw_connect_id(connect_id, error);
  code = code == BEAMCAST_OK
             ? bs_write_file(record->info.connect_id_file, connect_id, strlen(connect_id), error)
             : code;
  if (code == BEAMCAST_OK) {
    bs_add_paraview_entry(record, connect_id);
  }
  return code;
}

int bs_slurm_start(bs_record *record, const char *options, beamcast_error *error) {
  char folder[BEAMCAST_SESSION_PATH_MAX];
  int code = bs_session_folder(record->info.id, folder, sizeof folder, error);
  code = code == BEAMCAST_OK ? bs_make_session_folder(folder, record->info.name, error) : code;
  if (code != BEAMCAST_OK) {
    return code;
  }
  record->slurm = true;
  record->info.state = BEAMCAST_SESSION_PENDING;
  record->info.created = (int64_t)time(NULL);
  (void)gethostname(record->info.host, sizeof record->info.host - 1);
  bs_record_paths(record, folder);
  code = bs_record_write(record, folder, error);
  code = code == BEAMCAST_OK && record->client[0] != '\0' ? prepare_client(record, error) : code;
  code = code == BEAMCAST_OK ? submit(record, folder, options, error) : code;
  if (code != BEAMCAST_OK) {
    bs_remove_paraview_entry(record->info.id);
    bs_remove_folder(folder);
  }
  return code;
}

/* --- status ---------------------------------------------------------------------------------- */

/* How jobs end, and what we call it. */
static const struct {
  const char *name;
  int state;
  const char *reason;
} ends[] = {
    {"COMPLETED", 0, ""}, /* the keeper has said why */
    {"CANCELLED", BEAMCAST_SESSION_ENDED, "the job was cancelled"},
    {"TIMEOUT", BEAMCAST_SESSION_ENDED, "the job reached its time limit: see --time of sbatch"},
    {"DEADLINE", BEAMCAST_SESSION_ENDED, "the job reached its deadline"},
    {"PREEMPTED", BEAMCAST_SESSION_ENDED, "the job was preempted by another one"},
    {"FAILED", BEAMCAST_SESSION_CRASHED, "the job failed"},
    {"NODE_FAIL", BEAMCAST_SESSION_CRASHED, "a node of the job failed"},
    {"BOOT_FAIL", BEAMCAST_SESSION_CRASHED, "a node of the job did not boot"},
    {"OUT_OF_MEMORY", BEAMCAST_SESSION_CRASHED,
     "the job ran out of memory: ask sbatch for more with --mem"}};

static bool set_end(bs_record *record, const char *state) {
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    if (strcmp(state, ends[i].name) == 0) {
      beamcast_session_info *info = &record->info;
      if (ends[i].state != 0) {
        info->state = ends[i].state;
        (void)snprintf(info->reason, sizeof info->reason, "%s", ends[i].reason);
      } else if (info->state != BEAMCAST_SESSION_CRASHED) {
        info->state = BEAMCAST_SESSION_ENDED;
      }
      return true;
    }
  }
  return false;
}

/* Asks for STATE|REASON|START of a job; "" in state when Slurm does not know it (any more). */
static int ask(const char *job, const char *id, char state[32], char reason[128], int64_t *start,
               beamcast_error *error) {
  char squeue[BEAMCAST_SESSION_PATH_MAX], which[80], line[320];
  int code = find_slurm("squeue", squeue, sizeof squeue, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  (void)snprintf(which, sizeof which, job[0] != '\0' ? "--jobs=%s" : "--name=beamcast-%s",
                 job[0] != '\0' ? job : id);
  char *const argv[] = {squeue, (char[]){"--noheader"},        (char[]){"--states=all"},
                        which,  (char[]){"--format=%T|%r|%S"}, NULL};
  bs_result result;
  code = bs_run_program(argv, "", "SLURM_TIME_FORMAT=%s", answer_seconds, &result, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  state[0] = reason[0] = '\0';
  *start = 0;
  if (result.status != 0 && strstr(result.err, "Invalid job id") == NULL) {
    bs_last_line(result.err, line, sizeof line);
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                         "Slurm does not answer (%.200s); the record of session %s is kept", line,
                         id);
  }
  char *first = strchr(result.out, '|'), *second = first ? strchr(first + 1, '|') : NULL;
  if (second != NULL) {
    (void)snprintf(state, 32, "%.*s", (int)(first - result.out), result.out);
    (void)snprintf(reason, 128, "%.*s", (int)(second - first - 1), first + 1);
    *start = strtoll(second + 1, NULL, 10); /* N/A becomes 0 */
  }
  return BEAMCAST_OK;
}

/* The job is queued or runs: what that means for the session. */
static void set_alive(bs_record *record, const char *state, const char *reason, int64_t start) {
  beamcast_session_info *info = &record->info;
  bool runs = strcmp(state, "RUNNING") == 0 || strcmp(state, "COMPLETING") == 0;
  if (!runs) {
    info->state = BEAMCAST_SESSION_PENDING;
    info->start_time = start;
    bool known = strcmp(reason, "None") != 0; /* a scheduler has looked at it */
    (void)snprintf(info->reason, sizeof info->reason, "the job waits in Slurm's queue (%s%s%s)",
                   state, known ? ", " : "", known ? reason : "");
  } else if (info->state == BEAMCAST_SESSION_PENDING) {
    info->state = BEAMCAST_SESSION_STARTING;
  }
}

int bs_slurm_status(bs_record *record, const char *folder, beamcast_error *error) {
  beamcast_session_info *info = &record->info;
  char job[32], final[32], state[32], reason[128];
  int64_t start;
  read_job(folder, job, final);
  (void)snprintf(info->slurm_job, sizeof info->slurm_job, "%s", job);
  if (final[0] != '\0') {
    (void)set_end(record, final);
    return BEAMCAST_OK;
  }
  beamcast_error why = {0};
  int code = ask(job, info->id, state, reason, &start, &why);
  if (code != BEAMCAST_OK) {
    (void)snprintf(info->reason, sizeof info->reason, "%.299s", why.message);
    return beamcast_fail(error, code, "%s", why.message);
  }
  if (state[0] == '\0' && job[0] == '\0' && time(NULL) - info->created > HALF_STARTED_SECONDS) {
    bs_remove_folder(folder); /* who queued it was killed before Slurm had it */
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "session %s was never queued", info->id);
  }
  if (state[0] == '\0') { /* forgotten by Slurm; the keeper may have said why it ended */
    if (info->state != BEAMCAST_SESSION_ENDED && info->state != BEAMCAST_SESSION_CRASHED) {
      info->state = BEAMCAST_SESSION_CRASHED;
      (void)snprintf(info->reason, sizeof info->reason, "Slurm knows nothing of the job any more");
    }
  } else if (set_end(record, state)) {
    (void)write_job(folder, job, state, NULL);
  } else {
    set_alive(record, state, reason, start);
  }
  return BEAMCAST_OK;
}

/* --- stop ------------------------------------------------------------------------------------ */

/* gently: tells the keeper alone, which ends the others in good order. */
static int cancel(const char *job, const char *id, bool gently, beamcast_error *error) {
  char scancel[BEAMCAST_SESSION_PATH_MAX], which[80], line[320];
  int code = find_slurm("scancel", scancel, sizeof scancel, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  (void)snprintf(which, sizeof which, job[0] != '\0' ? "%s" : "--name=beamcast-%s",
                 job[0] != '\0' ? job : id);
  char batch[] = "--batch", signal[] = "--signal=TERM";
  char *const argv[] = {scancel, which, gently ? batch : NULL, signal, NULL};
  bs_result result;
  code = bs_run_program(argv, "", NULL, answer_seconds, &result, error);
  if (code == BEAMCAST_OK && result.status != 0 && strstr(result.err, "Invalid job id") == NULL &&
      strstr(result.err, "already completing or completed") == NULL) {
    bs_last_line(result.err, line, sizeof line);
    code = beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                         "Slurm did not cancel the job (%.200s); the record of session %s is kept",
                         line, id);
  }
  return code;
}

int bs_slurm_stop(bs_record *record, const char *folder, beamcast_error *error) {
  char job[32], final[32], state[32], reason[128];
  int64_t start;
  read_job(folder, job, final);
  double begun = bs_now(), deadline = begun + end_seconds;
  bool gently = false, cancelled = false;
  int code = BEAMCAST_OK;
  while (code == BEAMCAST_OK && final[0] == '\0') {
    code = ask(job, record->info.id, state, reason, &start, error);
    if (code != BEAMCAST_OK || state[0] == '\0' || set_end(record, state)) {
      break;
    }
    if (!gently && job[0] != '\0' && strcmp(state, "RUNNING") == 0) {
      gently = true;
      code = cancel(job, record->info.id, true, error);
    } else if (!cancelled && (!gently || bs_now() > begun + gentle_seconds)) {
      cancelled = true;
      code = cancel(job, record->info.id, false, error);
    }
    if (bs_now() > deadline) {
      return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                           "Slurm has not ended job %s after %g seconds; try again later", job,
                           end_seconds);
    }
    bs_sleep_ms(300);
  }
  return code;
}
