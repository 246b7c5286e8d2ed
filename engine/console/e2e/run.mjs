// The console in a real browser against a real server: what a person does, from an empty rule to a delivery that a user sees.
//
// MUSTER_BIN       the binary, ../../target/release/muster unless said
// MUSTER_CHROMIUM  the browser, /usr/bin/chromium unless said
// MUSTER_E2E_USERS how many users, 200000 unless said
// MUSTER_E2E_DIST  a folder with a built console, instead of the one in the binary
// MUSTER_E2E_ONLY  names of chapters, with commas between, instead of all
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { Person } from './person.mjs'
import { Failed, Report } from './report.mjs'
import { Server } from './server.mjs'
import { chapters } from './steps/index.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const given = process.env
const screenshots = resolve(here, '../screenshots')
const binary = resolve(here, '..', given.MUSTER_BIN ?? '../../target/release/muster')
const browserAt = given.MUSTER_CHROMIUM ?? '/usr/bin/chromium'

for (const [what, file] of [['MUSTER_BIN', binary], ['MUSTER_CHROMIUM', browserAt]]) {
  if (!existsSync(file)) {
    console.error(`There is no ${file}. Say with ${what} where it is.`)
    process.exit(2)
  }
}

const report = new Report(screenshots)
const server = new Server({
  binary,
  users: Number(given.MUSTER_E2E_USERS ?? 200_000),
  console: given.MUSTER_E2E_DIST ? resolve(given.MUSTER_E2E_DIST) : null,
})
let browser = null
let status = 1

async function clearUp() {
  await browser?.close().catch(() => undefined)
  await server.end()
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void clearUp().then(() => process.exit(130)))
}

try {
  report.chapter('Getting ready')
  await report.step('a population of three generations, one of them held back', [], async () => {
    await server.prepare()
    return `${server.users} users`
  })
  await report.step('the server answers, and has a console', [], async () => {
    await server.start()
    if (!(await server.carriesConsole())) throw new Error('the binary carries no console: build it where Node is, or name a folder with MUSTER_E2E_DIST')
    return server.url
  })
  browser = await chromium.launch({
    executablePath: browserAt,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  })
  const people = {}
  for (const name of Object.keys(server.tokens)) people[name] = await Person.open(browser, server, name)
  const wanted = given.MUSTER_E2E_ONLY ? given.MUSTER_E2E_ONLY.split(',') : null
  const stage = { server, browser, people, report, screenshots, shared: {} }
  for (const { name, title, play } of chapters) {
    if (wanted && name !== 'signing-in' && !wanted.includes(name)) continue
    report.chapter(title)
    await play(stage)
  }
  report.end()
  status = 0
} catch (error) {
  if (!(error instanceof Failed)) console.error(error)
  if (server.log) console.error(`\nThe end of the server's log:\n${server.log.split('\n').slice(-15).join('\n')}`)
} finally {
  await clearUp()
}
process.exit(status)
