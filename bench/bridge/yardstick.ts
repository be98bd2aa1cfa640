import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Runs ../shared/peer/meta_bench.mjs: what plain Node needs to receive the same number of frames over a Unix socket. */

const root = join(import.meta.dirname, '../..');
const peer = join(root, '../shared/peer');

export function missingYardstick(): string | false {
  return existsSync(join(peer, 'meta_bench.mjs')) ? false : `no yardsticks at ${peer}`;
}

/** The generated code that it expects beside it, made in `folder`. */
function prepare(folder: string): void {
  mkdirSync(join(folder, 'gen'), { recursive: true });
  for (const name of ['meta_bench.mjs', 'frame.proto']) copyFileSync(join(peer, name), join(folder, name));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  writeFileSync(join(folder, 'buf.yaml'), 'version: v2\n');
  const plugin = {
    local: join(root, 'node_modules/.bin/protoc-gen-ts_proto'),
    out: 'gen',
    opt: ['outputServices=none', 'forceLong=bigint'],
  };
  writeFileSync(join(folder, 'buf.gen.yaml'), JSON.stringify({ version: 'v2', plugins: [plugin] }));
  const buf = (...args: readonly string[]) => execFileSync(join(root, 'node_modules/.bin/buf'), args, { cwd: folder });
  buf('generate');
  writeFileSync(
    join(folder, 'gen/frame.js'),
    stripTypeScriptTypes(readFileSync(join(folder, 'gen/frame.ts'), 'utf8'), { mode: 'transform' }),
  );
  // What protoc-gen-es writes: the file's description, and its messages by their place in it.
  const set = buf('build', '--as-file-descriptor-set', '--exclude-source-info', '-o', '-#format=binpb');
  writeFileSync(
    join(folder, 'gen/frame_pb.js'),
    `import { fromBinary } from '@bufbuild/protobuf';
import { fileDesc, messageDesc } from '@bufbuild/protobuf/codegenv2';
import { FileDescriptorSetSchema, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { toBinary } from '@bufbuild/protobuf';
const set = fromBinary(FileDescriptorSetSchema, Buffer.from('${set.toString('base64')}', 'base64'));
const file = fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, set.file[0])).toString('base64'));
export const FrameSchema = messageDesc(file, 1);
export const FrameBatchSchema = messageDesc(file, 2);
`,
  );
}

/** CPU microseconds a frame, one frame a message at the real rate, decoded by ts-proto as ours are. */
export async function receiveAlone(folder: string): Promise<{ readonly cpuUs: number; readonly said: string }> {
  prepare(folder);
  const child = spawn(process.execPath, ['meta_bench.mjs'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (!/^socket, 6400 frames\/s.* 1 a message, ts-proto/.test(line)) continue;
      return { cpuUs: Number(/([\d.]+) CPU us per frame/.exec(line)?.[1]), said: line };
    }
    throw new Error('the yardstick ended without its figure');
  } finally {
    // With the senders that it starts.
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid);
  }
}
