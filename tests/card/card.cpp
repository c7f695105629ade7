// A CUDA device in software: tensors that say "cuda" lie in the processor's memory and are computed by its kernels.
//
// What it keeps to is what decides whether a program runs on a GPU: tensors of two devices do not mix, what the host
// reads makes it wait (which is counted), memory is pinned or not, memory ends, and a recorded graph does its
// operations again on the same addresses without the program around them. It says nothing of speed, of kernels' bits,
// or of what two streams do at once.
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <set>

#include "memory.h"

namespace {
using c10::Stream;
using torch::jit::Stack;

// ---- the device, as torch asks for it --------------------------------------------------------------------------

struct Guard final : c10::impl::DeviceGuardImplInterface {
  static Stream only() { return Stream(Stream::DEFAULT, kCard); }
  DeviceType type() const override { return DeviceType::CUDA; }
  Device exchangeDevice(Device) const override { return kCard; }
  Device getDevice() const override { return kCard; }
  void setDevice(Device) const override {}
  void uncheckedSetDevice(Device) const noexcept override {}
  Stream getStream(Device) const override { return only(); }
  Stream getDefaultStream(Device) const override { return only(); }
  Stream getStreamFromGlobalPool(Device, bool) const override { return only(); }
  Stream getNewStream(Device, int) const override { return only(); }
  Stream exchangeStream(Stream) const override { return only(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const Stream&, const c10::DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
  void synchronizeEvent(void*) const override {}
  void synchronizeDevice(const c10::DeviceIndex) const override {}
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard);

struct Hooks final : at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex current_device() const override { return 0; }
  int getNumGPUs() const override { return 1; }
  bool isPinnedPtr(const void* data) const override { return is_pinned(data); }
  at::Allocator* getPinnedMemoryAllocator() const override { return &pinned_memory; }
  at::Allocator* getCUDADeviceAllocator() const override { return &card_memory; }
  Device getDeviceFromPtr(void*) const override { return kCard; }
  void deviceSynchronize(c10::DeviceIndex) const override {}
};
using HooksRegisterer = at::RegistererCUDAHooksRegistry;
HooksRegisterer hooks("CUDAHooks", at::CUDAHooksRegistry(), HooksRegisterer::DefaultCreator<Hooks>, "in software");

// ---- a tensor of the card beside one of the processor: the same memory ----------------------------------------

bool on_card(const at::Tensor& one) { return one.defined() && one.device().type() == DeviceType::CUDA; }
const void* memory_of(const at::Tensor& one) { return one.storage().data(); }

at::Tensor in(c10::Storage storage, const at::Tensor& shaped, c10::DispatchKey key) {
  auto out = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), shaped.dtype());
  out.unsafeGetTensorImpl()->set_sizes_and_strides(shaped.sizes(), shaped.strides(), shaped.storage_offset());
  return out;
}

c10::Storage stored(c10::DataPtr memory, size_t bytes, c10::Allocator* by) {
  return c10::Storage(c10::Storage::use_byte_size_t(), bytes, std::move(memory), by, true);
}

at::Tensor lowered(const at::Tensor& one) {
  c10::DataPtr memory(const_cast<void*>(memory_of(one)), kHost);
  auto storage = stored(std::move(memory), one.storage().nbytes(), c10::GetAllocator(DeviceType::CPU));
  return in(std::move(storage), one, c10::DispatchKey::CPU);
}

c10::DataPtr kept(const at::Tensor& answer) {  // what a kernel of the processor made, as memory of the card
  take(answer.storage().nbytes());
  auto* block = new Block(nullptr, answer, answer.storage().nbytes());
  return {const_cast<void*>(memory_of(answer)), block, &Block::drop, kCard};
}

// ---- an operation: on the processor, in the card's memory ------------------------------------------------------

struct Node {
  c10::OperatorHandle op;
  Stack arguments, answers;
};
using Graph = std::vector<Node>;
Graph* open_graph = nullptr;

bool recording() { return open_graph != nullptr; }

void waited(const std::string& what) {
  std::lock_guard<std::mutex> locked(counting);
  TORCH_CHECK(!recording(), "CUDA error: operation not permitted when stream is capturing (", what, ")");
  waits[what]++;
}

