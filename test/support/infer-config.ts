import { parserLibrary } from './standin.ts';

export interface InferOptions {
  readonly uniqueId: number;
  readonly url: string;
  readonly model: string;
  /** Of its input `images`. */
  readonly dims: string;
  readonly batch: number;
  /** How many its label file names. */
  readonly classes: number;
  readonly labels: string;
  readonly parsers?: string;
  /** More of `backend`. */
  readonly backend?: string;
}

/** Settings of the stand-in's nvinferserver for a model that suppresses inside, as tests have them: what the daemon renders is src/workers/render.ts. */
export function inferConfig(options: InferOptions): string {
  const { uniqueId, url, model, dims, batch, classes, labels, parsers = parserLibrary, backend = '' } = options;
  return `infer_config {
  unique_id: ${uniqueId}
  gpu_ids: [0]
  max_batch_size: ${batch}
  backend {
    inputs [ { name: "images" dims: [${dims}] } ]
    triton { model_name: "${model}" version: -1 grpc { url: "${url}" } }
    output_mem_type: MEMORY_TYPE_CPU
    ${backend}
  }
  preprocess {
    network_format: IMAGE_FORMAT_RGB
    tensor_order: TENSOR_ORDER_LINEAR
    maintain_aspect_ratio: 1
    symmetric_padding: 1
    normalize { scale_factor: 0.0039215686 }
  }
  postprocess {
    labelfile_path: "${labels}"
    detection {
      num_detected_classes: ${classes}
      custom_parse_bbox_func: "SightlineParseYoloEnd2end_${uniqueId}"
      simple_cluster { threshold: 0.3 }
    }
  }
  custom_lib { path: "${parsers}" }
}
input_control { process_mode: PROCESS_MODE_FULL_FRAME }
output_control { output_tensor_meta: true }
`;
}
