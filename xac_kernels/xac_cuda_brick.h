/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A brick's device memory, and the thread that fills it: with the brick that is drawn, as soon as
 * the renderer has it and while it works on; and, where the device has room for a second one, with
 * the step after it, while that lands. What has been copied early is not copied again when the
 * renderer is given that step. Included once, by xac_cuda.cu.
 *
 * What is told is never trusted further than this: a box is copied after it was told, as host
 * memory is then, and again where a later box has the same points; the rest is copied when the step
 * is whole. So the copy equals host memory unless somebody writes what he has told before.
 *
 * All that the thread shares with others is guarded by xac_landing's lock, but for device memory:
 * that of the brick is the thread's while `pending`, that of the step to come while `copying`.
 */
#ifndef XAC_CUDA_BRICK_H
#define XAC_CUDA_BRICK_H

/* Where in a memory that steps land in a brick lies. */
struct xac_brick_place {
  bool known = false;
  beamcast_landing landing = {}; /* not retained: for what tells steps and arrays apart */
  int64_t first[3] = {0, 0, 0};  /* the brick's first point in it */
};

/* The step to come, as far as it is on the device. */
struct xac_brick_spare {
  buffer core;
  bool used = false;
  xac_volume brick = {};     /* as the renderer will be given it; its core only */
  uint64_t serial = 0;       /* of the step */
  size_t next = 0;           /* told boxes before this one are copied */
  std::vector<xac_box> rest; /* points that are not */
};

class xac_device_brick {
public:
  buffer core, border[6];
  uint64_t early = 0, late = 0; /* bytes of the core: copied before it was given, and since */

  xac_device_brick() {
    xac_landing_lock();
    all().push_back(this);
    xac_landing_unlock();
  }

  ~xac_device_brick() {
    xac_landing_lock();
    stop = true;
    all().erase(std::find(all().begin(), all().end(), this));
    xac_landing_wake();
    xac_landing_unlock();
    if (worker.joinable()) {
      worker.join();
    }
  }

  xac_device_brick(const xac_device_brick &) = delete;
  xac_device_brick &operator=(const xac_device_brick &) = delete;

  /* Starts the upload of a brick. On return the one before it is read no more. */
  void begin(int device_number, const xac_volume *volume, uint64_t version) {
    xac_landing_lock();
    asked = true;
    wait_for(&pending);
    wait_for(&copying);
    asked = false;
    device = device_number;
    of = version;
    brick = *volume;
    code = BEAMCAST_OK;
    early = late = 0;
    place = find_place(brick);
    const bool took = take_spare();
    xac_landing_unlock();
    if (brick.dims[0] == 0) {
      return;
    }
    const bool room = reserve();
    xac_landing_lock();
    place.known = place.known && room;
    if (!room) {
      xac_landing_unlock();
      return;
    }
    if (!took) {
      todo.assign(1, whole());
    }
    early = (points() - boxes_points(todo)) * size();
    pending = true;
    if (!worker.joinable()) {
      try {
        worker = std::thread([this] { run(); });
      } catch (const std::exception &) {
        copy_brick(); /* no thread to be had */
      }
    }
    xac_landing_wake();
    xac_landing_unlock();
  }

  /* Waits until the brick of this version is there; starts over where another one is. */
  int finish(int device_number, const xac_volume *volume, uint64_t version, beamcast_error *error) {
    if (of != version) {
      begin(device_number, volume, version);
    }
    xac_landing_lock();
    wait_for(&pending);
    xac_landing_unlock();
    if (code != BEAMCAST_OK) {
      of = 0; /* to be tried again */
      return beamcast_fail(error, code, "%s", message);
    }
    return BEAMCAST_OK;
  }

  /* Frees all memory of steps to come, whoever draws them; false where there was none. */
  static bool give_up_spares() {
    bool any = false;
    xac_landing_lock();
    while (std::any_of(all().begin(), all().end(), [](xac_device_brick *b) {
      b->asked = true;
      return b->copying;
    })) {
      xac_landing_wait(); /* and look anew: a brick may be gone by then */
    }
    for (xac_device_brick *b : all()) {
      any = any || b->spare.core.bytes > 0;
      b->refused = b->spare.used ? b->spare.serial : b->refused;
      b->spare.used = b->asked = false;
      b->spare.core.release();
    }
    xac_landing_wake();
    xac_landing_unlock();
    return any;
  }

private:
  std::thread worker;
  cudaStream_t stream = nullptr; /* the thread's, while it runs */
  int device = 0;
  bool stop = false, pending = false, copying = false;
  bool asked = false; /* somebody waits until it does not copy */
  xac_volume brick = {};
  uint64_t of = 0; /* version; 0: none */
  int code = BEAMCAST_OK;
  char message[200] = "";
  std::vector<xac_box> todo; /* of the brick's points, to be copied while it is pending */
  xac_brick_place place;
  xac_brick_spare spare;
  uint64_t refused = 0; /* serial of a step that there was no room for */

