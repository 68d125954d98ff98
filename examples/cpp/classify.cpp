// Classifies raw pixels with a model file of EdgeCNN, by onnxruntime alone: classify MODEL.onnx < pictures.rgb
//
// The file says all there is to know: the input's shape is the picture's size, the metadata has the labels, and normalisation is in the graph. Standard input holds
// any number of pictures, each H x W x 3 bytes, RGB, rows from the top. One line a picture comes out: the label, its probability, then all probabilities.

#define ORT_API_MANUAL_INIT  // so that headers newer than the library will do
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "labels.hpp"

namespace {

constexpr uint32_t kOldestApi = 16;  // onnxruntime 1.16; every later one has it too

class Classifier {
 public:
  explicit Classifier(const char* path) : session_(env_, path, options()) {
    const auto shape = session_.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();  // [N, H, W, 3]
    if (shape.size() != 4 || shape[1] < 1 || shape[2] < 1 || shape[3] != 3) throw std::runtime_error("the input is no picture of RGB bytes: export with --layout nhwc-uint8");
    height_ = shape[1];
    width_ = shape[2];
    Ort::AllocatorWithDefaultOptions allocator;
    const auto text = session_.GetModelMetadata().LookupCustomMetadataMapAllocated("labels", allocator);
    if (!text) throw std::runtime_error("the metadata key 'labels' is missing");
    labels_ = parse_labels(text.get());
  }

  const std::vector<std::string>& labels() const { return labels_; }
  size_t picture_bytes() const { return static_cast<size_t>(height_ * width_ * 3); }

  // Pixels of one or more pictures in, their probabilities out, [N, C]. May be called from several threads at once.
  std::vector<float> operator()(std::vector<uint8_t>& pixels) {
    const int64_t count = static_cast<int64_t>(pixels.size() / picture_bytes());
    const int64_t shape[] = {count, height_, width_, 3};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const auto image = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape, 4);  // no copy
    const char* inputs[] = {"image"};
    const char* outputs[] = {"probabilities"};
    const auto answers = session_.Run(Ort::RunOptions{nullptr}, inputs, &image, 1, outputs, 1);
    const float* probabilities = answers[0].GetTensorData<float>();
    return {probabilities, probabilities + count * static_cast<int64_t>(labels_.size())};
  }

 private:
  static Ort::SessionOptions options() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);  // by itself onnxruntime takes every core of the device
    return options;
  }

  Ort::Env env_{ORT_LOGGING_LEVEL_WARNING, "classify"};
  Ort::Session session_;
  int64_t height_ = 0;
  int64_t width_ = 0;
  std::vector<std::string> labels_;
};

int run(const char* model) {
  Classifier classifier(model);
  std::vector<uint8_t> pixels{std::istreambuf_iterator<char>(std::cin), {}};
  if (pixels.empty() || pixels.size() % classifier.picture_bytes() != 0) {
    throw std::runtime_error("standard input has " + std::to_string(pixels.size()) + " bytes, a picture has " + std::to_string(classifier.picture_bytes()));
  }
  const auto probabilities = classifier(pixels);
  const auto classes = static_cast<std::ptrdiff_t>(classifier.labels().size());
  for (auto row = probabilities.begin(); row != probabilities.end(); row += classes) {
    const auto best = std::max_element(row, row + classes);
    std::printf("%s", classifier.labels()[static_cast<size_t>(best - row)].c_str());
    std::printf("\t%.9g", static_cast<double>(*best));  // nine digits give the same float back
    for (auto p = row; p != row + classes; ++p) std::printf("\t%.9g", static_cast<double>(*p));
    std::printf("\n");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: classify MODEL.onnx < pictures.rgb\n");
    return 2;
  }
  const OrtApi* api = OrtGetApiBase()->GetApi(kOldestApi);
  if (api == nullptr) {
    std::fprintf(stderr, "classify: onnxruntime %s is too old, 1.16 is needed\n", OrtGetApiBase()->GetVersionString());
    return 2;
  }
  Ort::InitApi(api);
  try {
    return run(argv[1]);
  } catch (const std::exception& error) {  // onnxruntime's own errors are exceptions too
    std::fprintf(stderr, "classify: %s: %s\n", argv[1], error.what());
    return 2;
  }
}
