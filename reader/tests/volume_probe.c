/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A tool for tests and benchmarks. Each line of the input is a command of words separated by tabs:
 *   open FILE [DIMENSIONS [live | trusted]]      info            find DATASET
 *   read OUT DATASET key=value ...   (region=x0,x1,y0,y1,z0,z1 stride=x,y,z type= window=lo,hi
 *                                     time= channel= threads= ranks= rank= ghosts= limit= parts=1
 *                                     repeat=; OUT "-" throws the voxels away)
 *   write IN OUT key=value ...       (type= size=x,y,z compression= spacing= unit= value_unit=)
 * Each answer is one line of JSON, or a line that begins with "error".
 */
#include "beamcast_hdf5.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

static beamcast_hdf5_file *file;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The most memory that this process had at any time, in bytes. */
static unsigned long long peak(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (unsigned long long)usage.ru_maxrss * 1024;
}

static const char *option(char **word, const char *key) {
  const size_t length = strlen(key);
  for (; *word != NULL; word++) {
    if (strncmp(*word, key, length) == 0 && (*word)[length] == '=') {
      return *word + length + 1;
    }
  }
  return NULL;
}

static long number(char **word, const char *key, long otherwise) {
  const char *text = option(word, key);
  return text != NULL ? atol(text) : otherwise;
}

static void numbers(char **word, const char *key, uint64_t *values, int count) {
  const char *text = option(word, key);
  for (int i = 0; i < count && text != NULL; i++) {
    values[i] = strtoull(text, (char **)&text, 10);
    text += *text == ',';
  }
}

static int type_of(const char *name) {
  return name == NULL                  ? 0
         : strcmp(name, "int64") == 0  ? BEAMCAST_HDF5_INT64
         : strcmp(name, "uint64") == 0 ? BEAMCAST_HDF5_UINT64
                                       : beamcast_type_from_name(name);
}

static int save(const char *path, const void *memory, size_t bytes) {
  FILE *out = fopen(path, "wb");
  const int failed = out == NULL || fwrite(memory, 1, bytes, out) != bytes;
  return (out == NULL || fclose(out) != 0) || failed;
}

static int do_read(char **word, beamcast_error *error) {
  const char *out = word[1];
  beamcast_hdf5_wish wish = {0};
  beamcast_hdf5_plan plan;
  beamcast_hdf5_read_options options = {0};
  beamcast_hdf5_read_report report = {0};
  int64_t e[6];
  int result = beamcast_hdf5_find(file, word[2], &wish.volume, error);
  if (result != BEAMCAST_OK) {
    return result;
  }
  numbers(word, "region", wish.region, 6);
  numbers(word, "stride", wish.stride, 3);
  wish.type = type_of(option(word, "type"));
  wish.ranks = (int)number(word, "ranks", 1);
  wish.memory_limit = (uint64_t)number(word, "limit", 0);
  wish.complex_parts = (int)number(word, "parts", 0);
  const char *window = option(word, "window");
  if (window != NULL && sscanf(window, "%lf,%lf", &wish.window[0], &wish.window[1]) != 2) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "window=%s", window);
  }
  options.time = (uint64_t)number(word, "time", 0);
  options.channel = (uint64_t)number(word, "channel", 0);
  options.threads = (int)number(word, "threads", 0);
  result = beamcast_hdf5_plan_read(file, &wish, &plan, error);
  if (result != BEAMCAST_OK) {
    return result;
  }
  beamcast_hdf5_plan_piece(&plan, (int)number(word, "rank", 0), (int)number(word, "ghosts", 0), e);
  uint64_t bytes = beamcast_hdf5_sample_bytes(&plan);
  for (int axis = 0; axis < 3; axis++) {
    bytes *= (uint64_t)(e[2 * axis + 1] - e[2 * axis] + 1);
  }
  enum { LARGE_PAGE = 2 << 20 }; /* begins where one does, as the plugin's memory */
  void *memory = aligned_alloc(LARGE_PAGE, (size_t)(bytes / LARGE_PAGE + 1) * LARGE_PAGE);
  if (memory == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory");
  }
  madvise(memory, (size_t)bytes, MADV_HUGEPAGE);
  memset(memory, 0xab, bytes);
  const unsigned long long before = peak();
  double best = 1e300, worst = 0;
  const long repeat = number(word, "repeat", 1);
  for (long i = 0; i < repeat && result == BEAMCAST_OK && bytes > 0; i++) {
    const double start = now();
    result = beamcast_hdf5_read(file, &plan, e, &options, memory, bytes, &report, error);
    const double took = now() - start;
    best = took < best ? took : best;
    worst = took > worst ? took : worst;
  }
  if (result == BEAMCAST_OK && strcmp(out, "-") != 0 && save(out, memory, bytes) != 0) {
    result = beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be written", out);
  }
  free(memory);
  if (result == BEAMCAST_OK) {
    printf(
        "{\"extent\": [%lld, %lld, %lld, %lld, %lld, %lld], \"type\": \"%s\", \"components\": %d, "
        "\"stride\": [%llu, %llu, %llu], \"window\": [%.17g, %.17g], \"bytes\": %llu, "
        "\"seconds\": %.6f, \"worst\": %.6f, \"threads\": %d, \"way\": \"%s\", \"chunks\": %llu, "
        "\"absent\": %llu, \"scratch\": %llu, \"grown\": %llu, \"bytes_read\": %llu, \"note\": "
        "\"%s\", "
        "\"cut_axis\": %d, \"origin\": [%.17g, %.17g, %.17g], \"spacing\": [%.17g, %.17g, "
        "%.17g]}\n",
        (long long)e[0], (long long)e[1], (long long)e[2], (long long)e[3], (long long)e[4],
        (long long)e[5],
        plan.type == BEAMCAST_HDF5_INT64    ? "int64"
        : plan.type == BEAMCAST_HDF5_UINT64 ? "uint64"
                                            : beamcast_type_name(plan.type),
        plan.components, (unsigned long long)plan.stride[0], (unsigned long long)plan.stride[1],
        (unsigned long long)plan.stride[2], plan.window[0], plan.window[1],
        (unsigned long long)bytes, best, worst, report.threads, report.way,
        (unsigned long long)report.chunks, (unsigned long long)report.chunks_absent,
        (unsigned long long)report.scratch_bytes, peak() - before,
        (unsigned long long)report.bytes_read, plan.note, plan.cut_axis, plan.origin[0],
        plan.origin[1], plan.origin[2], plan.spacing[0], plan.spacing[1], plan.spacing[2]);
  }
  return result;
}

