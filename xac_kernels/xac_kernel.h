/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The renderer's kernel, one source for both back ends: setting up a ray, the part of it inside a
 * box, walking a macrocell, colour, shading, compositing. Written in the common subset of C and
 * CUDA C over packets (xac_packet.h). Before it is included, the back end defines xk_source and
 *
 *   xk_sample xk_fetch(const xk_source *, xi x, xi y, xi z, xf fx, xf fy, xf fz,
 *                      int kernel, int nearest)
 *   xk_color xk_lookup(const xk_source *, xi entry)
 *
 * and, with XAC_CALLS_USER, samples that have a position and a distance, and a user's kernel:
 *
 *   xk_color xk_user(const xac_frame *, const xk_source *, const xk_sample *,
 *                    const xf *eye, const xf *light, xi live)
 *
 * where x, y, z is the cell inside the macrocell and fx, fy, fz the place in the cell. A value that
 * decides where or whether a ray is sampled is computed from the ray and whole volume alone.
 */
#ifndef XAC_KERNEL_H
#define XAC_KERNEL_H

/* One packet of rays. A sample's position is base + (k + c) * step in index space, k = 0, 1, ...
 * from where the ray enters the whole volume; c is 0, or the pixel's random part. A sample stands
 * for half a step before and behind it, the first and the last for what is left to the ray's ends:
 * the trapezoidal rule, at the places where VTK's mappers sample. */
typedef struct xk_ray {
  xf base[3], step[3];
  xf length; /* of the ray inside the whole volume, in steps; 0: done */
  xf c;      /* of the first sample, in steps from the base */
  xf entry;  /* world distance from the ray's origin to its base */
  xf r, g, b, through, depth;
} xk_ray;

XAC_INLINE xf xk_affine(const float *a, const float *dx, const float *dy, int axis, xf x, xf y) {
  return a[axis] + x * dx[axis] + y * dy[axis];
}

/* A number in 0..1 that depends on the pixel alone (the hash of Jarzynski and Olano's pcg). */
XAC_INLINE xf xk_random(xf x, xf y) {
#if XAC_LANES == 1
  unsigned h = (unsigned)(int)x * 1664525u + (unsigned)(int)y * 22695477u + 1013904223u;
  h ^= h >> 16;
  h *= 0x45d9f3bu;
  h ^= h >> 15;
  return (float)(h >> 9) * (1.0f / 8388608.0f);
#else
  xf result;
  for (int i = 0; i < XAC_LANES; i++) {
    unsigned h = (unsigned)(int)x[i] * 1664525u + (unsigned)(int)y[i] * 22695477u + 1013904223u;
    h ^= h >> 16;
    h *= 0x45d9f3bu;
    h ^= h >> 15;
    result[i] = (float)(h >> 9) * (1.0f / 8388608.0f);
  }
  return result;
#endif
}

/* Where the ray origin + t * direction passes from outside to inside of lo..hi in one axis. */
XAC_INLINE void xk_slab(xf origin, xf direction, float lo, float hi, xf *in, xf *out) {
  xf tiny = xf_set(1e-18f);
  xi flat = xf_lt(direction, tiny) & xf_lt(-tiny, direction);
  xf inverse = 1.0f / xf_select(flat, tiny, direction);
  xf a = (lo - origin) * inverse;
  xf b = (hi - origin) * inverse;
  *in = xf_max(xf_min(a, b), *in);
  *out = xf_min(xf_max(a, b), *out);
}

