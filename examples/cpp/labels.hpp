// The model file's labels, a JSON list of strings. A program that has a JSON library already uses that.

#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace labels_detail {

inline void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// The four digits after \u, `at` on the first of them; leaves `at` on the last.
inline uint32_t hex4(const std::string& text, size_t& at) {
  const uint32_t code = static_cast<uint32_t>(std::stoul(text.substr(at, 4), nullptr, 16));
  at += 3;
  return code;
}

// What follows a backslash, `at` on the character behind it; leaves `at` on the last character that belongs to it.
inline void append_escaped(std::string& out, const std::string& text, size_t& at) {
  static const std::string names = "bfnrt", meant = "\b\f\n\r\t";
  if (text.at(at) != 'u') {
    const size_t which = names.find(text[at]);
    out += which == std::string::npos ? text[at] : meant[which];
    return;
  }
  uint32_t code = hex4(text, ++at);
  if (code >= 0xD800 && code < 0xDC00 && text.compare(at + 1, 2, "\\u") == 0) {  // beyond 16 bits JSON writes two
    at += 3;
    code = 0x10000 + ((code - 0xD800) << 10) + (hex4(text, at) - 0xDC00);
  }
  append_utf8(out, code);
}

}  // namespace labels_detail

inline std::vector<std::string> parse_labels(const std::string& json) {
  std::vector<std::string> labels;
  bool inside = false;
  for (size_t at = 0; at < json.size(); ++at) {
    if (json[at] == '"') {
      if (!inside) labels.emplace_back();
      inside = !inside;
    } else if (inside && json[at] == '\\') {
      labels_detail::append_escaped(labels.back(), json, ++at);
    } else if (inside) {
      labels.back() += json[at];
    }
  }
  if (inside || labels.empty()) throw std::runtime_error("the labels are no JSON list of strings");
  return labels;
}
