// One end of a UDX stream, for the tests of wire compatibility. Started with a JSON
// object: {module, id, remoteId, action, bytes, messages}. Prints JSON lines; reads one
// line {"port": n} with the other end's port on 127.0.0.1.
//
// Actions: send (bytes of a pattern, then end), receive (digest what comes, end when the
// other side ends), echo (everything back, end when the other side ends), destroy (after
// the first data), messages (answer each message with itself, then 'done' ends).

const { createHash } = require('crypto')
const { createInterface } = require('readline')

const options = JSON.parse(process.argv[2])
const UDX = require(options.module)

const udx = new UDX()
const socket = udx.createSocket()
const stream = udx.createStream(options.id)
const digest = createHash('sha256')
let received = 0

function report (event, more = {}) {
  console.log(JSON.stringify({ event, ...more }))
}

const BLOCK = Buffer.from(Array.from({ length: 65536 }, (_, i) => (i * 31 + (i >> 8)) & 255))

function send () {
  const hash = createHash('sha256')
  let offset = 0
  const more = () => {
    while (offset < options.bytes) {
      const chunk = BLOCK.subarray(0, Math.min(BLOCK.length, options.bytes - offset))
      offset += chunk.length
      hash.update(chunk)
      if (!stream.write(chunk)) return stream.once('drain', more)
    }
    stream.end()
    report('sent', { bytes: offset, sha256: hash.digest('hex') })
  }
  more()
}

stream.on('data', (data) => {
  received += data.length
  digest.update(data)
  if (options.action === 'echo') stream.write(data)
  if (options.action === 'destroy') stream.destroy()
})
stream.on('message', (message) => {
  report('message', { hex: message.toString('hex') })
  if (options.action === 'messages') stream.trySend(message)
})
stream.on('end', () => {
  report('end', { bytes: received, sha256: digest.digest('hex'), mtu: stream.mtu })
  if (options.action !== 'send') stream.end()
})
stream.on('error', (error) => report('error', { code: error.code || error.message }))
stream.on('close', async () => {
  report('close', { bytes: received })
  await socket.close()
  process.exit(0)
})

socket.bind(0, '127.0.0.1')
report('listening', { port: socket.address().port })

createInterface({ input: process.stdin }).once('line', (line) => {
  const { port } = JSON.parse(line)
  stream.connect(socket, options.remoteId, port, '127.0.0.1')
  report('connected')
  if (options.action === 'send') send()
  for (const hex of options.messages || []) stream.trySend(Buffer.from(hex, 'hex'))
})
