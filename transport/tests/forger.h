/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A peer of our own making, that sends what the library would not. All of these fail the test where
 * the server does not answer.
 */
#ifndef BEAMCAST_TESTS_FORGER_H
#define BEAMCAST_TESTS_FORGER_H

#include "contact.h"
#include "harness.h"
#include "socket.h"

bc_contact forger_contact(const server *s);
int forger_dial(const bc_contact *contact);
/* A connection past its handshake; the code of that goes to *code, and -1 comes if it failed. */
int forger_shake(const bc_contact *contact, const bc_token *token, int role, int *code);
int forger_shaken(const bc_contact *contact, int role);
/* Reads on until the server closes the connection. */
void forger_expect_closed(int fd);

void forger_send(int fd, bc_writer *writer); /* and frees it */
/* The next message of the type. */
bc_message forger_receive(int fd, uint32_t type);

/* A producer of our own making: joined, with a step of 8 x 8 x 8 uint16 open. */
typedef struct forger {
  int control, data;
  uint64_t session, serial;
} forger;

bc_grid forger_grid(void);                                   /* 8 x 8 x 8 */
forger forger_open(const bc_contact *contact, uint64_t run); /* of stream "forged" */
forger forger_open_stream(const bc_contact *contact, const char *stream, uint64_t run);
void forger_close(forger *f);
void forger_span(const forger *f, uint32_t array, const bc_box *box, uint64_t bytes); /* WRITE */
/* END with a header of so many bytes and an account for one rank. */
void forger_end(const forger *f, uint64_t arrays, size_t header, uint32_t account_rank,
                uint64_t bytes);

#endif