  static std::vector<xac_device_brick *> &all() {
    static std::vector<xac_device_brick *> bricks;
    return bricks;
  }

  void wait_for(const bool *over) const {
    while (*over) {
      xac_landing_wait();
    }
  }

  size_t size() const {
    return beamcast_type_size(brick.type);
  }

  size_t points() const {
    return (size_t)(brick.dims[0] * brick.dims[1] * brick.dims[2]);
  }

  xac_box whole() const {
    return {{0, 0, 0}, {brick.dims[0], brick.dims[1], brick.dims[2]}};
  }

  /* --- the brick that is drawn ---------------------------------------------------------------- */

  bool reserve() {
    bool fine = core.reserve(points() * size());
    for (int face = 0; face < 6 && fine; face++) {
      const int64_t n0 = brick.dims[face < 2 ? 1 : 0], n1 = brick.dims[face < 4 ? 2 : 1];
      fine = brick.border[face] == nullptr || border[face].reserve((size_t)(n0 * n1) * size());
    }
    if (!fine) {
      size_t available = 0, total = 0;
      cudaMemGetInfo(&available, &total);
      code = BEAMCAST_ERR_MEMORY;
      snprintf(message, sizeof message,
               "the brick needs %.2f GiB of the GPU's memory, %.2f of %.2f GiB are free",
               (double)(points() * size()) / 1073741824.0, (double)available / 1073741824.0,
               (double)total / 1073741824.0);
    }
    return fine;
  }

  cudaError_t copy_todo() {
    const bool parts = brick.last[0] || brick.last[1] || brick.last[2];
    cudaError_t failed = cudaSetDevice(device);
    if (failed == cudaSuccess && parts) {
      failed = upload_parts(&brick, size(), core.data, stream);
    }
    for (size_t i = 0; i < todo.size() && failed == cudaSuccess && !parts; i++) {
      failed = upload_points(&brick, todo[i], size(), core.data, stream);
    }
    for (int face = 0; face < 6 && failed == cudaSuccess; face++) {
      if (brick.border[face]) {
        failed = upload_border(&brick, face, size(), border[face].data, stream);
      }
    }
    return failed;
  }

  /* Lock held; not while it copies. */
  void copy_brick() {
    cudaError_t failed;
    xac_landing_unlock();
    try {
      failed = copy_todo();
    } catch (const std::exception &) {
      failed = cudaErrorMemoryAllocation; /* of rows that are packed */
    }
    xac_landing_lock();
    late = boxes_points(todo) * size();
    if (failed != cudaSuccess) {
      code = BEAMCAST_ERR_UNSUPPORTED;
      snprintf(message, sizeof message, "cuda: uploading the volume: %s",
               cudaGetErrorString(failed));
    }
    pending = false;
    xac_landing_wake();
  }

