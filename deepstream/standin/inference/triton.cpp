#include <algorithm>
#include <climits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/grpcpp.h>

#include "grpc_service.grpc.pb.h"
#include "inference/backend.h"

namespace standin {

namespace {

using ::inference::DataType;
using ::inference::GRPCInferenceService;
using ::inference::ModelConfig;
using ::inference::ModelConfigResponse;
using ::inference::ModelInferRequest;
using ::inference::ModelInferResponse;
using ::inference::ModelInput;

constexpr int kWildcard = -1;
constexpr int kImageDims = 4; // with the batch

/** Triton's `format` of an input, which the daemon's part of the protocol leaves out. */
inference::TensorOrder order_of(const ModelInput &input) {
  constexpr int kFormatField = 3;
  const auto &fields = input.GetReflection()->GetUnknownFields(input);
  for (int i = 0; i < fields.field_count(); ++i) {
    const auto &field = fields.field(i);
    if (field.number() != kFormatField || field.type() != google::protobuf::UnknownField::TYPE_VARINT) continue;
    if (field.varint() == 1) return inference::TENSOR_ORDER_NHWC;
    if (field.varint() == 2) return inference::TENSOR_ORDER_LINEAR;
  }
  return inference::TENSOR_ORDER_NONE;
}

std::optional<TensorType> input_type(DataType type) {
  if (type == DataType::TYPE_FP32) return TensorType::fp32;
  if (type == DataType::TYPE_FP16) return TensorType::fp16;
  if (type == DataType::TYPE_UINT8) return TensorType::uint8;
  return std::nullopt;
}

const char *type_name(TensorType type) {
  return type == TensorType::fp32 ? "FP32" : type == TensorType::fp16 ? "FP16" : "UINT8";
}

std::optional<NvDsInferDataType> output_type(const std::string &name) {
  if (name == "FP32") return FLOAT;
  if (name == "FP16") return HALF;
  if (name == "INT8") return INT8;
  if (name == "INT32") return INT32;
  if (name == "INT64") return INT64;
  if (name == "UINT8") return UINT8;
  return std::nullopt;
}

std::string shown(const std::vector<int> &dims) {
  std::string text;
  for (const int dim : dims) text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

bool has_wildcard(const std::vector<int> &dims) {
  return std::any_of(dims.begin(), dims.end(), [](int dim) { return dim <= kWildcard; });
}

/** A dimension that one side leaves open is the other's; two different ones do not fit. */
std::optional<std::vector<int>> intersection(const std::vector<int> &a, const std::vector<int> &b) {
  if (a.size() != b.size()) return std::nullopt;
  std::vector<int> both(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] > kWildcard && b[i] > kWildcard && a[i] != b[i]) return std::nullopt;
    both[i] = a[i] > kWildcard ? a[i] : b[i];
  }
  return both;
}

Answer answer_of(const grpc::Status &status, const std::shared_ptr<ModelInferResponse> &response) {
  Answer answer;
  if (!status.ok()) {
    answer.error = "inference failed with error: " + status.error_message();
    return answer;
  }
  for (int i = 0; i < response->outputs_size() && answer.error.empty(); ++i) {
    const auto &output = response->outputs(i);
    const auto type = output_type(output.datatype());
    if (!type.has_value() || i >= response->raw_output_contents_size()) {
      answer.error = "unable to get tensor data for " + output.name() + " of type " + output.datatype();
      break;
    }
    const std::string &raw = response->raw_output_contents(i);
    answer.tensors.push_back({output.name(),
                              *type,
                              {output.shape().begin(), output.shape().end()},
                              reinterpret_cast<const uint8_t *>(raw.data()),
                              raw.size()});
  }
  answer.keep = response;
  return answer;
}

/**
 * One for each address, for as long as the process lives, as Triton's own client shares them: a channel whose last call ends on
 * gRPC's threads while it is taken down here ended the process by SIGABRT now and then.
 */
std::shared_ptr<grpc::Channel> channel_to(const std::string &url) {
  static std::mutex mutex;
  static auto &channels = *new std::map<std::string, std::shared_ptr<grpc::Channel>>;
  const std::lock_guard lock(mutex);
  auto &channel = channels[url];
  if (channel == nullptr) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(INT_MAX);
    arguments.SetMaxSendMessageSize(INT_MAX);
    channel = grpc::CreateCustomChannel(url, grpc::InsecureChannelCredentials(), arguments);
  }
  return channel;
}

