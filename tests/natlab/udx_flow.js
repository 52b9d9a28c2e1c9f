// The npm counterpart of udx_flow.py: same option object (with the module's path), same
// report lines.

const options = JSON.parse(process.argv[2])
const UDX = require(options.module)

const udx = new UDX()
const socket = udx.createSocket()
socket.bind(options.port, options.host)
const stream = udx.createStream(options.id)
stream.connect(socket, options.remoteId, options.remotePort, options.remoteHost)

let bytes = 0
stream.on('data', (data) => { bytes += data.length })
stream.on('error', () => {})

if (options.role === 'send') {
  const chunk = Buffer.alloc(65536)
  const fill = () => {
    while (stream.write(chunk)) ;
    stream.once('drain', fill)
  }
  fill()
}
setInterval(() => {
  console.log(JSON.stringify({
    at: Date.now() / 1000, bytes, rtt: stream.rtt / 1000, minRtt: null, resent: stream.retransmits, mode: stream.bbrState, cwnd: stream.cwnd
  }))
}, 250)
setTimeout(() => process.exit(0), options.seconds * 1000)
