#!/usr/bin/env python3
"""The yardsticks of bench/triton.ts: NVIDIA's tritonclient over gRPC, and onnxruntime called directly, as their users call them.

Arguments: address of the server, folder of the model repository. Reads one JSON object a line and answers each with one: `turn`,
`flight`, `overload`, as bench/triton/side.ts describes them.
"""
import json, os, sys, threading, time
import numpy as np
import onnxruntime as ort
import tritonclient.grpc as grpc
import tritonclient.utils.shared_memory as shm

url, repository = sys.argv[1:3]
client = grpc.InferenceServerClient(url)
# Bounds the memory of a client that does not bound itself.
MOST_WAITING = 1500
patterns, sessions, regions = {}, {}, {}


def pattern(shape):
    key = tuple(shape)
    if key not in patterns:
        count = int(np.prod(key))
        patterns[key] = ((np.arange(count, dtype=np.int64) * 37) % 255 / 255).astype(np.float32).reshape(key)
    return patterns[key]


def rows(shape, batch):
    return np.repeat(pattern([1] + shape), batch, axis=0)


def described(ask):
    return ask["model"], ask["input"], ask["shape"]


def infer_input(name, array):
    tensor = grpc.InferInput(name, list(array.shape), "FP32")
    tensor.set_data_from_numpy(array)
    return tensor


def over_grpc(ask):
    model, name, shape = described(ask)
    array = pattern([1] + shape).copy()
    result = client.infer(model, [infer_input(name, array)])
    for output in result.get_response().outputs:
        result.as_numpy(output.name)


def over_shared_memory(ask):
    model, name, shape = described(ask)
    array = pattern([1] + shape).copy()
    if array.nbytes not in regions:
        region = f"peer-{os.getpid()}-{array.nbytes}"
        handle = shm.create_shared_memory_region(region, "/" + region, array.nbytes)
        client.register_system_shared_memory(region, "/" + region, array.nbytes)
        regions[array.nbytes] = (region, handle)
    region, handle = regions[array.nbytes]
    shm.set_shared_memory_region(handle, [array])
    tensor = grpc.InferInput(name, list(array.shape), "FP32")
    tensor.set_shared_memory(region, array.nbytes)
    result = client.infer(model, [tensor])
    for output in result.get_response().outputs:
        result.as_numpy(output.name)


def direct(ask):
    model, name, shape = described(ask)
    if model not in sessions:
        options = ort.SessionOptions()
        # As the server's backend has it: spinning threads would starve its own.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        sessions[model] = ort.InferenceSession(f"{repository}/{model}/1/model.onnx", options, providers=["CPUExecutionProvider"])
    sessions[model].run(None, {name: pattern([1] + shape).copy()})


ways = {"grpc": over_grpc, "shm": over_shared_memory, "direct": direct}


def turn(ask):
    way = ways[ask["way"]]
    for _ in range(3):
        way(ask)
    times = []
    cpu = time.process_time()
    for _ in range(ask["count"]):
        begin = time.perf_counter()
        way(ask)
        times.append(1e3 * (time.perf_counter() - begin))
    return {"ms": times, "cpuMs": 1e3 * (time.process_time() - cpu) / ask["count"]}


def flight(ask):
    """`waiting` requests under way by async_infer, or, with `batch`, one request of so many rows after another."""
    model, name, shape = described(ask)
    end = time.perf_counter() + ask["seconds"]
    done = 0
    begin, cpu = time.perf_counter(), time.process_time()
    if ask.get("batch"):
        while time.perf_counter() < end:
            client.infer(model, [infer_input(name, rows(shape, ask["batch"]))]).as_numpy(ask["output"])
            done += ask["batch"]
    else:
        free = threading.Semaphore(ask["waiting"])
        errors, answered, lock = [], [0], threading.Lock()

        def answer(result, error):
            if error is not None:
                errors.append(error)
            else:
                result.as_numpy(ask["output"])
                with lock:
                    answered[0] += 1
            free.release()

        while time.perf_counter() < end:
            free.acquire()
            client.async_infer(model, [infer_input(name, rows(shape, 1))], callback=answer)
        for _ in range(ask["waiting"]):
            free.acquire()
        if errors:
            raise errors[0]
        done = answered[0]
    seconds = time.perf_counter() - begin
    return {"rows": done, "seconds": seconds, "cpuMs": 1e3 * (time.process_time() - cpu)}


def overload(ask):
    """A client that sends everything as it comes and hopes: no bound, no deadline, no turns."""
    model, name, shape = described(ask)
    cameras, deadline, period = ask["cameras"], ask["deadlineMs"] / 1e3, 1 / ask["rate"]
    in_time, lock = [0] * cameras, threading.Lock()
    state = {"waiting": 0, "late": 0, "failed": 0}
    contexts = []
    count = int(ask["rate"] * ask["seconds"])
    begin = time.perf_counter() + 0.05

    def answered(camera, due):
        def answer(result, error):
            took = time.perf_counter() - due
            with lock:
                state["waiting"] -= 1
                if error is not None:
                    state["failed"] += 1
                elif took <= deadline:
                    in_time[camera] += 1
                else:
                    state["late"] += 1

        return answer

    for at in range(count):
        due = begin + at * period
        pause = due - time.perf_counter()
        if pause > 0:
            time.sleep(pause)
        if state["waiting"] >= MOST_WAITING:
            state["late"] += 1
            continue
        with lock:
            state["waiting"] += 1
        tensor = infer_input(name, pattern([1] + shape).copy())
        contexts.append(client.async_infer(model, [tensor], callback=answered(at % cameras, due)))
    time.sleep(deadline)
    good = list(in_time)
    for context in contexts:
        context.cancel()
    while state["waiting"] > 0:
        time.sleep(0.05)
    # The server has what it was sent before it answers this.
    over_grpc(ask)
    return {"offered": count, "inTime": good, "seconds": ask["seconds"]}


asked = {"turn": turn, "flight": flight, "overload": overload}
for line in sys.stdin:
    ask = json.loads(line)
    print(json.dumps(asked[ask["do"]](ask)), flush=True)
for region, handle in regions.values():
    client.unregister_system_shared_memory(region)
    shm.destroy_shared_memory_region(handle)
