// SPDX-License-Identifier: BSD-3-Clause
// The controls beside the views.

import { recall, remember } from "./memory.js";

/** An element with properties and children. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "for" || key === "role") element.setAttribute(key, value);
    else if (key === "dataset") Object.assign(element.dataset, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

/** A part of the panel that folds; returns its inside. */
export function part(title, open = false) {
  const inside = make("div"), name = "part " + title;
  const box = make("details", { open: recall(name, open) }, make("summary", { textContent: title }), inside);
  box.addEventListener("toggle", () => remember(name, box.open));
  document.getElementById("panel").append(box);
  return inside;
}

/** A labelled list of choices. */
export function choice(into, id, title, choose) {
  const select = make("select", { id, className: "steers" });
  into.append(make("label", { for: id, textContent: title }), select);
  select.addEventListener("change", () => choose(select.value));
  return select;
}

export function fill(select, names, chosen) {
  if (!names.includes(chosen)) names = [...names, chosen];
  if (select.options.length !== names.length || names.some((name, i) => select.options[i].value !== name))
    select.replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  if (document.activeElement !== select || select.value !== chosen) select.value = chosen;
}

/** A labelled number; {box, input}. */
export function number(id, title) {
  const input = make("input", { id, type: "number", step: "any", className: "steers" });
  return { input, box: make("div", {}, make("label", { for: id, textContent: title }), input) };
}

/** A labelled slider that shows its value behind it; returns the slider. */
export function slider(into, id, title, min, max, step, kind = "steers") {
  const input = make("input", { id, type: "range", min, max, step, className: kind });
  const shown = make("output", { for: id });
  const show = () => (shown.value = input.value);
  input.addEventListener("input", show);
  into.append(make("label", { for: id, textContent: title }), make("div", { className: "slider" }, input, shown));
  show();
  return input;
}

/** Gives a slider a value that was not chosen here. */
export function put(slider, value) {
  slider.value = slider.nextSibling.value = value;
}

/** A function that calls `work` (async) with the newest values alone: what comes meanwhile replaces what waits. */
export function newest(work) {
  let busy = false, next = null;
  const go = async (values) => {
    busy = true;
    try {
      await work(...values);
    } finally {
      busy = false;
      if (next) {
        const values = next;
        next = null;
        go(values);
      }
    }
  };
  return (...values) => {
    if (busy) next = values;
    else go(values);
  };
}

/** Bytes for people. */
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024;
  return count.toFixed(count < 10 && unit ? 1 : 0) + " " + units[unit];
}
