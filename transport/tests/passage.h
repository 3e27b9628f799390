/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A door in front of the server's, on the loopback interface of where it is opened, as ssh makes
 * one. It passes bytes on while a producer carries out an order, and can keep connections waiting.
 */
#ifndef BEAMCAST_TESTS_PASSAGE_H
#define BEAMCAST_TESTS_PASSAGE_H

#include "contact.h"
#include "harness.h"

enum { PASSAGE_MAX = 16 };

typedef struct passage {
  bc_contact contact; /* the server's */
  int listener, port;
  int wait_for; /* control goes through at once; others hear nothing before so many are there */
  int count, dialled;
  int fd[PASSAGE_MAX][2]; /* of the producer, and of the server once it is dialled */
} passage;

passage passage_open(const server *s, int wait_for);
/* Has an order to connect lead through it. */
void passage_contact(const passage *p, order *connect);
/* As ask. */
answer passage_ask(passage *p, child *producer, const order *o);
void passage_close(passage *p);

#endif