class Triton : public InferenceBackend {
public:
  explicit Triton(const inference::InferenceConfig &config)
      : triton_(config.backend().triton()), model_(triton_.model_name()), input_(input_of(config.preprocess())),
        stub_(GRPCInferenceService::NewStub(channel_to(triton_.grpc().url()))) {}

  bool open(const inference::InferenceConfig &config, Notices &notices);

  const NetworkInput &input() const override { return input_; }
  bool wants_pixels() const override { return true; }
  std::future<Answer> ask(const std::vector<InferenceFrame> &frames, std::string pixels) override {
    return send(request_of(static_cast<int>(frames.size()), std::move(pixels)));
  }

private:
  /** Lives until the answer is there. */
  struct Call {
    grpc::ClientContext context;
    std::shared_ptr<ModelInferRequest> request;
    std::shared_ptr<ModelInferResponse> response = std::make_shared<ModelInferResponse>();
    std::promise<Answer> promise;
  };

  bool is_there(Notices &notices);
  bool read_model(const inference::InferenceConfig &config, Notices &notices);
  bool settle_input(const inference::InferenceConfig &config, const ModelConfig &model, Notices &notices);
  bool settle_outputs(const inference::BackendParams &config, const ModelConfig &model, Notices &notices);
  bool warm_up(Notices &notices);
  bool fail(Notices &notices, std::initializer_list<std::string> lines) const {
    for (const std::string &line : lines) notices.push_back({Notice::Kind::log_error, line, ""});
    return false;
  }
  std::shared_ptr<ModelInferRequest> request_of(int batch, std::string pixels);
  std::future<Answer> send(std::shared_ptr<ModelInferRequest> request);

  inference::TritonParams triton_;
  std::string model_;
  std::string input_name_;
  /** The network's input as Triton was told it, with the batch; the batch of a request takes the first place. */
  std::vector<int> full_dims_;
  std::set<std::string> outputs_;
  NetworkInput input_;
  uint64_t requests_ = 0;
  std::unique_ptr<GRPCInferenceService::Stub> stub_;
};

/** As the card's client: only whether the call succeeds counts, never what `live` and `ready` say. No deadline either. */
bool Triton::is_there(Notices &notices) {
  const auto in_vain = [&](const std::string &what, const grpc::Status &status, const std::string &then,
                           const std::string &who) {
    return fail(notices, {"error: " + what + ": " + status.error_message(), then,
                          "failed to initialize backend while ensuring " + who + " ready"});
  };
  {
    grpc::ClientContext context;
    ::inference::ServerLiveResponse response;
    const grpc::Status status = stub_->ServerLive(&context, {}, &response);
    if (!status.ok())
      return in_vain("server is not live", status, "failed to check server live state for model:" + model_, "server");
  }
  {
    grpc::ClientContext context;
    ::inference::ServerReadyResponse response;
    const grpc::Status status = stub_->ServerReady(&context, {}, &response);
    if (!status.ok()) return in_vain("server is not ready", status, "failed to check triton server ready", "server");
  }
  grpc::ClientContext context;
  ::inference::ModelReadyRequest request;
  ::inference::ModelReadyResponse response;
  request.set_name(model_);
  const grpc::Status status = stub_->ModelReady(&context, request, &response);
  return status.ok() ||
         in_vain("model(" + model_ + ") is not ready", status, "model:" + model_ + " is not ready", "model:" + model_);
}

