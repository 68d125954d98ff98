/** Teaching: what is labelled, the button, how it went, and whether the taught model shall serve. */

import { change, read } from "../service/api.js";
import { say } from "../widgets/dialogs.js";
import { byId, element, setText } from "../widgets/elements.js";
import { count, percent, time } from "../widgets/format.js";
import { differenceOf, resultOf } from "./teach_result.js";

const POLL_MS = 1000; // while something runs

export class TeachPanel {
  constructor(state, models) {
    this.state = state;
    this.models = models;
    this.swaps = [];
    this.shown = "";
    this.choice = byId("teach-model");
    this.choice.addEventListener("change", () => this.refresh());
    byId("teach-replace").addEventListener("change", () => this.found && this.draw());
    byId("teach-start").addEventListener("click", () => this.teach());
    byId("teach-cancel").addEventListener("click", () => this.send("/api/teach/cancel", {}, "cancelled"));
    byId("teach-accept").addEventListener("click", () => this.settle("accept"));
    byId("teach-reject").addEventListener("click", () => this.settle("reject"));
    byId("teach-rollback").addEventListener("click", () => this.rollBack());
    state.addEventListener("models", ({ detail }) => {
      this.swaps = detail;
      if (this.found) this.draw();
    });
    state.addEventListener("collected", () => this.refresh());
    state.addEventListener("swap", () => this.refresh());
  }

  async refresh() {
    clearTimeout(this.timer);
    this.drawChoice();
    const query = this.query();
    try {
      const found = await read(`/api/teach${query}`);
      if (query !== this.query()) return; // another model was chosen since
      this.found = found;
    } catch (error) {
      if (error.status === 404) byId("teach").hidden = true;
      return; // else the connection's state says it
    }
    this.draw();
    if (this.found.running) this.timer = setTimeout(() => this.refresh(), POLL_MS);
  }

  query() {
    return this.choice.value ? `?model=${encodeURIComponent(this.choice.value)}` : "";
  }

  drawChoice() {
    const names = this.state.models.map(({ name }) => name);
    byId("teach-model-field").hidden = names.length < 2;
    if ([...this.choice.options].map(({ value }) => value).join() === names.join()) return;
    const before = this.choice.value;
    this.choice.replaceChildren(...names.map((value) => element("option", { value }, value)));
    if (names.includes(before)) this.choice.value = before;
  }

  draw() {
    const { running, last, labelled, moments, missing } = this.found;
    const replace = byId("teach-replace").checked;
    const ready = replace ? this.found.ready_to_replace : this.found.ready;
    byId("teach").hidden = !Object.keys(labelled).length && !running && !last;
    const teaches = running?.kind === "teach";
    byId("teach-start").disabled = !ready || teaches;
    byId("teach-cancel").hidden = !running;
    const why = replace ? this.found.why_not_replace : this.found.why_not;
    setText(byId("teach-ready"), teaches || ready ? "" : why);
    this.drawProgress(running);
    this.drawSwap(last);
    // What is read or has the focus is not made anew without need
    const text = JSON.stringify([labelled, moments, missing, last]);
    if (text === this.shown) return;
    this.shown = text;
    const labels = [...new Set([...Object.keys(labelled), ...Object.keys(missing)])];
    byId("teach-labels").replaceChildren(
      ...labels.map((label) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, label),
          element("td", {}, String(countOf(labelled, label))),
          element("td", {}, String(countOf(moments, label))),
          missingCell(countOf(missing, label)),
        ),
      ),
    );
    byId("teach-result").replaceChildren(...(last ? resultOf(last) : []));
  }

  drawProgress(running) {
    const box = byId("teach-progress");
    box.hidden = !running;
    if (!running) return;
    const { kind, stage, done, total } = running;
    const steps = total ? `: ${done} of ${total}` : " …";
    const of = kind === "rank" ? "Choosing what to label next: " : "";
    setText(byId("teach-stage"), `${of}${stage}${steps}`);
    const bar = byId("teach-bar");
    if (total) bar.value = done / total;
    else bar.removeAttribute("value");
  }

  /** The swap of the taught model: in its shadow, waiting, serving, or ended otherwise. */
  drawSwap(last) {
    const model = this.swaps.find(({ name }) => name === this.found.model);
    const shadow = model?.shadow?.id === last?.swap?.id ? model?.shadow : null;
    const serves = last?.swap && model?.serving.sha256 === last.swap.sha256;
    byId("teach-swap").hidden = !last?.swap || !model;
    byId("teach-decide").hidden = !shadow;
    byId("teach-rollback").hidden = !serves || !model.previous;
    if (!last?.swap || !model) return;
    setText(byId("teach-swap-state"), swapText(model, shadow, serves, last));
    const ended = model.last?.id === last.swap.id ? model.last : null;
    byId("teach-difference").replaceChildren(...differenceOf(shadow ?? ended));
  }

  teach() {
    const replace = byId("teach-replace").checked;
    return this.send(`/api/teach${this.query()}`, { json: { replace } }, "");
  }

  async settle(verb) {
    const model = this.swaps.find(({ name }) => name === this.found.model);
    const path = `/api/models/${verb}?model=${encodeURIComponent(model.name)}`;
    const done = verb === "accept" ? "the new model serves" : "the old model stays";
    await this.send(path, { json: { id: model.shadow?.id } }, done);
    await this.models.refresh();
  }

  async rollBack() {
    const path = `/api/rollback?model=${encodeURIComponent(this.found.model)}`;
    await this.send(path, {}, "the model before it serves again");
    await this.models.refresh();
  }

  async send(path, options, done) {
    try {
      await change(path, options);
      say(byId("teach-message"), done);
    } catch (error) {
      say(byId("teach-message"), error.message, true);
    }
    await this.refresh();
  }
}

/** A label may be `constructor` or `__proto__`, which every object answers to. */
function countOf(counts, label) {
  return Object.hasOwn(counts, label) ? counts[label] : 0;
}

function missingCell(frames) {
  return element("td", { class: frames ? "short" : "" }, frames ? `${frames} more` : "✓");
}

function swapText({ last: ended }, shadow, serves, last) {
  if (serves) return "The taught model serves.";
  if (shadow?.state === "waiting") {
    const { agreement, min_agreement: least } = shadow;
    if (shadow.mode === "auto" && agreement !== null && agreement < least)
      return (
        `It agrees with the old model on ${percent(agreement)} of ${count(shadow.frames, "frame")}, less than the ` +
        `${percent(least)} at which it takes over by itself. Where it was taught to answer otherwise, that is right: ` +
        "look at what differs, and decide."
      );
    return `It has answered ${count(shadow.frames, "frame")} beside the old model, and waits for you.`;
  }
  if (shadow) {
    const then = shadow.mode === "auto" ? ` It takes over by itself if ${percent(shadow.min_agreement)} agree.` : "";
    const agreeing = shadow.agreement === null ? "" : `, ${percent(shadow.agreement)} of them agree`;
    const frames = `${shadow.frames} of ${count(shadow.wanted_frames, "frame")}`;
    return `It runs beside the old model: ${frames}${agreeing}.${then}`;
  }
  if (ended?.id === last.swap.id && ended.state !== "accepted")
    return `It does not serve: ${ended.state}${ended.reason ? `, ${ended.reason}` : ""} (${time(ended.at)}).`;
  return "It does not serve any more.";
}
