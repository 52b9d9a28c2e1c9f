// One role of npm's in the lab, as the command line of Covey would play it.
//
//   npm_role.js dht PORT HOST...         nodes; the first one is the bootstrap node
//   npm_role.js listen BOOTSTRAP SEED    sends back what comes
//   npm_role.js connect BOOTSTRAP KEY    joins the stream with stdin and stdout
//
// First a line of JSON. BOOTSTRAP is host:port, SEED and KEY are hex.

const DHT = require('hyperdht')

function tell (what) {
  process.stdout.write(JSON.stringify(what) + '\n')
}

function enter (bootstrap) {
  const [host, port] = bootstrap.split(':')
  return new DHT({ bootstrap: [{ host, port: Number(port) }], port: 0 })
}

const roles = {
  async dht (port, ...hosts) {
    const first = DHT.bootstrapper(Number(port), hosts[0], { host: hosts[0] })
    const nodes = [first]
    for (const host of hosts.slice(1)) {
      nodes.push(new DHT({
        bootstrap: [{ host: hosts[0], port: Number(port) }],
        host,
        port: Number(port),
        ephemeral: false,
        firewalled: false
      }))
    }
    for (const node of nodes) await node.fullyBootstrapped()
    tell({ event: 'ready', host: hosts[0], port: Number(port) })
  },
  async listen (bootstrap, seed) {
    const node = enter(bootstrap)
    const server = node.createServer((stream) => {
      stream.on('error', () => {})
      stream.pipe(stream)
    })
    await server.listen(DHT.keyPair(Buffer.from(seed, 'hex')))
    tell({ event: 'listening', publicKey: server.publicKey.toString('hex') })
  },
  async connect (bootstrap, key) {
    const node = enter(bootstrap)
    await node.fullyBootstrapped()
    const began = performance.now()
    const stream = node.connect(Buffer.from(key, 'hex'))
    await new Promise((resolve, reject) => {
      stream.once('open', resolve)
      stream.once('error', reject)
    })
    const raw = stream.rawStream
    tell({
      event: 'open',
      ms: Math.round((performance.now() - began) * 100) / 100,
      remoteAddress: raw.remoteHost + ':' + raw.remotePort
    })
    process.stdin.on('data', (data) => stream.write(data))
    process.stdin.on('end', () => stream.end())
    stream.on('data', (data) => process.stdout.write(data))
    await new Promise((resolve) => stream.once('close', resolve))
    await node.destroy()
  }
}

const [role, ...rest] = process.argv.slice(2)
process.on('SIGTERM', () => process.exit(0))
roles[role](...rest).catch((error) => {
  process.stderr.write(String(error.code || error.message) + '\n')
  process.exit(1)
})
