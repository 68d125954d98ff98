/**
 * Reads the server-sent events of the service.
 *
 * EventSource cannot send the token, so a fetch stream is read. While the service is away, it is tried again with
 * growing waits.
 */

import { open, tokenChanges } from "./api.js";

const WAITS_S = [1, 2, 4, 8, 15];
const SILENCE_MS = 15_000; // the service sends a sign of life every 5 s

/** Listens until the page goes. `heard(kind, values)` gets the events, `connection(state)` each change of it:
 * `{connected, reason, retryAt}` with `retryAt` on the clock of performance.now(). */
export class EventStream {
  constructor(heard, connection) {
    this.heard = heard;
    this.connection = connection;
    this.endWait = () => {};
    for (const [target, kind] of [
      [window, "online"],
      [tokenChanges, "token"],
    ]) {
      target.addEventListener(kind, () => this.retry());
    }
  }

  /** Tries again now where it waits. */
  retry() {
    this.endWait();
  }

  async run() {
    let failures = 0;
    for (;;) {
      let reason = "the service closed the connection";
      try {
        await this.readOnce(() => {
          failures = 0;
          this.connection({ connected: true });
        });
      } catch (error) {
        reason = error.name === "AbortError" ? "the service is silent" : error.message;
        if (error.status === 401) reason = "the service needs the token";
      }
      const wait = 1000 * WAITS_S[Math.min(failures, WAITS_S.length - 1)];
      failures += 1;
      this.connection({ connected: false, reason, retryAt: performance.now() + wait });
      await this.wait(wait);
    }
  }

  async readOnce(begun) {
    const stop = new AbortController();
    let silence = setTimeout(() => stop.abort(), SILENCE_MS);
    try {
      const answer = await open("/api/events", { signal: stop.signal });
      begun();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => stop.abort(), SILENCE_MS);
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.hear(block);
      }
    } finally {
      clearTimeout(silence);
      stop.abort();
    }
  }

  hear(block) {
    let kind = "message";
    const data = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) kind = line.slice(7);
      else if (line.startsWith("data: ")) data.push(line.slice(6));
    }
    if (data.length) this.heard(kind, JSON.parse(data.join("\n")));
  }

  wait(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
