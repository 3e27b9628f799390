// SPDX-License-Identifier: BSD-3-Clause
// What a reload of the page, or coming back to it, keeps beside what the session knows: which views and parts are open, where
// the slices lie. Of this tab alone.

const KEY = "beamcast view " + new URL(".", location.href).pathname;
let known = {};
try {
  known = JSON.parse(sessionStorage.getItem(KEY)) ?? {};
} catch {
  // of another version, or the browser keeps nothing
}

export function recall(name, otherwise) {
  return known[name] ?? otherwise;
}

export function remember(name, value) {
  known[name] = value;
  try {
    sessionStorage.setItem(KEY, JSON.stringify(known));
  } catch {
    // then a reload begins anew
  }
}
