// A real server over a synthetic population: made, built, served, paused, ended and started again by its process id.
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Front } from './front.mjs'
import { until } from './wait.mjs'

const run = promisify(execFile)

/** The server refuses variables that it does not know: ours are not for it. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MUSTER_')))

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

export class Server {
  /** `console` is a folder with a built console to serve in place of the one in the binary. */
  constructor({ binary, users, console: folder }) {
    this.binary = binary
    this.users = users
    this.folder = folder
    this.process = null
  }

  /** Makes three generations: two that are published, and one that is held back because half of the users are gone. */
  async prepare() {
    this.home = await mkdtemp(join(tmpdir(), 'muster-e2e-'))
    this.store = join(this.home, 'store')
    await mkdir(this.store)
    const populations = [
      { name: 'first', users: this.users, seed: 1 },
      { name: 'second', users: Math.round(this.users * 1.02), seed: 2 },
      { name: 'third', users: Math.round(this.users * 0.5), seed: 3 },
    ]
    for (const { name, users, seed } of populations) {
      await this.muster('synth', '--users', users, '--seed', seed, '--out', join(this.home, name))
      const held = await this.build(name)
      if (held !== (name === 'third')) throw new Error(`the ${name} build was ${held ? 'held back' : 'published'}`)
    }
    this.http = await freePort()
    this.grpc = await freePort()
    this.config = join(this.home, 'muster.toml')
    const parts = [
      `store = ${JSON.stringify(this.store)}`,
      `[source]\nkind = "parquet"\npath = ${JSON.stringify(join(this.home, 'second', '*.parquet'))}`,
      `[serve]\nhttp = "127.0.0.1:${this.http}"\ngrpc = "127.0.0.1:${this.grpc}"\ntokens = "required"`,
    ]
    await writeFile(this.config, `${parts.join('\n')}\n`)
    this.tokens = {}
    for (const [name, role] of Object.entries({ anna: 'editor', ben: 'approver', olga: 'admin', rita: 'reader' })) {
      const told = await this.muster('token', 'create', '--config', this.config, '--name', name, '--role', role)
      this.tokens[name] = /muster_\S+/.exec(told)?.[0]
    }
    if (this.folder) this.front = await Front.open(this.folder, this.http, () => this.process !== null)
    this.url = this.front?.url ?? `http://127.0.0.1:${this.http}`
  }

  /** What a command prints. */
  async muster(...words) {
    const { stdout } = await run(this.binary, words.map(String), { env: environment, maxBuffer: 64 << 20 })
    return stdout
  }

  /** How many users the command line counts. */
  async count(rule) {
    return JSON.parse(await this.muster('count', '--store', this.store, '--json', rule)).count
  }

  /** Some users of a rule. */
  async members(rule, limit = 1) {
    const told = await this.muster('members', '--store', this.store, '--limit', limit, rule)
    return told.trim().split('\n').filter(Boolean)
  }

  /** Builds a generation of one of the populations, as the night does; whether it was held back. */
  async build(name) {
    try {
      await this.muster('build', '--store', this.store, '--source', `parquet:${join(this.home, name)}/*.parquet`)
      return false
    } catch (error) {
      // That is what exit status 1 says.
      if (error.code === 1) return true
      throw error
    }
  }

  async start() {
    this.log = ''
    this.process = spawn(this.binary, ['serve', '--config', this.config], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] })
    this.process.stderr.on('data', (text) => (this.log += text))
    this.process.once('exit', () => (this.process = null))
    await until('the server is ready', async () => {
      if (!this.process) throw new Error(`the server ended:\n${this.log}`)
      const answer = await fetch(`http://127.0.0.1:${this.http}/readyz`).catch(() => null)
      return answer?.ok
    })
  }

  /** Ends it as if it had crashed. */
  async kill() {
    const { process: mine } = this
    if (!mine) return
    const ended = new Promise((resolve) => mine.once('exit', resolve))
    mine.kill('SIGKILL')
    await ended
  }

  /** Makes it hang: it takes connections and answers nothing until it is woken. */
  hang() {
    this.process.kill('SIGSTOP')
  }

  wake() {
    this.process.kill('SIGCONT')
  }

  /** Asks as somebody, past the browser. */
  async ask(who, path, body, method) {
    const answer = await fetch(`http://127.0.0.1:${this.http}/api/v1${path}`, {
      method: method ?? (body ? 'POST' : 'GET'),
      headers: { authorization: `Bearer ${this.tokens[who]}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      body: body ? JSON.stringify(body) : null,
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text}`)
    return text ? JSON.parse(text) : null
  }

  /** Whether the console is in the binary, and which version answers. */
  async carriesConsole() {
    const answer = await fetch(`${this.url}/`, { headers: { accept: 'text/html' } })
    return (await answer.text()).includes('id="app"')
  }

  async end() {
    await this.kill()
    this.front?.close()
    if (this.home) await rm(this.home, { recursive: true, force: true })
  }

}
