// SPDX-License-Identifier: BSD-3-Clause
// Kernel, colours, window on the histogram, light, crop box, pictures to take away.

import { Editor } from "./editor.js";
import { choice, fill, make, newest, number, part, put, slider } from "./panel.js";

import { SIDES } from "./guide.js";

const AXES = ["x", "y", "z"];
const BY_HAND = "by hand";
const GRIP = 12; // pixels on both sides of a window's end by which it is taken; between them it moves as a whole
const SHARE = 4; // times as long as a histogram takes, the next one waits: steps may come faster

export function build(session) {
  const look = part("Look", true);
  const set = newest((values) => session.run(session.link.ask("set", values)));
  const kernel = choice(look, "kernel", "Kernel", (value) => set({ kernel: value }));
  const quality = choice(look, "quality", "Quality", (value) => set({ quality: value }));
  const array = choice(look, "array", "Array", (value) => set({ array: value }));
  const reset = make("button", { id: "reset", textContent: "Reset the view", className: "steers", onclick: () => session.volume.reset() });
  const shot = make("button", { id: "shot", textContent: "Save a picture", onclick: () => save(session) });
  look.append(make("div", { className: "row" }, reset, shot), make("div", { className: "row sides", role: "group", "aria-label": "Look from" },
    ...Object.keys(SIDES).map((side) => make("button", { textContent: side, "aria-label": "Look from " + side, className: "steers", onclick: () => session.volume.from(side) }))));
  const film = films(session, look);
  const histogram = new Histogram(session, part("Window", true), set);
  const colours = part("Colours and opacity");
  const preset = choice(colours, "preset", "Preset", (value) => value !== BY_HAND && set({ preset: value }));
  const editor = new Editor(session, colours);
  colours.append(make("label", { className: "inline" }, make("input", { type: "checkbox", id: "coloured" }), "Slices in these colours, too"));
  const overlay = labels(session, part("Labels"));
  const cloud = points(session, part("Points"));
  const light = lights(session, part("Light"));
  const crop = crops(session, part("Crop"));
  return {
    film,
    state(state, lists) {
      fill(kernel, lists.kernels, state.look.kernel);
      fill(quality, lists.qualities, state.look.quality);
      fill(preset, state.look.by_hand ? [...lists.presets, BY_HAND] : lists.presets, state.look.by_hand ? BY_HAND : state.look.preset);
      editor.state(state);
      overlay(state);
      cloud(state.points);
      fill(array, state.shown?.arrays ?? [], state.shown?.array ?? "");
      histogram.state(state);
      light(state.light);
      crop(state);
    },
  };
}

async function save(session) {
  const { canvas } = session.volume;
  const answer = await session.run(session.link.ask("screenshot", { width: Math.max(16, canvas.width), height: Math.max(16, canvas.height) }));
  if (answer) download(new Blob([answer.bytes], { type: "image/png" }), "beamcast.png");
}

/** A film of one turn; progress comes meanwhile. */
function films(session, into) {
  const seconds = number("film-seconds", "Film of one turn, seconds");
  Object.assign(seconds.input, { min: 1, max: 30, step: 1, value: 6 });
  const progress = make("progress", { id: "film-progress", hidden: true, "aria-label": "Film" });
  let running = false;
  const button = make("button", {
    id: "film", textContent: "Save a film", className: "steers", async onclick() {
      if (running) {
        session.link.say("movie_stop");
        return;
      }
      running = true;
      button.textContent = "Stop it";
      const answer = await session.run(session.link.ask("movie", { frames: Math.round(24 * seconds.input.value), rate: 24 }));
      running = false;
      button.textContent = "Save a film";
      progress.hidden = true;
      if (answer) download(new Blob([answer.bytes], { type: answer.type }), answer.name);
    },
  });
  into.append(make("div", { className: "pair low" }, seconds.box, button), progress);
  return (message) => {
    progress.hidden = false;
    [progress.max, progress.value] = [message.of, message.done];
  };
}

export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

