// Compact encoding: decode what the other side encoded, and encode it again.

const c = require('compact-encoding')
const bitfield = require('compact-encoding-bitfield')

const CODECS = {
  'array(string)': c.array(c.string),
  'array(ipv4Address)': c.array(c.ipv4Address),
  'bitfield(11)': bitfield(11),
  'frame(uint)': c.frame(c.uint),
  'record(string,uint)': c.record(c.string, c.uint)
}

// Buffers become {"hex": ...} on the way out, so that JSON can carry them.
function plain (value) {
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return { hex: Buffer.from(value).toString('hex') }
  if (typeof value === 'bigint') return { big: value.toString() }
  if (value instanceof Date) return { date: value.getTime() }
  if (Array.isArray(value)) return value.map(plain)
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]))
  }
  return value
}

module.exports = {
  'codec.through' ({ cases }) {
    return cases.map(({ type, hex }) => {
      const codec = CODECS[type] || c[type]
      const value = c.decode(codec, Buffer.from(hex, 'hex'))
      return { value: plain(value), hex: Buffer.from(c.encode(codec, value)).toString('hex') }
    })
  }
}
