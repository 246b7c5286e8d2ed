// The builder: five conditions by mouse and keyboard, counted as the command line counts them; text and tree in step; undo; a fault at its place.
import { readFile } from 'node:fs/promises'
import { equal, holds, until } from '../wait.mjs'

/** What is built, written by hand: its count does not come from what the console makes of it. */
export const RULE =
  "has_poh AND balance_usd >= 100 AND NOT bot_warning AND country IN ('US', 'IN') AND last_active_time >= now() - INTERVAL 60 DAY"
export const LABEL = 'Active humans with a balance'

const last = (person, hook) => person.hook('condition').last().locator(`[data-test="${hook}"]`)

/** Adds a condition and finds its field by typing. */
async function addByKeyboard(person, words, field) {
  const { page } = person
  const before = await person.hook('condition').count()
  await person.click('add-condition')
  await until('the condition is there', async () => (await person.hook('condition').count()) === before + 1)
  await until('its field picker is focused', async () => (await person.focused()) === 'field')
  await page.keyboard.type(words)
  await page.locator(`[data-field="${field}"]:visible`).first().waitFor()
  await page.keyboard.press('Enter')
  await last(person, 'field').waitFor()
}

async function counted(person, rule) {
  const wanted = await person.server.count(rule)
  await person.sees('count', String(wanted), 'data-count')
  return wanted
}

