/* SPDX-License-Identifier: BSD-3-Clause
 * Devices, addresses and bytes of the verbs wire; see wire_verbs.h. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "wire_verbs.h"

static const char magic[4] = {'B', 'C', 'V', '1'};

void bc_put_verbs_at(bc_writer *writer, const bc_verbs_at *at) {
  bc_put_bytes(writer, at->ticket, sizeof at->ticket);
  bc_put_u64(writer, at->cookie);
  bc_put_u32(writer, at->port);
  bc_put_u32(writer, at->count);
  for (uint32_t i = 0; i < at->count; i++) {
    bc_put_text(writer, at->address[i]);
  }
}

bool bc_get_verbs_at(bc_reader *reader, bc_verbs_at *at) {
  const unsigned char *ticket = bc_get_bytes(reader, sizeof at->ticket);
  memset(at, 0, sizeof *at);
  if (ticket != NULL) {
    memcpy(at->ticket, ticket, sizeof at->ticket);
  }
  at->cookie = bc_get_u64(reader);
  at->port = bc_get_u32(reader);
  at->count = bc_get_u32(reader);
  if (reader->bad || at->port == 0 || at->port > UINT16_MAX || at->count == 0 ||
      at->count > BC_VERBS_ADDRESSES) {
    at->count = 0;
    return false;
  }
  for (uint32_t i = 0; i < at->count; i++) {
    bc_get_text(reader, at->address[i], sizeof at->address[i]);
  }
  return !reader->bad;
}

void bc_verbs_hello_write(const bc_verbs_at *at, uint32_t number,
                          unsigned char bytes[BC_VERBS_HELLO_BYTES]) {
  bc_writer writer = {.data = bytes, .capacity = BC_VERBS_HELLO_BYTES};
  bc_put_bytes(&writer, magic, sizeof magic);
  bc_put_u32(&writer, number);
  bc_put_u64(&writer, at->cookie);
  bc_put_bytes(&writer, at->ticket, sizeof at->ticket);
}

bool bc_verbs_hello_read(const void *bytes, size_t size, bc_verbs_at *at, uint32_t *number) {
  bc_reader reader = bc_reader_of(bytes, size < BC_VERBS_HELLO_BYTES ? 0 : BC_VERBS_HELLO_BYTES);
  const unsigned char *begin = bc_get_bytes(&reader, sizeof magic);
  bool ours = begin != NULL && memcmp(begin, magic, sizeof magic) == 0;
  *number = bc_get_u32(&reader);
  at->cookie = bc_get_u64(&reader);
  const unsigned char *ticket = bc_get_bytes(&reader, sizeof at->ticket);
  if (ticket != NULL) {
    memcpy(at->ticket, ticket, sizeof at->ticket);
  }
  return ours && !reader.bad && *number < BC_QUEUES_MAX;
}

void bc_verbs_answer_write(const bc_verbs_fence *fence,
                           unsigned char bytes[BC_VERBS_ANSWER_BYTES]) {
  bc_writer writer = {.data = bytes, .capacity = BC_VERBS_ANSWER_BYTES};
  bc_put_bytes(&writer, magic, sizeof magic);
  bc_put_u32(&writer, fence->key);
  bc_put_u64(&writer, fence->address);
}

bool bc_verbs_answer_read(const void *bytes, size_t size, bc_verbs_fence *fence) {
  bc_reader reader = bc_reader_of(bytes, size < BC_VERBS_ANSWER_BYTES ? 0 : BC_VERBS_ANSWER_BYTES);
  const unsigned char *begin = bc_get_bytes(&reader, sizeof magic);
  bool ours = begin != NULL && memcmp(begin, magic, sizeof magic) == 0;
  fence->key = bc_get_u32(&reader);
  fence->address = bc_get_u64(&reader);
  return ours && !reader.bad;
}

/* --- devices -------------------------------------------------------------------------------------
 */

static bool named(struct ibv_device *device) {
  const char *wanted = getenv("BEAMCAST_RDMA_DEVICE");
  return wanted == NULL || wanted[0] == '\0' || strcmp(ibv_get_device_name(device), wanted) == 0;
}

