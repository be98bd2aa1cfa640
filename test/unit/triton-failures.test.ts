import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  awayReason,
  BadAnswer,
  type FailureKind,
  failureKind,
  firstLine,
  givenUp,
  inferenceError,
  TritonStatus,
} from '../../src/inference/triton-failures.ts';

/** Status, text as Triton 2.51 and grpc-js 1.14 say it, and what follows from it. */
const said: readonly (readonly [number, string, FailureKind])[] = [
  [14, '[request id: <id_unknown>] Exceeds maximum queue size', 'full'],
  [14, 'Request timeout expired', 'shed'],
  [14, 'Server exiting', 'server'],
  [14, 'Server not ready', 'server'],
  [14, 'GRPC server is shutting down and has stopped accepting new requests.', 'server'],
  [14, "Request for unknown model: 'm' version 1 is not at ready state", 'model'],
  [14, 'This protocol is restricted, expecting header "triton-grpc-protocol-key"', 'refused'],
  [14, 'explicit model load / unload is not allowed if polling is enabled', 'refused'],
  [14, 'No connection established. Last error: connect ECONNREFUSED 127.0.0.1:8001', 'server'],
  [14, 'Connection dropped', 'server'],
  [14, 'HTTP 503', 'server'],
  [14, 'HTTP 429', 'full'],
  [14, 'failing on demand with UNAVAILABLE', 'broken'],
  [5, "Request for unknown model: 'm' is not found", 'model'],
  [5, "Request for unknown model: 'm' has no available versions", 'model'],
  [5, "Unable to find shared memory region: 'x'", 'no-region'],
  [13, "Stub process 'm_0_0' is not healthy.", 'dead-model'],
  [13, 'Failed to process the request(s) for model instance', 'broken'],
  [13, 'Received RST_STREAM with code 2', 'reset'],
  [13, 'Received RST_STREAM with code 2, no status', 'reset'],
  [14, 'the server refused the stream', 'reset'],
  [14, 'Stream refused by server', 'reset'],
  [1, 'the server cancelled the call', 'reset'],
  [3, "unexpected shape for input 'x' for model 'm'", 'refused'],
  [12, "ModelInfer RPC doesn't support models with decoupled transaction policy", 'refused'],
  [8, 'the server asks for fewer calls', 'full'],
  [8, 'Received message larger than max (9 vs 8)', 'refused'],
  [4, 'Deadline exceeded', 'late'],
  [1, 'upstream request cancelled', 'reset'],
  [2, 'anything', 'broken'],
];

/** What is said of connections that cannot be made, by ours on Node 24 and by grpc-js 1.14, and what becomes of it. */
const grpcJs = (error: string) => `No connection established. Last error: ${error}. Resolution note: `;
const closed =
  'the connection was closed at once: the server may want TLS (grpcs://) or a certificate that it trusts (inference.certFile), or this is not its gRPC port';
const noTls = 'TLS failed: what answers does not speak TLS; without it inference.url has no grpcs://';
const stranger =
  "TLS failed: no known authority has signed the server's certificate; inference.caFile must hold the one that did";
const otherName =
  "TLS failed: the server's certificate is for DNS:localhost, IP Address:127.0.0.1, not for elsewhere.test, which inference.url names";
const altNames =
  "Hostname/IP does not match certificate's altnames: Host: elsewhere.test. is not in the cert's altnames: DNS:localhost, IP Address:127.0.0.1";
const wrongVersion =
  '40BDE269B27F0000:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/openssl/openssl/ssl/record/methods/tlsany_meth.c:77:\n';
const connections: readonly (readonly [string, string])[] = [
  ['no connection: connect ECONNREFUSED 127.0.0.1:8001', 'connect ECONNREFUSED 127.0.0.1:8001'],
  ['no connection: self-signed certificate in certificate chain', stranger],
  ['no connection: unable to verify the first certificate', stranger],
  [`no connection: ${altNames}`, otherName],
  ['no connection: certificate has expired', "TLS failed: the server's certificate has expired"],
  [`no connection: ${wrongVersion}`, noTls],
  ['no connection: Client network socket disconnected before secure TLS connection was established', closed],
  [
    'no connection: connect EMFILE 10.0.0.7:8001 - Local (undefined:undefined)',
    'no file descriptors are left; raise the limit (LimitNOFILE, ulimit -n)',
  ],
  [
    'no connection: Protocol error',
    'what answers does not speak gRPC: is this its gRPC port (8001 unless set; 8000 is HTTP, 8002 metrics)',
  ],
  ['no connection', closed],
  ['connection lost: read ECONNRESET', 'unavailable: connection lost: read ECONNRESET'],
  ['Server exiting', 'unavailable: Server exiting'],
  [grpcJs('Error: connect ECONNREFUSED 127.0.0.1:8001'), 'connect ECONNREFUSED 127.0.0.1:8001'],
  [grpcJs('Error: self-signed certificate in certificate chain'), stranger],
  [grpcJs(`Error [ERR_TLS_CERT_ALTNAME_INVALID]: ${altNames}`), otherName],
  [grpcJs(`Error: ${wrongVersion}`), noTls],
  [grpcJs('Failed to connect (2026-11-22T17:52:33.718Z)'), closed],
  [grpcJs('read ECONNRESET (2026-11-22T17:52:33.718Z)'), 'read ECONNRESET'],
];

describe('failures of Triton', () => {
  for (const [status, text, kind] of said) {
    it(`${text.slice(0, 60)} (${status}) is ${kind}`, () => assert.equal(failureKind(new TritonStatus(status, text)), kind));
  }

  it('that cannot be read are the server’s', () => {
    assert.equal(failureKind(new BadAnswer('the server’s answer cannot be read: it ends within a number')), 'broken');
    assert.equal(
      inferenceError(new BadAnswer('its answer is not as described'), 'm', '10.0.0.7:8001').message,
      'm failed on 10.0.0.7:8001: its answer is not as described',
    );
  });

  for (const [text, reason] of connections) {
    it(`of ${text.slice(0, 60)}: ${reason.slice(0, 40)}`, () => assert.equal(awayReason(new TritonStatus(14, text)), reason));
  }

  it('reach whoever asked in the first line of the server’s words', () => {
    const stack = 'RuntimeError: out of memory\n\nAt:\n  /models/m/1/model.py(12): execute\n';
    const error = inferenceError(new TritonStatus(13, stack), 'm', '10.0.0.7:8001');
    assert.equal(error.code, 'inference.failed');
    assert.equal(error.message, 'm failed on 10.0.0.7:8001: internal: RuntimeError: out of memory');
    assert.equal(firstLine(`${'x'.repeat(2000)}`).length, 500);
    assert.match(
      inferenceError(new TritonStatus(8, 'Received message larger than max (9 vs. 8)'), 'm', 's').message,
      /receive limit/,
    );
  });

  it('after the last try tell a request that failed from servers that were not there', () => {
    assert.equal(givenUp(new TritonStatus(13, 'failing on demand'), 'm', 's').code, 'inference.failed');
    assert.equal(givenUp(new TritonStatus(14, 'Server exiting'), 'm', 's').code, 'inference.unavailable');
    assert.equal(givenUp(new TritonStatus(14, 'the server refused the stream'), 'm', 's').code, 'inference.unavailable');
    assert.equal(
      givenUp(new TritonStatus(5, "Request for unknown model: 'm' is not found"), 'm', 's').code,
      'inference.unavailable',
    );
  });
});
