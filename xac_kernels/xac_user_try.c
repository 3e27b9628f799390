/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The program in which a user's kernel first runs: linked with it, it hands it samples of many
 * values. When it crashes or does not end, or has to be stopped, the kernel is not loaded.
 */
#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "xac_user_call.h"

void xac_user_packet(xac_user_call *call);

enum { PACKETS = 4096, TABLE = 4096, SECONDS = 5 };

static unsigned seed = 1;

static float random_unit(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(seed >> 8) / 16777216.0f;
}

static float value_at(const xac_user_call *call, const float *index) {
  (void)call;
  return 0.5f + 0.5f * sinf(index[0] + 2.0f * index[1] + 3.0f * index[2]);
}

static void stop(xac_user_call *call, int why) {
  (void)call;
  _Exit(why);
}

static void random_vector(float vector[3][XAC_USER_LANES], int lane, float size) {
  for (int a = 0; a < 3; a++) {
    vector[a][lane] = size * (2.0f * random_unit() - 1.0f);
  }
}

/* Values between those that the transfer function ends at, and beyond. */
static void fill(xac_user_call *call, int packet) {
  float span = packet % 4 == 3 ? 1000.0f : 1.0f;
  for (int i = 0; i < XAC_USER_LANES; i++) {
    call->live[i] = -1;
    call->value[i] = span * (packet % 4 < 2 ? random_unit() : 2.0f * random_unit() - 1.0f);
    call->distance[i] = 1000.0f * random_unit();
    call->lit[i] = random_unit();
    call->openness[i] = random_unit();
    random_vector(call->gradient, i, packet % 8 == 0 ? 0.0f : span);
    random_vector(call->position, i, 100.0f);
    random_vector(call->index, i, 100.0f);
    random_vector(call->eye, i, 0.577f);
    random_vector(call->light, i, 0.577f);
  }
}

int main(int count, char **arguments) {
  const struct rlimit seconds = {SECONDS, SECONDS}, memory = {1u << 30, 1u << 30};
  static float parameters[XAC_USER_PARAMETERS], table[TABLE][4];
  static xac_user_call call;
  struct timespec now;
  setrlimit(RLIMIT_CPU, &seconds);
  setrlimit(RLIMIT_AS, &memory);
  for (int i = 1; i < count && i <= XAC_USER_PARAMETERS; i++) {
    parameters[i - 1] = (float)atof(arguments[i]);
  }
  for (int i = 0; i < TABLE; i++) {
    for (int c = 0; c < 4; c++) {
      table[i][c] = 0.2f * (float)i / TABLE;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &now);
  call = (xac_user_call){.step = 0.5f,
                         .value_range = {0.0f, 1.0f},
                         .parameter = parameters,
                         .table = table[0],
                         .table_scale = TABLE - 1,
                         .table_bias = 0.5f,
                         .table_last = TABLE - 1,
                         .deadline = (now.tv_sec + SECONDS) * 1000LL,
                         .value_at = value_at,
                         .stop = stop};
  for (int packet = 0; packet < PACKETS; packet++) {
    fill(&call, packet);
    xac_user_packet(&call);
  }
  return 0;
}
