// The dialog of saves that conflict: both versions, and three ways out.
import { mount, type VueWrapper } from '@vue/test-utils'
import ElementPlus from 'element-plus'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'
import { i18n } from '@/i18n'
import ConflictDialog from './ConflictDialog.vue'

// Mounting takes its time on a machine that does other things as well.
vi.setConfig({ testTimeout: 60_000 })

let dialog: VueWrapper | undefined
const rows = [
  { name: 'Rule', before: 'has_poh', after: 'has_poh AND NOT bot_warning', rule: true },
  { name: 'Description', before: '', after: 'Real people' },
]

async function open(given = rows) {
  dialog = mount(ConflictDialog, {
    props: { open: true, rows: given, by: 'lin', at: 'now' },
    global: { plugins: [ElementPlus, i18n], stubs: { transition: false } },
    attachTo: document.body,
  })
  await nextTick()
  await nextTick()
  return dialog
}
const byTest = (name: string) => document.querySelector<HTMLElement>(`[data-test="${name}"]`)

afterEach(() => {
  dialog?.unmount()
  document.body.innerHTML = ''
})

describe('a conflict', () => {
  it('shows mine and what is stored, field by field, and by whom', async () => {
    await open()
    const cells = [...document.querySelectorAll('[data-test="diff-row"]')].map((row) => [...row.children].map((cell) => cell.textContent?.trim()))
    expect(cells).toEqual([
      ['Rule', 'has_poh', 'has_poh AND NOT bot_warning'],
      ['Description', 'none', 'Real people'],
    ])
    expect(document.body.textContent).toContain('lin')
  })

  it.each([
    ['conflict-theirs', 'theirs'],
    ['conflict-mine', 'mine'],
    ['conflict-edit', 'edit'],
  ])('%s says %s', async (button, resolution) => {
    const shown = await open()
    byTest(button)?.click()
    await nextTick()
    expect(shown.emitted('resolve')).toEqual([[resolution]])
  })

  it('says so when both versions are the same', async () => {
    await open([])
    expect(byTest('diff')).toBeNull()
    expect(document.body.textContent).toContain(i18n.global.t('conflict.same'))
  })
})
