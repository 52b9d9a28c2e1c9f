// The HyperDHT and Hyperswarm side: nodes, records, servers, connections, topics.

const DHT = require('hyperdht')
const Hyperswarm = require('hyperswarm')
const createTestnet = require('hyperdht/testnet')
const { keep, identity } = require('./peer_streams').helpers

const HANDSHAKE = 0
const HOLEPUNCH = 1
const LOCAL = '127.0.0.1'

const nodes = new Map()
const swarms = new Map()
const servers = new Map()
const testnets = []
let count = 0

function bytes (hex) {
  return hex === undefined || hex === null ? null : Buffer.from(hex, 'hex')
}

function hex (buffer) {
  return buffer ? buffer.toString('hex') : null
}

function keyPair (seed) {
  return DHT.keyPair(seed ? bytes(seed) : undefined)
}

// Keeps which handshake and holepunch modes reach a node: the second field of both.
function watch (node) {
  node.seen = []
  const handle = node.onrequest.bind(node)
  node.onrequest = (req) => {
    if ((req.command === HANDSHAKE || req.command === HOLEPUNCH) && req.value) {
      node.seen.push({ command: req.command, mode: req.value[1] })
    }
    return handle(req)
  }
}

async function keepNode (node) {
  const name = 'n' + ++count
  nodes.set(name, node)
  watch(node)
  await node.fullyBootstrapped()
  return { node: name, host: LOCAL, port: node.address().port, id: hex(node.id) }
}

async function all (query) {
  const replies = []
  for await (const reply of query) replies.push(reply)
  return replies
}

function peers (replies) {
  return replies.flatMap((reply) => reply.peers || []).map((peer) => ({
    publicKey: hex(peer.publicKey),
    relayAddresses: peer.relayAddresses
  }))
}

module.exports = {
  async 'testnet.create' ({ size }) {
    const testnet = await createTestnet(size)
    testnets.push(testnet)
    for (const node of testnet.nodes) watch(node)
    return { bootstrap: testnet.bootstrap }
  },
  'testnet.seen' () {
    return testnets.flatMap((testnet) => testnet.nodes.flatMap((node) => node.seen))
  },
  'dht.create' ({ bootstrap, options }) {
    return keepNode(new DHT({ bootstrap, host: LOCAL, ...options }))
  },
  'dht.seen' ({ node }) {
    return nodes.get(node).seen
  },
  'dht.state' ({ node }) {
    const held = nodes.get(node)
    return { firewalled: held.firewalled, ephemeral: held.ephemeral, nodes: held.toArray() }
  },
  async 'dht.findNode' ({ node, target }) {
    const replies = await all(nodes.get(node).findNode(bytes(target)))
    return replies.map((reply) => ({ port: reply.from.port, id: hex(reply.from.id) }))
  },
  async 'dht.announce' ({ node, topic, seed }) {
    await nodes.get(node).announce(bytes(topic), keyPair(seed)).finished()
    return { publicKey: hex(keyPair(seed).publicKey) }
  },
  async 'dht.unannounce' ({ node, topic, seed }) {
    await nodes.get(node).unannounce(bytes(topic), keyPair(seed))
  },
  async 'dht.lookup' ({ node, topic }) {
    return peers(await all(nodes.get(node).lookup(bytes(topic))))
  },
  async 'dht.findPeer' ({ node, publicKey }) {
    const replies = await all(nodes.get(node).findPeer(bytes(publicKey)))
    return replies.map((reply) => hex(reply.peer && reply.peer.publicKey))
  },
  async 'dht.mutablePut' ({ node, seed, value, seq }) {
    const put = await nodes.get(node).mutablePut(keyPair(seed), bytes(value), { seq })
    return { publicKey: hex(put.publicKey), seq: put.seq, signature: hex(put.signature) }
  },
  async 'dht.mutableGet' ({ node, publicKey, seq, latest }) {
    const got = await nodes.get(node).mutableGet(bytes(publicKey), { seq: seq || 0, latest })
    return got && { value: hex(got.value), seq: got.seq, signature: hex(got.signature) }
  },
  async 'dht.immutablePut' ({ node, value }) {
    return { hash: hex((await nodes.get(node).immutablePut(bytes(value))).hash) }
  },
  async 'dht.immutableGet' ({ node, hash }) {
    const got = await nodes.get(node).immutableGet(bytes(hash))
    return got && { value: hex(got.value) }
  },
  async 'dht.listen' ({ node, seed, options, onData }, tell) {
    const name = 'l' + ++count
    const server = nodes.get(node).createServer(options || {}, (stream) => {
      const kept = keep(stream, onData, tell)
      tell({ event: 'connection', server: name, stream: kept, ...identity(stream) })
    })
    await server.listen(keyPair(seed))
    servers.set(name, server)
    return { server: name, publicKey: hex(server.publicKey) }
  },
  async 'dht.unlisten' ({ server }) {
    await servers.get(server).close()
  },
  async 'dht.connect' ({ node, publicKey, seed, options, onData }, tell) {
    const stream = nodes.get(node).connect(bytes(publicKey), { keyPair: keyPair(seed), ...options })
    const name = keep(stream, onData, tell)
    await new Promise((resolve, reject) => {
      stream.once('open', resolve)
      stream.once('error', reject)
    })
    return { stream: name, remotePort: stream.rawStream.remotePort, ...identity(stream) }
  },
  async 'dht.destroy' ({ node }) {
    await nodes.get(node).destroy()
  },
  'swarm.create' ({ bootstrap, seed, onData }, tell) {
    const name = 'w' + ++count
    const swarm = new Hyperswarm({ keyPair: keyPair(seed), dht: new DHT({ bootstrap, host: LOCAL }) })
    swarms.set(name, swarm)
    swarm.on('connection', (stream, info) => {
      const kept = keep(stream, onData, tell)
      tell({
        event: 'swarm.connection',
        swarm: name,
        stream: kept,
        client: info.client,
        topics: info.topics.map(hex),
        ...identity(stream)
      })
    })
    return { swarm: name, publicKey: hex(swarm.keyPair.publicKey) }
  },
  async 'swarm.join' ({ swarm, topic, server, client }) {
    const held = swarms.get(swarm)
    await held.join(bytes(topic), { server, client }).flushed()
    if (client) await held.flush()
  },
  'swarm.state' ({ swarm }) {
    return { connections: [...swarms.get(swarm).connections].map((stream) => hex(stream.remotePublicKey)) }
  },
  async 'swarm.leave' ({ swarm, topic }) {
    await swarms.get(swarm).leave(bytes(topic))
  },
  async 'swarm.destroy' ({ swarm }) {
    await swarms.get(swarm).destroy()
  }
}

Object.defineProperty(module.exports, 'helpers', { value: { nodes, swarms } })
