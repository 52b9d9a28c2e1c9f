// Secret streams and the channels on them, whatever carries the stream.

const crypto = require('crypto')
const net = require('net')
const SecretStream = require('@hyperswarm/secret-stream')
const Protomux = require('protomux')
const c = require('compact-encoding')

const streams = new Map()
const channels = new Map()
let count = 0

// Names a stream and reports what it does.
//   onData: 'echo' sends everything back and ends when the other side does,
//           'tell' reports each message, 'mux' leaves the messages to Protomux
function keep (stream, onData, tell) {
  const name = 's' + ++count
  streams.set(name, stream)
  stream.on('error', (error) => tell({ event: 'stream.error', stream: name, error: String(error.code || error.message) }))
  stream.on('close', () => tell({ event: 'stream.close', stream: name }))
  if (onData === 'echo') stream.pipe(stream)
  if (onData === 'tell') {
    stream.on('data', (data) => tell({ event: 'stream.data', stream: name, hex: data.toString('hex') }))
    stream.on('end', () => tell({ event: 'stream.end', stream: name }))
  }
  stream.on('message', (data) => {
    if (onData === 'echo') stream.send(data)
    else tell({ event: 'stream.message', stream: name, hex: data.toString('hex') })
  })
  return name
}

function keyPair (seed) {
  return SecretStream.keyPair(seed ? Buffer.from(seed, 'hex') : undefined)
}

function identity (stream) {
  return {
    publicKey: stream.publicKey.toString('hex'),
    remotePublicKey: stream.remotePublicKey && stream.remotePublicKey.toString('hex'),
    hash: stream.handshakeHash.toString('hex'),
    isInitiator: stream.isInitiator
  }
}

function handlers (kinds, name, onMessage, channel, tell) {
  return Array.from({ length: kinds }, (_, kind) => ({
    encoding: c.raw,
    onmessage (message) {
      if (onMessage === 'echo') channel().messages[kind].send(message)
      else tell({ event: 'channel.message', channel: name, kind, hex: message.toString('hex') })
    }
  }))
}

function openChannel (mux, command, tell) {
  const name = 'c' + ++count
  let channel = null
  channel = mux.createChannel({
    protocol: command.protocol,
    id: command.channelId ? Buffer.from(command.channelId, 'hex') : null,
    handshake: c.raw,
    messages: handlers(command.kinds, name, command.onMessage, () => channel, tell),
    onopen (handshake) {
      tell({ event: 'channel.open', channel: name, handshake: handshake ? handshake.toString('hex') : '' })
    },
    onclose (isRemote) {
      tell({ event: 'channel.close', channel: name, isRemote })
    }
  })
  channels.set(name, channel)
  channel.open(Buffer.from(command.handshake || '', 'hex'))
  return name
}

// Sends bytes that follow from the size alone, ends, and reads until the other side
// has ended: what came back must be what was sent.
async function roundTrip (stream, size) {
  const sent = crypto.createHash('sha256')
  const received = crypto.createHash('sha256')
  let bytes = 0
  const done = new Promise((resolve, reject) => {
    stream.on('data', (data) => { received.update(data); bytes += data.byteLength })
    stream.on('end', resolve)
    stream.on('close', () => reject(new Error('closed before the end')))
  })
  const chunk = 60000
  for (let at = 0; at < size; at += chunk) {
    const data = Buffer.alloc(Math.min(chunk, size - at), at / chunk)
    sent.update(data)
    stream.write(data)
  }
  stream.end()
  await done
  return { bytes, sent: sent.digest('hex'), received: received.digest('hex') }
}

module.exports = {
  // A secret stream that carries its own handshake over a TCP connection.
  async 'stream.dial' (command, tell) {
    const socket = net.connect(command.port, '127.0.0.1')
    const stream = new SecretStream(command.initiator, socket, {
      pattern: command.pattern,
      keyPair: keyPair(command.seed),
      remotePublicKey: command.remotePublicKey ? Buffer.from(command.remotePublicKey, 'hex') : undefined
    })
    const name = keep(stream, command.onData, tell)
    if (!(await stream.opened)) throw new Error('the stream did not open')
    return { stream: name, ...identity(stream) }
  },
  'stream.write' ({ stream, hex }) {
    streams.get(stream).write(Buffer.from(hex, 'hex'))
  },
  'stream.send' ({ stream, hex }) {
    streams.get(stream).send(Buffer.from(hex, 'hex'))
  },
  'stream.end' ({ stream }) {
    streams.get(stream).end()
  },
  'stream.destroy' ({ stream }) {
    streams.get(stream).destroy()
  },
  'stream.keepAlive' ({ stream, ms }) {
    streams.get(stream).setKeepAlive(ms)
  },
  'stream.roundTrip' ({ stream, bytes }) {
    return roundTrip(streams.get(stream), bytes)
  },
  'channel.open' (command, tell) {
    const mux = Protomux.from(streams.get(command.stream))
    return openChannel(mux, command, tell)
  },
  'channel.pair' (command, tell) {
    const mux = Protomux.from(streams.get(command.stream))
    mux.pair({ protocol: command.protocol }, (id) => {
      const channelId = id ? id.toString('hex') : ''
      const channel = openChannel(mux, { ...command, channelId }, tell)
      tell({ event: 'channel.paired', channel, channelId })
    })
  },
  'channel.send' ({ channel, kind, items }) {
    const open = channels.get(channel)
    if (items.length > 1) open.cork()
    for (const hex of items) open.messages[kind].send(Buffer.from(hex, 'hex'))
    if (items.length > 1) open.uncork()
  },
  'channel.close' ({ channel }) {
    channels.get(channel).close()
  }
}

Object.defineProperty(module.exports, 'helpers', { value: { keep, identity, streams } })
