/* SPDX-License-Identifier: BSD-3-Clause
 *
 * push, retrieve, contact, info.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "source.h"

static const char push_help[] =
    "Usage: beamcast push FILE[:DATASET] --to CONTACT [OPTIONS]\n"
    "Shows a volume from a file: .npy, HDF5 and NeXus, TIFF stacks, raw with its layout.\n"
    "CONTACT: a session's id or name, a contact file, or beamcast://host:port with\n"
    "$BEAMCAST_TOKEN.\n"
    "\n"
    "  --as NAME           what to call the array; else as in the file\n"
    "  --size X,Y,Z        voxels of a raw file, and their type, where neither its name nor a\n"
    "  --type T            sidecar says them: uint8, int16, float32, ...\n"
    "  --skip BYTES        before the first voxel of a raw file\n"
    "  --spacing X,Y,Z     distance of voxels, in\n"
    "  --length-unit U     m, cm, mm, um, nm or angstrom; like the other two, goes before what\n"
    "                      the file says\n"
    "  --unit U            of the values\n"
    "  --stream NAME       the stream to push into; volume\n"
    "  --points            FILE.npy has a row for each point: x, y, z and what colours it; shown\n"
    "                      beside the volume, as the stream \"points\"\n"
    "  --time-limit SEC    how long to wait for the server; 30\n"
    "  --json              one JSON object: bytes (sent), voxel_bytes, file_bytes, seconds, wire\n";
static const char retrieve_help[] =
    "Usage: beamcast retrieve --from CONTACT -o FILE.h5|FILE.npy [OPTIONS]\n"
    "Gets what a session shows: the newest step, or the file that was opened, within the crop "
    "box.\n"
    "\n"
    "  --roi X0:X1,Y0:Y1,Z0:Z1   these voxels, X1 not included; what is left out is all:\n"
    "                            10:20,,5:\n"
    "  --array NAME              another array than the one that is shown\n"
    "  --step N                  another step of the stream than the newest, where the server\n"
    "                            keeps it: see --keep of `beamcast start`\n"
    "  --stream NAME             the newest step of this stream, whatever is shown\n"
    "  --time-limit SEC          30\n"
    "  --folder-group            the file belongs to its folder's group, which may read it\n"
    "  --json                    one JSON object: file, size, type, components, step, array, ...\n";
static const char contact_help[] =
    "Usage: beamcast contact CONTACT --push-only|--view-only [-o FILE]\n"
    "Makes a lesser contact: for a detector's account that pushes and sees nothing, or for a\n"
    "visitor who sees and pushes nothing. Prints it, or writes it into FILE, mode 0600;\n"
    "with --folder-group 0640, and the file belongs to its folder's group.\n";
static const char info_help[] = "Usage: beamcast info FILE [--json]\n"
                                "What volumes a file holds.\n";

static const double default_limit = 30;
enum { RETRY_MS = 100, LOOK_SECONDS = 5 };

int find_contact(const char *given, char path[CONTACT_LIMIT]) {
  beamcast_session_info info;
  beamcast_error error = {0};
  bool is_path = strchr(given, '/') != NULL;
  beamcast_session *session = !is_path ? beamcast_session_open(given, NULL) : NULL;
  if (session == NULL && (strncmp(given, "beamcast://", 11) == 0 || access(given, F_OK) == 0)) {
    (void)snprintf(path, CONTACT_LIMIT, "%s", given);
    return DONE;
  }
  int why = errno;
  if (session == NULL && why != ENOENT) {
    return say_failed("the contact file %s can't be read: %s", given, strerror(why));
  }
  if (session == NULL) {
    return say_failed("there is no %scontact file %s: a server writes its own when it is ready, "
                      "and takes it away at its end; `beamcast status` shows your sessions",
                      is_path ? "" : "session and no ", given);
  }
  int code = beamcast_status(session, &info, &error);
  beamcast_session_close(session);
  if (code != BEAMCAST_OK) {
    return say_error(&error);
  }
  if (info.state != BEAMCAST_SESSION_RUNNING) {
    return say_failed("session %s is %s%s%s", info.id, beamcast_session_state_name(info.state),
                      info.reason[0] != '\0' ? ": " : "", info.reason);
  }
  (void)snprintf(path, CONTACT_LIMIT, "%s", info.contact);
  return DONE;
}

/* --- push ------------------------------------------------------------------------------------ */