bool Triton::open(const inference::InferenceConfig &config, Notices &notices) {
  if (model_.empty()) return fail(notices, {"config file doesn't have model_name"});
  if (!triton_.has_grpc()) return fail(notices, {"config file doesn't have grpc endpoint url"});
  if (!is_there(notices) || !read_model(config, notices))
    return fail(notices, {"failed to initialize triton simple runtime for model:" + model_});
  if (!config.backend().disable_warmup() && !warm_up(notices))
    return fail(notices, {"failed to specify triton backend input dims for model:" + model_});
  return true;
}

bool Triton::read_model(const inference::InferenceConfig &config, Notices &notices) {
  grpc::ClientContext context;
  ::inference::ModelConfigRequest request;
  ModelConfigResponse response;
  request.set_name(model_);
  const grpc::Status status = stub_->ModelConfig(&context, request, &response);
  if (!status.ok())
    return fail(notices, {"failed to get model(" + model_ + ") config: " + status.error_message(),
                          "failed to get model: " + model_ + " config"});
  const ModelConfig &model = response.config();
  if (model.input_size() == 0 || model.output_size() == 0)
    return fail(notices, {"gie id: " + std::to_string(config.unique_id()) + " model: " + model_ +
                          " input or output layers are empty, check triton model config settings"});
  return settle_input(config, model, notices) && settle_outputs(config.backend(), model, notices);
}

bool Triton::settle_input(const inference::InferenceConfig &config, const ModelConfig &model, Notices &notices) {
  if (model.input_size() > 1)
    return fail(notices, {"More than one input layers but custom initialization function not implemented"});
  const ModelInput &only = model.input(0);
  const std::string &wanted = config.preprocess().tensor_name();
  if (!wanted.empty() && wanted != only.name())
    return fail(notices, {"preprocess.tensor_name is not found in model's input tensors"});
  input_name_ = only.name();
  const auto batch = static_cast<int>(config.max_batch_size());
  const bool batching = model.max_batch_size() > 0;
  std::vector<int> dims(only.dims().begin(), only.dims().end());
  if (batching) dims.insert(dims.begin(), batch);
  if (dims.size() >= kImageDims && dims[0] <= kWildcard) dims[0] = batch;
  for (const inference::InputLayer &layer : config.backend().inputs()) {
    if (layer.name() != input_name_) {
      fail(notices, {"input tensor:" + layer.name() + " is not found in model:" + model_ + " from config file"});
      continue;
    }
    if (layer.dims_size() == 0) continue;
    std::vector<int> told(layer.dims().begin(), layer.dims().end());
    told.insert(told.begin(), batch);
    const auto both = intersection(dims, told);
    if (!both.has_value())
      return fail(notices, {"failed to create triton backend on model:" + model_ + " because tensor:" + layer.name() +
                            " plugin dims: " + shown(told) + " is not matched with model dims: " + shown(dims)});
    dims = *both;
  }
  if (dims.empty() || has_wildcard(dims))
    return fail(notices, {"failed to create triton backend on model:" + model_ + " when specify input:" + input_name_ +
                          " with wrong dims:" + shown(dims)});
  // Without the first request nobody writes down what was told, and the model's own dimensions stay open.
  if (config.backend().disable_warmup() &&
      std::any_of(only.dims().begin(), only.dims().end(), [](int64_t dim) { return dim <= kWildcard; }))
    return fail(notices, {"failed to fixate inference info since input has wildcard dims."});
  inference::TensorOrder order = order_of(only);
  const inference::TensorOrder told = config.preprocess().tensor_order();
  if (told != inference::TENSOR_ORDER_NONE && order != inference::TENSOR_ORDER_NONE && told != order)
    return fail(notices, {"preprocess.tensor_order:" + inference::TensorOrder_Name(told) +
                          " is not backend model expected format:" + inference::TensorOrder_Name(order)});
  if (order == inference::TENSOR_ORDER_NONE) order = told;
  if (order == inference::TENSOR_ORDER_NONE)
    return fail(notices, {"InferContext(uid:" + std::to_string(config.unique_id()) +
                          ") cannot figure out input tensor order, please specify in config file(preprocess.)"});
  const auto type = input_type(only.data_type());
  if (!type.has_value() || dims.size() != kImageDims)
    return fail(notices, {"the stand-in cannot fill input " + input_name_ + " of dims " + shown(dims) +
                          ": it knows 3 channels of "
                          "FP32, FP16 or UINT8"});
  input_.planar = order == inference::TENSOR_ORDER_LINEAR;
  input_.type = *type;
  input_.height = dims[input_.planar ? 2 : 1];
  input_.width = dims[input_.planar ? 3 : 2];
  if (dims[input_.planar ? 1 : 3] != 3) return fail(notices, {"the stand-in fills inputs of 3 channels, not " + shown(dims)});
  full_dims_ = std::move(dims);
  return true;
}

