// What a user sees, place by place of the app.
import type { Delivery } from '@/api'

export interface Place {
  /** The place; empty is anywhere. */
  placement: string
  deliveries: Delivery[]
}

/** Deliveries by place, the server's order kept within each; what is shown anywhere comes last. */
export function byPlacement(deliveries: readonly Delivery[]): Place[] {
  const places = new Map<string, Delivery[]>()
  for (const delivery of deliveries) places.set(delivery.placement, [...(places.get(delivery.placement) ?? []), delivery])
  return [...places]
    .map(([placement, found]) => ({ placement, deliveries: found }))
    .sort((a, b) => Number(a.placement === '') - Number(b.placement === '') || a.placement.localeCompare(b.placement))
}
