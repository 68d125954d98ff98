/** What happened: source changes, swaps, alarms of drift, new regions, changed decisions, newest first. */

import { byId, element, keepChildren, setAttribute, setText } from "../widgets/elements.js";
import { percent, shortHash, status, time } from "../widgets/format.js";
import { Panel } from "../widgets/panel.js";

export class LogPanel extends Panel {
  constructor(state) {
    super(state);
    this.list = byId("log-list");
    this.kind = byId("log-kind");
    this.kind.addEventListener("change", () => this.draw());
    state.addEventListener("log", () => this.drawSoon());
  }

  draw() {
    const wanted = this.kind.value;
    const events = this.state.log.filter((event) => wanted === "all" || event.kind === wanted).reverse();
    byId("log-empty").hidden = events.length > 0;
    keepChildren(this.list, events, makeRow, (row, event) => {
      const [at, who, what] = row.children;
      const { subject, text, tone } = described(event);
      setText(at, time(event.kind === "decision" ? event.prediction.captured_at : event.at));
      setText(who, subject);
      setText(what, text);
      setAttribute(row, "class", tone);
    });
  }
}

function makeRow() {
  return element(
    "li",
    {},
    element("span", { class: "at" }),
    element("span", { class: "who" }),
    element("span", { class: "what" }),
  );
}

function described(event) {
  if (event.kind === "decision") return describedDecision(event);
  if (event.kind === "source") return describedSource(event);
  if (event.kind === "views") return describedViews(event);
  if (event.kind === "drift") return describedDrift(event);
  const reason = event.reason ? `: ${event.reason}` : "";
  const tone = event.state === "refused" ? "bad" : event.state === "accepted" ? "good" : "";
  return { subject: event.model, text: `model ${shortHash(event.sha256)} ${event.state}${reason}`, tone };
}

function describedDecision({ view, model, prediction }) {
  const { status: name, label, score, reason, top } = prediction;
  const subject = model === "main" ? view : `${view} · ${model}`;
  if (label !== null) return { subject, text: `${label} ${percent(score)}`, tone: "" };
  const guess = name === "unknown" && top.length ? ` (${top[0].label}?)` : "";
  return { subject, text: `${status(name)}${guess}: ${reason}`, tone: name === "unknown" ? "warn" : "bad" };
}

function describedDrift({ view, model, alarm, reason }) {
  const subject = model === "main" ? view : `${view} · ${model}`;
  const because = reason ? `: ${reason}` : "";
  return { subject, text: `${alarm ? "drift" : "no drift any more"}${because}`, tone: alarm ? "bad" : "good" };
}

function describedViews({ source, views }) {
  const regions = views.filter((view) => view !== source).map((view) => view.slice(source.length + 1));
  const text = regions.length ? `regions are now ${regions.join(", ")}` : "the whole frame is classified now";
  return { subject: source, text, tone: "" };
}

function describedSource({ source, up, reason, retry_in_s: wait }) {
  if (up) return { subject: source, text: "source is live", tone: "good" };
  const next = wait === null ? "" : `; next attempt in ${Math.max(1, Math.round(wait))} s`;
  return { subject: source, text: `source is offline: ${reason}${next}`, tone: "bad" };
}
