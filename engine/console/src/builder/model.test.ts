// The builder against a network whose answers come when the test says so.
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref, type EffectScope } from 'vue'
import type { SchemaAnswer } from '@/api'
import { newCondition, newGroup } from '@/rule/tree'
import { useSession } from '@/stores/session'
import { useStore } from '@/stores/store'
import { createBuilder, nodeAt } from './model'

interface Asked {
  path: string
  body: { rule?: string; rules?: { rules: unknown[] } }
  answer: (body: unknown, status?: number) => void
  signal: AbortSignal
}

let asked: Asked[] = []
let scope: EffectScope

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    return new Promise((resolve, reject) => {
      const signal = init.signal!
      signal.addEventListener('abort', () => reject(new DOMException('given up', 'AbortError')))
      const type = (status: number) => (status === 200 ? 'application/json' : 'application/problem+json')
      asked.push({
        path,
        body: JSON.parse(String(init.body)),
        signal,
        answer: (body, status = 200) =>
          resolve(new Response(JSON.stringify(body), { status, headers: { 'content-type': type(status) } })),
      })
    })
  })
  setActivePinia(createPinia())
  useStore().schema = {
    user_id: 'user_id',
    columns: [
      { name: 'has_poh', kind: 'bool', type: 'Bool', nullable: false },
      { name: 'balance_usd', kind: 'number', type: 'Float64', nullable: true },
    ],
  } as unknown as SchemaAnswer
  scope = effectScope()
})
afterEach(() => {
  scope.stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const make = (rule = ref('')) => scope.run(() => createBuilder(rule))!
const pause = () => vi.advanceTimersByTimeAsync(30)
const settle = async () => {
  await vi.advanceTimersByTimeAsync(0)
  await nextTick()
}
const preview = (count: number, rule: string, parts: unknown[] = []) => ({
  count,
  universe: 100,
  share: count / 100,
  root: { rule, count, share: count / 100, parts },
  micros: 1,
  generation: 1,
})
const part = (rule: string, count: number, without: number) => ({ rule, count, share: count / 100, without, parts: [] })

describe('the builder', () => {
  it('counts once what changes several times in a moment', async () => {
    const builder = make()
    builder.root.rules.push(newCondition('balance_usd', '>=', 1))
    builder.changed()
    builder.changed()
    builder.changed()
    await pause()
    expect(asked).toHaveLength(1)
  })

  it('drops the answer to an older question, whenever it comes', async () => {
    const builder = make()
    builder.root.rules.push(newCondition('balance_usd', '>=', 1))
    builder.changed()
    await pause()
    Object.assign(builder.root.rules[0]!, { value: 2 })
    builder.changed()
    await pause()
    expect(asked[0]!.signal.aborted).toBe(true)
    asked[1]!.answer(preview(2, 'balance_usd >= 2', [part('balance_usd >= 2', 2, 98)]))
    await settle()
    asked[0]!.answer(preview(1, 'balance_usd >= 1'))
    await settle()
    expect(builder.answer?.count).toBe(2)
    expect(builder.text).toBe('balance_usd >= 2')
  })

  it('has a count beside each finished condition and none beside the others', async () => {
    const builder = make()
    const [open, done] = [newCondition('balance_usd', '>=', null), newCondition('has_poh', '=', true)]
    builder.root.rules.push(open, done)
    builder.changed()
    await pause()
    asked[0]!.answer(preview(7, 'has_poh', [part('has_poh', 7, 93)]))
    await settle()
    expect(builder.counts.get(done.id)).toEqual({ count: 7, share: 0.07, without: 93 })
    expect(builder.counts.has(open.id)).toBe(false)
    expect(builder.open.map((one) => one.id)).toEqual([open.id])
  })

  it('goes back and forward', async () => {
    const builder = make()
    builder.root.rules.push(newCondition('has_poh', '=', true))
    builder.changed()
    builder.root.rules.push(newCondition('balance_usd', '>=', 5))
    builder.changed()
    builder.undo()
    expect(builder.root.rules).toHaveLength(1)
    builder.undo()
    expect(builder.root.rules).toHaveLength(0)
    builder.redo()
    builder.redo()
    expect(builder.root.rules).toHaveLength(2)
    expect(builder.ahead).toBe(0)
  })

  it('reads a text into the tree, and leaves the text as it is typed', async () => {
    const rule = ref('')
    const builder = make(rule)
    builder.changeText('has_poh   and true')
    await pause()
    expect(asked[0]!.path).toContain('/audience/rule')
    asked[0]!.answer({ rule: 'has_poh AND true', rules: { combinator: 'and', rules: [{ field: 'has_poh', operator: '=', value: true }] } })
    await settle()
    asked[1]!.answer(preview(7, 'has_poh', [part('has_poh', 7, 93)]))
    await settle()
    // The count first, then the tree.
    expect([builder.answer?.count, builder.conditions]).toEqual([7, 0])
    await pause()
    expect(builder.conditions).toBe(1)
    expect(builder.counts.get(builder.root.rules[0]!.id)?.count).toBe(7)
    expect(builder.text).toBe('has_poh   and true')
    expect(rule.value).toBe('has_poh AND true')
    await pause()
    // Handing the rule out asks nothing anew.
    expect(asked).toHaveLength(2)
  })

  it('shows where a text is wrong, and keeps the last count', async () => {
    const builder = make()
    builder.root.rules.push(newCondition('has_poh', '=', true))
    builder.changed()
    await pause()
    asked[0]!.answer(preview(7, 'has_poh'))
    await settle()
    builder.changeText('has_poh AND contry = 4')
    await pause()
    asked[1]!.answer({ type: 'urn:muster:problem:bad_rule', status: 400, detail: 'unknown column', position: { line: 1, column: 13 } }, 400)
    await settle()
    // Half a word is no mistake yet.
    expect(builder.problem).toBeNull()
    await vi.advanceTimersByTimeAsync(400)
    expect(builder.problem).toEqual({ detail: 'unknown column', offset: 12, node: null })
    expect(builder.answer?.count).toBe(7)
  })

  it('shows which condition of the tree is wrong', async () => {
    const builder = make()
    const inner = newCondition('balance_usd', '>=', 1)
    builder.root.rules.push(newCondition(), newGroup('or', [inner]))
    builder.changed()
    await pause()
    const told = { type: 'urn:muster:problem:bad_rule', status: 400, detail: 'too large', pointer: '/rules/0/rules/0/value' }
    asked[0]!.answer(told, 400)
    await settle()
    expect(builder.problem?.node).toBe(inner.id)
  })

  it('tells a failure of the server apart from a wrong rule', async () => {
    const builder = make()
    builder.changed()
    await pause()
    asked[0]!.answer({ type: 'urn:muster:problem:exhausted', status: 429, detail: 'too much at a time' }, 429)
    await settle()
    expect(builder.problem).toBeNull()
    expect(String(builder.failure)).toContain('too much at a time')
  })

  it('asks the text again, not the tree before it, when the server is back', async () => {
    const builder = make()
    builder.changeText('has_poh')
    await pause()
    asked[0]!.answer({}, 502)
    await settle()
    expect(builder.failure).not.toBeNull()
    useSession().connected = true
    await settle()
    expect(asked.map((one) => one.body.rule)).toContain('has_poh')
    expect(asked.filter((one) => one.path.endsWith('/audience/rule'))).toHaveLength(2)
    expect(builder.text).toBe('has_poh')
  })

  it('finds the nearest node of a pointer that goes too deep', () => {
    expect(nodeAt({ id: 'a', parts: [{ id: 'b', parts: [] }] }, '/rules/0/rules/3')).toBe('b')
    expect(nodeAt({ id: 'a', parts: [] }, null)).toBe('a')
  })
})
