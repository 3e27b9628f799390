/* SPDX-License-Identifier: BSD-3-Clause
 *
 * TIFF: the pages of one file, or the files of a numbered series, as planes along z. Every thread
 * opens the files it reads. Of ImageJ's description the distance of planes and the unit are taken.
 */
#include "read.h"

#include <ctype.h>
#include <dirent.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include <tiffio.h>

static int ends_in_tif(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot != NULL && (strcasecmp(dot, ".tif") == 0 || strcasecmp(dot, ".tiff") == 0);
}

int is_tiff(const char *path) {
  return ends_in_tif(path);
}

#if TIFFLIB_VERSION >= 20221213
static int say_nothing(TIFF *tiff, void *context, const char *module, const char *format,
                       va_list arguments) {
  (void)tiff;
  (void)context;
  (void)module;
  (void)format;
  (void)arguments;
  return 1;
}

/* libtiff prints by itself; what is wrong goes into a sentence of ours. */
static TIFF *open_quietly(const char *path) {
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  if (options == NULL) {
    return NULL;
  }
  TIFFOpenOptionsSetErrorHandlerExtR(options, say_nothing, NULL);
  TIFFOpenOptionsSetWarningHandlerExtR(options, say_nothing, NULL);
  TIFF *tiff = TIFFOpenExt(path, "r", options);
  TIFFOpenOptionsFree(options);
  return tiff;
}
#else
static TIFF *open_quietly(const char *path) {
  return TIFFOpen(path, "r");
}
#endif

typedef struct page_about {
  uint32_t width, height;
  uint16_t bits, format, samples;
  int type;
} page_about;

static int sample_type(const page_about *p) {
  const int bytes = p->bits / 8;
  if (p->format == SAMPLEFORMAT_IEEEFP) {
    return bytes == 2   ? BEAMCAST_FLOAT16
           : bytes == 4 ? BEAMCAST_FLOAT32
           : bytes == 8 ? BEAMCAST_FLOAT64
                        : 0;
  }
  const int is_signed = p->format == SAMPLEFORMAT_INT;
  switch (p->bits) {
  case 8:
    return is_signed ? BEAMCAST_INT8 : BEAMCAST_UINT8;
  case 16:
    return is_signed ? BEAMCAST_INT16 : BEAMCAST_UINT16;
  case 32:
    return is_signed ? BEAMCAST_INT32 : BEAMCAST_UINT32;
  case 64:
    return is_signed ? BEAMCAST_HDF5_INT64 : BEAMCAST_HDF5_UINT64;
  default:
    return 0;
  }
}

static int about_page(TIFF *tiff, page_about *p) {
  uint16_t planar = PLANARCONFIG_CONTIG, photometric = 0;
  memset(p, 0, sizeof *p);
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &p->width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &p->height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &p->bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &p->format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &p->samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
  p->type = sample_type(p);
  return p->width > 0 && p->height > 0 && p->type != 0 && p->samples >= 1 && p->samples <= 4 &&
         (p->samples == 1 || planar == PLANARCONFIG_CONTIG) && photometric != PHOTOMETRIC_YCBCR;
}

static int alike(const page_about *a, const page_about *b) {
  return a->width == b->width && a->height == b->height && a->type == b->type &&
         a->samples == b->samples;
}

static int add_page(volume *v, const char *file, uint32_t page) {
  const size_t n = v->pages.count;
  char **files = realloc(v->pages.file, (n + 1) * sizeof *files);
  v->pages.file = files != NULL ? files : v->pages.file;
  uint32_t *pages = realloc(v->pages.page, (n + 1) * sizeof *pages);
  v->pages.page = pages != NULL ? pages : v->pages.page;
  char *copy = files != NULL && pages != NULL ? strdup(file) : NULL;
  if (copy == NULL) {
    return -1;
  }
  v->pages.file[n] = copy;
  v->pages.page[n] = page;
  v->pages.count++;
  return 0;
}

/* The files whose names differ from path's in the last number only. */
typedef struct series {
  char *name;
  unsigned long long number;
} series;

