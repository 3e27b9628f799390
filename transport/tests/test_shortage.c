/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where something runs out or jumps: the memory of a control group, a disk, the date. Each needs
 * rights of its own; without them that one is skipped.
 *   test_shortage [WIRE]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "contact.h"
#include "handshake.h"
#include "harness.h"
#include "sender.h"
#include "socket.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static bool write_text(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0) {
    (void)close(fd);
  }
  return good;
}

/* --- memory --------------------------------------------------------------------------------------
 */

static char group[128];

/* A control group of either version with a limit; false where this process may make none. */
static bool make_group(const char *limit) {
  static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
  static const char *const limits[] = {"memory.limit_in_bytes", "memory.max"};
  char path[256];
  for (int i = 0; i < 2; i++) {
    (void)snprintf(group, sizeof group, "%s/beamcast-test-%d", roots[i], (int)getpid());
    (void)snprintf(path, sizeof path, "%s/%s", group, limits[i]);
    if (mkdir(group, 0755) == 0) {
      if (write_text(path, limit)) {
        return true;
      }
      (void)rmdir(group);
    }
  }
  group[0] = '\0';
  return false;
}

static int leave_group(void **state) {
  (void)harness_clean(state);
  for (int i = 0; i < 1000 && group[0] != '\0' && rmdir(group) != 0; i++) {
    nap(0.005); /* its processes have ended, but the kernel has not counted them out */
  }
  group[0] = '\0';
  return 0;
}

static void what_a_control_group_has_not_is_refused_and_nobody_is_killed(void **state) {
  (void)state;
  char path[256], pid[32];
#ifdef SANITIZED
  skip(); /* a sanitizer takes more memory than the group has */
#endif
  if (!make_group("37748736")) { /* 36 MiB */
    (void)printf("skipped: the right to make a control group with a limit of memory is missing\n");
    skip();
  }
  const uint64_t fits[3] = {256, 256, 192}, too_large[3] = {512, 512, 160};
  test_scene good = scene_plain(81, 1, fits, BEAMCAST_UINT8), /* 12 MiB */
      bad = scene_plain(82, 1, too_large, BEAMCAST_UINT8);
  child producer[1];
  assert_int_equal(setenv("BEAMCAST_MEMORY_LIMIT", "1T", 1), 0);
  server s = server_start(1, 0);
  assert_int_equal(unsetenv("BEAMCAST_MEMORY_LIMIT"), 0);
  (void)snprintf(path, sizeof path, "%s/cgroup.procs", group);
  (void)snprintf(pid, sizeof pid, "%d", (int)s.rank[0].pid);
  assert_true(write_text(path, pid));
  if (strcmp(harness_wire, "tcp") == 0) {
    (void)setenv("BEAMCAST_WIRE", "shm", 1); /* buffers of sockets would count, too */
  }
  producers_connect(producer, 1, &s, "volume", 7);
  uint64_t step = 1;
  for (uint64_t received = 1; received <= 3; received++) { /* three slots would not fit */
    int code = BEAMCAST_DROPPED;
    for (int i = 0; i < 20000 && code == BEAMCAST_DROPPED; i++) {
      code = producer_begin(&producer[0], ++step, 0);
      nap(code == BEAMCAST_DROPPED ? 0.005 : 0);
    }
    assert_int_equal(code, BEAMCAST_OK);
    assert_int_equal(producer_put(&producer[0], &good), BEAMCAST_OK);
    assert_int_equal(producer_end(&producer[0]), BEAMCAST_OK);
    server_wait_received(&s, "volume", received);
  }
  order put = {.kind = P_PUT, .scene = bad};
  answer a = {.code = BEAMCAST_DROPPED};
  uint64_t last = step;
  for (int i = 0; i < 20000 && a.code == BEAMCAST_DROPPED; i++) {
    (void)producer_begin(&producer[0], ++step, 0);
    a = ask(&producer[0], &put);
    nap(a.code == BEAMCAST_DROPPED ? 0.005 : 0);
  }
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "GiB left"));
  server_wait_logged(&s, "GiB left", 1);
  (void)producer_end(&producer[0]);
  check_retrieved(&s, "volume", &good, 7, last); /* by this process, outside of the group */
  (void)setenv("BEAMCAST_WIRE", harness_wire, 1);
  producer_exit(&producer[0]);
  server_stop(&s);
}

/* --- disks ---------------------------------------------------------------------------------------
 */

static char disk[64];

/* A file system of 64 KiB with no byte left, in a namespace of this process. */
static bool make_full_disk(void) {
  char path[128], page[4096] = {0};
  (void)snprintf(disk, sizeof disk, "/tmp/beamcast-disk-XXXXXX");
  if (mkdtemp(disk) == NULL) {
    return false;
  }
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("tmpfs", disk, "tmpfs", 0, "size=64k") != 0) {
    (void)rmdir(disk);
    return false;
  }
  (void)snprintf(path, sizeof path, "%s/filler", disk);
  int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  while (write(fd, page, sizeof page) > 0) {
  }
  (void)close(fd);
  return true;
}

static int leave_disk(void **state) {
  (void)harness_clean(state);
  if (disk[0] != '\0' && umount(disk) == 0) {
    (void)rmdir(disk);
  }
  disk[0] = '\0';
  return 0;
}

