import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTritonUrl } from '../../src/core/triton-url.ts';
import { addressesOf, addressText, grpcTarget } from '../../src/inference/triton-address.ts';

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

  it('are the IPv4 addresses of a name, or its IPv6 addresses', () => {
    const url = parseTritonUrl('grpcs://triton:8001');
    const both = addressesOf(url, ['::1', '10.0.0.2', '10.0.0.1', '10.0.0.2']);
    assert.deepEqual(both.map(addressText), ['10.0.0.1:8001', '10.0.0.2:8001']);
    assert.deepEqual(both.map(grpcTarget), ['ipv4:10.0.0.1:8001', 'ipv4:10.0.0.2:8001']);
    const six = addressesOf(url, ['::1']);
    assert.deepEqual([six.map(addressText), six.map(grpcTarget)], [['[::1]:8001'], ['ipv6:[::1]:8001']]);
  });
});