/** The histogram, on a logarithmic scale, and the window over it. */
class Histogram {
  constructor(session, into, set) {
    this.session = session;
    this.canvas = make("canvas", { id: "histogram", width: 300, height: 90, role: "img", "aria-label": "Histogram of the values, with the window: drag its ends, or its middle for the level; the fields below set it" });
    [this.low, this.high, this.level, this.width] = ["Low", "High", "Level", "Width"].map((title) => number(title.toLowerCase(), title));
    this.set = set;
    const itself = make("button", { id: "window-itself", textContent: "By itself", className: "steers", onclick: () => set({ window: [] }) });
    for (const field of [this.low, this.high]) field.input.addEventListener("change", () => this.typed(+this.low.input.value, +this.high.input.value));
    for (const field of [this.level, this.width])
      field.input.addEventListener("change", () => {
        const [level, half] = [+this.level.input.value, this.width.input.value / 2];
        this.typed(level - half, level + half);
      });
    into.append(this.canvas, make("div", { className: "pair" }, this.low.box, this.high.box, this.level.box, this.width.box), make("div", { className: "row" }, itself));
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.held && this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, () => (this.held = null));
    this.fetch = newest(async () => {
      if (!into.parentElement.open) return;
      const begun = performance.now();
      this.data = (await this.session.run(this.session.link.ask("histogram"))) ?? this.data;
      this.draw();
      await new Promise((done) => setTimeout(done, SHARE * (performance.now() - begun)));
    });
    into.parentElement.addEventListener("toggle", () => this.of && this.fetch());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  state(state) {
    const { shown } = state;
    if (!shown) return;
    const of = JSON.stringify([shown.array, shown.source, shown.dataset, shown.step, shown.time_shown]);
    if (of !== this.of) {
      this.of = of;
      this.fetch();
    }
    if (!this.held) this.window = state.look.window;
    const [low, high] = this.window;
    for (const [field, value] of [[this.low, low], [this.high, high], [this.level, (low + high) / 2], [this.width, high - low]])
      if (document.activeElement !== field.input) field.input.value = +value.toPrecision(7);
    this.draw();
  }

  typed(low, high) {
    if (low < high) this.set({ window: [low, high] });
    else this.session.say("A window's low end is below its high end.", true);
  }

  value(event) {
    const box = this.canvas.getBoundingClientRect();
    return this.data.low + ((event.clientX - box.left) / box.width) * (this.data.high - this.data.low);
  }

  press(event) {
    if (!this.data || !this.session.me.steers) return;
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.value(event);
    const [low, high] = this.window, near = (GRIP / this.canvas.clientWidth) * (this.data.high - this.data.low);
    const end = Math.abs(at - low) < Math.abs(at - high) ? "low" : "high";
    this.held = at > low + near && at < high - near ? "both" : end;
    this.from = at;
    this.drag(event);
  }

  drag(event) {
    const at = this.value(event), [low, high] = this.window, least = (this.data.high - this.data.low) / 500;
    if (this.held === "both") this.window = [low + at - this.from, high + at - this.from];
    else this.window = this.held === "low" ? [Math.min(at, high - least), high] : [low, Math.max(at, low + least)];
    this.from = at;
    this.set({ window: this.window });
    this.draw();
  }

