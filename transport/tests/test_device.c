/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Arrays in a device's memory, which the processor can't read, arrive as others do: over a driver
 * library that is a fake (fake_cuda.c). That every piece is waited for, and nothing is left behind.
 * Also arrays that are registered.
 *   test_device LIBRARY [verbs]      verbs: also over RDMA, whose device reads it as it lies
 * On a machine with a CUDA device LIBRARY may be libcuda.so.1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "pinned.h"
#include "receiver.h"
#include "sender.h"

static const char *library;
static bool rdma, faked;
static void *primary; /* of a real driver, and how it fills its device's memory */
static int (*enter)(void *), (*leave)(void **), (*fill)(uint64_t, const void *, size_t);
static unsigned char *device, *host;

enum { DEVICE_BYTES = 20 << 20 };

static void quiet(void *context, const char *line) {
  (void)context;
  (void)line;
}

/* What `host` holds is what the device holds, too; the fake's is one memory. */
static void upload(size_t bytes) {
  void *ours;
  if (!faked) {
    assert_int_equal(enter(primary), 0);
    assert_int_equal(fill((uintptr_t)device, host, bytes), 0);
    assert_int_equal(leave(&ours), 0);
  }
}

static void spoil(size_t bytes) {
  memset(host, 0xdd, bytes);
  upload(bytes);
}

typedef struct brick {
  uint64_t volume[3];
  int64_t stride[3];
} brick;

static bc_sender *connect_over(const char *contact, const char *wire, uint64_t run) {
  beamcast_error error = {0};
  const bc_sender_options options = {
      .stream = "volume", .run_id = run, .ranks = 1, .limit = 90, .wire = wire};
  bc_sender *sender = bc_sender_open(contact, NULL, &options, &error);
  if (sender == NULL) {
    fail_msg("%s: %s", wire, error.message);
  }
  return sender;
}

/* What the voxel at a place of the device's memory is in a step. */
static uint32_t value_of(uint64_t run, uint64_t step, uint32_t place) {
  return place * 2654435761u + (uint32_t)(run * 100 + step);
}

static bc_frame *take(bc_receiver *r, uint64_t run, uint64_t step) {
  for (int i = 0; i < 20000; i++) {
    const struct timespec pause = {.tv_nsec = 5000000};
    bc_frame_info info;
    uint64_t serial = bc_receiver_pick(r, "volume", 0, BC_PICK_NEWEST);
    if (serial != 0) {
      bc_frame *frame = bc_receiver_take(r, serial);
      bc_frame_describe(frame, &info);
      if (info.run_id == run && info.step == step) {
        return frame;
      }
      bc_frame_release(frame);
    }
    (void)nanosleep(&pause, NULL);
  }
  fail_msg("step %d of run %d did not come", (int)step, (int)run);
  return NULL;
}

