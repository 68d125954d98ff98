// Classifies raw pixels: classify MODEL.onnx < images.rgb; a line of JSON an image.
// With a recurrent model the images are the frames of one clip, in order.
// Proves the model here: classify MODEL.onnx --golden < golden.rgb; exit status 3 where this device computes something else.

#include <cstdio>
#include <iostream>
#include <iterator>

#include "classifier.hpp"

template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

int main(int argc, char** argv) {
  const bool golden = argc == 3 && std::string(argv[2]) == "--golden";
  if (argc != 2 && !golden) {
    std::fprintf(stderr, "usage: classify MODEL.onnx [--golden] < images.rgb\n");
    return 2;
  }
  try {
    open_onnxruntime();
    Classifier classifier(argv[1]);
    std::vector<uint8_t> pixels{std::istreambuf_iterator<char>(std::cin), {}};
    if (golden) {
      const Replay r = classifier.replay(pixels);
      std::cout << nlohmann::json{{"passed", r.passed}, {"samples", r.samples}, {"max_abs_diff", r.max_abs_diff}, {"tolerance", r.tolerance}} << std::endl;
      return r.passed ? 0 : 3;
    }
    std::vector<float> state(classifier.state_size());  // zeros: a clip begins
    for (const Answer& a : state.empty() ? classifier(pixels) : classifier.clip(pixels, state)) {
      std::cout << nlohmann::json{{"status", a.status}, {"label", or_null(a.label)}, {"score", or_null(a.score)}, {"probabilities", a.probabilities}}
                << std::endl;
    }
  } catch (const std::exception& error) {  // onnxruntime's own errors are exceptions too
    std::fprintf(stderr, "classify: %s: %s\n", argv[1], error.what());
    return 2;
  }
  return 0;
}
