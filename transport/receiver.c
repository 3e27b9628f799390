/* SPDX-License-Identifier: BSD-3-Clause
 * The receiver's life cycle, its control thread and its public calls; see receiver.h and server.h.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

enum { TICK_MS = 200, JOIN_SECONDS = 60 };

void bc_log(bc_receiver *r, const char *format, ...) {
  char line[BC_SENTENCE_MAX + 64];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  for (char *at = line; *at != '\0'; at++) {
    if ((unsigned char)*at < ' ') {
      *at = ' '; /* what a peer sent must not forge lines */
    }
  }
  if (r->options.log != NULL) {
    r->options.log(r->options.log_context, line);
  } else {
    (void)fprintf(stderr, "beamcast: %s\n", line);
  }
}

void bc_wake(bc_receiver *r) {
  uint64_t one = 1;
  (void)!write(r->wake, &one, sizeof one);
}

/* --- rank 0's messages to itself -----------------------------------------------------------------
 */

static void enqueue(bc_queued ***end, const bc_writer *writer) {
  bc_frame_head head;
  for (size_t at = 0; at + BC_FRAME_BYTES <= writer->size;
       at += BC_FRAME_BYTES + (size_t)head.size) {
    if (!bc_frame_head_read(writer->data + at, &head)) {
      return;
    }
    bc_queued *item = malloc(sizeof *item + (size_t)head.size + 1);
    if (item == NULL) {
      return;
    }
    item->next = NULL;
    item->type = head.type;
    item->size = (size_t)head.size;
    memcpy(item->body, writer->data + at + BC_FRAME_BYTES, item->size);
    **end = item;
    *end = &item->next;
  }
}

void bc_to_rank(bc_receiver *r, int rank, bc_writer *writer) {
  if (rank == 0) {
    enqueue(&r->to_rank_end, writer);
    writer->size = 0;
  } else if (r->peers[rank] != NULL) {
    bc_conn_send(r, r->peers[rank], writer);
  }
}

void bc_to_root(bc_receiver *r, bc_writer *writer) {
  if (r->rank == 0) {
    enqueue(&r->to_root_end, writer);
    writer->size = 0;
  } else if (r->root != NULL) {
    bc_conn_send(r, r->root, writer);
  }
  bc_wake(r);
}

static bc_queued *dequeue(bc_queued **first, bc_queued ***end) {
  bc_queued *item = *first;
  if (item != NULL) {
    *first = item->next;
    if (*first == NULL) {
      *end = first;
    }
  }
  return item;
}

static void deliver(bc_receiver *r) {
  for (;;) {
    bc_queued *item = dequeue(&r->to_rank, &r->to_rank_end);
    if (item != NULL) {
      bc_rank_message(r, item->type, item->body, item->size);
      free(item);
      continue;
    }
    item = dequeue(&r->to_root, &r->to_root_end);
    if (item == NULL) {
      return;
    }
    bc_root_answer(r, 0, item->type, item->body, item->size);
    free(item);
  }
}

/* --- the control thread --------------------------------------------------------------------------
 */

static void on_event(bc_receiver *r, const struct epoll_event *event) {
  if (event->data.ptr == &r->listener) {
    bc_door_accept(r, r->listener, false);
  } else if (event->data.ptr == &r->unix_listener) {
    bc_door_accept(r, r->unix_listener, true);
  } else if (event->data.ptr == &r->wake) {
    uint64_t ticks;
    (void)!read(r->wake, &ticks, sizeof ticks);
  } else {
    bc_conn *conn = event->data.ptr;
    if ((event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
      bc_conn_read(r, conn);
    }
  }
}

static void *control(void *argument) {
  bc_receiver *r = argument;
  struct epoll_event events[64];
  bool stop = false;
  while (!stop) {
    int count = epoll_wait(r->epoll, events, 64, TICK_MS);
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < count; i++) {
      on_event(r, &events[i]);
    }
    deliver(r);
    int64_t now = bc_now();
    if (now - r->last_tick > TICK_MS * (int64_t)1000000) {
      r->last_tick = now;
      if (r->rank == 0) {
        bc_root_tick(r, now);
      }
      deliver(r);
    }
    for (bc_conn *conn = r->conns; conn != NULL; conn = conn->next) {
      if (conn->out.size > conn->out_sent || conn->close_when_sent) {
        bc_conn_flush(r, conn);
      }
      bc_calls_flush(r, conn);
    }
    deliver(r);
    bc_door_sweep(r, now);
    stop = r->stop;
    pthread_mutex_unlock(&r->lock);
  }
  return NULL;
}

