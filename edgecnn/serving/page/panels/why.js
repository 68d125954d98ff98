/** Why a model answers as it does: the map over the image, similar taught images, and the model before. */

import { read } from "../service/api.js";
import { show } from "../widgets/dialogs.js";
import { dataImage } from "../widgets/data_image.js";
import { byId, element } from "../widgets/elements.js";
import { answerText, shortHash, time } from "../widgets/format.js";
import { bar } from "./replay.js";

const CLASSES = 3;

export class WhyPanel {
  constructor(state, collect) {
    this.state = state;
    for (const kind of ["decision", "connection", "selected", "focus"]) {
      state.addEventListener(kind, () => (byId("why").disabled = !state.connected || !state.focus));
    }
    byId("why").addEventListener("click", () => this.live());
    byId("why-frame").addEventListener("click", () => {
      const [id] = collect.selection.ids;
      explain(`/api/collect/${encodeURIComponent(id)}/why`);
    });
  }

  live() {
    const { focus } = this.state;
    if (!focus) return;
    const { source, view, model } = focus;
    explain(`/api/sources/${encodeURIComponent(source)}/why?${new URLSearchParams({ view, model })}`);
  }
}

/** Asks and shows the answer until the dialog is closed. */
async function explain(path) {
  const waiting = element("p", { class: "quiet", role: "status" }, "Asking the model …");
  const box = element("div", { class: "why" }, waiting);
  const request = new AbortController();
  show("Why?", box).then(() => request.abort());
  try {
    box.replaceChildren(...contentOf(await read(path, { signal: request.signal })));
  } catch (error) {
    if (error.name === "AbortError") return;
    box.replaceChildren(element("p", { class: "message bad", role: "alert" }, error.message));
  }
}

function contentOf(found) {
  const { before, image } = found;
  const hasMap = found.map !== null || Boolean(before?.map);
  return [
    element(
      "p",
      { class: "at", role: "status" },
      `${found.view}, ${time(found.captured_at)}, ${found.model}: ${answerText(found)}`,
    ),
    hasMap ? mapSwitch() : null,
    element(
      "div",
      { class: "why-answers" },
      column(before ? "Now" : "Answer", found, image),
      before ? column("Before", before, image) : null,
    ),
    element("h3", {}, "Similar taught images"),
    similarTo(found),
  ].filter((node) => node !== null);
}

function mapSwitch() {
  const box = element("input", { type: "checkbox", checked: true, id: "why-map" });
  box.addEventListener("change", () => box.closest(".why").classList.toggle("plain", !box.checked));
  return element("label", { class: "why-switch" }, box, element("span", {}, "Show what speaks for the answer, in red"));
}

function column(title, answer, image) {
  const { map, map_label: label, map_reason: reason, model_sha256: sha256, top } = answer;
  return element(
    "section",
    { class: "answer-column", "data-testid": "why-answer" },
    element("h3", {}, title),
    element("p", { class: "at" }, `model ${shortHash(sha256)}`),
    element("p", { class: `big ${answer.status}` }, answerText(answer)),
    answer.reason ? element("p", { class: "reason" }, answer.reason) : null,
    element(
      "figure",
      {},
      element(
        "div",
        { class: map ? "why-image mapped" : "why-image" },
        dataImage(image, { alt: "What was classified" }),
        map ? dataImage(map, { class: "layer", alt: `Map of what speaks for ${label}` }) : null,
      ),
      element("figcaption", {}, reason === null ? `speaks for ${label}: red` : `${map ? "" : "No map: "}${reason}`),
    ),
    element("ul", { class: "bars" }, ...top.slice(0, CLASSES).map(bar)),
  );
}

function similarTo({ nearest, nearest_reason: reason }) {
  if (reason !== null) return element("p", { class: "quiet" }, `None: ${reason}.`);
  return element("ul", { class: "similar" }, ...nearest.map(similar));
}

function similar({ label, file, similarity, thumbnail }) {
  return element(
    "li",
    {},
    thumbnail ? dataImage(thumbnail, { alt: "" }) : element("span", { class: "no-image" }, "no thumbnail"),
    element("b", {}, label),
    element("span", { class: "at" }, file),
    element("span", { class: "at" }, `similarity ${similarity.toFixed(2)}`),
  );
}
