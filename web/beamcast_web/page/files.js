// SPDX-License-Identifier: BSD-3-Clause
// The server's files within the folders that the session was started with, what volumes they hold, and opening them.

import { bytes, make, newest, part } from "./panel.js";

export function build(session) {
  const into = part("Open a file");
  const root = make("select", { id: "root" });
  const search = make("input", { id: "search", type: "search", placeholder: "part of a name, or *.h5" });
  const [since, until] = ["since", "until"].map((id) => make("input", { id, type: "date" }));
  const where = make("p", { className: "note", id: "where" });
  const list = make("ul", { id: "files", className: "list", "aria-label": "Files" });
  const volumes = make("ul", { id: "volumes", className: "list", "aria-label": "Volumes of the file" });
  const stride = make("select", { id: "stride" }, ...[["0", "as memory allows"], ["1", "full size"], ["2", "every 2nd voxel"], ["4", "every 4th voxel"], ["8", "every 8th voxel"]]
    .map(([value, textContent]) => make("option", { value, textContent })));
  const back = make("button", { id: "to-stream", textContent: "Back to what was pushed", className: "steers", hidden: true, onclick: () => session.run(session.link.ask("stream")) });
  into.append(make("div", { className: "row" }, back), make("label", { for: "root", textContent: "Folder" }), root,
    make("label", { for: "search", textContent: "Search below it" }), search,
    make("div", { className: "pair" }, make("div", {}, make("label", { for: "since", textContent: "Changed from" }), since),
      make("div", {}, make("label", { for: "until", textContent: "Changed until" }), until)), where, list,
    make("label", { for: "stride", textContent: "Open at" }), stride, volumes);
  let folder = "", sizes = [], available = null;
  stride.addEventListener("change", () => sizes.forEach((show) => show()));

  const show = (entries, more, found = false) => {
    list.replaceChildren(...entries.map((entry) => {
      const name = (found ? entry.path : entry.path.split("/").pop()) + (entry.folder ? "/" : "");
      const about = entry.folder ? "" : bytes(entry.size) + ", " + new Date(1000 * entry.changed).toLocaleDateString();
      return make("li", {}, make("button", { onclick: () => (entry.folder ? go(entry.path) : look(entry.path)), title: entry.path, dataset: { path: entry.path } },
        name, make("span", { className: "note", textContent: " " + about })));
    }));
    if (more) list.append(make("li", { className: "note", textContent: "… and more" }));
    if (!entries.length) list.append(make("li", { className: "note", textContent: "nothing here that can be opened" }));
  };

  const go = async (path) => {
    const answer = await session.run(session.link.ask("folder", { root: +root.value, path }));
    if (!answer) return;
    folder = path;
    where.textContent = root.selectedOptions[0]?.textContent + (path ? "/" + path : "");
    show(answer.entries, answer.more);
    if (folder) list.prepend(make("li", {}, make("button", { textContent: "↑ up", onclick: () => go(folder.split("/").slice(0, -1).join("/")) })));
  };

  const find = newest(async () => {
    if (!search.value && !since.value && !until.value) {
      await go(folder);
      return;
    }
    const times = {};
    if (since.value) times.since = midnight(since.value, 0);
    if (until.value) times.until = midnight(until.value, 1);
    where.textContent = "Searching below " + root.selectedOptions[0]?.textContent + " …";
    const answer = await session.run(session.link.ask("search", { root: +root.value, name: search.value, ...times }));
    if (!answer) return;
    where.textContent = "Found below " + root.selectedOptions[0]?.textContent + ":";
    show(answer.entries, answer.more, true);
  });

  const look = async (path) => {
    sizes = [];
    volumes.replaceChildren(make("li", { className: "note", textContent: "Looking into " + path + " …" }));
    const answer = await session.run(session.link.ask("volumes", { root: +root.value, path }));
    available = answer?.available;
    volumes.replaceChildren(...(answer ? [make("li", { className: "note", textContent: "In " + path + ":" })] : []), ...(answer?.volumes ?? []).map((volume) => {
      const takes = make("span", { className: "note takes" });
      sizes.push(() => (takes.textContent = taken(volume, +stride.value, available)));
      return make("li", {}, make("strong", { textContent: volume.path }), make("span", { className: "note", textContent: describe(volume) }), takes,
        make("div", { className: "row" },
          make("button", { className: "steers", disabled: !session.me.steers, dataset: { dataset: volume.path }, textContent: "Open", "aria-label": "Open " + volume.path, onclick: () => open(path, volume.path) }),
          make("button", { className: "steers", disabled: !session.me.steers, textContent: "As labels", "aria-label": "Show " + volume.path + " as labels", onclick: () => session.run(session.link.ask("open_labels", { root: +root.value, path, dataset: volume.path })) })));
    }));
    for (const show of sizes) show();
    if (answer && !answer.volumes.length) volumes.append(make("li", { className: "note", textContent: "this file holds no volume" }));
  };

  const open = (path, dataset) => session.run(session.link.ask("open", { root: +root.value, path, dataset, stride: +stride.value }));

  root.addEventListener("change", () => go(""));
  for (const field of [search, since, until]) field.addEventListener("change", () => find());
  const begin = newest(async () => {
    if (root.options.length || !into.parentElement.open || session.me.rights !== "full") return;
    const answer = await session.run(session.link.ask("folders"));
    if (!answer) return;
    root.append(...answer.folders.map((name, i) => make("option", { value: i, textContent: name })));
    find();
  });
  into.parentElement.addEventListener("toggle", () => begin());
  return {
    place(me) {
      into.parentElement.hidden = me.rights !== "full";
      begin();
    },
    state({ shown, stream }) {
      back.hidden = !shown || Boolean(shown.stream) || !stream.received;
    },
  };
}

/** The seconds of that day's first moment here, so many days later. */
function midnight(day, later) {
  const date = new Date(day + "T00:00");
  date.setDate(date.getDate() + later);
  return date / 1000;
}

function describe(volume) {
  const spacing = volume.spacing_known ? ", " + volume.spacing.map((step) => +step.toPrecision(4)).join(" × ") + " " + volume.unit : "";
  return volume.size.join(" × ") + " " + volume.type + ", " + bytes(volume.bytes) + spacing;
}

/** What opening it takes, of the memory that the session's first node has left. */
function taken(volume, every, available) {
  const step = every || 1, part = volume.size.reduce((all, count) => all * Math.ceil(count / step) / count, 1);
  const left = available ? " of " + bytes(available) + " that are free there" : "";
  return (every ? "takes " : "takes at most ") + bytes(part * volume.bytes) + left;
}
