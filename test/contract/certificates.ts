import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A CA with a server's certificate for 127.0.0.1 and a client's, in PEM files that openssl makes. */
export interface Certificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
  remove(): Promise<void>;
}

export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), 'pgcm-tls-'));
  const file = (name: string): string => join(folder, name);
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=test CA', '-keyout', file('ca.key'), '-out', file('ca.crt')],
  ]);
  await sign('server', 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth');
  await sign('client', 'extendedKeyUsage=clientAuth');
  return {
    ca: file('ca.crt'),
    serverCert: file('server.crt'),
    serverKey: file('server.key'),
    clientCert: file('client.crt'),
    clientKey: file('client.key'),
    remove: () => rm(folder, { recursive: true, force: true }),
  };

  async function sign(name: string, extensions: string): Promise<void> {
    await run('openssl', [
      ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)],
    ]);
    await writeFile(file(`${name}.ext`), extensions);
    await run('openssl', [
      ...['x509', '-req', '-in', file(`${name}.csr`), '-days', '2', '-extfile', file(`${name}.ext`)],
      ...['-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial', '-out', file(`${name}.crt`)],
    ]);
  }
}

/** The client's part, as the etcd client takes it. */
export async function clientTls(
  certificates: Certificates,
): Promise<{ ca: Buffer; cert: Buffer; key: Buffer }> {
  const [ca, cert, key] = await Promise.all([
    readFile(certificates.ca),
    readFile(certificates.clientCert),
    readFile(certificates.clientKey),
  ]);
  return { ca, cert, key };
}
