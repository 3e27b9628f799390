/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A session's entry in the list of ParaView's Connect dialog, ~/.config/ParaView/servers.pvsc: an
 * XML file that the user owns. Other entries are kept; a list that can't be read is left alone.
 */
#ifndef BEAMCAST_SESSION_PARAVIEW_ENTRY_H
#define BEAMCAST_SESSION_PARAVIEW_ENTRY_H

#include "record.h"

/* Adds (or replaces) the entry "Beamcast ID": to connect to the session's port, or, where the
 * record names a client, to listen and have `beamcast connect-back` called. connect_id: the number
 * as text.
 */
void bs_add_paraview_entry(const bs_record *record, const char *connect_id);

void bs_remove_paraview_entry(const char *id);

#endif
