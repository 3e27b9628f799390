/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the plugin adds to the panels of the ParaView program. It lies in a library of its own,
 * which needs Qt; without it the panels show the same properties plainly.
 */
#ifndef Panel_h
#define Panel_h

/* Called in a client when the plugin is loaded; does nothing outside the ParaView program. */
void StartPanel();

#endif
