/**
 * Classifies raw pixels: `node classify.js model.onnx < images.rgb`; a line of JSON an image.
 * With a recurrent model the images are the frames of one clip, in order.
 * Proves the model here: `node classify.js model.onnx --golden < golden.rgb`; exit status 3 where this device computes something else.
 */

import { readFileSync } from "node:fs";
import { Classifier } from "./classifier.js";

const [model, option, ...rest] = process.argv.slice(2);
if (!model || ![undefined, "--golden"].includes(option) || rest.length) {
  console.error("usage: node classify.js MODEL.onnx [--golden] < images.rgb");
  process.exit(2);
}
try {
  const classifier = await Classifier.open(model);
  const pixels = new Uint8Array(readFileSync(0));
  if (option) {
    const found = await classifier.replay(pixels);
    console.log(JSON.stringify(found));
    process.exitCode = found.passed ? 0 : 3;
  } else {
    const answers = classifier.stateSize ? await classifier.clip(pixels) : await classifier.classify(pixels);
    for (const { status, label, score, probabilities } of answers) {
      console.log(JSON.stringify({ status, label, score, probabilities }));
    }
  }
} catch (error) {
  console.error(`classify: ${model}: ${error.message}`);
  process.exitCode = 2;
}
