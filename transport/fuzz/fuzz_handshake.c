/* SPDX-License-Identifier: BSD-3-Clause
 * Both sides of the handshake. An even first byte: the rest is a claim that a server checks; it
 * must not be believed without the token. An odd one: the rest is what a server sends to a client.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handshake.h"
#include "socket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void server_side(const uint8_t *data, size_t size, const bc_token *token) {
  unsigned char hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES] = {0}, nonce[BC_NONCE_BYTES];
  unsigned char answer[BC_ANSWER_BYTES + BC_SENTENCE_MAX];
  bc_claim out;
  bc_token used;
  beamcast_error error = {0};
  (void)bc_random(nonce, sizeof nonce, NULL);
  bc_hello_make(nonce, hello);
  memcpy(claim, data, size < sizeof claim ? size : sizeof claim);
  int code = bc_claim_check(claim, hello, token, &out, &used, &error);
  if (code == BEAMCAST_OK) {
    abort();
  }
  (void)bc_answer_make(claim, &used, code, error.message, answer);
}

static void client_side(const uint8_t *data, size_t size, const bc_token *token) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
    return;
  }
  (void)!write(pair[0], data, size);
  (void)shutdown(pair[0], SHUT_WR);
  if (bc_handshake(pair[1], BC_ROLE_PRODUCER, 0, token, bc_deadline(5), NULL) == BEAMCAST_OK) {
    abort();
  }
  (void)close(pair[0]);
  (void)close(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bc_token token;
  if (token.rights == 0 && bc_token_draw(&token, NULL) != BEAMCAST_OK) {
    abort();
  }
  if (size > 0) {
    (data[0] % 2 == 0 ? server_side : client_side)(data + 1, size - 1, &token);
  }
  return 0;
}
