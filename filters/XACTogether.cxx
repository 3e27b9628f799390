// SPDX-License-Identifier: BSD-3-Clause
#include "XACTogether.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace {
struct Slab {
  double Near, Far;
};

// Ends at each volume's ends; what two or more volumes share is cut into about `slabs` parts.
std::vector<Slab> MakeSlabs(const std::vector<XACLayer> &layers, int slabs) {
  std::vector<double> ends;
  for (const XACLayer &layer : layers) {
    ends.push_back(layer.Near);
    ends.push_back(layer.Far);
  }
  std::sort(ends.begin(), ends.end());
  auto sharing = [&](size_t i) {
    const double middle = 0.5 * (ends[i] + ends[i + 1]);
    return std::count_if(layers.begin(), layers.end(), [&](const XACLayer &layer) {
      return layer.Near < middle && middle < layer.Far;
    });
  };
  double shared = 0.0;
  for (size_t i = 0; i + 1 < ends.size(); i++) {
    shared += sharing(i) > 1 ? ends[i + 1] - ends[i] : 0.0;
  }
  std::vector<Slab> result;
  for (size_t i = 0; i + 1 < ends.size(); i++) {
    const double length = ends[i + 1] - ends[i];
    const auto here = sharing(i);
    if (!(length > 0.0) || here == 0) {
      continue;
    }
    const int parts =
        here > 1 ? std::max(1, static_cast<int>(std::lround(slabs * length / shared))) : 1;
    for (int k = 0; k < parts; k++) {
      result.push_back({ends[i] + length * k / parts, ends[i] + length * (k + 1) / parts});
    }
  }
  return result;
}

void SetPlane(double *plane, const double direction[3], const double reference[3], double at,
              double sign) {
  double offset = at;
  for (int a = 0; a < 3; a++) {
    plane[a] = sign * direction[a];
    offset += direction[a] * reference[a];
  }
  plane[3] = -sign * offset;
}
// Lays a part under the picture; most of its pixels are empty. Where nothing behind is seen any
// more, rays end at once.
void LayUnder(float *picture, const float *part, float *limit, size_t count) {
  for (size_t p = 0; p < count; p++) {
    if (part[4 * p + 3] > 0.0f) {
      xac_over(picture + 4 * p, part + 4 * p, 1);
      limit[p] = picture[4 * p + 3] > 0.999f ? 0.0f : limit[p];
    }
  }
}
} // namespace

int XACDrawTogether(std::vector<XACLayer> &layers, const xac_camera &camera,
                    const double direction[3], const double reference[3], int slabs,
                    const xac_image &image, beamcast_error *error) {
  const size_t count = static_cast<size_t>(camera.width) * static_cast<size_t>(camera.height);
  std::vector<float> part(4 * count);
  std::vector<float> limit(count, std::numeric_limits<float>::infinity());
  if (image.depth_limit) {
    std::copy(image.depth_limit, image.depth_limit + count, limit.begin());
  }
  std::fill(image.rgba, image.rgba + 4 * count, 0.0f);
  std::vector<xac_stats> sums(layers.size(), xac_stats{});
  for (const Slab &slab : MakeSlabs(layers, slabs)) {
    const double middle = 0.5 * (slab.Near + slab.Far);
    for (size_t i = 0; i < layers.size(); i++) {
      if (middle < layers[i].Near || middle > layers[i].Far) {
        continue;
      }
      xac_quality quality = layers[i].Quality;
      quality.planes = std::min<int>(quality.planes, XAC_PLANES_MAX - 2);
      SetPlane(quality.plane[quality.planes++], direction, reference, slab.Near, 1.0);
      SetPlane(quality.plane[quality.planes++], direction, reference, slab.Far, -1.0);
      xac_image piece = {part.data(), nullptr, limit.data()};
      int code = xac_render(layers[i].Renderer, &camera, &quality, &piece, layers[i].Stats, error);
      if (code != BEAMCAST_OK) {
        return code;
      }
      LayUnder(image.rgba, part.data(), limit.data(), count);
      sums[i].milliseconds += layers[i].Stats->milliseconds;
      sums[i].samples += layers[i].Stats->samples;
    }
  }
  for (size_t i = 0; i < layers.size(); i++) {
    layers[i].Stats->milliseconds = sums[i].milliseconds;
    layers[i].Stats->samples = sums[i].samples;
  }
  return BEAMCAST_OK;
}

bool XACSameCut(const std::vector<double> &a, const std::vector<double> &b) {
  const size_t ranks = std::min(a.size(), b.size()) / 6;
  auto reaches = [](const double *p, const double *q) {
    for (int axis = 0; axis < 3; axis++) {
      const double lo = std::max(p[2 * axis], q[2 * axis]);
      const double hi = std::min(p[2 * axis + 1], q[2 * axis + 1]);
      const double size = std::max(p[2 * axis + 1] - p[2 * axis], q[2 * axis + 1] - q[2 * axis]);
      if (!(hi - lo > 1e-6 * size)) {
        return false; // apart, or touching
      }
    }
    return true;
  };
  for (size_t i = 0; i < ranks; i++) {
    for (size_t j = 0; j < ranks; j++) {
      if (i != j && reaches(&a[6 * i], &b[6 * j])) {
        return false;
      }
    }
  }
  return true;
}
