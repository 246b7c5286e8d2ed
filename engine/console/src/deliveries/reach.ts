// Asks, while a delivery is edited, whom it would reach; answers to older questions are dropped.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import * as api from '@/api'
import { reachOf, type DeliveryForm } from './form'

/** How long typing rests before the server is asked, in milliseconds. */
const REST_MS = 350

export function useReach(form: Ref<DeliveryForm>) {
  const reach = shallowRef<api.ReachAnswer | null>(null)
  const problem = shallowRef<unknown>(null)
  const counting = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let running: AbortController | null = null

  async function ask(request: api.DeliveryRequest): Promise<void> {
    const mine = (running = new AbortController())
    counting.value = true
    try {
      const answer = await api.previewReach(request, mine.signal)
      if (running !== mine) return
      reach.value = answer
      problem.value = null
    } catch (error) {
      if (running === mine && !api.isAborted(error)) problem.value = error
    } finally {
      if (running === mine) counting.value = false
    }
  }
  function stop(): void {
    clearTimeout(timer)
    running?.abort()
    running = null
    counting.value = false
  }

  const wanted = () => JSON.stringify(reachOf(form.value, new Date()))
  watch(
    wanted,
    (text) => {
      stop()
      const request = JSON.parse(text) as api.DeliveryRequest | null
      if (request) timer = setTimeout(() => void ask(request), REST_MS)
      else reach.value = problem.value = null
    },
    { immediate: true },
  )
  onScopeDispose(stop)
  return { reach, problem, counting }
}
