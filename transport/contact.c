/* SPDX-License-Identifier: BSD-3-Clause
 * Tokens and contact files; see contact.h. */
#include "contact.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const rights_names[] = {NULL, "full", "push", "view"};

bool bc_rights_allow(int rights, bc_role role) {
  switch (role) {
  case BC_ROLE_PRODUCER:
  case BC_ROLE_WRITER:
    return rights == BC_RIGHTS_FULL || rights == BC_RIGHTS_PUSH;
  case BC_ROLE_VIEWER:
  case BC_ROLE_FETCHER:
    return rights == BC_RIGHTS_FULL || rights == BC_RIGHTS_VIEW;
  case BC_ROLE_PEER:
    return rights == BC_RIGHTS_FULL;
  }
  return false;
}

int bc_random(unsigned char *bytes, size_t size, beamcast_error *error) {
  if (sodium_init() < 0) {
    return beamcast_fail(error, BEAMCAST_ERR_UNSUPPORTED,
                         "libsodium could not start: the system gives no random numbers");
  }
  randombytes_buf(bytes, size);
  return BEAMCAST_OK;
}

int bc_token_draw(bc_token *token, beamcast_error *error) {
  token->rights = BC_RIGHTS_FULL;
  return bc_random(token->bytes, sizeof token->bytes, error);
}

int bc_token_derive(const bc_token *full, int rights, bc_token *lesser, beamcast_error *error) {
  if (full->rights != BC_RIGHTS_FULL || (rights != BC_RIGHTS_PUSH && rights != BC_RIGHTS_VIEW)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "only a contact with full rights can be restricted to push or view");
  }
  bc_proof(full, "beamcast 1 rights", (const unsigned char *)rights_names[rights], 4, NULL, 0,
           lesser->bytes);
  lesser->rights = rights;
  return BEAMCAST_OK;
}

void bc_token_text(const bc_token *token, char text[BC_TOKEN_TEXT]) {
  size_t at = 0;
  if (token->rights != BC_RIGHTS_FULL) {
    at = (size_t)snprintf(text, BC_TOKEN_TEXT, "%s-", rights_names[token->rights]);
  }
  sodium_bin2hex(text + at, BC_TOKEN_TEXT - at, token->bytes, sizeof token->bytes);
}

int bc_token_parse(const char *text, bc_token *token, beamcast_error *error) {
  token->rights = BC_RIGHTS_FULL;
  for (int rights = BC_RIGHTS_PUSH; rights <= BC_RIGHTS_VIEW; rights++) {
    if (strncmp(text, rights_names[rights], 4) == 0 && text[4] == '-') {
      token->rights = rights;
      text += 5;
      break;
    }
  }
  size_t size = 0;
  const char *end = NULL;
  if (strlen(text) != 2 * sizeof token->bytes ||
      sodium_hex2bin(token->bytes, sizeof token->bytes, text, strlen(text), NULL, &size, &end) !=
          0 ||
      size != sizeof token->bytes || *end != '\0') {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "this is no token: 64 hexadecimal digits are expected, with push- or "
                         "view- before them for a lesser one");
  }
  return BEAMCAST_OK;
}

void bc_proof(const bc_token *token, const char *label, const unsigned char *first,
              size_t first_size, const unsigned char *second, size_t second_size,
              unsigned char proof[BC_PROOF_BYTES]) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, token->bytes, sizeof token->bytes, BC_PROOF_BYTES);
  crypto_generichash_update(&state, (const unsigned char *)label, strlen(label) + 1);
  crypto_generichash_update(&state, first, first_size);
  if (second_size > 0) {
    crypto_generichash_update(&state, second, second_size);
  }
  crypto_generichash_final(&state, proof, BC_PROOF_BYTES);
}

bool bc_proof_equal(const unsigned char a[BC_PROOF_BYTES], const unsigned char b[BC_PROOF_BYTES]) {
  return sodium_memcmp(a, b, BC_PROOF_BYTES) == 0;
}

static int parse_address(const char *address, bc_contact *out, beamcast_error *error) {
  const char *colon = strrchr(address, ':');
  char *end = NULL;
  long port = colon ? strtol(colon + 1, &end, 10) : 0;
  size_t length = colon ? (size_t)(colon - address) : 0;
  if (length > 2 && address[0] == '[' && address[length - 1] == ']') {
    address++;
    length -= 2;
  }
  if (length == 0 || length >= sizeof out->host || port < 1 || port > 65535 ||
      (*end != '\0' && strcmp(end, "/") != 0)) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "the address must look like beamcast://host:port");
  }
  memcpy(out->host, address, length);
  out->host[length] = '\0';
  out->port = (int)port;
  return BEAMCAST_OK;
}

