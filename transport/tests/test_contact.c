/* SPDX-License-Identifier: BSD-3-Clause
 * Tokens, contact files and the handshake: who has which right, and who is turned away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handshake.h"
#include "random.h"
#include "socket.h"

static random_state numbers;
static char folder[64];

static const char *in_folder(const char *name) {
  static char path[128];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static bc_token drawn(void) {
  bc_token token;
  assert_int_equal(bc_token_draw(&token, NULL), BEAMCAST_OK);
  return token;
}

static bc_token lesser(const bc_token *full, int rights) {
  bc_token token;
  assert_int_equal(bc_token_derive(full, rights, &token, NULL), BEAMCAST_OK);
  return token;
}

/* --- tokens --------------------------------------------------------------------------------------
 */

static void tokens_differ_and_lesser_ones_derive_always_alike(void **state) {
  (void)state;
  bc_token a = drawn(), b = drawn();
  bc_token push = lesser(&a, BC_RIGHTS_PUSH), again = lesser(&a, BC_RIGHTS_PUSH);
  bc_token view = lesser(&a, BC_RIGHTS_VIEW), other = lesser(&b, BC_RIGHTS_PUSH);
  assert_memory_not_equal(a.bytes, b.bytes, BC_TOKEN_BYTES);
  assert_memory_equal(push.bytes, again.bytes, BC_TOKEN_BYTES);
  assert_memory_not_equal(push.bytes, view.bytes, BC_TOKEN_BYTES);
  assert_memory_not_equal(push.bytes, a.bytes, BC_TOKEN_BYTES);
  assert_memory_not_equal(push.bytes, other.bytes, BC_TOKEN_BYTES);
  assert_int_equal(push.rights, BC_RIGHTS_PUSH);
  assert_int_equal(bc_token_derive(&push, BC_RIGHTS_VIEW, &other, NULL), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(bc_token_derive(&a, BC_RIGHTS_FULL, &other, NULL), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(bc_token_derive(&a, 77, &other, NULL), BEAMCAST_ERR_ARGUMENT);
}

static void rights_allow_what_they_say(void **state) {
  (void)state;
  const bool expected[4][6] = {{0},
                               {false, true, true, true, true, true},
                               {false, true, true, false, false, false},
                               {false, false, false, false, true, true}};
  for (int rights = 0; rights < 4; rights++) {
    for (int role = 0; role < 6; role++) {
      assert_int_equal(bc_rights_allow(rights, (bc_role)role), expected[rights][role]);
    }
  }
}

static void a_token_as_text_comes_back(void **state) {
  (void)state;
  bc_token full = drawn();
  for (int rights = BC_RIGHTS_FULL; rights <= BC_RIGHTS_VIEW; rights++) {
    bc_token token = rights == BC_RIGHTS_FULL ? full : lesser(&full, rights), got;
    char text[BC_TOKEN_TEXT];
    bc_token_text(&token, text);
    assert_int_equal(strlen(text), rights == BC_RIGHTS_FULL ? 64 : 69);
    assert_int_equal(bc_token_parse(text, &got, NULL), BEAMCAST_OK);
    assert_int_equal(got.rights, rights);
    assert_memory_equal(got.bytes, token.bytes, BC_TOKEN_BYTES);
    for (size_t cut = 0; cut < strlen(text); cut++) {
      char part[BC_TOKEN_TEXT];
      (void)snprintf(part, sizeof part, "%.*s", (int)cut, text);
      assert_int_equal(bc_token_parse(part, &got, NULL), BEAMCAST_ERR_ARGUMENT);
      memcpy(part, text, sizeof part);
      part[cut] = '!';
      assert_int_equal(bc_token_parse(part, &got, NULL), BEAMCAST_ERR_ARGUMENT);
    }
    char longer[BC_TOKEN_TEXT + 4];
    (void)snprintf(longer, sizeof longer, "%s00", text);
    assert_int_equal(bc_token_parse(longer, &got, NULL), BEAMCAST_ERR_ARGUMENT);
  }
}

/* --- contacts ------------------------------------------------------------------------------------
 */

static void a_contact_file_comes_back_and_is_its_owners_alone(void **state) {
  (void)state;
  const char *path = in_folder("contact.json");
  bc_contact contact = {.host = "node17.example.org", .port = 40123, .token = drawn()}, got;
  beamcast_error error = {0};
  (void)umask(0);
  for (int round = 0; round < 2; round++) { /* the second time over the first */
    assert_int_equal(bc_contact_write(path, &contact, &error), BEAMCAST_OK);
    struct stat found;
    assert_int_equal(lstat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    assert_int_equal(bc_contact_read(path, NULL, &got, &error), BEAMCAST_OK);
    assert_string_equal(got.host, contact.host);
    assert_int_equal(got.port, contact.port);
    assert_memory_equal(&got.token, &contact.token, sizeof got.token);
    contact.port++;
  }
  bc_token push = lesser(&contact.token, BC_RIGHTS_PUSH);
  char text[BC_TOKEN_TEXT];
  bc_token_text(&push, text);
  assert_int_equal(bc_contact_read(path, text, &got, &error), BEAMCAST_OK);
  assert_memory_equal(&got.token, &push, sizeof push);
}

static void a_link_in_the_contacts_place_is_replaced_and_its_target_left_alone(void **state) {
  (void)state;
  char victim[128], draft[160];
  (void)snprintf(victim, sizeof victim, "%s/victim", folder);
  write_file(victim, "precious");
  const char *path = in_folder("linked.json");
  (void)snprintf(draft, sizeof draft, "%s.%ld.new", path, (long)getpid());
  assert_int_equal(symlink(victim, path), 0);
  assert_int_equal(symlink(victim, draft), 0);
  bc_contact contact = {.host = "h", .port = 1, .token = drawn()};
  assert_int_equal(bc_contact_write(path, &contact, NULL), BEAMCAST_OK);
  struct stat found;
  assert_int_equal(lstat(path, &found), 0);
  assert_true(S_ISREG(found.st_mode));
  char text[16] = "";
  FILE *file = fopen(victim, "re");
  assert_non_null(file);
  assert_non_null(fgets(text, sizeof text, file));
  (void)fclose(file);
  assert_string_equal(text, "precious");
}

static void a_contact_that_is_none_is_refused_with_a_sentence(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int code;
  } files[] = {
      {"", BEAMCAST_ERR_ARGUMENT},
      {"{", BEAMCAST_ERR_ARGUMENT},
      {"[1, 2]", BEAMCAST_ERR_ARGUMENT},
      {"{\"beamcast\": 1, \"host\": \"h\"}", BEAMCAST_ERR_ARGUMENT},
      {"{\"beamcast\": 1, \"host\": 5, \"port\": 5}", BEAMCAST_ERR_ARGUMENT},
      {"{\"beamcast\": 1, \"host\": \"h\", \"port\": 65536}", BEAMCAST_ERR_ARGUMENT},
      {"{\"beamcast\": 1, \"host\": \"h\", \"port\": -1}", BEAMCAST_ERR_ARGUMENT},
      {"{\"beamcast\": 2, \"host\": \"h\", \"port\": 5}", BEAMCAST_ERR_REFUSED},
      {"{\"beamcast\": 1, \"host\": \"h\", \"port\": 5}", BEAMCAST_ERR_ARGUMENT},
      {"{\"beamcast\": 1, \"host\": \"h\", \"port\": 5, \"token\": \"ab\"}", BEAMCAST_ERR_ARGUMENT},
  };
  const char *path = in_folder("wrong.json");
  bc_contact got;
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    beamcast_error error = {0};
    write_file(path, files[i].text);
    assert_int_equal(bc_contact_read(path, NULL, &got, &error), files[i].code);
    assert_true(strlen(error.message) > 10);
  }
  assert_int_equal(bc_contact_read(in_folder("none"), NULL, &got, NULL), BEAMCAST_ERR_CONNECTION);
  assert_int_equal(bc_contact_read(NULL, NULL, &got, NULL), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(bc_contact_read("", NULL, &got, NULL), BEAMCAST_ERR_ARGUMENT);
}

static void addresses_are_parsed(void **state) {
  (void)state;
  bc_token token = drawn();
  char text[BC_TOKEN_TEXT];
  bc_token_text(&token, text);
  bc_contact got;
  assert_int_equal(bc_contact_read("beamcast://node:4000", text, &got, NULL), BEAMCAST_OK);
  assert_string_equal(got.host, "node");
  assert_int_equal(got.port, 4000);
  assert_memory_equal(&got.token, &token, sizeof token);
  assert_int_equal(bc_contact_read("beamcast://[fd77::1]:5/", text, &got, NULL), BEAMCAST_OK);
  assert_string_equal(got.host, "fd77::1");
  static const char *const wrong[] = {"beamcast://",       "beamcast://h",       "beamcast://:5",
                                      "beamcast://h:0",    "beamcast://h:65536", "beamcast://h:5x",
                                      "beamcast://h:5/x/", "beamcast://h:"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_int_equal(bc_contact_read(wrong[i], text, &got, NULL), BEAMCAST_ERR_ARGUMENT);
  }
  assert_int_equal(setenv("BEAMCAST_TOKEN", text, 1), 0);
  assert_int_equal(bc_contact_read("beamcast://h:5", NULL, &got, NULL), BEAMCAST_OK);
  assert_memory_equal(&got.token, &token, sizeof token);
  assert_int_equal(unsetenv("BEAMCAST_TOKEN"), 0);
  assert_int_equal(bc_contact_read("beamcast://h:5", NULL, &got, NULL), BEAMCAST_ERR_ARGUMENT);
}

static void the_run_folder_is_ours_alone(void **state) {
  (void)state;
  char path[256], planted[160];
  struct stat found;
  assert_int_equal(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
  assert_int_equal(bc_run_folder(path, sizeof path, NULL), BEAMCAST_OK);
  assert_int_equal(lstat(path, &found), 0);
  assert_true(S_ISDIR(found.st_mode));
  assert_int_equal(found.st_mode & 0777, 0700);
  assert_int_equal(chmod(path, 0755), 0);
  assert_int_equal(bc_run_folder(path, sizeof path, NULL), BEAMCAST_ERR_IO);
  assert_int_equal(rmdir(path), 0);
  (void)snprintf(planted, sizeof planted, "%s/beamcast", folder);
  assert_int_equal(symlink("/", planted), 0);
  assert_int_equal(bc_run_folder(path, sizeof path, NULL), BEAMCAST_ERR_IO);
  assert_int_equal(unlink(planted), 0);
  assert_int_equal(bc_run_folder(path, 5, NULL), BEAMCAST_ERR_ARGUMENT);
  assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
}

/* --- the handshake -------------------------------------------------------------------------------
 */

typedef struct exchange {
  unsigned char hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES];
  bc_token full;
} exchange;

static exchange make_exchange(int role, int rights, uint32_t rank) {
  exchange e = {.full = drawn()};
  unsigned char nonce[BC_NONCE_BYTES];
  bc_token token = rights == BC_RIGHTS_FULL ? e.full : lesser(&e.full, rights);
  assert_int_equal(bc_random(nonce, sizeof nonce, NULL), BEAMCAST_OK);
  bc_hello_make(nonce, e.hello);
  assert_int_equal(bc_random(nonce, sizeof nonce, NULL), BEAMCAST_OK);
  bc_claim_make(e.hello, role, rank, &token, nonce, e.claim);
  return e;
}

static int check(const exchange *e, bc_claim *claim, bc_token *used, beamcast_error *error) {
  return bc_claim_check(e->claim, e->hello, &e->full, claim, used, error);
}

static void a_claim_is_believed_where_token_and_rights_fit(void **state) {
  (void)state;
  for (int role = BC_ROLE_PRODUCER; role <= BC_ROLE_FETCHER; role++) {
    for (int rights = BC_RIGHTS_FULL; rights <= BC_RIGHTS_VIEW; rights++) {
      exchange e = make_exchange(role, rights, 70000);
      bc_claim claim;
      bc_token used;
      bool allowed = bc_rights_allow(rights, (bc_role)role);
      assert_int_equal(check(&e, &claim, &used, NULL),
                       allowed ? BEAMCAST_OK : BEAMCAST_ERR_REFUSED);
      if (allowed) {
        assert_int_equal(claim.role, role);
        assert_int_equal(claim.rights, rights);
        assert_int_equal(claim.rank, 70000);
        assert_int_equal(used.rights, rights);
      }
    }
  }
}

static void a_claim_with_any_byte_changed_is_refused(void **state) {
  (void)state;
  exchange good = make_exchange(BC_ROLE_PRODUCER, BC_RIGHTS_PUSH, 0);
  bc_claim claim;
  bc_token used;
  assert_int_equal(check(&good, &claim, &used, NULL), BEAMCAST_OK);
  for (int i = 0; i < BC_CLAIM_BYTES; i++) {
    exchange bad = good;
    bad.claim[i] ^= (unsigned char)(1 << draw(&numbers, 0, 7));
    assert_int_not_equal(check(&bad, &claim, &used, NULL), BEAMCAST_OK);
  }
  for (int i = 0; i < BC_HELLO_BYTES; i++) { /* replayed to another connection */
    exchange bad = good;
    bad.hello[i] ^= 1;
    assert_int_equal(check(&bad, &claim, &used, NULL), BEAMCAST_ERR_REFUSED);
  }
}

static void a_view_token_cannot_be_passed_off_as_a_full_one(void **state) {
  (void)state;
  exchange e = make_exchange(BC_ROLE_VIEWER, BC_RIGHTS_VIEW, 0);
  bc_token forged = lesser(&e.full, BC_RIGHTS_VIEW);
  unsigned char nonce[BC_NONCE_BYTES] = {0};
  bc_claim claim;
  bc_token used;
  for (int rights = 0; rights < 256; rights++) {
    forged.rights = rights;
    bc_claim_make(e.hello, BC_ROLE_PRODUCER, 0, &forged, nonce, e.claim);
    assert_int_equal(check(&e, &claim, &used, NULL), BEAMCAST_ERR_REFUSED);
  }
}

static void another_version_is_refused_by_its_number(void **state) {
  (void)state;
  exchange e = make_exchange(BC_ROLE_PRODUCER, BC_RIGHTS_FULL, 0);
  bc_claim claim;
  bc_token used;
  beamcast_error error = {0};
  e.claim[8] = 99;
  assert_int_equal(check(&e, &claim, &used, &error), BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(error.message, "99"));
  e.hello[8] = 98;
  assert_int_equal(bc_hello_read(e.hello, &error), BEAMCAST_ERR_REFUSED);
  assert_non_null(strstr(error.message, "98"));
  e.hello[0] = 'X';
  assert_int_equal(bc_hello_read(e.hello, &error), BEAMCAST_ERR_PROTOCOL);
}

/* A server's side that answers as it is told. */
typedef struct answering {
  int fd;
  bc_token token; /* used for the proof */
  int code;
  const char *sentence;
  int spoil; /* byte of the answer that is altered, -1 for none */
} answering;

static void *answer(void *argument) {
  answering *a = argument;
  unsigned char nonce[BC_NONCE_BYTES] = {1, 2, 3}, hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES];
  unsigned char out[BC_ANSWER_BYTES + BC_SENTENCE_MAX];
  int64_t deadline = bc_deadline(30);
  bc_hello_make(nonce, hello);
  if (bc_send_all(a->fd, hello, sizeof hello, deadline, NULL) == BEAMCAST_OK &&
      bc_receive_all(a->fd, claim, sizeof claim, deadline, NULL) == BEAMCAST_OK) {
    size_t size = bc_answer_make(claim, &a->token, a->code, a->sentence, out);
    if (a->spoil >= 0) {
      out[a->spoil] ^= 0x55;
    }
    (void)bc_send_all(a->fd, out, size, deadline, NULL);
  }
  (void)close(a->fd);
  return NULL;
}

static int shake(answering a, const bc_token *token, beamcast_error *error) {
  int pair[2];
  pthread_t thread;
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  a.fd = pair[0];
  assert_int_equal(pthread_create(&thread, NULL, answer, &a), 0);
  int code = bc_handshake(pair[1], BC_ROLE_PRODUCER, 0, token, bc_deadline(30), error);
  assert_int_equal(pthread_join(thread, NULL), 0);
  (void)close(pair[1]);
  return code;
}

static void a_client_trusts_only_a_server_with_the_token(void **state) {
  (void)state;
  beamcast_error error = {0};
  bc_token token = drawn(), other = drawn();
  answering good = {.token = token, .sentence = "", .spoil = -1}, bad = good;
  assert_int_equal(shake(good, &token, &error), BEAMCAST_OK);
  bad.token = other;
  assert_int_equal(shake(bad, &token, &error), BEAMCAST_ERR_REFUSED);
  for (int i = 0; i < BC_ANSWER_BYTES; i++) {
    bad = good;
    bad.spoil = i;
    assert_int_not_equal(shake(bad, &token, &error), BEAMCAST_OK);
  }
}

static void a_refusals_sentence_arrives(void **state) {
  (void)state;
  beamcast_error error = {0};
  bc_token token = drawn();
  answering refusing = {
      .token = token, .code = BEAMCAST_ERR_REFUSED, .sentence = "not today", .spoil = -1};
  assert_int_equal(shake(refusing, &token, &error), BEAMCAST_ERR_REFUSED);
  assert_string_equal(error.message, "not today");
}

static void a_silent_server_ends_in_a_timeout(void **state) {
  (void)state;
  int pair[2];
  bc_token token = drawn();
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
  assert_int_equal(bc_handshake(pair[1], BC_ROLE_VIEWER, 0, &token, bc_deadline(0.05), NULL),
                   BEAMCAST_ERR_TIMEOUT);
  (void)close(pair[0]);
  assert_int_equal(bc_handshake(pair[1], BC_ROLE_VIEWER, 0, &token, bc_deadline(30), NULL),
                   BEAMCAST_ERR_CONNECTION);
  (void)close(pair[1]);
}

static int make_folder(void **state) {
  (void)state;
  (void)snprintf(folder, sizeof folder, "/tmp/beamcast-test-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  static const char *const names[] = {"contact.json", "linked.json", "victim", "wrong.json"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    (void)unlink(in_folder(names[i]));
  }
  return rmdir(folder);
}

int main(void) {
  numbers = random_from_environment();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tokens_differ_and_lesser_ones_derive_always_alike),
      cmocka_unit_test(rights_allow_what_they_say),
      cmocka_unit_test(a_token_as_text_comes_back),
      cmocka_unit_test(a_contact_file_comes_back_and_is_its_owners_alone),
      cmocka_unit_test(a_link_in_the_contacts_place_is_replaced_and_its_target_left_alone),
      cmocka_unit_test(a_contact_that_is_none_is_refused_with_a_sentence),
      cmocka_unit_test(addresses_are_parsed),
      cmocka_unit_test(the_run_folder_is_ours_alone),
      cmocka_unit_test(a_claim_is_believed_where_token_and_rights_fit),
      cmocka_unit_test(a_claim_with_any_byte_changed_is_refused),
      cmocka_unit_test(a_view_token_cannot_be_passed_off_as_a_full_one),
      cmocka_unit_test(another_version_is_refused_by_its_number),
      cmocka_unit_test(a_client_trusts_only_a_server_with_the_token),
      cmocka_unit_test(a_refusals_sentence_arrives),
      cmocka_unit_test(a_silent_server_ends_in_a_timeout),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