static int do_write(char **word, beamcast_error *error) {
  beamcast_hdf5_output output = {.step = -1, .spacing = {1, 1, 1}};
  numbers(word, "size", output.size, 3);
  output.type = type_of(option(word, "type"));
  output.components = (int)number(word, "components", 1);
  output.compression = (int)number(word, "compression", 0);
  output.unit = option(word, "unit");
  output.value_unit = option(word, "value_unit");
  output.source = option(word, "source");
  output.name = option(word, "name");
  output.step = number(word, "step", -1);
  const char *spacing = option(word, "spacing");
  if (spacing != NULL) {
    sscanf(spacing, "%lf,%lf,%lf", &output.spacing[0], &output.spacing[1], &output.spacing[2]);
  }
  FILE *in = fopen(word[1], "rb");
  if (in == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s can't be read", word[1]);
  }
  fseek(in, 0, SEEK_END);
  const size_t bytes = (size_t)ftell(in);
  rewind(in);
  void *memory = malloc(bytes + 1);
  int result =
      memory != NULL && fread(memory, 1, bytes, in) == bytes ? BEAMCAST_OK : BEAMCAST_ERR_IO;
  fclose(in);
  if (result == BEAMCAST_OK) {
    result = beamcast_hdf5_write(word[2], &output, memory, error);
  }
  free(memory);
  if (result == BEAMCAST_OK) {
    printf("{}\n");
  }
  return result;
}

static int run(char **word, beamcast_error *error) {
  int result = BEAMCAST_OK;
  if (strcmp(word[0], "open") == 0) {
    beamcast_hdf5_open_options options = {.dimensions = word[2] != NULL ? word[2] : NULL};
    const char *how = word[2] != NULL && word[3] != NULL ? word[3] : "";
    options.live = strcmp(how, "live") == 0;
    options.trusted = strcmp(how, "trusted") == 0;
    beamcast_hdf5_close(file);
    file = NULL;
    const double start = now();
    result = beamcast_hdf5_open(word[1], &options, &file, error);
    if (result == BEAMCAST_OK) {
      size_t count;
      beamcast_hdf5_list(file, &count);
      printf("{\"volumes\": %zu, \"seconds\": %.4f}\n", count, now() - start);
    }
  } else if (file == NULL && strcmp(word[0], "write") != 0) {
    result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "no file is open");
  } else if (strcmp(word[0], "info") == 0) {
    char *text = beamcast_hdf5_describe(file, 1);
    printf("%s\n", text);
    free(text);
  } else if (strcmp(word[0], "text") == 0) {
    char *text = beamcast_hdf5_describe(file, 0);
    printf("%s\n", text);
    free(text);
  } else if (strcmp(word[0], "find") == 0) {
    size_t index;
    result = beamcast_hdf5_find(file, word[1], &index, error);
    if (result == BEAMCAST_OK) {
      printf("{\"index\": %zu}\n", index);
    }
  } else if (strcmp(word[0], "refresh") == 0) {
    int changed;
    result = beamcast_hdf5_refresh(file, &changed, error);
    if (result == BEAMCAST_OK) {
      printf("{\"changed\": %d}\n", changed);
    }
  } else if (strcmp(word[0], "read") == 0 && word[1] != NULL && word[2] != NULL) {
    result = do_read(word, error);
  } else if (strcmp(word[0], "write") == 0 && word[1] != NULL && word[2] != NULL) {
    result = do_write(word, error);
  } else {
    result = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "no such command: %s", word[0]);
  }
  return result;
}

int main(void) {
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, stdin) > 0) {
    char *word[32] = {NULL}, *rest = line;
    line[strcspn(line, "\n")] = 0;
    for (int i = 0; i < 31 && rest != NULL; i++) {
      word[i] = strsep(&rest, "\t");
    }
    beamcast_error error = {0};
    if (word[0] != NULL && run(word, &error) != BEAMCAST_OK) {
      printf("error %d %s\n", error.code, error.message);
    }
    fflush(stdout);
  }
  free(line);
  beamcast_hdf5_close(file);
  return 0;
}
