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

/* VTK puts the default in the place of SIGINT's handler where a client's request starts Python: to
 * be called after whatever may have done so. */
void CatchSignalsAgain();

/* Whether one has come. */
bool IsEndRequested();

/* Readable once one has come, so that poll can wait for it. */
int GetSignalDescriptor();

#endif
