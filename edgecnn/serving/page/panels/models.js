/** The models: what serves, what is in the shadow, what a rollback brings back. */

import { change, read } from "../service/api.js";
import { confirm, say } from "../widgets/dialogs.js";
import { byId, element } from "../widgets/elements.js";
import { NONE, answerText, bytes, count, percent, shortHash, time } from "../widgets/format.js";
import { image } from "../widgets/images.js";

const POLL_MS = 2000; // while a model is in the shadow

export class ModelsPanel {
  constructor(state) {
    this.state = state;
    this.shown = "";
    this.canSwap = true;
    this.file = byId("upload-file");
    this.file.addEventListener("change", () => this.upload());
    byId("upload").addEventListener("click", () => this.file.click());
    state.addEventListener("swap", () => this.refresh());
    state.addEventListener("state", () => this.canSwap || this.draw(plainModels(state.models)));
  }

  async refresh() {
    clearTimeout(this.timer);
    try {
      const { models } = await read("/api/models");
      this.canSwap = true;
      this.draw(models);
      if (models.some((model) => model.shadow)) this.timer = setTimeout(() => this.refresh(), POLL_MS);
    } catch (error) {
      if (error.status !== 404) return; // the connection's state says it
      this.canSwap = false;
      this.draw(plainModels(this.state.models));
    }
  }

  draw(models) {
    this.state.tell("models", models);
    byId("models").hidden = models.length === 0;
    byId("upload-form").hidden = !this.canSwap;
    const text = JSON.stringify(models);
    if (text === this.shown) return;
    this.shown = text;
    this.drawChoice(models);
    const focused = document.activeElement?.id;
    byId("model-list").replaceChildren(...models.map((model) => this.modelCard(model)));
    // What had the focus is new, or has gone
    if (focused && document.activeElement === document.body)
      (byId(focused) ?? byId("models-title")).focus({ preventScroll: true });
  }

  drawChoice(models) {
    const choice = byId("upload-model");
    const before = choice.value;
    choice.replaceChildren(...models.map(({ name }) => element("option", { value: name }, name)));
    if (models.some(({ name }) => name === before)) choice.value = before;
    byId("upload-model-field").hidden = models.length < 2;
  }

  modelCard(model) {
    const { name, serving, shadow, previous, last } = model;
    return element(
      "article",
      { class: "model", id: `model-${name}`, "aria-label": `Model ${name}` },
      element("h3", {}, name),
      element(
        "div",
        { class: "slots" },
        slot("Serving", `serving-${name}`, facts(serving)),
        slot(
          "Shadow",
          `shadow-${name}`,
          shadow ? this.shadowOf(name, shadow) : [nothing(this.canSwap ? "No model in the shadow" : NONE)],
        ),
        slot(
          "Previous",
          `previous-${name}`,
          previous ? [...facts(previous), this.rollbackButton(name, previous)] : [nothing("None")],
        ),
      ),
      last
        ? element("p", { class: last.state === "refused" ? "last bad" : "last", id: `last-${name}` }, lastText(last))
        : null,
      shadow?.differing?.length ? differing(name, shadow) : null,
    );
  }

  shadowOf(name, shadow) {
    const waiting = shadow.state === "waiting";
    const agreement = shadow.agreement ?? null;
    const short = agreement !== null && agreement < shadow.min_agreement;
    const mode = shadow.mode === "auto" ? "takes over automatically" : "waits to be accepted";
    return [
      ...facts(shadow),
      element(
        "p",
        { class: "progress-line" },
        waiting ? "Waiting to be accepted" : `${shadow.frames} of ${count(shadow.wanted_frames, "frame")}`,
      ),
      meter(shadow.frames / Math.max(1, shadow.wanted_frames), "Frames answered in the shadow"),
      element(
        "p",
        { class: "progress-line", id: `agreement-${name}` },
        `Agreement ${percent(agreement)}, at least ${percent(shadow.min_agreement)} required; ${mode}`,
      ),
      meter(agreement ?? 0, "Agreement with the serving model", short ? "bad" : "good", shadow.min_agreement),
      element(
        "div",
        { class: "buttons" },
        element(
          "button",
          { type: "button", id: `accept-${name}`, class: "primary", onclick: () => this.accept(name, shadow) },
          "Accept",
        ),
        element("button", { type: "button", id: `reject-${name}`, onclick: () => this.reject(name, shadow) }, "Reject"),
      ),
    ];
  }

