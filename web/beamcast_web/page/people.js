// SPDX-License-Identifier: BSD-3-Clause
// Who sees the session and who steers it; links for others.

import { make, part } from "./panel.js";

export function build(session) {
  const into = part("Viewers");
  const role = make("p", { className: "note", id: "role" });
  const take_over = make("button", { id: "steer", textContent: "Take over", onclick: () => session.run(session.link.ask("steer")) });
  const link = make("input", { id: "link", readOnly: true, hidden: true, "aria-label": "Link for another viewer; it works once" });
  const note = make("p", { className: "note", textContent: "A link works once, for one browser. View only: sees all, changes nothing." });
  const invite = async (view) => {
    const answer = await session.run(session.link.ask("link", { view }));
    if (!answer) return;
    link.hidden = false;
    link.value = new URL(".", location.href) + "#" + answer.token;
    link.select();
    navigator.clipboard?.writeText(link.value).then(() => session.say("The link is in the clipboard."), () => {});
  };
  const watch = make("button", { id: "link-view", textContent: "Link to view", onclick: () => invite(true) });
  const steer = make("button", { id: "link-full", textContent: "Link to steer", onclick: () => invite(false) });
  into.append(role, make("div", { className: "row" }, take_over, watch, steer), link, note);
  return {
    place(me) {
      const full = me.rights === "full";
      take_over.disabled = me.steers || !full;
      watch.hidden = steer.hidden = note.hidden = !full;
      role.textContent = me.steers ? "You steer: what you turn and change, all see."
        : full ? "Somebody else steers." : "This link is for viewing only.";
    },
  };
}