/* Sets up the rays of pixels (x, y). limit: world distance at which they end. */
XAC_INLINE void xk_ray_setup(const xac_frame *f, xf x, xf y, xf limit, xk_ray *ray) {
  xf world[3], origin[3], direction[3];
  for (int a = 0; a < 3; a++) {
    world[a] = xk_affine(f->world, f->world_dx, f->world_dy, a, x, y);
    direction[a] = xk_affine(f->direction, f->direction_dx, f->direction_dy, a, x, y);
    origin[a] = xk_affine(f->origin, f->origin_dx, f->origin_dy, a, x, y);
  }
  xf norm = 1.0f / xf_sqrt(world[0] * world[0] + world[1] * world[1] + world[2] * world[2]);
  xf in = xf_set(0.0f);
  xf out = xf_set(1e30f);
  for (int a = 0; a < 3; a++) {
    direction[a] = direction[a] * norm;
    xk_slab(origin[a], direction[a], f->box_lo[a], f->box_hi[a], &in, &out);
  }
  for (int i = 0; i < f->planes; i++) {
    const float *p = f->plane[i];
    xf height = p[0] * origin[0] + p[1] * origin[1] + p[2] * origin[2] + p[3];
    xf slope = p[0] * direction[0] + p[1] * direction[1] + p[2] * direction[2];
    xi rises = xf_lt(xf_set(0.0f), slope);
    xi flat = xf_lt(slope, xf_set(1e-18f)) & xf_lt(xf_set(-1e-18f), slope);
    xf t = -height / xf_select(flat, xf_set(1.0f), slope);
    t = xf_select(flat, xf_select(xf_lt(height, xf_set(0.0f)), xf_set(1e30f), xf_set(0.0f)), t);
    in = xf_select(rises | flat, xf_max(t, in), in);
    out = xf_select(rises | flat, out, xf_min(t, out));
  }
  out = xf_min(limit, out);
  xf length = (out - in) * (1.0f / f->step);
  /* A length that is not a number or nothing makes the ray done. */
  ray->length = xf_select(xf_lt(xf_set(1e-4f), length), xf_min(length, xf_set(8e6f)), xf_set(0.0f));
  ray->entry = in;
  ray->c = f->jitter ? xf_min(xk_random(x, y), 0.5f * ray->length) : xf_set(0.0f);
  for (int a = 0; a < 3; a++) {
    ray->base[a] = origin[a] + in * direction[a];
    ray->step[a] = direction[a] * f->step;
  }
  ray->r = ray->g = ray->b = xf_set(0.0f);
  ray->through = xf_set(1.0f);
  ray->depth = xf_set(1e30f);
}

/* Sets the rays out under what the picture has already: colour and opacity. */
XAC_INLINE void xk_ray_under(const xac_frame *f, xf r, xf g, xf b, xf a, xk_ray *ray) {
  ray->r = r;
  ray->g = g;
  ray->b = b;
  ray->through = 1.0f - a;
  xi done = xf_lt(ray->through, xf_set(f->terminate));
  ray->length = xf_select(done, xf_set(0.0f), ray->length);
}

/* How many samples a ray has; none lies where it leaves, give or take rounding. */
XAC_INLINE xf xk_samples(const xk_ray *ray) {
  return xf_max(xf_ceil(ray->length - ray->c - 0.01f), xf_set(1.0f));
}

/* The first sample at or beyond the distance t (in steps); distances beyond the last give the
 * count of samples. The same for both macrocells at a face, so each sample is drawn once. */
XAC_INLINE xf xk_first_sample(const xk_ray *ray, xf t) {
  xf k = xf_ceil(xf_min(xf_max(t, xf_set(0.0f)), xf_set(1e7f)) - ray->c);
  return xf_min(xf_max(k, xf_set(0.0f)), xk_samples(ray));
}

/* The samples first..end-1 that lie inside the box lo..hi. */
XAC_INLINE void xk_range(const xk_ray *ray, const float *lo, const float *hi, xf *first, xf *end) {
  xf in = xf_set(-1e30f);
  xf out = xf_set(1e30f);
  for (int a = 0; a < 3; a++) {
    xk_slab(ray->base[a], ray->step[a], lo[a], hi[a], &in, &out);
  }
  *first = xk_first_sample(ray, in);
  *end = xf_select(xf_lt(in, out), xk_first_sample(ray, out), *first);
  *end = xf_select(xf_lt(xf_set(0.0f), ray->length), *end, *first);
}

/* What lights a packet: unit vectors in world space towards the eye, and, where it is the same for
 * the whole packet, towards the light. */
typedef struct xk_lighting {
  xf eye[3], light[3], half[3];
  xf phase;
} xk_lighting;

XAC_INLINE void xk_halfway(const xf *eye, const xf *light, xf *half) {
  xf h[3];
  for (int a = 0; a < 3; a++) {
    h[a] = eye[a] + light[a];
  }
  xf norm = 1.0f / xf_sqrt(h[0] * h[0] + h[1] * h[1] + h[2] * h[2] + 1e-12f);
  for (int a = 0; a < 3; a++) {
    half[a] = h[a] * norm;
  }
}

/* Henyey and Greenstein's phase function times 4 pi; 1 for g = 0. */
XAC_INLINE xf xk_phase(float g, const xf *eye, const xf *light) {
  xf cosine = -(eye[0] * light[0] + eye[1] * light[1] + eye[2] * light[2]);
  xf d = 1.0f + g * g - 2.0f * g * cosine;
  return (1.0f - g * g) / (d * xf_sqrt(d));
}

XAC_INLINE void xk_light_setup(const xac_frame *f, const xk_ray *ray, xk_lighting *l) {
  xf norm = xf_set(-1.0f / f->step);
  for (int a = 0; a < 3; a++) {
    const float *m = f->to_world + 3 * a;
    l->eye[a] = norm * (m[0] * ray->step[0] + m[1] * ray->step[1] + m[2] * ray->step[2]);
    l->light[a] = f->light_kind == 0 && !(f->kernel & 2) ? l->eye[a] : xf_set(f->light[a]);
  }
  xk_halfway(l->eye, l->light, l->half);
  l->phase = f->anisotropy != 0.0f ? xk_phase(f->anisotropy, l->eye, l->light) : xf_set(1.0f);
}