static int parse_file(const char *path, bool want_token, bc_contact *out, beamcast_error *error) {
  FILE *file = fopen(path, "re");
  if (file == NULL) {
    int code = errno == ENOENT ? BEAMCAST_ERR_CONNECTION : BEAMCAST_ERR_IO;
    return beamcast_fail(error, code, "the contact file %s can't be read: %s", path,
                         errno == ENOENT ? "there is none; is the server running?"
                                         : strerror(errno));
  }
  json_error_t wrong;
  json_t *root = json_loadf(file, 0, &wrong);
  (void)fclose(file);
  json_int_t port = json_integer_value(json_object_get(root, "port"));
  json_int_t version = json_integer_value(json_object_get(root, "beamcast"));
  const char *host = json_string_value(json_object_get(root, "host"));
  const char *token = json_string_value(json_object_get(root, "token"));
  int code = BEAMCAST_OK;
  if (host == NULL || strlen(host) >= sizeof out->host || port < 1 || port > 65535) {
    code = beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s is no contact file of a Beamcast server",
                         path);
  } else if (version != BC_VERSION) {
    code = beamcast_fail(error, BEAMCAST_ERR_REFUSED,
                         "the server of %s speaks protocol version %lld, this program %d: use the "
                         "same version of Beamcast on both sides",
                         path, (long long)version, BC_VERSION);
  } else {
    memcpy(out->host, host, strlen(host) + 1);
    out->port = (int)port;
    if (want_token) {
      code = token == NULL ? beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "%s has no token", path)
                           : bc_token_parse(token, &out->token, error);
    }
  }
  json_decref(root);
  return code;
}

int bc_contact_read(const char *contact, const char *token, bc_contact *out,
                    beamcast_error *error) {
  static const char scheme[] = "beamcast://";
  memset(out, 0, sizeof *out);
  int code;
  if (contact == NULL || contact[0] == '\0') {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT,
                         "a contact file or an address beamcast://host:port is needed");
  }
  if (strncmp(contact, scheme, sizeof scheme - 1) == 0) {
    code = parse_address(contact + sizeof scheme - 1, out, error);
    if (code == BEAMCAST_OK && token == NULL) {
      token = getenv("BEAMCAST_TOKEN");
      if (token == NULL) {
        return beamcast_fail(
            error, BEAMCAST_ERR_ARGUMENT,
            "an address needs a token: set BEAMCAST_TOKEN, or use the contact file");
      }
    }
  } else {
    code = parse_file(contact, token == NULL, out, error);
  }
  if (code == BEAMCAST_OK && token != NULL) {
    code = bc_token_parse(token, &out->token, error);
  }
  return code;
}

static int write_all(int fd, const char *text, size_t size) {
  while (size > 0) {
    ssize_t done = write(fd, text, size);
    if (done < 0 && errno != EINTR) {
      return -1;
    }
    if (done > 0) {
      text += done;
      size -= (size_t)done;
    }
  }
  return 0;
}

int bc_contact_write(const char *path, const bc_contact *contact, beamcast_error *error) {
  char token[BC_TOKEN_TEXT], draft[4096];
  bc_token_text(&contact->token, token);
  int length = snprintf(draft, sizeof draft, "%s.%ld.new", path, (long)getpid());
  json_t *root =
      json_pack("{s:i, s:s, s:i, s:s, s:s}", "beamcast", BC_VERSION, "host", contact->host, "port",
                contact->port, "rights", rights_names[contact->token.rights], "token", token);
  char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
  json_decref(root);
  if (text == NULL || length < 0 || (size_t)length >= sizeof draft) {
    free(text);
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the path of the contact file is too long");
  }
  (void)unlink(draft);
  int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  int bad = fd < 0 ? errno : 0;
  if (fd >= 0) {
    if (write_all(fd, text, strlen(text)) != 0 || write_all(fd, "\n", 1) != 0) {
      bad = errno;
    }
    if (close(fd) != 0 && bad == 0) {
      bad = errno;
    }
    if (bad == 0 && rename(draft, path) != 0) {
      bad = errno;
    }
    if (bad != 0) {
      (void)unlink(draft);
    }
  }
  sodium_memzero(text, strlen(text));
  free(text);
  sodium_memzero(token, sizeof token);
  if (bad != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "the contact file %s can't be written: %s", path,
                         strerror(bad));
  }
  return BEAMCAST_OK;
}

int bc_run_folder(char *path, size_t size, beamcast_error *error) {
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  struct stat state;
  int length;
  if (runtime != NULL && runtime[0] == '/' && stat(runtime, &state) == 0 &&
      state.st_uid == geteuid()) {
    length = snprintf(path, size, "%s/beamcast", runtime);
  } else {
    length = snprintf(path, size, "/tmp/beamcast-%ld", (long)geteuid());
  }
  if (length < 0 || (size_t)length >= size) {
    return beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "the path of the run folder is too long");
  }
  if (mkdir(path, 0700) != 0 && errno != EEXIST) {
    return beamcast_fail(error, BEAMCAST_ERR_IO, "the folder %s can't be made: %s", path,
                         strerror(errno));
  }
  if (lstat(path, &state) != 0 || !S_ISDIR(state.st_mode) || state.st_uid != geteuid() ||
      (state.st_mode & 077) != 0) {
    return beamcast_fail(error, BEAMCAST_ERR_IO,
                         "%s must be a folder of yours that nobody else can enter (mode 0700)",
                         path);
  }
  return BEAMCAST_OK;
}
