// Noise handshakes without a stream: one message at a time.

const Noise = require('noise-handshake')
const curve = require('noise-curve-ed')

const sides = new Map()
let count = 0

function bytes (hex) {
  return hex ? Buffer.from(hex, 'hex') : undefined
}

module.exports = {
  'noise.start' ({ pattern, initiator, seed, remotePublicKey, prologue, psk }) {
    const name = 'h' + ++count
    const side = new Noise(pattern, initiator, curve.generateKeyPair(bytes(seed)), { curve, psk: bytes(psk) })
    side.initialise(bytes(prologue) || Buffer.alloc(0), bytes(remotePublicKey))
    sides.set(name, side)
    return name
  },
  'noise.send' ({ side, payload }) {
    return sides.get(side).send(Buffer.from(payload, 'hex')).toString('hex')
  },
  'noise.receive' ({ side, message }) {
    return sides.get(side).recv(bytes(message)).toString('hex')
  },
  'noise.result' ({ side }) {
    const { complete, tx, rx, hash, rs } = sides.get(side)
    if (!complete) throw new Error('the handshake is not complete')
    return {
      tx: tx.toString('hex'),
      rx: rx.toString('hex'),
      hash: hash.toString('hex'),
      remotePublicKey: rs ? rs.toString('hex') : ''
    }
  }
}
