import { isIP } from 'node:net';
import { connect, createSecureContext, type SecureContext } from 'node:tls';
import { CallCredentials, ChannelCredentials, type ChannelOptions, credentials, type experimental } from '@grpc/grpc-js';
import type { PemTexts } from '../core/pem-files.ts';
import type { TritonAddress } from './triton-address.ts';

/** Undefined where the server is asked without TLS. Throws for PEM that is none. */
export function secureContext({ tls }: TritonAddress, texts: PemTexts = {}): SecureContext | undefined {
  return tls ? createSecureContext({ ...texts }) : undefined;
}

/** How a server is asked who it is: by its name, or by its address where the configuration has no name. Throws for PEM that is none. */
export function channelCredentials(address: TritonAddress, texts: PemTexts = {}): ChannelCredentials {
  const context = secureContext(address, texts);
  if (context === undefined) return credentials.createInsecure();
  return isIP(address.host) === 0
    ? credentials.createFromSecureContext(context)
    : new AddressCredentials(context, address.host);
}

/**
 * TLS to an address. The library's own credentials send an address as the server's name, which RFC 6066 section 3 forbids and Node.js
 * warns of (DEP0123); here no name is sent, and the certificate must be for the address.
 */
class AddressCredentials extends ChannelCredentials {
  readonly #context: SecureContext;
  readonly #host: string;

  constructor(context: SecureContext, host: string) {
    super();
    this.#context = context;
    this.#host = host;
  }

  _isSecure(): boolean {
    return true;
  }

  _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  _createSecureConnector(
    _target: unknown,
    _options: ChannelOptions,
    callCredentials?: CallCredentials,
  ): experimental.SecureConnector {
    const [secureContext, host] = [this.#context, this.#host];
    return {
      connect: (socket) =>
        new Promise((resolve, reject) => {
          const secured = connect({ socket, secureContext, host, ALPNProtocols: ['h2'] });
          secured.once('secureConnect', () => resolve({ socket: secured, secure: true }));
          secured.on('error', reject);
        }),
      waitForReady: async () => {},
      getCallCredentials: () => callCredentials ?? CallCredentials.createEmpty(),
      destroy: () => {},
    };
  }
}
