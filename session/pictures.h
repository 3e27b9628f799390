/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What pictures.c wants of session.c.
 */
#ifndef BEAMCAST_SESSION_PICTURES_H
#define BEAMCAST_SESSION_PICTURES_H

#include "beamcast_session.h"

/* Waits, up to limit seconds (0: 30), until the session runs; its contact file. */
int bs_contact_of(beamcast_session *session, double limit, char contact[BEAMCAST_SESSION_PATH_MAX],
                  beamcast_error *error);

#endif
