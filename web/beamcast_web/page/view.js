// SPDX-License-Identifier: BSD-3-Clause
// The volume's view: shows the pictures that come, and turns the camera by mouse, touch and keys.
// cameras.js says when a camera is sent.

import { Cameras } from "./cameras.js";
import { Guide, SIDES } from "./guide.js";

const TURN = 0.4; // degrees a CSS pixel
const START = { azimuth: 0, elevation: 0, zoom: 1, pan: [0, 0] };
const LARGEST = 2560;

export class VolumeView {
  /** canvas: where to draw. link: to the session. steers(): whether this browser may turn. */
  constructor(canvas, link, steers) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.link = link;
    this.steers = steers;
    this.camera = structuredClone(START);
    this.cameras = new Cameras((value, turn) => link.say("camera", { value, turn }));
    this.fingers = new Map();
    this.shown = 0;
    this.guide = new Guide(canvas.parentElement, (side) => this.from(side));
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.fingers.delete(event.pointerId));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.press_key(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  // --- pictures -------------------------------------------------------------------------------

  async show(header, bytes) {
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" })).catch(() => null);
    this.link.say("shown"); // also of one that can't be shown: the next ones wait for it
    this.cameras.picture(header);
    if (!picture || header.number < this.shown) return;
    this.shown = header.number;
    if (this.cameras.settled) this.camera = { ...START, ...structuredClone(header.camera) };
    this.picture = picture;
    this.header = header;
    this.canvas.dataset.size = header.width + "x" + header.height;
    this.canvas.dataset.azimuth = header.camera.azimuth ?? 0;
    this.canvas.dataset.pan = header.camera.pan ?? "0,0";
    this.canvas.dataset.number = header.number;
    this.canvas.dataset.sharp = header.sharp;
    this.canvas.dataset.step = header.step;
    this.draw();
  }

  draw() {
    const { canvas, context, picture } = this;
    context.fillStyle = "black";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!picture) return;
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    context.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    this.guide?.draw(this, scale);
  }

  /** What is shown: its size in the world, for the scale bar. */
  state({ shown }) {
    const before = JSON.stringify(this.world);
    this.world = shown && { unit: shown.length_unit, lengths: shown.size.map((count, i) => (count - 1) * shown.spacing[i]) };
    if (JSON.stringify(this.world) !== before) this.draw(); // it may come after the picture
  }

  resize() {
    const scale = Math.min(devicePixelRatio || 1, LARGEST / Math.max(1, this.canvas.clientWidth, this.canvas.clientHeight));
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * scale));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * scale));
    this.draw();
    this.tell_size();
  }

  tell_size() {
    if (this.steers() && this.canvas.width > 1) this.link.say("size", { width: this.canvas.width, height: this.canvas.height });
  }

  // --- the camera -----------------------------------------------------------------------------

  turn(change) {
    if (!this.steers()) return;
    Object.assign(this.camera, change);
    this.camera.elevation = Math.max(-90, Math.min(90, this.camera.elevation));
    this.camera.zoom = Math.max(0.05, Math.min(200, this.camera.zoom));
    this.cameras.put(this.camera);
  }

  reset() {
    this.turn(structuredClone(START));
  }

  /** Looks from a side, "+x" and so on. */
  from(side) {
    const [azimuth, elevation] = SIDES[side];
    this.turn({ azimuth, elevation, pan: [0, 0] });
  }

  drag(right, down, shifts) {
    const { camera, canvas } = this;
    if (shifts) {
      const unit = 2 / canvas.clientHeight / camera.zoom;
      this.turn({ pan: [camera.pan[0] + right * unit, camera.pan[1] - down * unit] });
    } else {
      this.turn({ azimuth: camera.azimuth - right * TURN, elevation: camera.elevation + down * TURN });
    }
  }

  press(event) {
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  move(event) {
    const from = this.fingers.get(event.pointerId);
    if (!from || !this.steers()) return;
    const to = [event.clientX, event.clientY];
    if (this.fingers.size === 2) {
      const [other] = [...this.fingers.entries()].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const far = (at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
      this.camera.zoom *= far(to) / far(from);
      this.drag((to[0] - from[0]) / 2, (to[1] - from[1]) / 2, true);
    } else if (this.fingers.size === 1) {
      this.drag(to[0] - from[0], to[1] - from[1], event.shiftKey || event.buttons & 6);
    }
    this.fingers.set(event.pointerId, to);
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 30 : event.deltaMode === 2 ? 300 : 1);
    this.turn({ zoom: this.camera.zoom * Math.exp(-pixels / 500) });
  }

  press_key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) this.drag(25 * step[0], 25 * step[1], event.shiftKey);
    else if (event.key === "+" || event.key === "=") this.turn({ zoom: this.camera.zoom * 1.25 });
    else if (event.key === "-") this.turn({ zoom: this.camera.zoom / 1.25 });
    else if (event.key === "Home") this.reset();
    else return;
    event.preventDefault();
  }
}