/* --- where we are --------------------------------------------------------------------------------
 */

static bool is_ours(const struct sockaddr *address) {
  struct ifaddrs *list = NULL;
  bool found = false;
  if (getifaddrs(&list) != 0) {
    return false;
  }
  for (struct ifaddrs *at = list; at != NULL && !found; at = at->ifa_next) {
    if (at->ifa_addr == NULL || at->ifa_addr->sa_family != address->sa_family) {
      continue;
    }
    if (address->sa_family == AF_INET) {
      found = ((const struct sockaddr_in *)(const void *)at->ifa_addr)->sin_addr.s_addr ==
              ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
    } else if (address->sa_family == AF_INET6) {
      found = memcmp(&((const struct sockaddr_in6 *)(const void *)at->ifa_addr)->sin6_addr,
                     &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16) == 0;
    }
  }
  freeifaddrs(list);
  return found;
}

static void find_host(const char *wanted, char *host, size_t size) {
  const char *given = wanted ? wanted : getenv("BEAMCAST_HOST");
  if (given != NULL && given[0] != '\0') {
    (void)snprintf(host, size, "%s", given);
    return;
  }
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  if (gethostname(host, size) == 0 && getaddrinfo(host, NULL, &hints, &found) == 0) {
    bool ours = is_ours(found->ai_addr);
    freeaddrinfo(found);
    if (ours) {
      return;
    }
  }
  (void)snprintf(host, size, "127.0.0.1");
}

/* Bytes, with K, M, G or T after them; 0 if the variable says nothing. */
static uint64_t limit_from_environment(const char *name) {
  const char *text = getenv(name);
  char *end = NULL;
  double value = text ? strtod(text, &end) : 0;
  if (text == NULL || end == text || !(value > 0)) {
    return 0;
  }
  const char *units = "KMGT";
  const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
  for (const char *at = units; unit != NULL && at <= unit; at++) {
    value *= 1024;
  }
  return value < 9e18 ? (uint64_t)value : 0;
}

/* --- life ----------------------------------------------------------------------------------------
 */

static int add_listener(bc_receiver *r, int *fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
  return epoll_ctl(r->epoll, EPOLL_CTL_ADD, *fd, &event);
}

static int open_all(bc_receiver *r, beamcast_error *error) {
  const bc_receiver_options *o = &r->options;
  unsigned char name[8];
  int port = 0;
  int code = bc_random(name, sizeof name, error);
  if (code != BEAMCAST_OK) {
    return code;
  }
  find_host(o->host, r->place.host, sizeof r->place.host);
  bc_host_id(r->place.host_id, sizeof r->place.host_id);
  bool only_loopback =
      o->host != NULL && (strcmp(o->host, "127.0.0.1") == 0 || strcmp(o->host, "localhost") == 0);
  r->listener = bc_listen_tcp(only_loopback ? o->host : NULL, o->port, &port, error);
  if (r->listener < 0) {
    return BEAMCAST_ERR_CONNECTION;
  }
  r->place.port = (uint32_t)port;
  (void)snprintf(r->place.unix_name, sizeof r->place.unix_name,
                 "beamcast-%d-%02x%02x%02x%02x%02x%02x%02x%02x", port, name[0], name[1], name[2],
                 name[3], name[4], name[5], name[6], name[7]);
  r->unix_listener = bc_listen_unix(r->place.unix_name, error);
  if (r->unix_listener < 0) {
    return BEAMCAST_ERR_CONNECTION;
  }
  beamcast_error why = {0};
  r->verbs = bc_verbs_server_open(&why);
  if (r->verbs == NULL && why.code != BEAMCAST_OK) {
    bc_log(r, "no RDMA: %s", why.message);
  }
  r->place.verbs = r->verbs != NULL;
  r->epoll = epoll_create1(EPOLL_CLOEXEC);
  r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (r->epoll < 0 || r->wake < 0 || add_listener(r, &r->listener) != 0 ||
      add_listener(r, &r->unix_listener) != 0 || add_listener(r, &r->wake) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no file descriptors are left: %s",
                         strerror(errno));
  }
  code = r->rank == 0 ? bc_token_draw(&r->token, error) : BEAMCAST_OK;
  return code == BEAMCAST_OK ? bc_data_start(r, error) : code;
}