void note(const c10::OperatorHandle& op, const Stack& arguments, const Stack& answers) {
  std::lock_guard<std::mutex> locked(counting);
  if (recording()) open_graph->push_back({op, arguments, answers});
}

// which CUDA takes indices of the host for, or brings to the device itself
const std::set<std::string> MIXING = {"aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::set_"};
// whose answer has a size that the host must hear of, or is read by it
const std::set<std::string> READ = {
    "aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_dim", "aten::equal", "aten::is_nonzero"};

struct Call {
  struct Pair { at::Tensor card, host; };
  std::vector<Pair> pairs;
  bool cuda = false, strange = false;

  at::Tensor down(const at::Tensor& one) {
    if (!on_card(one)) {
      strange |= one.defined() && one.dim() > 0;
      return one;
    }
    cuda = true;
    pairs.push_back({one, lowered(one)});
    return pairs.back().host;
  }

  c10::IValue down(const c10::IValue& value) {
    if (value.isTensor()) return down(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> found;
      for (const at::Tensor& one : value.toTensorVector()) found.push_back(down(one));
      return found;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> found;
      for (const c10::IValue& one : value.toListRef())
        found.push_back(one.isTensor() ? std::optional<at::Tensor>(down(one.toTensor())) : std::nullopt);
      return found;
    }
    if (value.isDevice() && value.toDevice().type() == DeviceType::CUDA) {
      cuda = true;
      return kHost;
    }
    return value;
  }

  at::Tensor up(const at::Tensor& answer) {
    if (!answer.defined() || !cuda) return answer;
    for (const Pair& pair : pairs)
      if (pair.host.is_same(answer)) return pair.card;
    for (const Pair& pair : pairs)
      if (memory_of(answer) && memory_of(answer) == memory_of(pair.card))
        return in(pair.card.storage(), answer, c10::DispatchKey::CUDA);
    auto storage = stored(kept(answer), answer.storage().nbytes(), &card_memory);
    return in(std::move(storage), answer, c10::DispatchKey::CUDA);
  }

  c10::IValue up(const c10::IValue& value) {
    if (value.isTensor()) return up(value.toTensor());
    if (!value.isTensorList()) return value;
    c10::List<at::Tensor> found;
    for (const at::Tensor& one : value.toTensorVector()) found.push_back(up(one));
    return found;
  }

  void resized() {  // what an operation gave more room to
    for (Pair& pair : pairs) {
      if (memory_of(pair.host) != memory_of(pair.card)) {
        auto* own = pair.card.storage().unsafeGetStorageImpl();
        own->set_data_ptr_noswap(kept(pair.host));
        own->set_nbytes(pair.host.storage().nbytes());
      }
      if (pair.host.sizes() != pair.card.sizes())
        pair.card.unsafeGetTensorImpl()->set_sizes_and_strides(
            pair.host.sizes(), pair.host.strides(), pair.host.storage_offset());
    }
  }
};

Stack computed(const c10::OperatorHandle& op, const Stack& arguments) {
  c10::InferenceMode none(false);  // or what is made here for a moment could be viewed by nobody
  Call call;
  Stack stack, answers;
  for (const c10::IValue& one : arguments) stack.push_back(call.down(one));
  const std::string& name = op.operator_name().name;
  TORCH_CHECK(!call.cuda || !call.strange || MIXING.count(name),
              "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu! (", name, ")");
  if (call.cuda && READ.count(name)) waited(name);
  {
    at::AutoDispatchBelowADInplaceOrView below;
    op.callBoxed(&stack);
  }
  call.resized();
  for (const c10::IValue& one : stack) answers.push_back(call.up(one));
  return answers;
}

void by_the_processor(const c10::OperatorHandle& op, Stack* stack) {
  const auto count = static_cast<std::ptrdiff_t>(op.schema().arguments().size());
  Stack arguments(stack->end() - count, stack->end());
  Stack answers = computed(op, arguments);
  note(op, arguments, answers);
  stack->erase(stack->end() - count, stack->end());
  stack->insert(stack->end(), answers.begin(), answers.end());
}
TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_processor>());
}

// ---- what torch has no kernel of the processor for, or what is looked at ---------------------------------------

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::CUDA);

