/**
 * WebSocket frames as a server sends them (RFC 6455 section 5.2): whole messages, unmasked. One frame is written to the sockets of many
 * subscribers; `ws` would copy or assemble it for each. Between frames that `ws` writes itself they are safe: without compression and
 * fragments it writes every frame at once. After its close frame none may follow: look at `readyState` first.
 */

export const opcodes = { text: 1, binary: 2 } as const;

export function frameHead(opcode: 1 | 2, payloadBytes: number): Buffer {
  if (payloadBytes < 126) return Buffer.of(0x80 | opcode, payloadBytes);
  if (payloadBytes < 65_536) {
    const head = Buffer.allocUnsafe(4);
    head.writeUInt16BE(((0x80 | opcode) << 8) | 126, 0);
    head.writeUInt16BE(payloadBytes, 2);
    return head;
  }
  const head = Buffer.allocUnsafe(10);
  head.writeUInt16BE(((0x80 | opcode) << 8) | 127, 0);
  head.writeBigUInt64BE(BigInt(payloadBytes), 2);
  return head;
}

export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([frameHead(opcodes.text, payload.length), payload]);
}
