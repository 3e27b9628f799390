/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A representation has a part of itself in the client. A server that told every client of ours
 * would bring down those that do not have the plugin: as soon as they show image data they make an
 * object of a class that they don't know. So a server keeps the definitions of representations to
 * itself until a client that has the plugin asks for them, which it does by itself when it
 * connects. Other clients have everything else.
 */
#ifndef Representations_h
#define Representations_h

/* Called when the plugin is loaded. */
void StartRepresentations();

/* true if `name` is what a client asks with, as the name of a plugin; grants it to the session. */
bool AskedForRepresentations(const char *name);

#endif
