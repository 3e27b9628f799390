// SPDX-License-Identifier: BSD-3-Clause
// A slice that lies as it will: turned like the volume, moved through it; the values come at full depth, interpolated
// between voxels. Coarse while it moves.

import { Bar } from "./guide.js";
import { recall, remember } from "./memory.js";
import { make, newest, put, slider } from "./panel.js";
import { TYPES, paint } from "./slices.js";

const TURN = 0.4; // degrees a CSS pixel
const STILL = 350; // ms

export class Free {
  constructor(session, views, slices) {
    this.session = session;
    this.slices = slices;
    Object.assign(this, { azimuth: 30, elevation: 30, depth: 0, ...recall("free"), plane: null });
    this.canvas = make("canvas", { id: "free", tabIndex: 0, role: "img", "aria-label": "Free slice. Drag or arrow keys turn it, wheel or Page keys move it through the volume." });
    this.caption = make("figcaption", { id: "about-free" });
    const place = make("div", { className: "along" });
    this.bar = slider(place, "at-free", "Depth of the free slice", -1, 1, 0.005, "");
    put(this.bar, this.depth);
    const face = make("button", { id: "free-face", textContent: "Face the view", title: "Turns the slice to where the volume is looked at from", onclick: () => this.face() });
    this.element = make("figure", { className: "view slice", hidden: true }, this.canvas, this.caption, make("div", { className: "over" }, face), place);
    views.append(this.element);
    this.scale = new Bar(this.element);
    this.pointer = null; // where it was last
    this.fetch = newest((quick) => this.ask(quick));
    this.bar.addEventListener("input", () => this.turn({ depth: +this.bar.value }));
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      canvas.focus({ preventScroll: true });
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) this.turn({ azimuth: this.azimuth - event.movementX * TURN, elevation: this.elevation + event.movementY * TURN });
      this.tell(event);
    });
    canvas.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.tell(null));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.turn({ depth: this.depth - 0.01 * Math.sign(event.deltaY) });
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-5, 0, 0], ArrowRight: [5, 0, 0], ArrowUp: [0, 5, 0], ArrowDown: [0, -5, 0], PageUp: [0, 0, 0.02], PageDown: [0, 0, -0.02] }[event.key];
      if (!step) return;
      event.preventDefault();
      this.turn({ azimuth: this.azimuth + step[0], elevation: this.elevation + step[1], depth: this.depth + step[2] });
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  open(are) {
    this.element.hidden = !are;
    this.describe();
    if (are) this.fetch(false);
  }

  face() {
    const { azimuth = 0, elevation = 0 } = this.session.volume.camera;
    this.turn({ azimuth, elevation });
  }

  turn(change) {
    Object.assign(this, change);
    this.elevation = Math.max(-90, Math.min(90, this.elevation));
    this.depth = Math.max(-1, Math.min(1, this.depth));
    put(this.bar, +this.depth.toFixed(3));
    remember("free", { azimuth: this.azimuth, elevation: this.elevation, depth: this.depth });
    this.fetch(true);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(false), STILL);
  }

  async ask(quick) {
    if (!this.shown || this.element.hidden) return;
    const { azimuth, elevation, depth } = this;
    const answer = await this.session.run(this.session.link.ask("free_slice", { azimuth, elevation, depth, quick }));
    if (!answer) return;
    const count = answer.rows * answer.columns, values = new TYPES[answer.type](answer.bytes, 0, count);
    const inside = new Uint8Array(answer.bytes, values.byteLength, count);
    this.plane = { ...answer, spacing: [1, 1], values, inside, over: answer.labels ? new Uint8Array(answer.bytes, values.byteLength + count) : null };
    this.canvas.dataset.sharp = !quick;
    this.canvas.dataset.labels = answer.labels;
    this.canvas.dataset.at = [azimuth, elevation, depth].join();
    this.draw();
  }

  state({ shown, labels }) {
    this.shown = shown;
    if (!shown) return;
    const of = JSON.stringify([shown.source, shown.dataset, shown.step, shown.array, shown.size, shown.time_shown, labels.array, labels.path, labels.dataset]);
    if (of !== this.of) this.fetch(false);
    this.of = of;
    this.draw();
  }

  tell(pointer) {
    const { plane, fitted, canvas, shown } = this;
    this.pointer = pointer;
    if (!plane || !fitted || !pointer) {
      this.describe();
      return;
    }
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    const right = ((pointer.clientX - box.left) * scale - fitted.left) / fitted.width, up = 1 - ((pointer.clientY - box.top) * scale - fitted.top) / fitted.height;
    const column = Math.floor(right * plane.columns), row = Math.floor(up * plane.rows), at = row * plane.columns + column;
    if (column < 0 || row < 0 || column >= plane.columns || row >= plane.rows || !plane.inside[at]) {
      this.describe();
      return;
    }
    const x = (column - (plane.columns - 1) / 2) * plane.step, y = (row - (plane.rows - 1) / 2) * plane.step;
    const voxel = plane.centre.map((c, i) => (c + x * plane.right[i] + y * plane.up[i] - plane.origin[i]) / shown.spacing[i]);
    this.caption.textContent = ["x", "y", "z"].map((axis, i) => axis + " " + voxel[i].toFixed(1)).join(", ") + ": " + plane.values[at] + (plane.over ? ", label " + plane.over[at] : "");
  }

  describe() {
    this.caption.textContent = this.plane ? `turned ${Math.round(this.azimuth)}°, tilted ${Math.round(this.elevation)}°` : this.shown ? "Fetching …" : "";
  }

  draw() {
    if (this.element.hidden || !this.plane) return;
    const { canvas, plane } = this;
    this.fitted = paint(canvas, plane, this.slices, this);
    if (this.fitted) this.scale.draw((plane.columns * plane.step * canvas.width) / (this.fitted.width * canvas.clientWidth), canvas.clientWidth, this.shown?.length_unit);
    this.tell(this.pointer);
  }
}
