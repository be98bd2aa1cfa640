import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { describe, it } from 'node:test';
import { pagesAt } from '../../src/http/auth/start.ts';

describe('the address of the pages', () => {
  const at = (host: string, isSecure = false, publicUrl?: string) =>
    pagesAt({ address: { host, port: 8080 }, isSecure, publicUrl });

  it('is what the server listens on', () => {
    assert.equal(at('127.0.0.1'), 'http://127.0.0.1:8080');
    assert.equal(at('fd00::7', true), 'https://[fd00::7]:8080');
  });

  it('of a server on all addresses is the name of the machine', () => {
    for (const host of ['0.0.0.0', '::']) assert.equal(at(host), `http://${hostname()}:8080`);
  });

  it('is what the configuration says, where it does', () => {
    assert.equal(at('0.0.0.0', false, 'https://cam.example'), 'https://cam.example');
    assert.equal(at('127.0.0.1', true, 'https://cam.example:8443/'), 'https://cam.example:8443');
  });
});
