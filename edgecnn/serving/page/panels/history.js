/** The confidence over the last minutes, as a chart. Where there was no decision, the line has a gap. */

import { keyOf } from "../service/state.js";
import { byId, setAttribute, setText } from "../widgets/elements.js";
import { percent } from "../widgets/format.js";

const SPANS_S = [60, 120, 300]; // that the chart shows: the shortest that holds all
const SECONDS = SPANS_S.at(-1);
const TICKS = 5; // of the time axis, or fewer
const NARROW = 420; // pixels: every other tick has a text
const LEFT = 44; // pixels, for the scale
const BOTTOM = 30; // for the strip of statuses and the times
const TOP = 6;
const RIGHT = 8;
const STRIP = 6;
const SUMMARY_MS = 10_000;
const WORST = ["ok", "unknown", "no_decision", "error"];

/** What happened in one second. */
class Second {
  constructor(at) {
    this.at = at; // whole seconds of performance.now()
    this.lowest = null; // score
    this.highest = null;
    this.sum = 0;
    this.count = 0; // of decisions with a label
    this.status = "ok"; // the worst one
    this.changed = false;
  }

  add({ prediction, changed }) {
    const { status, score } = prediction;
    if (WORST.indexOf(status) > WORST.indexOf(this.status)) this.status = status;
    this.changed ||= changed;
    if (status !== "ok" || score === null) return;
    this.lowest = Math.min(this.lowest ?? 1, score);
    this.highest = Math.max(this.highest ?? 0, score);
    this.sum += score;
    this.count += 1;
  }
}