static int by_number(const void *a, const void *b) {
  const series *x = a, *y = b;
  return x->number < y->number ? -1 : x->number > y->number;
}

static size_t find_series(const char *path, char folder[4096], series **list) {
  snprintf(folder, 4096, "%.4095s", path);
  char *slash = strrchr(folder, '/');
  const char *name = slash != NULL ? path + (slash - folder) + 1 : path;
  if (slash != NULL) {
    *slash = 0;
  } else {
    snprintf(folder, 4096, ".");
  }
  const char *dot = strrchr(name, '.'), *first = dot;
  while (first > name && isdigit((unsigned char)first[-1])) {
    first--;
  }
  *list = NULL;
  if (first == dot) {
    return 0;
  }
  size_t count = 0, capacity = 0;
  DIR *directory = opendir(folder);
  const struct dirent *entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL) {
    const char *other = entry->d_name, *digits = other + (first - name), *end;
    if (strncmp(other, name, (size_t)(first - name)) != 0) {
      continue;
    }
    for (end = digits; isdigit((unsigned char)*end); end++) {
    }
    if (end == digits || strcmp(end, dot) != 0) {
      continue;
    }
    if (count == capacity) {
      capacity = capacity > 0 ? 2 * capacity : 256;
      series *larger = realloc(*list, capacity * sizeof *larger);
      if (larger == NULL) {
        break;
      }
      *list = larger;
    }
    (*list)[count] = (series){strdup(other), strtoull(digits, NULL, 10)};
    count += (*list)[count].name != NULL;
  }
  if (directory != NULL) {
    closedir(directory);
  }
  if (count > 0) {
    qsort(*list, count, sizeof **list, by_number);
  }
  return count;
}

static void imagej_scale(TIFF *tiff, volume *v) {
  const char *text = NULL;
  float resolution = 0;
  TIFFGetField(tiff, TIFFTAG_IMAGEDESCRIPTION, &text);
  TIFFGetField(tiff, TIFFTAG_XRESOLUTION, &resolution);
  if (text == NULL || strncmp(text, "ImageJ=", 7) != 0 || !(resolution > 0)) {
    return;
  }
  char unit[32] = "";
  double pitch = 1.0 / (double)resolution, planes = pitch;
  const char *line = strstr(text, "\nunit=");
  if (line != NULL) {
    snprintf(unit, sizeof unit, "%.*s", (int)strcspn(line + 6, "\n") % 32, line + 6);
  }
  line = strstr(text, "\nspacing=");
  if (line != NULL && atof(line + 9) > 0) {
    planes = atof(line + 9);
  }
  const double metres = unit_metres(strcmp(unit, "\\u00B5m") == 0 ? "um" : unit, v->unit);
  if (metres > 0) {
    v->about.unit_metres = metres;
    v->about.spacing_known = 1;
    v->about.spacing[0] = v->about.spacing[1] = pitch;
    v->about.spacing[2] = planes;
  } else {
    v->unit[0] = 0;
  }
}

static int collect_pages(beamcast_hdf5_file *file, TIFF *tiff, volume *v) {
  char folder[4096], path[4400];
  series *list;
  const size_t files = find_series(file->path, folder, &list);
  int result = 0;
  if (files > 1) {
    for (size_t i = 0; i < files && result == 0; i++) {
      snprintf(path, sizeof path, "%s/%s", folder, list[i].name);
      result = add_page(v, path, 0);
      if (i > 0 && list[i].number != list[i - 1].number + 1) {
        volumes_miss(file, "Number %llu of the series is missing before %.200s",
                     list[i - 1].number + 1, list[i].name);
      }
    }
  } else {
    uint32_t page = 0;
    page_about first, next;
    about_page(tiff, &first);
    do { /* previews of other sizes are left out */
      if (about_page(tiff, &next) && alike(&first, &next)) {
        result = add_page(v, file->path, page);
      }
      page++;
    } while (result == 0 && page < 1000000 && TIFFReadDirectory(tiff));
  }
  for (size_t i = 0; i < files; i++) {
    free(list[i].name);
  }
  free(list);
  return result;
}

