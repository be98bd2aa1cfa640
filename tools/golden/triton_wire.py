"""Writes test/fixtures/golden/triton-wire.json: requests and answers of KServe v2 as Python's protobuf and Triton's own messages write them.

    python -m venv VENV && VENV/bin/pip install 'tritonclient[grpc]==2.73.0'
    VENV/bin/python tools/golden/triton_wire.py
"""

import base64
import json
from pathlib import Path

import numpy as np
import tritonclient
from google import protobuf
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import serialize_byte_tensor

OUT = Path(__file__).resolve().parents[2] / "test/fixtures/golden/triton-wire.json"

# Name of the data type -> elements; the test writes the same ones.
TENSORS = {
    "FP32": np.array([[0.5, -1.25, 3e38], [1e-30, 0.0, -0.0]], np.float32),
    "FP16": np.array([0.5, -65504.0, 6e-8], np.float16),
    "INT32": np.array([[-2147483648], [2147483647], [7]], np.int32),
    "INT64": np.array([-(2**63), 2**63 - 1, 0], np.int64),
    "UINT8": np.arange(256, dtype=np.uint8).reshape(4, 64),
    "BOOL": np.array([True, False, True]),
    "BYTES": np.array([b"", "grün".encode(), b"\x00\xff"], np.object_),
}


def raw(array):
    return serialize_byte_tensor(array).item() if array.dtype == np.object_ else array.tobytes()


def request(model, names, **fields):
    message = pb.ModelInferRequest(model_name=model, **fields)
    for name in names:
        tensor = message.inputs.add(name=f"in_{name}", datatype=name)
        tensor.shape.extend(TENSORS[name].shape)
        message.raw_input_contents.append(raw(TENSORS[name]))
    return message


def text(message):
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def requests():
    yield "one input", request("m", ["FP32"])
    yield "every data type", request("all", list(TENSORS), model_version="3", id="request-1")
    chosen = request("m", ["UINT8"], id="x")
    chosen.outputs.add(name="boxes")
    chosen.outputs.add(name="scores")
    yield "chosen outputs", chosen
    for key, kind, value in (
        ("timeout", "int64_param", 250_000),
        ("negative", "int64_param", -5),
        ("traceparent", "string_param", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("empty", "string_param", ""),
        ("sequence_end", "bool_param", True),
        ("off", "bool_param", False),
        ("weight", "double_param", -0.1),
    ):
        message = request("m", ["BOOL"])
        setattr(message.parameters[key], kind, value)
        yield f"parameter {key}", message
    shared = request("m", ["FP32", "INT32"])
    del shared.raw_input_contents[0]
    shared.inputs[0].parameters["shared_memory_region"].string_param = "sightline-1"
    shared.inputs[0].parameters["shared_memory_byte_size"].int64_param = 24
    shared.inputs[0].parameters["shared_memory_offset"].int64_param = 4096
    yield "an input in shared memory", shared
    # The length of one tensor takes 1, 2, 3 and 4 bytes.
    for count in (127, 128, 16_384, 2_097_152):
        message = pb.ModelInferRequest(model_name="m")
        tensor = message.inputs.add(name="pixels", datatype="UINT8")
        tensor.shape.extend([count])
        message.raw_input_contents.append(bytes(count))
        # The elements are zeros: the head is what differs.
        yield f"{count} zeros", message


def answers():
    message = pb.ModelInferResponse(model_name="all", model_version="12", id="request-1")
    message.parameters["triton_final_response"].bool_param = True
    for name, array in TENSORS.items():
        tensor = message.outputs.add(name=f"out_{name}", datatype=name)
        tensor.shape.extend(array.shape)
        message.raw_output_contents.append(raw(array))
    yield "every data type", message
    yield "nothing but a flag", pb.ModelInferResponse(id="7", parameters=message.parameters)
    empty = pb.ModelInferResponse(model_name="boxes")
    tensor = empty.outputs.add(name="dets", datatype="FP32")
    tensor.shape.extend([0, 4])
    empty.raw_output_contents.append(b"")
    yield "no rows", empty
    odd = pb.ModelInferResponse(model_name="odd")
    tensor = odd.outputs.add(name="out", datatype="FP64")
    tensor.shape.extend([1])
    odd.raw_output_contents.append(bytes(8))
    yield "a data type that is not read", odd
    short = pb.ModelInferResponse(model_name="short")
    tensor = short.outputs.add(name="out", datatype="FP32")
    tensor.shape.extend([2])
    short.raw_output_contents.append(bytes(4))
    yield "fewer elements than its shape says", short


def cut_zeros(message):
    """Long zeros stay out of the file."""
    data = message.SerializeToString(deterministic=True)
    head = data.rstrip(b"\0") if len(data) > 1000 else data
    return {"base64": base64.b64encode(head).decode(), "zeros": len(data) - len(head)}


def main():
    streamed = pb.ModelStreamInferResponse(error_message="no such thing")
    streamed.infer_response.id = "5"
    OUT.write_text(
        json.dumps(
            {
                "origin": f"tools/golden/triton_wire.py, tritonclient {tritonclient.__version__ if hasattr(tritonclient, '__version__') else '2.73.0'}, protobuf {protobuf.__version__}",
                "raw": {name: base64.b64encode(raw(array)).decode() for name, array in TENSORS.items()},
                "shapes": {name: list(array.shape) for name, array in TENSORS.items()},
                "requests": {name: cut_zeros(message) for name, message in requests()},
                "answers": {name: text(message) for name, message in answers()},
                "streamed": {
                    "an error": text(streamed),
                    "an answer": text(pb.ModelStreamInferResponse(infer_response=pb.ModelInferResponse(model_name="m", id="6"))),
                },
            },
            indent=1,
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
