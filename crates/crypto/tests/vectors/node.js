// Writes node.json: values in the platform's two encrypted forms, encrypted by node's crypto.
// Run: node tests/vectors/node.js > tests/vectors/node.json   (fixed vectors: every run gives the same)
const crypto = require('node:crypto');

const KEY = 'vector-Zk3q9X7w1B5n8M2c4V6t-ours-only-ümlaut';
const TEXTS = ['', 'a', 'short', '0123456789abcde', '0123456789abcdef', 'grüße-token ☃ 🔑', 'ya29.' + 'a0b1_-'.repeat(60)];

const vector = (label) => crypto.createHash('sha256').update(label).digest().subarray(0, 16);

function cbc(text) {
  const iv = vector(`cbc ${text}`);
  const cipher = crypto.createCipheriv('aes-256-cbc', KEY.slice(0, 32), iv);
  return `${iv.toString('hex')}:${cipher.update(text, 'utf8', 'hex')}${cipher.final('hex')}`;
}

function gcm(text) {
  const iv = vector(`gcm ${text}`);
  const key = crypto.createHash('sha256').update(KEY).digest();
  const cipher = crypto.createCipheriv('aes-256-gcm', key, iv);
  const encrypted = cipher.update(text, 'utf8', 'hex') + cipher.final('hex');
  return `${iv.toString('hex')}:${cipher.getAuthTag().toString('hex')}:${encrypted}`;
}

const values = TEXTS.map((plain) => ({ plain, cbc: cbc(plain), gcm: gcm(plain) }));
console.log(JSON.stringify({ key: KEY, values }, null, 1));