/* No compression of TIFF makes a page ten thousand times smaller: such a size is damage. */
static int is_plausible(const char *path, const page_about *page) {
  struct stat status;
  return stat(path, &status) == 0 && (double)page->width * page->height * page->samples <=
                                         1e4 * ((double)status.st_size + 1000);
}

int inspect_tiff(beamcast_hdf5_file *file, beamcast_error *error) {
  TIFF *tiff = open_quietly(file->path);
  page_about page;
  if (tiff == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "%s is no TIFF file, or damaged", file->path);
  }
  if (!about_page(tiff, &page)) {
    TIFFClose(tiff);
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "%s has %u samples of %u bits a pixel; 1 to 4 samples of 8, 16, 32 or 64 "
                         "bits, one pixel after the other, can be read",
                         file->path, page.samples, page.bits);
  }
  if (!is_plausible(file->path, &page)) {
    TIFFClose(tiff);
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "%s is damaged: it claims %u x %u pixels, and is far too small for them",
                         file->path, page.width, page.height);
  }
  const char *slash = strrchr(file->path, '/');
  volume *v = volumes_add(file, "/", slash != NULL ? slash + 1 : file->path);
  if (v == NULL) {
    TIFFClose(tiff);
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for a volume");
  }
  v->kind = SOURCE_PAGES;
  v->element = (voxel_element){.type = page.type, .bytes = voxel_type_size(page.type)};
  imagej_scale(tiff, v);
  const int failed = collect_pages(file, tiff, v);
  TIFFClose(tiff);
  if (failed || v->pages.count == 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "No memory for the pages of %s", file->path);
  }
  v->about.shape[0] = v->pages.count;
  v->about.shape[1] = page.height;
  v->about.shape[2] = page.width;
  v->about.dimensions = 3;
  volume_default_roles(v);
  if (page.samples > 1) {
    v->about.shape[3] = page.samples;
    v->about.dimensions = 4;
    v->about.role[3] = BEAMCAST_HDF5_COMPONENT;
  }
  snprintf(v->convention, sizeof v->convention, "TIFF stack");
  snprintf(v->storage, sizeof v->storage, "tiff");
  return BEAMCAST_OK;
}

/* --- reading -------------------------------------------------------------------------------------
 */

typedef struct page_job {
  read_job *job;
  selection_grid grid;
  uint64_t page_bytes;
  uint8_t **page; /* one a thread */
  atomic_uint_fast64_t bytes;
} page_job;

static int decode_strips(TIFF *tiff, uint8_t *out, uint64_t bytes) {
  const tmsize_t strip_bytes = TIFFStripSize(tiff);
  uint64_t done = 0;
  for (uint32_t strip = 0; strip < TIFFNumberOfStrips(tiff) && done < bytes; strip++) {
    const uint64_t left = bytes - done;
    const tmsize_t room = left < (uint64_t)strip_bytes ? (tmsize_t)left : strip_bytes;
    if (strip_bytes <= 0 || TIFFReadEncodedStrip(tiff, strip, out + done, room) != room) {
      return -1;
    }
    done += (uint64_t)room;
  }
  return done == bytes ? 0 : -1;
}

static int decode_tiles(TIFF *tiff, uint8_t *out, const page_about *p, size_t pixel) {
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &height);
  const tmsize_t bytes = TIFFTileSize(tiff);
  if (width == 0 || height == 0 || bytes <= 0 || bytes > SCRATCH_LIMIT ||
      (uint64_t)bytes < (uint64_t)width * height * pixel) {
    return -1;
  }
  uint8_t *tile = malloc((size_t)bytes);
  int result = tile != NULL ? 0 : -1;
  for (uint32_t y = 0; y < p->height && result == 0; y += height) {
    for (uint32_t x = 0; x < p->width && result == 0; x += width) {
      if (TIFFReadTile(tiff, tile, x, y, 0, 0) < 0) {
        result = -1;
        break;
      }
      const uint32_t rows = p->height - y < height ? p->height - y : height;
      const uint32_t columns = p->width - x < width ? p->width - x : width;
      for (uint32_t row = 0; row < rows; row++) {
        memcpy(out + ((uint64_t)(y + row) * p->width + x) * pixel,
               tile + (uint64_t)row * width * pixel, columns * pixel);
      }
    }
  }
  free(tile);
  return result;
}

