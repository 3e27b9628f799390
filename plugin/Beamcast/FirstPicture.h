/* SPDX-License-Identifier: BSD-3-Clause
 *
 * In the ParaView program: a stream or a file that is shown is seen without a click, lit, in
 * colours made for CT and with a window that leaves outliers out; a stream also when its first step
 * comes later than its place in the view. Scripts and states, which say themselves what they want,
 * are left alone.
 */
#ifndef FirstPicture_h
#define FirstPicture_h

/* Watches the views of this process if it is the ParaView program with its windows. */
void WatchForFirstPictures();

#endif
