/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lesser contacts: who has one can push only, or see only.
 */
#include <jansson.h>
#include <stdlib.h>

#include "beamcast_session.h"
#include "contact.h"

char *beamcast_restrict(const char *contact, int rights, beamcast_error *error) {
  bc_contact full;
  bc_token lesser;
  char token[BC_TOKEN_TEXT];
  if (rights != BEAMCAST_PUSH_ONLY && rights != BEAMCAST_VIEW_ONLY) {
    beamcast_fail(error, BEAMCAST_ERR_ARGUMENT, "rights are BEAMCAST_PUSH_ONLY or _VIEW_ONLY");
    return NULL;
  }
  if (bc_contact_read(contact, NULL, &full, error) != BEAMCAST_OK ||
      bc_token_derive(&full.token, rights == BEAMCAST_PUSH_ONLY ? BC_RIGHTS_PUSH : BC_RIGHTS_VIEW,
                      &lesser, error) != BEAMCAST_OK) {
    return NULL;
  }
  bc_token_text(&lesser, token);
  json_t *json = json_pack("{s:i, s:s, s:i, s:s, s:s}", "beamcast", BC_VERSION, "host", full.host,
                           "port", full.port, "rights",
                           rights == BEAMCAST_PUSH_ONLY ? "push" : "view", "token", token);
  char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
  json_decref(json);
  if (text == NULL) {
    beamcast_fail(error, BEAMCAST_ERR_MEMORY, "out of memory");
  }
  return text;
}
