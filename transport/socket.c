/* SPDX-License-Identifier: BSD-3-Clause
 * Sockets with time limits; see socket.h. */
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"

void bc_close_fd(int *fd) {
  if (*fd >= 0) {
    (void)close(*fd);
    *fd = -1;
  }
}

static void tune(int fd) {
  int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* a peer whose host has vanished is noticed within a minute, also while nothing is sent */
  int idle = 30, interval = 10, count = 3;
  (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  /* and while something is sent: retransmissions alone would go on for a quarter of an hour */
  unsigned int unanswered = 90000;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
}

static int listen_at(const struct addrinfo *at, int *bound_port) {
  int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
  int on = 1, off = 0;
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  if (fd < 0) {
    return -1;
  }
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (at->ai_family == AF_INET6) {
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, 1024) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
    int bad = errno;
    (void)close(fd);
    errno = bad;
    return -1;
  }
  *bound_port =
      ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                                          : ((struct sockaddr_in *)(void *)&address)->sin_port);
  return fd;
}

int bc_listen_tcp(const char *host, int port, int *bound_port, beamcast_error *error) {
  char service[16];
  (void)snprintf(service, sizeof service, "%d", port);
  int fd = -1, bad = 0;
  const int families[] = {AF_INET6, AF_INET};
  for (int i = 0; i < 2 && fd < 0; i++) {
    struct addrinfo hints = {
        .ai_family = families[i], .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, service, &hints, &found) != 0) {
      bad = EADDRNOTAVAIL;
      continue;
    }
    fd = listen_at(found, bound_port);
    bad = fd < 0 ? errno : 0;
    freeaddrinfo(found);
  }
  if (fd < 0) {
    beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "can't listen on port %d%s%s: %s", port,
                  host ? " of " : "", host ? host : "", strerror(bad));
  }
  return fd;
}

static socklen_t unix_address(const char *name, struct sockaddr_un *address) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  size_t length = strlen(name);
  if (length > sizeof address->sun_path - 1) {
    length = sizeof address->sun_path - 1;
  }
  memcpy(address->sun_path + 1, name, length);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

int bc_listen_unix(const char *name, beamcast_error *error) {
  struct sockaddr_un address;
  socklen_t size = unix_address(name, &address);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0) {
    beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "can't listen on a Unix socket: %s",
                  strerror(errno));
    bc_close_fd(&fd);
  }
  return fd;
}

int bc_accept(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    tune(fd);
  }
  return fd;
}

int bc_wait(int fd, short events, int64_t deadline, beamcast_error *error) {
  for (;;) {
    int64_t left = deadline - bc_now();
    int milliseconds = left <= 0 ? 0 : left > 3600000000000 ? 3600000 : (int)(left / 1000000 + 1);
    struct pollfd item = {.fd = fd, .events = events};
    int ready = poll(&item, 1, bc_wait_before_asking(milliseconds));
    if (ready > 0) {
      return BEAMCAST_OK;
    }
    if (bc_is_interrupted()) {
      return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT, "waiting for the server was interrupted");
    }
    if (ready < 0 && errno != EINTR) {
      return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "waiting for the server failed: %s",
                           strerror(errno));
    }
    if (ready == 0 && bc_now() >= deadline) {
      return beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                           "the server did not answer within the time limit");
    }
  }
}

static int connect_socket(int fd, const struct sockaddr *address, socklen_t size, int64_t deadline,
                          beamcast_error *error) {
  if (connect(fd, address, size) == 0) {
    return BEAMCAST_OK;
  }
  if (errno != EINPROGRESS && errno != EAGAIN) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "%s", strerror(errno));
  }
  int code = bc_wait(fd, POLLOUT, deadline, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  int bad = 0;
  socklen_t length = sizeof bad;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &bad, &length) != 0) {
    bad = errno;
  }
  if (bad != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "%s", strerror(bad));
  }
  return BEAMCAST_OK;
}

int bc_connect_tcp(const char *host, int port, int64_t deadline, beamcast_error *error) {
  char service[16];
  (void)snprintf(service, sizeof service, "%d", port);
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  int wrong = getaddrinfo(host, service, &hints, &found);
  if (wrong != 0) {
    beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the host %s is not known here: %s", host,
                  gai_strerror(wrong));
    return -1;
  }
  beamcast_error why = {0};
  int fd = -1;
  for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
    fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0) {
      beamcast_fail(&why, BEAMCAST_ERR_CONNECTION, "%s", strerror(errno));
      continue;
    }
    if (connect_socket(fd, at->ai_addr, at->ai_addrlen, deadline, &why) != BEAMCAST_OK) {
      bc_close_fd(&fd);
    }
  }
  freeaddrinfo(found);
  if (fd < 0) {
    beamcast_fail(error, why.code,
                  "no connection to %s port %d: %.300s; is the server still running, and its port "
                  "open to this machine?",
                  host, port, why.message);
  } else {
    tune(fd);
  }
  return fd;
}

int bc_connect_unix(const char *name, int64_t deadline, beamcast_error *error) {
  struct sockaddr_un address;
  socklen_t size = unix_address(name, &address);
  beamcast_error why = {0};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "no Unix socket: %s", strerror(errno));
  } else if (connect_socket(fd, (struct sockaddr *)&address, size, deadline, &why) != BEAMCAST_OK) {
    beamcast_fail(error, why.code, "no connection to the server on this host: %.300s", why.message);
    bc_close_fd(&fd);
  }
  return fd;
}

