// A delivery from draft to the user who sees it: made by one person, approved by another, never by the same.
import { equal, holds, until } from '../wait.mjs'
import { LABEL, RULE } from './audience.mjs'

const NAME = 'Welcome back quest'
const DAY_MS = 86_400_000

/** A time as the form takes it; everybody's browser is in UTC. */
const written = (offset) => new Date(Date.now() + offset).toISOString().slice(0, 16).replace('T', ' ')

async function setTime(person, name, text) {
  const input = person.page.locator('[data-test="delivery-form"] .el-date-editor input').nth(name === 'start' ? 0 : 1)
  await input.click()
  await input.fill(text)
  await person.page.keyboard.press('Enter')
  await until(`${name} is ${text}`, async () => (await input.inputValue()) === text)
}

export async function play({ people, report, server, shared }) {
  const { anna, ben } = people
  shared.labelId ??= (await server.ask('anna', '/labels', { name: LABEL, rule: RULE })).id
  shared.member = (await server.members(RULE))[0]
  shared.stranger = (await server.members('NOT has_poh'))[0]
  await report.step('anna makes one for the label, and sees whom it would reach', [anna], async () => {
    await anna.go('/deliveries')
    await anna.click('new-delivery')
    await anna.fill('delivery-name', NAME)
    await anna.click('pick-target')
    await anna.page.keyboard.type('humans with')
    await anna.page.locator('.el-select-dropdown__item:visible', { hasText: LABEL }).first().click()
    await anna.fill('content-id', 'quest-1')
    await setTime(anna, 'start', written(-DAY_MS))
    await setTime(anna, 'end', written(7 * DAY_MS))
    await anna.fill('placement', 'home')
    await anna.sees('reach', (await server.count(RULE)).toLocaleString('en'))
  })
  await report.step('it is saved as a draft', [anna], async () => {
    await anna.click('save-delivery')
    await anna.page.waitForURL(/\/deliveries\/\d+$/)
    shared.deliveryId = Number(/\/deliveries\/(\d+)$/.exec(anna.page.url())[1])
    await anna.sees('state', 'draft', 'data-state')
  })
  await report.step('anna submits it', [anna], async () => {
    await anna.click('do-submit')
    await anna.fill('comment', 'Please look at the target')
    await anna.click('take-step')
    await anna.sees('state', 'pending', 'data-state')
  })
  await report.step('ben finds it among those that wait, and approves it', [ben], async () => {
    await ben.go('/deliveries')
    await ben.click('tab-waiting')
    const row = await ben.see(`delivery-${shared.deliveryId}`)
    await row.locator('[data-test="delivery-name"]').click()
    await ben.click('do-approve')
    await ben.fill('comment', 'Fine')
    await ben.click('take-step')
    await ben.sees('state', 'ongoing', 'data-state')
    equal('its status', (await server.ask('ben', `/deliveries/${shared.deliveryId}`)).status, 'ongoing')
  })
  await report.step('a member’s page shows it', [anna], async () => {
    await anna.go(`/users/${shared.member}`)
    const shown = await anna.see(`delivery-${shared.deliveryId}`)
    holds('its name is there', (await shown.innerText()).includes(NAME))
  })
  await report.step('a stranger’s page does not', [anna], async () => {
    await anna.go(`/users/${shared.stranger}`)
    await anna.sees('delivery-count', '0')
  })
}
