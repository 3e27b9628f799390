/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The plugin belongs to every program of ours that serves.
 */
#ifndef Plugin_h
#define Plugin_h

/* Loads the plugin that was built with this program, unless PV_PLUGIN_PATH has brought one. False,
 * and a line in the name of the program, where it can't be loaded. */
bool LoadPlugin(const char *program);

#endif
