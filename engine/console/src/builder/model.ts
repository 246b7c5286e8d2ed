// A rule under edit: the tree, the same rule as text, the counts of all its parts, what is wrong with it and where, and what it was before.
// Both forms are kept in step by the server, which alone reads and writes rules; only the latest question's answer is shown.
import { computed, inject, onScopeDispose, reactive, ref, shallowRef, toRaw, watch, type InjectionKey, type Ref } from 'vue'
import * as api from '@/api'
import { conditionsOf, find, fromWire, keep, newGroup, same, toWire, unfinished, type Group, type SentIds } from '@/rule/tree'
import { useSession } from '@/stores/session'
import { useStore } from '@/stores/store'

/** How long typing has to pause before it is counted, in milliseconds. */
const PAUSE_MS = 10
/** About as long as the browser takes to paint, in milliseconds. */
const FRAME_MS = 20
/** How many steps back are kept. */
const STEPS = 100
/** How long typing has to pause before what is wrong with a text is said, in milliseconds: half a word is no mistake yet. */
const MISTAKE_MS = 350

/** What is known of a part of the rule. */
export interface PartCount {
  count: number
  share: number
  /** By how much the audience would grow without it; null for the whole rule. */
  without: number | null
}

export interface RuleProblem {
  detail: string
  /** Where in the text, in characters. */
  offset: number | null
  /** Which node of the tree. */
  node: string | null
}

export type Builder = ReturnType<typeof createBuilder>

