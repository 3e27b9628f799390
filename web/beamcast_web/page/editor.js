// SPDX-License-Identifier: BSD-3-Clause
// Colours and opacities over the window, drawn by hand: begins with the preset's, and says what it became.

import { make, newest, number } from "./panel.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 300, TALL = 110, EDGE = 8; // of the drawing, in its own units
const MOST = 24; // points that are shown of a map with more
const NUDGE = 0.02;
const SETTLE = 1000; // ms

export class Editor {
  constructor(session, into) {
    this.session = session;
    this.send = newest((curves) => session.run(session.link.ask("set", { curves })));
    this.svg = document.createElementNS(SVG, "svg");
    for (const [key, value] of Object.entries({ id: "curve", viewBox: `0 0 ${WIDE} ${TALL}`, role: "group", "aria-label": "Opacity over the window: points to drag or to move with arrow keys; Delete removes one" })) this.svg.setAttribute(key, value);
    this.strip = make("canvas", { id: "ramp", width: 256, height: 1, role: "img", "aria-label": "Colours over the window" });
    this.colour = make("input", { id: "stop-colour", type: "color", className: "steers" });
    this.value = number("stop-value", "Value");
    this.opacity = number("stop-opacity", "Opacity");
    Object.assign(this.opacity.input, { min: 0, max: 1, step: 0.01 });
    const add = make("button", { id: "stop-add", textContent: "Add a point", className: "steers", onclick: () => this.add() });
    const remove = make("button", { id: "stop-remove", textContent: "Remove it", className: "steers", onclick: () => this.remove() });
    const next = make("button", { id: "stop-next", textContent: "Next point", onclick: () => this.select((this.chosen + 1) % this.points.length) });
    into.append(this.svg, this.strip, make("div", { className: "three" }, this.value.box, this.opacity.box,
      make("div", {}, make("label", { for: "stop-colour", textContent: "Colour there" }), this.colour)), make("div", { className: "row" }, next, add, remove),
    make("p", { className: "note", textContent: "Drag points, double-click for another one; Delete removes it. A preset begins anew." }));
    this.points = [];
    this.chosen = 0;
    this.svg.addEventListener("dblclick", (event) => this.add(this.at(event)));
    this.value.input.addEventListener("change", () => this.move(this.chosen, this.place(+this.value.input.value), this.points[this.chosen].a));
    this.opacity.input.addEventListener("change", () => this.move(this.chosen, this.points[this.chosen].x, +this.opacity.input.value));
    this.colour.addEventListener("input", () => {
      this.points[this.chosen].rgb = [1, 3, 5].map((i) => parseInt(this.colour.value.slice(i, i + 2), 16) / 255);
      this.changed();
    });
  }

  state({ look }) {
    if (!look.curves) return;
    this.window = look.window;
    this.fields();
    const said = JSON.stringify(look.curves), wait = this.held ? SETTLE : SETTLE - (Date.now() - (this.touched ?? 0));
    clearTimeout(this.later);
    if (said === this.said) return;
    if (wait > 0) { // what is said may be older than what the hand does
      this.later = setTimeout(() => this.state({ look }), wait);
      return;
    }
    this.said = said;
    this.take(...look.curves);
  }

  /** Points with both, at the places of either. */
  take(colours, opacities) {
    let places = [...new Set([...colours, ...opacities].map((point) => point[0]))].sort((a, b) => a - b);
    if (places.length > MOST) places = Array.from({ length: MOST }, (_, i) => i / (MOST - 1));
    this.points = places.map((x) => ({ x, a: between(opacities, x)[0], rgb: between(colours, x) }));
    this.chosen = Math.min(this.chosen, this.points.length - 1);
    this.draw();
  }

  changed() {
    this.touched = Date.now();
    this.said = null;
    this.draw();
    this.send([this.points.map(({ x, rgb }) => [x, ...rgb]), this.points.map(({ x, a }) => [x, a])]);
  }

  place(value) {
    return (value - this.window[0]) / (this.window[1] - this.window[0]);
  }

  at(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * WIDE, y = ((event.clientY - box.top) / box.height) * TALL;
    return [clamp((x - EDGE) / (WIDE - 2 * EDGE)), clamp(1 - (y - EDGE) / (TALL - 2 * EDGE))];
  }

  add([x, a] = []) {
    if (!this.session.me.steers || this.points.length >= 2 * MOST) return;
    const i = Math.min(this.chosen, this.points.length - 2);
    x ??= (this.points[i].x + this.points[i + 1].x) / 2;
    const before = this.points.findLastIndex((point) => point.x < x);
    if (before < 0 || before === this.points.length - 1 || this.points[before + 1].x === x) return;
    a ??= between(this.points.map((point) => [point.x, point.a]), x)[0];
    const rgb = between(this.points.map((point) => [point.x, ...point.rgb]), x);
    this.points.splice(before + 1, 0, { x, a, rgb });
    this.chosen = before + 1;
    this.changed();
  }

