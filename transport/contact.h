/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tokens, what they allow, the proof of one, and the contact file. Relies on libsodium. A token is
 * never printed, logged or put on a command line.
 */
#ifndef BEAMCAST_CONTACT_H
#define BEAMCAST_CONTACT_H

#include "beamcast_types.h"
#include "protocol.h"

enum { BC_TOKEN_BYTES = 32, BC_NONCE_BYTES = 32, BC_PROOF_BYTES = 32, BC_TOKEN_TEXT = 80 };

/* What a token allows. */
typedef enum bc_rights {
  BC_RIGHTS_FULL = 1, /* push, view, ask producers */
  BC_RIGHTS_PUSH = 2,
  BC_RIGHTS_VIEW = 3
} bc_rights;

typedef struct bc_token {
  unsigned char bytes[BC_TOKEN_BYTES];
  int rights; /* bc_rights */
} bc_token;

typedef struct bc_contact {
  char host[BC_HOST_MAX];
  int port;
  bc_token token;
} bc_contact;

bool bc_rights_allow(int rights, bc_role role);

/* A fresh random token with full rights. */
int bc_token_draw(bc_token *token, beamcast_error *error);
/* The lesser token for rights, by keyed hash of the full one. ERR_ARGUMENT if `full` is not full.
 */
int bc_token_derive(const bc_token *full, int rights, bc_token *lesser, beamcast_error *error);
/* Text form: 64 hexadecimal digits, with "push-" or "view-" before it for lesser ones. */
void bc_token_text(const bc_token *token, char text[BC_TOKEN_TEXT]);
int bc_token_parse(const char *text, bc_token *token, beamcast_error *error);

/* Keyed BLAKE2b-256 of label, first and second under the token. */
void bc_proof(const bc_token *token, const char *label, const unsigned char *first,
              size_t first_size, const unsigned char *second, size_t second_size,
              unsigned char proof[BC_PROOF_BYTES]);
bool bc_proof_equal(const unsigned char a[BC_PROOF_BYTES], const unsigned char b[BC_PROOF_BYTES]);
int bc_random(unsigned char *bytes, size_t size, beamcast_error *error);

/* Reads a contact file, or parses beamcast://host:port. token: text, or NULL for the file's own, or
 * for an address $BEAMCAST_TOKEN. A file that is not there is ERR_CONNECTION (it may still come).
 */
int bc_contact_read(const char *contact, const char *token, bc_contact *out, beamcast_error *error);
/* Writes it, mode 0600, in one piece (a new file, renamed). */
int bc_contact_write(const char *path, const bc_contact *contact, beamcast_error *error);
/* The folder for run files of this user (made if missing, mode 0700): $XDG_RUNTIME_DIR/beamcast,
 * else /tmp/beamcast-UID. */
int bc_run_folder(char *path, size_t size, beamcast_error *error);

#endif
