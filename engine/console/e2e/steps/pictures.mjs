// Pictures of every page, in both languages and both themes, and of a tablet; kept in `screenshots`.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Person } from '../person.mjs'
import { holds } from '../wait.mjs'
import { RULE } from './audience.mjs'

/** The pages, how to get to each, and what is there when it is. */
export function pagesOf(shared) {
  const { labelId, deliveryId, otherLabel, member } = shared
  return [
    { name: 'audience', path: `/audience?rule=${encodeURIComponent(RULE)}`, ready: '[data-test="profile"]' },
    { name: 'audience-empty', path: '/audience', ready: '[data-test="start-country"]' },
    { name: 'labels', path: '/labels', ready: '[data-test="labels"]' },
    ...(labelId ? [{ name: 'label', path: `/labels/${labelId}`, ready: '[data-test="rule"]' }] : []),
    ...(labelId && otherLabel ? [{ name: 'overlap', path: `/labels/overlap?ids=${labelId},${otherLabel}`, ready: '[data-test="matrix"]' }] : []),
    { name: 'users', path: labelId ? `/users?label_id=${labelId}` : '/users', ready: '[data-test="users"]' },
    ...(member ? [{ name: 'user', path: `/users/${member}${labelId ? `?label_id=${labelId}` : ''}`, ready: '[data-test="features-maps"]' }] : []),
    { name: 'deliveries', path: '/deliveries', ready: 'main h1' },
    { name: 'delivery-new', path: '/deliveries/new', ready: 'main h1' },
    ...(deliveryId ? [{ name: 'delivery', path: `/deliveries/${deliveryId}`, ready: 'main h1' }] : []),
    { name: 'operations', path: '/operations', ready: '[data-test="generations"]' },
    { name: 'operations-traffic', path: '/operations?tab=traffic', ready: '[data-test="traffic"] svg path[stroke-width="1.8"]' },
    { name: 'operations-history', path: '/operations?tab=history', ready: '[data-test="event"]' },
  ]
}

const LOOKS = [
  { language: 'en', theme: 'light', width: 1280, height: 800 },
  { language: 'en', theme: 'dark', width: 1280, height: 800 },
  { language: 'zh-CN', theme: 'light', width: 1280, height: 800 },
  { language: 'zh-CN', theme: 'dark', width: 1024, height: 768 },
]

export async function play({ browser, report, server, shared, screenshots }) {
  await mkdir(screenshots, { recursive: true })
  for (const { language, theme, width, height } of LOOKS) {
    await report.step(`${language}, ${theme}, ${width} x ${height}`, [], async () => {
      const person = await Person.open(browser, server, 'olga', { language, theme })
      try {
        await person.page.setViewportSize({ width, height })
        await person.context.addInitScript((token) => sessionStorage.setItem('muster.token', token), server.tokens.olga)
        const pages = pagesOf(shared)
        for (const { name, path, ready } of pages) {
          await person.go(path)
          await person.page.locator(ready).first().waitFor()
          await person.page.waitForLoadState('networkidle', { timeout: 5_000 }).catch(() => undefined)
          const wide = await person.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
          holds(`${name} scrolls sideways by ${wide} px`, wide <= 0)
          await person.page.screenshot({ path: join(screenshots, `${name}-${language}-${theme}.png`), fullPage: true })
        }
        const faults = person.errors.filter((line) => line.startsWith('error: ') && !/ERR_FAILED|Failed to load resource/.test(line))
        holds(`the browser's console has errors:\n${faults.join('\n')}`, faults.length === 0)
        return `${pages.length} pages`
      } finally {
        await person.context.close()
      }
    })
  }
}
