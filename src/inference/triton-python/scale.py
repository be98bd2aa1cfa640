"""An encoded picture in, the input of a face detector and the pixels themselves out."""

import json
import math

import numpy as np
import pictures
import triton_python_backend_utils as pb_utils

MULTIPLE = 32
TALLEST = 8192


class TritonPythonModel:
    def initialize(self, args):
        parameters = pictures.parameters_of(json.loads(args["model_config"]))
        self.width = int(parameters.get("width", "640"))
        # Zero where the network leaves its sides free.
        self.fixed = int(parameters["input_width"]), int(parameters["input_height"])
        self.format = pictures.Format(parameters, "1")

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        encoded = pb_utils.get_input_tensor_by_name(request, "image").as_numpy()
        try:
            image = pictures.decode(encoded.tobytes())
        except pictures.BadPicture as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG))
        values = self.format.numbers(pictures.resize(image, *self.size_for(image), "bilinear_antialias"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("input", values[None]), pb_utils.Tensor("pixels", image)])

    def size_for(self, image):
        if self.fixed[0] > 0:
            return self.fixed
        rows, columns = image.shape[:2]
        width = max(1, min(self.width, TALLEST * columns // rows))
        height = min(TALLEST, math.floor(rows * width / columns + 0.5))
        return round_up(width), round_up(height)


def round_up(value):
    return max(MULTIPLE, math.ceil(value / MULTIPLE) * MULTIPLE)
