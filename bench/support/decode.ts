import { AVMEDIA_TYPE_VIDEO } from 'node-av/constants';
import { Codec, CodecContext, FormatContext, Frame, Packet } from 'node-av/lib';

/** Processor time of decoding one frame of a film, alone and in one thread, in ms. */
export async function decodeMs(film: string): Promise<number> {
  const format = new FormatContext();
  format.allocContext();
  if ((await format.openInput(film, null, null)) < 0) throw new Error(`${film} does not open`);
  await format.findStreamInfo();
  const index = format.findBestStream(AVMEDIA_TYPE_VIDEO);
  const stream = format.streams[index];
  const codec = stream && Codec.findDecoder(stream.codecpar.codecId);
  if (stream === undefined || !codec) throw new Error(`${film} has no video that can be decoded`);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.parametersToContext(stream.codecpar);
  context.threadCount = 1;
  await context.open2(codec, null);
  const packet = new Packet();
  packet.alloc();
  const frame = new Frame();
  frame.alloc();
  let frames = 0;
  const begun = process.cpuUsage();
  while ((await format.readFrame(packet)) >= 0) {
    if (packet.streamIndex === index) context.sendPacketSync(packet);
    packet.unref();
    for (; context.receiveFrameSync(frame) >= 0; frames += 1) frame.unref();
  }
  const { user, system } = process.cpuUsage(begun);
  packet.free();
  frame.free();
  context.freeContext();
  await format.closeInput();
  return (user + system) / 1000 / frames;
}
