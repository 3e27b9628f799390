/* SPDX-License-Identifier: BSD-3-Clause */
#include "estimate.h"

static const double gibi = 1 << 30;
enum {
  SLOTS = 3,
  LIGHT_CELLS = 128, /* along the longest axis: xac_kernels' default */
  LIGHT_BYTES = 28,  /* a node of its grid on a rank, and on a GPU: see xac_light.c */
  LIGHT_GPU_BYTES = 8,
  COUNT_MAX = 1 << 20
};
static const uint64_t paraview = UINT64_C(512) << 20;

static uint64_t light_nodes(const uint64_t n[3]) {
  uint64_t longest = n[0] > n[1] ? n[0] : n[1], nodes = 1;
  longest = longest > n[2] ? longest : n[2];
  uint64_t factor = (longest + LIGHT_CELLS - 1) / LIGHT_CELLS;
  for (int axis = 0; axis < 3; axis++) {
    nodes *= (n[axis] + factor - 1) / factor + 1;
  }
  return nodes;
}

/* How many of `part` make up the whole, COUNT_MAX for more; 1 if the part is not known. */
static int parts(uint64_t whole, uint64_t part) {
  uint64_t count = part == 0 ? 1 : whole / part + (whole % part != 0);
  return count < COUNT_MAX ? (int)count : COUNT_MAX;
}

/* Bytes on the node that has the most ranks. */
static uint64_t on_fullest(const bs_need *need) {
  uint64_t ranks = (uint64_t)need->ranks, nodes = (uint64_t)need->nodes;
  return need->memory / ranks * ((ranks + nodes - 1) / nodes);
}

/* Appends to the text. */
static void say(bs_need *need, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(bs_need *need, const char *format, ...) {
  size_t at = strlen(need->text);
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(need->text + at, sizeof need->text - at, format, arguments);
  va_end(arguments);
}

int bs_estimate(const bs_volumes *volumes, int ranks, const bs_node *node, bs_need *need,
                beamcast_error *error) {
  const uint64_t *size = volumes->size;
  const int type = volumes->type, slots = volumes->slots > 0 ? volumes->slots : SLOTS;
  const unsigned long long n[3] = {size[0], size[1], size[2]};
  const uint64_t steps = (uint64_t)slots + (uint64_t)volumes->keep;
  uint64_t voxel = beamcast_type_size(type), most = UINT64_C(1) << 56;
  if (voxel == 0 || n[0] == 0 || n[1] == 0 || n[2] == 0 || n[0] > most / voxel ||
      n[1] > most / voxel / n[0] || n[2] > most / voxel / n[0] / n[1]) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a volume of %llu x %llu x %llu voxels of type %d is not possible", n[0],
                         n[1], n[2], type);
  }
  *need = (bs_need){.step = voxel * n[0] * n[1] * n[2], .nodes = 1};
  uint64_t light = light_nodes(size) * LIGHT_BYTES, useful = node->memory / 10 * 9;
  if (node->gpus > 0) {
    uint64_t kept = light_nodes(size) * LIGHT_GPU_BYTES, room = node->gpu_memory / 10 * 8;
    need->gpus = parts(need->step, room > kept ? room - kept : 1);
    need->nodes = parts((uint64_t)need->gpus, (uint64_t)node->gpus);
  }
  for (int nodes = 0; nodes != need->nodes;) { /* more nodes take more ranks, these more memory */
    nodes = need->nodes;
    int least = nodes > need->gpus ? nodes : need->gpus;
    need->ranks = ranks > nodes ? ranks : ranks > 0 ? nodes : least; /* a node without has no use */
    need->memory = steps * need->step + (uint64_t)need->ranks * (paraview + light);
    int wanted = parts(need->memory, useful);
    need->nodes = wanted > nodes ? wanted : nodes;
    need->node_memory = on_fullest(need);
    while (useful > 0 && need->node_memory > useful && need->nodes < need->ranks) {
      need->nodes++; /* ranks may not go into that many in equal numbers */
      need->node_memory = on_fullest(need);
    }
  }
  say(need,
      "a step of %llu x %llu x %llu voxels of %llu bytes is %.2f GiB; %d step%s (%s%s) "
      "%.2f GiB, and for each of %d rank%s %.2f GiB of ParaView and %.2f GiB of light "
      "volumes: %.2f GiB of memory",
      n[0], n[1], n[2], (unsigned long long)voxel, (double)need->step / gibi, (int)steps,
      steps == 1 ? "" : "s", slots == SLOTS ? "shown, newest, arriving" : "slots",
      volumes->keep > 0 ? ", kept" : "", (double)(steps * need->step) / gibi, need->ranks,
      need->ranks == 1 ? "" : "s", (double)paraview / gibi, (double)light / gibi,
      (double)need->memory / gibi);
  if (node->memory > 0) {
    say(need, ", %d node%s of %.1f GiB", need->nodes, need->nodes == 1 ? "" : "s",
        (double)node->memory / gibi);
  }
  if (need->gpus > 0) {
    say(need, "; a copy of the shown step in 80 %% of %.0f GiB a GPU: %d GPU%s",
        (double)node->gpu_memory / gibi, need->gpus, need->gpus == 1 ? "" : "s");
  }
  return BEAMCAST_OK;
}
