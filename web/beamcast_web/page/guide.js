// SPDX-License-Identifier: BSD-3-Clause
// The orientation cube over the volume's picture, and scale bars.

import { make } from "./panel.js";

const COLOURS = { x: "#ff7b72", y: "#7ee787", z: "#79c0ff" };
/** Where to look from: azimuth, elevation. */
export const SIDES = { "+x": [90, 0], "−x": [-90, 0], "+y": [180, 0], "−y": [0, 0], "+z": [0, 90], "−z": [0, -90] };
const EDGE = 21; // half of the cube's, of 50
const VIEW_ANGLE = 30, FILLED = 0.94; // as in camera.py
const SVG = "http://www.w3.org/2000/svg";

export class Guide {
  /** look(side): the cube's face was clicked. */
  constructor(figure, look) {
    this.look = look;
    this.axes = figure.querySelector("#axes");
    this.bar = new Bar(figure);
  }

  draw(view, scale) {
    const { azimuth = 0, elevation = 0, zoom = 1 } = view.header.camera;
    const [a, e] = [azimuth, elevation].map((degrees) => (degrees * Math.PI) / 180);
    const away = [Math.sin(a) * Math.cos(e), -Math.cos(a) * Math.cos(e), Math.sin(e)];
    const up = [-Math.sin(a) * Math.sin(e), Math.cos(a) * Math.sin(e), Math.cos(e)];
    const right = [Math.cos(a), Math.sin(a), 0];
    this.draw_axes(right, up, away);
    if (view.world) this.draw_bar(view, scale, zoom, right, up, away);
  }

  /** The cube's faces that are seen, and its axes from the corner where all three are smallest. */
  draw_axes(right, up, away) {
    const flat = (point) => [EDGE * dot(point, right), -EDGE * dot(point, up)];
    const faces = Object.entries(SIDES).filter(([name]) => dot(normal(name), away) > 0.001).map(([name]) => {
      const n = normal(name), i = n.findIndex((part) => part), [u, v] = [0, 1, 2].filter((k) => k !== i);
      const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([a, b]) => flat(n.map((part, k) => (k === u ? a : k === v ? b : part))));
      const face = element("g", { class: "face" });
      const light = 0.35 + 0.65 * dot(n, away);
      const [x, y] = flat(n);
      face.append(element("polygon", { points: corners.join(" "), fill: `rgb(${[64, 82, 104].map((c) => Math.round(c * light)).join()})`, stroke: "#d5dde8", "stroke-width": 1, "stroke-linejoin": "round" }),
        element("text", { x, y: y + 4, fill: COLOURS["xyz"[i]], "text-anchor": "middle" }, dot(n, away) > 0.35 ? name : ""));
      face.addEventListener("click", () => this.look(name));
      return face;
    });
    const axes = [0, 1, 2].sort((i, k) => away[i] - away[k]).flatMap((i) => {
      const from = flat([-1, -1, -1]), to = flat([-1, -1, -1].map((part, k) => (k === i ? 1.75 : part)));
      return [element("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], stroke: COLOURS["xyz"[i]], "stroke-width": 2.5 })];
    });
    this.axes.replaceChildren(...(dot([1, 1, 1], away) > 0 ? [...axes, ...faces] : [...faces, ...axes]));
  }

  /** True at the depth of the volume's middle. */
  draw_bar(view, scale, zoom, right, up, away) {
    const narrow = Math.min(1, view.picture.width / view.picture.height);
    const half = view.world.lengths.map((length) => length / 2), wide = FILLED * Math.tan((VIEW_ANGLE * Math.PI) / 360);
    let distance = 0;
    for (const signs of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const corner = half.map((length, i) => (signs & (1 << i) ? length : -length));
      const along = (axis) => corner.reduce((sum, part, i) => sum + part * axis[i], 0);
      distance = Math.max(distance, along(away) + Math.max(Math.abs(along(up)), Math.abs(along(right)) / narrow) / wide);
    }
    const tall = (2 * distance * Math.tan((VIEW_ANGLE * Math.PI) / 360)) / zoom; // of the picture, in the world
    const pixel = tall / ((view.picture.height * scale * view.canvas.clientHeight) / view.canvas.height);
    this.bar.draw(pixel, view.canvas.clientWidth, view.world.unit);
  }
}

/** A scale bar in the corner of a figure. */
export class Bar {
  constructor(figure) {
    this.text = make("span");
    this.element = make("div", { className: "scale", "aria-hidden": "true", hidden: true }, this.text);
    figure.append(this.element);
  }

  /** pixel: a CSS pixel's length in the world; wide: the figure's width in pixels. */
  draw(pixel, wide, unit) {
    const most = 0.25 * wide * pixel, power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((digit) => digit * power).find((one) => one <= most) ?? power;
    this.element.hidden = !(length > 0 && pixel > 0);
    this.element.style.width = length / pixel + "px";
    this.text.textContent = label(length, unit);
  }
}

const METRES = { m: 1, mm: 1e-3, um: 1e-6, "µm": 1e-6, nm: 1e-9 };

function label(length, unit) {
  const metres = length * (METRES[unit] ?? NaN);
  if (!(metres > 0)) return +length.toPrecision(3) + " " + (unit || "voxel widths");
  const [name, size] = [["m", 1], ["mm", 1e-3], ["µm", 1e-6], ["nm", 1e-9]].find(([, one]) => metres >= 0.9999 * one) ?? ["nm", 1e-9];
  return +(metres / size).toPrecision(3) + " " + name;
}

function dot(a, b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function normal(side) {
  return [..."xyz"].map((axis) => (side[1] !== axis ? 0 : side[0] === "+" ? 1 : -1));
}

function element(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}