typedef struct push_options {
  const char *to, *as, *stream;
  double limit;
  bool json, points;
  source_wish file;
} push_options;

static bool read_type(const char *text, void *to) {
  return (*(int *)to = beamcast_type_from_name(text)) != 0;
}

static bool read_bytes(const char *text, void *to) {
  int bytes;
  bool good = read_whole(text, 0, INT_MAX, &bytes);
  *(uint64_t *)to = good ? (uint64_t)bytes : 0;
  return good;
}

static bool read_spacing(const char *text, void *to) {
  double *spacing = to;
  return read_list(text, ',', 3, spacing) && spacing[0] > 0 && spacing[1] > 0 && spacing[2] > 0;
}

/* Those that the viewer knows to draw a scale in; others would pass as unknown. */
static bool read_length_unit(const char *text, void *to) {
  static const char *const known[] = {"m", "cm", "mm", "um", "nm", "angstrom"};
  const char *found =
      strcmp(text, "\xc2\xb5m") == 0 || strcmp(text, "\xce\xbcm") == 0 ? "um" : NULL;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    found = strcmp(text, known[i]) == 0 ? known[i] : found;
  }
  *(const char **)to = found;
  return found != NULL;
}

/* What was sent, for people. */
static void print_amount(const source_amount *amount, const beamcast_stream_info *info,
                         double seconds) {
  const double mebi = 1 << 20;
  (void)fprintf(stderr, "%.1f MiB of voxels in %.2f s over %s", (double)amount->voxels / mebi,
                seconds, info->wire);
  if (amount->packed[0] != '\0') {
    (void)fprintf(stderr, "; the file of %.1f MiB is compressed (%s)", (double)amount->file / mebi,
                  amount->packed);
  }
  if (info->bytes_sent > amount->voxels) {
    (void)fprintf(stderr, "; %.1f MiB were sent, as ranks share the planes at their borders",
                  (double)info->bytes_sent / mebi);
  }
  (void)fputc('\n', stderr);
}

/* Whoever pushes into a stream by name may wonder why it isn't seen. */
static void say_what_is_shown(const char *contact, const push_options *o) {
  char *answer = NULL;
  beamcast_error error = {0};
  int code = beamcast_call_viewer(contact, "{\"verb\": \"state\"}", LOOK_SECONDS, &answer, NULL,
                                  NULL, &error);
  if (code == BEAMCAST_ERR_UNSUPPORTED) {
    (void)fprintf(stderr,
                  "beamcast: in ParaView, Stream Name of Beamcast Stream chooses this stream, %s\n",
                  o->stream);
  }
  json_t *state = code == BEAMCAST_OK ? json_loads(answer, 0, NULL) : NULL;
  const char *shown = json_string_value(json_object_get(json_object_get(state, "stream"), "name"));
  if (shown != NULL && strcmp(shown, o->stream) != 0) {
    (void)fprintf(stderr,
                  "beamcast: the viewer shows the stream %s; `beamcast set --to %s --stream %s` "
                  "shows this one\n",
                  shown, o->to, o->stream);
  }
  json_decref(state);
  free(answer);
}

/* Begins a step; while the server has no room, again, up to the time limit. */
static int begin(beamcast_stream *stream, double limit, beamcast_error *error) {
  double deadline = now() + limit;
  const struct timespec pause = {0, RETRY_MS * 1000000L};
  int code = beamcast_begin_step(stream, 0, 0.0, error);
  char why[BEAMCAST_MESSAGE_MAX] = "";
  for (uint64_t step = 1; code == BEAMCAST_DROPPED && now() < deadline; step++) {
    (void)snprintf(why, sizeof why, "%s", error->message);
    (void)nanosleep(&pause, NULL);
    code = beamcast_begin_step(stream, step, 0.0, error);
  }
  return code == BEAMCAST_DROPPED
             ? beamcast_fail(error, code, "the server has had no room for %g seconds: %s", limit,
                             why[0] != '\0' ? why : "all its slots are in use")
             : code;
}

