// A server that is gone, or hangs: the page says so, keeps what was typed, and recovers by itself.
import { holds } from '../wait.mjs'

export async function play({ people, report, server }) {
  const { anna, olga } = people
  await olga.go('/operations')
  await olga.see('generations')
  await report.step('a lost connection is shown', [anna], async () => {
    await anna.go('/audience?rule=has_poh')
    await anna.see('count')
    await server.kill()
    await anna.page.locator('.banner.bad').waitFor({ timeout: 20_000 })
  })
  await report.step('a page that is opened meanwhile says so', [olga], async () => {
    await olga.page.locator('.place[href="/users"]').click()
    await olga.page.locator('.banner.bad').waitFor({ timeout: 20_000 })
  })
  await report.step('what is built meanwhile is kept', [anna], async () => {
    await anna.hook('rule-text').click()
    await anna.page.keyboard.press('Control+a')
    await anna.page.keyboard.insertText('has_poh AND has_babt')
    await anna.see('problem')
    await anna.sees('rule-text', /has_babt/)
  })
  await report.step('the page recovers by itself, and counts what was typed', [anna], async () => {
    await server.start()
    await anna.page.locator('.banner.bad').waitFor({ state: 'detached', timeout: 20_000 })
    await anna.sees('rule-text', /has_babt/)
    await anna.sees('count', String(await server.count('has_poh AND has_babt')), 'data-count')
  })
  await report.step('the page that could not be loaded loads', [olga], async () => {
    await olga.see('users')
    await olga.gone('problem')
    holds('it is the page that was asked for', olga.page.url().endsWith('/users'))
  })
  await report.step('a server that hangs is shown, and its answer is when it wakes', [anna], async () => {
    server.hang()
    try {
      await anna.hook('rule-text').click()
      await anna.page.keyboard.press('Control+a')
      await anna.page.keyboard.insertText('has_babt')
      await anna.page.locator('.banner.bad').waitFor({ timeout: 40_000 })
    } finally {
      server.wake()
    }
    await anna.page.locator('.banner.bad').waitFor({ state: 'detached', timeout: 20_000 })
    await anna.sees('count', String(await server.count('has_babt')), 'data-count')
  })
}
