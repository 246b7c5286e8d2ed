// The form of a delivery: what is wrong stands at its field, what is typed outlives refusals and conflicts.
import { flushPromises, mount, type VueWrapper } from '@vue/test-utils'
import ElementPlus from 'element-plus'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import type { Delivery } from '@/api'
import { i18n } from '@/i18n'
import { useSession } from '@/stores/session'
import DeliveryEditor from './DeliveryEditor.vue'
import { usualPlan } from './form'

// Mounting the whole form takes its time on a machine that does other things as well.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

interface Asked {
  path: string
  method: string
  body: Record<string, unknown>
}
let asked: Asked[]
let answer: (asked: Asked) => { status?: number; json: unknown }
let editor: VueWrapper

const LABEL = [{ id: 4, name: 'whales' }]
const DRAFT = {
  id: 7,
  name: 'swap',
  target: { label: 'whales' },
  target_label_id: 4,
  exclude: [],
  holdout: null,
  content_type: 'onchain_task',
  content_id: 'task-1',
  start_time: '2036-11-20T00:00:00Z',
  end_time: '2036-12-20T00:00:00Z',
  priority: 10,
  placement: 'home',
  status: 'draft',
  open: null,
  creator: 'maya',
  created: '2026-11-21T00:00:00Z',
  updated: '2026-11-21T00:00:00Z',
  updated_by: 'maya',
  version: 3,
} as unknown as Delivery
const REACH = { reach: 900, target: 1000, universe: 10_000, share: 0.09, shared: [], generation: 1, as_of: '2026-11-21T00:00:00Z' }

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  asked = []
  answer = () => ({ json: REACH })
  vi.stubGlobal('fetch', async (path: string, options: { method: string; body: string | null }) => {
    const one = { path, method: options.method, body: options.body ? (JSON.parse(options.body) as Record<string, unknown>) : {} }
    if (path.endsWith('/me')) return new Response(JSON.stringify({ name: 'maya', role: 'editor', tokens: false }))
    asked.push(one)
    const { status = 200, json } = path.endsWith('/reach') ? { json: REACH } : answer(one)
    const type = status >= 400 ? 'application/problem+json' : 'application/json'
    return new Response(JSON.stringify(json), { status, headers: { 'content-type': type } })
  })
  setActivePinia(createPinia())
  await useSession().load()
})
afterEach(() => {
  editor.unmount()
  document.body.innerHTML = ''
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

async function open(delivery: Delivery | null, start: object = {}) {
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/:path(.*)*', component: { template: '<i />' } }] })
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  editor = mount(DeliveryEditor, {
    props: { delivery, start },
    global: { plugins: [ElementPlus, i18n, router] },
    attachTo: document.body,
  })
  await flushPromises()
}
const faults = () => [...document.querySelectorAll('[data-test="fault"]')].map((one) => one.textContent?.trim())
const type = (test: string, text: string) => editor.find(`input[data-test="${test}"], [data-test="${test}"] input`).setValue(text)
async function save() {
  await editor.find('form').trigger('submit')
  await flushPromises()
}
const sent = () => asked.filter(({ path }) => !path.endsWith('/reach'))

describe('a new delivery', () => {
  it('is not sent while something is missing, and says what where', async () => {
    await open(null)
    expect(faults()).toEqual([])
    await save()
    expect(faults()).toEqual(['Give it a name.', 'Choose a label.', 'Say which task.', 'Say when it starts.', 'Say when it ends.'])
    expect(sent()).toEqual([])
  })

  it('is sent when nothing is wrong, once', async () => {
    await open(null, { label: LABEL, ...usualPlan(new Date()) })
    await type('delivery-name', ' swap ')
    await type('content-id', 'task-1')
    answer = () => ({ status: 201, json: DRAFT })
    await Promise.all([save(), save()])
    expect(sent()).toHaveLength(1)
    expect(sent()[0]).toMatchObject({ method: 'POST', body: { name: 'swap', target: { label_id: 4 }, content_id: 'task-1', exclude: [] } })
    expect(editor.emitted('saved')).toEqual([[DRAFT]])
  })

  it('shows what the server refuses at the field that it names, and keeps what was typed', async () => {
    await open(null, { label: LABEL, ...usualPlan(new Date()) })
    await type('delivery-name', 'swap')
    await type('content-id', 'task-1')
    const problem = { type: 'urn:muster:problem:invalid_request', title: '', detail: 'content_id: no such task', status: 400, field: 'content_id' }
    answer = () => ({ status: 400, json: { ...problem, instance: '', request_id: '' } })
    await save()
    expect(faults()).toEqual(['content_id: no such task'])
    expect(editor.find<HTMLInputElement>('input[data-test="content-id"]').element.value).toBe('task-1')
    expect(editor.emitted('saved')).toBeUndefined()
  })

  it('is told whom it would reach once typing rests', async () => {
    await open(null, { label: LABEL })
    expect(asked).toEqual([])
    await vi.advanceTimersByTimeAsync(400)
    await flushPromises()
    expect(asked.map(({ path }) => path)).toEqual(['/api/v1/deliveries/reach'])
    expect(editor.find('[data-test="reach"]').text()).toBe('900')
    expect(editor.find('[data-test="left-out"]').text()).toBe('100')
  })
})

describe('a save that conflicts', () => {
  const current = { ...DRAFT, priority: 99, version: 5, updated_by: 'lin' }
  const conflict = { type: 'urn:muster:problem:conflict', title: '', detail: 'changed', status: 409, instance: '', request_id: '', current }
  const click = async (test: string) => {
    document.querySelector<HTMLElement>(`[data-test="${test}"]`)?.click()
    await flushPromises()
  }

  beforeEach(async () => {
    await open(DRAFT)
    await type('delivery-name', 'mine')
    answer = ({ body }) => (body['version'] === 5 ? { json: { ...current, ...body } } : { status: 409, json: conflict })
    await save()
  })

  it('shows both versions', () => {
    const rows = [...document.querySelectorAll('[data-test="diff-row"]')].map((row) => [...row.children].map((cell) => cell.textContent?.trim()))
    expect(rows).toEqual([
      ['Name', 'mine', 'swap'],
      ['Priority', '10', '99'],
    ])
  })
  it('can be overwritten, on the version that is stored now', async () => {
    await click('conflict-mine')
    expect(sent().map(({ body }) => body['version'])).toEqual([3, 5])
    expect(editor.emitted('saved')).toHaveLength(1)
  })
  it('can be given up for what is stored', async () => {
    await click('conflict-theirs')
    expect(editor.find<HTMLInputElement>('input[data-test="delivery-name"]').element.value).toBe('swap')
    expect(sent()).toHaveLength(1)
  })
  it('leaves what was typed to whoever goes on editing', async () => {
    await click('conflict-edit')
    expect(editor.find<HTMLInputElement>('input[data-test="delivery-name"]').element.value).toBe('mine')
    await save()
    expect(sent().map(({ body }) => body['version'])).toEqual([3, 3])
  })
})
