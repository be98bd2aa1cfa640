import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTritonUrl } from '../../src/core/triton-url.ts';
import { addressesInUse, addressesOf, addressText, grpcTarget, type SeenAddress } from '../../src/inference/triton-address.ts';

describe('addresses of Triton servers', () => {
  it('are read with and without scheme and port', () => {
    assert.deepEqual(parseTritonUrl('triton.local'), { host: 'triton.local', port: 8001, tls: false });
    assert.deepEqual(parseTritonUrl('10.0.0.7:9001'), { host: '10.0.0.7', port: 9001, tls: false });
    assert.deepEqual(parseTritonUrl('grpc://triton:8001/'), { host: 'triton', port: 8001, tls: false });
    assert.deepEqual(parseTritonUrl('my_triton.xn--trit-5qa.example.:8001').host, 'my_triton.xn--trit-5qa.example.');
    assert.deepEqual(parseTritonUrl('grpcs://[fd00::7]:443'), { host: 'fd00::7', port: 443, tls: true });
  });

  for (const text of [
    '',
    'http://triton:8000',
    'triton:0',
    'triton:99999',
    '::1',
    '[triton]:1',
    'a b',
    'triton:8001/v2',
    '8001',
    '10.0.7',
    '10.0.0.256:8001',
    'tritön:8001',
    'tri\u0000ton:8001',
    'tri%0aton:8001',
    'a..b:8001',
    '[fe80::1%eth0]:8001',
    `${'a'.repeat(64)}:8001`,
    `${'a.'.repeat(130)}b:8001`,
  ])
    it(`refuse ${JSON.stringify(text)}`, () => assert.throws(() => parseTritonUrl(text), { code: 'config.invalid' }));

  it('show no password that does not belong there', () => {
    assert.throws(
      () => parseTritonUrl('grpc://user:hunter2@triton:8001'),
      (error: Error) => !error.message.includes('hunter2'),
    );
  });

  const url = parseTritonUrl('grpcs://triton:8001');

  it('are those of a name, IPv4 first', () => {
    const both = addressesOf(url, ['::1', '10.0.0.2', '10.0.0.1', '10.0.0.2']);
    assert.deepEqual(both.map(addressText), ['10.0.0.1:8001', '10.0.0.2:8001', '[::1]:8001']);
    assert.deepEqual(both.map(grpcTarget), ['ipv4:10.0.0.1:8001', 'ipv4:10.0.0.2:8001', 'ipv6:[::1]:8001']);
  });

  const away = (askedMs: number): SeenAddress => ({ askedMs });
  const up = (upMs: number): SeenAddress => ({ askedMs: upMs, upMs });
  const [four, six, all] = [['10.0.0.1'], ['fd00::1', 'fd00::2'], ['10.0.0.1', 'fd00::1', 'fd00::2']];
  const cases: readonly (readonly [what: string, seen: Readonly<Record<string, SeenAddress>>, used: readonly string[]])[] = [
    ['all while none was asked', {}, all],
    ['all while nobody answers', { '10.0.0.1': away(5), 'fd00::1': away(5), 'fd00::2': away(5) }, all],
    ['of IPv4 where both answer', { '10.0.0.1': up(9), 'fd00::1': up(5) }, four],
    ['all while IPv4 was not asked since IPv6 answers', { '10.0.0.1': away(4), 'fd00::1': up(5) }, all],
    ['of IPv6 once IPv4 was asked since in vain', { '10.0.0.1': away(6), 'fd00::1': away(7), 'fd00::2': up(5) }, six],
    ['of IPv6 as long as it answers', { 'fd00::1': up(5), '10.0.0.1': away(6) }, six],
  ];
  for (const [what, seen, used] of cases)
    it(`that are servers, of a name with both families, are ${what}`, () => {
      const addresses = addressesOf(url, all);
      assert.deepEqual(
        addressesInUse(addresses, ({ ip }) => seen[ip]).map(({ ip }) => ip),
        used,
      );
    });

  it('that are servers are all of a name with one family', () => {
    for (const ips of [['10.0.0.1', '10.0.0.2'], six])
      assert.deepEqual(
        addressesInUse(addressesOf(url, ips), () => undefined).map(({ ip }) => ip),
        ips,
      );
  });
});
