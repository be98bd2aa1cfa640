import type { CatalogueEntry } from '../core/model-shelf.ts';

/**
 * What is known about the weights for `model_repository/`. A hash is here only where the file was held and hashed, or where
 * upstream publishes one. No address is called tried that was not fetched from. Memory and time are from bench/models.ts.
 */

const onBench = 'one thread of a shared 2-core x86-64 machine';

export const catalogueEntries: readonly CatalogueEntry[] = [
  {
    model: 'centerface',
    what: 'CenterFace: faces with five points',
    sets: ['face'],
    source: {
      url: 'https://github.com/Star-Clouds/CenterFace/raw/b82ec0c4844e89fd5a0305986aed9bdf33c72585/models/onnx/centerface.onnx',
      bytes: 7_532_772,
      hash: {
        algorithm: 'git-blob',
        value: '1487d5fe214feb569865b225216b24c8f4ef1050',
        basis: "the object name in upstream's git history",
      },
      tried: false,
      freeAxes: true,
    },
    licence: 'MIT, (c) 2019 StarClouds',
    trainingData: 'WIDER FACE, published for research',
    knownFiles: [
      {
        sha256: 'ae6f823ba531188bdf05d4a2b1aa28b640cd99654677964660f8198915c145e5',
        bytes: 1_998_638,
        what: 'the same weights, most kernels in 8 bits',
      },
    ],
    measured: { ramMiB: 149, msPerRun: 56, how: `640 x 384, 8-bit weights, ${onBench}` },
  },
  {
    model: 'yunet',
    what: 'YuNet (n): faces with five points, smaller and faster',
    sets: [],
    source: {
      url: 'https://github.com/ShiqiYu/libfacedetection.train/raw/0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_n_dynamic.onnx',
      bytes: 322_906,
      hash: {
        algorithm: 'sha256',
        value: '104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12',
        basis: 'the file was held and hashed',
      },
      tried: false,
      freeAxes: false,
    },
    licence: 'Apache-2.0',
    trainingData: 'WIDER FACE according to its authors, published for research',
    knownFiles: [],
    measured: { ramMiB: 115, msPerRun: 9.5, how: `640 x 384, ${onBench}` },
  },
  {
    model: 'face_embed',
    what: 'MobileFaceNet: faces, aligned by five points, to 128 numbers',
    sets: ['face'],
    source: {
      url: 'https://github.com/foamliu/MobileFaceNet/raw/a6cc9032a659b615f477833e1a70b5e7931bcccc/weights/MobileFaceNet.onnx',
      bytes: 3_998_070,
      hash: {
        algorithm: 'sha256',
        value: 'b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507',
        basis: 'the file was held and hashed',
      },
      tried: false,
      freeAxes: true,
    },
    licence: 'Apache-2.0',
    trainingData: 'a cleaned MS-Celeb-1M, whose own terms allowed research only and which was withdrawn by its publisher',
    restrictions: 'take advice on the terms of its training data before using it in a product',
    knownFiles: [
      {
        sha256: 'd1d4e746db8a59c3204bd0fbaddeeb17659466edefceb321134edccfa654118e',
        bytes: 2_025_211,
        what: 'the same weights in 16 bits, batch made free',
      },
    ],
    measured: { ramMiB: 43, msPerRun: 4.6, how: `one crop, 16-bit weights, ${onBench}` },
  },
  {
    model: 'face_embed_224',
    what: "the same MobileFaceNet behind the tensors of CLIP's image side, 512 numbers; it is not CLIP",
    sets: [],
    sourceNote:
      'made for tests and published nowhere; whoever has the file adds it with "sightline models add FILE --as face_embed_224"',
    licence: 'Apache-2.0',
    trainingData: 'as face_embed',
    restrictions: 'as face_embed',
    knownFiles: [
      {
        sha256: '9267b61bc145daf898874f3e3bde725e185dd2593c81f8c25085838da18f3666',
        bytes: 2_026_238,
        what: 'four views of a crop, 128 numbers each',
      },
    ],
    measured: { ramMiB: 77, msPerRun: 23, how: `one crop, ${onBench}` },
  },
  {
    model: 'yolox_nano',
    what: 'YOLOX-nano: people and the other 79 classes of COCO, decoding and suppression inside',
    sets: ['appearance'],
    sourceNote:
      'upstream publishes the network without decoding and suppression; this form of it is published nowhere. Any YOLO in the form of a YOLOv7 end-to-end export does instead: "sightline models add FILE --as yolox_nano"',
    licence: 'Apache-2.0',
    trainingData: 'COCO 2017; its pictures are under terms of their own',
    knownFiles: [
      {
        sha256: '07095980005d050147c2460f0c8df653e7c4325208de9eeed513cd4933a526b6',
        bytes: 2_035_924,
        what: "Megvii's YOLOX-nano with pre-scaling, decoding and suppression inside",
      },
    ],
    measured: { ramMiB: 113, msPerRun: 34, how: `640 x 640, ${onBench}` },
  },
  {
    model: 'yolov7',
    what: 'YOLOv7: people and the other 79 classes of COCO, more exact and far slower',
    sets: [],
    sourceNote:
      'upstream publishes checkpoints (https://github.com/WongKinYiu/yolov7, release v0.1) and an export script: export.py --grid --end2end --max-wh 640, then "sightline models add FILE --as yolov7"',
    licence: 'GPL-3.0',
    trainingData: 'COCO 2017; its pictures are under terms of their own',
    restrictions: 'under GPL-3.0: not to be passed on inside a product under other terms',
    knownFiles: [],
  },
  {
    model: 'person_embed',
    what: 'OSNet x0.25: the look of a clothed body to 512 numbers',
    sets: ['appearance'],
    source: {
      url: 'https://github.com/akshaydhame2001/YOLOv8_Tracking_TensorRT/raw/cb948b3224a53986e8ccc0ca940fb8fe842e145b/osnet_x0_25_msmt17.onnx',
      bytes: 921_616,
      hash: {
        algorithm: 'sha256',
        value: '61b2604171ef9d58d21758626f83b35a253c3d7123976523a6e03068c3c95d7b',
        basis: 'the file was held and hashed',
      },
      tried: false,
      freeAxes: false,
    },
    licence: 'MIT, (c) 2018 Kaiyang Zhou, for the weights; the repository that holds this file states none',
    trainingData: 'MSMT17, published for research',
    knownFiles: [],
    measured: { ramMiB: 45, msPerRun: 14, how: `one crop, ${onBench}` },
  },
  {
    model: 'person_embed_224',
    what: "the same OSNet behind the tensors of CLIP's image side, 512 numbers; it is not CLIP",
    sets: [],
    sourceNote:
      'made for tests and published nowhere; whoever has the file adds it with "sightline models add FILE --as person_embed_224"',
    licence: 'MIT, (c) 2018 Kaiyang Zhou',
    trainingData: 'MSMT17, published for research',
    knownFiles: [
      {
        sha256: '8148dcba7f0d29c09b0d29f7cf49065894d07cea0f063d272f2bd154307937a2',
        bytes: 523_560,
        what: 'kernels in 16 bits',
      },
    ],
    measured: { ramMiB: 53, msPerRun: 3.7, how: `one crop, ${onBench}` },
  },
  {
    model: 'clip_visual',
    what: 'CLIP ViT-B/32, image side: the look of a crop to 512 numbers',
    sets: [],
    source: {
      url: 'https://clip-as-service.s3.us-east-2.amazonaws.com/models-436c69702d61732d53657276696365/onnx/ViT-B-32/visual.onnx',
      aboutBytes: 352_000_000,
      hash: {
        algorithm: 'md5',
        value: '88c6f38e522269d6c04a85df18e6370c',
        basis: 'published by the clip-as-service project, which made this export',
      },
      tried: false,
      freeAxes: false,
    },
    licence: 'MIT',
    trainingData: 'pictures with captions from the internet, not published',
    restrictions:
      'its model card puts every deployed use out of scope, and surveillance and facial recognition always; it knows English only. Using it here is against the wish of its authors',
    knownFiles: [],
  },
  {
    model: 'clip_text',
    what: 'CLIP ViT-B/32, text side: a description to 512 numbers beside those of clip_visual',
    sets: [],
    source: {
      url: 'https://clip-as-service.s3.us-east-2.amazonaws.com/models-436c69702d61732d53657276696365/onnx/ViT-B-32/textual.onnx',
      aboutBytes: 254_000_000,
      hash: {
        algorithm: 'md5',
        value: 'bd6d7871e8bb95f3cc83aff3398d7390',
        basis: 'published by the clip-as-service project, which made this export',
      },
      tried: false,
      freeAxes: false,
    },
    licence: 'MIT',
    trainingData: 'as clip_visual',
    restrictions:
      'its model card puts every deployed use out of scope, and surveillance and facial recognition always; it knows English only. Using it here is against the wish of its authors',
    knownFiles: [],
  },
  {
    model: 'demo_face',
    what: 'faces of the characters of `sightline demo`, with five points; the tensors of CenterFace',
    sets: [],
    sourceNote: 'committed in model_repository/ (where it is gone: git checkout model_repository); made by tools/demo-models',
    licence: 'Apache-2.0, of this project',
    trainingData: 'characters drawn by tools/demo-models; no photo of anybody',
    restrictions: 'for drawn characters only, not fit for real people',
    knownFiles: [
      {
        sha256: '5e414875bfb6657e7d8fc71d572fe0893e8f5aacb6b0e7aab852485c8f2bbdfb',
        bytes: 924_011,
        what: 'our own, as committed',
      },
    ],
  },
  {
    model: 'demo_embed',
    what: "faces of the characters of `sightline demo` to 512 numbers; the tensors of CLIP's image side",
    sets: [],
    sourceNote: 'committed in model_repository/ (where it is gone: git checkout model_repository); made by tools/demo-models',
    licence: 'Apache-2.0, of this project',
    trainingData: 'characters drawn by tools/demo-models; no photo of anybody',
    restrictions: 'for drawn characters only; what it says of real people means nothing',
    knownFiles: [
      {
        sha256: '70a8145dacbc79b82244e0a2533108580db08470c51bd69a5fbfafd4673f2034',
        bytes: 1_120_464,
        what: 'our own, as committed',
      },
    ],
  },
];
