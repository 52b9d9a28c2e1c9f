// Hypercores and corestores of npm, replicated over a connection that is open already.
//
// Folders are the test's. A core is named as it was opened; blocks, keys and signatures
// are hex, and so is what events tell.

const Corestore = require('corestore')
const Hypercore = require('hypercore')
const Verifier = require('hypercore/lib/verifier')
const caps = require('hypercore/lib/caps')
const DHT = require('hyperdht')
const { streams } = require('./peer_streams').helpers

// Hypercore announces conflicts on the standard output, which belongs to our answers.
console.log = console.error

const stores = new Map()
const cores = new Map()
let count = 0

const bytes = (hex) => (hex === undefined || hex === null ? null : Buffer.from(hex, 'hex'))
const hex = (buffer) => (buffer ? Buffer.from(buffer).toString('hex') : null)

function keep (core, tell) {
  const name = 'h' + ++count
  cores.set(name, core)
  const notify = (event, more = {}) => tell({ event, core: name, ...more })
  core.on('append', () => notify('core.append', { length: core.length }))
  core.on('truncate', (length, fork) => notify('core.truncate', { length, fork }))
  core.on('conflict', (length, fork) => notify('core.conflict', { length, fork }))
  core.on('close', () => notify('core.close'))
  return name
}

function state (core) {
  return {
    key: hex(core.key),
    discoveryKey: hex(core.discoveryKey),
    length: core.length,
    contiguousLength: core.contiguousLength,
    byteLength: core.byteLength,
    fork: core.fork,
    writable: core.writable,
    peers: core.peers.length
  }
}

function options ({ name, key, encryptionKey, manifest }) {
  return {
    ...(name ? { name } : {}),
    ...(key ? { key: bytes(key) } : {}),
    ...(manifest ? { manifest: Verifier.decodeManifest(bytes(manifest)) } : {}),
    ...(encryptionKey ? { encryption: { key: bytes(encryptionKey) } } : {})
  }
}

module.exports = {
  async 'store.open' ({ folder, primaryKey }) {
    const key = primaryKey ? { primaryKey: bytes(primaryKey), unsafe: true } : {}
    const store = new Corestore(folder, key)
    await store.ready()
    const name = 'k' + ++count
    stores.set(name, store)
    return { store: name }
  },
  'store.replicate' ({ store, stream }) {
    stores.get(store).replicate(streams.get(stream))
  },
  async 'store.close' ({ store }) {
    await stores.get(store).close()
  },
  async 'core.open' ({ store, ...wanted }, tell) {
    const core = stores.get(store).get(options(wanted))
    await core.ready()
    return { core: keep(core, tell), ...state(core) }
  },
  // One log in a folder of its own, without a corestore.
  async 'core.alone' ({ folder, seed, compat, ...wanted }, tell) {
    const { key, ...rest } = options(wanted)
    const keyPair = seed ? { keyPair: DHT.keyPair(bytes(seed)) } : {}
    const core = new Hypercore(folder, key || null, { ...rest, ...keyPair, compat: !!compat })
    await core.ready()
    return { core: keep(core, tell), ...state(core) }
  },
  'core.replicate' ({ core, stream }) {
    cores.get(core).replicate(streams.get(stream))
  },
  'core.info' ({ core }) {
    return state(cores.get(core))
  },
  async 'core.append' ({ core, blocks, signature }) {
    const signed = signature ? { signature: bytes(signature) } : {}
    const appended = await cores.get(core).append(blocks.map(bytes), signed)
    return { length: appended.length, byteLength: appended.byteLength }
  },
  async 'core.get' ({ core, index, wait = true, timeout = 0 }) {
    return hex(await cores.get(core).get(index, { wait, timeout }))
  },
  async 'core.has' ({ core, start, end }) {
    return cores.get(core).has(start, end)
  },
  async 'core.update' ({ core, wait = true }) {
    return cores.get(core).update({ wait })
  },
  async 'core.seek' ({ core, byte }) {
    return cores.get(core).seek(byte)
  },
  async 'core.download' ({ core, start, end }) {
    await cores.get(core).download({ start, end }).done()
  },
  async 'core.truncate' ({ core, length }) {
    await cores.get(core).truncate(length)
    return state(cores.get(core))
  },
  async 'core.clear' ({ core, start, end }) {
    await cores.get(core).clear(start, end)
  },
  async 'core.treeHash' ({ core, length }) {
    return hex(await cores.get(core).treeHash(length))
  },
  async 'core.close' ({ core }) {
    await cores.get(core).close()
  },
  // One signer's part of a log that several sign, over a tree given by its hash.
  'core.sign' ({ manifest, seed, treeHash, length, fork = 0 }) {
    const verifier = Verifier.fromManifest(Verifier.decodeManifest(bytes(manifest)))
    const tree = { signable: (context) => caps.treeSignable(context, bytes(treeHash), length, fork) }
    return hex(verifier.sign(tree, DHT.keyPair(bytes(seed))))
  }
}

Object.defineProperty(module.exports, 'helpers', { value: { cores, stores } })
