// What an administrator can do with a generation.
import * as api from '@/api'

/** Puts it back into service; publishes it although its gates tripped; removes it. */
export type Deed = 'rollback' | 'publish' | 'discard'

/** Does it; publishing needs a reason. */
export async function act(deed: Deed, generation: number, reason: string): Promise<void> {
  if (deed === 'rollback') await api.rollback(generation)
  else if (deed === 'publish') await api.publish(generation, reason)
  else await api.discard(generation)
}
