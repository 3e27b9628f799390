/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An option of the entry tells ParaView the connect id, and no command line does.
 */
#include "paraview_entry.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

static bool find_list(char *path, size_t size) {
  const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
  if (config != NULL && config[0] == '/') {
    return bs_join(path, size, "%s/ParaView/servers.pvsc", config);
  }
  return home != NULL && bs_join(path, size, "%s/.config/ParaView/servers.pvsc", home);
}

static bool entry_name(char *name, size_t size, const char *id) {
  return bs_join(name, size, "Beamcast %s", id);
}

/* The document with <Servers>; NULL if there is something else. */
static xmlDocPtr read_list(const char *path) {
  struct stat state;
  if (stat(path, &state) != 0 || state.st_size == 0) {
    xmlDocPtr document = xmlNewDoc(BAD_CAST "1.0");
    xmlDocSetRootElement(document, xmlNewNode(NULL, BAD_CAST "Servers"));
    return document;
  }
  xmlDocPtr document =
      xmlReadFile(path, NULL, XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NONET);
  xmlNodePtr root = document ? xmlDocGetRootElement(document) : NULL;
  if (root == NULL || xmlStrcmp(root->name, BAD_CAST "Servers") != 0) {
    xmlFreeDoc(document);
    return NULL;
  }
  return document;
}

static bool remove_entry(xmlDocPtr document, const char *name) {
  bool changed = false;
  xmlNodePtr next;
  for (xmlNodePtr node = xmlDocGetRootElement(document)->children; node != NULL; node = next) {
    next = node->next;
    xmlChar *theirs = node->type == XML_ELEMENT_NODE ? xmlGetProp(node, BAD_CAST "name") : NULL;
    if (theirs != NULL && xmlStrcmp(theirs, BAD_CAST name) == 0) {
      xmlUnlinkNode(node);
      xmlFreeNode(node);
      changed = true;
    }
    xmlFree(theirs);
  }
  return changed;
}

static void write_list(xmlDocPtr document, const char *path) {
  xmlChar *text = NULL;
  int size = 0;
  xmlDocDumpFormatMemory(document, &text, &size, 1);
  if (text != NULL) {
    (void)bs_write_file(path, text, (size_t)size, NULL);
    xmlFree(text);
  }
}

/* What ParaView runs once it listens. By `env`, since only arguments may have blanks. */
static void add_command(xmlNodePtr startup, const bs_record *record) {
  char program[BEAMCAST_SESSION_PATH_MAX], port[16];
  if (!bs_find_program("beamcast", program, sizeof program)) {
    (void)snprintf(program, sizeof program, "beamcast");
  }
  (void)snprintf(port, sizeof port, "%d", record->client_port);
  const char *const words[] = {program, "connect-back", record->info.id, "--port", port};
  xmlNodePtr command = xmlNewChild(startup, NULL, BAD_CAST "Command", NULL);
  xmlNewProp(command, BAD_CAST "exec", BAD_CAST "env");
  xmlNewProp(command, BAD_CAST "process_wait", BAD_CAST "0");
  xmlNewProp(command, BAD_CAST "delay", BAD_CAST "0");
  xmlNodePtr arguments = xmlNewChild(command, NULL, BAD_CAST "Arguments", NULL);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    xmlNodePtr word = xmlNewChild(arguments, NULL, BAD_CAST "Argument", NULL);
    xmlNewProp(word, BAD_CAST "value", BAD_CAST words[i]);
  }
}

static void add_entry(xmlDocPtr document, const char *name, const bs_record *record,
                      const char *id) {
  bool listens = record->client[0] != '\0';
  char url[300];
  (void)snprintf(url, sizeof url, "%s://localhost:%d", listens ? "csrc" : "cs",
                 listens ? record->client_port : record->port);
  static const char *const option[][2] = {{"name", "PV_CONNECT_ID"},
                                          {"label", "Connect id"},
                                          {"readonly", "true"},
                                          {"save", "false"}}; /* not into ParaView's settings */
  static const char *const range[][2] = {
      {"type", "int"}, {"min", "1"}, {"max", "2147483647"}, {"step", "1"}};
  xmlNodePtr server = xmlNewChild(xmlDocGetRootElement(document), NULL, BAD_CAST "Server", NULL);
  xmlNewProp(server, BAD_CAST "name", BAD_CAST name);
  xmlNewProp(server, BAD_CAST "resource", BAD_CAST url);
  xmlNodePtr start =
      xmlNewChild(server, NULL, BAD_CAST(listens ? "CommandStartup" : "ManualStartup"), NULL);
  xmlNodePtr options = xmlNewChild(start, NULL, BAD_CAST "Options", NULL);
  xmlNodePtr node = xmlNewChild(options, NULL, BAD_CAST "Option", NULL);
  for (size_t i = 0; i < sizeof option / sizeof option[0]; i++) {
    xmlNewProp(node, BAD_CAST option[i][0], BAD_CAST option[i][1]);
  }
  node = xmlNewChild(node, NULL, BAD_CAST "Range", NULL);
  for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
    xmlNewProp(node, BAD_CAST range[i][0], BAD_CAST range[i][1]);
  }
  xmlNewProp(node, BAD_CAST "default", BAD_CAST id);
  if (listens) {
    add_command(start, record);
  }
}

void bs_add_paraview_entry(const bs_record *record, const char *connect_id) {
  char path[BEAMCAST_SESSION_PATH_MAX], folder[BEAMCAST_SESSION_PATH_MAX], name[64];
  if (!find_list(path, sizeof path) || !entry_name(name, sizeof name, record->info.id)) {
    return;
  }
  (void)bs_join(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
  int lock = bs_lock();
  if (bs_make_folders(folder, NULL) == BEAMCAST_OK) {
    xmlDocPtr document = read_list(path);
    if (document != NULL) {
      (void)remove_entry(document, name);
      add_entry(document, name, record, connect_id);
      write_list(document, path);
      xmlFreeDoc(document);
    }
  }
  bs_unlock(lock);
}

void bs_remove_paraview_entry(const char *id) {
  char path[BEAMCAST_SESSION_PATH_MAX], name[64];
  if (!find_list(path, sizeof path) || !entry_name(name, sizeof name, id)) {
    return;
  }
  int lock = bs_lock();
  xmlDocPtr document = access(path, R_OK) == 0 ? read_list(path) : NULL;
  if (document != NULL && remove_entry(document, name)) {
    if (xmlChildElementCount(xmlDocGetRootElement(document)) == 0) {
      (void)unlink(path);
      *strrchr(path, '/') = '\0';
      (void)rmdir(path); /* ParaView's folder, if nothing else is in it */
    } else {
      write_list(document, path);
    }
  }
  xmlFreeDoc(document);
  bs_unlock(lock);
}