/* Towards a point light the directions differ from sample to sample. */
XAC_INLINE void xk_light_point(const xac_frame *f, const xf *position, xk_lighting *l) {
  xf d[3];
  for (int a = 0; a < 3; a++) {
    const float *m = f->to_world + 3 * a;
    d[a] = f->light[a] - f->world_origin[a] -
           (m[0] * position[0] + m[1] * position[1] + m[2] * position[2]);
  }
  xf norm = 1.0f / xf_sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 1e-12f);
  for (int a = 0; a < 3; a++) {
    l->light[a] = d[a] * norm;
  }
  xk_halfway(l->eye, l->light, l->half);
  if (f->anisotropy != 0.0f) {
    l->phase = xk_phase(f->anisotropy, l->eye, l->light);
  }
}

XAC_INLINE xf xk_dot_two_sided(const xf *a, const xf *b, xf scale) {
  xf d = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) * scale;
  return xf_max(d, -d);
}

/* What multiplies a sample's colour, and what is added for the highlight. */
XAC_INLINE void xk_shade(const xac_frame *f, const xk_sample *s, const xk_lighting *l, int kernel,
                         xf *factor, xf *highlight) {
  xf open = xf_set(1.0f);
  *factor = xf_set(1.0f);
  *highlight = xf_set(0.0f);
  if (kernel & 4) {
    /* Half of all directions are open on a flat surface, which is not to look dark. */
    open = xf_min(2.0f * s->open, xf_set(1.0f));
    open = 1.0f - f->occlusion_strength * (1.0f - open);
    *factor = open;
  }
  if (kernel & 2) {
    *factor = f->ambient * open + (1.0f - f->ambient) * s->light * l->phase;
  }
  if (kernel & 1) {
    /* The normal's length goes to 0 where the gradient vanishes: there is no surface there, and
     * the light is spread evenly. */
    xf g2 = s->g[0] * s->g[0] + s->g[1] * s->g[1] + s->g[2] * s->g[2];
    xf norm = xf_rsqrt(g2 + f->gradient_floor);
    xf surface = g2 * norm * norm;
    xf lambert = xk_dot_two_sided(s->g, l->light, norm);
    *factor = open * (f->ambient + f->diffuse * (1.0f - surface + lambert));
    xf cosine = xk_dot_two_sided(s->g, l->half, norm);
    if (xi_any(xf_lt(xf_set(f->shine_from), cosine))) {
      xf shine = xf_shine(xf_min(cosine, xf_set(1.0f)), f->power);
      *highlight = open * f->specular * shine;
    }
  }
}

/* What all samples of a packet in a macrocell share. */
typedef struct xk_walk {
  xf origin[3]; /* the rays' bases, from the macrocell's first point */
  xi most[3];   /* the macrocell's last cell */
  xf last;      /* number of the rays' last samples */
  int ends;     /* some ray may begin or end in here */
  xk_lighting lighting;
} xk_walk;

XAC_INLINE void xk_walk_setup(const xac_frame *f, const xac_macrocell *m, const xk_ray *ray,
                              int kernel, xf first, xf end, xk_walk *w) {
  if (kernel & (1 | 2 | 8)) {
    xk_light_setup(f, ray, &w->lighting);
  }
  for (int a = 0; a < 3; a++) {
    w->origin[a] = ray->base[a] - (float)m->first[a];
    w->most[a] = xi_set(m->cells[a] - 1);
  }
  w->last = xk_samples(ray) - 1.0f;
  w->ends = xi_any(xf_lt(first, xf_set(1.0f)) | xf_lt(w->last, end));
}

/* The samples number k of the rays, inside the macrocell: lit, multiplied with opacity, for the
 * part of the ray that they stand for. Returns the lanes, of live, that show something. */
