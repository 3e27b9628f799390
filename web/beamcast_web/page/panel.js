// SPDX-License-Identifier: BSD-3-Clause
// The controls beside the views.

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
  const inside = make("div");
  document.getElementById("panel").append(make("details", { open }, make("summary", { textContent: title }), inside));
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
  if ([...select.options].map((option) => option.value).join() !== names.join())
    select.replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  if (document.activeElement !== select || select.value !== chosen) select.value = chosen;
}
