// The npm side of the hypercore measurements: roles as in hypercore_worker.py.
//
//   node hypercore.js serve nothing | BLOCKSxBYTES[xclosed]
//   node hypercore.js run append | replicate | open ORDER
//
// Each prints JSON lines on stdout and ends when stdin ends.
const fs = require('fs')
const os = require('os')
const path = require('path')
const DHT = require('hyperdht')
const createTestnet = require('hyperdht/testnet')
const Hypercore = require('hypercore')

const HOST = '127.0.0.1'
const FILL_BATCH = 1000
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const nowMs = () => Number(process.hrtime.bigint()) / 1e6
const scratch = () => fs.mkdtempSync(path.join(os.tmpdir(), 'covey-bench-'))
const forget = (folder) => fs.rmSync(folder, { recursive: true, force: true })

let cleanUp = async () => {}

async function serve (what) {
  if (what === 'nothing') return say({})
  const [blocks, size, closed] = what.split('x').map((it) => Number(it) || it)
  const folder = scratch()
  let core = new Hypercore(folder)
  await core.ready()
  for (let start = 0; start < blocks; start += FILL_BATCH) {
    const batch = []
    for (let i = 0; i < Math.min(FILL_BATCH, blocks - start); i++) {
      const block = Buffer.alloc(size)
      block.write(String(i).padStart(16, '0'))
      batch.push(block)
    }
    await core.append(batch)
  }
  const key = core.key
  await core.close()
  if (closed) {
    cleanUp = async () => forget(folder)
    return say({ folder })
  }
  core = new Hypercore(folder)
  await core.ready()
  const testnet = await createTestnet(4, { host: HOST })
  const { bootstrap } = testnet
  const dht = new DHT({ bootstrap, host: HOST })
  const server = dht.createServer((connection) => {
    connection.on('error', () => {})
    core.replicate(connection)
  })
  await server.listen()
  cleanUp = async () => {
    await core.close()
    await dht.destroy({ force: true })
    await testnet.destroy()
    forget(folder)
  }
  say({
    bootstrap: bootstrap.map((it) => [it.host, it.port]),
    publicKey: server.publicKey.toString('hex'),
    core: key.toString('hex'),
    folder
  })
}

function residentMib () {
  const line = fs.readFileSync('/proc/self/smaps_rollup', 'utf8')
    .split('\n').find((it) => it.startsWith('Pss:'))
  return Number(line.split(/\s+/)[1]) / 1024
}

const benches = {
  async append (order) {
    const folder = scratch()
    const core = new Hypercore(folder)
    await core.ready()
    const block = Buffer.alloc(order.size, 7)
    const value = order.batch === 1 ? block : new Array(order.batch).fill(block)
    const calls = order.count / order.batch
    await core.append(value)
    let next = 0
    const work = async () => {
      while (next++ < calls) await core.append(value)
    }
    const before = nowMs()
    await Promise.all(Array.from({ length: order.atOnce }, work))
    const ms = nowMs() - before
    if (core.length !== (calls + 1) * order.batch) throw new Error('blocks are missing')
    await core.close()
    forget(folder)
    return { ms }
  },

  async replicate (order) {
    const folder = scratch()
    const bootstrap = order.bootstrap.map(([host, port]) => ({ host, port }))
    const dht = new DHT({ bootstrap, host: HOST })
    const core = new Hypercore(folder, Buffer.from(order.core, 'hex'))
    await core.ready()
    const connection = dht.connect(Buffer.from(order.publicKey, 'hex'))
    connection.on('error', () => {})
    await new Promise((resolve, reject) => {
      connection.once('open', resolve)
      connection.once('error', reject)
    })
    const before = nowMs()
    core.replicate(connection)
    await core.download({ start: 0, end: order.count }).done()
    const ms = nowMs() - before
    if (core.contiguousLength !== order.count) throw new Error('blocks are missing')
    connection.destroy()
    await core.close()
    await dht.destroy({ force: true })
    forget(folder)
    return { ms }
  },

  async open (order) {
    const before = nowMs()
    const core = new Hypercore(order.folder)
    await core.ready()
    const block = await core.get(Math.floor(order.count / 2))
    const ms = nowMs() - before
    if (block === null || core.length !== order.count) throw new Error('blocks are missing')
    const mib = residentMib()
    await core.close()
    return { ms, mib }
  }
}

async function main () {
  const [role, ...rest] = process.argv.slice(2)
  const ended = new Promise((resolve) => process.stdin.on('end', resolve).resume())
  if (role === 'serve') await serve(rest[0])
  else say(await benches[rest[0]](JSON.parse(rest[1])))
  await ended
  await cleanUp()
  process.exit(0)
}

main()
