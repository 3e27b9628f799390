// SPDX-License-Identifier: BSD-3-Clause
// The door and the socket: how the page talks to its session. See browser.py for what goes over it.

const AGAIN = [0.5, 1, 2, 4, 8]; // seconds between tries to come back; then the session counts as stopped

const place = new URL(".", location.href); // the folder of the page, whatever a proxy calls it
const KEY = "beamcast key " + place.pathname;

/** Uses the link's token up, or finds out whether this browser was here before. Returns "" or what is wrong. */
export async function enter() {
  const token = location.hash.slice(1);
  if (token) {
    history.replaceState(null, "", place);
    const answer = await post({ token });
    if (answer.ok) {
      localStorage.setItem(KEY, (await answer.json()).key);
      return "";
    }
    const known = await (await post({ key: key() })).json();
    return known.rights ? "" : "You were not let in: " + (await answer.text()) + ". `beamcast status` prints a fresh link.";
  }
  const answer = await post({ key: key() });
  if (answer.ok && (await answer.json()).rights) return "";
  return "This page needs the link that `beamcast start --web` printed; `beamcast status` prints a fresh one.";
}

function key() {
  return localStorage.getItem(KEY) || "";
}

function post(wish) {
  return fetch(new URL("enter", place), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish) });
}

/** Why an answer does not come: of that `lost` and `ended` tell. */
export class Lost extends Error {}

/** The socket. on: functions by kind of message; `lost` and `ended` take a sentence, `open` nothing. */
export class Link {
  constructor(on) {
    this.on = on;
    this.waiting = new Map();
    this.count = 0;
    this.tries = 0;
    this.ended = false;
  }

  open() {
    const address = new URL("socket", place);
    address.protocol = place.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.socket.send(JSON.stringify({ key: key() }));
    this.socket.onmessage = (event) => this.take(event.data);
    this.socket.onclose = () => this.closed();
  }

  closed() {
    for (const wait of this.waiting.values()) wait.fail(new Lost());
    this.waiting.clear();
    if (this.ended) return;
    if (this.tries >= AGAIN.length) {
      this.end("The session has stopped, or the way to it is cut. Reload the page to try again.");
      return;
    }
    this.on.lost("The connection is lost; trying again …");
    setTimeout(() => this.open(), 1000 * AGAIN[this.tries++]);
  }

  end(sentence) {
    this.ended = true;
    this.on.ended(sentence);
    this.socket.close();
  }

  take(data) {
    let message, bytes = null;
    if (typeof data === "string") {
      message = JSON.parse(data);
    } else {
      const length = new DataView(data).getUint32(0, true);
      message = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      bytes = data.slice(4 + length);
    }
    if (message.kind === "answer") {
      const wait = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (wait && message.error) wait.fail(new Error(message.error));
      else if (wait) wait.done(bytes === null ? message.value : { ...message.value, bytes });
    } else if (message.kind === "end") {
      this.end("The session has ended: " + message.why + ".");
    } else if (message.kind === "refused") {
      this.end("This browser is not let in any more. `beamcast status` prints a fresh link.");
    } else {
      if (this.tries || !this.heard) this.on.open();
      this.heard = true;
      this.tries = 0;
      this.on[message.kind]?.(message, bytes);
    }
  }

  /** Says something that has no answer. */
  say(what, values = {}) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ do: what, ...values }));
  }

  /** Asks; a promise of the answer, with `bytes` where it has some. */
  ask(what, values = {}) {
    return new Promise((done, fail) => {
      if (this.socket?.readyState !== WebSocket.OPEN) {
        fail(new Lost());
        return;
      }
      const id = ++this.count;
      this.waiting.set(id, { done, fail });
      this.socket.send(JSON.stringify({ do: what, id, ...values }));
    });
  }
}
