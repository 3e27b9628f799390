// SPDX-License-Identifier: BSD-3-Clause
// Kept steps to go back in time, and what producers can be asked.

import { make, newest, number, part, slider } from "./panel.js";

const PLAY = 700; // ms a step

export function build(session) {
  const into = part("Steps");
  const keep = number("keep", "Keep so many steps");
  Object.assign(keep.input, { min: 0, max: 64, step: 1 });
  const go = newest((time) => session.run(session.link.ask("time", { time })));
  const at = slider(into, "time", "Kept step", 0, 0, 1);
  const note = make("p", { className: "note", id: "about-steps" });
  const play = make("button", { id: "play", textContent: "Play", className: "steers" });
  const follow = make("button", { id: "follow", textContent: "Newest", className: "steers", onclick: () => go(null) });
  into.append(keep.box, make("div", { className: "row" }, play, follow), note);
  let times = [], timer = null, played = -Infinity;
  keep.input.addEventListener("change", () => session.run(session.link.ask("keep", { steps: +keep.input.value })));
  at.addEventListener("input", () => times.length && go(times[+at.value]));
  play.addEventListener("click", () => {
    if (timer) stop();
    else {
      play.textContent = "Pause";
      played = times[+at.value] ?? -Infinity;
      timer = setInterval(() => {
        if (!times.length || !session.me.steers) {
          stop();
          return;
        }
        played = times.find((time) => time > played) ?? times[0]; // while it plays, steps may come and go
        at.value = times.indexOf(played);
        go(played);
      }, PLAY);
    }
  });
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const ask = requests(session);
  return {
    state(state) {
      times = state.steps.times;
      at.max = Math.max(0, times.length - 1);
      if (document.activeElement !== keep.input) keep.input.value = state.steps.keep;
      if (document.activeElement !== at) at.value = state.steps.time === null ? at.max : times.indexOf(state.steps.time);
      at.nextSibling.value = times.length ? +at.value + 1 + " of " + times.length : "–";
      note.textContent = state.steps.time !== null ? "Time " + state.steps.time + "; what comes meanwhile is kept."
        : state.steps.gone ? "The step that was shown is kept no more: this is the newest one."
        : times.length ? "The newest step is shown." : state.steps.keep ? "The steps that come are kept."
        : "No steps are kept: say how many.";
      ask(state);
    },
  };
}

function requests(session) {
  const into = part("Ask the producer");
  const note = make("p", { className: "note" });
  const send = (message) => session.run(session.link.ask("request", { message }).then(() => session.say("Asked: the producer does it at its next step.")));
  const button = (id, textContent, onclick) => make("button", { id, textContent, onclick, className: "steers" });
  const centre = number("centre", "Centre of rotation, column");
  const ask_centre = button("ask-centre", "Centre there", () => centre.input.value !== "" && send({ centre: +centre.input.value }));
  const ask_region = button("ask-region", "Only the crop box", () => crop && send({ region: crop }));
  const ask_all = button("ask-all", "All of it again", () => send({ region: null }));
  const ask_stop = button("ask-stop", "Stop", () => send({ stop: true }));
  into.append(note, centre.box, make("div", { className: "row" }, ask_centre, ask_region, ask_all, ask_stop));
  let crop = null;
  return (state) => {
    crop = state.crop;
    const there = state.stream.producers > 0;
    into.parentElement.hidden = !there;
    ask_region.title = crop ? "" : "Set a crop box first";
    note.textContent = state.stream.producers + (state.stream.producers === 1 ? " producer is" : " producers are") + " connected. What a program does with a request is its own affair.";
  };
}
