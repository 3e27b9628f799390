// SPDX-License-Identifier: BSD-3-Clause
//
// A VTK array of an image's points may lie in parts: most of it in one place, its last planes in
// others, and planes beyond the image's faces besides. An array class that derives from XACParts,
// too, is drawn from where its parts are. Strides count components, not tuples.
#ifndef XACParts_h
#define XACParts_h

#include <cstdint>

struct XACParts {
  virtual ~XACParts() = default;
  const void *Core = nullptr;    // the image's first point
  int64_t Stride[3] = {0, 0, 0}; // from point to point in x, y, z
  const void *Last[3] = {};      // see xac_volume
  int64_t LastStride[3][2] = {};
  const void *Border[6] = {};
  int64_t BorderStride[6][2] = {};
};

#endif
