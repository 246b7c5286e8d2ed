// The rule as the builder holds it: a tree of groups and conditions with ids of their own, and its way to the server's tree and back.
import { isComplete } from './operators'
import { kindOfReference, referenceOf, type Field, type Kind } from './fields'

export type Combinator = 'and' | 'or' | 'at_least'

export interface Group {
  type: 'group'
  id: string
  combinator: Combinator
  /** How many must hold, of `at_least`. */
  k: number
  not: boolean
  rules: Node[]
}

export interface Condition {
  type: 'condition'
  id: string
  /** Empty until one is chosen. */
  field: string
  operator: string
  value: unknown
  valueSource?: 'field' | 'expression' | undefined
}

export type Node = Group | Condition

/** A group or condition as the server has it. */
export interface WireGroup {
  combinator: Combinator
  not: boolean
  k?: number
  rules: WireNode[]
}
export interface WireCondition {
  field: string
  operator: string
  value: unknown
  valueSource?: string
}
export type WireNode = WireGroup | WireCondition

let last = 0
export const newId = (): string => `n${++last}`

export function newGroup(combinator: Combinator = 'and', rules: Node[] = []): Group {
  return { type: 'group', id: newId(), combinator, k: 2, not: false, rules }
}

export function newCondition(field = '', operator = '', value: unknown = null): Condition {
  return { type: 'condition', id: newId(), field, operator, value }
}

/** The builder's tree of a server's tree. A condition alone becomes a group of one. */
export function fromWire(wire: unknown): Group {
  const node = readNode(wire)
  return node.type === 'group' ? node : newGroup('and', [node])
}

function readNode(wire: unknown): Node {
  const given = wire as Partial<WireGroup> & Partial<WireCondition>
  if (Array.isArray(given.rules)) {
    const group = newGroup(given.combinator ?? 'and', given.rules.map(readNode))
    group.not = given.not === true
    group.k = given.k ?? 2
    return group
  }
  const condition = newCondition(given.field, given.operator, given.value)
  if (given.valueSource === 'field' || given.valueSource === 'expression') condition.valueSource = given.valueSource
  return condition
}

/** The tree for the server, and which nodes of the builder are in it, node for node. */
export interface Sent {
  wire: WireGroup
  ids: SentIds
}
export interface SentIds {
  id: string
  parts: SentIds[]
}

/** What is complete of a tree, for the server. Groups without a complete condition are left out, but for the outermost. */
export function toWire(root: Group, fields: ReadonlyMap<string, Field>): Sent {
  const ids: SentIds = { id: root.id, parts: [] }
  return { wire: writeGroup(root, fields, ids), ids }
}

function writeGroup(group: Group, fields: ReadonlyMap<string, Field>, ids: SentIds): WireGroup {
  const rules: WireNode[] = []
  for (const node of group.rules) {
    const below: SentIds = { id: node.id, parts: [] }
    if (node.type === 'group') {
      const wire = writeGroup(node, fields, below)
      if (wire.rules.length === 0) continue
      rules.push(wire)
    } else {
      if (isUnfinished(node, fields)) continue
      rules.push(writeCondition(node))
    }
    ids.parts.push(below)
  }
  const wire: WireGroup = { combinator: group.combinator, not: group.not, rules }
  if (group.combinator === 'at_least') wire.k = group.k
  return wire
}

function writeCondition(condition: Condition): WireCondition {
  const { field, operator, value, valueSource } = condition
  return valueSource ? { field, operator, value, valueSource } : { field, operator, value }
}

/** What kind of values a condition's field has. */
export function kindOfCondition(condition: Condition, fields: ReadonlyMap<string, Field>): Kind {
  const reference = referenceOf(condition.field)
  return kindOfReference(reference, fields.get(reference.column))
}

/** How many conditions a tree has, complete or not. */
export function conditionsOf(node: Node): Condition[] {
  return node.type === 'condition' ? [node] : node.rules.flatMap(conditionsOf)
}

function isUnfinished(condition: Condition, fields: ReadonlyMap<string, Field>): boolean {
  return !isComplete(condition, kindOfCondition(condition, fields))
}

/** The conditions that say too little to be counted yet. */
export function unfinished(root: Group, fields: ReadonlyMap<string, Field>): Condition[] {
  return conditionsOf(root).filter((condition) => isUnfinished(condition, fields))
}

export function find(root: Group, id: string): Node | null {
  if (root.id === id) return root
  for (const node of root.rules) {
    if (node.id === id) return node
    const found = node.type === 'group' ? find(node, id) : null
    if (found) return found
  }
  return null
}

