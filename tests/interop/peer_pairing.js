// Blind pairing of npm: its messages one by one, and the whole of it over a swarm.
//
// Invites, keys, requests and what events tell are hex. A decision is given when the
// member is added, and taken for whoever asks: { key, encryptionKey, additional } admits,
// { status } refuses.

const { EventEmitter } = require('events')
const BlindPairing = require('blind-pairing')
const core = require('blind-pairing-core')
const { nodes, swarms } = require('./peer_dht').helpers

const pairings = new Map()
let count = 0

const bytes = (hex) => (hex === undefined || hex === null ? null : Buffer.from(hex, 'hex'))
const hex = (buffer) => (buffer ? Buffer.from(buffer).toString('hex') : null)

// What blind pairing wants of a swarm, without any connection: only the DHT is left.
function lonely (dht) {
  const swarm = new EventEmitter()
  swarm.dht = dht
  swarm.connections = new Set()
  swarm.flush = async () => {}
  swarm.join = (topic, { server, client }) => ({
    isServer: server,
    isClient: client,
    async flushed () {},
    async destroy () {}
  })
  return swarm
}

function admission (decision) {
  const { key, encryptionKey, additional } = decision
  return {
    key: bytes(key),
    encryptionKey: bytes(encryptionKey),
    additional: additional && { data: bytes(additional.data), signature: bytes(additional.signature) }
  }
}

function decide (request, decision) {
  if (decision.key) request.confirm(admission(decision))
  else request.deny({ status: decision.status })
}

function shown (paired) {
  return paired && { key: hex(paired.key), encryptionKey: hex(paired.encryptionKey), data: hex(paired.data) }
}

function created (made) {
  const additional = made.additional && {
    data: hex(made.additional.data),
    signature: hex(made.additional.signature)
  }
  return { invite: hex(made.invite), id: hex(made.id), publicKey: hex(made.publicKey), additional }
}

module.exports = {
  'pairing.createInvite' ({ key, data, ...options }) {
    return created(core.createInvite(bytes(key), { ...options, data: bytes(data) }))
  },
  'pairing.decodeInvite' ({ invite }) {
    const { id, seed, discoveryKey, ...rest } = core.decodeInvite(bytes(invite))
    return { id: hex(id), seed: hex(seed), discoveryKey: hex(discoveryKey), ...rest }
  },
  'pairing.request' ({ invite, userData, session }) {
    const options = session ? { session: bytes(session) } : {}
    return hex(new core.CandidateRequest(bytes(invite), bytes(userData), options).encode())
  },
  // A member's whole work on one request.
  'pairing.answer' ({ request, publicKey, decision }) {
    const opened = core.MemberRequest.from(bytes(request))
    const userData = opened.open(bytes(publicKey))
    decide(opened, decision)
    return { userData: hex(userData), receipt: hex(opened.receipt), response: hex(opened.response) }
  },
  'pairing.open' ({ invite, userData, response }) {
    const request = new core.CandidateRequest(bytes(invite), bytes(userData))
    let rejected = null
    request.on('rejected', (error) => { rejected = error.code || error.message })
    return { paired: shown(request.handleResponse(bytes(response))), rejected }
  },
  'pairing.verifyReceipt' ({ receipt, publicKey }) {
    return hex(core.verifyReceipt(bytes(receipt), bytes(publicKey)))
  },
  'pairing.createReceipt' ({ invite, userData }) {
    return hex(core.createReceipt(bytes(invite), bytes(userData)).receipt)
  },
  // The whole package, over a swarm or over nothing but a node of the DHT.
  'pairing.create' ({ swarm, node, poll }) {
    const name = 'p' + ++count
    const under = swarm ? swarms.get(swarm) : lonely(nodes.get(node))
    pairings.set(name, new BlindPairing(under, { poll }))
    return { pairing: name }
  },
  async 'pairing.member' ({ pairing, discoveryKey, publicKey, decision }, tell) {
    const member = pairings.get(pairing).addMember({
      discoveryKey: bytes(discoveryKey),
      async onadd (request) {
        const userData = request.open(bytes(publicKey))
        tell({ event: 'pairing.asked', pairing, inviteId: hex(request.inviteId), userData: hex(userData) })
        decide(request, decision)
      }
    })
    await member.ready()
    await member.flushed()
  },
  async 'pairing.candidate' ({ pairing, invite, userData }, tell) {
    const candidate = pairings.get(pairing).addCandidate({
      invite: bytes(invite),
      userData: bytes(userData),
      async onadd (paired) {
        tell({ event: 'pairing.paired', pairing, ...shown(paired) })
      }
    })
    candidate.request.on('rejected', (error) => {
      tell({ event: 'pairing.rejected', pairing, error: error.code || error.message })
    })
    candidate.on('announce', () => tell({ event: 'pairing.announced', pairing }))
    await candidate.ready()
  },
  async 'pairing.refresh' ({ pairing }) {
    await pairings.get(pairing).refresh()
  },
  async 'pairing.close' ({ pairing }) {
    await pairings.get(pairing).close()
  }
}
