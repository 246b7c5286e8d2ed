import { describe, expect, it } from 'vitest'
import type { SchemaAnswer } from '@/api'
import { fieldsOf, type Field } from './fields'
import {
  conditionsOf,
  duplicate,
  find,
  fromWire,
  keep,
  move,
  newCondition,
  newGroup,
  nudge,
  parentOf,
  remove,
  same,
  toWire,
  unfinished,
  unwrap,
  wrap,
  type Group,
} from './tree'

const schema = {
  user_id: 'user_id',
  time_zone: 'UTC',
  columns: [
    { name: 'has_poh', kind: 'bool', type: 'Bool', nullable: false },
    { name: 'balance_usd', kind: 'number', type: 'Float64', nullable: true },
    { name: 'country', kind: 'text', type: 'String', nullable: false },
    { name: 'chains', kind: 'array', type: 'Array(String)', nullable: true },
    { name: 'holdings', kind: 'map', type: 'Map(String, Float64)', nullable: true },
    { name: 'last_active_time', kind: 'time', type: 'DateTime', nullable: false },
  ],
  generation: 1,
  as_of: '2026-11-20T00:00:00Z',
} as unknown as SchemaAnswer
const fields: Map<string, Field> = new Map(fieldsOf(schema).map((field) => [field.name, field]))

const wire = {
  combinator: 'and',
  not: true,
  rules: [
    { field: 'has_poh', operator: '=', value: true },
    {
      combinator: 'at_least',
      k: 2,
      not: false,
      rules: [
        { field: 'balance_usd', operator: 'between', value: [1, 5] },
        { field: "holdings['USDT']", operator: '>=', value: 10 },
        { field: 'bucket', operator: 'bucket', value: ['x', 0, 50] },
      ],
    },
    { field: 'balance_usd', operator: '>', value: 'other', valueSource: 'field' },
  ],
}

/** A rule whose conditions are numbered: what is where can be read off. */
function numbered(): Group {
  const condition = (n: number) => ({ ...newCondition('balance_usd', '>=', n), id: `c${n}` })
  const inner = { ...newGroup('or', [condition(2), condition(3)]), id: 'inner' }
  return { ...newGroup('and', [condition(1), inner, condition(4)]), id: 'root' }
}
const order = (group: Group): string =>
  group.rules.map((node) => (node.type === 'group' ? `(${order(node)})` : String(node.value))).join(' ')