/* The control thread starts with join: before it, a rank does not know the token. */
static int start_control(bc_receiver *r, beamcast_error *error) {
  if (pthread_create(&r->control, NULL, control, r) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "no control thread could be started");
  }
  r->control_started = true;
  return BEAMCAST_OK;
}

bc_receiver *bc_receiver_open(const bc_receiver_options *options, beamcast_error *error) {
  bc_receiver *r = calloc(1, sizeof *r);
  if (r == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
    return NULL;
  }
  if (options != NULL) {
    r->options = *options;
  }
  r->rank = r->options.rank;
  r->ranks = r->options.ranks > 0 ? r->options.ranks : 1;
  if (r->options.memory_limit == 0) {
    r->options.memory_limit = limit_from_environment("BEAMCAST_MEMORY_LIMIT");
  }
  if (r->options.step_limit == 0) {
    r->options.step_limit = limit_from_environment("BEAMCAST_STEP_LIMIT");
  }
  r->listener = r->unix_listener = r->epoll = r->wake = r->calls_fd = -1;
  r->to_root_end = &r->to_root;
  r->to_rank_end = &r->to_rank;
  r->references = 1;
  r->next_serial = r->next_session = r->next_version = r->next_epoch = 1;
  r->next_stream = 1;
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->idle, NULL);
  bc_cond_init(&r->joined);
  for (int i = 0; i < BC_DATA_THREADS_MAX; i++) {
    r->data[i].epoll = r->data[i].wake = -1;
  }
  int code = BEAMCAST_OK;
  if (r->rank < 0 || r->rank >= r->ranks || r->ranks > BC_SERVER_RANKS_MAX) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "rank %d of %d is not possible (at most %d)",
                         r->rank, r->ranks, BC_SERVER_RANKS_MAX);
  } else {
    code = open_all(r, error);
  }
  if (code == BEAMCAST_OK) {
    r->peers = calloc((size_t)r->ranks, sizeof(*r->peers));
    code = r->peers ? BEAMCAST_OK : beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  if (code != BEAMCAST_OK) {
    bc_receiver_close(r);
    return NULL;
  }
  return r;
}

void bc_receiver_address(const bc_receiver *r, unsigned char address[BC_ADDRESS_BYTES]) {
  bc_writer writer = {0};
  memset(address, 0, BC_ADDRESS_BYTES);
  bc_put_bytes(&writer, r->token.bytes, sizeof r->token.bytes);
  bc_put_place(&writer, &r->place);
  if (!writer.bad && writer.size <= BC_ADDRESS_BYTES) {
    memcpy(address, writer.data, writer.size);
  }
  bc_writer_free(&writer);
}

static int read_addresses(bc_receiver *r, const unsigned char *addresses, beamcast_error *error) {
  r->places = calloc((size_t)r->ranks, sizeof(*r->places));
  if (r->places == NULL) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  for (int i = 0; i < r->ranks; i++) {
    bc_reader reader = bc_reader_of(addresses + (size_t)i * BC_ADDRESS_BYTES, BC_ADDRESS_BYTES);
    const unsigned char *token = bc_get_bytes(&reader, BC_TOKEN_BYTES);
    if (i == 0) {
      memcpy(r->token.bytes, token, BC_TOKEN_BYTES);
      r->token.rights = BC_RIGHTS_FULL;
    }
    if (!bc_get_place(&reader, &r->places[i])) {
      return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the address of rank %d is damaged", i);
    }
  }
  return BEAMCAST_OK;
}