int bc_send_vectors(int fd, struct iovec *vectors, size_t count, int64_t deadline,
                    beamcast_error *error) {
  size_t at = 0;
  while (at < count) {
    size_t batch = count - at < 1024 ? count - at : 1024;
    struct msghdr message = {.msg_iov = vectors + at, .msg_iovlen = batch};
    ssize_t done = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (done < 0) {
      if (errno == EINTR) {
        continue;
      }
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        return beamcast_fail(error, BEAMCAST_ERR_CONNECTION,
                             "the connection to the server broke: %s", strerror(errno));
      }
      int code = bc_wait(fd, POLLOUT, deadline, error);
      if (code != BEAMCAST_OK) {
        return code;
      }
      continue;
    }
    size_t left = (size_t)done;
    while (at < count && left >= vectors[at].iov_len) {
      left -= vectors[at++].iov_len;
    }
    if (left > 0) {
      vectors[at].iov_base = (char *)vectors[at].iov_base + left;
      vectors[at].iov_len -= left;
    }
  }
  return BEAMCAST_OK;
}

int bc_send_all(int fd, const void *bytes, size_t size, int64_t deadline, beamcast_error *error) {
  struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
  return bc_send_vectors(fd, &vector, 1, deadline, error);
}

static ssize_t receive_some(int fd, void *bytes, size_t size, int *passed) {
  struct iovec vector = {.iov_base = bytes, .iov_len = size};
  union {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (passed != NULL) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
  }
  ssize_t done = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (done > 0 && passed != NULL) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        bc_close_fd(passed);
        memcpy(passed, CMSG_DATA(c), sizeof *passed);
      }
    }
  }
  return done;
}

int bc_receive_with_fd(int fd, void *bytes, size_t size, int *passed, int64_t deadline,
                       beamcast_error *error) {
  char *to = bytes;
  while (size > 0) {
    ssize_t done = receive_some(fd, to, size, passed);
    if (done > 0) {
      to += done;
      size -= (size_t)done;
      continue;
    }
    if (done == 0) {
      return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the server closed the connection");
    }
    if (errno == EINTR) {
      continue;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      return beamcast_fail(error, BEAMCAST_ERR_CONNECTION, "the connection to the server broke: %s",
                           strerror(errno));
    }
    int code = bc_wait(fd, POLLIN, deadline, error);
    if (code != BEAMCAST_OK) {
      return code;
    }
  }
  return BEAMCAST_OK;
}

int bc_receive_all(int fd, void *bytes, size_t size, int64_t deadline, beamcast_error *error) {
  return bc_receive_with_fd(fd, bytes, size, NULL, deadline, error);
}

void bc_host_id(char *text, size_t size) {
  char boot[64] = "";
  FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (file != NULL) {
    if (fgets(boot, sizeof boot, file) == NULL) {
      boot[0] = '\0';
    }
    (void)fclose(file);
  }
  boot[strcspn(boot, "\n")] = '\0';
  struct stat network = {0};
  (void)stat("/proc/self/ns/net", &network);
  (void)snprintf(text, size, "%s:%llx", boot, (unsigned long long)network.st_ino);
}

void bc_message_free(bc_message *message) {
  free(message->body);
  memset(message, 0, sizeof *message);
}

int bc_receive_message(int fd, bc_message *message, int *fd_out, int64_t deadline,
                       beamcast_error *error) {
  unsigned char bytes[BC_FRAME_BYTES];
  bc_frame_head head;
  memset(message, 0, sizeof *message);
  if (fd_out != NULL) {
    *fd_out = -1;
  }
  int code = bc_receive_with_fd(fd, bytes, sizeof bytes, fd_out, deadline, error);
  if (code == BEAMCAST_OK && !bc_frame_head_read(bytes, &head)) {
    code = beamcast_fail(error, BEAMCAST_ERR_PROTOCOL, "the server sent what is no message");
  }
  if (code == BEAMCAST_OK) {
    message->type = head.type;
    message->size = (size_t)head.size;
    message->body = malloc(message->size + 1);
    code = message->body == NULL
               ? beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a message of the server")
               : bc_receive_with_fd(fd, message->body, message->size, fd_out, deadline, error);
  }
  if (code != BEAMCAST_OK) {
    bc_message_free(message);
    if (fd_out != NULL) {
      bc_close_fd(fd_out);
    }
  }
  return code;
}

int bc_send_writer(int fd, bc_writer *writer, int64_t deadline, beamcast_error *error) {
  int code = writer->bad ? beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no memory for a message")
                         : bc_send_all(fd, writer->data, writer->size, deadline, error);
  writer->size = 0;
  return code;
}

int bc_exchange(int fd, bc_writer *writer, bc_message *answer, int *fd_out, int64_t deadline,
                beamcast_error *error) {
  int code = bc_send_writer(fd, writer, deadline, error);
  bc_writer_free(writer);
  return code == BEAMCAST_OK ? bc_receive_message(fd, answer, fd_out, deadline, error) : code;
}
