/* SPDX-License-Identifier: BSD-3-Clause
 * Contact files, addresses and tokens. The first byte chooses which of them the rest is. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int code, const bc_contact *contact) {
  if (code == BEAMCAST_OK &&
      (contact->port < 1 || contact->port > 65535 || contact->token.rights < BC_RIGHTS_FULL ||
       contact->token.rights > BC_RIGHTS_VIEW || memchr(contact->host, 0, BC_HOST_MAX) == NULL)) {
    abort();
  }
}

static void file(const uint8_t *data, size_t size) {
  char path[64];
  bc_contact contact;
  int fd = memfd_create("contact", MFD_CLOEXEC);
  if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check(bc_contact_read(path, NULL, &contact, NULL), &contact);
  }
  (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char scheme[] = "beamcast://";
  bc_token token;
  bc_contact contact;
  if (size == 0) {
    return 0;
  }
  if (data[0] % 3 == 0) {
    file(data + 1, size - 1);
    return 0;
  }
  char *text = malloc(sizeof scheme + size);
  if (text != NULL && data[0] % 3 == 1) {
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (bc_token_parse(text, &token, NULL) == BEAMCAST_OK) {
      char again[BC_TOKEN_TEXT];
      bc_token_text(&token, again);
      if (strcasecmp(text, again) != 0) {
        abort();
      }
    }
  } else if (text != NULL) {
    char zeros[65];
    memset(zeros, '0', sizeof zeros - 1);
    zeros[64] = '\0';
    memcpy(text, scheme, sizeof scheme - 1);
    memcpy(text + sizeof scheme - 1, data + 1, size - 1);
    text[sizeof scheme - 1 + size - 1] = '\0';
    check(bc_contact_read(text, zeros, &contact, NULL), &contact);
  }
  free(text);
  return 0;
}