static int push(volume_source *source, const char *file, const char *contact, const push_options *o,
                beamcast_stream_info *info, beamcast_error *error) {
  beamcast_connect_options options = {
      .name = o->stream, .time_limit = o->limit, .backend = "stream"};
  beamcast_stream *stream = beamcast_connect(contact, &options, error);
  if (stream == NULL) {
    return BEAMCAST_ERR_CONNECTION;
  }
  json_t *name = json_string(file);
  char *text = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
  int code = begin(stream, o->limit, error);
  if (code == BEAMCAST_OK) {
    code = o->points ? source_put_points(source, stream, o->as, error)
                     : source_put(source, stream, o->as, error);
  }
  if (code == BEAMCAST_OK && text != NULL) {
    code = beamcast_annotate(stream, "source", text, error);
  }
  code = code == BEAMCAST_OK ? beamcast_end_step(stream, error) : code;
  code = code == BEAMCAST_OK ? beamcast_await(stream, error) : code; /* what comes next finds it */
  show_progress("", -1);
  beamcast_stream_describe(stream, info);
  free(text);
  json_decref(name);
  beamcast_close(stream);
  return code;
}

int verb_push(int argc, char **argv) {
  push_options o = {.limit = default_limit};
  const char *file;
  source_amount amount;
  const verb_option options[] = {
      {"to", read_text, &o.to, NULL},
      {"session", read_text, &o.to, NULL},
      {"as", read_text, &o.as, NULL},
      {"stream", read_text, &o.stream, NULL},
      {"points", NULL, &o.points, NULL},
      {"size", read_voxels, o.file.size, "X,Y,Z in voxels"},
      {"type", read_type, &o.file.type, "uint8, int16, float32 or the like"},
      {"skip", read_bytes, &o.file.skip, "a number of bytes below 2^31"},
      {"spacing", read_spacing, o.file.spacing, "X,Y,Z, each above 0"},
      {"length-unit", read_length_unit, &o.file.length_unit, "m, cm, mm, um, nm or angstrom"},
      {"unit", read_text, &o.file.unit, NULL},
      {"time-limit", read_seconds, &o.limit, a_number_of_seconds},
      {NULL, NULL, NULL, NULL}};
  int status = read_verb(argc, argv, push_help, options, &o.json, &file);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (file == NULL || o.to == NULL) {
    return say_wrong(argv[0], file == NULL ? "which file?" : "where to? --to CONTACT is missing");
  }
  o.stream = o.points && o.stream == NULL ? "points" : o.stream;
  char contact[CONTACT_LIMIT];
  beamcast_error error = {0};
  beamcast_stream_info info = {0};
  volume_source *source = source_open(file, &o.file, &error);
  if (source == NULL) {
    return say_error(&error);
  }
  double begun = now();
  status = find_contact(o.to, contact);
  if (status == DONE && push(source, file, contact, &o, &info, &error) != BEAMCAST_OK) {
    status = say_error(&error);
  }
  double seconds = now() - begun;
  source_tell(source, &amount);
  if (status == DONE && source_notice(source)[0] != '\0') {
    (void)fprintf(stderr, "beamcast: %s\n", source_notice(source));
  }
  source_close(source);
  if (status == DONE && !o.json) {
    print_amount(&amount, &info, seconds);
  }
  if (status == DONE && o.stream != NULL && !o.points) {
    say_what_is_shown(contact, &o);
  }
  return status == DONE && o.json
             ? print_json(json_pack("{s:I, s:I, s:I, s:f, s:s}", "bytes",
                                    (json_int_t)info.bytes_sent, "voxel_bytes",
                                    (json_int_t)amount.voxels, "file_bytes",
                                    (json_int_t)amount.file, "seconds", seconds, "wire", info.wire))
             : status;
}

/* --- retrieve -------------------------------------------------------------------------------- */