bool bc_verbs_present(void) {
  int count = 0;
  bool found = false;
  if (access("/dev/infiniband/rdma_cm", R_OK | W_OK) != 0) {
    return false;
  }
  struct ibv_device **list = ibv_get_device_list(&count);
  for (int i = 0; list != NULL && i < count; i++) {
    found = found || named(list[i]);
  }
  if (list != NULL) {
    ibv_free_device_list(list);
  }
  return found;
}

bool bc_verbs_wanted(const struct ibv_context *device) {
  return device != NULL && named(device->device);
}

/* Bytes of an address that means something to another host; else 0. */
static size_t usable(const struct ifaddrs *item) {
  if (item->ifa_addr == NULL || !(item->ifa_flags & IFF_UP) || item->ifa_flags & IFF_LOOPBACK) {
    return 0;
  }
  if (item->ifa_addr->sa_family == AF_INET) {
    return sizeof(struct sockaddr_in);
  }
  if (item->ifa_addr->sa_family == AF_INET6) {
    struct sockaddr_in6 address;
    memcpy(&address, item->ifa_addr, sizeof address);
    return IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr) ? 0 : sizeof address;
  }
  return 0;
}

/* An id bound to the address; NULL if that is not on a wanted device whose port is up. */
static struct rdma_cm_id *bind_to(struct sockaddr_storage *address) {
  struct rdma_cm_id *id = NULL;
  struct ibv_port_attr port;
  if (rdma_create_id(NULL, &id, NULL, RDMA_PS_TCP) != 0) {
    return NULL;
  }
  if (rdma_bind_addr(id, (struct sockaddr *)address) == 0 && bc_verbs_wanted(id->verbs) &&
      ibv_query_port(id->verbs, id->port_num, &port) == 0 && port.state == IBV_PORT_ACTIVE) {
    return id;
  }
  (void)rdma_destroy_id(id);
  return NULL;
}

int bc_verbs_interfaces(bc_verbs_interface found[BC_VERBS_ADDRESSES]) {
  struct ifaddrs *list = NULL;
  int count = 0;
  if (!bc_verbs_present() || getifaddrs(&list) != 0) {
    return 0;
  }
  for (struct ifaddrs *item = list; item != NULL && count < BC_VERBS_ADDRESSES;
       item = item->ifa_next) {
    size_t size = usable(item);
    if (size > 0) {
      bc_verbs_interface *at = &found[count];
      memset(&at->address, 0, sizeof at->address);
      memcpy(&at->address, item->ifa_addr, size);
      at->id = bind_to(&at->address);
      count += at->id != NULL;
    }
  }
  freeifaddrs(list);
  return count;
}

void bc_verbs_release(bc_verbs_interface *found, int count) {
  for (int i = 0; i < count; i++) {
    if (found[i].id != NULL) {
      (void)rdma_destroy_id(found[i].id);
      found[i].id = NULL;
    }
  }
}

int bc_verbs_no_registration(beamcast_error *error, int reason, uint64_t bytes, const char *what) {
  struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
  (void)getrlimit(RLIMIT_MEMLOCK, &limit);
  if (reason == ENOMEM && limit.rlim_cur != RLIM_INFINITY) {
    return beamcast_fail(error, BEAMCAST_ERR_MEMORY,
                         "%s (%.2f MiB) can't be locked in memory for RDMA: the limit "
                         "RLIMIT_MEMLOCK of this process is %.2f MiB in all; raise it with 'ulimit "
                         "-l unlimited' (systemd: LimitMEMLOCK=infinity), or use BEAMCAST_WIRE=tcp",
                         what, (double)bytes / (1 << 20), (double)limit.rlim_cur / (1 << 20));
  }
  return beamcast_fail(error, BEAMCAST_ERR_MEMORY, "%s (%.2f MiB) can't be registered for RDMA: %s",
                       what, (double)bytes / (1 << 20), strerror(reason));
}

uint64_t bc_verbs_setting(const char *name, uint64_t low, uint64_t high, uint64_t otherwise) {
  const char *text = getenv(name);
  char *end = NULL;
  unsigned long long value = text != NULL ? strtoull(text, &end, 10) : 0;
  bool good = text != NULL && end != text && *end == '\0' && value >= low && value <= high;
  return good ? value : otherwise;
}