  draw() {
    if (!this.data) return;
    const { canvas, data } = this, context = canvas.getContext("2d");
    const style = getComputedStyle(canvas), { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    const most = Math.log1p(Math.max(...data.counts)) || 1, wide = width / data.counts.length;
    context.fillStyle = style.color;
    data.counts.forEach((count, i) => {
      const tall = (Math.log1p(count) / most) * height;
      context.fillRect(i * wide, height - tall, Math.ceil(wide), tall);
    });
    const x = (value) => ((value - data.low) / (data.high - data.low)) * width;
    context.fillStyle = style.getPropertyValue("--window");
    context.fillRect(x(this.window[0]), 0, x(this.window[1]) - x(this.window[0]), height);
    context.fillStyle = style.getPropertyValue("--accent");
    for (const value of this.window) context.fillRect(x(value) - 1.5, 0, 3, height);
  }
}

/** A segmentation over the volume and its slices. */
function labels(session, into) {
  const send = newest((values) => session.run(session.link.ask("labels", values)));
  const array = choice(into, "labels", "Array of labels", (value) => send({ array: value }));
  const opacity = slider(into, "labels-opacity", "Opacity of labels", 0, 1, 0.05);
  opacity.addEventListener("input", () => send({ opacity: +opacity.value }));
  into.append(make("p", { className: "note", textContent: "Whole numbers, a colour each; 0 is nothing. A file's labels: Open a file, As labels." }));
  return ({ shown, labels: now }) => {
    const names = ["", ...(shown?.arrays ?? []).filter((name) => name !== shown.array)];
    fill(array, names, now.array ?? "");
    for (const option of array.options) option.textContent = option.value === "" ? "none" : option.value === now.array && now.path ? option.value + " (" + now.path.split("/").pop() + ")" : option.value;
    if (document.activeElement !== opacity) put(opacity, now.opacity);
  };
}

/** A point cloud beside the volume. */
function points(session, into) {
  const send = newest((values) => session.run(session.link.ask("points", values)));
  const visible = make("input", { type: "checkbox", id: "points-visible", className: "steers" });
  visible.addEventListener("input", () => send({ visible: visible.checked }));
  const note = make("p", { className: "note" });
  into.append(note, make("label", { className: "inline" }, visible, "Show them"));
  const array = choice(into, "points-array", "Colour by", (value) => send({ array: value }));
  const size = slider(into, "points-size", "Size in pixels", 1, 20, 0.5);
  size.addEventListener("input", () => send({ size: +size.value }));
  return (now) => {
    into.parentElement.hidden = !now.count;
    note.textContent = now.count.toLocaleString() + " points";
    visible.checked = now.visible;
    fill(array, ["", ...now.arrays], now.array ?? "");
    array.options[0].textContent = "one colour";
    if (document.activeElement !== size) put(size, now.size);
  };
}

function lights(session, into) {
  const send = newest((values) => session.run(session.link.ask("light", values)));
  const stands = make("input", { type: "checkbox", id: "light-stands", className: "steers" });
  into.append(make("label", { className: "inline" }, stands, "Stands still while the view is turned"));
  const around = slider(into, "light-around", "From the side, degrees", -180, 180, 1);
  const above = slider(into, "light-above", "From above, degrees", -90, 90, 1);
  const ambient = slider(into, "ambient", "From everywhere", 0, 1, 0.05);
  const change = () => send({ ambient: +ambient.value, ...(stands.checked ? { azimuth: +around.value, elevation: +above.value } : {}) });
  for (const control of [around, above]) control.addEventListener("input", () => (stands.checked = true));
  for (const control of [stands, around, above, ambient]) control.addEventListener("input", change);
  return (light) => {
    into.parentElement.hidden = !light;
    if (!light || into.contains(document.activeElement)) return;
    stands.checked = light.kind === "Directional";
    const [x, y, z] = light.vector, degrees = 180 / Math.PI;
    put(around, Math.round(degrees * Math.atan2(x, -y)));
    put(above, Math.round(degrees * Math.atan2(z, Math.hypot(x, y))));
    put(ambient, light.ambient);
  };
}

function crops(session, into) {
  const send = newest((box) => session.run(session.link.ask("crop", { box })));
  const ends = AXES.map((axis) => {
    const pair = make("div", { className: "pair" });
    into.append(pair);
    return [0, 1].map((k) => {
      const place = make("div");
      pair.append(place);
      return slider(place, "crop-" + axis + k, axis + (k ? ", to" : ", from"), 0, 1, 1);
    });
  });
  let size = null;
  ends.forEach((pair, i) => pair.forEach((control, k) => control.addEventListener("input", () => {
    if (k && +pair[1].value <= +pair[0].value) pair[0].value = +pair[1].value - 1;
    if (!k && +pair[0].value >= +pair[1].value) pair[1].value = +pair[0].value + 1;
    send(ends.flatMap((both) => both.map((one) => +one.value)));
  })));
  into.append(make("div", { className: "row" }, make("button", { id: "uncrop", textContent: "All of it", className: "steers", onclick: () => send([]) })));
  return ({ shown, crop }) => {
    if (!shown || into.contains(document.activeElement) && document.activeElement.type === "range") return;
    if (String(size) !== String(shown.size)) {
      size = shown.size;
      ends.forEach((pair, i) => pair.forEach((control) => (control.max = size[i])));
    }
    const box = crop ?? size.flatMap((count) => [0, count]);
    ends.flat().forEach((control, i) => put(control, box[i]));
  };
}
