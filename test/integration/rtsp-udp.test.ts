import assert from 'node:assert/strict';
import { createSocket, Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { pacing } from '../../src/media/rtsp-udp.ts';
import { ManualClock } from '../support/clock.ts';
import { connectRtsp, depacketise, type RtspClient, type RtspPacket } from '../support/rtsp-client.ts';
import { house, play } from '../support/rtsp-house.ts';
import { until } from '../support/until.ts';

interface Ports extends Disposable {
  readonly header: { readonly Transport: string };
  /** Channel 0 is RTP, 1 is RTCP. */
  readonly packets: readonly (RtspPacket & { readonly port: number })[];
  /** From the RTCP port. */
  report(port: number): void;
  /** Once all that was sent to both ports before is in `packets`. */
  settled(): Promise<void>;
}

async function openPorts(): Promise<Ports> {
  const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
  const packets: (RtspPacket & { port: number })[] = [];
  const ports: number[] = [];
  // Of ours, to ourselves: what comes to a port comes in the order in which it was sent.
  const marker = createSocket('udp4');
  let marks = 0;
  for (const [channel, socket] of sockets.entries()) {
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    ports.push(socket.address().port);
    socket.on('message', (bytes, { port }) => {
      if (bytes.length === 1) marks += 1;
      else packets.push({ channel, bytes, port });
    });
  }
  return {
    header: { Transport: `RTP/AVP;unicast;client_port=${ports.join('-')}` },
    packets,
    settled: async () => {
      const goal = marks + ports.length;
      for (const port of ports) marker.send(Buffer.of(0), port, '127.0.0.1');
      await until('all that was sent', () => marks === goal);
    },
    report: (port) => sockets[1].send(Buffer.from('80c9000100000001', 'hex'), port, '127.0.0.1'),
    [Symbol.dispose]() {
      for (const socket of [...sockets, marker]) socket.close();
    },
  };
}

const rtcpPort = (packets: Ports['packets']) => packets.find(({ channel }) => channel === 1)?.port ?? 0;

describe('rtp over udp', () => {
  it('sends the pictures to the ports of the client, and the report first, from an even port and the next', async () => {
    await using home = await house();
    using ports = await openPorts();
    using client = await connectRtsp(home.server.port);
    await play(client, home.url, ports.header);
    const sent = [home.frame(true), home.frame(false)];
    await until('two pictures', () => depacketise(ports.packets).length >= 4);
    assert.deepEqual(
      depacketise(ports.packets)
        .slice(2)
        .map(({ nal }) => Uint8Array.from(nal)),
      sent,
    );
    const [rtp] = ports.packets.filter(({ channel }) => channel === 0);
    assert.equal((rtp?.port ?? 1) % 2, 0);
    await until('a report', () => rtcpPort(ports.packets) === (rtp?.port ?? 0) + 1);
    assert.equal(client.packets.length, 0, 'nothing inside the connection');
    client[Symbol.dispose]();
    await until('the session has ended with its connection', () => home.stream.readers === 0);
  });

  it('does not send a large picture in one burst, nor the next before it', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using ports = await openPorts();
    using client = await connectRtsp(home.server.port);
    await play(client, home.url, ports.header);
    const rtp = () => ports.packets.filter(({ channel }) => channel === 0);
    home.frame(true, 140_000);
    home.frame(false, 100);
    await until('a burst', () => rtp().length >= pacing.burstPackets);
    await ports.settled();
    assert.equal(rtp().length, pacing.burstPackets);
    await clock.advance(1);
    await until('some more', () => rtp().length >= pacing.burstPackets + pacing.packetsPerMs);
    await ports.settled();
    assert.equal(rtp().length, pacing.burstPackets + pacing.packetsPerMs);
    for (let ms = 0; ms < 12; ms++) await clock.advance(1);
    await until('all', () => rtp().at(-1)?.bytes.length === 112);
    const numbers = rtp().map(({ bytes }) => bytes.readUInt16BE(2));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => ((numbers[0] ?? 0) + index) % 65_536),
    );
  });

  it('sends nothing more of a picture to the last client when it leaves in the midst of one', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using ports = await openPorts();
    for (const leaves of ['TEARDOWN', 'at once'] as const) {
      using client = await connectRtsp(home.server.port);
      const pictures = () => ports.packets.filter(({ channel }) => channel === 0).length;
      const before = pictures();
      home.frame(true, 140_000);
      const session = await play(client, home.url, ports.header);
      await until('a burst', () => pictures() >= before + pacing.burstPackets);
      if (leaves === 'TEARDOWN') assert.equal((await client.request('TEARDOWN', home.url, session)).status, 200);
      else client.socket.destroy();
      await until('nobody reads', () => home.stream.readers === 0);
      await ports.settled();
      const sent = ports.packets.length;
      await clock.advance(20);
      home.frame(true, 140_000);
      await clock.advance(20);
      await ports.settled();
      assert.equal(ports.packets.length, sent, leaves);
    }
  });

  it('gives the system no more than it takes, and goes on when it does', async (context) => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using ports = await openPorts();
    using client = await connectRtsp(home.server.port);
    await play(client, home.url, ports.header);
    const stuck = context.mock.method(UdpSocket.prototype, 'getSendQueueSize', () => 2 ** 21);
    const sends = context.mock.method(UdpSocket.prototype, 'send');
    for (let count = 0; count < 200; count++) {
      home.frame(count % 50 === 0, 100_000);
      await clock.advance(40);
    }
    assert.equal(sends.mock.callCount(), 0);
    const dropped = /sightline_rtsp_units_dropped_total{[^}]*} (\d+)/.exec(await home.ctx.metrics.registry.metrics());
    assert.ok(Number(dropped?.[1]) > 100, 'what does not fit is lost and counted');
    stuck.mock.restore();
    sends.mock.restore();
    home.frame(true, 100);
    for (let ms = 0; ms < 2000; ms += 20) await clock.advance(20);
    await until('packets again', () => depacketise(ports.packets).length > 2);
  });

  it('ends clients that have fallen silent, and keeps those alive that report or ask', async () => {
    const clock = new ManualClock();
    await using home = await house({ clock });
    using silent = await openPorts();
    using reporting = await openPorts();
    using asking = await openPorts();
    const clients: { readonly client: RtspClient; readonly session: Readonly<Record<string, string>> }[] = [];
    for (const { header } of [silent, reporting, asking]) {
      const client = await connectRtsp(home.server.port);
      clients.push({ client, session: await play(client, home.url, header) });
    }
    home.frame(true);
    await until('all have a report', () => [silent, reporting, asking].every(({ packets }) => rtcpPort(packets) > 0));
    for (let step = 0; step < 16; step++) {
      await clock.advance(5000);
      if (step % 4 !== 0) continue;
      reporting.report(rtcpPort(reporting.packets));
      const last: (typeof clients)[number] | undefined = clients[2];
      assert.equal((await last?.client.request('GET_PARAMETER', home.url, last.session))?.status, 200);
    }
    await until('one is gone', () => home.server.readers === 2);
    assert.deepEqual(
      clients.map(({ client }) => client.closed),
      [true, false, false],
    );
    for (const { client } of clients) client[Symbol.dispose]();
  });

  it('can be off', async () => {
    await using home = await house({ udp: false });
    using client = await connectRtsp(home.server.port);
    const setup = await client.request('SETUP', `${home.url}/trackID=0`, {
      Transport: 'RTP/AVP;unicast;client_port=5000-5001',
    });
    assert.equal(setup.status, 461);
  });
});
