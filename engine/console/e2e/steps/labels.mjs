// Finding a label, changing it, and what happens when two change it at once.
import { equal, holds, until } from '../wait.mjs'
import { LABEL, RULE } from './audience.mjs'

export async function play({ people, report, server, shared }) {
  const { anna, ben } = people
  shared.labelId ??= (await server.ask('anna', '/labels', { name: LABEL, rule: RULE })).id
  await report.step('the label is found by a part of its name, with its count', [anna], async () => {
    await anna.go('/labels')
    await anna.see('labels')
    await anna.fill('label-search', 'humans with')
    const row = await anna.see(`label-${shared.labelId}`)
    holds('the row has the name', (await row.innerText()).includes(LABEL))
    if (shared.count) await until('the row has the count', async () => (await row.innerText()).includes(shared.count.toLocaleString('en')))
    await until('the search is in the address', () => anna.page.url().includes('humans'))
  })
  await report.step('two edit it at once: the second is shown both versions and loses nothing', [anna, ben], async () => {
    for (const person of [anna, ben]) {
      await person.go(`/labels/${shared.labelId}`)
      await person.click('edit')
      await person.see('edit-description')
    }
    await ben.fill('edit-description', 'What Ben wrote')
    await ben.click('edit-save')
    await ben.gone('label-editor')
    await anna.fill('edit-description', 'What Anna wrote')
    await anna.click('edit-save')
    await anna.see('conflict')
    const shown = await anna.text('diff')
    holds('both versions are shown', shown.includes('What Anna wrote') && shown.includes('What Ben wrote'))
    await anna.click('conflict-mine')
    await anna.gone('label-editor')
    await until('the label is as Anna has it', async () => (await server.ask('anna', `/labels/${shared.labelId}`)).description === 'What Anna wrote')
  })
  await report.step('labels are compared', [anna], async () => {
    const other = (await server.ask('anna', '/labels', { name: 'Humans', rule: 'has_poh' })).id
    shared.otherLabel = other
    await anna.go(`/labels/overlap?ids=${shared.labelId},${other}`)
    const cell = await anna.see(`both-${shared.labelId}-${other}`)
    const wanted = await server.ask('anna', '/audience/overlap', { segments: [{ label_id: shared.labelId }, { label_id: other }] })
    holds('the matrix has counts', /\d/.test(await cell.innerText()))
    equal('labels compared', wanted.counts?.length ?? 2, 2)
  })
}
