/* SPDX-License-Identifier: BSD-3-Clause
 * See passage.h. */
#include "passage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <poll.h>
#include <unistd.h>

#include "forger.h"

passage passage_open(const server *s, int wait_for) {
  passage p = {.contact = forger_contact(s), .wait_for = wait_for};
  p.listener = bc_listen_tcp("127.0.0.1", 0, &p.port, NULL);
  assert_true(p.listener >= 0);
  return p;
}

void passage_contact(const passage *p, order *connect) {
  bc_token_text(&p->contact.token, connect->text);
  (void)snprintf(connect->contact, sizeof connect->contact, "beamcast://127.0.0.1:%d", p->port);
}

static void admit(passage *p) {
  assert_true(p->count < PASSAGE_MAX);
  p->fd[p->count++][0] = bc_accept(p->listener);
  while (p->dialled < p->count && (p->dialled == 0 || p->count >= p->wait_for)) {
    p->fd[p->dialled++][1] = forger_dial(&p->contact);
  }
}

/* False when one side has ended. */
static bool pass(int from, int to) {
  unsigned char bytes[4096];
  ssize_t size = read(from, bytes, sizeof bytes);
  if (size > 0) {
    assert_int_equal(bc_send_all(to, bytes, (size_t)size, bc_deadline(60), NULL), BEAMCAST_OK);
  }
  return size > 0;
}

answer passage_ask(passage *p, child *producer, const order *o) {
  tell(producer, o);
  for (;;) {
    struct pollfd items[2 + 2 * PASSAGE_MAX] = {{.fd = producer->fd, .events = POLLIN},
                                                {.fd = p->listener, .events = POLLIN}};
    for (int i = 0; i < 2 * p->dialled; i++) {
      items[2 + i] = (struct pollfd){.fd = p->fd[i / 2][i % 2], .events = POLLIN};
    }
    assert_true(poll(items, 2 + 2 * (nfds_t)p->dialled, 60000) > 0);
    if (items[0].revents != 0) {
      return hear(producer);
    }
    for (int i = 0; i < 2 * p->dialled; i++) {
      if (items[2 + i].revents != 0 && p->fd[i / 2][i % 2] >= 0 &&
          !pass(p->fd[i / 2][i % 2], p->fd[i / 2][1 - i % 2])) {
        bc_close_fd(&p->fd[i / 2][0]);
        bc_close_fd(&p->fd[i / 2][1]);
      }
    }
    if (items[1].revents != 0) {
      admit(p);
    }
  }
}

void passage_close(passage *p) {
  for (int i = 0; i < 2 * p->count; i++) {
    if (i / 2 < p->dialled || i % 2 == 0) {
      bc_close_fd(&p->fd[i / 2][i % 2]);
    }
  }
  bc_close_fd(&p->listener);
}
