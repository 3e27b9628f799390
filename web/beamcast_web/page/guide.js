// SPDX-License-Identifier: BSD-3-Clause
// The axes' directions and the scale bar over the volume's picture.

const COLOURS = { x: "#ff7b72", y: "#7ee787", z: "#79c0ff" };
const VIEW_ANGLE = 30, FILLED = 0.94; // as in camera.py
const SVG = "http://www.w3.org/2000/svg";

export class Guide {
  constructor(figure) {
    this.axes = figure.querySelector("#axes");
    this.bar = figure.querySelector("#scale");
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

  draw_axes(right, up, away) {
    const order = [0, 1, 2].sort((i, k) => away[i] - away[k]); // the nearest one last
    this.axes.replaceChildren(...order.flatMap((i) => {
      const name = "xyz"[i], x = 34 * right[i], y = -34 * up[i];
      const line = document.createElementNS(SVG, "line"), text = document.createElementNS(SVG, "text");
      for (const [key, value] of Object.entries({ x2: x, y2: y, stroke: COLOURS[name], "stroke-width": 3 })) line.setAttribute(key, value);
      for (const [key, value] of Object.entries({ x: x * 1.25, y: y * 1.25 + 5, fill: COLOURS[name], "text-anchor": "middle" })) text.setAttribute(key, value);
      text.textContent = name;
      return [line, text];
    }));
  }

  /** True at the depth of the volume's middle. */
  draw_bar(view, scale, zoom, right, up, away) {
    const half = view.world.lengths.map((length) => length / 2), wide = FILLED * Math.tan((VIEW_ANGLE * Math.PI) / 360);
    let distance = 0;
    for (const signs of [0, 1, 2, 3, 4, 5, 6, 7]) {
      const corner = half.map((length, i) => (signs & (1 << i) ? length : -length));
      const along = (axis) => corner.reduce((sum, part, i) => sum + part * axis[i], 0);
      distance = Math.max(distance, along(away) + Math.max(Math.abs(along(up)), Math.abs(along(right))) / wide);
    }
    const tall = (2 * distance * Math.tan((VIEW_ANGLE * Math.PI) / 360)) / zoom; // of the picture, in the world
    const pixel = tall / ((view.picture.height * scale * view.canvas.clientHeight) / view.canvas.height);
    const most = 0.25 * view.canvas.clientWidth * pixel, power = 10 ** Math.floor(Math.log10(most));
    const length = [5, 2, 1].map((digit) => digit * power).find((one) => one <= most) ?? power;
    this.bar.hidden = !(length > 0 && pixel > 0);
    this.bar.style.width = length / pixel + "px";
    this.bar.firstElementChild.textContent = label(length, view.world.unit);
  }
}

const METRES = { m: 1, mm: 1e-3, um: 1e-6, "µm": 1e-6, nm: 1e-9 };

function label(length, unit) {
  const metres = length * (METRES[unit] ?? NaN);
  if (!(metres > 0)) return +length.toPrecision(3) + " " + (unit || "voxel widths");
  const [name, size] = [["m", 1], ["mm", 1e-3], ["µm", 1e-6], ["nm", 1e-9]].find(([, one]) => metres >= 0.9999 * one) ?? ["nm", 1e-9];
  return +(metres / size).toPrecision(3) + " " + name;
}
