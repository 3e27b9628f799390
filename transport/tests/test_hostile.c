/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whoever comes to a server's port: strangers, tokens with lesser rights, and many that say
 * nothing. They are turned away, told once in the log, and take no memory; others do not notice.
 *   test_hostile [WIRE]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contact.h"
#include "forger.h"
#include "handshake.h"
#include "harness.h"
#include "scenery.h"
#include "socket.h"

/* --- tokens and rights ---------------------------------------------------------------------------
 */

static void a_wrong_token_is_refused_and_logged_once(void **state) {
  (void)state;
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  char text[BC_TOKEN_TEXT] = "";
  child stranger = producer_start();
  order connect = {.kind = P_CONNECT, .stream = "good", .ranks = 1, .run = 9, .limit = 60};
  memcpy(connect.contact, c.s.contact, sizeof connect.contact);
  for (int rights = BC_RIGHTS_FULL; rights <= BC_RIGHTS_PUSH; rights++) {
    bc_token wrong = contact.token;
    wrong.bytes[31] ^= 1;
    wrong.rights = rights;
    bc_token_text(&wrong, text);
    memcpy(connect.text, text, sizeof text);
    answer a = ask(&stranger, &connect);
    assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
    if (strstr(a.text, "wrong token") == NULL) {
      fail_test("a wrong token: %s", a.text);
    }
    expect_logged(&c.s, "wrong token", (uint64_t)rights);
    scenery_go_on(&c);
  }
  producer_exit(&stranger);
  scenery_tear_down(&c);
}

static void lesser_rights_allow_what_they_say_and_no_more(void **state) {
  (void)state;
  scenery c = scenery_set_up(2);
  bc_contact contact = forger_contact(&c.s);
  char text[BC_TOKEN_TEXT] = "", path[160];
  bc_token push, view;
  assert_int_equal(bc_token_derive(&contact.token, BC_RIGHTS_PUSH, &push, NULL), BEAMCAST_OK);
  assert_int_equal(bc_token_derive(&contact.token, BC_RIGHTS_VIEW, &view, NULL), BEAMCAST_OK);
  child producer[1] = {producer_start()};
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 9, .limit = 60};
  memcpy(connect.contact, c.s.contact, sizeof connect.contact);
  bc_token_text(&view, text);
  memcpy(connect.text, text, sizeof text);
  answer a = ask(&producer[0], &connect);
  assert_int_equal(a.code, BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(a.text, "viewing"));
  bc_token_text(&push, text);
  memcpy(connect.text, text, sizeof text);
  assert_int_equal(ask(&producer[0], &connect).code, BEAMCAST_OK);
  assert_int_equal(producers_step(producer, 1, &c.scene, 1), BEAMCAST_OK);
  server_wait_received(&c.s, "volume", 1);
  (void)snprintf(path, sizeof path, "%s.lesser", c.s.contact);
  beamcast_volume_data got;
  beamcast_error error = {0};
  contact.token = push;
  assert_int_equal(bc_contact_write(path, &contact, NULL), BEAMCAST_OK);
  assert_int_equal(beamcast_stream_retrieve(path, "volume", NULL, NULL, NULL, 60, &got, &error),
                   BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(error.message, "pushing"));
  contact.token = view;
  assert_int_equal(bc_contact_write(path, &contact, NULL), BEAMCAST_OK);
  assert_int_equal(beamcast_stream_retrieve(path, "volume", NULL, NULL, NULL, 60, &got, &error),
                   BEAMCAST_OK);
  beamcast_volume_free(&got);
  (void)unlink(path);
  const int allowed[6] = {0, 1, 1, 0, 0, 0};
  for (int role = BC_ROLE_PRODUCER; role <= BC_ROLE_FETCHER; role++) {
    int code, fd = forger_shake(&contact, &push, role, &code);
    assert_int_equal(code, allowed[role] ? BEAMCAST_OK : BEAMCAST_ERR_REFUSED);
    bc_close_fd(&fd);
  }
  producer_exit(&producer[0]);
  scenery_tear_down(&c);
}

static void another_version_is_refused_and_logged_once(void **state) {
  (void)state;
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  unsigned char hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES], nonce[BC_NONCE_BYTES] = {0};
  int fd = forger_dial(&contact);
  assert_int_equal(bc_receive_all(fd, hello, sizeof hello, bc_deadline(60), NULL), BEAMCAST_OK);
  bc_claim_make(hello, BC_ROLE_PRODUCER, 0, &contact.token, nonce, claim);
  claim[8] = 77;
  assert_int_equal(bc_send_all(fd, claim, sizeof claim, bc_deadline(60), NULL), BEAMCAST_OK);
  forger_expect_closed(fd);
  bc_close_fd(&fd);
  expect_logged(&c.s, "the client 77", 1);
  scenery_tear_down(&c);
}

/* --- before the handshake ------------------------------------------------------------------------
 */