describe('the tree of a rule', () => {
  it('goes to the server and back unchanged', () => {
    expect(toWire(fromWire(wire), fields).wire).toEqual(wire)
  })

  it('becomes a group where the server has a condition alone', () => {
    const tree = fromWire({ field: 'has_poh', operator: '=', value: false })
    expect(tree.rules).toHaveLength(1)
    expect(tree.combinator).toBe('and')
  })

  it('leaves out what is not finished, and tells which nodes were sent', () => {
    const root = newGroup('and', [
      newCondition('has_poh', '=', true),
      newCondition(),
      newCondition('balance_usd', '>=', null),
      newGroup('or', [newCondition()]),
      newCondition('country', 'in', ['JP']),
    ])
    const sent = toWire(root, fields)
    expect(sent.wire.rules).toHaveLength(2)
    expect(sent.ids.parts.map((part) => part.id)).toEqual([root.rules[0]!.id, root.rules[4]!.id])
    expect(unfinished(root, fields)).toHaveLength(3)
  })

  it('counts zero and false as values', () => {
    const root = newGroup('and', [newCondition('balance_usd', '>=', 0), newCondition('has_poh', '=', false)])
    expect(unfinished(root, fields)).toEqual([])
  })

  it('wants a sample with a name and a width', () => {
    const sample = (value: unknown) => unfinished(newGroup('and', [newCondition('bucket', 'bucket', value)]), fields).length
    expect(sample(['', 0, 10])).toBe(1)
    expect(sample(['a', 10, 10])).toBe(1)
    expect(sample(['a', 0, 10])).toBe(0)
  })

  it('moves nodes between groups, but never a group into itself', () => {
    const root = numbered()
    expect(move(root, 'c1', 'inner', 1)).toBe(true)
    expect(order(root)).toBe('(2 1 3) 4')
    expect(move(root, 'inner', 'inner', 0)).toBe(false)
    const deep = { ...newGroup('and', []), id: 'deep' }
    const inner = find(root, 'inner') as Group
    inner.rules.push(deep)
    expect(move(root, 'inner', 'deep', 0)).toBe(false)
    expect(order(root)).toBe('(2 1 3 ()) 4')
  })

  it('moves to a place behind the end as to the end', () => {
    const root = numbered()
    expect(move(root, 'c1', 'inner', 99)).toBe(true)
    expect(order(root)).toBe('(2 3 1) 4')
  })

  it('nudges through groups and out of them', () => {
    const root = numbered()
    const steps = ['(1 2 3) 4', '(2 1 3) 4', '(2 3 1) 4', '(2 3) 1 4', '(2 3) 4 1']
    for (const step of steps) {
      expect(nudge(root, 'c1', 1)).toBe(true)
      expect(order(root)).toBe(step)
    }
    expect(nudge(root, 'c1', 1)).toBe(false)
    for (const step of steps.slice(0, -1).reverse()) {
      expect(nudge(root, 'c1', -1)).toBe(true)
      expect(order(root)).toBe(step)
    }
    expect(nudge(root, 'c1', -1)).toBe(true)
    expect(order(root)).toBe('1 (2 3) 4')
  })

  it('wraps, unwraps, duplicates and removes', () => {
    const root = numbered()
    wrap(root, 'c4')
    expect(order(root)).toBe('1 (2 3) (4)')
    unwrap(root, 'inner')
    expect(order(root)).toBe('1 2 3 (4)')
    duplicate(root, 'c2')
    expect(order(root)).toBe('1 2 2 3 (4)')
    expect(new Set(conditionsOf(root).map((one) => one.id)).size).toBe(5)
    remove(root, 'c3')
    expect(order(root)).toBe('1 2 2 (4)')
    expect(parentOf(root, 'c1')?.id).toBe('root')
  })

  it('keeps the nodes that a new reading of the text has in common with the old', () => {
    const old = fromWire(wire)
    const next = fromWire({ ...wire, rules: [...wire.rules, { field: 'country', operator: '=', value: 'JP' }] })
    keep(old, next, fields)
    next.rules.slice(0, 3).forEach((node, index) => expect(node).toBe(old.rules[index]))
    expect(next.rules[3]!.id).not.toBe(old.rules[2]!.id)
    expect(same(old, next)).toBe(false)
    expect(same(old, fromWire(wire))).toBe(true)
  })

  it('keeps the id of the one condition whose value is typed', () => {
    const old = fromWire({ combinator: 'and', rules: [{ field: 'balance_usd', operator: '>=', value: 1 }] })
    const next = fromWire({ combinator: 'and', rules: [{ field: 'balance_usd', operator: '>=', value: 12 }] })
    keep(old, next, fields)
    expect(next.rules[0]!.id).toBe(old.rules[0]!.id)
  })

  it('keeps what is not finished, which no text holds', () => {
    const inner = { combinator: 'or', rules: [{ field: 'has_poh', operator: '=', value: true }] }
    const old = fromWire({ combinator: 'and', rules: [{ field: 'balance_usd', operator: '>=', value: 1 }, inner] })
    const open = () => newCondition('country')
    const [atTop, below] = [open(), open()]
    old.rules.unshift(atTop)
    ;(old.rules[2] as Group).rules.push(below)
    const next = fromWire({ combinator: 'and', rules: [{ field: 'balance_usd', operator: '>=', value: 12 }, inner] })
    keep(old, next, fields)
    expect(next.rules.map((node) => node.id)).toEqual([old.rules[1]!.id, old.rules[2]!.id, atTop.id])
    expect((next.rules[1] as Group).rules).toContain(below)
    expect(unfinished(next, fields)).toHaveLength(2)
  })

  it('never gives two nodes one id', () => {
    const leaf = { field: 'balance_usd', operator: '>=', value: 1 }
    const old = fromWire({ combinator: 'and', rules: [leaf, leaf] })
    const next = fromWire({ combinator: 'and', rules: [leaf, leaf, leaf] })
    keep(old, next, fields)
    expect(new Set(next.rules.map((node) => node.id)).size).toBe(3)
  })
})
