"""Encoded pictures in, the input of an embedder out: the whole picture is taken for the box."""

import json

import numpy as np
import pictures
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        parameters = pictures.parameters_of(json.loads(args["model_config"]))
        self.width, self.height = int(parameters["input_width"]), int(parameters["input_height"])
        self.clip = parameters["kind"] == "clip_visual"
        self.mode = parameters.get("resize", "center_crop")
        self.pad_value = pictures.number(parameters.get("pad_value", "0"))
        self.interpolation = parameters.get("interpolation", "bicubic_antialias" if self.clip else "bilinear")
        self.format = pictures.Format(parameters, "1/255")

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        encoded = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
        try:
            rows = [self.format.numbers(self.view(pictures.decode(row.tobytes()))) for row in encoded]
        except pictures.BadPicture as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG))
        return pb_utils.InferenceResponse([pb_utils.Tensor("input", np.stack(rows))])

    def view(self, image):
        if self.clip:
            return pictures.clip_view(image, self.width, self.height, self.mode, self.interpolation, self.pad_value)
        return pictures.resize(image, self.width, self.height, self.interpolation)
