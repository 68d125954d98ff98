// A model file of EdgeCNN in C++, by onnxruntime and a JSON library alone. The file says all there is to know; normalisation is in the graph.

#pragma once

#define ORT_API_MANUAL_INIT  // so that headers newer than the library will do; see open_onnxruntime
#include <onnxruntime_cxx_api.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

struct Answer {
  std::string status;                // "ok", "unknown", "no_decision"
  std::optional<std::string> label;  // nothing unless the status is "ok", so that whoever forgets to ask gets no wrong class
  std::optional<float> score;        // the same
  std::vector<float> probabilities;  // in the order of Classifier::labels
  std::optional<float> unknown_score;  // where the model has one
};

// What a replay of the golden samples found.
struct Replay {
  size_t samples;
  float max_abs_diff;
  float tolerance;
  bool passed;
};

// To be called once, before any classifier is made.
inline void open_onnxruntime() {
  setenv("ORT_DISABLE_TELEMETRY", "1", 0);  // by itself onnxruntime keeps a number for this device and reports to Microsoft; heeded now or never
  constexpr uint32_t oldest = 16;  // what this file uses has been there since onnxruntime 1.16, and later ones have it too
  const OrtApi* api = OrtGetApiBase()->GetApi(oldest);
  if (api == nullptr) throw std::runtime_error(std::string("onnxruntime ") + OrtGetApiBase()->GetVersionString() + " is too old, 1.16 is needed");
  Ort::InitApi(api);
}

class Classifier {
 public:
  explicit Classifier(const char* path) : session_(env_, path, options(int8_saturates())) {
    // Its weights were chosen so that nothing saturates: without the slower kernels it is 1.4 times as fast
    if (int8_saturates() && metadata("edgecnn.exact") == "1") session_ = Ort::Session(env_, path, options(false));
    const auto shape = session_.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();  // [N, H, W, 3]
    if (shape.size() == 5) throw std::runtime_error("is the clip file of a recurrent model: give the step file, the one without .clip in its name");
    if (shape.size() != 4 || shape[3] != 3) throw std::runtime_error("the input is no image of RGB bytes: export it with --layout nhwc-uint8");
    height_ = shape[1];
    width_ = shape[2];
    const auto text = metadata("edgecnn");
    if (!text) throw std::runtime_error("no model file of EdgeCNN: the metadata key 'edgecnn' is missing");
    const auto manifest = nlohmann::json::parse(*text);
    labels_ = manifest.at("labels").get<std::vector<std::string>>();
    if (manifest.contains("temporal")) state_size_ = manifest["temporal"].at("state_size");
    threshold_ = manifest.at("unknown").at("threshold");
    score_in_graph_ = manifest.at("unknown").at("score") != "max_probability";
  }

  // Bytes of one image: RGB, rows from the top.
  size_t image_bytes() const { return static_cast<size_t>(height_ * width_ * 3); }

  const std::vector<std::string>& labels() const { return labels_; }

  // Floats of the state of one source. 0: the model classifies single images. Else each image is the next frame of its source.
  size_t state_size() const { return state_size_; }

  // The pixels of N images in, N answers out. May be called from several threads at once. To a recurrent model each image is a clip of one frame.
  std::vector<Answer> operator()(std::vector<uint8_t>& pixels) {
    std::vector<float> state(pixels.size() / image_bytes() * state_size_);
    return (*this)(pixels, state);
  }

  // One step of N sources: the pixels of the next frame of each in, N answers out. The state is N x state_size() floats, which the caller keeps for
  // the next step; zeros begin a clip.
  std::vector<Answer> operator()(std::vector<uint8_t>& pixels, std::vector<float>& state) {
    if (pixels.empty() || pixels.size() % image_bytes() != 0) {
      throw std::runtime_error(std::to_string(pixels.size()) + " bytes are no images: one has " + std::to_string(image_bytes()));
    }
    const size_t count = pixels.size() / image_bytes();
    if (state.size() != count * state_size_) throw std::runtime_error("the state has not " + std::to_string(state_size_) + " floats for each image");
    const int64_t shape[] = {static_cast<int64_t>(count), height_, width_, 3};
    const int64_t state_shape[] = {static_cast<int64_t>(count), static_cast<int64_t>(state_size_)};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    std::vector<Ort::Value> given;
    given.push_back(Ort::Value::CreateTensor<uint8_t>(memory, pixels.data(), pixels.size(), shape, 4));  // no copy
    std::vector<const char*> inputs{"image"}, outputs{"probabilities"};
    if (score_in_graph_) outputs.push_back("unknown_score");
    if (state_size_ > 0) {
      given.push_back(Ort::Value::CreateTensor<float>(memory, state.data(), state.size(), state_shape, 2));
      inputs.push_back("state");
      outputs.push_back("state_out");
    }
    const auto results = session_.Run(Ort::RunOptions{nullptr}, inputs.data(), given.data(), given.size(), outputs.data(), outputs.size());
    if (results[0].GetTensorTypeAndShapeInfo().GetElementCount() != count * labels_.size()) {
      throw std::runtime_error("the graph does not give a probability a label: export the model again");
    }
    if (state_size_ > 0) std::copy_n(results.back().GetTensorData<float>(), state.size(), state.data());
    const float* row = results[0].GetTensorData<float>();
    std::vector<Answer> answers;
    for (size_t n = 0; n < count; ++n, row += labels_.size()) {
      answers.push_back(decide({row, row + labels_.size()}, score_in_graph_ ? std::optional(results[1].GetTensorData<float>()[n]) : std::nullopt));
    }
    return answers;
  }