  void run() {
    cudaSetDevice(device);
    if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess) {
      cudaGetLastError();
      stream = nullptr; /* the default one does, too */
    }
    xac_landing_lock();
    while (!stop || pending) {
      if (pending) {
        copy_brick();
      } else if (asked || !follow()) {
        xac_landing_wait();
      }
    }
    xac_landing_unlock();
    if (stream) {
      cudaStreamDestroy(stream);
    }
  }

  /* --- the step to come; lock held ------------------------------------------------------------ */

  static xac_brick_place find_place(const xac_volume &v) {
    xac_brick_place found;
    const xac_memory *memory = v.dims[0] > 0 ? xac_landing_at(v.data) : nullptr;
    if (memory == nullptr || memory->spoilt || v.last[0] || v.last[1] || v.last[2]) {
      return found;
    }
    const beamcast_landing &l = memory->landing;
    const int64_t size = (int64_t)beamcast_type_size(v.type), row = (int64_t)l.shape[0];
    const int64_t voxel = (int64_t)l.voxel_bytes, plane = row * (int64_t)l.shape[1];
    const int64_t at = ((const char *)v.data - (const char *)l.data) / voxel;
    found.landing = l;
    found.first[0] = at % row;
    found.first[1] = at / row % (int64_t)l.shape[1];
    found.first[2] = at / plane;
    found.known = v.stride[0] * size == voxel && v.stride[1] * size == voxel * row &&
                  v.stride[2] * size == voxel * plane;
    for (int a = 0; a < 3; a++) {
      found.known = found.known && found.first[a] + v.dims[a] <= (int64_t)l.shape[a];
    }
    return found;
  }

  static bool same_core(const xac_volume &a, const xac_volume &b) {
    return a.data == b.data && a.type == b.type && std::equal(a.dims, a.dims + 3, b.dims) &&
           std::equal(a.stride, a.stride + 3, b.stride);
  }

  /* The brick where it lies in memory of the same array. */
  xac_volume brick_in(const beamcast_landing &landing) const {
    xac_volume v = brick;
    v.data =
        (const char *)landing.data + ((const char *)brick.data - (const char *)place.landing.data);
    return v;
  }

  /* Takes what has been copied of the brick early, where that is of this brick; else lets it be if
   * it is of one to come. */
  bool take_spare() {
    if (!spare.used) {
      return false;
    }
    const xac_memory *memory = xac_landing_at(spare.brick.data);
    const bool valid =
        place.known && memory && !memory->spoilt && memory->landing.serial == spare.serial;
    if (valid && place.landing.serial < spare.serial &&
        same_core(brick_in(memory->landing), spare.brick)) {
      return false;
    }
    spare.used = false;
    if (!valid || !same_core(brick, spare.brick)) {
      return false;
    }
    todo.clear();
    for (; spare.next < memory->count; spare.next++) { /* told, and not copied yet */
      xac_box box;
      if (in_brick(memory->told[spare.next], &box)) {
        boxes_without(&spare.rest, box);
        boxes_without(&todo, box);
        todo.push_back(box);
      }
    }
    todo.insert(todo.end(), spare.rest.begin(), spare.rest.end());
    std::swap(core.data, spare.core.data);
    std::swap(core.bytes, spare.core.bytes);
    return true;
  }

  /* A box of the memory's array as one of the brick. */
  bool in_brick(xac_box told, xac_box *box) const {
    for (int a = 0; a < 3; a++) {
      told.lo[a] -= place.first[a];
    }
    return boxes_meet(told, whole(), box);
  }

  /* Does a part of what can be done for the step to come; false where that is nothing. */
  bool follow() {
    if (!place.known) {
      return false;
    }
    if (!spare.used) {
      const xac_memory *memory = xac_landing_after(&place.landing);
      return memory && memory->landing.serial != refused && start_spare(memory->landing);
    }
    const xac_memory *memory = xac_landing_at(spare.brick.data);
    if (memory == nullptr || memory->spoilt || memory->landing.serial != spare.serial) {
      spare.used = false;
      return true;
    }
    if (spare.next == memory->count) {
      return false;
    }
    xac_box box;
    if (in_brick(memory->told[spare.next++], &box)) {
      copy_box(memory->landing, box);
    }
    return true;
  }

  /* The second copy has to leave room for others: an eighth of the device. */
  bool start_spare(const beamcast_landing landing) {
    const size_t bytes = points() * size();
    size_t available = 0, total = 0;
    copying = true;
    xac_landing_unlock();
    bool room = spare.core.bytes >= bytes;
    if (!room && cudaMemGetInfo(&available, &total) == cudaSuccess) {
      room = available + spare.core.bytes >= bytes + total / 8 && spare.core.reserve_spare(bytes);
    }
    xac_landing_lock();
    copying = false;
    xac_landing_wake();
    refused = room ? refused : landing.serial;
    spare.used = room;
    spare.serial = landing.serial;
    spare.brick = brick_in(landing);
    spare.next = 0;
    spare.rest.assign(1, whole());
    return true;
  }

  void copy_box(const beamcast_landing landing, const xac_box &box) {
    cudaError_t failed;
    copying = true;
    landing.retain(landing.owner);
    xac_landing_unlock();
    try {
      failed = upload_points(&spare.brick, box, size(), spare.core.data, stream);
    } catch (const std::exception &) {
      failed = cudaErrorMemoryAllocation;
    }
    landing.release(landing.owner);
    xac_landing_lock();
    copying = false;
    xac_landing_wake();
    boxes_without(&spare.rest, box);
    if (failed != cudaSuccess) { /* it begins with the whole step, then, and says what is wrong */
      cudaGetLastError();
      spare.used = false;
      refused = landing.serial;
    }
  }
};

inline bool buffer::reserve(size_t wanted) {
  return reserve_spare(wanted) || (xac_device_brick::give_up_spares() && reserve_spare(wanted));
}

#endif
