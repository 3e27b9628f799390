/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Users' kernels compiled for a CUDA device, which needs NVRTC but no device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "xac_nvrtc.h"

enum { ARCHITECTURE = 90 };

static char file[] = "/tmp/xac-nvrtc-XXXXXX.c";

static int compile(const char *path, xac_nvrtc_form form, char **image, size_t *size,
                   beamcast_error *error) {
  static xac_user user;
  memset(&user, 0, sizeof user);
  (void)snprintf(user.path, sizeof user.path, "%s", path);
  char *text = xac_user_read(path, error);
  assert_non_null(text);
  assert_int_equal(xac_user_parse(path, text, &user, error), 0);
  free(text);
  return xac_nvrtc_compile(&user, ARCHITECTURE, form, (void **)image, size, error);
}

static int compile_text(const char *text, char **image, size_t *size, beamcast_error *error) {
  FILE *out = fopen(file, "w");
  assert_non_null(out);
  (void)fputs(text, out);
  (void)fclose(out);
  return compile(file, XAC_NVRTC_PTX, image, size, error);
}

static void the_samples_become_code_with_the_entry(void **state) {
  (void)state;
  static const char *const samples[] = {"iso_edges.c", "label_colors.c", "depth_density.c"};
  for (size_t i = 0; i < 3; i++) {
    char path[PATH_MAX], *image;
    size_t size;
    beamcast_error e = {0, ""};
    (void)snprintf(path, sizeof path, "%s/%s", XAC_SAMPLES, samples[i]);
    assert_int_equal(compile(path, XAC_NVRTC_PTX, &image, &size, &e), 0);
    assert_non_null(strstr(image, ".entry " XAC_NVRTC_ENTRY "("));
    assert_non_null(strstr(image, ".target sm_90"));
    free(image);
    assert_int_equal(compile(path, XAC_NVRTC_BINARY, &image, &size, &e), 0);
    assert_memory_equal(image, "\177ELF", 4);
    assert_true(size > 4096);
    free(image);
  }
}

static void all_that_a_kernel_may_use_compiles(void **state) {
  (void)state;
  char *image;
  size_t size;
  beamcast_error e = {0, ""};
  int code = compile_text("#include <math.h>\n"
                          "XAC_PARAMETER(float, far_, 0, 9, 1, \"How far\")\n"
                          "XAC_PARAMETER(int, rounds, 0, 9, 1, \"How often\")\n"
                          "XAC_USES_LIGHT XAC_USES_OPENNESS\n"
                          "static const float weights[3] = {0.25f, 0.5f, 0.25f};\n"
                          "XAC_FUNCTION float around(const xac_point *p, int axis) {\n"
                          "  float sum = 0, d[3] = {0, 0, 0};\n"
                          "  for (int i = 0; i < 3; i++) {\n"
                          "    d[axis] = XAC_GET(p, far_) * (i - 1);\n"
                          "    sum += weights[i] * xac_value_at(p, d[0], d[1], d[2]);\n"
                          "  }\n"
                          "  return sum;\n"
                          "}\n"
                          "XAC_KERNEL(p, color) {\n"
                          "  int n = 0;\n"
                          "  while (n < XAC_GET(p, rounds)) n++;\n"
                          "  do n--; while (n > 0);\n"
                          "again:\n"
                          "  if (++n < 3) goto again;\n"
                          "  *color = xac_color_of(p, around(p, 0));\n"
                          "  color->r *= p->lit * powf(xac_facing(p, p->light), 2.0f);\n"
                          "  color->g *= p->openness * fabsf(p->gradient[1]) * p->position[0];\n"
                          "  color->b = xac_smooth(p->distance, p->value_range[0], p->step);\n"
                          "}\n",
                          &image, &size, &e);
  assert_string_equal(e.message, "");
  assert_int_equal(code, 0);
  assert_non_null(strstr(image, "%globaltimer")); /* its loops are watched */
  free(image);
}

static void an_error_has_file_line_and_text(void **state) {
  (void)state;
  char *image, where[PATH_MAX + 8];
  size_t size;
  beamcast_error e = {0, ""};
  int code = compile_text("XAC_KERNEL(p, color) {\n  color->r = nonsense;\n}\n", &image, &size, &e);
  print_message("%s\n", e.message);
  assert_int_equal(code, BEAMCAST_ERR_ARGUMENT);
  (void)snprintf(where, sizeof where, "%s:2: error", file);
  assert_memory_equal(e.message, where, strlen(where));
  assert_non_null(strstr(e.message, "\"nonsense\" is undefined"));
}

int main(void) {
  int made = mkstemps(file, 2);
  if (made < 0) {
    return 1;
  }
  (void)close(made);
  char *image;
  size_t size;
  beamcast_error e = {0, ""};
  int failed = 77;
  if (compile_text("XAC_KERNEL(p, c) { c->r = 0; }\n", &image, &size, &e) ==
      BEAMCAST_ERR_UNSUPPORTED) {
    (void)printf("skipped: %s\n", e.message);
  } else {
    free(image);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_samples_become_code_with_the_entry),
        cmocka_unit_test(all_that_a_kernel_may_use_compiles),
        cmocka_unit_test(an_error_has_file_line_and_text),
    };
    failed = cmocka_run_group_tests(tests, NULL, NULL);
  }
  (void)unlink(file);
  return failed;
}