/* Pushes a step of a box out of the device's memory and compares it with what is shown. */
static void push_step(bc_receiver *r, bc_sender *sender, const char *wire, uint64_t run,
                      uint64_t step, const brick *b) {
  beamcast_error error = {0};
  bc_grid grid = {.spacing = {1, 1, 1}, .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  const bc_array_spec spec = {.name = "volume", .type = BEAMCAST_UINT32, .components = 1};
  bc_box box = {.shape = {b->volume[0], b->volume[1], b->volume[2]}};
  memcpy(grid.volume, b->volume, sizeof grid.volume);
  const size_t bytes = (size_t)b->stride[2] * b->volume[2];
  uint32_t *values = (uint32_t *)(void *)host;
  for (uint32_t i = 0; i < bytes / 4; i++) {
    values[i] = value_of(run, step, i);
  }
  upload(bytes);
  int code = bc_sender_begin(sender, step, 0, &error);
  code = code ? code : bc_sender_put(sender, &spec, &grid, &box, device, b->stride, &error);
  if (strcmp(wire, "verbs") != 0) {
    spoil(bytes); /* put has copied it */
  }
  code = code ? code : bc_sender_end(sender, "{}", &error);
  spoil(bytes);
  if (code != BEAMCAST_OK) {
    fail_msg("%s: %d, %s", wire, code, error.message);
  }
  bc_frame *frame = take(r, run, step);
  bc_array array;
  bc_frame_array(frame, 0, &array);
  const uint32_t *got = array.data;
  for (uint64_t z = 0; z < b->volume[2]; z++) {
    for (uint64_t y = 0; y < b->volume[1]; y++) {
      for (uint64_t x = 0; x < b->volume[0]; x++) {
        int64_t at =
            (int64_t)x * b->stride[0] + (int64_t)y * b->stride[1] + (int64_t)z * b->stride[2];
        if (*got++ != value_of(run, step, (uint32_t)(at / 4))) {
          fail_msg("%s: voxel %d %d %d is wrong", wire, (int)x, (int)y, (int)z);
        }
      }
    }
  }
  bc_frame_release(frame);
}

static void push(bc_receiver *r, const char *contact, const char *wire, uint64_t run,
                 const brick *b) {
  bc_sender *sender = connect_over(contact, wire, run);
  for (uint64_t step = 1; step <= 2; step++) {
    push_step(r, sender, wire, run, step, b);
  }
  bc_sender_close(sender);
}

/* An array of the device's that is registered: once for all steps where an RDMA device reads it as
 * it lies; over other wires, and where it is staged, that changes nothing. */
static void push_registered(bc_receiver *r, const char *contact, const char *wire, uint64_t run,
                            bool direct, const brick *b) {
  enum { SLOTS = 3 };
  beamcast_error error = {0};
  uint64_t step = 0;
  bc_sender *sender = connect_over(contact, wire, run);
  while (step <= SLOTS) { /* these stay pinned, too */
    push_step(r, sender, wire, run, ++step, b);
  }
  const uint64_t before = pinned();
  for (int round = 0; round < 2; round++) {
    assert_int_equal(bc_sender_register(sender, device, DEVICE_BYTES, &error), BEAMCAST_OK);
    for (int i = 0; i < 2; i++) {
      push_step(r, sender, wire, run, ++step, b);
      assert_true(!faked || pinned() == before + (direct ? DEVICE_BYTES : 0));
    }
    assert_int_equal(bc_sender_unregister(sender, device, &error), BEAMCAST_OK);
    assert_true(!faked || pinned() == before);
    push_step(r, sender, wire, run, ++step, b);
  }
  bc_sender_close(sender);
}

static int fake(const char *name) {
  int (*function)(void) = NULL;
  *(void **)&function = dlsym(RTLD_DEFAULT, name);
  assert_true(function != NULL || !faked);
  return function != NULL ? function() : 0;
}

static void what_lies_on_a_device_arrives(void **state) {
  (void)state;
  static const char *const wires[] = {"tcp", "shm", "verbs", "verbs"};
  char contact[96];
  unsigned char address[BC_ADDRESS_BYTES];
  (void)snprintf(contact, sizeof contact, "/tmp/beamcast-device-%d.json", (int)getpid());
  const bc_receiver_options options = {.contact = contact, .memory_limit = 256 << 20, .log = quiet};
  bc_receiver *r = bc_receiver_open(&options, NULL);
  assert_non_null(r);
  bc_receiver_address(r, address);
  assert_int_equal(bc_receiver_join(r, address, NULL), BEAMCAST_OK);
  const brick bricks[] = {{{9, 8, 7}, {4, 36, 288}},
                          {{256, 256, 70}, {4, 1024, 262144}},
                          {{3000000, 1, 1}, {4, 12000000, 12000000}}};
  const brick kept = {{256, 256, 5}, {4, 1024, 262144}};
  const brick gaps[] = {{{9, 8, 7}, {4, 64, 4096}}, {{9, 8, 7}, {8, 160, 8192}}};
  for (int i = 0; i < (rdma ? 4 : 2); i++) {
    uint64_t run = 10 * (uint64_t)i;
    int before = fake("fake_device_copies");
    bool direct = i == 3;
    assert_true(!direct || fake("fake_device_peermem") == 0);
    for (int k = 0; k < 3; k++) {
      push(r, contact, wires[i], ++run, &bricks[k]);
    }
    push_registered(r, contact, wires[i], ++run, direct, &kept);
    assert_true(!faked || (fake("fake_device_copies") == before) == direct);
    for (int k = 0; k < 2; k++) {
      push(r, contact, wires[i], ++run, &gaps[k]);
    }
  }
  bc_receiver_close(r);
  if (!faked) {
    return;
  }
  void (*left)(int *, int *, int *) = NULL;
  int streams = 1, pinned = 1, pushed = 1;
  *(void **)&left = dlsym(RTLD_DEFAULT, "fake_device_left");
  assert_non_null(left);
  left(&streams, &pinned, &pushed);
  assert_int_equal(streams, 0);
  assert_int_equal(pinned, 0);
  assert_int_equal(pushed, 0);
}

static void what_is_shared_with_an_rdma_device_is_the_array(void **state) {
  (void)state;
  if (!faked) {
    skip(); /* the processor can't read a dmabuf */
  }
  const uint64_t at[] = {0, 1, 4095, 4096, 10000}, bytes[] = {1, 4096, 9000};
  for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
    for (size_t k = 0; k < sizeof bytes / sizeof bytes[0]; k++) {
      unsigned char got[9000];
      uint64_t offset = 0;
      int fd = bc_device_share(device + at[i], bytes[k], &offset);
      assert_true(fd >= 0);
      assert_int_equal(pread(fd, got, bytes[k], (off_t)offset), bytes[k]);
      assert_memory_equal(got, host + at[i], bytes[k]);
      (void)close(fd);
    }
  }
  uint64_t offset;
  assert_int_equal(bc_device_share(host, 4096, &offset), -1);
}

