// SPDX-License-Identifier: BSD-3-Clause
// The page of a headless session: its parts and how they hang together.

import { Link, enter } from "./link.js";
import { choice, fill, make, part } from "./panel.js";
import { VolumeView } from "./view.js";

const $ = (id) => document.getElementById(id);
const me = { rights: "view", steers: false };
let lists = { kernels: [], presets: [] };

function say(sentence, bad = false) {
  $("message").textContent = sentence;
  $("message").classList.toggle("bad", bad);
}

const link = new Link({
  open() {
    say("");
    $("work").hidden = false;
  },
  lost: (sentence) => say(sentence, true),
  ended(sentence) {
    say(sentence, true);
    me.steers = false;
    show_place();
  },
  state: take_state,
  place: take_place,
  picture: (header, bytes) => volume.show(header, bytes),
});
const volume = new VolumeView($("picture"), link, () => me.steers);

const look = part("Look", true);
const set = (values) => link.ask("set", values).then(() => say(""), (wrong) => say(wrong.message, true));
const kernel = choice(look, "kernel", "Kernel", (value) => set({ kernel: value }));
const preset = choice(look, "preset", "Colours and opacity", (value) => set({ preset: value }));
const array = choice(look, "array", "Array", (value) => set({ array: value }));
const reset = make("button", { textContent: "Reset the view", className: "steers", onclick: () => volume.reset() });
look.append(make("div", { className: "row" }, reset));

const people = part("Viewers");
const role = make("p", { className: "note" });
const take_over = make("button", { id: "steer", textContent: "Take over", onclick: () => link.ask("steer") });
people.append(role, make("div", { className: "row" }, take_over));

function take_place(message) {
  const steered = me.steers;
  Object.assign(me, { rights: message.rights, steers: message.steers });
  $("s-viewers").textContent = message.viewers;
  show_place();
  if (me.steers && !steered) volume.tell_size();
}

function show_place() {
  for (const control of document.querySelectorAll(".steers")) control.disabled = !me.steers;
  take_over.disabled = me.steers || me.rights !== "full";
  role.textContent = me.steers ? "You steer: what you turn and change, all see."
    : me.rights === "full" ? "Somebody else steers." : "This link is for viewing only.";
}

function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; number >= 1024 && unit < units.length - 1; unit++) number /= 1024;
  return number.toFixed(number < 10 && unit ? 1 : 0) + " " + units[unit];
}

function take_state(message) {
  const { state } = message;
  if (message.kernels) {
    lists = message;
    take_place(message);
  }
  const { stream, shown, job } = state;
  $("s-stream").textContent = shown && !shown.stream ? "a file" : stream.known ? stream.name + " (" + stream.wire + ")" : "none yet";
  $("s-step").textContent = shown?.stream ? shown.step : "–";
  $("s-rate").textContent = stream.rate ? bytes(stream.rate) + "/s" : "–";
  $("s-dropped").textContent = stream.dropped;
  $("s-dropped").title = stream.last_drop;
  $("s-memory").textContent = stream.memory ? bytes(stream.memory) : "–";
  $("s-ranks").textContent = state.ranks;
  $("s-job-row").hidden = !job;
  if (job) $("s-job").textContent = job.id + (job.ends ? ", until " + new Date(1000 * job.ends).toLocaleTimeString() : "");
  fill(kernel, lists.kernels, state.look.kernel);
  fill(preset, lists.presets, state.look.preset);
  fill(array, shown?.arrays ?? [], shown?.array ?? "");
  $("about-volume").textContent = shown ? shown.array + ", " + shown.size.join(" × ") + " " + shown.type
    : "Nothing to show yet: push a volume, or open a file.";
}

document.addEventListener("visibilitychange", () => link.say("visible", { value: !document.hidden }));

try {
  const wrong = await enter();
  if (wrong) say(wrong, true);
  else link.open();
} catch {
  say("The session does not answer: it has stopped, or the way to it is cut.", true);
}
