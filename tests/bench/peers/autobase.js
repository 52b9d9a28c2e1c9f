// The npm side of the measurements of rooms: roles as in autobase_worker.py.
//
//   node autobase.js serve nothing | history:MESSAGES | talk:PAUSE_MS
//   node autobase.js run writers | catchUp | visible ORDER
//
// Each prints JSON lines on stdout and ends when stdin ends.
const fs = require('fs')
const os = require('os')
const path = require('path')
const Autobase = require('autobase')
const Corestore = require('corestore')
const DHT = require('hyperdht')
const createTestnet = require('hyperdht/testnet')

const HOST = '127.0.0.1'
const FILL_BATCH = 100
const SAMPLE_MS = 250
const RUN_LIMIT_MS = 900000
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const nowMs = () => Number(process.hrtime.bigint()) / 1e6
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Stores that must go before the process does, and what else has to be ended.
const folders = []
const endings = []

function scratch () {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'covey-bench-'))
  folders.push(folder)
  return folder
}

const open = (store) => store.get('messages', { valueEncoding: 'json' })

async function apply (nodes, view, host) {
  for (const { value } of nodes) {
    if (value.writer) await host.addWriter(Buffer.from(value.writer, 'hex'), { indexer: false })
    else await view.append(value)
  }
}

async function openBase (key = null, options = {}) {
  const base = new Autobase(new Corestore(scratch()), key, {
    open, apply, valueEncoding: 'json', ...options
  })
  await base.ready()
  return base
}

// The words of a message, as long as asked for.
const message = (writer, number, size) => ({
  text: `${writer} says ${number} `.padEnd(size, 'x')
})

function until (base, so) {
  return new Promise((resolve) => {
    const look = () => {
      if (!so()) return
      base.removeListener('update', look)
      resolve()
    }
    base.on('update', look)
    look()
  })
}

function residentMib () {
  const line = fs.readFileSync('/proc/self/smaps_rollup', 'utf8')
    .split('\n').find((it) => it.startsWith('Pss:'))
  return Number(line.split(/\s+/)[1]) / 1024
}

function watchMemory () {
  let peak = residentMib()
  const look = () => { peak = Math.max(peak, residentMib()) }
  const timer = setInterval(look, SAMPLE_MS)
  return () => {
    clearInterval(timer)
    look()
    return peak
  }
}

function joinInProcess (first, second) {
  const one = first.replicate(true)
  const two = second.replicate(false)
  for (const stream of [one, two]) stream.on('error', () => {})
  one.pipe(two).pipe(one)
}

async function serveBase (base, onConnection) {
  const testnet = await createTestnet(4, { host: HOST })
  const dht = new DHT({ bootstrap: testnet.bootstrap, host: HOST })
  const server = dht.createServer((connection) => {
    connection.on('error', () => {})
    base.replicate(connection)
    onConnection(connection)
  })
  await server.listen()
  endings.push(async () => {
    await dht.destroy({ force: true })
    await testnet.destroy()
  })
  say({
    bootstrap: testnet.bootstrap.map((it) => [it.host, it.port]),
    publicKey: server.publicKey.toString('hex'),
    base: base.key.toString('hex')
  })
}

async function serve (what) {
  const [kind, amount] = what.split(':')
  if (kind === 'nothing') return say({})
  const base = await openBase()
  endings.push(() => base.close())
  if (kind === 'history') {
    const count = Number(amount)
    for (let start = 0; start < count; start += FILL_BATCH) {
      const end = Math.min(start + FILL_BATCH, count)
      const batch = []
      for (let i = start; i < end; i++) batch.push(message('host', i, 100))
      await base.append(batch)
    }
    await base.update()
    return serveBase(base, () => {})
  }
  let talking = true
  endings.unshift(async () => { talking = false })
  await base.append(message('host', 0, 100))
  await serveBase(base, async (connection) => {
    connection.on('close', () => { talking = false })
    while (talking) {
      await base.append({ at: nowMs() })
      await pause(Number(amount))
    }
  })
}

// A fresh peer's base, and a connection to who has everything.
async function reach (order) {
  const bootstrap = order.bootstrap.map(([host, port]) => ({ host, port }))
  const dht = new DHT({ bootstrap, host: HOST })
  const base = await openBase(Buffer.from(order.base, 'hex'), {
    fastForward: order.fastForward === true
  })
  const connection = dht.connect(Buffer.from(order.publicKey, 'hex'))
  connection.on('error', () => {})
  await new Promise((resolve, reject) => {
    connection.once('open', resolve)
    connection.once('error', reject)
  })
  endings.push(async () => {
    connection.destroy()
    await base.close()
    await dht.destroy({ force: true })
  })
  return { base, connection }
}

const benches = {
  async writers (order) {
    const bases = [await openBase()]
    const total = order.writers * order.each
    for (let i = 1; i < order.writers; i++) {
      const base = await openBase(bases[0].key)
      joinInProcess(base, bases[0])
      await bases[0].append({ writer: base.local.key.toString('hex') })
      bases.push(base)
    }
    await Promise.all(bases.map((base) => until(base, () => base.writable)))
    const peak = watchMemory()
    const before = nowMs()
    await Promise.all(bases.map(async (base, writer) => {
      for (let number = 0; number < order.each; number += order.burst) {
        const said = Array.from({ length: order.burst }, (_, i) => message(writer, number + i, order.size))
        await base.append(order.burst === 1 ? said[0] : said)
      }
    }))
    await Promise.all(bases.map((base) => until(base, () => base.view.length === total)))
    const ms = nowMs() - before
    const mib = peak()
    const texts = await Promise.all(bases.map(async (base) => {
      const seen = new Set()
      for (let i = 0; i < total; i++) seen.add((await base.view.get(i)).text)
      return seen.size
    }))
    if (texts.some((it) => it !== total)) throw new Error('messages are missing')
    return { ms, mib }
  },

  async catchUp (order) {
    const { base, connection } = await reach(order)
    const peak = watchMemory()
    const before = nowMs()
    base.replicate(connection)
    await until(base, () => base.view.length === order.count)
    await base.view.get(order.count - 1)
    const newestMs = nowMs() - before
    await base.view.download({ start: 0, end: order.count }).done()
    const ms = nowMs() - before
    if (base.view.contiguousLength !== order.count) throw new Error('messages are missing')
    return { ms, newestMs, mib: peak() }
  },

  async visible (order) {
    const { base, connection } = await reach(order)
    base.replicate(connection)
    const times = []
    let next = 0
    let looking = false
    await new Promise((resolve) => {
      const look = async () => {
        if (looking) return
        looking = true
        while (next < base.view.length) {
          const { at } = await base.view.get(next++)
          if (at) times.push(nowMs() - at)
        }
        looking = false
        if (times.length >= order.skip + order.count) resolve()
      }
      base.on('update', look)
      look()
    })
    return { times: times.slice(order.skip, order.skip + order.count) }
  }
}

async function main () {
  const [role, ...rest] = process.argv.slice(2)
  // What never comes must not keep the harness waiting.
  if (role === 'run') setTimeout(() => { process.exit(1) }, RUN_LIMIT_MS).unref()
  const ended = new Promise((resolve) => process.stdin.on('end', resolve).resume())
  if (role === 'serve') await serve(rest[0])
  else say(await benches[rest[0]](JSON.parse(rest[1])))
  await ended
  // What hangs must not keep the folders here.
  await Promise.race([pause(3000), (async () => { for (const end of endings) await end() })()])
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true })
  process.exit(0)
}

main()
