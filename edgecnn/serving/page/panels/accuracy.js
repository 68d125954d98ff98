/** How good the model is expected to be on what it sees now, without labels, and whether that is what it was taught. */

import { byId, setAttribute, setText } from "../widgets/elements.js";
import { count, NONE, percent } from "../widgets/format.js";
import { Panel } from "../widgets/panel.js";

export class AccuracyPanel extends Panel {
  constructor(state) {
    super(state);
    for (const kind of ["state", "selected", "focus", "connection"]) {
      state.addEventListener(kind, () => this.drawSoon());
    }
  }

  draw() {
    const answers = this.state.focus;
    const found = this.state.accuracy.find(({ view, model }) => view === answers?.view && model === answers?.model);
    byId("accuracy").hidden = !found;
    if (!found) return;
    const { expected_top1: expected, interval, alarm } = found;
    setAttribute(byId("accuracy"), "class", alarm ? "panel drifted" : "panel");
    byId("accuracy-alarm").hidden = !alarm;
    setText(byId("accuracy-basis"), basisOf(found));
    setText(byId("accuracy-value"), expected === null ? NONE : percent(expected));
    setText(byId("accuracy-interval"), interval === null ? "no estimate yet" : rangeOf(interval, expected));
    this.drawRange(interval, expected);
    setText(byId("accuracy-reason"), found.reason ?? "Without labels, from the answers to different scenes.");
  }

  drawRange(interval, expected) {
    const range = byId("accuracy-range");
    range.hidden = interval === null;
    if (interval === null) return;
    const [span, mark] = range.children;
    span.style.left = `${100 * interval[0]}%`;
    span.style.width = `${100 * (interval[1] - interval[0])}%`;
    mark.hidden = expected === null;
    if (expected !== null) mark.style.left = `${100 * expected}%`;
  }
}

function rangeOf([low, high], expected) {
  const range = `${percent(low)} to ${percent(high)}`;
  return expected === null ? `anything from ${range}` : range;
}

function basisOf({ scenes, frames, unknown_share: unknown }) {
  const seen = `${count(scenes, "scene")}, ${count(frames, "frame")}`;
  return unknown === null || scenes === 0 ? seen : `${seen}, ${percent(unknown)} unknown`;
}