export function createBuilder(rule: Ref<string>) {
  const store = useStore()
  const session = useSession()
  const root = ref<Group>(newGroup())
  const text = ref('')
  const counts = reactive(new Map<string, PartCount>())
  const answer = shallowRef<api.PreviewAnswer | null>(null)
  const before = ref<number | null>(null)
  const problem = ref<RuleProblem | null>(null)
  /** A failure that is not the rule's fault: the server is away, too much at a time. */
  const failure = shallowRef<unknown>(null)
  const busy = ref(false)
  /** Milliseconds from the last change until its count was there. */
  const roundMs = ref(0)
  const selected = ref<string | null>(null)

  const undone: string[] = []
  const done: string[] = []
  const depth = ref(0)
  const ahead = ref(0)
  let kept = snapshot()
  let timer: ReturnType<typeof setTimeout> | undefined
  let saying: ReturnType<typeof setTimeout> | undefined
  let running: AbortController | null = null
  /** What was asked last: it is asked again when the server could not be reached. */
  let last: (() => void) | null = null
  let changedAt = 0
  let published = rule.value

  const open = computed(() => unfinished(root.value, store.byName))
  const conditions = computed(() => conditionsOf(root.value).length)

  function snapshot(): string {
    return JSON.stringify(toRaw(root.value))
  }

  /** Notes the tree as it was, so that it can be come back to. */
  function remember(): void {
    const now = snapshot()
    if (now === kept) return
    done.push(kept)
    if (done.length > STEPS) done.shift()
    undone.length = 0
    kept = now
    depth.value = done.length
    ahead.value = 0
  }

  function step(from: string[], to: string[]): void {
    const state = from.pop()
    if (state === undefined) return
    to.push(kept)
    kept = state
    root.value = JSON.parse(state) as Group
    depth.value = done.length
    ahead.value = undone.length
    count()
  }
  const undo = () => step(done, undone)
  const redo = () => step(undone, done)

  /** The tree was changed: it is counted as soon as the change has settled. */
  function changed(): void {
    remember()
    count()
  }

  function count(): void {
    later(async (signal) => {
      const sent = toWire(root.value, store.byName)
      const got = await api.preview({ rules: sent.wire as unknown as Record<string, unknown> }, signal)
      show(got, sent.ids)
      text.value = sent.wire.rules.length === 0 ? '' : got.root.rule
      publish(text.value)
    }, 'tree')
  }

  /** The text was changed: it becomes the tree, and is counted. */
  function changeText(to: string): void {
    text.value = to
    if (to.trim() === '') {
      root.value.rules = []
      changed()
      return
    }
    later(async (signal) => {
      const read = await api.readRule({ rule: to }, signal)
      const next = read.rules ? fromWire(read.rules) : null
      const sent = toWire(next ?? root.value, store.byName)
      const got = await api.preview({ rules: sent.wire as unknown as Record<string, unknown> }, signal)
      tell(got)
      publish(read.rule)
      // The count is what one waits for; the tree is drawn when it has been painted.
      await new Promise((done) => setTimeout(done, FRAME_MS))
      if (signal.aborted) return
      if (next) {
        keep(root.value, next, store.byName)
        if (!same(next, root.value)) {
          root.value = next
          remember()
        }
      }
      counts.clear()
      note(got.root, toWire(root.value, store.byName).ids)
    }, 'text')
  }

  function later(question: (signal: AbortSignal) => Promise<void>, from: 'tree' | 'text'): void {
    clearTimeout(timer)
    clearTimeout(saying)
    changedAt = performance.now()
    last = () => void run(question, from)
    timer = setTimeout(last, PAUSE_MS)
  }

  /** Asks once more what could not be answered; a text that was typed meanwhile is not lost for the tree before it. */
  function again(): void {
    last?.()
  }

  async function run(question: (signal: AbortSignal) => Promise<void>, from: 'tree' | 'text'): Promise<void> {
    running?.abort()
    const mine = new AbortController()
    running = mine
    busy.value = true
    try {
      await question(mine.signal)
      problem.value = null
      failure.value = null
    } catch (error) {
      if (running !== mine || api.isAborted(error)) return
      refuse(error, from)
    } finally {
      if (running === mine) {
        busy.value = false
        running = null
      }
    }
  }

  function show(got: api.PreviewAnswer, ids: SentIds): void {
    tell(got)
    counts.clear()
    note(got.root, ids)
  }

  /** Shows the size of the audience. */
  function tell(got: api.PreviewAnswer): void {
    const was = answer.value?.count ?? null
    if (was !== got.count) before.value = was
    answer.value = got
    roundMs.value = performance.now() - changedAt
  }

  function note(part: api.PreviewPart, ids: SentIds): void {
    counts.set(ids.id, { count: part.count, share: part.share, without: part.without ?? null })
    ids.parts.forEach((below, index) => {
      const its = part.parts[index]
      if (its) note(its, below)
    })
  }

  function refuse(error: unknown, from: 'tree' | 'text'): void {
    const told = error instanceof api.ApiProblem && error.status === 400 ? error.problem : null
    if (!told) {
      failure.value = error
      return
    }
    if (from === 'tree') {
      const { ids } = toWire(root.value, store.byName)
      problem.value = { detail: told.detail, offset: null, node: nodeAt(ids, told.pointer) }
      return
    }
    const offset = told.position ? offsetOf(text.value, told.position) : null
    saying = setTimeout(() => {
      problem.value = { detail: told.detail, offset, node: null }
    }, MISTAKE_MS)
  }

  /** Hands the rule out; what comes back by that is known already. */
  function publish(to: string): void {
    published = to
    rule.value = to
  }

  /** Takes a rule from outside: from an address, from a label. */
  function take(given: string): void {
    published = given
    text.value = given
    if (given.trim() === '') {
      root.value = newGroup()
      remember()
      count()
    } else changeText(given)
  }

  watch(rule, (given) => {
    if (given !== published) take(given)
  })
  // Everything that is shown belongs to a generation: a new one is asked again.
  watch(
    () => store.generation,
    (now, old) => {
      if (now !== null && old !== null && now !== old) count()
    },
  )
  watch(
    () => session.connected,
    (connected) => {
      if (connected && failure.value !== null) again()
    },
  )
  onScopeDispose(() => {
    clearTimeout(timer)
    clearTimeout(saying)
    running?.abort()
  })

  return reactive({
    root,
    text,
    counts,
    answer,
    before,
    problem,
    failure,
    busy,
    roundMs,
    selected,
    open,
    conditions,
    depth,
    ahead,
    undo,
    redo,
    changed,
    changeText,
    count,
    again,
    take,
    find: (id: string) => find(root.value, id),
  })
}

/** A place in the text in UTF-16 units, from a line and a column of characters. */
function offsetOf(text: string, at: api.Position): number {
  const lines = text.split('\n')
  const before = lines.slice(0, at.line - 1).reduce((sum, line) => sum + line.length + 1, 0)
  const line = [...(lines[at.line - 1] ?? '')].slice(0, at.column - 1).join('')
  return Math.min(before + line.length, text.length)
}

/** The node that a JSON pointer of the sent tree points into. */
export function nodeAt(ids: SentIds, pointer: string | null | undefined): string {
  let at = ids
  for (const [, index] of (pointer ?? '').matchAll(/\/rules\/(\d+)/g)) {
    const below = at.parts[Number(index)]
    if (!below) break
    at = below
  }
  return at.id
}

export const BUILDER: InjectionKey<Builder> = Symbol('builder')

export function useBuilder(): Builder {
  const builder = inject(BUILDER)
  if (!builder) throw new Error('a part of the rule builder is used outside of it')
  return builder
}
