/** The live image of the selected source, with the decision of the same frame on it. */

import { open, tokenChanges } from "../service/api.js";
import { byId, element, keepChildren, setAttribute, setText } from "../widgets/elements.js";
import { percent, status } from "../widgets/format.js";
import { countdown, stateOf } from "./sources.js";
import { Panel } from "../widgets/panel.js";

const FRAME_MS = 100; // at most 10 images a second
const DECISION_MS = 2000; // that an image waits for its decision
const MOST_SKIPPED = 5; // images in a row whose decision this page has missed
const RETRY_MS = 1000;

/** A region's place in its frame as shares of the frame: `{x, y, width, height}`; null where it cannot be known. */
export function placeOf(roi, size) {
  const [x, y, width, height] = roi.split(",").map(Number);
  if (Math.max(x, y, width, height) <= 1) return { x, y, width, height };
  if (!size.width || !size.height) return null;
  return { x: x / size.width, y: y / size.height, width: width / size.width, height: height / size.height };
}

/** Puts an element where a region is. */
export function put(node, { x, y, width, height }) {
  node.style.left = `${100 * x}%`;
  node.style.top = `${100 * y}%`;
  node.style.width = `${100 * width}%`;
  node.style.height = `${100 * height}%`;
}

export class LivePanel extends Panel {
  constructor(state) {
    super(state);
    this.stage = byId("stage");
    this.image = byId("live-image"); // the one that is seen
    this.next = this.image.nextElementSibling; // takes the next frame while the one before is seen
    this.size = { width: null, height: null };
    this.number = 0;
    this.skipped = 0;
    this.request = null;
    this.wake = () => {};
    for (const kind of ["selected", "connection"]) state.addEventListener(kind, () => this.restart());
    for (const kind of ["state", "shown", "decision"]) state.addEventListener(kind, () => this.drawSoon());
    document.addEventListener("visibilitychange", () => this.restart());
    tokenChanges.addEventListener("token", () => this.restart());
  }

  /** Fetches image after image while the page can be seen. */
  async run() {
    for (;;) {
      const { selected, connected } = this.state;
      if (document.hidden || !connected || selected === null) {
        await this.pause(Infinity);
        continue;
      }
      const begun = performance.now();
      try {
        await this.fetchOne(selected);
        await this.pause(FRAME_MS - (performance.now() - begun));
      } catch (error) {
        if (error.name !== "AbortError") await this.pause(RETRY_MS);
      }
    }
  }

  async fetchOne(source) {
    this.request = new AbortController();
    const { signal } = this.request;
    const answer = await open(`/api/sources/${encodeURIComponent(source)}/image?after=${this.number}`, { signal });
    if (answer.status === 204) return;
    const number = Number(answer.headers.get("X-Frame"));
    const [width, height] = (answer.headers.get("X-Frame-Size") ?? "").split("x").map(Number);
    const blob = await answer.blob();
    this.number = number;
    await this.decided(source, number, signal);
    if (!this.state.hasAnswers(source, number) && this.skipped < MOST_SKIPPED) {
      this.skipped += 1;
      return;
    }
    this.skipped = 0;
    await this.load(blob, signal);
    this.resize(source, width, height);
    this.stage.dataset.frame = String(number);
    this.exchange();
    this.state.imageShown(source, number);
    this.draw(); // in the same task, so that image and decision are painted together
  }

  resize(source, width, height) {
    this.size = { width, height };
    this.stage.style.aspectRatio = `${width} / ${height}`;
    this.stage.style.setProperty("--ratio", String(width / height));
    const known = this.state.sources.find(({ name }) => name === source);
    if (known) Object.assign(known, this.size);
  }

  /** Waits until the decision of a frame is there: the image and its decision appear together. */
  decided(source, number, signal) {
    if (this.state.isDecided(source, number)) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.state.removeEventListener("decision", look);
        resolve();
      };
      const look = () => {
        if (this.state.isDecided(source, number) || signal.aborted) done();
      };
      const timer = setTimeout(done, DECISION_MS);
      this.state.addEventListener("decision", look);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Decodes a frame into the image that is not seen. */
  async load(blob, signal) {
    signal.throwIfAborted();
    const url = URL.createObjectURL(blob);
    this.next.src = url;
    try {
      await this.next.decode();
    } finally {
      URL.revokeObjectURL(url);
    }
    signal.throwIfAborted();
  }

  /** Shows the frame that was decoded. */
  exchange() {
    [this.image, this.next] = [this.next, this.image];
    this.image.hidden = false;
    this.next.hidden = true;
    this.next.removeAttribute("id");
    this.image.id = "live-image";
    setAttribute(this.image, "alt", this.next.alt);
  }

  /** Begins anew: another source, a new connection, the page is visible again. */
  restart() {
    this.number = 0;
    this.request?.abort();
    this.wake();
    const { source } = this.state;
    if (source && source.name !== this.state.image.source) {
      this.image.hidden = true;
      this.image.removeAttribute("src");
      this.size = { width: source.width, height: source.height };
      if (source.width) this.stage.style.aspectRatio = `${source.width} / ${source.height}`;
    }
    this.drawSoon();
  }

  pause(ms) {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === Infinity ? 0 : setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  draw() {
    const { source } = this.state;
    byId("live").hidden = !source;
    if (!source) return;
    const now = stateOf(source, this.state.connected);
    setAttribute(this.image, "alt", `Live image of ${source.name}`);
    setText(byId("live-title"), source.name);
    setAttribute(byId("live-dot"), "class", `dot ${now}`);
    setText(byId("source-state"), now);
    this.stage.classList.toggle("offline", now !== "live");
    this.drawOffline(source, now);
    const views = source.views.map((view) => this.viewOf(source, view));
    keepChildren(byId("overlay"), views, makeView, (node, view) => this.drawView(node, view));
  }

  drawOffline(source, now) {
    const note = byId("offline");
    note.hidden = now === "live";
    const reason = now === "unreachable" ? this.state.connection.reason : source.reason;
    setText(byId("offline-reason"), now === "connecting" ? "Connecting to the source" : (reason ?? now));
    setText(byId("retry"), now === "offline" ? countdown(source) : "");
  }

  viewOf(source, name) {
    const answers = this.state.answersOf(source.name).filter((found) => found.view === name);
    const region = source.regions.find((known) => name === `${source.name}.${known.name}`);
    return { answers, region, place: region ? placeOf(region.roi, this.size) : null };
  }

  drawView(node, { answers, region, place }) {
    node.className = region ? "view region" : "view";
    node.hidden = Boolean(region) && place === null;
    if (place) put(node, place);
    else node.removeAttribute("style");
    const tag = node.firstElementChild;
    setText(tag.firstElementChild, region ? region.name : "");
    tag.firstElementChild.hidden = !region;
    keepChildren(
      tag.lastElementChild,
      answers,
      () => element("span"),
      (line, found) => {
        const { prediction } = this.state.shown(found);
        setAttribute(line, "class", `line ${prediction.status}`);
        setText(line, overlayText(prediction, answers.length > 1 ? found.model : null));
      },
    );
  }
}

function overlayText({ status: name, label, score, top }, model) {
  let text = label === null ? status(name) : `${label} ${percent(score)}`;
  if (name === "unknown" && top.length) text += ` (${top[0].label}?)`;
  return model === null ? text : `${model}: ${text}`;
}

function makeView() {
  return element(
    "div",
    { class: "view" },
    element("p", { class: "tag" }, element("b", { class: "region-name" }), element("span", { class: "lines" })),
  );
}
