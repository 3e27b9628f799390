/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Colours and opacities made for CT, offered in ParaView's list of presets beside its own.
 */
#ifndef Presets_h
#define Presets_h

/* Adds those that the list does not have yet. They stay among the user's presets. */
void OfferPresets();

#endif