export class HistoryPanel {
  constructor(state) {
    this.state = state;
    this.canvas = byId("history");
    this.seconds = new Map(); // by keyOf -> Second[]
    this.summarizedAt = -Infinity;
    state.addEventListener("decision", ({ detail }) => this.add(detail));
    for (const kind of ["selected", "focus"]) {
      state.addEventListener(kind, () => {
        this.summarizedAt = -Infinity;
        this.draw();
      });
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  add(decision) {
    if (!decision.initial) this.addTo(keyOf(decision), decision);
  }

  /** Called each second. An outage is heard of at each attempt only: the seconds between have no decision either. */
  tick() {
    if (this.state.connected) {
      for (const [key, answers] of this.state.answers) {
        const { prediction } = this.state.shown(answers);
        if (prediction.status === "no_decision") this.addTo(key, { prediction, changed: false });
      }
    }
    this.draw();
  }

  addTo(key, decision) {
    if (!this.seconds.has(key)) this.seconds.set(key, []);
    const seconds = this.seconds.get(key);
    const at = Math.floor(performance.now() / 1000);
    if (seconds.at(-1)?.at !== at) seconds.push(new Second(at));
    seconds.at(-1).add(decision);
    while (seconds[0].at < at - SECONDS) seconds.shift();
  }

  draw() {
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const colors = colorsOf(canvas);
    const { focus } = this.state;
    const seconds = focus ? (this.seconds.get(keyOf(focus)) ?? []) : [];
    const now = performance.now() / 1000;
    const length = now - (seconds[0]?.at ?? now);
    const span = SPANS_S.find((seconds) => seconds >= length) ?? SECONDS;
    const shown = seconds.filter((second) => second.at >= now - span);
    const chart = new Chart(context, width, height, colors, span);
    chart.drawScale();
    chart.drawBand(shown, now);
    chart.drawLine(shown, now);
    chart.drawStrip(shown, now);
    this.summarize(shown);
  }

  /** The chart in words, for those who do not see it. */
  summarize(seconds) {
    const now = performance.now();
    if (now - this.summarizedAt < SUMMARY_MS) return;
    const decided = seconds.filter((second) => second.count);
    if (decided.length) this.summarizedAt = now;
    const without = seconds.filter((second) => second.status === "no_decision" || second.status === "error").length;
    const lowest = decided.length ? Math.min(...decided.map((second) => second.lowest)) : null;
    const mean = decided.length
      ? decided.reduce((sum, second) => sum + second.sum / second.count, 0) / decided.length
      : null;
    const text = decided.length
      ? `mean ${percent(mean)}, lowest ${percent(lowest)}${without ? `, ${without} s without a decision` : ""}`
      : "no decision yet";
    setText(byId("history-summary"), text);
    setAttribute(this.canvas, "aria-label", `Confidence over the last minutes: ${text}`);
  }
}

class Chart {
  constructor(context, width, height, colors, span) {
    this.context = context;
    this.width = width;
    this.height = height;
    this.colors = colors;
    this.span = span; // seconds
    this.bottom = height - BOTTOM;
  }

  x(at, now) {
    return this.width - RIGHT - ((now - at) / this.span) * (this.width - LEFT - RIGHT);
  }

  y(score) {
    return TOP + (1 - score) * (this.bottom - TOP);
  }

  drawScale() {
    const { context, colors } = this;
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = colors.muted;
    context.strokeStyle = colors.grid;
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const share of [0, 0.5, 1]) {
      const y = Math.round(this.y(share)) + 0.5;
      line(context, LEFT, y, this.width - RIGHT, y);
      context.fillText(`${100 * share} %`, LEFT - 6, Math.max(y, TOP + 4));
    }
    context.textBaseline = "alphabetic";
    const every = this.span === SECONDS ? 60 : this.span / (TICKS - 1);
    for (let past = 0; past <= this.span; past += every) {
      const x = Math.round(this.x(-past, 0)) + 0.5;
      line(context, x, TOP, x, this.bottom);
      const text = past === 0 ? "now" : this.span === SECONDS ? `−${past / 60} min` : `−${past} s`;
      if (this.width < NARROW && (past / every) % 2) continue;
      context.textAlign = past === 0 ? "right" : "center";
      context.fillText(text, past === 0 ? x + RIGHT : x, this.height - 4);
    }
  }

  /** From the lowest to the highest confidence in each second. */
  drawBand(seconds, now) {
    const { context, colors } = this;
    const step = Math.max(1, (this.width - LEFT - RIGHT) / this.span);
    context.fillStyle = colors.band;
    for (const second of seconds) {
      if (!second.count) continue;
      const top = this.y(second.highest);
      context.fillRect(this.x(second.at, now), top, step, Math.max(1, this.y(second.lowest) - top));
    }
  }

  /** The mean of each second. */
  drawLine(seconds, now) {
    const { context, colors } = this;
    context.strokeStyle = colors.accent;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.beginPath();
    let before = null;
    for (const second of seconds) {
      if (!second.count) {
        before = null;
        continue;
      }
      const x = this.x(second.at + 0.5, now);
      const y = this.y(second.sum / second.count);
      if (before === null || second.at - before > 2) context.moveTo(x - 1, y);
      context.lineTo(x, y);
      before = second.at;
    }
    context.stroke();
  }

  /** The worst status of each second, and ticks where the decision changed. */
  drawStrip(seconds, now) {
    const { context, colors } = this;
    const step = Math.max(1, (this.width - LEFT - RIGHT) / this.span);
    for (const second of seconds) {
      const x = Math.max(LEFT, this.x(second.at, now));
      context.fillStyle = colors[second.status];
      context.fillRect(x, this.bottom + 4, step + 0.5, STRIP);
      if (second.changed) {
        context.fillStyle = colors.text;
        context.fillRect(x, this.bottom + 1, 1, STRIP + 6);
      }
    }
  }
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function colorsOf(node) {
  const style = getComputedStyle(node);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: color("text"),
    muted: color("muted"),
    grid: color("grid"),
    accent: color("accent"),
    band: color("band"),
    ok: color("ok-fill"),
    unknown: color("warn-fill"),
    no_decision: color("bad-fill"),
    error: color("bad-fill"),
  };
}
