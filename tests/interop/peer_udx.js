// Raw UDX: a socket of this machine and one stream that sends everything back.

const UDX = require('udx-native')

const udx = new UDX()
const sockets = new Map()
let count = 0

module.exports = {
  'udx.bind' () {
    const name = 'u' + ++count
    const socket = udx.createSocket()
    socket.bind(0, '127.0.0.1')
    sockets.set(name, socket)
    return { socket: name, port: socket.address().port }
  },
  'udx.echo' ({ socket, localId, remoteId, port }, tell) {
    const stream = udx.createStream(localId)
    stream.connect(sockets.get(socket), remoteId, port, '127.0.0.1')
    stream.on('data', (data) => stream.write(data))
    stream.on('end', () => stream.end())
    stream.on('message', (data) => stream.send(data))
    stream.on('error', (error) => tell({ event: 'udx.error', localId, error: String(error.code || error.message) }))
    stream.on('close', () => tell({ event: 'udx.close', localId }))
  },
  async 'udx.unbind' ({ socket }) {
    await sockets.get(socket).close()
  }
}
