// SPDX-License-Identifier: BSD-3-Clause
#include "XACTogether.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace {
using Group = std::vector<size_t>; // numbers of layers

struct Slab {
  double Near, Far;
};

double Dot(const double a[3], const double b[3]) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

// Where a layer begins and ends along a direction.
Slab Ends(const XACLayer &layer, const double direction[3], const double reference[3]) {
  Slab ends = {Dot(layer.Corner[0], direction), Dot(layer.Corner[0], direction)};
  for (const double *corner : layer.Corner) {
    ends.Near = std::min(ends.Near, Dot(corner, direction));
    ends.Far = std::max(ends.Far, Dot(corner, direction));
  }
  const double from = Dot(reference, direction);
  return {ends.Near - from, ends.Far - from};
}

// -1: nothing of b hides anything of a; 1: the other way round; 0: no face of theirs lies between
// them.
int WhichIsInFront(const XACLayer &a, const XACLayer &b, const xac_camera &camera) {
  const double *dx = camera.direction_dx, *dy = camera.direction_dy;
  const bool parallel = Dot(dx, dx) + Dot(dy, dy) == 0.0;
  for (int face = 0; face < 6; face++) {
    const double(*c)[3] = face < 3 ? a.Corner : b.Corner;
    const double *p = c[1 << (face + 1) % 3], *q = c[1 << (face + 2) % 3];
    double u[3], v[3];
    for (int i = 0; i < 3; i++) {
      u[i] = p[i] - c[0][i];
      v[i] = q[i] - c[0][i];
    }
    const double normal[3] = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
                              u[0] * v[1] - u[1] * v[0]};
    if (Dot(normal, normal) == 0.0) {
      continue;
    }
    const Slab mine = Ends(a, normal, camera.origin), its = Ends(b, normal, camera.origin);
    const double touch = 1e-9 * (mine.Far - mine.Near + its.Far - its.Near);
    const double along = Dot(camera.direction, normal);
    if (mine.Far <= its.Near + touch) {
      return (parallel ? along : mine.Far + its.Near) >= 0.0 ? -1 : 1;
    }
    if (its.Far <= mine.Near + touch) {
      return (parallel ? along : its.Far + mine.Near) >= 0.0 ? 1 : -1;
    }
  }
  return 0;
}

// The layers in groups, front to back: what is in one is neither before nor behind the rest of it.
std::vector<Group> FrontToBack(const std::vector<XACLayer> &layers, const xac_camera &camera) {
  const size_t count = layers.size();
  std::vector<std::vector<int>> front(count, std::vector<int>(count, 0));
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < i; j++) {
      front[i][j] = WhichIsInFront(layers[i], layers[j], camera);
      front[j][i] = -front[i][j];
    }
  }
  std::vector<Group> groups;
  for (size_t i = 0; i < count; i++) {
    groups.push_back({i});
  }
  // -1: all of a before all of b; 1: the other way round; 0: neither.
  auto order = [&](const Group &a, const Group &b) {
    const int first = front[a[0]][b[0]];
    for (size_t i : a) {
      for (size_t j : b) {
        if (front[i][j] != first) {
          return 0;
        }
      }
    }
    return first;
  };
  for (size_t i = 0; i < groups.size();) {
    size_t j = i + 1;
    while (j < groups.size() && order(groups[i], groups[j]) != 0) {
      j++;
    }
    if (j == groups.size()) {
      i++;
      continue;
    }
    groups[i].insert(groups[i].end(), groups[j].begin(), groups[j].end());
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(j));
    i = 0;
  }
  for (size_t done = 0; done < groups.size(); done++) {
    const auto rest = groups.begin() + static_cast<std::ptrdiff_t>(done);
    const auto first = std::find_if(rest, groups.end(), [&](const Group &a) {
      return std::none_of(rest, groups.end(),
                          [&](const Group &b) { return &a != &b && order(a, b) > 0; });
    });
    if (first == groups.end()) { // in a circle
      for (auto other = rest + 1; other != groups.end(); ++other) {
        rest->insert(rest->end(), other->begin(), other->end());
      }
      groups.erase(rest + 1, groups.end());
    } else {
      std::iter_swap(rest, first);
    }
  }
  return groups;
}

