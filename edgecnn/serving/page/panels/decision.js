/** The decision on the shown frame: label, confidence, reason, the best classes, and how it was reached. */

import { byId, element, keepChildren, setAttribute, setText } from "../widgets/elements.js";
import { NONE, milliseconds, percent, shortHash, span, status, time } from "../widgets/format.js";
import { Panel } from "../widgets/panel.js";

const ANNOUNCE_MS = 2000; // between two announcements: a decision that flickers is not read out each time
const FACTS_MS = 1000;
const BARS = 5;

export class DecisionPanel extends Panel {
  constructor(state) {
    super(state);
    this.announced = "";
    this.announcedAt = -Infinity;
    this.factsAt = -Infinity;
    for (const kind of ["shown", "decision", "connection", "selected", "focus", "state"]) {
      state.addEventListener(kind, () => this.drawSoon());
    }
    state.addEventListener("focus", () => (this.factsAt = -Infinity));
    state.addEventListener("selected", () => (this.factsAt = -Infinity));
  }

  draw() {
    const answers = this.state.focus;
    for (const id of ["decision", "confidence"]) byId(id).hidden = !this.state.source;
    this.drawViews();
    if (!answers) {
      setText(byId("decision-label"), this.state.source ? "no decision yet" : NONE);
      return;
    }
    const { prediction } = this.state.shown(answers);
    this.drawHeadline(answers, prediction);
    this.drawBars(prediction);
    const now = performance.now();
    if (now - this.factsAt > FACTS_MS - 50) {
      this.factsAt = now;
      this.drawFacts(answers);
    }
    this.announce(answers, prediction);
  }

  /** One button for each view and model, where there are several. */
  drawViews() {
    const found = this.state.answersOf(this.state.selected);
    const list = byId("view-list");
    list.hidden = found.length < 2;
    const severalModels = new Set(found.map((answers) => answers.model)).size > 1;
    keepChildren(
      list,
      found.length < 2 ? [] : found,
      () => this.makeView(),
      (item, answers) => {
        const button = item.firstElementChild;
        const [name, answer] = button.children;
        const { prediction } = this.state.shown(answers);
        item.answers = answers;
        setAttribute(button, "id", `view-${answers.view}-${answers.model}`);
        setAttribute(button, "aria-pressed", String(answers === this.state.focus));
        setText(
          name,
          [answers.region ?? "whole frame", severalModels ? answers.model : null].filter(Boolean).join(" · "),
        );
        setAttribute(answer, "class", `answer ${prediction.status}`);
        setText(
          answer,
          prediction.label === null ? status(prediction.status) : `${prediction.label} ${percent(prediction.score)}`,
        );
      },
    );
  }

  makeView() {
    const button = element("button", { type: "button" }, element("span", { class: "name" }), element("span"));
    const item = element("li", {}, button);
    button.addEventListener("click", () => this.state.focusOn(item.answers));
    return item;
  }

  drawHeadline(answers, prediction) {
    const { status: name, label, score, reason } = prediction;
    setText(byId("decision-label"), label ?? status(name));
    setAttribute(byId("headline"), "class", name);
    setText(byId("decision-score"), label === null ? "" : percent(score));
    setText(byId("decision-status"), status(name));
    byId("decision-status").hidden = label === null;
    const since = answers.since === null ? "" : `since ${time(answers.since)}`;
    setText(byId("decision-since"), this.state.connected ? since : "");
    setText(byId("decision-reason"), reason ?? "");
    byId("decision-reason").hidden = reason === null;
  }

  drawBars({ status: name, top }) {
    const shown = top.slice(0, BARS);
    byId("no-bars").hidden = shown.length > 0;
    keepChildren(byId("bars"), shown, makeBar, (bar, { label, score }, at) => {
      const [text, , value] = bar.children;
      setText(text, label);
      setText(value, percent(score));
      setAttribute(bar, "class", at === 0 ? `best ${name}` : "");
      bar.querySelector(".fill").style.width = `${100 * score}%`;
    });
  }

  drawFacts(answers) {
    const { source, connected } = this.state;
    const { newest } = answers;
    const { prediction } = newest;
    const recent = [...answers.byNumber.values()].map((decision) => decision.prediction.latency_ms);
    const median = (step) => milliseconds(medianOf(recent.map((latency) => latency[step])));
    const model = this.state.models.find((known) => known.name === answers.model);
    const live = connected && prediction.frame !== null;
    const age = live ? prediction.age_ms + performance.now() - newest.heardAt : null;
    const facts = {
      "fact-fps": connected ? `${this.state.rate(source.name).toFixed(1)} /s` : NONE,
      "fact-age": live ? span(age) : `${NONE} (last frame ${time(prediction.captured_at)})`,
      "fact-decode": median("decode"),
      "fact-preprocess": median("preprocess"),
      "fact-inference": median("inference"),
      "fact-total": median("total"),
      "fact-ep": prediction.ep ?? model?.current.ep ?? NONE,
      "fact-model": model ? `${answers.model} (${model.current.file})` : answers.model,
      "fact-hash": shortHash(prediction.model_sha256),
      "fact-size": source.width ? `${source.width} × ${source.height}` : NONE,
      "fact-address": source.address,
      "fact-reconnects": String(source.reconnects),
      "fact-dropped": String(source.frames_dropped),
    };
    for (const [id, text] of Object.entries(facts)) setText(byId(id), text);
    setAttribute(byId("fact-hash"), "title", prediction.model_sha256 ?? "");
  }

  /** Has a screen reader read a changed decision out. */
  announce(answers, { status: name, label, reason }) {
    const who = answers.region === null ? answers.source : `${answers.source}, ${answers.region}`;
    const text = `${who}: ${label ?? status(name)}`;
    const now = performance.now();
    if (text === this.announced || now - this.announcedAt < ANNOUNCE_MS) return;
    this.announced = text;
    this.announcedAt = now;
    setText(byId("announcement"), label === null && reason ? `${text}, ${reason}` : text);
  }
}

function makeBar() {
  return element(
    "li",
    {},
    element("span", { class: "label" }),
    element("span", { class: "bar", "aria-hidden": true }, element("span", { class: "fill" })),
    element("span", { class: "value" }),
  );
}

function medianOf(values) {
  const known = values.filter((value) => value !== null && value !== undefined).sort((a, b) => a - b);
  return known.length ? known[Math.floor(known.length / 2)] : null;
}
