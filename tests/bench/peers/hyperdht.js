// The npm side of a measurement: the same roles, lines and orders as worker.py.
//
//   node hyperdht.js serve NODES          a private network and a server on it
//   node hyperdht.js run BENCH ORDER      one measurement against a server
//
// Each prints JSON lines on stdout and ends when stdin ends.
const DHT = require('hyperdht')
const createTestnet = require('hyperdht/testnet')

const HOST = '127.0.0.1'
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const nowMs = () => Number(process.hrtime.bigint()) / 1e6

function cpuSeconds () {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function serveConnection (connection) {
  let order = null
  let left = 0
  let cpuBefore = 0
  connection.on('error', () => {})
  connection.on('end', () => connection.end())
  connection.on('data', (chunk) => {
    if (order === null) {
      order = JSON.parse(chunk.toString())
      left = order.amount || 0
      cpuBefore = cpuSeconds()
      connection.write(Buffer.from('ready'))
    } else if (order.mode === 'echo') {
      connection.write(chunk)
    } else {
      left -= order.mode === 'bytes' ? chunk.length : 1
      if (left <= 0) {
        const cpu = cpuSeconds() - cpuBefore
        connection.write(Buffer.from(JSON.stringify({ cpu })))
      }
    }
  })
}

async function serve (nodeCount) {
  const testnet = await createTestnet(nodeCount, { host: HOST })
  const dht = new DHT({ bootstrap: testnet.bootstrap, host: HOST })
  const server = dht.createServer(serveConnection)
  await server.listen()
  const topics = []
  for (let i = 0; i < 8; i++) {
    const topic = Buffer.alloc(32, i + 1)
    await dht.announce(topic, server.defaultKeyPair || DHT.keyPair(), []).finished()
    topics.push(topic.toString('hex'))
  }
  say({
    bootstrap: testnet.bootstrap.map((it) => [it.host, it.port]),
    publicKey: server.publicKey.toString('hex'),
    topics
  })
}

function opened (connection) {
  return new Promise((resolve, reject) => {
    connection.once('open', resolve)
    connection.once('error', reject)
  })
}

function nextChunk (connection) {
  return new Promise((resolve) => connection.once('data', resolve))
}

async function open (dht, order, request) {
  const connection = dht.connect(Buffer.from(order.publicKey, 'hex'))
  connection.on('error', () => {})
  await opened(connection)
  const ready = nextChunk(connection)
  connection.write(Buffer.from(JSON.stringify(request)))
  await ready
  return connection
}

const benches = {
  async connect (dht, order) {
    const times = []
    for (let i = 0; i < order.count; i++) {
      const before = nowMs()
      const connection = dht.connect(Buffer.from(order.publicKey, 'hex'))
      connection.on('error', () => {})
      await opened(connection)
      times.push(nowMs() - before)
      const closed = new Promise((resolve) => connection.once('close', resolve))
      connection.destroy()
      await closed
    }
    return { times }
  },

  async coldConnect (_, order) {
    const times = []
    for (let i = 0; i < order.count; i++) {
      const before = nowMs()
      const dht = new DHT({ bootstrap: bootstrapOf(order), host: HOST })
      const connection = dht.connect(Buffer.from(order.publicKey, 'hex'))
      connection.on('error', () => {})
      await opened(connection)
      times.push(nowMs() - before)
      connection.destroy()
      await dht.destroy({ force: true })
    }
    return { times }
  },

  async stream (dht, order) {
    const connection = await open(dht, order, { mode: 'bytes', amount: order.bytes })
    const chunk = Buffer.alloc(order.chunk, 7)
    const answer = nextChunk(connection)
    const cpuBefore = cpuSeconds()
    const before = nowMs()
    for (let sent = 0; sent < order.bytes; sent += chunk.length) {
      if (!connection.write(chunk)) {
        await new Promise((resolve) => connection.once('drain', resolve))
      }
    }
    const { cpu } = JSON.parse((await answer).toString())
    const ms = nowMs() - before
    const sendCpu = cpuSeconds() - cpuBefore
    connection.destroy()
    return { ms, sendCpu, receiveCpu: cpu }
  },

  async pingPong (dht, order) {
    const connection = await open(dht, order, { mode: 'echo' })
    const message = Buffer.alloc(order.size, 7)
    const before = nowMs()
    for (let i = 0; i < order.count; i++) {
      const answer = nextChunk(connection)
      connection.write(message)
      await answer
    }
    const ms = nowMs() - before
    connection.destroy()
    return { ms }
  },

  async oneWay (dht, order) {
    const connection = await open(dht, order, { mode: 'messages', amount: order.count })
    const message = Buffer.alloc(order.size, 7)
    const answer = nextChunk(connection)
    const before = nowMs()
    for (let i = 0; i < order.count; i++) {
      if (!connection.write(message)) {
        await new Promise((resolve) => connection.once('drain', resolve))
      }
    }
    await answer
    const ms = nowMs() - before
    connection.destroy()
    return { ms }
  },

  async lookup (dht, order) {
    const topics = order.topics.map((it) => Buffer.from(it, 'hex'))
    let next = 0
    let found = 0
    const before = nowMs()
    await Promise.all(Array.from({ length: order.parallel }, async () => {
      while (next < order.count) {
        const topic = topics[next++ % topics.length]
        let peers = 0
        for await (const reply of dht.lookup(topic)) peers += reply.peers.length
        if (peers > 0) found++
      }
    }))
    return { ms: nowMs() - before, found }
  },

  async mutable (dht, order) {
    const before = nowMs()
    let found = 0
    for (let i = 0; i < order.count; i++) {
      const keyPair = DHT.keyPair()
      await dht.mutablePut(keyPair, Buffer.from('value ' + i))
      const got = await dht.mutableGet(keyPair.publicKey)
      if (got && got.value.toString() === 'value ' + i) found++
    }
    return { ms: nowMs() - before, found }
  }
}

function bootstrapOf (order) {
  return order.bootstrap.map(([host, port]) => ({ host, port }))
}

async function run (name, order) {
  let dht = null
  if (name !== 'coldConnect') {
    dht = new DHT({ bootstrap: bootstrapOf(order), host: HOST })
    await dht.fullyBootstrapped()
  }
  say(await benches[name](dht, order))
  process.exit(0)
}

process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
const [role, first, second] = process.argv.slice(2)
if (role === 'serve') serve(Number(first))
else run(first, JSON.parse(second))
