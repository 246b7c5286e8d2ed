// Somebody in front of a browser of their own: goes to pages, uses what is on them, and sees what they say.
import { equal, until } from './wait.mjs'

const LONGEST_MS = 15_000

export class Person {
  static async open(browser, server, name, { language = 'en', theme = 'light' } = {}) {
    const person = new Person()
    person.name = name
    person.server = server
    person.errors = []
    person.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US', timezoneId: 'UTC', reducedMotion: 'reduce' })
    await person.context.grantPermissions(['clipboard-read', 'clipboard-write']).catch(() => undefined)
    await person.context.addInitScript(
      ([words, look]) => {
        localStorage.setItem('muster.language', localStorage.getItem('muster.language') ?? words)
        localStorage.setItem('muster.theme', localStorage.getItem('muster.theme') ?? look)
      },
      [language, theme],
    )
    // Nothing but the server is asked for: pictures of deliveries are somewhere else.
    await person.context.route('**/*', (route) => (route.request().url().startsWith(server.url) ? route.continue() : route.abort()))
    person.page = await person.context.newPage()
    person.page.setDefaultTimeout(LONGEST_MS)
    person.page.on('pageerror', (error) => person.errors.push(`error: ${error.message}`))
    person.page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') person.errors.push(`${message.type()}: ${message.text()}`)
    })
    return person
  }

  /** What carries a hook for tests. */
  hook(name) {
    return this.page.locator(`[data-test="${name}"]`)
  }

  /** The input of a control whose frame carries the hook, or the hook itself. */
  async input(name) {
    const hook = this.hook(name).first()
    await hook.waitFor()
    const inside = hook.locator('input, textarea').first()
    return (await inside.count()) > 0 ? inside : hook
  }

  async go(path) {
    await this.page.goto(this.server.url + path)
  }

  async click(name) {
    await this.hook(name).first().click()
  }

  async fill(name, text) {
    await (await this.input(name)).fill(text)
  }

  async see(name) {
    await this.hook(name).first().waitFor()
    return this.hook(name).first()
  }

  async text(name) {
    return (await (await this.see(name)).innerText()).trim()
  }

  /** Waits until a hook's text, or attribute, is what it has to be. */
  async sees(name, wanted, attribute) {
    const hook = this.hook(name).first()
    const read = async () => {
      if ((await hook.count()) === 0) return undefined
      return attribute ? hook.getAttribute(attribute) : (await hook.innerText()).trim()
    }
    const fits = (found) => (wanted instanceof RegExp ? wanted.test(found ?? '') : found === wanted)
    let last
    try {
      await until(`${name} is ${wanted}`, async () => fits((last = await read())), LONGEST_MS)
    } catch {
      equal(name, last, String(wanted))
    }
    return last
  }

  async gone(name) {
    await until(`${name} is gone`, async () => (await this.page.locator(`[data-test="${name}"]:visible`).count()) === 0, LONGEST_MS)
  }

  /** Picks a label in a picker by its name. */
  async pickLabel(scope, name) {
    const picker = scope.locator('[data-test="label-picker"]').first()
    await picker.click()
    await this.page.keyboard.type(name)
    await this.page.locator('.el-select-dropdown__item:visible', { hasText: name }).first().click()
  }

  async signIn() {
    await this.go('/')
    await this.fill('token', this.server.tokens[this.name])
    await this.click('sign-in')
    await this.sees('account', new RegExp(this.name))
  }

  /** What is focused now, for walks by keyboard. */
  focused() {
    return this.page.evaluate(() => {
      const at = document.activeElement
      return at?.closest('[data-test]')?.getAttribute('data-test') ?? at?.tagName ?? null
    })
  }

  /** Tabs until something is focused. */
  async tabTo(name, most = 80) {
    for (let n = 0; n < most; n += 1) {
      if ((await this.focused()) === name) return
      await this.page.keyboard.press('Tab')
    }
    throw new Error(`Tab does not reach ${name} in ${most} steps`)
  }
}