static int write_contact(bc_receiver *r, beamcast_error *error) {
  bc_contact contact = {.port = (int)r->place.port, .token = r->token};
  char folder[3900], host[BC_HOST_MAX] = "host";
  memcpy(contact.host, r->place.host, sizeof contact.host);
  if (r->options.contact != NULL) {
    (void)snprintf(r->contact, sizeof r->contact, "%s", r->options.contact);
  } else {
    int code = bc_run_folder(folder, sizeof folder, error);
    if (code != BEAMCAST_OK) {
      return code;
    }
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(r->contact, sizeof r->contact, "%s/%.60s-%ld.json", folder, host,
                   (long)getpid());
  }
  int code = bc_contact_write(r->contact, &contact, error);
  if (code != BEAMCAST_OK) {
    r->contact[0] = '\0';
  }
  return code;
}

static int wait_for_peers(bc_receiver *r, beamcast_error *error) {
  int64_t deadline = bc_deadline(JOIN_SECONDS);
  pthread_mutex_lock(&r->lock);
  while (r->peers_here < r->ranks - 1 && bc_cond_wait_until(&r->joined, &r->lock, deadline) == 0) {
  }
  int missing = r->ranks - 1 - r->peers_here;
  pthread_mutex_unlock(&r->lock);
  return missing == 0 ? BEAMCAST_OK
                      : beamcast_fail(error, BEAMCAST_ERR_TIMEOUT,
                                      "%d of the server's ranks did not reach rank 0 within %d s: "
                                      "is port %u of %s open between the nodes?",
                                      missing, JOIN_SECONDS, r->place.port, r->place.host);
}

int bc_receiver_join(bc_receiver *r, const unsigned char *addresses, beamcast_error *error) {
  int code = read_addresses(r, addresses, error);
  if (code == BEAMCAST_OK) {
    code = start_control(r, error);
  }
  if (code == BEAMCAST_OK) {
    code = r->rank != 0 ? bc_door_dial_root(r, error) : wait_for_peers(r, error);
  }
  if (code == BEAMCAST_OK && r->rank == 0) {
    code = write_contact(r, error);
  }
  return code;
}

const char *bc_receiver_contact(const bc_receiver *r) {
  return r->contact;
}

void bc_receiver_close(bc_receiver *r) {
  if (r == NULL) {
    return;
  }
  pthread_mutex_lock(&r->lock);
  if (r->root != NULL) { /* so that rank 0 knows that nothing has happened to this one */
    bc_writer writer = {0};
    bc_message_empty(&writer, BC_BYE);
    bc_conn_send(r, r->root, &writer);
    bc_conn_flush(r, r->root);
    bc_writer_free(&writer);
  }
  r->stop = true;
  pthread_mutex_unlock(&r->lock);
  if (r->contact[0] != '\0') {
    (void)unlink(r->contact);
  }
  if (r->control_started) {
    bc_wake(r);
    (void)pthread_join(r->control, NULL);
  }
  bc_data_stop(r);
  pthread_mutex_lock(&r->lock);
  while (r->relays > 0 || r->jobs > 0) {
    pthread_cond_wait(&r->idle, &r->lock);
  }
  bc_calls_close(r); /* they know their connections */
  for (bc_conn *conn = r->conns; conn != NULL; conn = conn->next) {
    conn->state = BC_CONN_DEAD;
  }
  bc_door_sweep(r, 0);
  bc_rank_close(r);
  bc_root_close(r);
  for (bc_queued *item; (item = dequeue(&r->to_rank, &r->to_rank_end)) != NULL;) {
    free(item);
  }
  for (bc_queued *item; (item = dequeue(&r->to_root, &r->to_root_end)) != NULL;) {
    free(item);
  }
  bc_verbs_server_close(r->verbs);
  bc_close_fd(&r->listener);
  bc_close_fd(&r->unix_listener);
  bc_close_fd(&r->epoll);
  bc_close_fd(&r->wake);
  free(r->places);
  free(r->peers);
  bool last = --r->references == 0;
  pthread_mutex_unlock(&r->lock);
  if (last) {
    pthread_mutex_destroy(&r->lock);
    free(r);
  }
}
