// A page whose code cannot be fetched: the server is away, or it carries another version of the console than the one that is open.
// Addresses hold the state of pages, so loading the address anew loses nothing that was saved there.
import { watch } from 'vue'
import type { Router } from 'vue-router'
import { useSession } from '@/stores/session'

const LOADED = 'muster.loaded'
/** A page that is missing again so soon after it was loaded anew is not loaded once more. */
const AGAIN_MS = 10_000

/** Whether an error says that code could not be fetched, in the words of the browsers. */
export function isMissing(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error)
  return /dynamically imported module|importing a module script|preload css/i.test(text)
}

/** Whether an address was not loaded anew a moment ago; notes that it is now. */
export function mayLoad(address: string, now: number, notes: Pick<Storage, 'getItem' | 'setItem'>): boolean {
  const [before, at] = (notes.getItem(LOADED) ?? '').split('\n')
  if (before === address && now - Number(at) < AGAIN_MS) return false
  notes.setItem(LOADED, `${address}\n${now}`)
  return true
}

/** Loads pages anew that could not be fetched, as soon as the server is there. */
export function followMissing(router: Router): void {
  let wanted = ''
  router.onError((error, to) => {
    if (!isMissing(error)) return
    wanted = to.fullPath
    const session = useSession()
    const load = () => {
      if (wanted === to.fullPath && mayLoad(wanted, Date.now(), sessionStorage)) location.assign(wanted)
    }
    // Asking tells whether it is the server that is away, and then so does the frame.
    session.load().then(load, () => {
      watch(() => session.connected, (connected) => connected && load(), { once: true })
    })
  })
  router.afterEach((_to, _from, failure) => {
    if (!failure) wanted = ''
  })
}
