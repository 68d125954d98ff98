/** A model file of EdgeCNN in JavaScript. The file says all there is to know; normalisation is in the graph. */

import { readFile } from "node:fs/promises";
import ort from "onnxruntime-node";
import protobuf from "protobufjs";

/** The part of an ONNX file that onnxruntime's JavaScript API does not give out: its metadata (onnx.proto, ModelProto). */
const Model = protobuf
  .parse(
    `syntax = "proto3";
     message Entry { string key = 1; string value = 2; }
     message Model { repeated Entry metadata_props = 14; }`,
    { keepCase: true },
  )
  .root.lookupType("Model");

export class Classifier {
  #session;
  #unknown;

  /** Opens a model file. */
  static async open(path) {
    const file = await readFile(path);
    const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1 }); // by itself onnxruntime takes every core
    const entry = Model.decode(file).metadata_props.find(({ key }) => key === "edgecnn");
    if (!entry) throw new Error("no model file of EdgeCNN: the metadata key 'edgecnn' is missing");
    return new Classifier(session, JSON.parse(entry.value));
  }

  constructor(session, manifest) {
    const [, height, width, channels] = session.inputMetadata[0].shape; // [N, H, W, 3]
    if (channels !== 3) throw new Error("the input is no picture of RGB bytes: export it with --layout nhwc-uint8");
    this.#session = session;
    this.#unknown = manifest.unknown;
    this.labels = manifest.labels;
    this.height = height;
    this.width = width;
  }

  /** Bytes of one picture: RGB, rows from the top. */
  get pictureBytes() {
    return this.height * this.width * 3;
  }

  /**
   * Classifies N pictures.
   * @param {Uint8Array} pixels N x H x W x 3 bytes
   * @returns {Promise<{status: string, label: string, score: number, probabilities: number[]}[]>} N answers; the label is one only where the
   *   status is "ok"
   */
  async classify(pixels) {
    const count = pixels.length / this.pictureBytes;
    if (!Number.isInteger(count) || count === 0) throw new Error(`${pixels.length} bytes are no pictures: one has ${this.pictureBytes}`);
    const image = new ort.Tensor("uint8", pixels, [count, this.height, this.width, 3]);
    const { probabilities, unknown_score: scores } = await this.#session.run(
      { image },
      this.#scoreInGraph ? ["probabilities", "unknown_score"] : ["probabilities"],
    );
    const classes = this.labels.length;
    return Array.from({ length: count }, (_, n) => {
      const row = Array.from(probabilities.data.subarray(n * classes, (n + 1) * classes));
      const score = Math.max(...row);
      return { status: this.#status(row, scores?.data[n]), label: this.labels[row.indexOf(score)], score, probabilities: row };
    });
  }

  get #scoreInGraph() {
    return this.#unknown.score !== "max_probability";
  }

  /** The rule of the manifest, as the Python runner applies it. */
  #status(row, unknownScore) {
    const best = Math.max(...row);
    const sum = row.reduce((a, b) => a + b, 0);
    const sound = Math.abs(sum - 1) <= 1e-3 && best !== Math.min(...row) && (!this.#scoreInGraph || Number.isFinite(unknownScore));
    if (!sound) return "no_decision"; // a NaN among them makes the sum one too
    const known = this.#scoreInGraph ? unknownScore <= this.#unknown.threshold : best >= this.#unknown.threshold;
    return known ? "ok" : "unknown";
  }
}
