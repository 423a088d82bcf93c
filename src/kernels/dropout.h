// Which elements dropout keeps: a function of a key and of the element's place, so that a backward pass finds the same
// ones without a mask in memory, whatever the number of threads.
#pragma once

#include <cstdint>
#include <cstring>

#include "lanes.h"

namespace albert {

class Dropout {
 public:
  // `key` are two float32 of whose bits all is taken; `probability` is that of an element to become 0.
  Dropout(const float* key, float probability) : probability_(probability), scale_(1.0f / (1.0f - probability)) {
    std::memcpy(key_, key, sizeof(key_));
    // Of 2^32 equally likely numbers those below drop.
    below_ = static_cast<uint32_t>(static_cast<double>(probability) * 4294967296.0);
  }

  bool drops() const { return probability_ > 0.0f; }

  // Return 0 or 1 / (1 - probability) for the elements from `first` on, counted over the whole tensor.
  Lanes factors(int64_t first) const {
    const uint32_t low = static_cast<uint32_t>(first), high = static_cast<uint32_t>(first >> 32);
    BitLanes places{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    places += low;
    // The low half of the place may wrap in the middle of a group; the high half is that of its first element. No tensor of
    // this project is that large.
    const BitLanes bits = mixed(mixed(places ^ key_[0]) + (key_[1] ^ high));
    return bits < below_ ? Lanes{} : scale_ + Lanes{};
  }

 private:
  // A bijection of 32 bits in which each bit of the input changes each bit of the result with a probability near one half:
  // the constants "lowbias32" of Chris Wellons' search for such functions (2018).
  static BitLanes mixed(BitLanes x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
  }

  float probability_, scale_;
  uint32_t key_[2], below_;
};

}  // namespace albert
