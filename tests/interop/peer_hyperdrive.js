// Hyperdrives and blobs of npm, in corestores that are open, and folders of the test's.
//
// Contents are hex, or a SHA-256 where they are large.

const crypto = require('crypto')
const Hyperblobs = require('hyperblobs')
const Hyperdrive = require('hyperdrive')
const Localdrive = require('localdrive')
const { stores } = require('./peer_hypercore').helpers

const drives = new Map()
const blobs = new Map()
let count = 0

const bytes = (hex) => (hex === undefined || hex === null ? null : Buffer.from(hex, 'hex'))
const hex = (buffer) => (buffer ? Buffer.from(buffer).toString('hex') : null)
const digest = (buffer) => crypto.createHash('sha256').update(buffer).digest('hex')

async function collect (stream) {
  const found = []
  for await (const item of stream) found.push(item)
  return found
}

function state (drive) {
  return {
    key: hex(drive.key),
    contentKey: hex(drive.contentKey),
    version: drive.version,
    writable: drive.writable
  }
}

module.exports = {
  async 'drive.open' ({ store, namespace, key, encryptionKey }) {
    const home = stores.get(store).namespace(namespace || 'drive')
    const drive = new Hyperdrive(home, bytes(key), { encryptionKey: bytes(encryptionKey) })
    await drive.ready()
    const name = 'v' + ++count
    drives.set(name, drive)
    return { drive: name, ...state(drive) }
  },
  async 'drive.update' ({ drive }) {
    await drives.get(drive).update({ wait: true })
    await drives.get(drive).getBlobs()
    return state(drives.get(drive))
  },
  async 'drive.put' ({ drive, name, data, ...options }) {
    await drives.get(drive).put(name, bytes(data), options)
  },
  async 'drive.del' ({ drive, name }) {
    await drives.get(drive).del(name)
  },
  async 'drive.symlink' ({ drive, name, target }) {
    await drives.get(drive).symlink(name, target)
  },
  async 'drive.get' ({ drive, name, follow = false }) {
    return hex(await drives.get(drive).get(name, { follow }))
  },
  async 'drive.list' ({ drive, folder = '/', version }) {
    const held = drives.get(drive)
    return collect((version ? held.checkout(version) : held).list(folder))
  },
  async 'drive.readdir' ({ drive, folder }) {
    return collect(drives.get(drive).readdir(folder))
  },
  async 'drive.diff' ({ drive, version, folder }) {
    const changes = await collect(drives.get(drive).diff(version, folder))
    return changes.map(({ left, right }) => [left && left.key, right && right.key])
  },
  async 'drive.blobsLength' ({ drive, version }) {
    return drives.get(drive).getBlobsLength(version)
  },
  // A folder into a drive, or a drive into a folder.
  async 'drive.mirror' ({ drive, folder, into }) {
    const local = new Localdrive(folder)
    const held = drives.get(drive)
    const mirror = into ? local.mirror(held) : held.mirror(local)
    await mirror.done()
    return mirror.count
  },
  async 'drive.close' ({ drive }) {
    await drives.get(drive).close()
  },
  async 'blobs.open' ({ store, name, key, blockSize }) {
    const core = stores.get(store).get(key ? { key: bytes(key) } : { name })
    await core.ready()
    const opened = 'b' + ++count
    blobs.set(opened, new Hyperblobs(core, { blockSize }))
    return { blobs: opened, key: hex(core.key) }
  },
  async 'blobs.put' ({ blobs: name, data, ...options }) {
    return blobs.get(name).put(bytes(data), options)
  },
  async 'blobs.get' ({ blobs: name, blob, ...options }) {
    return hex(await blobs.get(name).get(blob, options))
  },
  async 'blobs.digest' ({ blobs: name, blob }) {
    return digest(await blobs.get(name).get(blob))
  }
}