static void host_memory_is_no_devices(void **state) {
  (void)state;
  assert_true(bc_device_has(device));
  assert_true(bc_device_has(device + DEVICE_BYTES - 1));
  assert_false(bc_device_has(host));
  assert_false(bc_device_has(NULL));
}

/* Memory of the first device of a real driver; `host` is ordinary memory. */
static unsigned char *real_device_new(void *driver) {
  int (*init)(unsigned) = NULL, (*get)(int *, int) = NULL, (*retain)(void **, int) = NULL;
  int (*allocate)(uint64_t *, size_t) = NULL;
  const struct {
    const char *name;
    void *to;
  } functions[] = {{"cuInit", &init},
                   {"cuDeviceGet", &get},
                   {"cuDevicePrimaryCtxRetain", &retain},
                   {"cuCtxPushCurrent_v2", &enter},
                   {"cuCtxPopCurrent_v2", &leave},
                   {"cuMemAlloc_v2", &allocate},
                   {"cuMemcpyHtoD_v2", &fill}};
  int number = 0;
  void *ours;
  uint64_t address = 0;
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    void *found = dlsym(driver, functions[i].name);
    if (found == NULL) {
      return NULL;
    }
    *(void **)functions[i].to = found;
  }
  host = malloc(DEVICE_BYTES);
  if (host == NULL || init(0) != 0 || get(&number, 0) != 0 || retain(&primary, number) != 0 ||
      enter(primary) != 0 || allocate(&address, DEVICE_BYTES) != 0 || leave(&ours) != 0) {
    return NULL;
  }
  unsigned char *at = NULL;
  memcpy(&at, &address, sizeof at);
  return at;
}

int main(int argc, char **argv) {
  library = argc > 1 ? argv[1] : "";
  rdma = argc > 2 && strcmp(argv[2], "verbs") == 0;
  if (bc_device_has(&argc)) {
    return 1; /* no driver is there yet */
  }
  void *loaded = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
  unsigned char *(*make)(size_t, unsigned char **) = NULL;
  if (loaded != NULL) {
    *(void **)&make = dlsym(loaded, "fake_device_new");
  }
  faked = make != NULL;
  device = faked ? make(DEVICE_BYTES, &host) : loaded != NULL ? real_device_new(loaded) : NULL;
  if (device == NULL) {
    (void)fprintf(stderr, "test_device: %s can't be loaded, or has no device\n", library);
    return 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_lies_on_a_device_arrives),
      cmocka_unit_test(what_is_shared_with_an_rdma_device_is_the_array),
      cmocka_unit_test(host_memory_is_no_devices)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
