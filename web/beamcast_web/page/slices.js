// SPDX-License-Identifier: BSD-3-Clause
// Three linked slices. Their values come at full bit depth and are coloured here, so that the window moves at once
// and the value under the pointer is the voxel's own.

import { Bar } from "./guide.js";
import { recall, remember } from "./memory.js";
import { make, newest, put, slider } from "./panel.js";

const AXES = ["x", "y", "z"];
const ACROSS = { x: ["y", "z"], y: ["x", "z"], z: ["x", "y"] }; // to the right, upwards
export const TYPES = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, uint32: Uint32Array, float32: Float32Array, float64: Float64Array };
const NAMES = { x: "#ff7b72", y: "#7ee787", z: "#79c0ff" };

export class Slices {
  constructor(session, views) {
    this.session = session;
    this.at = [0, 0, 0];
    this.window = [0, 1];
    this.grey = true; // or in the volume's colours
    this.figures = AXES.map((axis, i) => this.figure(views, axis, i));
    this.fetch_colours = newest(async () => {
      const answer = await session.run(session.link.ask("colours"));
      if (answer) this.colours = new Uint8Array(answer.bytes);
      this.label_colours ??= new Uint8Array((await session.run(session.link.ask("label_colours")))?.bytes ?? new ArrayBuffer(768));
      this.draw();
    });
  }

  figure(views, axis, i) {
    const canvas = make("canvas", { id: "slice-" + axis, tabIndex: 0, role: "img" });
    const caption = make("figcaption", { id: "about-" + axis });
    const place = make("div", { className: "along" });
    const bar = slider(place, "at-" + axis, "Slice along " + axis, 0, 0, 1, "");
    const element = make("figure", { className: "view slice", hidden: true }, canvas, caption, place);
    views.append(element);
    const one = { axis, i, canvas, caption, bar, element, scale: new Bar(element), plane: null, pointer: null };
    one.fetch = newest(async () => {
      if (!this.shown || element.hidden) return;
      const answer = await this.session.run(this.session.link.ask("slice", { axis, at: this.at[i] }));
      if (answer) {
        const count = answer.rows * answer.columns;
        one.plane = { ...answer, values: new TYPES[answer.type](answer.bytes, 0, count), over: answer.labels ? new Uint8Array(answer.bytes, answer.bytes.byteLength - count) : null };
        this.draw_one(one);
      }
    });
    bar.addEventListener("input", () => this.go(i, +bar.value));
    canvas.addEventListener("pointermove", (event) => this.tell(one, event));
    canvas.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.tell(one, null)); // what was tapped stays
    canvas.addEventListener("pointerdown", (event) => {
      this.tell(one, event);
      canvas.setPointerCapture(event.pointerId);
      canvas.focus({ preventScroll: true });
      this.pick(one, event);
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && this.pick(one, event));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.go(i, this.at[i] + Math.sign(event.deltaY));
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.go(i, this.at[i] + step);
    });
    new ResizeObserver(() => this.draw_one(one)).observe(canvas);
    return one;
  }

  open(are) {
    for (const one of this.figures) {
      one.element.hidden = !are;
      this.tell(one, one.pointer);
      one.fetch();
    }
  }

  state({ shown, look, labels }) {
    this.shown = shown;
    this.opacity = labels.opacity;
    if (!shown) return;
    if (String(shown.size) !== String(this.size)) {
      this.size = shown.size;
      const before = recall("slices", {});
      this.figures.forEach((one, i) => {
        one.bar.max = this.size[i] - 1;
        this.at[i] = String(before.size) === String(this.size) ? before.at[i] : this.size[i] >> 1;
        put(one.bar, this.at[i]);
      });
    }
    this.window = look.window;
    const of = JSON.stringify([shown.source, shown.dataset, shown.step, shown.array, shown.size, shown.time_shown, labels.array, labels.path, labels.dataset]);
    if (of !== this.of) for (const one of this.figures) one.fetch();
    const colours = JSON.stringify([look.preset, shown.array, look.curves?.[0]]);
    if (colours !== this.colours_of) {
      this.colours_of = colours;
      this.fetch_colours();
    }
    this.of = of;
    this.draw();
  }

  go(i, at) {
    this.at[i] = Math.max(0, Math.min(this.size[i] - 1, at));
    put(this.figures[i].bar, this.at[i]);
    remember("slices", { size: this.size, at: this.at });
    this.figures[i].fetch();
    this.draw();
  }

  /** The voxel under the pointer: column, row; null beside the slice. */
  voxel(one, event) {
    if (!one.plane || !one.fitted) return null;
    const box = one.canvas.getBoundingClientRect(), { left, top, width, height } = one.fitted;
    const scale = one.canvas.width / box.width;
    const right = ((event.clientX - box.left) * scale - left) / width;
    const up = 1 - ((event.clientY - box.top) * scale - top) / height;
    if (right < 0 || right >= 1 || up < 0 || up >= 1) return null;
    return [Math.floor(right * one.plane.columns), Math.floor(up * one.plane.rows)];
  }

  /** What is under the pointer, where it was last; null: it has left. */
  tell(one, pointer) {
    one.pointer = pointer;
    const at = pointer && this.voxel(one, pointer);
    if (!at) {
      one.caption.textContent = one.plane ? one.axis + " " + one.plane.at + (one.plane.every > 1 ? ", every " + one.plane.every + " voxels" : "") : this.shown ? "Fetching …" : "";
      return;
    }
    const { values, columns, every } = one.plane, [right, up] = ACROSS[one.axis];
    const place = { [one.axis]: one.plane.at, [right]: at[0] * every, [up]: at[1] * every };
    one.caption.textContent = AXES.map((axis) => axis + " " + place[axis]).join(", ") + ": " + values[at[1] * columns + at[0]] + (one.plane.over ? ", label " + one.plane.over[at[1] * columns + at[0]] : "");
  }

  pick(one, event) {
    const at = this.voxel(one, event);
    if (!at) return;
    ACROSS[one.axis].forEach((axis, k) => this.go(AXES.indexOf(axis), at[k] * one.plane.every));
  }

  draw() {
    for (const one of this.figures) this.draw_one(one);
  }

  draw_one(one) {
    const { canvas, plane } = one;
    if (one.element.hidden || !canvas.clientWidth) return;
    if (!plane) return;
    one.fitted = paint(canvas, plane, this, one);
    if (!one.fitted) return;
    const context = canvas.getContext("2d");
    this.cross(one, context);
    one.scale.draw((plane.columns * plane.every * plane.spacing[1] * canvas.width) / (one.fitted.width * canvas.clientWidth), canvas.clientWidth, this.shown?.length_unit);
    this.tell(one, one.pointer);
    canvas.setAttribute("aria-label", "Slice " + one.axis + " " + plane.at + ". Arrow keys and Page keys go through the slices.");
    canvas.dataset.at = plane.at;
  }

  /** Where the other two slices are. */
  cross(one, context) {
    const { left, top, width, height } = one.fitted, [right, up] = ACROSS[one.axis].map((axis) => AXES.indexOf(axis));
    const x = left + ((this.at[right] + 0.5) / this.size[right]) * width, y = top + (1 - (this.at[up] + 0.5) / this.size[up]) * height;
    context.globalAlpha = 0.7;
    context.fillStyle = NAMES[AXES[right]];
    context.fillRect(x - 0.5, top, 1, height);
    context.fillStyle = NAMES[AXES[up]];
    context.fillRect(left, y - 0.5, width, 1);
    context.globalAlpha = 1;
  }

  table() {
    if (this.table_of !== (this.grey ? "grey" : this.colours)) {
      this.table_of = this.grey ? "grey" : this.colours;
      this.lookup = new Uint32Array(256);
      for (let i = 0; i < 256; i++) this.lookup[i] = this.grey ? (255 << 24) | (i << 16) | (i << 8) | i : (255 << 24) | (this.colours[3 * i + 2] << 16) | (this.colours[3 * i + 1] << 8) | this.colours[3 * i];
    }
    return this.lookup;
  }
}