at::Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  auto sizes = C10_AS_INTARRAYREF_SLOW(size);
  return at::detail::empty_generic(sizes, &card_memory, kKeys, c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<Device>, std::optional<bool>) {
  auto sizes = C10_AS_INTARRAYREF_SLOW(size), strides = C10_AS_INTARRAYREF_SLOW(stride);
  return at::detail::empty_strided_generic(sizes, strides, &card_memory, kKeys, c10::dtype_or_default(dtype));
}

const at::Tensor& resize_(const at::Tensor& self, c10::SymIntArrayRef size, std::optional<at::MemoryFormat>) {
  auto sizes = C10_AS_INTARRAYREF_SLOW(size);
  if (self.sizes() == sizes) return self;
  at::Tensor fresh = at::detail::empty_generic(sizes, &card_memory, kKeys, self.scalar_type(), std::nullopt);
  self.unsafeGetTensorImpl()->set_storage_keep_dtype(fresh.storage());
  self.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return self;
}

at::Tensor& copied(at::Tensor& to, const at::Tensor& from) {
  at::AutoDispatchBelowADInplaceOrView below;
  at::Tensor low = on_card(to) ? lowered(to) : to;
  low.copy_(on_card(from) ? lowered(from) : from);
  return to;
}

at::Tensor& copy_(at::Tensor& self, const at::Tensor& source, bool non_blocking) {
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("aten::copy_", "");
  const at::Tensor& host = on_card(self) ? source : self;
  if (!on_card(host)) {  // as torch has it: without non_blocking it waits for the copy
    if (!non_blocking) waited(on_card(self) ? "copy from the host" : "copy to the host");
    else if (!is_pinned(memory_of(host))) waited("copy of memory that is not pinned");
  }
  note(op, Stack{self, source, non_blocking}, Stack{self});
  return copied(self, source);
}

at::Scalar read(const at::Tensor& self) {
  waited("read by the host");
  at::AutoDispatchBelowADInplaceOrView below;
  return at::_local_scalar_dense(lowered(self));
}

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("resize_", resize_);
  library.impl("copy_", copy_);
  library.impl("_local_scalar_dense", read);
}

void redo(const Node& node) {
  if (node.op.operator_name().name == "aten::copy_") {
    at::Tensor to = node.arguments[0].toTensor();
    copied(to, node.arguments[1].toTensor());
    return;
  }
  Stack answers = computed(node.op, node.arguments);
  for (size_t at = 0; at < answers.size(); ++at) {
    if (!answers[at].isTensor() && !answers[at].isTensorList()) continue;
    auto list = [](const c10::IValue& one) {
      return one.isTensor() ? std::vector<at::Tensor>{one.toTensor()} : one.toTensorVector();
    };
    auto known = list(node.answers[at]), found = list(answers[at]);
    for (size_t each = 0; each < known.size(); ++each)  // at the address that it had
      if (known[each].defined() && memory_of(known[each]) != memory_of(found[each])) copied(known[each], found[each]);
  }
}
}  // namespace

extern "C" {
void card_record() { open_graph = new Graph(); }
void* card_recorded() { return std::exchange(open_graph, nullptr); }
int card_is_recording() { return recording(); }
void card_forget(void* graph) { delete static_cast<Graph*>(graph); }
long card_length(void* graph) { return static_cast<long>(static_cast<Graph*>(graph)->size()); }

// what went wrong, or nothing
const char* card_replay(void* graph) {
  static std::string error;
  try {
    at::AutoDispatchBelowADInplaceOrView below;
    for (const Node& node : *static_cast<Graph*>(graph)) redo(node);
    return nullptr;
  } catch (const std::exception& found) {
    error = found.what();
    return error.c_str();
  }
}

size_t card_held() { return held; }
size_t card_peak() { return peak; }
void card_peak_anew() { peak = held; }
void card_limit(size_t bytes) { most = bytes; }

// a line for each thing that made the host wait since it was asked last: how often, and what
const char* card_waits() {
  static std::string found;
  std::lock_guard<std::mutex> locked(counting);
  found.clear();
  for (const auto& [what, times] : waits) found += std::to_string(times) + " " + what + "\n";
  waits.clear();
  return found.c_str();
}
}
