// Exclusive intersections, against users counted one by one.
import { describe, expect, it } from 'vitest'
import { inRule } from './picked'
import { exactSets, masks, membersOf, ruleOfSet } from './sets'

/** Users as numbers whose bits say which labels they are in. */
function population(labels: number, users: number): number[] {
  let seed = 7
  return Array.from({ length: users }, () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    return seed % 2 ** labels
  })
}

describe('exact sets', () => {
  it.each([1, 2, 3, 4, 5])('of %i labels are those that counting users one by one gives', (labels) => {
    const users = population(labels, 500)
    const inAll = masks(labels).map((mask) => users.filter((user) => (user & mask) === mask).length)
    const found = exactSets(inAll)
    expect(found).toHaveLength(2 ** labels - 1)
    for (const set of found) {
      const mask = set.members.reduce((sum, at) => sum | (1 << at), 0)
      expect(set.users).toBe(users.filter((user) => user === mask).length)
    }
    expect(found.map(({ users: n }) => n)).toEqual(found.map(({ users: n }) => n).toSorted((a, b) => b - a))
  })
})

describe('rules of sets', () => {
  it('name all labels of the set', () => {
    expect(ruleOfSet(['a', 'b', 'c'], 0b101)).toBe("label('a') AND label('c')")
    expect(membersOf(0b110)).toEqual([1, 2])
  })
  it('quote names', () => {
    expect(inRule("it's \\ here")).toBe("label('it\\'s \\\\ here')")
  })
})