XAC_INLINE xi xk_evaluate(const xac_frame *f, const xac_macrocell *m, const xk_source *source,
                          const xk_ray *ray, xk_walk *w, int kernel, xf k, xi live,
                          xk_color *color) {
  const xf zero = xf_set(0.0f);
  const xf one = xf_set(1.0f);
  xf at = k + ray->c;
  xf p[3];
  xi cell[3];
  for (int a = 0; a < 3; a++) {
    p[a] = xf_max(w->origin[a] + at * ray->step[a], zero);
    cell[a] = xf_int(xf_min(p[a], xi_float(w->most[a])));
  }
  xi bit = (cell[0] >> XAC_SUBCELL_SHIFT) + ((cell[1] >> XAC_SUBCELL_SHIFT) << 2) +
           ((cell[2] >> XAC_SUBCELL_SHIFT) << 4);
  xi word = xi_select(-(bit >> 5), xi_set((int)m->visible[1]), xi_set((int)m->visible[0]));
  live &= -((word >> (bit & 31)) & 1);
  if (!xi_any(live)) {
    return live;
  }
  for (int a = 0; a < 3; a++) {
    p[a] = xf_min(p[a] - xi_float(cell[a]), one);
  }
  xk_sample s = xk_fetch(source, cell[0], cell[1], cell[2], p[0], p[1], p[2], kernel, f->nearest);
  xk_color c;
#ifdef XAC_CALLS_USER
  if (kernel & 8) {
    for (int a = 0; a < 3; a++) {
      s.position[a] = ray->base[a] + at * ray->step[a];
    }
    s.distance = ray->entry + at * f->step;
    if (f->light_kind == 2) {
      xk_light_point(f, s.position, &w->lighting);
    }
    c = xk_user(f, source, &s, w->lighting.eye, w->lighting.light, live);
  } else
#endif
  {
    xf entry = s.value * f->table_scale + f->table_bias;
    entry = xf_min(xf_max(entry, zero), xf_set((float)(XAC_TABLE - 1)));
    c = xk_lookup(source, xf_int(entry));
  }
  if (f->has_gaps) {
    live &= xf_le(xf_set(f->lowest), s.value);
  }
  if (w->ends) {
    /* The part of the ray that the first and the last stand for is not a whole step. */
    xf part = one + xf_select(xf_lt(k, one), ray->c - 0.5f, zero) +
              xf_select(xf_le(w->last, k), ray->length - at - 0.5f, zero);
    xf opacity = one - xf_pow(one - c.a, part);
    xi uneven = xf_lt(part, one) | xf_lt(one, part);
    xf scale = xf_select(uneven, opacity / xf_max(c.a, xf_set(1e-12f)), one);
    c.r *= scale;
    c.g *= scale;
    c.b *= scale;
    c.a = xf_select(uneven, opacity, c.a);
  }
  if (kernel != 0 && !(kernel & 8)) {
    if ((kernel & (1 | 2)) && f->light_kind == 2) {
      xf position[3];
      for (int a = 0; a < 3; a++) {
        position[a] = ray->base[a] + at * ray->step[a];
      }
      xk_light_point(f, position, &w->lighting);
    }
    xf factor, highlight;
    xk_shade(f, &s, &w->lighting, kernel, &factor, &highlight);
    highlight = highlight * c.a;
    c.r = c.r * factor + highlight;
    c.g = c.g * factor + highlight;
    c.b = c.b * factor + highlight;
  }
  *color = c;
  return live;
}

/* Draws the samples of the rays that lie in the macrocell. cell box and bits come from m. Returns
 * how many samples were evaluated. kernel is a constant where this is expanded. */
XAC_INLINE unsigned xk_march(const xac_frame *f, const xac_macrocell *m, const xk_source *source,
                             xk_ray *ray, int kernel, int want_depth) {
  xf first, end;
  xk_range(ray, m->lo, m->hi, &first, &end);
  xf count = end - first;
  float longest = xf_greatest(count);
  if (!(longest > 0.0f)) {
    return 0;
  }
  xk_walk walk;
  xk_walk_setup(f, m, ray, kernel, first, end, &walk);
  const xf zero = xf_set(0.0f);
  unsigned evaluated = 0;
  for (float i = 0.0f; i < longest; i += 1.0f) {
    xf k = first + i;
    xk_color c;
    xi live = xk_evaluate(f, m, source, ray, &walk, kernel, k, xf_lt(xf_set(i), count), &c);
    if (!xi_any(live)) {
      continue;
    }
    xf through = xf_select(live, ray->through, zero);
    ray->r += c.r * through;
    ray->g += c.g * through;
    ray->b += c.b * through;
    evaluated += (unsigned)xi_count(live);
    if (want_depth) {
      xf after = ray->through - through * c.a;
      xi crosses = xf_le(after, xf_set(0.5f)) & xf_lt(xf_set(0.5f), ray->through);
      ray->depth = xf_select(crosses, ray->entry + (k + ray->c) * f->step, ray->depth);
      ray->through = after;
    } else {
      ray->through -= through * c.a;
    }
    if (!xi_any(xf_le(xf_set(f->terminate), ray->through) & xf_lt(xf_set(i), count))) {
      break;
    }
  }
  ray->length = xf_select(xf_lt(ray->through, xf_set(f->terminate)), zero, ray->length);
  return evaluated;
}

#endif
