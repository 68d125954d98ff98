// Classifies raw pixels: classify MODEL.onnx < pictures.rgb; a line of JSON a picture.

#include <cstdio>
#include <iostream>
#include <iterator>

#include "classifier.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: classify MODEL.onnx < pictures.rgb\n");
    return 2;
  }
  try {
    open_onnxruntime();
    Classifier classifier(argv[1]);
    std::vector<uint8_t> pixels{std::istreambuf_iterator<char>(std::cin), {}};
    for (const Answer& a : classifier(pixels)) {
      std::cout << nlohmann::json{{"status", a.status}, {"label", a.label}, {"score", a.score}, {"probabilities", a.probabilities}} << std::endl;
    }
  } catch (const std::exception& error) {  // onnxruntime's own errors are exceptions too
    std::fprintf(stderr, "classify: %s: %s\n", argv[1], error.what());
    return 2;
  }
  return 0;
}
