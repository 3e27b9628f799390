/* SPDX-License-Identifier: BSD-3-Clause */
#include "Options.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <getopt.h>

namespace {

const char HELP[] =
    "Usage: mpiexec -n RANKS beamcast-server [OPTIONS] [-- PARAVIEW'S OPTIONS]\n"
    "A parallel ParaView server that takes volumes from producers, whether a client is there or "
    "not,\n"
    "and lets one client after another see them.\n"
    "\n"
    "  --server-port N        port for ParaView clients; 0, the default: any free one, printed\n"
    "  --bind-address ADDR    address to listen at for them; default 127.0.0.1, 0.0.0.0 for all\n"
    "  --connect-id-file FILE file with the number that clients must know as --connect-id; else\n"
    "                         $BEAMCAST_CONNECT_ID. Not an option, since others can read those\n"
    "  --reverse-connection   connect to a client that listens, again after it has left\n"
    "  --client-host HOST     where it listens, at --server-port or 11111\n"
    "  --contact FILE         where to write the contact file for producers\n"
    "  --idle MINUTES         end after so long without client, push and request; 60; 0: never\n"
    "  --force-offscreen-rendering\n"
    "  --json                 print the line that says where to connect as a JSON object\n"
    "  --help, --version\n"
    "\n"
    "It ends on SIGTERM and SIGINT. Exit status: 0 done, 1 failed, 2 wrong usage.\n";

bool ToInt(const char *text, long low, long high, int &value) {
  char *end;
  errno = 0;
  const long number = std::strtol(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || number < low || number > high) {
    return false;
  }
  value = static_cast<int>(number);
  return true;
}

ParseResult Wrong(const char *what, const char *value) {
  std::fprintf(stderr, "beamcast-server: %s, not \"%s\"; see --help.\n", what, value);
  return ParseResult::Wrong;
}

ParseResult ReadConnectId(const std::string &file, ServerOptions &options) {
  std::string text;
  if (!file.empty()) {
    std::ifstream stream(file);
    if (!(stream >> text)) {
      return Wrong("--connect-id-file must name a file with a number", file.c_str());
    }
  } else if (const char *environment = std::getenv("BEAMCAST_CONNECT_ID")) {
    text = environment;
  }
  if (!text.empty() && !ToInt(text.c_str(), 1, 0x7fffffff, options.ConnectId)) {
    std::fputs("beamcast-server: the connect id must be a number from 1 to 2147483647.\n", stderr);
    return ParseResult::Wrong;
  }
  return ParseResult::Run;
}

} // namespace

ParseResult ParseOptions(int argc, char **argv, ServerOptions &options) {
  enum {
    PORT = 1,
    BIND,
    ID_FILE,
    REVERSE,
    CLIENT,
    CONTACT,
    IDLE,
    OFFSCREEN,
    JSON,
    HELP_ME,
    VERSION
  };
  static const option names[] = {{"server-port", required_argument, nullptr, PORT},
                                 {"bind-address", required_argument, nullptr, BIND},
                                 {"connect-id-file", required_argument, nullptr, ID_FILE},
                                 {"reverse-connection", no_argument, nullptr, REVERSE},
                                 {"client-host", required_argument, nullptr, CLIENT},
                                 {"contact", required_argument, nullptr, CONTACT},
                                 {"idle", required_argument, nullptr, IDLE},
                                 {"force-offscreen-rendering", no_argument, nullptr, OFFSCREEN},
                                 {"json", no_argument, nullptr, JSON},
                                 {"help", no_argument, nullptr, HELP_ME},
                                 {"version", no_argument, nullptr, VERSION},
                                 {nullptr, 0, nullptr, 0}};
  std::string id_file;
  int chosen;
  while ((chosen = getopt_long(argc, argv, "+", names, nullptr)) != -1) {
    switch (chosen) {
    case PORT:
      if (!ToInt(optarg, 0, 65535, options.ServerPort)) {
        return Wrong("--server-port must be a number from 0 to 65535", optarg);
      }
      break;
    case BIND:
      options.BindAddress = optarg;
      break;
    case ID_FILE:
      id_file = optarg;
      break;
    case REVERSE:
      options.Reverse = true;
      break;
    case CLIENT:
      options.ClientHost = optarg;
      break;
    case CONTACT:
      options.Contact = optarg;
      break;
    case IDLE: {
      char *end;
      options.IdleMinutes = std::strtod(optarg, &end);
      if (end == optarg || *end != '\0' || !(options.IdleMinutes >= 0.0) ||
          !std::isfinite(options.IdleMinutes)) {
        return Wrong("--idle must be a number of minutes, 0 for never", optarg);
      }
      break;
    }
    case OFFSCREEN:
      options.ParaView.push_back("--force-offscreen-rendering");
      break;
    case JSON:
      options.Json = true;
      break;
    case HELP_ME:
      std::fputs(HELP, stdout);
      return ParseResult::Done;
    case VERSION:
      std::puts("beamcast-server " BEAMCAST_VERSION_TEXT);
      return ParseResult::Done;
    default:
      return ParseResult::Wrong; /* getopt has said why */
    }
  }
  const bool after_dashes = optind > 1 && std::string(argv[optind - 1]) == "--";
  if (optind < argc && !after_dashes) {
    return Wrong("options only, ParaView's own after --", argv[optind]);
  }
  options.ParaView.insert(options.ParaView.end(), argv + optind, argv + argc);
  if (options.Reverse && options.ServerPort == 0) {
    options.ServerPort = 11111;
  }
  return ReadConnectId(id_file, options);
}
