// Memory of the card and memory that is pinned: counted, and ended where a test says so.
#pragma once
#include <ATen/ATen.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace {
using c10::Device;
using c10::DeviceType;

const Device kCard(DeviceType::CUDA, 0), kHost(DeviceType::CPU);

std::mutex counting;
size_t held = 0, peak = 0, most = SIZE_MAX;
std::map<std::string, long> waits;            // what made the host wait, by its name
std::map<const char*, size_t> pinned;         // where pinned memory begins, and how long it is

void take(size_t bytes) {
  std::lock_guard<std::mutex> locked(counting);
  TORCH_CHECK_WITH(OutOfMemoryError, held + bytes <= most, "CUDA out of memory. Tried to allocate ", bytes, " bytes");
  held += bytes;
  peak = std::max(peak, held);
}

void give_back(size_t bytes) {
  std::lock_guard<std::mutex> locked(counting);
  held -= bytes;
}

struct Block {  // of the card: its own memory, or that of an answer which a kernel of the processor made
  void* own;
  at::Tensor answer;
  size_t bytes;
  Block(void* own, at::Tensor answer, size_t bytes) : own(own), answer(std::move(answer)), bytes(bytes) {}
  static void drop(void* block) {
    auto* one = static_cast<Block*>(block);
    give_back(one->bytes);
    std::free(one->own);
    delete one;
  }
};

void* made(size_t bytes) {
  void* found = nullptr;
  TORCH_CHECK(posix_memalign(&found, 64, bytes ? bytes : 1) == 0, "no memory");
  return found;
}

struct CardMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    take(bytes);
    void* own = made(bytes);
    return {own, new Block(own, at::Tensor(), bytes), &Block::drop, kCard};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
} card_memory;

bool recording();

struct PinnedMemory final : c10::Allocator {
  static void drop(void* at) {
    {
      std::lock_guard<std::mutex> locked(counting);
      pinned.erase(static_cast<const char*>(at));
    }
    std::free(at);
  }
  c10::DataPtr allocate(size_t bytes) override {  // which asks CUDA for events: refused in every thread meanwhile
    TORCH_CHECK(!recording(), "CUDA error: operation not permitted when stream is capturing (memory is pinned)");
    void* own = made(bytes);
    std::lock_guard<std::mutex> locked(counting);
    pinned[static_cast<const char*>(own)] = bytes;
    return {own, own, &drop, kHost};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
} pinned_memory;

bool is_pinned(const void* data) {
  std::lock_guard<std::mutex> locked(counting);
  auto at = pinned.upper_bound(static_cast<const char*>(data));
  if (at == pinned.begin()) return false;
  --at;
  return static_cast<const char*>(data) < at->first + std::max<size_t>(at->second, 1);
}
}  // namespace
