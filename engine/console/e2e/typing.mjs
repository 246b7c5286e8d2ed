// How long a person waits for a count: types numbers into a rule of five conditions and into its text, and measures from each keystroke until its count is
// painted. `node e2e/typing.mjs http://127.0.0.1:7071 [keystrokes] [profile|members]`, against a server that
// runs; the last says which of the panels under the rule is open and asks as well.
import { chromium } from 'playwright-core'

const [url = 'http://127.0.0.1:7071', keystrokes = '120', tab = 'profile'] = process.argv.slice(2)
const RULE =
  "has_poh AND NOT bot_warning AND country IN ('US', 'JP', 'IN') AND last_active_time >= now() - INTERVAL 30 DAY AND balance_usd >= 100"

const browser = await chromium.launch({
  executablePath: process.env.MUSTER_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
await page.goto(`${url}/audience?rule=${encodeURIComponent(RULE)}&tab=${tab}`)
await page.waitForSelector('[data-test=count]')
await page.waitForFunction(() => document.querySelectorAll('[data-test=part-count] strong').length === 6)

/** Watches for the count after each keystroke, until it is painted. */
await page.evaluate(() => {
  window.waits = []
  let pressed = 0
  addEventListener('keydown', () => (pressed = performance.now()), { capture: true })
  const facts = document.querySelector('[data-test=facts]')
  new MutationObserver(() => {
    if (pressed === 0) return
    const began = pressed
    pressed = 0
    requestAnimationFrame(() => setTimeout(() => window.waits.push(performance.now() - began)))
  }).observe(facts, { attributes: true, attributeFilter: ['data-round-ms'] })
})

function tell(what, waits) {
  const sorted = [...waits].sort((a, b) => a - b)
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))].toFixed(0)
  const late = waits.filter((wait) => wait > 100).length
  console.log(`${what}: ${waits.length} counts, p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms, ${late} later than 100 ms`)
}

async function type(selector, prepare) {
  await page.evaluate(() => (window.waits = []))
  await page.locator(selector).last().click()
  await prepare()
  for (let n = 0; n < Number(keystrokes); n += 1) {
    // Up to four digits, then all but one away again: every keystroke makes another rule.
    const key = n % 8 < 4 ? String((n * 7) % 9 + 1) : 'Backspace'
    await page.keyboard.press(key)
    await page.waitForTimeout(140)
  }
  return page.evaluate(() => window.waits)
}

const users = await page.textContent('[data-test=generation]')
console.log(`typing at ${url}, ${tab} open:${users?.replace(/\s+/g, ' ')}`)
tell('in a condition of the tree', await type('[data-test=number] input', () => page.keyboard.press('End')))
tell('in the text', await type('[data-test=rule-text]', () => page.keyboard.press('Control+End')))
await browser.close()
