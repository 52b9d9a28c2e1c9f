// An npm peer driven over lines of JSON, for tests that talk to the real packages.
//
//   in   {"id": 1, "do": "dht.create", ...}
//   out  {"id": 1, "ok": ...}  or  {"id": 1, "failed": "..."}
//   out  {"event": "...", ...}  whenever something happens by itself
//
// Bytes are hex. Commands of one line each run side by side; ids tell answers apart.
// The process ends when its standard input does.

const readline = require('readline')

const commands = {
  ...require('./peer_codecs'),
  ...require('./peer_noise'),
  ...require('./peer_streams'),
  ...require('./peer_dht'),
  ...require('./peer_pairing'),
  ...require('./peer_hypercore'),
  ...require('./peer_hyperbee'),
  ...require('./peer_hyperdrive')
}

function tell (message) {
  process.stdout.write(JSON.stringify(message) + '\n')
}

async function obey (line) {
  const command = JSON.parse(line)
  const run = commands[command.do]
  if (!run) return tell({ id: command.id, failed: 'unknown command ' + command.do })
  try {
    const answer = await run(command, tell)
    tell({ id: command.id, ok: answer === undefined ? null : answer })
  } catch (error) {
    tell({ id: command.id, failed: String(error.code || error.message) })
  }
}

process.on('unhandledRejection', (error) => {
  tell({ event: 'unhandled', error: String(error && error.stack) })
})

readline.createInterface({ input: process.stdin })
  .on('line', obey)
  .on('close', () => process.exit(0))

tell({ event: 'started', node: process.version })
