/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The command line of beamcast-server.
 */
#ifndef Options_h
#define Options_h

#include <string>
#include <vector>

struct ServerOptions {
  std::string BindAddress = "127.0.0.1"; /* where ParaView clients may connect */
  int ServerPort = 0;                    /* for them; 0: any free one */
  int ConnectId = 0;                     /* what a client has to know; 0: nothing */
  bool Reverse = false;                  /* connect to the client instead */
  std::string ClientHost = "localhost";  /* then: where it listens */
  std::string Contact;                   /* path of the contact file; "": a per-user run folder */
  double IdleMinutes = 60.0;             /* without client, push and request, then end; 0: never */
  bool Json = false;                     /* the line that says "ready" is a JSON object */
  std::vector<std::string> ParaView;     /* what ParaView's own start-up is given */
};

enum class ParseResult { Run, Done, Wrong };

/* Reads the command line and the environment. Done: what was asked for has been printed. Wrong: a
 * sentence has been printed on standard error. */
ParseResult ParseOptions(int argc, char **argv, ServerOptions &options);

#endif
