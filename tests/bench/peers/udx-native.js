// The npm side of the raw UDX measurements; see ../udx_worker.py for roles and lines.

const UDX = require('udx-native')

const HOST = '127.0.0.1'
const [role, bench, text] = process.argv.slice(2)
const udx = new UDX()
const socket = udx.createSocket()
socket.bind(0, HOST)

const say = (value) => console.log(JSON.stringify(value))
const cpu = () => { const it = process.cpuUsage(); return (it.user + it.system) / 1e6 }
const now = () => Number(process.hrtime.bigint()) / 1e6

if (role === 'serve') {
  let mode = 0
  let cpuBefore = 0
  let connected = false
  const stream = udx.createStream(2, {
    firewall (from, port, host) {
      if (!connected) {
        connected = true
        stream.connect(socket, 1, port, host)
      }
      return true
    }
  })
  stream.on('data', (data) => {
    if (!mode) {
      mode = data[0]
      data = data.subarray(9)
      cpuBefore = cpu()
    }
    if (mode === 101 && data.length) stream.write(data)
  })
  stream.on('message', (message) => stream.trySend(message))
  stream.on('end', () => {
    stream.end(Buffer.from(JSON.stringify({ cpu: cpu() - cpuBefore })))
  })
  stream.on('error', () => {})
  say({ port: socket.address().port })
} else {
  const order = JSON.parse(text)
  const stream = udx.createStream(1)
  stream.connect(socket, 2, order.port, HOST)
  stream.on('error', () => {})
  const before = now()
  if (bench === 'stream') {
    const chunk = Buffer.alloc(order.chunk)
    const received = []
    const cpuBefore = cpu()
    let left = order.bytes
    const head = Buffer.alloc(9)
    head[0] = 98
    stream.write(head)
    const fill = () => {
      while (left > 0) {
        left -= chunk.length
        if (!stream.write(chunk)) return stream.once('drain', fill)
      }
      stream.end()
    }
    stream.on('data', (data) => received.push(data))
    stream.on('end', () => {
      say({ ms: now() - before, sendCpu: cpu() - cpuBefore, receiveCpu: JSON.parse(Buffer.concat(received)).cpu })
    })
    fill()
  } else if (bench === 'pingPong') {
    const ping = Buffer.alloc(order.size)
    let left = order.count
    let size = 0
    stream.on('data', (data) => {
      size += data.length
      if (size < ping.length) return
      size = 0
      if (--left) stream.write(ping)
      else say({ ms: now() - before })
    })
    const head = Buffer.alloc(9)
    head[0] = 101
    stream.write(Buffer.concat([head, ping]))
  } else {
    const message = Buffer.alloc(order.size)
    let returned = 0
    stream.on('message', () => {
      returned++
      if (returned + order.window <= order.count) stream.trySend(message)
      if (returned === order.count) say({ ms: now() - before })
    })
    // The other end connects when the stream's first packet comes.
    stream.write(Buffer.from([101, 0, 0, 0, 0, 0, 0, 0, 0, 1]))
    stream.once('data', () => {
      for (let i = 0; i < order.window; i++) stream.trySend(message)
    })
  }
}

process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
