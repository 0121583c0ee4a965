// Writes vectors of docs/envelope-format.md: a second implementation of the envelope and the blind index, in another language.
// Run: node tests/vectors/envelope.js
const crypto = require('node:crypto');

const MASTER = Buffer.from('r7ssH3mFNSYnDxUbXIOpkZhKf8nlDX3uy1cfB9y-Ick', 'base64url');
const KEY_ID = 'vector-1';
const SALT = Buffer.from([...Array(32).keys()]);
const PLACE = ['GA4Connection', 'accessToken', 'cmwt6ln8p00xjeg7dn14141ug', 'cmwt6lm8x0005eg7d8vcigauj'];

const hmac = (key, ...parts) => parts.reduce((mac, part) => mac.update(part), crypto.createHmac('sha256', key)).digest();

/** HKDF-Expand to one block. */
const expand = (prk, ...info) => hmac(prk, ...info, Buffer.from([1]));

function fields(...texts) {
  return Buffer.concat(texts.flatMap((text) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(Buffer.byteLength(text)));
    return [length, Buffer.from(text)];
  }));
}

const prk = hmac('rylie-crypto 1', MASTER);
const key = expand(prk, 'rylie1seal', SALT, KEY_ID);
const commitment = crypto.createHash('sha256').update('rylie1commit').update(key).digest();
const aad = fields('rylie1', KEY_ID, ...PLACE);

function seal(text, block = 1) {
  const secret = Buffer.from(text);
  const frame = Buffer.alloc(Math.ceil((secret.length + 1) / block) * block);
  secret.copy(frame);
  frame[secret.length] = 0x80;
  const cipher = crypto.createCipheriv('aes-256-gcm', key, Buffer.alloc(12)).setAAD(aad);
  const payload = [SALT, commitment, cipher.update(frame), cipher.final(), cipher.getAuthTag()];
  return `rylie1.${KEY_ID}.${Buffer.concat(payload).toString('base64url')}`;
}

function fingerprint(value) {
  const indexKey = expand(prk, 'rylie1index', fields(KEY_ID, 'User', 'apiKey', 'exact'));
  return `ryidx1.${KEY_ID}.${hmac(indexKey, value).toString('base64url')}`;
}

for (const [name, bytes] of Object.entries({ prk, key, commitment, aad })) {
  console.log(name, bytes.toString('hex'));
}
console.log([seal('ya29.example'), seal(''), seal('grüße', 64), fingerprint('key-1')].join('\n'));