/** Draws values (and labels over them, and nothing where they are not inside) as large as they fit; where that is. */
export function paint(canvas, plane, slices, keep) {
  const ratio = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  if (!slices.colours || !canvas.width || !canvas.height) return null;
  const { rows, columns, values, spacing, over, inside } = plane, [low, high] = slices.window, scale = 255 / (high - low);
  const image = new ImageData(columns, rows), pixels = new Uint32Array(image.data.buffer), table = slices.table();
  for (let row = 0; row < rows; row++) {
    let to = (rows - 1 - row) * columns;
    for (let from = row * columns, end = from + columns; from < end; from++, to++) {
      const at = (values[from] - low) * scale;
      if (!inside || inside[from]) pixels[to] = table[at > 0 ? (at < 255 ? at | 0 : 255) : 0];
      if (over && over[from]) blend(image.data, 4 * to, slices.label_colours, 3 * over[from], slices.opacity);
    }
  }
  keep.buffer ??= make("canvas");
  [keep.buffer.width, keep.buffer.height] = [columns, rows];
  keep.buffer.getContext("2d").putImageData(image, 0, 0);
  const fit = Math.min(canvas.width / (columns * spacing[1]), canvas.height / (rows * spacing[0]));
  const [width, height] = [columns * spacing[1] * fit, rows * spacing[0] * fit];
  const fitted = { left: (canvas.width - width) / 2, top: (canvas.height - height) / 2, width, height };
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(keep.buffer, fitted.left, fitted.top, width, height);
  return fitted;
}

function blend(pixels, at, colours, from, part) {
  for (let k = 0; k < 3; k++) pixels[at + k] += part * (colours[from + k] - pixels[at + k]);
}
