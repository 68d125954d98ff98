// A model file of EdgeCNN in C++, by onnxruntime and a JSON library alone. The file says all there is to know; normalisation is in the graph.

#pragma once

#define ORT_API_MANUAL_INIT  // so that headers newer than the library will do; see open_onnxruntime
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

struct Answer {
  std::string status;  // "ok", "unknown", "no_decision"
  std::string label;   // of the largest probability; an answer only where the status is "ok"
  float score;
  std::vector<float> probabilities;
};

// To be called once, before any classifier is made.
inline void open_onnxruntime() {
  constexpr uint32_t oldest = 16;  // what this file uses has been there since onnxruntime 1.16, and later ones have it too
  const OrtApi* api = OrtGetApiBase()->GetApi(oldest);
  if (api == nullptr) throw std::runtime_error(std::string("onnxruntime ") + OrtGetApiBase()->GetVersionString() + " is too old, 1.16 is needed");
  Ort::InitApi(api);
}

class Classifier {
 public:
  explicit Classifier(const char* path) : session_(env_, path, options()) {
    const auto shape = session_.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();  // [N, H, W, 3]
    if (shape.size() != 4 || shape[3] != 3) throw std::runtime_error("the input is no picture of RGB bytes: export it with --layout nhwc-uint8");
    height_ = shape[1];
    width_ = shape[2];
    Ort::AllocatorWithDefaultOptions allocator;
    const auto text = session_.GetModelMetadata().LookupCustomMetadataMapAllocated("edgecnn", allocator);
    if (!text) throw std::runtime_error("no model file of EdgeCNN: the metadata key 'edgecnn' is missing");
    const auto manifest = nlohmann::json::parse(text.get());
    labels_ = manifest.at("labels").get<std::vector<std::string>>();
    threshold_ = manifest.at("unknown").at("threshold");
    score_in_graph_ = manifest.at("unknown").at("score") != "max_probability";
  }

  // Bytes of one picture: RGB, rows from the top.
  size_t picture_bytes() const { return static_cast<size_t>(height_ * width_ * 3); }

  // The pixels of N pictures in, N answers out. May be called from several threads at once.
  std::vector<Answer> operator()(std::vector<uint8_t>& pixels) {
    if (pixels.empty() || pixels.size() % picture_bytes() != 0) {
      throw std::runtime_error(std::to_string(pixels.size()) + " bytes are no pictures: one has " + std::to_string(picture_bytes()));
    }
    const size_t count = pixels.size() / picture_bytes();
    const int64_t shape[] = {static_cast<int64_t>(count), height_, width_, 3};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const auto image = Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape, 4);  // no copy
    const char* inputs[] = {"image"};
    const char* outputs[] = {"probabilities", "unknown_score"};
    const auto results = session_.Run(Ort::RunOptions{nullptr}, inputs, &image, 1, outputs, score_in_graph_ ? 2 : 1);
    const float* row = results[0].GetTensorData<float>();
    std::vector<Answer> answers;
    for (size_t n = 0; n < count; ++n, row += labels_.size()) {
      answers.push_back(decide({row, row + labels_.size()}, score_in_graph_ ? results[1].GetTensorData<float>() + n : nullptr));
    }
    return answers;
  }

 private:
  // The rule of the manifest, as the Python runner applies it.
  Answer decide(std::vector<float> probabilities, const float* unknown_score) const {
    const auto best = std::max_element(probabilities.begin(), probabilities.end());
    const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);
    const bool flat = *best == *std::min_element(probabilities.begin(), probabilities.end());
    const bool sound = std::abs(sum - 1) <= 1e-3 && !flat && (unknown_score == nullptr || std::isfinite(*unknown_score));  // no NaN passes the first
    const bool known = unknown_score == nullptr ? *best >= threshold_ : *unknown_score <= threshold_;
    const float score = *best;
    return {!sound ? "no_decision" : known ? "ok" : "unknown", labels_[static_cast<size_t>(best - probabilities.begin())], score, std::move(probabilities)};
  }

  static Ort::SessionOptions options() {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);  // by itself onnxruntime takes every core of the device
    return options;
  }

  Ort::Env env_{ORT_LOGGING_LEVEL_WARNING, "edgecnn"};
  Ort::Session session_;
  int64_t height_ = 0;
  int64_t width_ = 0;
  std::vector<std::string> labels_;
  double threshold_ = 1.0;
  bool score_in_graph_ = false;
};