export async function play({ people, report, server, shared }) {
  const { anna } = people
  await report.step('the first condition, by a click on the empty page', [anna], async () => {
    await anna.go('/audience')
    await anna.click('start-has_poh')
    return `${await counted(anna, 'has_poh')} users`
  })
  await report.step('the second, by keyboard: a balance', [anna], async () => {
    await addByKeyboard(anna, 'balance usd', 'balance_usd')
    await last(anna, 'number').locator('input').fill('100')
    return `${await counted(anna, 'has_poh AND balance_usd >= 100')} users`
  })
  await report.step('the third: no bots', [anna], async () => {
    await addByKeyboard(anna, 'bot warn', 'bot_warning')
    await last(anna, 'flag').locator('label').nth(1).click()
    return `${await counted(anna, 'has_poh AND balance_usd >= 100 AND NOT bot_warning')} users`
  })
  await report.step('the fourth, by mouse: two countries, offered with how many users each has', [anna], async () => {
    await anna.click('add-condition')
    await until('there are four', async () => (await anna.hook('condition').count()) === 4)
    await until('its field picker is focused', async () => (await anna.focused()) === 'field')
    await last(anna, 'field').click()
    await anna.page.locator('[data-field="country"]:visible').first().click()
    await last(anna, 'pick').click()
    for (const country of ['US', 'IN']) await anna.page.locator(`[data-value="${country}"]:visible`).first().click()
    await anna.page.keyboard.press('Escape')
    return `${await counted(anna, "has_poh AND balance_usd >= 100 AND NOT bot_warning AND country IN ('US', 'IN')")} users`
  })
  await report.step('the fifth: active in the last 60 days; the count is that of `muster count`', [anna], async () => {
    await addByKeyboard(anna, 'last active', 'last_active_time')
    await last(anna, 'amount').locator('input').fill('60')
    shared.count = await counted(anna, RULE)
    return `${shared.count} users`
  })
  await report.step('each condition has its count, and the address holds the rule', [anna], async () => {
    equal('parts with a count', await anna.page.locator('[data-test="condition"] [data-test="part-count"]').count(), 5)
    await until('the address has the rule', () => new URL(anna.page.url()).searchParams.get('rule')?.includes('60 DAY'))
    shared.link = anna.page.url()
  })
  await report.step('undo takes the last step back, redo does it again', [anna], async () => {
    await anna.click('undo')
    await until('the count is another', async () => (await anna.hook('count').getAttribute('data-count')) !== String(shared.count))
    await anna.click('redo')
    await anna.sees('count', String(shared.count), 'data-count')
  })
  await report.step('the text changes the tree', [anna], async () => {
    await anna.hook('rule-text').click()
    await anna.page.keyboard.press('Control+a')
    await anna.page.keyboard.insertText('has_poh OR has_zkme')
    await until('the tree has two conditions', async () => (await anna.hook('condition').count()) === 2)
    return `${await counted(anna, 'has_poh OR has_zkme')} users`
  })
  await report.step('the tree changes the text', [anna], async () => {
    await anna.hook('combinator').first().locator('label, .el-segmented__item').first().click()
    await anna.sees('rule-text', /has_poh AND has_zkme/)
    await counted(anna, 'has_poh AND has_zkme')
  })
  await report.step('a condition is dragged into a group', [anna], async () => {
    await anna.hook('rule-text').click()
    await anna.page.keyboard.press('Control+a')
    await anna.page.keyboard.insertText('has_poh AND has_zkme AND (has_babt OR has_galxe_passport)')
    await until('the tree has a group of two', async () => (await anna.hook('group').count()) === 2)
    await until('and four conditions', async () => (await anna.hook('condition').count()) === 4)
    const inner = anna.hook('group').nth(1)
    const grip = anna.hook('condition').nth(1).locator('.grip').first()
    const from = await grip.boundingBox()
    await anna.page.mouse.move(from.x + from.width / 2, from.y + from.height / 2)
    await anna.page.mouse.down()
    // What is dragged over moves aside, so the hand follows it, as a person's does.
    await until('it hangs over the group', async () => {
      const to = await inner.locator('[data-test="condition"]').nth(1).boundingBox()
      await anna.page.mouse.move(to.x + 60, to.y + to.height / 2 - 4, { steps: 4 })
      await anna.page.mouse.move(to.x + 66, to.y + to.height / 2 + 4, { steps: 4 })
      return (await inner.locator('[data-test="condition"]').count()) === 3
    })
    await anna.page.mouse.up()
    await until('three conditions are in the group', async () => (await inner.locator('[data-test="condition"]').count()) === 3)
    return `${await counted(anna, 'has_poh AND (has_babt OR has_zkme OR has_galxe_passport)')} users`
  })
  await report.step('what is wrong with a rule is shown at its place', [anna], async () => {
    await anna.hook('rule-text').click()
    await anna.page.keyboard.press('Control+a')
    await anna.page.keyboard.insertText('has_poh AND contry = 1')
    await anna.sees('text-problem', /contry/)
    await anna.page.locator('[data-test="rule-text"] .cm-lintRange, .cm-lintRange').first().waitFor()
    const marked = await anna.page.locator('.cm-lintRange').first().innerText()
    holds(`"${marked}" is marked instead of the wrong word`, marked.includes('contry'))
  })
  await report.step('the link opens the rule again', [anna], async () => {
    await anna.page.goto(shared.link)
    await until('there are five conditions', async () => (await anna.hook('condition').count()) === 5)
    await anna.sees('count', String(shared.count), 'data-count')
  })
  await report.step('it is taken away as ids, as a table and as a bitmap, whole', [anna], async () => {
    await anna.click('export')
    for (const format of ['ids', 'csv', 'roaring']) {
      await anna.click(`format-${format}`)
      const [file] = await Promise.all([anna.page.waitForEvent('download'), anna.click('start-export')])
      const content = await readFile(await file.path())
      const lines = content.toString('latin1').trimEnd().split('\n').length
      if (format === 'ids') equal('the lines of ids', lines, shared.count)
      if (format === 'csv') equal('the lines of the table, with its head', lines, shared.count + 1)
      if (format === 'roaring') holds('the bitmap has bytes', content.length > 0)
    }
    await anna.page.keyboard.press('Escape')
    await anna.gone('start-export')
  })
  await report.step('it is saved as a label', [anna], async () => {
    await anna.click('save')
    await anna.fill('label-name', LABEL)
    await anna.fill('label-description', 'Made by the test of the console')
    await anna.click('save-label')
    await anna.page.waitForURL(/\/labels\/\d+/)
    shared.labelId = Number(/\/labels\/(\d+)/.exec(anna.page.url())[1])
    const told = await server.ask('anna', `/labels/${shared.labelId}`)
    equal('its name', told.name, LABEL)
  })
}

export async function playByKeyboard({ people, report, server }) {
  const { anna } = people
  const { page } = anna
  await report.step('from the front page to a saved label, by keys alone', [anna], async () => {
    await anna.go('/')
    await anna.see('add-condition')
    await page.keyboard.press('Tab')
    await anna.tabTo('add-condition')
    await page.keyboard.press('Enter')
    await until('the field picker is focused', async () => (await anna.focused()) === 'field')
    await page.keyboard.type('zkme')
    await page.locator('[data-field="has_zkme"]:visible').waitFor()
    await page.keyboard.press('Enter')
    await counted(anna, 'has_zkme')
    await anna.tabTo('save')
    await page.keyboard.press('Enter')
    await anna.see('label-name')
    await anna.tabTo('label-name')
    await page.keyboard.type('Made by keyboard')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/labels\/\d+/)
    const id = /\/labels\/(\d+)/.exec(page.url())[1]
    equal('its rule', (await server.ask('anna', `/labels/${id}`)).rule, 'has_zkme')
  })
}