typedef struct retrieve_options {
  const char *from, *output, *array, *stream, *roi;
  double limit;
  bool json, folder_group, has_step;
  uint64_t step;
} retrieve_options;

static bool read_step(const char *text, void *to) {
  retrieve_options *o = to;
  char *end;
  errno = 0;
  o->step = strtoull(text, &end, 10);
  o->has_step = *text >= '0' && *text <= '9' && *end == '\0' && errno == 0;
  return o->has_step;
}

/* Reads X0:X1,Y0:Y1,Z0:Z1 within the volume; nothing between the commas is all of an axis. */
static bool read_roi(const char *text, const uint64_t volume[3], uint64_t start[3],
                     uint64_t shape[3]) {
  for (int axis = 0; axis < 3; axis++) {
    char *end;
    bool all = *text == ',' || *text == '\0', open = *text == ':';
    start[axis] = all || open ? 0 : strtoull(text, &end, 10);
    if (!all && !open && (*text < '0' || *text > '9' || *end != ':')) {
      return false;
    }
    text = all ? text : open ? text + 1 : end + 1;
    uint64_t stop = volume[axis];
    if (*text >= '0' && *text <= '9') {
      stop = strtoull(text, &end, 10);
      text = end;
    }
    if (stop > volume[axis] || start[axis] >= stop || *text != (axis < 2 ? ',' : '\0')) {
      return false;
    }
    shape[axis] = stop - start[axis];
    text += axis < 2;
  }
  return true;
}

/* A box of the stream that was asked for, else of what is shown. */
static int fetch(const char *contact, const retrieve_options *o, const uint64_t start[3],
                 const uint64_t shape[3], beamcast_volume_data *volume, char **about,
                 beamcast_error *error) {
  *about = NULL;
  const uint64_t *step = o->has_step ? &o->step : NULL;
  return o->stream != NULL ? beamcast_stream_retrieve_step(contact, o->stream, step, o->array,
                                                           start, shape, o->limit, volume, error)
                           : beamcast_retrieve_from(contact, step, o->array, start, shape, o->limit,
                                                    volume, about, error);
}

static int retrieve(const char *contact, const retrieve_options *o, beamcast_volume_data *volume,
                    char **about, beamcast_error *error) {
  static const uint64_t zero[3] = {0, 0, 0}, one[3] = {1, 1, 1};
  uint64_t start[3], shape[3];
  if (o->roi == NULL) {
    return fetch(contact, o, NULL, NULL, volume, about, error);
  }
  int code = fetch(contact, o, zero, one, volume, about, error); /* it tells the volume's size */
  if (code != BEAMCAST_OK) {
    return code;
  }
  uint64_t n[3] = {volume->volume[0], volume->volume[1], volume->volume[2]};
  beamcast_volume_free(volume);
  free(*about);
  *about = NULL;
  if (!read_roi(o->roi, n, start, shape)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "--roi is X0:X1,Y0:Y1,Z0:Z1 within 0:%llu,0:%llu,0:%llu, not \"%.60s\"",
                         (unsigned long long)n[0], (unsigned long long)n[1],
                         (unsigned long long)n[2], o->roi);
  }
  return fetch(contact, o, start, shape, volume, about, error);
}

static int retrieve_into_file(const retrieve_options *o) {
  char contact[CONTACT_LIMIT];
  beamcast_error error = {0};
  beamcast_volume_data volume;
  char *about;
  if (target_check(o->output, &error) != BEAMCAST_OK) {
    return say_error(&error);
  }
  int status = find_contact(o->from, contact);
  if (status != DONE) {
    return status;
  }
  begin_waiting("retrieving");
  int code = retrieve(contact, o, &volume, &about, &error);
  end_waiting();
  if (code != BEAMCAST_OK) {
    return say_error(&error);
  }
  const json_int_t n[3] = {(json_int_t)volume.shape[0], (json_int_t)volume.shape[1],
                           (json_int_t)volume.shape[2]};
  begin_waiting("writing");
  code = target_write(o->output, &volume, o->from, about, &error);
  end_waiting();
  if (code != BEAMCAST_OK) {
    status = say_error(&error);
  } else if (o->folder_group && give_to_folder_group(o->output) != DONE) {
    status = FAILED;
  } else if (o->json) {
    status = print_json(json_pack("{s:s, s:[I,I,I], s:s, s:i, s:I, s:s, s:s, s:s}", "file",
                                  o->output, "size", n[0], n[1], n[2], "type",
                                  beamcast_type_name(volume.type), "components", volume.components,
                                  "step", (json_int_t)volume.step, "array", volume.name, "unit",
                                  volume.unit, "length_unit", volume.length_unit));
  }
  beamcast_volume_free(&volume);
  free(about);
  return status;
}

