/** Classifies raw pixels: `node classify.js model.onnx < pictures.rgb`; a line of JSON a picture. */

import { readFileSync } from "node:fs";
import { Classifier } from "./classifier.js";

const [model] = process.argv.slice(2);
if (!model) {
  console.error("usage: node classify.js MODEL.onnx < pictures.rgb");
  process.exit(2);
}
try {
  const classifier = await Classifier.open(model);
  for (const answer of await classifier.classify(new Uint8Array(readFileSync(0)))) console.log(JSON.stringify(answer));
} catch (error) {
  console.error(`classify: ${model}: ${error.message}`);
  process.exitCode = 2;
}
