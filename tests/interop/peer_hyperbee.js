// Hyperbee: writes the same as the other side, and reads what it wrote.
//
// Keys and values are hex; a batch is an operation that holds others. Logs are made in
// a folder of their own, which goes with the command.

const fs = require('fs')
const os = require('os')
const path = require('path')
const Hypercore = require('hypercore')
const Hyperbee = require('hyperbee')
const { cores } = require('./peer_hypercore').helpers

const bees = new Map()
let count = 0

const bytes = (hex) => Buffer.from(hex, 'hex')
const hex = (buffer) => (buffer ? Buffer.from(buffer).toString('hex') : null)
const plain = (entry) => (entry ? [entry.seq, hex(entry.key), hex(entry.value)] : null)

async function withCore (run) {
  const folder = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'covey-bee-'))
  const core = new Hypercore(folder)
  await core.ready()
  try {
    return await run(core)
  } finally {
    await core.close()
    await fs.promises.rm(folder, { recursive: true })
  }
}

async function write (target, [kind, key, value]) {
  if (kind === 'put') return target.put(bytes(key), value === null ? null : bytes(value))
  if (kind === 'refused') return target.put(bytes(key), bytes(value), { cas: () => false })
  if (kind === 'del') return target.del(bytes(key))
  throw new Error('unknown operation ' + kind)
}

async function writeAll (bee, operations) {
  for (const operation of operations) {
    if (operation[0] !== 'batch') {
      await write(bee, operation)
      continue
    }
    const batch = bee.batch()
    for (const inner of operation[1]) await write(batch, inner)
    await batch.flush()
  }
}

async function collect (stream, map) {
  const found = []
  for await (const item of stream) found.push(map(item))
  return found
}

// What somebody sees who reads everything there is to read.
async function survey (bee, { versions = [], ranges = [], keys = [] }) {
  const answer = { version: bee.version, ranges: [], diffs: [], gets: [] }
  answer.listing = await collect(bee.createReadStream(), plain)
  answer.backwards = await collect(bee.createReadStream({}, { reverse: true }), plain)
  answer.history = await collect(bee.createHistoryStream(), (e) => [e.type, ...plain(e)])
  for (const { options = {}, ...range } of ranges) {
    for (const end of Object.keys(range)) range[end] = bytes(range[end])
    answer.ranges.push(await collect(bee.createReadStream(range, options), plain))
  }
  for (const version of versions) {
    const stream = bee.createDiffStream(version)
    answer.diffs.push(await collect(stream, ({ left, right }) => [plain(left), plain(right)]))
  }
  for (const key of keys) answer.gets.push(plain(await bee.get(bytes(key))))
  return answer
}

module.exports = {
  // A bee, or a part of one, on a core that is replicated.
  async 'bee.open' ({ core, of, prefix, sep }) {
    const parent = of && bees.get(of)
    const bee = parent ? parent.sub(bytes(prefix), sep ? { sep: bytes(sep) } : {}) : new Hyperbee(cores.get(core))
    await bee.ready()
    const name = 'b' + ++count
    bees.set(name, bee)
    return name
  },
  async 'bee.do' ({ bee, operations }) {
    await writeAll(bees.get(bee), operations)
    return bees.get(bee).version
  },
  async 'bee.get' ({ bee, key }) {
    return plain(await bees.get(bee).get(bytes(key)))
  },
  'bee.survey' ({ bee, ...wanted }) {
    return survey(bees.get(bee), wanted)
  },
  // Resolves with both versions when a range has changed.
  async 'bee.watch' ({ bee, gte }, tell) {
    const watcher = bees.get(bee).watch({ gte: bytes(gte) })
    await watcher.ready()
    watcher.next().then(async ({ value: [current, previous] }) => {
      tell({ event: 'bee.change', bee, current: current.version, previous: previous.version })
      await watcher.close()
    })
  },

  // The blocks that operations leave behind.
  'bee.write' ({ operations }) {
    return withCore(async (core) => {
      await writeAll(new Hyperbee(core), operations)
      const blocks = []
      for (let i = 0; i < core.length; i++) blocks.push(hex(await core.get(i)))
      return blocks
    })
  },

  // What blocks of the other side look like from here; then more is written after them.
  'bee.read' ({ blocks, operations = [], ...wanted }) {
    return withCore(async (core) => {
      await core.append(blocks.map(bytes))
      const bee = new Hyperbee(core)
      await bee.ready()
      const seen = await survey(bee, wanted)
      await writeAll(bee, operations)
      seen.added = []
      for (let i = blocks.length; i < core.length; i++) seen.added.push(hex(await core.get(i)))
      return seen
    })
  }
}
