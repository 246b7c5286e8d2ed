// Runs steps one after the other, prints each with its time, and keeps what the page looked like when one fails.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const color = (code, text) => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text)

export class Report {
  constructor(folder) {
    this.folder = folder
    this.done = 0
    this.began = performance.now()
  }

  chapter(name) {
    console.log(`\n${color(1, name)}`)
  }

  /** Runs one step; the first that fails ends the run. `people` are those whose pages are kept then. */
  async step(name, people, work) {
    const began = performance.now()
    try {
      const told = await work()
      const ms = Math.round(performance.now() - began)
      this.done += 1
      console.log(`  ${color(32, '✓')} ${name}${told ? ` – ${told}` : ''} ${color(2, `${ms} ms`)}`)
    } catch (error) {
      console.log(`  ${color(31, '✗')} ${name} ${color(2, `${Math.round(performance.now() - began)} ms`)}`)
      console.log(`\n${error instanceof Error ? error.stack : error}\n`)
      for (const person of people) await this.keep(person)
      throw new Failed(name)
    }
  }

  async keep(person) {
    await mkdir(this.folder, { recursive: true })
    const file = join(this.folder, `failed-${person.name}.png`)
    await person.page.screenshot({ path: file, fullPage: true }).catch(() => undefined)
    const text = await person.page.evaluate(() => document.body.innerText).catch(() => '')
    await writeFile(join(this.folder, `failed-${person.name}.txt`), `${person.page.url()}\n\n${text}\n`)
    console.log(`${person.name} was at ${person.page.url()}; the page is in ${file}:`)
    console.log(text.split('\n').slice(0, 60).map((line) => `  | ${line}`).join('\n'))
    for (const line of person.errors.slice(-5)) console.log(`  console: ${line}`)
  }

  end() {
    console.log(`\n${color(32, `${this.done} steps`)} in ${((performance.now() - this.began) / 1000).toFixed(1)} s`)
  }
}

/** A step failed, and was told already. */
export class Failed extends Error {}
