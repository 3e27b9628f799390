// SPDX-License-Identifier: BSD-3-Clause
// The page of a headless session: its parts and how they hang together.

import { Link, Lost, enter } from "./link.js";
import { Free } from "./free.js";
import { build as build_files } from "./files.js";
import { build as build_look } from "./look.js";
import { recall, remember } from "./memory.js";
import { build as build_people } from "./people.js";
import { build as build_steps } from "./steps.js";
import { Slices } from "./slices.js";
import { VolumeView } from "./view.js";
import { bytes } from "./panel.js";

const TYPES = { "signed char": "int8", char: "int8", "unsigned char": "uint8", short: "int16", "unsigned short": "uint16", int: "int32", "unsigned int": "uint32", float: "float32", double: "float64" };
const NOTICE = 6000; // ms that a sentence stays which tells of nothing wrong
const LAYOUTS = ["volume", "slices", "free"];
const $ = (id) => document.getElementById(id);
let lists = { kernels: [], qualities: [], presets: [] };

/** What the parts share: the way to the session, who this browser is, where sentences go. */
const session = {
  me: { rights: "view", steers: false },
  say(sentence, bad = false) {
    clearTimeout(session.silence);
    if (sentence && !bad) session.silence = setTimeout(() => session.say(""), NOTICE);
    $("message").textContent = sentence;
    $("message").classList.toggle("bad", bad);
  },
  /** The answer of a call, or undefined after its sentence was shown. */
  async run(call) {
    try {
      const answer = await call;
      if ($("message").classList.contains("bad")) session.say("");
      return answer;
    } catch (wrong) {
      if (!(wrong instanceof Lost)) session.say(wrong.message, true);
      return undefined;
    }
  },
};
session.link = new Link({
  open() {
    session.say("");
    $("work").hidden = false;
    session.volume.resize();
  },
  lost: (sentence) => session.say(sentence, true),
  ended(sentence) {
    show_busy({ doing: null });
    session.me.steers = false;
    show_place();
    session.say(sentence, true);
  },
  state: take_state,
  place: take_place,
  movie: (message) => looks.film(message),
  busy: show_busy,
  picture: (header, data) => session.volume.show(header, data),
});
session.volume = new VolumeView($("picture"), session.link, () => session.me.steers);
const looks = build_look(session);
const parts = [looks, build_steps(session), build_files(session), build_people(session)];
const slices = new Slices(session, $("views"));
const free = new Free(session, $("views"), slices);
parts.push(slices, free);
$("coloured").addEventListener("change", () => {
  slices.grey = !$("coloured").checked;
  slices.draw();
  free.draw();
});

function lay_out(name) {
  $("layout-" + name).checked = true;
  $("views").className = name;
  slices.open(name === "slices");
  free.open(name === "free");
  remember("layout", name);
}

for (const name of LAYOUTS) $("layout-" + name).addEventListener("change", () => lay_out(name));
if (LAYOUTS.includes(recall("layout"))) lay_out(recall("layout"));

function take_place(message) {
  const { me } = session, steered = me.steers;
  Object.assign(me, { rights: message.rights, steers: message.steers });
  $("s-viewers").textContent = message.viewers;
  show_place();
  if (me.steers && !steered) session.volume.tell_size();
}

/** What all wait for: how much of it is done, 0 to 1; null: nothing any more. */
function show_busy({ doing, part }) {
  $("busy").hidden = !doing;
  if (!doing) return;
  $("busy-bar").value = part;
  $("busy-text").textContent = doing + " …" + (part > 0 ? " " + Math.floor(100 * part) + " %" : "");
}

$("busy-cancel").addEventListener("click", () => session.link.say("cancel"));

function show_place() {
  for (const control of document.querySelectorAll(".steers")) control.disabled = !session.me.steers;
  for (const one of parts) one.place?.(session.me);
}

function take_state(message) {
  const { state } = message;
  if (message.kernels) {
    lists = message;
    take_place(message);
  }
  const { stream, shown, job, points } = state;
  $("s-stream").textContent = shown && !shown.stream ? "a file" : stream.known ? stream.name + " (" + stream.wire + ")" : "none yet";
  $("s-step").textContent = shown?.stream ? shown.step : "–";
  $("s-rate").textContent = stream.rate ? bytes(stream.rate) + "/s" : "–";
  $("s-dropped").textContent = stream.dropped;
  $("s-dropped").title = stream.last_drop;
  $("s-memory").textContent = stream.memory ? bytes(stream.memory) : "–";
  $("s-ranks").textContent = state.ranks;
  $("s-job-row").hidden = !job;
  if (job) $("s-job").textContent = job.id + (job.state ? ", " + job.state : "") + (job.ends ? ", until " + new Date(1000 * job.ends).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "");
  $("about-volume").textContent = shown ? describe(shown) : points.count ? points.count.toLocaleString() + " points" : "Nothing to show yet: push a volume, or open a file.";
  session.volume.state(state);
  for (const one of parts) one.state?.(state, lists);
}

function describe(shown) {
  const from = shown.stream ? "" : shown.source.split("/").pop() + " " + shown.dataset + ", ";
  return from + shown.array + ", " + shown.size.join(" × ") + " " + (TYPES[shown.type] ?? shown.type) + (shown.unit ? " in " + shown.unit : "") + (shown.notice ? "; " + shown.notice : "");
}

document.addEventListener("visibilitychange", () => session.link.say("visible", { value: !document.hidden }));

try {
  const wrong = await enter();
  if (wrong) session.say(wrong, true);
  else session.link.open();
} catch {
  session.say("The session does not answer: it has stopped, or the way to it is cut.", true);
}