/* What a server without a log function writes goes to stderr: here to the full disk. */
static int serve_with_full_log(const char *contact) {
  char path[128];
  unsigned char address[BC_ADDRESS_BYTES];
  (void)snprintf(path, sizeof path, "%s/filler", disk);
  if (freopen(path, "a", stderr) == NULL) {
    return 1;
  }
  bc_receiver_options options = {.contact = contact, .memory_limit = 1 << 20};
  bc_contact at;
  bc_receiver *r = bc_receiver_open(&options, NULL);
  if (r == NULL) {
    return 2;
  }
  bc_receiver_address(r, address);
  if (bc_receiver_join(r, address, NULL) != BEAMCAST_OK ||
      bc_contact_read(contact, NULL, &at, NULL) != BEAMCAST_OK) {
    return 3;
  }
  for (int i = 0; i <= 20; i++) { /* 20 are refused and logged */
    at.token.bytes[0] ^= (unsigned char)(i == 0 || i == 20);
    int fd = bc_connect_tcp(at.host, at.port, bc_deadline(60), NULL);
    int code = bc_handshake(fd, BC_ROLE_VIEWER, 0, &at.token, bc_deadline(60), NULL);
    bc_close_fd(&fd);
    if (code != (i == 20 ? BEAMCAST_OK : BEAMCAST_ERR_REFUSED)) {
      return 4;
    }
  }
  bc_receiver_close(r);
  return 0;
}

static void a_full_disk_is_named_and_a_full_log_is_no_harm(void **state) {
  (void)state;
  if (!make_full_disk()) {
    (void)printf("skipped: the right to mount a file system is missing\n");
    skip();
  }
  server s = server_to_come(2);
  (void)snprintf(s.contact, sizeof s.contact, "%s/contact.json", disk);
  answer a = server_try(&s, 0);
  assert_int_equal(a.code, BEAMCAST_ERR_IO);
  assert_non_null(strstr(a.text, strerror(ENOSPC)));
  assert_non_null(strstr(a.text, disk));
  assert_int_not_equal(access(s.contact, F_OK), 0); /* no half of a contact */
  server_stop(&s);
  char contact[96];
  (void)snprintf(contact, sizeof contact, "/tmp/beamcast-contact-%d.json", (int)getpid());
  pid_t serving = fork();
  if (serving == 0) {
    _exit(serve_with_full_log(contact));
  }
  int status = 0;
  assert_int_equal(waitpid(serving, &status, 0), serving);
  (void)unlink(contact);
  assert_int_equal(status, 0);
}

/* --- the date ------------------------------------------------------------------------------------
 */

static atomic_int asked_for_date;

#ifndef SANITIZED
__attribute__((visibility("default"))) int clock_gettime(clockid_t which, struct timespec *now);

/* In the place of the C library's: the date is another one each time. */
int clock_gettime(clockid_t which, struct timespec *now) {
  int code = (int)syscall(SYS_clock_gettime, which, now);
  if (which == CLOCK_REALTIME) {
    now->tv_sec += atomic_fetch_add(&asked_for_date, 1) % 2 ? 86400 : -86400;
  }
  return code;
}
#endif

/* Steps and more than a second of silence in one process, whose clock jumps by days. */
static int push_while_date_jumps(void) {
  char contact[96];
  unsigned char address[BC_ADDRESS_BYTES], voxels[512] = {1};
  const int64_t stride[3] = {1, 8, 64};
  const bc_grid grid = {
      .volume = {8, 8, 8}, .spacing = {1, 1, 1}, .direction = {1, 0, 0, 0, 1, 0, 0, 0, 1}};
  const bc_array_spec spec = {.name = "volume", .type = BEAMCAST_UINT8, .components = 1};
  const bc_box box = {.shape = {8, 8, 8}};
  const bc_receiver_options options = {.contact = contact, .memory_limit = 1 << 20};
  const bc_sender_options o = {
      .stream = "volume", .run_id = 1, .ranks = 1, .limit = 60, .wire = harness_wire};
  (void)snprintf(contact, sizeof contact, "/tmp/beamcast-date-%d.json", (int)getpid());
  bc_receiver *r = bc_receiver_open(&options, NULL);
  bc_receiver_address(r, address);
  int code = bc_receiver_join(r, address, NULL);
  bc_sender *sender = code == BEAMCAST_OK ? bc_sender_open(contact, NULL, &o, NULL) : NULL;
  for (uint64_t step = 1; step <= 3 && sender != NULL && code == BEAMCAST_OK; step++) {
    code = bc_sender_begin(sender, step, 0, NULL);
    code = code ? code : bc_sender_put(sender, &spec, &grid, &box, voxels, stride, NULL);
    code = code ? code : bc_sender_end(sender, "{}", NULL);
    nap(step == 2 ? 1.5 : 0); /* its pulse beats */
  }
  code = sender == NULL ? 1 : code;
  bc_sender_close(sender);
  bc_receiver_close(r);
  return code;
}

static void a_jump_of_the_date_changes_nothing(void **state) {
  (void)state;
#ifdef SANITIZED
  skip();
#endif
  pid_t pushing = fork();
  if (pushing == 0) {
    struct timespec now; /* the libraries come to this one as well */
    int (*seen_by_all)(clockid_t, struct timespec *) = NULL;
    *(void **)&seen_by_all = dlsym(RTLD_DEFAULT, "clock_gettime");
    if (seen_by_all != clock_gettime || clock_gettime(CLOCK_REALTIME, &now) != 0) {
      _exit(2);
    }
    atomic_store(&asked_for_date, 0);
    int code = push_while_date_jumps();
    int asked = atomic_load(&asked_for_date);
    if (code != BEAMCAST_OK || asked != 0) {
      (void)fprintf(stderr, "code %d; asked for the date %d times\n", code, asked);
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(pushing, &status, 0), pushing);
  assert_int_equal(status, 0);
}

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(what_a_control_group_has_not_is_refused_and_nobody_is_killed,
                                leave_group),
      cmocka_unit_test_teardown(a_full_disk_is_named_and_a_full_log_is_no_harm, leave_disk),
      cmocka_unit_test_teardown(a_jump_of_the_date_changes_nothing, harness_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
