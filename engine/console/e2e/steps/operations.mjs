// Held builds, going back, rebuilding: what operators decide, and how everybody sees it.
import { equal, holds, until } from '../wait.mjs'

export async function play({ people, report, server }) {
  const { anna, olga } = people
  const { generations, generation: inService } = await server.ask('olga', '/generations')
  const held = generations.find((one) => one.state === 'held').generation
  const before = generations.find((one) => one.state === 'published' && !one.in_service).generation
  await report.step('the held build shows what moved', [olga], async () => {
    await olga.go('/operations')
    await olga.sees('now-generation', `Generation ${inService}`)
    await olga.click('look-held')
    await olga.see('gates-verdict')
    await olga.page.locator('[data-test="check"][data-outcome="failed"]').first().waitFor()
    holds('the report is in the address', olga.page.url().includes(`report=${held}`))
    return olga.text('gates-verdict')
  })
  await report.step('it is discarded, and gone', [olga], async () => {
    await olga.click('report-discard')
    await olga.click('deed-confirm')
    await olga.gone(`generation-${held}`)
    equal('held builds', (await server.ask('olga', '/generations')).generations.filter((one) => one.state === 'held').length, 0)
  })
  await report.step('a roll back says what changes; then everybody sees the other generation', [olga, anna], async () => {
    await anna.go('/audience?rule=has_poh')
    await anna.sees('generation', new RegExp(`Generation ${inService}\\b`))
    await olga.go('/operations')
    await olga.click(`rollback-${before}`)
    const told = await olga.text('deed')
    const [from, to] = [inService, before].map((n) => generations.find((one) => one.generation === n).users.toLocaleString('en'))
    holds(`the dialog says ${from} and ${to} users`, told.includes(from) && told.includes(to))
    await olga.click('deed-confirm')
    await olga.sees('generation', new RegExp(`Generation ${before}\\b`))
    await anna.sees('generation', new RegExp(`Generation ${before}\\b`))
    equal('the server says so too', (await server.ask('olga', '/status')).generation, before)
    await olga.sees(`generation-${before}`, 'inService', 'data-state')
  })
  await report.step('the count follows, and is that of `muster count`', [anna], async () => {
    await anna.go('/audience?rule=has_poh')
    await anna.sees('count', String(await server.count('has_poh')), 'data-count')
  })
  await report.step('a rebuild shows its progress and comes into service', [olga], async () => {
    await olga.go('/operations')
    await olga.click('rebuild-now')
    await olga.see('rebuild-progress')
    await until('it has ended', async () => (await olga.hook('rebuild-ended').count()) > 0, 120_000)
    const state = await olga.hook('rebuild-ended').getAttribute('data-state')
    equal('how it ended', state, 'published')
    // It is verified before it answers, so it may come a moment later.
    const { rebuild } = await server.ask('olga', '/status')
    const { generation } = rebuild
    await olga.sees('generation', new RegExp(`Generation ${generation}\\b`))
    return `generation ${generation}`
  })
  await report.step('a build that was held back is accepted, with the reason', [olga, anna], async () => {
    await anna.go('/audience?rule=has_poh')
    holds('it is held back', await server.build('third'))
    const build = (await server.ask('olga', '/generations')).generations.find((one) => one.state === 'held').generation
    await olga.go('/operations')
    await olga.click(`accept-${build}`)
    await olga.fill('reason', 'half of the users moved to another table')
    await olga.click('deed-confirm')
    for (const one of [olga, anna]) await one.sees('generation', new RegExp(`Generation ${build}\\b`))
    await anna.sees('count', String(await server.count('has_poh')), 'data-count')
  })
  await report.step('labels are counted again', [olga], async () => {
    await olga.click('count-labels')
    await olga.sees('label-refresh', 'done', 'data-state')
  })
  await report.step('traffic shows rates and latencies by method', [olga], async () => {
    await olga.go('/operations?tab=traffic')
    await until('methods are listed', async () => (await olga.page.locator('[data-test^="method-"]').count()) > 2)
    await olga.page.locator('[data-test="traffic"] svg').first().waitFor()
    await olga.click('method-Preview').catch(() => olga.page.locator('[data-test^="method-"]').first().click())
  })
  await report.step('history tells who did what', [olga], async () => {
    await olga.go('/operations?tab=history')
    await olga.see('event')
    const told = await olga.text('history')
    for (const word of ['Rolled back', 'held back', 'discarded', 'accepted', 'half of the users moved']) holds(`"${word}" is in the history:\n${told}`, told.includes(word))
  })
}
