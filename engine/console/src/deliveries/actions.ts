// What can be done with a delivery, by whom: as the server decides it, told before the click.
import type { Delivery, CallerAnswer } from '@/api'

export type Action = 'edit' | 'submit' | 'approve' | 'reject' | 'cancel' | 'withdraw' | 'delete'
/** Why something that belongs to a state cannot be done by this person now. */
export type Blocked = 'own' | 'notYours' | 'alreadyOpen' | 'endPassed' | 'overNow'

export interface Offer {
  action: Action
  role: 'editor' | 'approver'
  blocked?: Blocked
}

/** Everything that belongs to the delivery's state, the step that comes next first. */
export function offersOf(delivery: Pick<Delivery, 'status' | 'open' | 'end_time'>, me: Pick<CallerAnswer, 'name' | 'role'> | null, now: Date): Offer[] {
  const { status, open } = delivery
  switch (status) {
    case 'draft':
    case 'unpass': {
      const over = new Date(delivery.end_time) <= now
      return [offer('submit', 'editor', over && 'endPassed'), offer('edit', 'editor'), offer('delete', 'editor')]
    }
    case 'pending':
      return decisions(open?.requester, me)
    case 'upcoming':
    case 'ongoing': {
      const changes = [offer('edit', 'editor', !!open && 'alreadyOpen'), offer('cancel', 'editor', !!open && 'alreadyOpen')]
      return open ? [...decisions(open.requester, me), ...changes] : changes
    }
    default:
      // Over. What was asked for and not decided can only be put away; one that never went live is left as it is.
      if (!open || status === 'expired') return []
      return decisions(open.requester, me).map((one) => (one.action === 'approve' ? { ...one, blocked: 'overNow' as const } : one))
  }
}

function decisions(requester: string | undefined, me: Pick<CallerAnswer, 'name' | 'role'> | null): Offer[] {
  const isOwn = requester !== undefined && me?.name === requester
  return [
    offer('approve', 'approver', isOwn && 'own'),
    offer('reject', 'approver', isOwn && 'own'),
    offer('withdraw', 'editor', !isOwn && me?.role !== 'admin' && 'notYours'),
  ]
}

function offer(action: Action, role: Offer['role'], blocked?: Blocked | false): Offer {
  return blocked ? { action, role, blocked } : { action, role }
}

/** Whether the server wants to be told why. */
export function needsComment(action: Action): boolean {
  return action === 'approve' || action === 'reject' || action === 'cancel'
}
