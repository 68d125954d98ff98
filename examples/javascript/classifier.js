/** A model file of EdgeCNN in JavaScript. The file says all there is to know; normalisation is in the graph. */

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import ort from "onnxruntime-node";
import protobuf from "protobufjs";

process.env.ORT_DISABLE_TELEMETRY ??= "1"; // by itself onnxruntime keeps a number for this device and reports to Microsoft; read at the first session

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
  #golden;

  /** Opens a model file. */
  static async open(path) {
    const file = await readFile(path);
    const metadata = new Map(Model.decode(file).metadata_props.map(({ key, value }) => [key, value]));
    const slowerKernels = int8Saturates() && metadata.get("edgecnn.exact") !== "1"; // "1": its weights were chosen so that nothing saturates
    const session = await ort.InferenceSession.create(file, {
      intraOpNumThreads: 1, // by itself onnxruntime takes every core
      ...(slowerKernels ? { extra: { session: { x64quantprecision: "1" } } } : {}),
    });
    if (!metadata.has("edgecnn")) throw new Error("no model file of EdgeCNN: the metadata key 'edgecnn' is missing");
    return new Classifier(session, JSON.parse(metadata.get("edgecnn")), JSON.parse(metadata.get("edgecnn.golden") ?? "null"));
  }

  constructor(session, manifest, golden) {
    if (session.inputMetadata[0].shape.length === 5) {
      throw new Error("is the clip file of a recurrent model: give the step file, the one without .clip in its name");
    }
    const [, height, width, channels] = session.inputMetadata[0].shape; // [N, H, W, 3]
    if (channels !== 3) throw new Error("the input is no image of RGB bytes: export it with --layout nhwc-uint8");
    this.#session = session;
    this.#unknown = manifest.unknown;
    this.#golden = golden;
    this.labels = manifest.labels;
    this.height = height;
    this.width = width;
    /** Floats of the state of one source. 0: the model classifies single images. Else each image is the next frame of its source. */
    this.stateSize = manifest.temporal?.state_size ?? 0;
  }

  /** Bytes of one image: RGB, rows from the top. */
  get imageBytes() {
    return this.height * this.width * 3;
  }

  /**
   * Classifies N images, or takes one step of N sources.
   * @param {Uint8Array} pixels N x H x W x 3 bytes
   * @param {?Float32Array} state of a recurrent model: N x stateSize floats, which the caller keeps: they hold the state after this step when it is
   *   done. Zeros begin a clip; without a state each image is a clip of one frame
   * @returns {Promise<{status: string, label: ?string, score: ?number, probabilities: number[], unknownScore: ?number}[]>} N answers; label and
   *   score are null unless the status is "ok", so that whoever forgets to ask gets no wrong class
   */
  async classify(pixels, state = null) {
    const count = pixels.length / this.imageBytes;
    if (!Number.isInteger(count) || count === 0) throw new Error(`${pixels.length} bytes are no images: one has ${this.imageBytes}`);
    state ??= new Float32Array(count * this.stateSize);
    if (state.length !== count * this.stateSize) throw new Error(`the state has ${state.length} floats, not ${this.stateSize} for each image`);
    const feeds = { image: new ort.Tensor("uint8", pixels, [count, this.height, this.width, 3]) };
    const outputs = this.#scoreInGraph ? ["probabilities", "unknown_score"] : ["probabilities"];
    if (this.stateSize) {
      feeds.state = new ort.Tensor("float32", state, [count, this.stateSize]);
      outputs.push("state_out");
    }
    const { probabilities, unknown_score: scores, state_out: next } = await this.#session.run(feeds, outputs);
    if (next) state.set(next.data);
    const classes = this.labels.length;
    if (probabilities.data.length !== count * classes) throw new Error("the graph does not give a probability a label: export the model again");
    return Array.from({ length: count }, (_, n) => {
      const row = Array.from(probabilities.data.subarray(n * classes, (n + 1) * classes));
      const unknownScore = scores?.data[n] ?? null;
      const status = this.#status(row, unknownScore);
      const best = Math.max(...row);
      const [label, score] = status === "ok" ? [this.labels[row.indexOf(best)], best] : [null, null];
      return { status, label, score, probabilities: row, unknownScore };
    });
  }

  /**
   * Classifies the frames of one clip in order.
   * @param {Uint8Array} pixels N x H x W x 3 bytes
   * @param {Float32Array} state of the source, before and after; zeros begin a clip
   */
  async clip(pixels, state = new Float32Array(this.stateSize)) {
    const answers = [];
    for (let at = 0; at < pixels.length; at += this.imageBytes) {
      answers.push(...(await this.classify(pixels.subarray(at, at + this.imageBytes), state)));
    }
    return answers;
  }

  /**
   * Whether this device computes what was computed where the model was made.
   * @param {Uint8Array} pixels of all golden samples, in their order
   */
  async replay(pixels) {
    if (!this.#golden) throw new Error("has no golden samples: export it with --golden synthetic");
    const { samples, tolerance } = this.#golden;
    if (pixels.length !== samples.length * this.imageBytes) throw new Error(`${pixels.length} bytes are not its ${samples.length} golden samples`);
    const answers = this.stateSize ? await this.#inOrder(pixels, samples) : await this.classify(pixels);
    const differences = answers.flatMap(({ probabilities, unknownScore }, n) => {
      const { probabilities: expected, unknown_score: score } = samples[n];
      const ofScore = unknownScore === null ? [] : [Math.abs(unknownScore - score) / Math.max(Math.abs(score), 1)]; // a score has no fixed range
      return [...probabilities.map((p, c) => Math.abs(p - expected[c])), ...ofScore];
    });
    const maxAbsDiff = Math.max(...differences); // of a NaN, a NaN, which is never within the tolerance
    return { passed: maxAbsDiff <= tolerance, samples: samples.length, max_abs_diff: maxAbsDiff, tolerance };
  }

  /** Golden samples of one sequence are the frames of a clip. */
  async #inOrder(pixels, samples) {
    const [answers, state] = [[], new Float32Array(this.stateSize)];
    for (const [n, { sequence }] of samples.entries()) {
      if (n && sequence !== samples[n - 1].sequence) state.fill(0);
      answers.push(...(await this.clip(pixels.subarray(n * this.imageBytes, (n + 1) * this.imageBytes), state)));
    }
    return answers;
  }

  get #scoreInGraph() {
    return this.#unknown.score !== "max_probability";
  }

  /** The rule of the manifest, as the Python runner applies it. */
  #status(row, unknownScore) {
    const [least, best] = [Math.min(...row), Math.max(...row)];
    const sum = row.reduce((a, b) => a + b, 0); // of a NaN, a NaN
    const sound = Math.abs(sum - 1) <= 1e-3 && least >= 0 && least !== best && (!this.#scoreInGraph || Number.isFinite(unknownScore));
    if (!sound) return "no_decision";
    const known = this.#scoreInGraph ? unknownScore <= this.#unknown.threshold : best >= this.#unknown.threshold;
    return known ? "ok" : "unknown";
  }
}

/**
 * Whether int8 left to itself is wrong here: on x86 without VNNI onnxruntime adds pairs of int8 products in 16 bits, which saturates in silence. Where
 * the system does not tell, the exact way is taken.
 */
function int8Saturates() {
  if (!["x64", "ia32"].includes(process.arch)) return false;
  try {
    return !/\b(avx512_vnni|avx_vnni)\b/.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return true;
  }
}