static int decode_page(const page_job *j, uint64_t number, uint8_t *out) {
  const volume *v = j->job->v;
  TIFF *tiff = open_quietly(v->pages.file[number]);
  page_about page;
  int result = -1;
  const size_t pixel =
      v->element.bytes * (v->about.dimensions == 4 ? (size_t)v->about.shape[3] : 1);
  if (tiff != NULL && TIFFSetDirectory(tiff, (tdir_t)v->pages.page[number]) &&
      about_page(tiff, &page) && page.width == v->about.shape[2] &&
      page.height == v->about.shape[1] && page.type == v->element.type &&
      voxel_type_size(page.type) * page.samples == pixel) {
    result = TIFFIsTiled(tiff) ? decode_tiles(tiff, out, &page, pixel)
                               : decode_strips(tiff, out, j->page_bytes);
  }
  if (tiff != NULL) {
    TIFFClose(tiff);
  }
  return result;
}

static int page_task(void *context, uint64_t task, int thread, beamcast_error *error) {
  page_job *j = context;
  const selection *s = &j->job->select;
  uint64_t at[MAX_DIMS], origin[MAX_DIMS] = {0}, shape[MAX_DIMS];
  selection_part part;
  selection_grid_part(&j->grid, task, at, &part);
  memcpy(shape, s->shape, sizeof shape);
  shape[0] = 1;
  origin[0] = at[0];
  uint8_t *direct = selection_direct(s, &part, origin, shape);
  uint8_t *page = direct != NULL ? direct : j->page[thread];
  if (decode_page(j, at[0], page) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "Page %u of %s is damaged, or not like the first of its stack",
                         j->job->v->pages.page[at[0]], j->job->v->pages.file[at[0]]);
  }
  if (direct == NULL) {
    selection_copy(s, &part, page, origin, shape, NULL);
  }
  atomic_fetch_add_explicit(&j->bytes, j->page_bytes, memory_order_relaxed);
  return BEAMCAST_OK;
}

int read_pages(read_job *job, beamcast_error *error) {
  page_job j = {.job = job, .page_bytes = job->v->element.bytes};
  uint64_t block[MAX_DIMS];
  memcpy(block, job->select.shape, sizeof block);
  block[0] = 1;
  for (int d = 1; d < job->select.dimensions; d++) {
    j.page_bytes *= block[d];
  }
  const uint64_t most = SCRATCH_LIMIT / j.page_bytes;
  if ((uint64_t)job->threads > most) {
    job->threads = most > 1 ? (int)most : 1;
  }
  j.page = calloc((size_t)job->threads, sizeof *j.page);
  int result = j.page != NULL && selection_grid_make(&j.grid, &job->select, block) == 0
                   ? BEAMCAST_OK
                   : BEAMCAST_ERR_MEMORY;
  for (int i = 0; i < job->threads && result == BEAMCAST_OK; i++) {
    j.page[i] = malloc(j.page_bytes);
    result = j.page[i] != NULL ? BEAMCAST_OK : BEAMCAST_ERR_MEMORY;
  }
  if (result != BEAMCAST_OK) {
    beamcast_fail(error, result, "No memory for pages of %llu bytes",
                  (unsigned long long)j.page_bytes);
  } else {
    thread_job work = {.task = page_task,
                       .context = &j,
                       .tasks = j.grid.tasks,
                       .threads = job->threads,
                       .progress = job->progress,
                       .progress_context = job->context};
    result = threads_run(&work, error);
  }
  for (int i = 0; i < job->threads && j.page != NULL; i++) {
    free(j.page[i]);
  }
  free(j.page);
  selection_grid_free(&j.grid);
  job->report->bytes_read = atomic_load(&j.bytes);
  job->report->scratch_bytes = (uint64_t)job->threads * j.page_bytes;
  job->report->threads = job->threads;
  job->report->way = "tiff";
  return result;
}