static void random_bytes_are_refused(void **state) {
  (void)state;
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  for (uint64_t i = 1; i <= 40; i++) {
    unsigned char bytes[2000];
    int fd = forger_dial(&contact);
    size_t size = (size_t)draw(&harness_random, BC_CLAIM_BYTES, sizeof bytes);
    for (size_t k = 0; k < size; k++) {
      bytes[k] = (unsigned char)draw64(&harness_random);
    }
    (void)bc_send_all(fd, bytes, size, bc_deadline(60), NULL);
    forger_expect_closed(fd);
    bc_close_fd(&fd);
    expect_logged(&c.s, "no Beamcast client", i);
  }
  scenery_tear_down(&c);
}

static void a_slow_handshake_holds_nobody_up(void **state) {
  (void)state;
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  unsigned char hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES], nonce[BC_NONCE_BYTES] = {0};
  unsigned char answered[BC_ANSWER_BYTES];
  int fd = forger_dial(&contact);
  assert_int_equal(bc_receive_all(fd, hello, sizeof hello, bc_deadline(60), NULL), BEAMCAST_OK);
  bc_claim_make(hello, BC_ROLE_VIEWER, 0, &contact.token, nonce, claim);
  for (size_t i = 0; i < sizeof claim; i += 11) {
    assert_int_equal(bc_send_all(fd, claim + i, 11, bc_deadline(60), NULL), BEAMCAST_OK);
    scenery_go_on(&c);
  }
  assert_int_equal(bc_receive_all(fd, answered, sizeof answered, bc_deadline(60), NULL),
                   BEAMCAST_OK);
  assert_int_equal(answered[8], BEAMCAST_OK);
  bc_close_fd(&fd);
  scenery_tear_down(&c);
}

static void hundreds_that_say_nothing_take_no_memory(void **state) {
  (void)state;
  enum { MANY = 300 };
  static int fds[MANY];
  scenery c = scenery_set_up(1);
  bc_contact contact = forger_contact(&c.s);
  for (int i = 0; i < MANY; i++) {
    fds[i] = forger_dial(&contact);
  }
  scenery_go_on(&c);
  answer during = ask(&c.s.rank[0], &(order){.kind = R_USAGE});
  assert_in_range(during.files, c.before.files, c.before.files + 260);
  assert_true(harness_slow() || during.resident < c.before.resident + (2 << 20));
  /* one that knows what to say still comes in, as soon as the others' time is over */
  child producer[1] = {producer_start()};
  order connect = {.kind = P_CONNECT, .stream = "volume", .ranks = 1, .run = 9, .limit = 90};
  memcpy(connect.contact, c.s.contact, sizeof connect.contact);
  assert_int_equal(ask(&producer[0], &connect).code, BEAMCAST_OK);
  assert_int_equal(producers_step(producer, 1, &c.scene, 1), BEAMCAST_OK);
  for (int i = 0; i < MANY; i++) {
    forger_expect_closed(fds[i]);
    bc_close_fd(&fds[i]);
  }
  expect_logged(&c.s, "more are turned away", 1);
  producer_exit(&producer[0]);
  scenery_tear_down(&c);
}

/* Many producers that make their connections at once are such a crowd. */
static void who_is_turned_away_tries_again(void **state) {
  (void)state;
  enum { FULL = 256 };
  static int fds[FULL];
  unsigned char hello[BC_HELLO_BYTES];
  scenery c = scenery_set_up(2);
  bc_contact contact = forger_contact(&c.s);
  child producer = producer_start();
  assert_int_equal(producer_connect(&producer, &c.s, "volume", 0, 1, 9).code, BEAMCAST_OK);
  assert_int_equal(producer_begin(&producer, 1, 0), BEAMCAST_OK);
  for (int i = 0; i < FULL; i++) {
    fds[i] = forger_dial(&contact);
    assert_int_equal(bc_receive_all(fds[i], hello, sizeof hello, bc_deadline(60), NULL),
                     BEAMCAST_OK);
  }
  assert_int_equal(server_logged(&c.s, "more are turned away"), 0);
  tell(&producer, &(order){.kind = P_PUT, .scene = c.scene}); /* connects to the ranks */
  server_wait_logged(&c.s, "more are turned away", 1);
  nap(0.2); /* and is turned away more than once */
  for (int i = 0; i < FULL; i++) {
    bc_close_fd(&fds[i]);
  }
  answer a = hear(&producer);
  if (a.code != BEAMCAST_OK) {
    fail_test("put: %s", a.text);
  }
  assert_int_equal(producer_end(&producer), BEAMCAST_OK);
  server_wait_received(&c.s, "volume", 1);
  expect_logged(&c.s, "more are turned away", 1);
  producer_exit(&producer);
  scenery_tear_down(&c);
}

#define TEST(NAME) cmocka_unit_test_teardown(NAME, harness_clean)

int main(int argc, char **argv) {
  harness_begin(argc, argv);
  const struct CMUnitTest tests[] = {
      TEST(a_wrong_token_is_refused_and_logged_once),
      TEST(lesser_rights_allow_what_they_say_and_no_more),
      TEST(another_version_is_refused_and_logged_once),
      TEST(random_bytes_are_refused),
      TEST(a_slow_handshake_holds_nobody_up),
      TEST(hundreds_that_say_nothing_take_no_memory),
      TEST(who_is_turned_away_tries_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