  remove() {
    if (!this.session.me.steers || this.chosen === 0 || this.chosen === this.points.length - 1) return;
    this.points.splice(this.chosen--, 1);
    this.changed();
  }

  move(i, x, a) {
    if (!this.session.me.steers) return;
    const last = this.points.length - 1, gap = 0.001;
    if (i > 0 && i < last) this.points[i].x = Math.max(this.points[i - 1].x + gap, Math.min(this.points[i + 1].x - gap, x));
    this.points[i].a = clamp(a);
    this.chosen = i;
    this.changed();
  }

  select(i, focus = true) {
    this.chosen = i;
    this.draw();
    if (focus) this.svg.querySelector(`[data-i="${i}"]`)?.focus();
  }

  draw() {
    const place = ({ x, a }) => [EDGE + x * (WIDE - 2 * EDGE), EDGE + (1 - a) * (TALL - 2 * EDGE)];
    const focused = this.svg.contains(document.activeElement);
    if (this.handles?.length !== this.points.length) {
      this.line = element("polyline", { fill: "none", "stroke-width": 2 });
      this.handles = this.points.map((_, i) => this.handle(i));
      this.svg.replaceChildren(this.line, ...this.handles);
      if (focused) this.handles[this.chosen]?.focus();
    }
    this.line.setAttribute("points", this.points.map(place).join(" "));
    this.points.forEach((point, i) => {
      const [cx, cy] = place(point), colour = hex(point.rgb);
      for (const [key, value] of Object.entries({ cx, cy, r: i === this.chosen ? 7 : 5.5, fill: colour, "aria-valuenow": +point.a.toFixed(2), "aria-label": `Point ${i + 1} of ${this.points.length}, at ${this.shown(point)}, opacity`, class: i === this.chosen ? "chosen" : "" })) this.handles[i].setAttribute(key, value);
    });
    const context = this.strip.getContext("2d"), ramp = context.createLinearGradient(0, 0, 256, 0);
    for (const { x, rgb } of this.points) ramp.addColorStop(clamp(x), hex(rgb));
    context.fillStyle = ramp;
    context.fillRect(0, 0, 256, 1);
    this.fields();
  }

  shown({ x }) {
    return +(this.window[0] + x * (this.window[1] - this.window[0])).toPrecision(6);
  }

  fields() {
    const point = this.points[this.chosen];
    if (!point) return;
    for (const [input, value] of [[this.value.input, this.shown(point)], [this.opacity.input, +point.a.toFixed(3)], [this.colour, hex(point.rgb)]])
      if (document.activeElement !== input) input.value = value;
  }

  handle(i) {
    const circle = element("circle", { tabindex: 0, role: "slider", "data-i": i, "aria-valuemin": 0, "aria-valuemax": 1 });
    circle.addEventListener("pointerdown", (event) => {
      circle.setPointerCapture(event.pointerId);
      this.held = true;
      this.select(i);
    });
    circle.addEventListener("pointermove", (event) => this.held && event.buttons && this.move(i, ...this.at(event)));
    for (const name of ["pointerup", "pointercancel"]) circle.addEventListener(name, () => (this.held = false));
    circle.addEventListener("focus", () => this.chosen !== i && this.select(i, false));
    circle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-NUDGE, 0], ArrowRight: [NUDGE, 0], ArrowUp: [0, NUDGE], ArrowDown: [0, -NUDGE] }[event.key];
      if (step) this.move(i, this.points[i].x + step[0], this.points[i].a + step[1]);
      else if (event.key === "Delete" || event.key === "Backspace") this.remove();
      else return;
      event.preventDefault();
    });
    return circle;
  }
}

/** What points [place, value, ...] have at x. */
function between(points, x) {
  const i = Math.max(1, points.findIndex((point) => point[0] >= x));
  const [a, b] = [points[i - 1], points[i] ?? points[points.length - 1]];
  const part = b[0] > a[0] ? clamp((x - a[0]) / (b[0] - a[0])) : 0;
  return a.slice(1).map((value, k) => value + part * (b[k + 1] - value));
}

function clamp(value) {
  return Math.max(0, Math.min(1, value));
}

function hex(rgb) {
  return "#" + rgb.map((part) => Math.round(255 * part).toString(16).padStart(2, "0")).join("");
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
