/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whether this process can draw, told at its start: without a screen the first picture ends it.
 */
#ifndef Screen_h
#define Screen_h

class vtkMPIController;

/* Collective. Rank 0 says in the name of the program when a rank can't draw, and what to do. */
void WarnWithoutScreen(const char *program, vtkMPIController *controller);

#endif
