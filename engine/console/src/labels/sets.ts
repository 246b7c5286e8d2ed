// Users by exactly which labels they are in.
//
// A user is in a label or not; where a label's rule is unknown of a user, the user is not in it. `NOT label('x')` would be unknown there as
// well, and leave that user out. So only users who are in all labels of a set are counted, set by set, and who is in no other label follows
// by inclusion and exclusion.
import { inRule } from './picked'

/** Labels that can be told apart at once. */
export const SETS_MAX = 5

export interface ExactSet {
  /** Which labels, by their place among those given. */
  members: number[]
  /** Users who are in exactly these. */
  users: number
}

/** Every set of labels but the empty one, as numbers whose bits say which labels are in it. */
export function masks(labels: number): number[] {
  return Array.from({ length: 2 ** labels - 1 }, (_, index) => index + 1)
}

/** The rule of users who are in all labels of a set. */
export function ruleOfSet(names: readonly string[], mask: number): string {
  return membersOf(mask)
    .map((at) => inRule(names[at] ?? ''))
    .join(' AND ')
}

export function membersOf(mask: number): number[] {
  const members: number[] = []
  for (let at = 0; mask >> at > 0; at++) if ((mask >> at) & 1) members.push(at)
  return members
}

/** Users of exactly each set, the most first, from how many are in all labels of each: `inAll[mask - 1]`. */
export function exactSets(inAll: readonly number[]): ExactSet[] {
  const all = inAll.map((_, index) => index + 1)
  return all
    .map((mask) => {
      // Sets that hold this one and more were counted with it: take them away, give back what was taken twice.
      const users = all
        .filter((other) => (other & mask) === mask)
        .reduce((sum, other) => sum + (membersOf(other ^ mask).length % 2 === 0 ? 1 : -1) * (inAll[other - 1] ?? 0), 0)
      return { members: membersOf(mask), users }
    })
    .sort((a, b) => b.users - a.users || a.members.length - b.members.length)
}
