/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The coupling: what to copy into one's own program. It is called once for each slab.
 */
#include "show.h"

void show(viewer *v, const beamcast_brick *done, uint64_t step, wish *w) {
  beamcast_error error = {.code = BEAMCAST_OK};
  beamcast_message asked = {0};
  if (v->stream == NULL && viewer_may_be_there(v)) {
    v->stream = beamcast_connect(v->contact, &v->options, &error);
  }
  v->taken = v->stream != NULL &&
             beamcast_begin_step(v->stream, step, (double)step, &error) == BEAMCAST_OK &&
             beamcast_put(v->stream, done, &error) == BEAMCAST_OK &&
             beamcast_end_step(v->stream, &error) == BEAMCAST_OK;
  while (v->stream != NULL && beamcast_request(v->stream, &asked, &error) == BEAMCAST_OK &&
         asked.number != 0) {
    wish_note(w, asked.json);
  }
  viewer_settle(v, &error);
}
