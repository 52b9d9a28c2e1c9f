// An npm dht-rpc node driven over lines of JSON: one command in, one answer out.
//
//   argv[2]: {"bootstrap": [{"host", "port"}], "first": bool, "port", "firewalled": bool}
//   -> {"listening": {"host", "port"}} once it is ready
//   {"do": "state" | "find" | "request" | "store" | "fetch" | "end", ...} -> {"ok": ...}
//
// User command 7 stores a value under its target if the token is right; 8 gives it.

const DHT = require('dht-rpc')
const readline = require('readline')

const STORE = 7
const FETCH = 8
const options = JSON.parse(process.argv[2])
const stored = new Map()

const settings = options.firewalled
  ? { host: '127.0.0.1' }
  : { ephemeral: false, firewalled: false, host: '127.0.0.1' }
const node = options.first
  ? DHT.bootstrapper(options.port, '127.0.0.1', { host: '127.0.0.1' })
  : new DHT({ ...settings, bootstrap: options.bootstrap })

node.on('request', (req) => {
  if (!req.target) return req.error(9)
  const key = req.target.toString('hex')
  if (req.command === STORE) {
    if (!req.token) return req.reply(null)
    stored.set(key, req.value)
    return req.reply(Buffer.from('stored'))
  }
  if (req.command === FETCH) return req.reply(stored.get(key) || null)
  req.error(1)
})

function tell(message) {
  process.stdout.write(JSON.stringify(message) + '\n')
}

async function replies(query) {
  const found = []
  for await (const reply of query) {
    found.push({ from: reply.from, value: reply.value && reply.value.toString('hex') })
  }
  return { found, closest: query.closestNodes.map((n) => ({ host: n.host, port: n.port })) }
}

async function obey(command) {
  const target = command.target && Buffer.from(command.target, 'hex')
  const value = command.value ? Buffer.from(command.value, 'hex') : null
  switch (command.do) {
    case 'state':
      return {
        id: node.id && node.id.toString('hex'),
        ephemeral: node.ephemeral,
        firewalled: node.firewalled,
        address: node.remoteAddress(),
        nodes: node.toArray(),
        stored: [...stored].map(([key, held]) => [key, held.toString('hex')])
      }
    case 'find':
      return replies(node.findNode(target))
    case 'request': {
      const ask = { command: command.command, target, value, token: command.token && Buffer.from(command.token, 'hex') }
      const reply = await node.request(ask, command.to)
      return {
        error: reply.error,
        value: reply.value && reply.value.toString('hex'),
        token: reply.token && reply.token.toString('hex'),
        to: { host: reply.to.host, port: reply.to.port },
        id: reply.from.id && reply.from.id.toString('hex'),
        closer: reply.closerNodes && reply.closerNodes.length
      }
    }
    case 'ping': {
      const reply = command.delay
        ? await node.delayedPing(command.to, command.delay)
        : await node.ping(command.to)
      return { error: reply.error, rtt: reply.rtt }
    }
    case 'check':
      return node._updateNetworkState()
    case 'store':
      return replies(node.query({ target, command: STORE, value }, { commit: true }))
    case 'fetch':
      return replies(node.query({ target, command: FETCH }))
    case 'end':
      await node.destroy()
      return {}
  }
  throw new Error('unknown command ' + command.do)
}

async function main() {
  await node.fullyBootstrapped()
  tell({ listening: node.address() })
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line)
    try {
      tell({ ok: await obey(command) })
    } catch (error) {
      tell({ failed: String(error.code || error.message) })
    }
    if (command.do === 'end') break
  }
  process.exit(0)
}

main()