  // Whether this device computes what was computed where the model was made. Takes the pixels of all golden samples, in their order.
  Replay replay(std::vector<uint8_t>& pixels) {
    const auto text = metadata("edgecnn.golden");
    if (!text) throw std::runtime_error("has no golden samples: export it with --golden synthetic");
    const auto golden = nlohmann::json::parse(*text);
    const auto& samples = golden.at("samples");
    if (pixels.size() != samples.size() * image_bytes()) {
      throw std::runtime_error(std::to_string(pixels.size()) + " bytes are not its " + std::to_string(samples.size()) + " golden samples");
    }
    Replay found{samples.size(), 0, golden.at("tolerance"), true};
    const auto compare = [&found](float here, float expected, float unit) {
      const float difference = std::abs(here - expected) / unit;
      found.max_abs_diff = std::max(found.max_abs_diff, difference);
      found.passed = found.passed && difference <= found.tolerance;  // a NaN never is
    };
    const auto answers = state_size_ == 0 ? (*this)(pixels) : in_order(pixels, samples);
    for (size_t n = 0; n < answers.size(); ++n) {
      const auto expected = samples[n].at("probabilities").get<std::vector<float>>();
      for (size_t c = 0; c < labels_.size(); ++c) compare(answers[n].probabilities[c], expected.at(c), 1);
      if (answers[n].unknown_score) {
        const float score = samples[n].at("unknown_score");
        compare(*answers[n].unknown_score, score, std::max(std::abs(score), 1.0F));  // a score has no fixed range
      }
    }
    return found;
  }

  // The answers at each frame of one clip; `state` is the state of its source before and after.
  std::vector<Answer> clip(const std::vector<uint8_t>& pixels, std::vector<float>& state) {
    std::vector<Answer> answers;
    for (size_t at = 0; at < pixels.size(); at += image_bytes()) {
      std::vector<uint8_t> frame(pixels.begin() + at, pixels.begin() + std::min(at + image_bytes(), pixels.size()));
      answers.push_back((*this)(frame, state).front());
    }
    return answers;
  }

 private:
  // Golden samples of one sequence are the frames of a clip.
  std::vector<Answer> in_order(const std::vector<uint8_t>& pixels, const nlohmann::json& samples) {
    std::vector<Answer> answers;
    std::vector<float> state(state_size_);
    for (size_t n = 0; n < samples.size(); ++n) {
      if (n > 0 && samples[n].at("sequence") != samples[n - 1].at("sequence")) std::fill(state.begin(), state.end(), 0.0F);
      const auto begin = pixels.begin() + n * image_bytes();
      answers.push_back(clip({begin, begin + image_bytes()}, state).front());
    }
    return answers;
  }

  // The rule of the manifest, as the Python runner applies it.
  Answer decide(std::vector<float> probabilities, std::optional<float> unknown_score) const {
    const auto [least, best] = std::minmax_element(probabilities.begin(), probabilities.end());
    const double sum = std::accumulate(probabilities.begin(), probabilities.end(), 0.0);  // of a NaN, a NaN
    const bool sound = std::abs(sum - 1) <= 1e-3 && *least >= 0 && *least != *best && (!unknown_score || std::isfinite(*unknown_score));
    if (!sound) return {"no_decision", std::nullopt, std::nullopt, std::move(probabilities), unknown_score};
    const float score = *best;
    if (unknown_score ? *unknown_score > threshold_ : score < threshold_) {
      return {"unknown", std::nullopt, std::nullopt, std::move(probabilities), unknown_score};
    }
    const auto& label = labels_[static_cast<size_t>(std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin())];
    return {"ok", label, score, std::move(probabilities), unknown_score};
  }

  std::optional<std::string> metadata(const char* key) const {
    Ort::AllocatorWithDefaultOptions allocator;
    const auto found = session_.GetModelMetadata().LookupCustomMetadataMapAllocated(key, allocator);
    return found ? std::optional<std::string>(found.get()) : std::nullopt;
  }

  static Ort::SessionOptions options(bool slower_kernels) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);  // by itself onnxruntime takes every core of the device
    if (slower_kernels) options.AddConfigEntry("session.x64quantprecision", "1");
    return options;
  }

  // On x86 without VNNI onnxruntime adds pairs of int8 products in 16 bits, which saturates in silence; the entry makes it exact. With VNNI nothing
  // saturates, and the entry would only cost time.
  static bool int8_saturates() {
#if defined(__x86_64__) || defined(__i386__)
    unsigned a = 0, b = 0, c = 0, d = 0;
    const bool avx512_vnni = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c >> 11 & 1);
    const bool avx_vnni = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
    return !avx512_vnni && !avx_vnni;
#else
    return false;
#endif
  }

  Ort::Env env_{ORT_LOGGING_LEVEL_WARNING, "edgecnn"};
  Ort::Session session_;
  int64_t height_ = 0;
  int64_t width_ = 0;
  std::vector<std::string> labels_;
  size_t state_size_ = 0;
  double threshold_ = 1.0;
  bool score_in_graph_ = false;
};
