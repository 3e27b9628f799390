/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sockets with time limits. Every socket here is non-blocking and close-on-exec; functions that
 * wait take a deadline in nanoseconds of the monotonic clock and end with ERR_TIMEOUT when it
 * passes. Nothing here raises SIGPIPE.
 */
#ifndef BEAMCAST_SOCKET_H
#define BEAMCAST_SOCKET_H

#include <stdbool.h>
#include <sys/uio.h>

#include "beamcast_types.h"
#include "clock.h"
#include "protocol.h"

/* Listens on port (0: any) of all interfaces, IPv6 and IPv4, or of `host` alone. */
int bc_listen_tcp(const char *host, int port, int *bound_port, beamcast_error *error);
/* Listens on an abstract Unix socket. */
int bc_listen_unix(const char *name, beamcast_error *error);
/* The next connection, or -1: none, or an error in errno. */
int bc_accept(int listener);

int bc_connect_tcp(const char *host, int port, int64_t deadline, beamcast_error *error);
int bc_connect_unix(const char *name, int64_t deadline, beamcast_error *error);
void bc_close_fd(int *fd);

/* Waits until fd is ready for events (POLLIN, POLLOUT). */
int bc_wait(int fd, short events, int64_t deadline, beamcast_error *error);
int bc_send_all(int fd, const void *bytes, size_t size, int64_t deadline, beamcast_error *error);
/* Sends all of it; changes the vectors. */
int bc_send_vectors(int fd, struct iovec *vectors, size_t count, int64_t deadline,
                    beamcast_error *error);
int bc_receive_all(int fd, void *bytes, size_t size, int64_t deadline, beamcast_error *error);
/* Receives what can be had with a file descriptor that may come along (*passed, else -1). */
int bc_receive_with_fd(int fd, void *bytes, size_t size, int *passed, int64_t deadline,
                       beamcast_error *error);

/* Text that is equal on processes that can reach each other's abstract Unix sockets. */
void bc_host_id(char *text, size_t size);

/* A message as received: head and malloc'ed body. */
typedef struct bc_message {
  uint32_t type;
  unsigned char *body; /* free with bc_message_free */
  size_t size;
} bc_message;
void bc_message_free(bc_message *message);
/* Receives one whole message. If fd_out is not NULL, a descriptor may come with it (else -1). */
int bc_receive_message(int fd, bc_message *message, int *fd_out, int64_t deadline,
                       beamcast_error *error);
/* Sends what the writer holds and empties it. */
int bc_send_writer(int fd, bc_writer *writer, int64_t deadline, beamcast_error *error);
/* Sends what the writer holds, frees that, and receives the answer as bc_receive_message does. */
int bc_exchange(int fd, bc_writer *writer, bc_message *answer, int *fd_out, int64_t deadline,
                beamcast_error *error);

#endif
