// Who uses the console, what they may do, and whether the server is reachable.
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import * as api from '@/api'
import { listen, SILENCE_MS } from '@/api/client'

const TOKEN = 'muster.token'
const USER = 'muster.user'
/** How long to wait before the server is tried again, in milliseconds. */
const RETRY_MS = 2_000

const RANK = { reader: 0, editor: 1, approver: 2, admin: 3 } as const
export type Role = keyof typeof RANK

export const useSession = defineStore('session', () => {
  // A token goes when the tab goes; a name is no secret.
  const token = ref(sessionStorage.getItem(TOKEN))
  const user = ref(localStorage.getItem(USER))
  const me = ref<api.CallerAnswer | null>(null)
  const connected = ref(true)
  const needsToken = ref(false)
  let retry: ReturnType<typeof setTimeout> | undefined

  listen({
    token: () => token.value,
    user: () => user.value,
    reached: () => {
      connected.value = true
    },
    lost: () => {
      connected.value = false
      retry ??= setTimeout(tryAgain, RETRY_MS)
    },
    unauthenticated: () => {
      needsToken.value = true
    },
  })

  async function tryAgain(): Promise<void> {
    retry = undefined
    // What fails calls `lost` again, which comes back here; so does what takes too long.
    await load(AbortSignal.timeout(SILENCE_MS)).catch(() => undefined)
  }

  async function load(signal?: AbortSignal): Promise<void> {
    me.value = await api.me(signal)
    needsToken.value = false
  }

  /** Uses a token from now on; throws when the server does not take it. */
  async function signIn(given: string): Promise<void> {
    const before = token.value
    token.value = given.trim()
    try {
      await load()
      sessionStorage.setItem(TOKEN, token.value)
    } catch (error) {
      token.value = before
      throw error
    }
  }

  function signOut(): void {
    token.value = null
    me.value = null
    sessionStorage.removeItem(TOKEN)
    needsToken.value = true
  }

  /** Uses a name from now on, where the server asks for no token. */
  async function call(name: string): Promise<void> {
    user.value = name.trim() || null
    if (user.value) localStorage.setItem(USER, user.value)
    else localStorage.removeItem(USER)
    await load()
  }

  /** Whether the caller has at least this role. */
  const may = (role: Role) => me.value !== null && RANK[me.value.role] >= RANK[role]

  return {
    token,
    user,
    me: computed(() => me.value),
    connected,
    needsToken,
    load,
    signIn,
    signOut,
    call,
    may,
  }
})
