/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a connection begins: the server sends a nonce, the client says what it wants to be and proves
 * its token, the server answers and proves its own. Nothing else is read before that. Fixed sizes.
 */
#ifndef BEAMCAST_HANDSHAKE_H
#define BEAMCAST_HANDSHAKE_H

#include "contact.h"

enum {
  BC_HELLO_BYTES = 48, /* server: magic 8, version u32, zero u32, nonce 32 */
  BC_CLAIM_BYTES = 88, /* client: magic 8, version u32, role u8, rights u8, zero u16, rank u32,
                          zero u32, nonce 32, proof 32 */
  BC_ANSWER_BYTES = 48 /* server: magic 8, code u32, bytes of the sentence u32, proof 32; then the
                          sentence */
};

typedef struct bc_claim {
  uint32_t version;
  int role, rights;
  uint32_t rank; /* the server rank that is meant; the root passes on what is not for it */
} bc_claim;

void bc_hello_make(const unsigned char nonce[BC_NONCE_BYTES], unsigned char out[BC_HELLO_BYTES]);
/* ERR_PROTOCOL if it is no Beamcast server, ERR_REFUSED if it speaks another version. */
int bc_hello_read(const unsigned char hello[BC_HELLO_BYTES], beamcast_error *error);

void bc_claim_make(const unsigned char hello[BC_HELLO_BYTES], int role, uint32_t rank,
                   const bc_token *token, const unsigned char nonce[BC_NONCE_BYTES],
                   unsigned char out[BC_CLAIM_BYTES]);
/* Checks a claim against the full token. Returns BEAMCAST_OK and fills out, or ERR_REFUSED with a
 * sentence that may be sent back; `used` becomes the token that was proved. */
int bc_claim_check(const unsigned char claim[BC_CLAIM_BYTES],
                   const unsigned char hello[BC_HELLO_BYTES], const bc_token *full, bc_claim *out,
                   bc_token *used, beamcast_error *error);

/* sentence: "" on success. Returns the bytes written: at most BC_ANSWER_BYTES + BC_SENTENCE_MAX. */
size_t bc_answer_make(const unsigned char claim[BC_CLAIM_BYTES], const bc_token *used, int code,
                      const char *sentence, unsigned char *out);

/* The client's whole side, on a connected socket. */
int bc_handshake(int fd, int role, uint32_t rank, const bc_token *token, int64_t deadline,
                 beamcast_error *error);

#endif
