// SPDX-License-Identifier: BSD-3-Clause
// Which cameras go to the session, and when: only ever the newest one, about as often as the session draws. So a long
// way costs its time once, not in each picture; and where the session draws slowly no camera waits there and gets old.

const MOST = 8; // cameras on the way that no picture has answered
const FASTEST = 16; // ms between two
const SLACK = 1.15; // sent a little slower than pictures are drawn
const PATIENCE = 2000; // ms: cameras that no picture answers are not waited for longer

export class Cameras {
  /** say(camera, turn) sends one; `turn` comes back with the picture that was drawn from it, or from a later one. */
  constructor(say) {
    this.say = say;
    this.page = Math.random().toString(36).slice(2); // whose camera a picture has
    this.sent = this.answered = 0;
    this.pace = FASTEST;
    this.last = -Infinity;
    this.newest = null;
  }

  /** Sends it when that makes sense; one that still waits is forgotten. */
  put(camera) {
    this.newest = structuredClone(camera);
    this.go();
  }

  /** A picture is there. */
  picture({ turn, seconds, sharp }) {
    this.answered = turn?.[0] === this.page ? Math.max(this.answered, turn[1]) : this.sent;
    if (!sharp) this.pace = Math.max(FASTEST, 1000 * seconds * SLACK);
    this.go();
  }

  /** Whether what is shown has the newest camera: then it may be taken from the picture. */
  get settled() {
    return this.newest === null && this.sent === this.answered;
  }

  go() {
    clearTimeout(this.timer);
    if (!this.newest) return;
    const waiting = this.sent - this.answered, now = performance.now();
    const due = waiting === 0 ? now : this.last + (waiting < MOST ? this.pace : PATIENCE);
    if (due > now) {
      this.timer = setTimeout(() => this.go(), due - now);
      return;
    }
    if (waiting >= MOST) this.answered = this.sent;
    this.last = now;
    this.say(this.newest, [this.page, ++this.sent]);
    this.newest = null;
  }
}
