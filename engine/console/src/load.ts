// Asking and showing: what was loaded, what went wrong, what still runs. Only the latest question's answer counts.
// What a lost connection kept from being loaded is asked for again when it is back.
import { onScopeDispose, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { ApiProblem, isAborted } from '@/api'
import { useSession } from '@/stores/session'

export interface Loaded<T> {
  data: ShallowRef<T | null>
  problem: ShallowRef<unknown>
  loading: Ref<boolean>
  /** Asks, and gives up what was asked before. */
  load: () => Promise<void>
  /** Gives up what is asked for, and what waits to be; what was loaded stays. */
  stop: () => void
  /** Gives up what is asked for and asks anew after a pause, in milliseconds, if nothing changes again until then. */
  loadAfter: (pause: number) => void
}

export function useLoad<T>(question: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const data = shallowRef<T | null>(null)
  const problem = shallowRef<unknown>(null)
  const loading = ref(false)
  let running: AbortController | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  async function load(): Promise<void> {
    running?.abort()
    const mine = new AbortController()
    running = mine
    loading.value = true
    try {
      const answer = await question(mine.signal)
      if (running !== mine) return
      data.value = answer
      problem.value = null
    } catch (error) {
      if (running !== mine || isAborted(error)) return
      problem.value = error
    } finally {
      if (running === mine) loading.value = false
    }
  }

  function stop(): void {
    clearTimeout(timer)
    running?.abort()
    running = null
    loading.value = false
  }

  function loadAfter(pause: number): void {
    stop()
    timer = setTimeout(load, pause)
  }

  const session = useSession()
  watch(
    () => session.connected,
    (connected) => {
      if (connected && problem.value instanceof ApiProblem && problem.value.status === 0) void load()
    },
  )
  onScopeDispose(stop)
  return { data, problem, loading, load, stop, loadAfter }
}
