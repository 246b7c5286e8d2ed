// Users of an audience, a user's page, and why somebody is in a label or not.
import { equal, holds, until } from '../wait.mjs'
import { LABEL, RULE } from './audience.mjs'

export async function play({ people, report, server, shared }) {
  const { anna } = people
  shared.member ??= (await server.members(RULE))[0]
  shared.stranger ??= (await server.members(`NOT has_poh`))[0]
  await report.step('the users of the label are listed, with their number', [anna], async () => {
    await anna.go(`/users?label_id=${shared.labelId}`)
    await anna.sees('count', (await server.count(RULE)).toLocaleString('en'))
    await anna.see('users')
    holds('users are listed', (await anna.page.locator('[data-test^="user-"] >> visible=true').count()) > 5)
  })
  await report.step('so are those of a rule that is typed; its fault is shown at its place', [anna], async () => {
    await anna.page.locator('[data-test="audience-rule"]').click()
    await anna.fill('rule', 'has_poh AND')
    await anna.click('apply-rule')
    await anna.see('problem')
    await anna.see('rule-place')
    await anna.fill('rule', 'has_poh AND has_zkme')
    await anna.click('apply-rule')
    await anna.sees('count', (await server.count('has_poh AND has_zkme')).toLocaleString('en'))
  })
  await report.step('pages go on and back', [anna], async () => {
    await anna.go('/users?rule=has_poh')
    await anna.sees('range', /^1–50$/)
    await anna.click('next-page')
    await anna.sees('range', /^51–100$/)
    await anna.click('previous-page')
    await anna.sees('range', /^1–50$/)
  })
  await report.step('a user is found by ID from any page', [anna], async () => {
    await anna.fill('user-search', shared.member)
    await anna.page.keyboard.press('Enter')
    await anna.page.waitForURL(new RegExp(`/users/${shared.member}`))
    await anna.see('features-flags')
    await anna.see(`label-${shared.labelId}`)
  })
  await report.step('"why" says that a member is in, condition by condition', [anna], async () => {
    const why = anna.hook('why')
    await anna.pickLabel(why, LABEL)
    await anna.sees('verdict', 'in', 'data-verdict')
    await until('five conditions hold', async () => (await anna.page.locator('[data-test="reason"][data-outcome="true"]').count()) === 6)
    await anna.see('smallest-change')
  })
  await report.step('"why not" says which condition keeps a stranger out', [anna], async () => {
    await anna.go(`/users/${shared.stranger}?label_id=${shared.labelId}`)
    await anna.sees('verdict', 'out', 'data-verdict')
    const rows = anna.page.locator('[data-test="reason"]')
    const text = await rows.filter({ hasText: 'has_poh' }).first().innerText()
    holds(`the reason is has_poh: ${text}`, /does not hold/.test(text))
    equal('the label is not listed', await anna.hook(`label-${shared.labelId}`).count(), 0)
  })
  await report.step('an unknown user is said to be unknown', [anna], async () => {
    await anna.go('/users/5')
    await anna.see('unknown-user')
  })
}