/** The group that a node is directly in. */
export function parentOf(root: Group, id: string): Group | null {
  for (const node of root.rules) {
    if (node.id === id) return root
    const found = node.type === 'group' ? parentOf(node, id) : null
    if (found) return found
  }
  return null
}

/** Moves a node into a group at a place; nothing happens where that would put a group into itself. */
export function move(root: Group, id: string, into: string, index: number): boolean {
  const node = find(root, id)
  const from = parentOf(root, id)
  const to = find(root, into)
  if (!node || !from || to?.type !== 'group') return false
  if (node.type === 'group' && (node.id === into || find(node, into))) return false
  const at = from.rules.indexOf(node)
  from.rules.splice(at, 1)
  to.rules.splice(Math.min(index, to.rules.length), 0, node)
  return true
}

export function remove(root: Group, id: string): void {
  const from = parentOf(root, id)
  if (from) from.rules = from.rules.filter((node) => node.id !== id)
}

/** Puts a copy of a node behind it. */
export function duplicate(root: Group, id: string): void {
  const from = parentOf(root, id)
  const node = find(root, id)
  if (!from || !node) return
  from.rules.splice(from.rules.indexOf(node) + 1, 0, copyOf(node))
}

function copyOf(node: Node): Node {
  if (node.type === 'group') return { ...node, id: newId(), rules: node.rules.map(copyOf) }
  return { ...node, id: newId(), value: JSON.parse(JSON.stringify(node.value ?? null)) as unknown }
}

/** Puts a node into a new group at its place. */
export function wrap(root: Group, id: string): void {
  const from = parentOf(root, id)
  const node = find(root, id)
  if (!from || !node) return
  from.rules.splice(from.rules.indexOf(node), 1, newGroup(from.combinator === 'and' ? 'or' : 'and', [node]))
}

/** Puts what is in a group where the group is. */
export function unwrap(root: Group, id: string): void {
  const from = parentOf(root, id)
  const node = find(root, id)
  if (!from || node?.type !== 'group') return
  from.rules.splice(from.rules.indexOf(node), 1, ...node.rules)
}

/** Moves a node by one place in its group; at the edge, out of the group. */
export function nudge(root: Group, id: string, by: -1 | 1): boolean {
  const from = parentOf(root, id)
  const node = find(root, id)
  if (!from || !node) return false
  const index = from.rules.indexOf(node)
  const next = index + by
  if (next >= 0 && next < from.rules.length) {
    const neighbour = from.rules[next]!
    if (neighbour.type === 'group' && node.type === 'condition') {
      return move(root, id, neighbour.id, by === 1 ? 0 : neighbour.rules.length)
    }
    from.rules.splice(index, 1)
    from.rules.splice(next, 0, node)
    return true
  }
  const above = parentOf(root, from.id)
  if (!above) return false
  const place = above.rules.indexOf(from)
  return move(root, id, above.id, by === 1 ? place + 1 : place)
}

/** Whether two trees say the same, ids aside. */
export function same(a: Group, b: Group): boolean {
  return JSON.stringify(bare(a)) === JSON.stringify(bare(b))
}

function bare(node: Node): unknown {
  if (node.type === 'group') return [node.combinator, node.combinator === 'at_least' ? node.k : 0, node.not, node.rules.map(bare)]
  return [node.field, node.operator, node.value, node.valueSource ?? null]
}

/**
 * Keeps the nodes that stayed the same, and the ids of those that changed: what did not change is not drawn anew, and no editor jumps.
 * Conditions that say too little for a text to hold them stay too, behind what it holds of their group.
 */
export function keep(from: Group, to: Group, fields: ReadonlyMap<string, Field>): void {
  to.id = from.id
  const waits = (node: Node) => node.type === 'condition' && isUnfinished(node, fields)
  const before = from.rules.filter((node) => !waits(node))
  const taken = new Set<Node>()
  to.rules.forEach((node, index) => {
    const twin = before.find((one) => !taken.has(one) && sameNode(one, node))
    if (!twin) return
    taken.add(twin)
    to.rules[index] = twin
  })
  to.rules.forEach((node, index) => {
    const twin = before[index]
    if (taken.has(node) || !twin || taken.has(twin) || twin.type !== node.type) return
    taken.add(twin)
    if (node.type === 'group' && twin.type === 'group') keep(twin, node, fields)
    else node.id = twin.id
  })
  to.rules.push(...from.rules.filter(waits))
}

function sameNode(a: Node, b: Node): boolean {
  return JSON.stringify(bare(a)) === JSON.stringify(bare(b))
}