// Ends at each volume's ends; what two or more volumes share is cut into about `slabs` parts.
std::vector<Slab> MakeSlabs(const std::vector<Slab> &layers, int slabs) {
  std::vector<double> ends;
  for (const Slab &layer : layers) {
    ends.push_back(layer.Near);
    ends.push_back(layer.Far);
  }
  std::sort(ends.begin(), ends.end());
  auto sharing = [&](size_t i) {
    const double middle = 0.5 * (ends[i] + ends[i + 1]);
    return std::count_if(layers.begin(), layers.end(), [&](const Slab &layer) {
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

int DrawSlabs(std::vector<XACLayer> &layers, const Group &group, const xac_camera &camera,
              const double direction[3], int slabs, const xac_image &image, beamcast_error *error) {
  std::vector<Slab> ends;
  for (size_t i : group) {
    ends.push_back(Ends(layers[i], direction, camera.origin));
  }
  std::vector<xac_stats> sums(group.size(), xac_stats{});
  bool back = true;
  for (const Slab &slab : MakeSlabs(ends, slabs)) {
    const double middle = 0.5 * (slab.Near + slab.Far);
    back = !back; // to and fro: of two in a slab as often the one is in front as the other
    for (size_t n = 0; n < group.size(); n++) {
      const size_t i = back ? group.size() - 1 - n : n;
      if (middle < ends[i].Near || middle > ends[i].Far) {
        continue;
      }
      XACLayer &layer = layers[group[i]];
      xac_quality quality = layer.Quality;
      quality.planes = std::min<int>(quality.planes, XAC_PLANES_MAX - 2);
      SetPlane(quality.plane[quality.planes++], direction, camera.origin, slab.Near, 1.0);
      SetPlane(quality.plane[quality.planes++], direction, camera.origin, slab.Far, -1.0);
      int code = xac_render(layer.Renderer, &camera, &quality, &image, layer.Stats, error);
      if (code != BEAMCAST_OK) {
        return code;
      }
      sums[i].milliseconds += layer.Stats->milliseconds;
      sums[i].samples += layer.Stats->samples;
    }
  }
  for (size_t i = 0; i < group.size(); i++) {
    layers[group[i]].Stats->milliseconds = sums[i].milliseconds;
    layers[group[i]].Stats->samples = sums[i].samples;
  }
  return BEAMCAST_OK;
}

int DrawGroup(std::vector<XACLayer> &layers, const Group &group, const xac_camera &camera,
              const double direction[3], int slabs, const xac_image &image, beamcast_error *error) {
  std::vector<xac_layer> together;
  for (size_t i : group) {
    together.push_back({layers[i].Renderer, layers[i].Quality, layers[i].Stats});
  }
  const int code =
      xac_render_together(together.data(), static_cast<int>(group.size()), &camera, &image, error);
  return code == BEAMCAST_ERR_UNSUPPORTED
             ? DrawSlabs(layers, group, camera, direction, slabs, image, error)
             : code;
}
} // namespace

int XACDrawTogether(std::vector<XACLayer> &layers, const xac_camera &camera,
                    const double direction[3], int slabs, xac_image image, beamcast_error *error) {
  const size_t count = static_cast<size_t>(camera.width) * static_cast<size_t>(camera.height);
  std::fill(image.rgba, image.rgba + 4 * count, 0.0f);
  image.under = 1;
  int code = BEAMCAST_OK;
  for (const Group &group : FrontToBack(layers, camera)) {
    XACLayer &first = layers[group[0]];
    if (code == BEAMCAST_OK) {
      code = group.size() == 1
                 ? xac_render(first.Renderer, &camera, &first.Quality, &image, first.Stats, error)
                 : DrawGroup(layers, group, camera, direction, slabs, image, error);
    }
  }
  return code;
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
