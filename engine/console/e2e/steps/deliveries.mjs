// A delivery from draft to the user who sees it: made by one person, approved by another.
import { equal, holds } from '../wait.mjs'
import { LABEL, RULE } from './audience.mjs'

const NAME = 'Welcome back quest'

export async function play({ people, report, server, shared }) {
  const { anna } = people
  shared.labelId ??= (await server.ask('anna', '/labels', { name: LABEL, rule: RULE })).id
  shared.member = (await server.members(RULE))[0]
  shared.stranger = (await server.members('NOT has_poh'))[0]
  const day = 86_400_000
  const at = (offset) => new Date(Date.now() + offset).toISOString()
  const made = await server.ask('anna', '/deliveries', {
    name: NAME,
    target: { label_id: shared.labelId },
    content_type: 'onchain_task',
    content_id: 'quest-1',
    placement: 'home',
    priority: 10,
    start_time: at(-day),
    end_time: at(7 * day),
  })
  shared.deliveryId = made.id
  await server.ask('anna', `/deliveries/${made.id}/submit`, { comment: 'please' })
  await server.ask('ben', `/deliveries/${made.id}/approve`, { comment: 'fine' })
  await report.step('a member’s page shows it', [anna], async () => {
    await anna.go(`/users/${shared.member}`)
    const shown = await anna.see(`delivery-${shared.deliveryId}`)
    holds('its name is there', (await shown.innerText()).includes(NAME))
  })
  await report.step('a stranger’s page does not', [anna], async () => {
    await anna.go(`/users/${shared.stranger}`)
    await anna.see('delivery-count')
    equal('deliveries of the stranger', await anna.text('delivery-count'), '0')
  })
}
