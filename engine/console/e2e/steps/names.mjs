// Every page can be found one's way in without eyes or mouse: titles, landmarks, names of controls.
import { faultsOf } from '../names.mjs'
import { holds, until } from '../wait.mjs'
import { pagesOf } from './pictures.mjs'

export async function play({ people, report, shared }) {
  const { olga } = people
  const all = []
  for (const { name, path, ready } of pagesOf(shared)) {
    await report.step(name, [olga], async () => {
      await olga.go(path)
      await olga.page.locator(ready).first().waitFor()
      let faults = []
      // What still loads may have no name yet.
      await until('nothing is wrong', async () => (faults = await faultsOf(olga.page)).length === 0, 3_000).catch(() => undefined)
      all.push(...faults.map((fault) => `${name}: ${fault}`))
      return faults.length > 0 ? `${faults.length} faults` : 'all named'
    })
  }
  await report.step('nothing is without a name', [], async () => holds(all.join('\n'), all.length === 0))
}