int verb_retrieve(int argc, char **argv) {
  retrieve_options o = {.limit = default_limit};
  const verb_option options[] = {{"from", read_text, &o.from, NULL},
                                 {"session", read_text, &o.from, NULL},
                                 {"output", read_text, &o.output, NULL},
                                 {"roi", read_text, &o.roi, NULL},
                                 {"array", read_text, &o.array, NULL},
                                 {"step", read_step, &o, "the number of a step"},
                                 {"stream", read_text, &o.stream, NULL},
                                 {"time-limit", read_seconds, &o.limit, a_number_of_seconds},
                                 {"folder-group", NULL, &o.folder_group, NULL},
                                 {NULL, NULL, NULL, NULL}};
  int status = read_verb(argc, argv, retrieve_help, options, &o.json, NULL);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (o.from == NULL || o.output == NULL) {
    return say_wrong(argv[0], "--from CONTACT and -o FILE are needed");
  }
  return retrieve_into_file(&o);
}

/* --- contact, info --------------------------------------------------------------------------- */

static int write_private(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
  bool good = file != NULL && fprintf(file, "%s\n", text) > 0;
  if (file != NULL && fclose(file) != 0) {
    good = false;
  }
  int why = errno;
  if (!good && fd >= 0) {
    (void)unlink(path);
  }
  return good ? DONE : say_failed("%s can't be written: %s", path, strerror(why));
}

int verb_contact(int argc, char **argv) {
  bool push_only = false, view_only = false, folder_group = false,
       json = false; /* a contact is JSON anyhow */
  const char *output = NULL, *given;
  const verb_option options[] = {{"push-only", NULL, &push_only, NULL},
                                 {"view-only", NULL, &view_only, NULL},
                                 {"output", read_text, &output, NULL},
                                 {"folder-group", NULL, &folder_group, NULL},
                                 {NULL, NULL, NULL, NULL}};
  int status = read_verb(argc, argv, contact_help, options, &json, &given);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (given == NULL || push_only == view_only) {
    return say_wrong(argv[0], "CONTACT and either --push-only or --view-only are needed");
  }
  int rights = push_only ? BEAMCAST_PUSH_ONLY : BEAMCAST_VIEW_ONLY;
  char path[CONTACT_LIMIT];
  beamcast_error error = {0};
  status = find_contact(given, path);
  if (status != DONE) {
    return status;
  }
  char *text = beamcast_restrict(path, rights, &error);
  if (text == NULL) {
    return say_error(&error);
  }
  status = output != NULL ? write_private(output, text) : puts(text) >= 0 ? DONE : FAILED;
  if (status == DONE && output != NULL && folder_group) {
    status = give_to_folder_group(output);
  }
  free(text);
  return status;
}

int verb_info(int argc, char **argv) {
  const verb_option none = {NULL, NULL, NULL, NULL};
  const char *file;
  bool json = false;
  int status = read_verb(argc, argv, info_help, &none, &json, &file);
  if (status != DONE) {
    return status < 0 ? DONE : status;
  }
  if (file == NULL) {
    return say_wrong(argv[0], "which file?");
  }
  beamcast_error error = {0};
  char *text = source_describe(file, json, &error);
  if (text == NULL) {
    return say_error(&error);
  }
  size_t length = strlen(text);
  printf("%s%s", text, length > 0 && text[length - 1] == '\n' ? "" : "\n");
  free(text);
  return fflush(stdout) == 0 ? DONE : FAILED;
}
