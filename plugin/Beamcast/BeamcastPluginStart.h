/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What happens when ParaView loads the plugin.
 */
#ifndef BeamcastPluginStart_h
#define BeamcastPluginStart_h

/* Makes the plugin known by its name, and in a server process opens the receiver. Called once by
 * ParaView on every rank; collective over the ranks of a server. */
void BeamcastPluginStart();

#endif
