/* SPDX-License-Identifier: BSD-3-Clause
 *
 * SIGTERM and SIGINT end the server in good order.
 */
#ifndef Signals_h
#define Signals_h

#include <string>

/* Installs the handlers. contact: the file that is removed at once when a signal comes, since a
 * launcher may leave us no time for more; "": none. */
void CatchSignals(const std::string &contact);

/* Whether one has come. */
bool IsEndRequested();

/* Readable once one has come, so that poll can wait for it. */
int GetSignalDescriptor();

#endif
