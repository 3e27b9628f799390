// SPDX-License-Identifier: BSD-3-Clause
//
// VTK's types for those of voxels, and back.
#ifndef BeamcastVoxelType_h
#define BeamcastVoxelType_h

#include "beamcast_types.h"

#include "vtkType.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace beamcast {

// Of a beamcast_type; 0: VTK has none for it. Halves become floats.
inline int VtkTypeOf(int type) {
  switch (type) {
  case BEAMCAST_UINT8:
    return VTK_UNSIGNED_CHAR;
  case BEAMCAST_INT8:
    return VTK_SIGNED_CHAR;
  case BEAMCAST_UINT16:
    return VTK_UNSIGNED_SHORT;
  case BEAMCAST_INT16:
    return VTK_SHORT;
  case BEAMCAST_UINT32:
    return VTK_UNSIGNED_INT;
  case BEAMCAST_INT32:
    return VTK_INT;
  case BEAMCAST_FLOAT16:
  case BEAMCAST_FLOAT32:
    return VTK_FLOAT;
  case BEAMCAST_FLOAT64:
    return VTK_DOUBLE;
  default:
    return 0;
  }
}

// Of VTK's; 0: none is like it.
inline int VoxelTypeOf(int type) {
  switch (type) {
  case VTK_UNSIGNED_CHAR:
    return BEAMCAST_UINT8;
  case VTK_CHAR:
  case VTK_SIGNED_CHAR:
    return BEAMCAST_INT8;
  case VTK_UNSIGNED_SHORT:
    return BEAMCAST_UINT16;
  case VTK_SHORT:
    return BEAMCAST_INT16;
  case VTK_UNSIGNED_INT:
    return BEAMCAST_UINT32;
  case VTK_INT:
    return BEAMCAST_INT32;
  case VTK_FLOAT:
    return BEAMCAST_FLOAT32;
  case VTK_DOUBLE:
    return BEAMCAST_FLOAT64;
  default:
    return 0;
  }
}

// IEEE 754 binary16 to binary32; exact.
inline float FromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t fraction = half & 0x3ffu;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  const uint32_t bits = exponent == 31 ? sign | 0x7f800000u | (fraction << 13)
                                       : sign | ((exponent + 112) << 23) | (fraction << 13);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

} // namespace beamcast

#endif
