/* SPDX-License-Identifier: BSD-3-Clause
 * The beginning of a connection; see handshake.h. */
#include "handshake.h"

#include <string.h>

#include "socket.h"

static const char magic[8] = {'B', 'E', 'A', 'M', 'C', 'A', 'S', 'T'};
static const char client_label[] = "beamcast 1 client";
static const char server_label[] = "beamcast 1 server";

enum { CLAIM_NONCE = 24, CLAIM_PROOF = 56, HELLO_NONCE = 16, ANSWER_PROOF = 16 };

void bc_hello_make(const unsigned char nonce[BC_NONCE_BYTES], unsigned char out[BC_HELLO_BYTES]) {
  memset(out, 0, BC_HELLO_BYTES);
  memcpy(out, magic, sizeof magic);
  out[8] = BC_VERSION;
  memcpy(out + HELLO_NONCE, nonce, BC_NONCE_BYTES);
}

int bc_hello_read(const unsigned char hello[BC_HELLO_BYTES], beamcast_error *error) {
  bc_reader reader = bc_reader_of(hello, BC_HELLO_BYTES);
  const unsigned char *start = bc_get_bytes(&reader, sizeof magic);
  uint32_t version = bc_get_u32(&reader);
  if (memcmp(start, magic, sizeof magic) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL,
                         "what answers there is no Beamcast server; is the port right?");
  }
  if (version != BC_VERSION) {
    return beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "the server speaks protocol version %u, this program %d: use the same "
                         "version of Beamcast on both sides",
                         version, BC_VERSION);
  }
  return BEAMCAST_OK;
}

void bc_claim_make(const unsigned char hello[BC_HELLO_BYTES], int role, uint32_t rank,
                   const bc_token *token, const unsigned char nonce[BC_NONCE_BYTES],
                   unsigned char out[BC_CLAIM_BYTES]) {
  memset(out, 0, BC_CLAIM_BYTES);
  memcpy(out, magic, sizeof magic);
  out[8] = BC_VERSION;
  out[12] = (unsigned char)role;
  out[13] = (unsigned char)token->rights;
  for (int i = 0; i < 4; i++) {
    out[16 + i] = (unsigned char)(rank >> (8 * i));
  }
  memcpy(out + CLAIM_NONCE, nonce, BC_NONCE_BYTES);
  bc_proof(token, client_label, hello, BC_HELLO_BYTES, out, CLAIM_PROOF, out + CLAIM_PROOF);
}

int bc_claim_check(const unsigned char claim[BC_CLAIM_BYTES],
                   const unsigned char hello[BC_HELLO_BYTES], const bc_token *full, bc_claim *out,
                   bc_token *used, beamcast_error *error) {
  bc_reader reader = bc_reader_of(claim, BC_CLAIM_BYTES);
  const unsigned char *start = bc_get_bytes(&reader, sizeof magic);
  bool ours = memcmp(start, magic, sizeof magic) == 0;
  out->version = bc_get_u32(&reader);
  out->role = bc_get_u8(&reader);
  out->rights = bc_get_u8(&reader);
  (void)bc_get_bytes(&reader, 2);
  out->rank = bc_get_u32(&reader);
  *used = *full;
  if (!ours) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "this is no Beamcast client");
  }
  if (out->version != BC_VERSION) {
    return beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "the server speaks protocol version %d, the client %u", BC_VERSION,
                         out->version);
  }
  if (out->rights == BC_RIGHTS_PUSH || out->rights == BC_RIGHTS_VIEW) {
    (void)bc_token_derive(full, out->rights, used, NULL);
  }
  unsigned char proof[BC_PROOF_BYTES];
  bc_proof(used, client_label, hello, BC_HELLO_BYTES, claim, CLAIM_PROOF, proof);
  if (!bc_proof_equal(proof, claim + CLAIM_PROOF)) {
    return beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "wrong token: use the contact file that this server wrote");
  }
  if (out->role < BC_ROLE_PRODUCER || out->role > BC_ROLE_FETCHER ||
      !bc_rights_allow(used->rights, (bc_role)out->role)) {
    return beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "this contact does not allow it: it is for %s only",
                         used->rights == BC_RIGHTS_PUSH ? "pushing" : "viewing");
  }
  return BEAMCAST_OK;
}

size_t bc_answer_make(const unsigned char claim[BC_CLAIM_BYTES], const bc_token *used, int code,
                      const char *sentence, unsigned char *out) {
  size_t length = strnlen(sentence, BC_SENTENCE_MAX);
  memset(out, 0, BC_ANSWER_BYTES);
  memcpy(out, magic, sizeof magic);
  out[8] = (unsigned char)code;
  out[12] = (unsigned char)length;
  out[13] = (unsigned char)(length >> 8);
  memcpy(out + BC_ANSWER_BYTES, sentence, length);
  if (code == BEAMCAST_OK) {
    bc_proof(used, server_label, claim, BC_CLAIM_BYTES, out, ANSWER_PROOF, out + ANSWER_PROOF);
  }
  return BC_ANSWER_BYTES + length;
}

static int read_answer(int fd, const unsigned char claim[BC_CLAIM_BYTES], const bc_token *token,
                       int64_t deadline, beamcast_error *error) {
  unsigned char answer[BC_ANSWER_BYTES], proof[BC_PROOF_BYTES];
  int code = bc_receive_all(fd, answer, sizeof answer, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  bc_reader reader = bc_reader_of(answer, sizeof answer);
  (void)bc_get_bytes(&reader, sizeof magic);
  uint32_t status = bc_get_u32(&reader), length = bc_get_u32(&reader);
  if (memcmp(answer, magic, sizeof magic) != 0 || length > BC_SENTENCE_MAX ||
      status > BEAMCAST_ERR_UNSUPPORTED) {
    return beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server's answer makes no sense");
  }
  if (status != BEAMCAST_OK) {
    char sentence[BC_SENTENCE_MAX + 1] = "";
    (void)bc_receive_all(fd, sentence, length, deadline, NULL);
    return beamcast_fail(error, (int)status, "%.*s", BC_SENTENCE_MAX - 1, sentence);
  }
  bc_proof(token, server_label, claim, BC_CLAIM_BYTES, answer, ANSWER_PROOF, proof);
  if (!bc_proof_equal(proof, answer + ANSWER_PROOF)) {
    return beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "what answers there can't prove that it is our server");
  }
  return BEAMCAST_OK;
}

int bc_handshake(int fd, int role, uint32_t rank, const bc_token *token, int64_t deadline,
                 beamcast_error *error) {
  unsigned char hello[BC_HELLO_BYTES], claim[BC_CLAIM_BYTES], nonce[BC_NONCE_BYTES];
  int code = bc_random(nonce, sizeof nonce, error);
  if (code == BEAMCAST_OK) {
    code = bc_receive_all(fd, hello, sizeof hello, deadline, error);
  }
  if (code == BEAMCAST_OK) {
    code = bc_hello_read(hello, error);
  }
  if (code == BEAMCAST_OK) {
    bc_claim_make(hello, role, rank, token, nonce, claim);
    code = bc_send_all(fd, claim, sizeof claim, deadline, error);
  }
  if (code == BEAMCAST_OK) {
    code = read_answer(fd, claim, token, deadline, error);
  }
  return code;
}