bool Triton::settle_outputs(const inference::BackendParams &config, const ModelConfig &model, Notices &notices) {
  std::set<std::string> all;
  for (const auto &output : model.output()) all.insert(output.name());
  for (const inference::OutputLayer &layer : config.outputs()) {
    if (layer.name().empty()) return fail(notices, {"config file outputs.name has empty string"});
    if (!outputs_.insert(layer.name()).second)
      return fail(notices, {"config file has duplicate BackendParams.outputs.name:" + layer.name()});
    if (all.count(layer.name()) == 0)
      return fail(notices, {"configured output tensor:" + layer.name() + " is not found in triton model:" + model_});
  }
  if (outputs_.empty()) outputs_ = std::move(all);
  return true;
}

/** A whole batch of nothing: a model that cannot do what the file says fails here. A server that hangs, hangs the start. */
bool Triton::warm_up(Notices &notices) {
  const auto pixels = 3 * static_cast<size_t>(input_.width) * static_cast<size_t>(input_.height);
  const auto batch = static_cast<size_t>(full_dims_[0]);
  const Answer answer = send(request_of(full_dims_[0], std::string(batch * pixels * bytes_of(input_.type), '\0'))).get();
  return answer.error.empty() ||
         fail(notices, {answer.error, "failed to specify dims after running inference failed on model:" + model_});
}

std::shared_ptr<ModelInferRequest> Triton::request_of(int batch, std::string pixels) {
  auto request = std::make_shared<ModelInferRequest>();
  request->set_model_name(model_);
  if (triton_.version() > 0) request->set_model_version(std::to_string(triton_.version()));
  request->set_id(std::to_string(requests_++));
  auto *tensor = request->add_inputs();
  tensor->set_name(input_name_);
  tensor->set_datatype(type_name(input_.type));
  tensor->add_shape(batch);
  for (size_t i = 1; i < full_dims_.size(); ++i) tensor->add_shape(full_dims_[i]);
  for (const std::string &output : outputs_) request->add_outputs()->set_name(output);
  request->add_raw_input_contents(std::move(pixels));
  return request;
}

std::future<Answer> Triton::send(std::shared_ptr<ModelInferRequest> request) {
  auto call = std::make_shared<Call>();
  call->request = std::move(request);
  std::future<Answer> answer = call->promise.get_future();
  stub_->async()->ModelInfer(&call->context, call->request.get(), call->response.get(), [call](const grpc::Status &status) {
    Answer result = answer_of(status, call->response);
    // The tensors in the order of their names, as the card asks for them.
    std::sort(result.tensors.begin(), result.tensors.end(),
              [](const OutputTensor &a, const OutputTensor &b) { return a.name < b.name; });
    call->promise.set_value(std::move(result));
  });
  return answer;
}

} // namespace

NetworkInput input_of(const inference::PreProcessParams &config) {
  NetworkInput input;
  input.bgr = config.network_format() == inference::IMAGE_FORMAT_BGR;
  input.scale = config.normalize().scale_factor();
  for (int i = 0; i < config.normalize().channel_offsets_size() && i < 3; ++i)
    input.offsets[i] = config.normalize().channel_offsets(i);
  return input;
}

std::unique_ptr<InferenceBackend> open_triton(const inference::InferenceConfig &config, Notices &notices) {
  auto triton = std::make_unique<Triton>(config);
  if (!triton->open(config, notices)) return nullptr;
  return triton;
}

} // namespace standin