  rollbackButton(name, previous) {
    if (!this.canSwap) return null;
    const roll = () =>
      this.act(
        "Roll back?",
        `${previous.file} (${shortHash(previous.sha256)}) serves again as ${name}, from the next frame on.`,
        "Roll back",
        `/api/rollback?model=${encodeURIComponent(name)}`,
        undefined,
        "the previous model serves again",
      );
    return element(
      "div",
      { class: "buttons" },
      element("button", { type: "button", id: `rollback-${name}`, onclick: roll }, "Roll back"),
    );
  }

  accept(name, shadow) {
    return this.settle(name, shadow, "Accept", `takes over as ${name}, from the next frame on`);
  }

  reject(name, shadow) {
    return this.settle(name, shadow, "Reject", `is dropped; ${name} stays as it is`);
  }

  settle(name, { id, sha256, file }, verb, consequence) {
    const text = `${file ?? "The new model"} (${shortHash(sha256)}) ${consequence}.`;
    const path = `/api/models/${verb.toLowerCase()}?model=${encodeURIComponent(name)}`;
    return this.act(`${verb} this model?`, text, verb, path, { id }, `${verb.toLowerCase()}ed`);
  }

  async act(title, text, action, path, json, done) {
    if (await confirm(title, text, action)) await this.send(path, { json }, done);
  }

  async upload() {
    const file = this.file.files[0];
    if (!file) return;
    const model = byId("upload-model").value;
    const text =
      `${file.name} (${bytes(file.size)}) is checked, then runs in the shadow ` +
      `of the model that serves as ${model}.`;
    if (await confirm("Upload this model?", text, "Upload")) {
      say(byId("models-message"), `uploading ${file.name} …`);
      await this.send(`/api/models?model=${encodeURIComponent(model)}`, { body: file }, `${file.name} was uploaded`);
    }
    this.file.value = ""; // so that the same file can be chosen again
  }

  async send(path, options, done) {
    try {
      const answer = await change(path, options);
      say(byId("models-message"), answer?.sha256 ? `${done}: ${shortHash(answer.sha256)}` : done);
    } catch (error) {
      say(byId("models-message"), error.message, true);
    }
    await this.refresh();
  }
}

/** The models as `/api/state` has them, where nothing swaps them. */
function plainModels(models) {
  return models.map(({ name, current, previous }) => ({ name, serving: current, previous, shadow: null, last: null }));
}

function slot(title, id, content) {
  return element("section", { class: "slot", id }, element("h4", {}, title), ...content);
}

function nothing(text) {
  return element("p", { class: "nothing" }, text);
}

function facts(record) {
  const rows = [
    ["File", record.file ?? NONE],
    ["SHA-256", element("code", { class: "hash" }, record.sha256 ?? NONE)],
    ["Precision", [record.precision, record.ep].filter(Boolean).join(", ")],
    ["Size", record.size_bytes ? bytes(record.size_bytes) : ""],
    [
      "Classes",
      record.labels
        ? `${record.labels.length}: ${record.labels.slice(0, 6).join(", ")}${record.labels.length > 6 ? " …" : ""}`
        : "",
    ],
    ["Loaded", record.loaded_at ? time(record.loaded_at) : ""],
  ];
  const list = element("dl", { class: "facts" });
  for (const [name, value] of rows) if (value) list.append(element("dt", {}, name), element("dd", {}, value));
  return [list];
}

function meter(share, label, tone = "", mark = null) {
  const fill = element("span", { class: `fill ${tone}` });
  fill.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  const bar = element(
    "div",
    {
      class: "meter",
      role: "meter",
      "aria-label": label,
      "aria-valuenow": Math.round(100 * share),
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    },
    fill,
  );
  if (mark !== null) {
    const line = element("span", { class: "mark" });
    line.style.left = `${100 * mark}%`;
    bar.append(line);
  }
  return bar;
}

function lastText({ state, sha256, reason, at }) {
  return `${time(at)}: model ${shortHash(sha256)} ${state}${reason ? `: ${reason}` : ""}`;
}

/** The frames on which the serving model and the one in the shadow disagree. */
function differing(name, shadow) {
  const rows = shadow.differing.map(({ number, view, captured_at: at, serving, shadow: other, image: path }) =>
    element(
      "li",
      { class: "difference" },
      path ? image(path, `Frame ${number} of ${view}`) : null,
      element("p", { class: "at" }, `${view}, frame ${number}, ${time(at)}`),
      element(
        "dl",
        { class: "versus" },
        element("dt", {}, "Serving"),
        element("dd", {}, answerText(serving)),
        element("dt", {}, "Shadow"),
        element("dd", {}, answerText(other)),
      ),
    ),
  );
  return element(
    "section",
    { class: "differing", id: `differing-${name}`, "aria-label": `Frames of ${name} on which the models differ` },
    element("h4", {}, `${count(rows.length, "frame")} with different answers`),
    element("ul", {}, ...rows),
  );
}
